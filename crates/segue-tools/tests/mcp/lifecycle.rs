//! When a server is started and with what, and that nothing of it is left behind.

use std::sync::Arc;

use segue::{ErrorKind, Failure, Secret};
use segue_tools::mcp::{Reach, Server};
use serde_json::{Value as Json, json};

use crate::site::{Faulty, call, gone, is_running};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_started_by_the_first_call_and_shared_by_all_runs() {
    let faulty = Faulty::new();
    let tools = faulty.server(&[]).found().await.expect("it lists");
    let server = Arc::new(faulty.server(&[]).pinned(tools));
    let before = faulty.log().len();
    let pid = || call(&server, "pid", json!({}));
    let (a, b, c) = tokio::join!(pid(), pid(), pid());
    assert!(a.is_ok() && a == b && b == c, "{a:?} {b:?} {c:?}");
    assert_eq!(pid().await, a);
    let starts = faulty.log()[before..]
        .iter()
        .filter(|line| line.starts_with("starts "))
        .count();
    assert_eq!(starts, 1);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_let_end_when_it_is_closed_and_started_again_when_it_is_needed() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    let first = call(&server, "pid", json!({})).await.expect("it works");
    let ends = || faulty.log().iter().filter(|line| *line == "ends").count();
    let before = ends();
    server.close().await;
    assert!(
        !is_running(first.as_str().expect("a number")),
        "it was waited for"
    );
    assert_eq!(ends(), before + 1, "it ended by itself");
    assert_ne!(call(&server, "pid", json!({})).await, Ok(first));
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_it_has_started_outlives_it() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    let closed = call(&server, "child", json!({})).await.expect("a child");
    server.close().await;
    gone(closed.as_str().expect("a number")).await;

    let dropped = call(&server, "child", json!({})).await.expect("a child");
    let pid = call(&server, "pid", json!({})).await.expect("it works");
    assert!(is_running(dropped.as_str().expect("a number")));
    drop(server);
    gone(dropped.as_str().expect("a number")).await;
    gone(pid.as_str().expect("a number")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_what_is_declared_and_little_else() {
    let faulty = Faulty::new();
    let tools = faulty.server(&[]).found().await.expect("it lists");
    let program = faulty.program(&[]).env("API_KEY", Secret::new("canary-1"));
    let server = Arc::new(Server::new("faults", Reach::Program(program)).pinned(tools));
    let env = call(&server, "env", json!({})).await.expect("it says");
    let env: Json = serde_json::from_str(env.as_str().expect("a text")).expect("it is JSON");
    assert_eq!(env["API_KEY"], "canary-1");
    // Cargo sets it for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    // What Python sets for itself, and a script that chooses among versions of it.
    let is_own = |name: &str| ["LC_CTYPE", "PWD", "SHLVL", "_"].contains(&name) || name.contains("PYENV");
    let known = ["API_KEY", "PATH", "HOME", "LANG", "TMPDIR", "SEGUE_OFFLINE"];
    let others: Vec<&String> = env
        .as_object()
        .expect("names")
        .keys()
        .filter(|name| !known.contains(&name.as_str()) && !is_own(name))
        .collect();
    assert_eq!(others, [""; 0]);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_carries_what_tells_its_repetition_from_another() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    let meta = call(&server, "meta", json!({})).await.expect("it says");
    let meta: Json = serde_json::from_str(meta.as_str().expect("a text")).expect("it is JSON");
    assert!(
        meta["segue/idempotencyKey"]
            .as_str()
            .is_some_and(|key| key.starts_with("sha256:")),
        "{meta}"
    );
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_offered_nothing() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    assert_eq!(faulty.logged("capabilities ").await, "capabilities {}");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_is_not_started() {
    let faulty = Faulty::new();
    let tools = faulty.server(&[]).found().await.expect("it lists");
    let starts = || {
        faulty
            .log()
            .iter()
            .filter(|line| line.starts_with("starts "))
            .count()
    };
    let before = starts();
    let why = Failure::new(ErrorKind::Usage, "its file is not trusted");
    let server = Arc::new(faulty.server(&[]).pinned(tools).refused(why));
    let refused = call(&server, "pid", json!({})).await.expect_err("it is refused");
    assert_eq!(refused.message, "its file is not trusted");
    assert_eq!(starts(), before);
}
