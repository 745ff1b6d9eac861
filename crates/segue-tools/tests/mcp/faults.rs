//! A server that goes wrong: each time a clear error that names it, the tool and what happened, and the next call works.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use segue::ErrorKind;
use segue_tools::mcp::{Program, Reach, Server};
use serde_json::json;

use crate::site::{Faulty, LONG, call, fails, gone, is_running};

/// What a fault says, and that the server is there again afterwards.
async fn survived(tool: &str) -> String {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    let before = call(&server, "pid", json!({})).await.expect("it works");
    let message = fails(&server, tool).await;
    let after = call(&server, "pid", json!({})).await.expect("it works again");
    assert_ne!(before, after, "it was started again");
    gone(before.as_str().expect("a number")).await;
    server.close().await;
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_at_work() {
    assert_eq!(
        survived("die").await,
        "MCP server `faults` ended with exit status 3; its stderr ends with: the disk is on fire, while `faults.die` was at work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_writes_no_messages() {
    assert_eq!(
        survived("garbage").await,
        "MCP server `faults` wrote something to its stdout that is no message of the protocol: \
         `DEBUG: connecting to database`, while `faults.garbage` was at work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_writes_a_line_without_an_end() {
    assert_eq!(
        survived("flood").await,
        "MCP server `faults` wrote a line of more than 16 MB, while `faults.flood` was at work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_talks_and_never_answers() {
    assert_eq!(
        survived("chatter").await,
        "MCP server `faults` wrote more than 64 MB and no answer, while `faults.chatter` was at work"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_something_else_or_refuses() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    assert_eq!(
        fails(&server, "wrong").await,
        "MCP server `faults` answered with something that is no answer to it, when `faults.wrong` was called"
    );
    assert_eq!(
        fails(&server, "refuse").await,
        "MCP server `faults` answered with error -32602: `not today`, when `faults.refuse` was called"
    );
    let starts = faulty
        .log()
        .iter()
        .filter(|line| line.starts_with("starts"))
        .count();
    assert_eq!(
        starts, 2,
        "to be pinned, and for these calls: it was not started again"
    );
    server.close().await;
}

/// What is said of a server that does not get ready.
async fn unready(how: &str) -> String {
    let faulty = Faulty::new();
    let limit = if how == "hang" {
        Duration::from_millis(500)
    } else {
        LONG
    };
    let server = faulty.server(&["--start", how]).start_within(limit);
    let failure = server.found().await.expect_err(how);
    assert_eq!(failure.kind, ErrorKind::Tool);
    assert!(
        failure.hints[0].starts_with("look whether it works: "),
        "{failure:?}"
    );
    failure.message
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_get_ready() {
    assert_eq!(
        unready("hang").await,
        "MCP server `faults` did not get ready within 500ms"
    );
    assert_eq!(
        unready("die").await,
        "MCP server `faults` ended with exit status 2, before it answered the handshake; its stderr ends with: no license"
    );
    assert_eq!(
        unready("garbage").await,
        "MCP server `faults` wrote something to its stdout that is no message of the protocol: `Server is ready!`, \
         before it answered the handshake"
    );
    assert_eq!(
        unready("flood").await,
        "MCP server `faults` wrote a line of more than 16 MB, before it answered the handshake"
    );
    assert_eq!(
        unready("refuse").await,
        "MCP server `faults` refused the handshake with error -32000: `go away`"
    );
    let old = unready("old").await;
    assert!(
        old.starts_with(
            "MCP server `faults` speaks version `1999-01-01` of the protocol; Segue speaks 2024-11-05, "
        ),
        "{old}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there() {
    let program = Program::new("./no-such-server", [], Path::new("/tmp"));
    let failure = Server::new("none", Reach::Program(program))
        .found()
        .await
        .expect_err("there is none");
    assert!(
        failure
            .message
            .starts_with("MCP server `none` could not be started (`/tmp/./no-such-server`): No such file"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_again_and_again_is_left_alone() {
    let faulty = Faulty::new();
    let tools = faulty.server(&[]).found().await.expect("it lists");
    let server = Arc::new(faulty.server(&["--start", "die"]).pinned(tools));
    for _ in 0..3 {
        let message = fails(&server, "pid").await;
        assert!(message.contains("ended with exit status 2"), "{message}");
    }
    let failure = call(&server, "pid", json!({}))
        .await
        .expect_err("it is left alone");
    assert_eq!(
        failure.message,
        "MCP server `faults` was started 3 times in a row and never answered a call"
    );
    assert!(
        failure.hints[0].starts_with("it is started again in "),
        "{failure:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_is_told_that_nobody_waits_any_more() {
    let faulty = Faulty::new();
    let server = faulty.pinned(&[]).await;
    let cut_off = tokio::time::timeout(LONG, async {
        tokio::select! {
            _ = call(&server, "hang", json!({})) => panic!("it never answers"),
            _ = faulty.logged("hangs ") => {}
        }
    });
    cut_off.await.expect("it hangs at once");
    let id = faulty.logged("hangs ").await["hangs ".len()..].to_owned();
    assert_eq!(faulty.logged("cancelled ").await, format!("cancelled {id}"));
    let pid = call(&server, "pid", json!({})).await.expect("it works on");
    assert!(is_running(pid.as_str().expect("a number")));
    server.close().await;
}
