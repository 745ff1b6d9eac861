//! `@modelcontextprotocol/server-everything` over its pipes.

use std::sync::Arc;

use segue::{ErrorKind, Tool};
use segue_tools::mcp::{Reach, Server};
use serde_json::json;

use crate::site::{call, node, pinned};

async fn everything() -> Arc<Server> {
    let make = || Server::new("all", Reach::Program(node("server-everything", &[])));
    pinned(make).await
}

#[tokio::test(flavor = "multi_thread")]
async fn its_tools_are_called() {
    let server = everything().await;
    let names: Vec<String> = server.tools().map(|tool| tool.spec().name).collect();
    assert!(
        names.contains(&"all.echo".to_owned()) && names.contains(&"all.get-sum".to_owned()),
        "{names:?}"
    );

    let echo = call(&server, "echo", json!({"message": "hello"})).await;
    assert_eq!(echo, Ok(json!("Echo: hello")));
    let sum = call(&server, "get-sum", json!({"a": 2, "b": 3}))
        .await
        .expect("a sum");
    assert!(sum.as_str().is_some_and(|sum| sum.contains('5')), "{sum}");
    let structured = call(&server, "get-structured-content", json!({"location": "New York"})).await;
    let structured = structured.expect("structured content");
    assert!(
        structured["temperature"].is_number() && structured["conditions"].is_string(),
        "{structured}"
    );
    let image = call(&server, "get-tiny-image", json!({}))
        .await
        .expect("an image");
    assert!(
        image
            .as_str()
            .is_some_and(|text| text.contains("[image image/png of ") && !text.contains("iVBOR")),
        "{image}"
    );
    let links = call(&server, "get-resource-links", json!({"count": 2}))
        .await
        .expect("links");
    assert!(
        links.as_str().is_some_and(|text| text.contains("demo://")),
        "{links}"
    );
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_checked_before_it_is_asked() {
    let server = everything().await;
    let wrong = call(&server, "get-sum", json!({"a": "two", "b": 3}))
        .await
        .expect_err("a text is no number");
    assert_eq!(wrong.kind, ErrorKind::SchemaMismatch);
    let unknown = call(&server, "echo", json!({"message": "x", "sudo": true}))
        .await
        .expect_err("nobody knows it");
    assert_eq!(unknown.kind, ErrorKind::SchemaMismatch);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_side_by_side_over_one_connection() {
    let server = everything().await;
    let slow = |steps: u32| {
        call(
            &server,
            "trigger-long-running-operation",
            json!({"duration": 1, "steps": steps}),
        )
    };
    let quick = call(&server, "echo", json!({"message": "meanwhile"}));
    let (a, b, c) = tokio::join!(slow(1), slow(2), quick);
    assert!(a.is_ok_and(|text| text.as_str().is_some_and(|text| text.contains("Steps: 1"))));
    assert!(b.is_ok_and(|text| text.as_str().is_some_and(|text| text.contains("Steps: 2"))));
    assert_eq!(c, Ok(json!("Echo: meanwhile")));
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_would_ask_of_a_client_it_is_not_offered() {
    let server = everything().await;
    let names: Vec<String> = server.tools().map(|tool| tool.spec().name).collect();
    for offered_to_able_clients in [
        "all.trigger-sampling-request",
        "all.trigger-elicitation-request",
        "all.get-roots-list",
    ] {
        assert!(
            !names.iter().any(|name| name == offered_to_able_clients),
            "{names:?}"
        );
    }
    server.close().await;
}
