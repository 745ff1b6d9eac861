//! `@modelcontextprotocol/server-everything` over streamable HTTP, and services that are not there or say no.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use segue::{ErrorKind, Secret};
use segue_tools::mcp::{Address, Reach, Server};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::site::{LONG, call, from_npm, pinned};

/// A server from npm that listens on a port of this machine.
struct Listening {
    child: Child,
    port: u16,
}

impl Listening {
    #[expect(clippy::disallowed_methods, reason = "the test starts the server")]
    fn start(port: Option<u16>) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.unwrap_or_else(|| free().expect("a port").port());
        let mut child = Command::new("node")
            .arg(from_npm("server-everything"))
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node is there");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let ready = stderr
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("listening on port"));
        assert!(ready.is_some(), "it never listened on {port}");
        Self { child, port }
    }

    fn address(&self) -> Address {
        Address::new(&format!("http://127.0.0.1:{}/mcp", self.port)).expect("an address")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_tools_are_called_and_its_end_is_survived() {
    let listening = Listening::start(None);
    let (address, port) = (listening.address(), listening.port);
    let server = pinned(|| Server::new("all", Reach::Address(address.clone())).offline(true)).await;
    let echo = || call(&server, "echo", json!({"message": "hello"}));
    assert_eq!(echo().await, Ok(json!("Echo: hello")));
    let (a, b) = tokio::join!(
        call(
            &server,
            "trigger-long-running-operation",
            json!({"duration": 1, "steps": 1})
        ),
        echo()
    );
    assert!(a.is_ok(), "{a:?}");
    assert_eq!(b, Ok(json!("Echo: hello")));

    drop(listening);
    let unreached = echo().await.expect_err("nobody listens");
    assert_eq!(unreached.kind, ErrorKind::Tool);
    assert!(
        unreached
            .message
            .starts_with("MCP server `all` cannot be reached: "),
        "{}",
        unreached.message
    );
    let _listening = Listening::start(Some(port));
    assert_eq!(echo().await, Ok(json!("Echo: hello")), "it is there again");
    server.close().await;
}

/// A service that gives everybody this answer; gives its address and what it was sent first.
async fn answering(answer: &'static str) -> (Address, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let sent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut sent = Vec::new();
        while !sent.ends_with(b"}") {
            stream.read_buf(&mut sent).await.expect("a request");
        }
        stream.write_all(answer.as_bytes()).await.expect("it reads");
        stream.shutdown().await.expect("it reads");
        String::from_utf8_lossy(&sent).into_owned()
    });
    let address = Address::new(&format!("http://127.0.0.1:{port}/mcp")).expect("an address");
    (address, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_says_no_is_named_and_its_headers_are_not_shown() {
    for answer in [
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nboom",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (address, sent) = answering(answer).await;
        let address = address
            .header("Authorization", Secret::new("Bearer canary-2"))
            .expect("a header");
        let failure = Server::new("web", Reach::Address(address))
            .found()
            .await
            .expect_err(answer);
        let sent = sent.await.expect("it was asked");
        assert!(
            sent.to_lowercase().contains("authorization: bearer canary-2"),
            "{sent}"
        );
        assert_eq!(failure.kind, ErrorKind::Tool);
        assert!(
            failure.message.starts_with("MCP server `web` "),
            "{}",
            failure.message
        );
        assert!(!format!("{failure:?}").contains("canary-2"), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_wants_authorisation_says_how_it_is_given() {
    for answer in [
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"search\"\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Bearer realm=\"search\"\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (address, _) = answering(answer).await;
        let found = Server::new("web", Reach::Address(address)).found().await;
        let failure = found.expect_err("it wants to know who asks");
        assert_eq!(failure.kind, ErrorKind::Tool);
        assert_eq!(
            failure.message,
            "MCP server `web` wants authorisation: `Bearer realm=\"search\"`"
        );
        assert_eq!(
            failure.hints,
            [
                "give it a bearer token: `header = { Authorization = \"Bearer secret://NAME\" }` in `[mcp.web]`, \
              and the token in `SEGUE_SECRET_NAME`"
            ]
        );
        let (address, _) = answering(answer).await;
        let address = address.header("Authorization", Secret::new("Bearer canary-2"));
        let found = Server::new("web", Reach::Address(address.expect("a header")))
            .found()
            .await;
        let failure = found.expect_err("it is another token it wants");
        assert_eq!(
            failure.hints,
            ["it does not take the `Authorization` that `[mcp.web]` sends"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_never_answers_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address = Address::new(&format!("http://127.0.0.1:{port}/mcp")).expect("an address");
    let server = Server::new("web", Reach::Address(address)).start_within(Duration::from_millis(300));
    let failure = tokio::time::timeout(LONG, server.found())
        .await
        .expect("it is given up");
    assert_eq!(
        failure.expect_err("nobody answers").message,
        "MCP server `web` did not get ready within 300ms"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_a_service_elsewhere_is_not_asked() {
    let address = Address::new("https://mcp.example.com/mcp").expect("an address");
    let server = Arc::new(Server::new("web", Reach::Address(address)).offline(true));
    let failure = server.found().await.expect_err("it is offline");
    assert_eq!(failure.kind, ErrorKind::Offline);
    assert_eq!(
        failure.message,
        "MCP server `web` is at https://mcp.example.com/mcp, and Segue is offline"
    );
}
