//! `segue.fetch` in a run.

use segue::{ErrorKind, Tool, ToolClass};
use segue_tools::fetch::Fetch;
use segue_tools::guard::{Guard, Policy, Ports};
use serde_json::json;

use crate::server::{Answer, Server, answer, sends_to, text};
use crate::{call, reason};

fn fetch() -> Fetch {
    Fetch::new(Guard::new(Policy {
        http: true,
        ports: Ports::Any,
        allow_private: vec!["127.0.0.2/32".parse().expect("a range")],
    }))
}

#[tokio::test]
async fn a_page_is_its_status_type_text_and_address() {
    let server = Server::start("127.0.0.2", |request| match request.starts_with("GET /old") {
        true => sends_to(301, "/new"),
        false => answer(
            404,
            &[("content-type", "text/html;charset=\"UTF-8\"")],
            "<p>gone</p>",
        ),
    })
    .await;
    let page = call(fetch(), json!({"url": server.url("/old")}))
        .await
        .expect("it answers");
    let expected =
        json!({"status": 404, "media_type": "text/html", "text": "<p>gone</p>", "url": server.url("/new")});
    assert_eq!(page, expected);
    assert_eq!(fetch().spec().class, Some(ToolClass::ReadOnly));
}

#[tokio::test]
async fn bytes_become_the_text_their_character_set_says() {
    let bytes = |charset: &str, body: &[u8]| {
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain{charset}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    };
    for (charset, body, expected) in [
        ("", "\u{feff}é".as_bytes(), "é"),
        ("; charset=utf-8", b"a\xffb", "a\u{fffd}b"),
        ("; charset=ISO-8859-1", b"caf\xe9", "café"),
    ] {
        let said = bytes(charset, body);
        let server = Server::start("127.0.0.2", move |_| Answer::Bytes(said.clone())).await;
        let page = call(fetch(), json!({"url": server.url("/")}))
            .await
            .expect("it is text");
        assert_eq!(page["text"], expected, "{charset}");
    }
    let said = bytes("; charset=shift_jis", b"\x83");
    let server = Server::start("127.0.0.2", move |_| Answer::Bytes(said.clone())).await;
    let failure = call(fetch(), json!({"url": server.url("/")}))
        .await
        .expect_err("nobody reads it");
    assert_eq!(reason(&failure), "type");
}

#[tokio::test]
async fn what_is_no_text_and_what_is_not_public_is_refused() {
    let server = Server::start("127.0.0.2", |_| {
        answer(200, &[("content-type", "image/png")], "x")
    })
    .await;
    let failure = call(fetch(), json!({"url": server.url("/")}))
        .await
        .expect_err("it is a picture");
    assert_eq!(reason(&failure), "type");
    let failure = call(fetch(), json!({"url": "http://127.0.0.1/"}))
        .await
        .expect_err("it is inside");
    assert_eq!(reason(&failure), "address");
    let closed = Fetch::new(Guard::new(Policy::default()));
    let failure = call(closed, json!({"url": server.url("/")}))
        .await
        .expect_err("only https");
    assert_eq!(reason(&failure), "scheme");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_address_is_all_it_takes() {
    let server = Server::start("127.0.0.2", |_| text("x")).await;
    for wrong in [
        json!({}),
        json!({"url": 1}),
        json!({"url": server.url("/"), "method": "POST"}),
    ] {
        let failure = call(fetch(), wrong).await.expect_err("it does not fit");
        assert_eq!(failure.kind, ErrorKind::SchemaMismatch, "{failure}");
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}
