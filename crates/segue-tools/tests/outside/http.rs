//! HTTP services as tools.

use std::sync::Arc;

use segue::schema::Schema;
use segue::{ErrorKind, Failure, Secret, Tool, ToolClass};
use segue_tools::http::Http;
use serde_json::{Value as Json, json};

use crate::call;
use crate::server::{Answer, Server, answer, sends_to, text};

fn takes(input: Json) -> Schema {
    Schema::read(&input, &mut |_, _| None).expect("a type")
}

fn crm(server: &Server) -> Http {
    Http::new("crm", &format!("http://{}/customers/{{id}}", server.address))
        .expect("an address")
        .input(&takes(json!({"id": "string", "page": "integer|null"})))
        .expect("it has `id`")
}

fn json_of(body: &str) -> Answer {
    answer(200, &[("content-type", "application/json")], body)
}

#[tokio::test]
async fn a_get_has_its_arguments_in_path_and_query() {
    let server = Server::start("127.0.0.1", |_| json_of("{\"name\": \"Ada\"}")).await;
    let tool = crm(&server)
        .header("Authorization", "Bearer secret://CRM")
        .expect("a header")
        .secrets(Arc::new(|name| (name == "CRM").then(|| Secret::new("s3cret"))));
    let found = call(tool, json!({"id": "a/b c", "page": 2})).await;
    assert_eq!(found.ok(), Some(json!({"name": "Ada"})));
    let asked = server.requests().remove(0);
    assert!(
        asked.starts_with("GET /customers/a%2Fb%20c?page=2 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(asked.contains("\r\nauthorization: Bearer s3cret\r\n"), "{asked}");
    let key = asked
        .lines()
        .find_map(|line| line.strip_prefix("idempotency-key: "));
    assert!(key.is_some_and(|key| key.len() > 20), "{asked}");
    assert!(asked.ends_with("\r\n\r\n"), "a GET has no body: {asked}");

    call(crm(&server), json!({"id": "1", "page": null}))
        .await
        .expect("it answers");
    assert!(server.requests()[1].starts_with("GET /customers/1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn other_methods_have_them_in_the_body() {
    let server = Server::start("127.0.0.1", |_| answer(201, &[], "")).await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let tool = crm(&server)
            .method(method)
            .expect("a method")
            .class(ToolClass::Idempotent);
        let found = call(tool, json!({"id": "1", "page": 3}))
            .await
            .expect("it answers");
        assert_eq!(found, Json::Null);
        let asked = server.requests().pop().expect("it was asked");
        assert!(
            asked.starts_with(&format!("{method} /customers/1 HTTP/1.1\r\n")),
            "{asked}"
        );
        assert!(
            asked.contains("\r\ncontent-type: application/json\r\n"),
            "{asked}"
        );
        assert!(asked.ends_with("\r\n\r\n{\"page\":3}"), "{asked}");
    }
}

#[tokio::test]
async fn an_answer_is_json_where_it_says_so_and_else_text() {
    for (said, expected) in [
        (json_of("[1, 2]"), json!([1, 2])),
        (
            answer(
                200,
                &[("content-type", "application/problem+json; charset=utf-8")],
                "{}",
            ),
            json!({}),
        ),
        (text("[1, 2]"), json!("[1, 2]")),
        (answer(204, &[], ""), Json::Null),
    ] {
        let Answer::Bytes(said) = said else { continue };
        let server = Server::start("127.0.0.1", move |_| Answer::Bytes(said.clone())).await;
        assert_eq!(
            call(crm(&server), json!({"id": "1", "page": null})).await.ok(),
            Some(expected)
        );
    }
}

async fn failure(server: &Server) -> Failure {
    call(crm(server), json!({"id": "1", "page": null}))
        .await
        .expect_err("it fails")
}

#[tokio::test]
async fn an_answer_that_says_no_is_a_failed_tool() {
    for (status, retryable) in [(400, false), (404, false), (429, true), (500, true), (503, true)] {
        let said = "no such customer ".repeat(1000);
        let server = Server::start("127.0.0.1", move |_| answer(status, &[], &said)).await;
        let failure = failure(&server).await;
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Tool, retryable),
            "{status}"
        );
        let expected = format!("tool `crm` failed: the answer is {status}: no such customer");
        assert!(failure.message.starts_with(&expected), "{failure}");
        assert!(failure.message.len() < 2200, "{}", failure.message.len());
    }
    let server = Server::start("127.0.0.1", |_| json_of("{")).await;
    assert!(
        failure(&server)
            .await
            .message
            .contains("says that it is JSON and is not")
    );
    let server = Server::start("127.0.0.1", |_| {
        answer(200, &[("content-length-x", "1")], &"x".repeat(6 << 20))
    })
    .await;
    let failure = failure(&server).await;
    assert_eq!(failure.limit.expect("a limit").limit, (5 << 20).to_string());
}

#[tokio::test]
async fn credentials_are_not_taken_to_another_host() {
    let other = Server::start("127.0.0.1", |_| json_of("{}")).await;
    let to = other.url("/customers/1");
    let server = Server::start("127.0.0.1", move |request| {
        match request.starts_with("GET /customers/1 ") {
            true => sends_to(302, "/here"),
            false => sends_to(302, &to),
        }
    })
    .await;
    let failure = failure(&server).await;
    assert!(
        failure.message.contains("it sends on to another host"),
        "{failure}"
    );
    assert!(!failure.retryable);
    assert_eq!((server.requests().len(), other.requests().len()), (2, 0));

    let server = Server::start("127.0.0.1", |_| sends_to(307, "/x")).await;
    let tool = crm(&server).method("POST").expect("a method");
    let failure = call(tool, json!({"id": "1", "page": null}))
        .await
        .expect_err("a POST is not sent on");
    assert!(failure.message.contains("the answer is 307"), "{failure}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_and_nothing_is_sent() {
    let server = Server::start("127.0.0.1", |_| text("x")).await;
    let tool = crm(&server).header("x-key", "secret://CRM").expect("a header");
    let failure = call(tool, json!({"id": "1", "page": null}))
        .await
        .expect_err("there is none");
    assert_eq!(failure.message, "there is no secret `CRM`");
    let tool = crm(&server)
        .header("x-key", "secret://CRM")
        .expect("a header")
        .secrets(Arc::new(|_| Some(Secret::new("two\nlines"))));
    let failure = call(tool, json!({"id": "1", "page": null}))
        .await
        .expect_err("it cannot be sent");
    assert!(
        failure.message.contains("header `x-key` cannot be sent"),
        "{failure}"
    );
    assert!(!failure.message.contains("lines"), "{failure}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn offline_only_this_machine_is_reached() {
    let server = Server::start("127.0.0.1", |_| text("x")).await;
    call(crm(&server).offline(true), json!({"id": "1", "page": null}))
        .await
        .expect("it is here");
    let local =
        Http::new("local", &format!("http://localhost:{}/", server.address.port())).expect("an address");
    call(local.offline(true), json!({})).await.expect("it is here");
    for url in [
        "http://192.0.2.1/",
        "https://crm.example.com/",
        "http://[2001:db8::1]/",
    ] {
        let tool = Http::new("far", url).expect("an address").offline(true);
        let failure = call(tool, json!({})).await.expect_err("it is far");
        assert_eq!(failure.kind, ErrorKind::Offline, "{failure}");
    }
}

#[test]
fn what_the_address_has_a_place_for_has_to_be_given() {
    let tool = || Http::new("crm", "https://crm.internal/{id}").expect("an address");
    assert_eq!(tool().spec().parameters["required"], json!(["id"]));
    for input in [
        json!({"name": "string"}),
        json!({"type": "object", "properties": {"id": "string"}}),
    ] {
        let failure = tool().input(&takes(input)).err().expect("`id` may be missing");
        assert!(failure.message.contains("a place for `id`"), "{failure}");
    }
    assert!(tool().header("bad name", "x").is_err());
    assert!(tool().method("NO SUCH").is_err());
}

#[tokio::test]
async fn nobody_who_listens_is_an_error_of_the_network() {
    let server = Server::start("127.0.0.1", |_| text("x")).await;
    let tool = crm(&server);
    drop(server);
    let failure = call(tool, json!({"id": "1", "page": null}))
        .await
        .expect_err("nobody is there");
    assert_eq!(
        (failure.kind, failure.retryable),
        (ErrorKind::Network, true),
        "{failure}"
    );
}
