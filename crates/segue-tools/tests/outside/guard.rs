//! The guard over real sockets: redirects, sizes, times, types, and who is at the other end.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use segue::ErrorKind;
use segue_tools::guard::{Connect, Guard, Outgoing, Policy, Ports};
use tokio::net::TcpStream;

use crate::judged::Names;
use crate::reason;
use crate::server::{Answer, Server, answer, sends_to, text};

/// What an operator allows who has a service on these addresses of this machine.
fn open(ranges: &[&str]) -> Policy {
    Policy {
        http: true,
        ports: Ports::Any,
        allow_private: ranges
            .iter()
            .map(|range| range.parse().expect("a range"))
            .collect(),
    }
}

fn guard() -> Guard {
    Guard::new(open(&["127.0.0.2/32"]))
}

#[tokio::test]
async fn an_answer_comes_with_all_it_said() {
    let server = Server::start("127.0.0.2", |_| text("héllo")).await;
    let request = Outgoing::get(server.url("/a/b?c=d"))
        .header("x-key", "k")
        .expect("a header");
    let answer = guard().send(request).await.expect("it answers");
    assert_eq!((answer.status, &*answer.body), (200, "héllo".as_bytes()));
    assert_eq!(answer.media_type.as_deref(), Some("text/plain"));
    assert_eq!(answer.charset.as_deref(), Some("utf-8"));
    let asked = server.requests().remove(0);
    assert!(asked.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{asked}");
    for header in [
        format!("host: {}", server.address),
        "accept-encoding: identity".to_owned(),
        "x-key: k".to_owned(),
    ] {
        assert!(
            asked.contains(&format!("\r\n{header}\r\n")),
            "{header} is not in {asked}"
        );
    }
}

#[tokio::test]
async fn something_can_be_sent() {
    let server = Server::start("127.0.0.2", |_| answer(202, &[], "")).await;
    let sent = guard()
        .send(Outgoing::post(server.url("/hook"), "{\"a\":1}"))
        .await;
    assert_eq!(sent.expect("it answers").status, 202);
    let asked = server.requests().remove(0);
    assert!(
        asked.starts_with("POST /hook ") && asked.ends_with("\r\n\r\n{\"a\":1}"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_redirect_goes_through_the_whole_guard() {
    for (to, expected) in [
        ("http://127.0.0.1/", "address"),
        ("http://localhost/", "host"),
        ("http://127.1/", "address"),
        ("http://2130706433/", "address"),
        ("http://①②⑦.⓪.⓪.①/", "address"),
        ("http://loc%61lhost/", "host"),
        ("http://[::1]/", "address"),
        ("http://[::ffff:127.0.0.1]/", "address"),
        ("//127.0.0.1/", "address"),
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("http://metadata.google.internal/", "host"),
        ("http://10.0.0.1/", "address"),
        ("http://1.1.1.1@127.0.0.2/", "userinfo"),
        ("http://127.0.0.1\\@1.1.1.1/", "syntax"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1:6379/_INFO", "scheme"),
        ("data:text/html,hi", "scheme"),
        ("http://1.2.3.4.5/", "syntax"),
        ("http://two.example.org/", "address"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let server = Server::start("127.0.0.2", move |_| sends_to(status, to)).await;
            let names = Names::default().with("two.example.org", &[&["93.184.215.14", "10.0.0.1"]]);
            let failure = guard()
                .resolver(names)
                .send(Outgoing::get(server.url("/")))
                .await
                .expect_err(to);
            assert_eq!(reason(&failure), expected, "{to}: {failure}");
            assert_eq!(server.requests().len(), 1, "{to}");
        }
    }
}

#[tokio::test]
async fn a_name_is_judged_again_on_each_redirect() {
    let server = Server::start("127.0.0.2", |_| sends_to(302, "/again")).await;
    let names = Names::default().with("rebind.example.org", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("http://rebind.example.org:{}/", server.address.port());
    let failure = guard().resolver(names.clone()).send(Outgoing::get(url)).await;
    assert_eq!(reason(&failure.expect_err("it has moved inside")), "address");
    assert_eq!((names.count(), server.requests().len()), (2, 1));
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let count = |request: &str| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        path.trim_start_matches('/').parse::<u32>().unwrap_or(0)
    };
    for (last, is_fine) in [(5, true), (6, false)] {
        let server = Server::start("127.0.0.2", move |request| match count(request) {
            at if at == last => text("there"),
            at => sends_to(302, &format!("/{}", at + 1)),
        })
        .await;
        let answer = guard().send(Outgoing::get(server.url("/0"))).await;
        match (answer, is_fine) {
            (Ok(answer), true) => assert_eq!(answer.url.path(), "/5"),
            (Err(failure), false) => assert_eq!(reason(&failure), "redirect"),
            (answer, _) => panic!("{last}: {answer:?}"),
        }
        assert_eq!(server.requests().len(), 6, "the first and five more");
    }
}

#[tokio::test]
async fn credentials_stay_with_the_host_they_were_meant_for() {
    let guard = Guard::new(open(&["127.0.0.2/32", "127.0.0.3/32"]));
    let other = Server::start("127.0.0.3", |_| text("there")).await;
    let to = other.url("/x");
    let first = Server::start("127.0.0.2", move |request| {
        match request.starts_with("GET /here") {
            true => sends_to(302, &to),
            false => sends_to(302, "/here"),
        }
    })
    .await;
    let request = Outgoing::get(first.url("/"))
        .header("authorization", "Bearer k")
        .and_then(|request| request.header("cookie", "a=k"))
        .and_then(|request| request.header("x-key", "k"))
        .expect("they are headers");
    guard.send(request).await.expect("it is sent on");
    for asked in first.requests() {
        assert!(asked.contains("Bearer k") && asked.contains("x-key"), "{asked}");
    }
    let asked = other.requests().remove(0);
    for secret in ["authorization", "cookie", "x-key", "Bearer"] {
        assert!(!asked.to_lowercase().contains(&secret.to_lowercase()), "{asked}");
    }
}

#[tokio::test]
async fn what_is_sent_goes_to_no_other_host() {
    let guard = Guard::new(open(&["127.0.0.2/32", "127.0.0.3/32"]));
    for (status, expected) in [
        (302, None),
        (303, None),
        (307, Some("redirect")),
        (308, Some("redirect")),
    ] {
        let other = Server::start("127.0.0.3", |_| text("there")).await;
        let to = other.url("/");
        let first = Server::start("127.0.0.2", move |_| sends_to(status, &to)).await;
        let sent = guard.send(Outgoing::post(first.url("/"), "secret")).await;
        match expected {
            None => {
                sent.expect("it asks there");
                assert!(
                    other.requests()[0].starts_with("GET / "),
                    "{:?}",
                    other.requests()
                );
            }
            Some(expected) => {
                assert_eq!(reason(&sent.expect_err("it is not sent on")), expected);
                assert_eq!(other.requests(), Vec::<String>::new());
            }
        }
        assert!(other.requests().iter().all(|asked| !asked.contains("secret")));
    }
}

#[tokio::test]
async fn an_answer_is_no_longer_than_allowed() {
    let announced = || Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nx".to_vec());
    let endless = || Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let chunked = || {
        let chunk = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(10);
        Answer::Bytes(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").into_bytes())
    };
    let answers: [fn() -> Answer; 3] = [announced, endless, chunked];
    for (at, wrong) in answers.into_iter().enumerate() {
        let server = Server::start("127.0.0.2", move |_| wrong()).await;
        let failure = guard()
            .most_bytes(5000)
            .send(Outgoing::get(server.url("/")))
            .await;
        let failure = failure.expect_err("it is too long");
        assert_eq!(reason(&failure), "size", "{at}");
        assert_eq!(failure.limit.expect("a limit").limit, "5000");
    }
    let server = Server::start("127.0.0.2", |_| text(&"x".repeat(5000))).await;
    let answer = guard()
        .most_bytes(5000)
        .send(Outgoing::get(server.url("/")))
        .await;
    assert_eq!(answer.expect("it fits").body.len(), 5000);
}

#[tokio::test]
async fn headers_have_an_end() {
    let server = Server::start("127.0.0.2", |_| {
        let header = format!("x-long: {}\r\n", "y".repeat(1000)).repeat(200);
        Answer::Bytes(format!("HTTP/1.1 200 OK\r\n{header}\r\n").into_bytes())
    })
    .await;
    let failure = guard().send(Outgoing::get(server.url("/"))).await;
    assert_eq!(failure.expect_err("they are too long").kind, ErrorKind::Network);
}

#[tokio::test]
async fn an_answer_takes_no_longer_than_allowed() {
    let dripping = || Answer::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    let answers: [fn() -> Answer; 2] = [|| Answer::Silence, dripping];
    for wrong in answers {
        let server = Server::start("127.0.0.2", move |_| wrong()).await;
        let guard = guard().most_time(Duration::from_millis(300));
        let failure = guard
            .send(Outgoing::get(server.url("/")))
            .await
            .expect_err("it never ends");
        assert_eq!(reason(&failure), "time", "{failure}");
    }
}

#[tokio::test]
async fn only_types_somebody_wants_are_read() {
    fn plain(media: &str) -> bool {
        media == "text/plain"
    }
    for (headers, expected) in [
        (&[("content-type", "Text/Plain; charset=utf-8")][..], None),
        (&[("content-type", "application/octet-stream")], Some("type")),
        (&[("content-type", "text/plainer")], Some("type")),
        (&[], Some("type")),
        (
            &[("content-type", "text/plain"), ("content-encoding", "gzip")],
            Some("type"),
        ),
    ] {
        let server = Server::start("127.0.0.2", move |_| answer(200, headers, "x")).await;
        let sent = guard().send(Outgoing::get(server.url("/")).only(plain)).await;
        match (sent, expected) {
            (Ok(_), None) => {}
            (Err(failure), Some(expected)) => assert_eq!(reason(&failure), expected),
            (sent, _) => panic!("{headers:?}: {sent:?}"),
        }
    }
}

/// Connects to another address than it is told.
struct Elsewhere(SocketAddr, Mutex<u32>);

impl Connect for Elsewhere {
    fn connect(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        *self.1.lock().expect("nobody panics") += 1;
        Box::pin(TcpStream::connect(self.0))
    }
}

#[tokio::test]
async fn nothing_is_sent_to_anybody_else_than_who_was_judged() {
    let inside = Server::start("127.0.0.1", |_| text("secret")).await;
    let elsewhere = Elsewhere(inside.address, Mutex::new(0));
    let guard = guard().connector(elsewhere);
    let failure = guard.send(Outgoing::get("http://127.0.0.2:1/")).await;
    let failure = failure.expect_err("it is somebody else");
    assert_eq!(failure.kind, ErrorKind::Network);
    assert!(
        failure.message.contains("turned out to be 127.0.0.1"),
        "{failure}"
    );
    assert_eq!(inside.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_who_listens_is_an_error_of_the_network() {
    let server = Server::start("127.0.0.2", |_| Answer::Bytes(b"nonsense\r\n\r\n".to_vec())).await;
    let failure = guard()
        .send(Outgoing::get(server.url("/")))
        .await
        .expect_err("it is no HTTP");
    assert_eq!(
        (failure.kind, failure.retryable),
        (ErrorKind::Network, true),
        "{failure}"
    );
    let gone = server.url("/");
    drop(server);
    let failure = guard()
        .send(Outgoing::get(gone))
        .await
        .expect_err("nobody is there");
    assert_eq!(failure.kind, ErrorKind::Network, "{failure}");
}
