//! A server on this machine that answers what a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What it does with a request.
pub(crate) enum Answer {
    /// Says this and closes.
    Bytes(Vec<u8>),
    /// Says this for ever.
    Endless(Vec<u8>),
    /// Says nothing, and stays.
    Silence,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

/// An answer with a status, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut text = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    Answer::Bytes(format!("{text}\r\n{body}").into_bytes())
}

/// Text.
pub(crate) fn text(body: &str) -> Answer {
    answer(200, &[("content-type", "text/plain; charset=utf-8")], body)
}

/// Sends somewhere else.
pub(crate) fn sends_to(status: u16, location: &str) -> Answer {
    answer(status, &[("location", location)], "")
}

impl Server {
    /// Serves on a loopback address. The answer is made of the whole request.
    pub(crate) async fn start(host: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(host, None, answer).await
    }

    /// The same, with a certificate.
    pub(crate) async fn start_with(
        host: &str,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).await.expect("a loopback address");
        let address = listener.local_addr().expect("it is bound");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, answer) = (requests.clone(), Arc::new(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer, tls) = (kept.clone(), answer.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, kept, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, kept, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            requests,
            _tasks: tasks,
        }
    }

    /// What it was asked, each request as it came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics").clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: Arc<Mutex<Vec<String>>>,
    answer: Arc<impl Fn(&str) -> Answer>,
) {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    while !is_whole(&read) {
        match stream.read(&mut part).await {
            Ok(length) if length > 0 => read.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&read).into_owned();
    kept.lock().expect("nobody panics").push(request.clone());
    match answer(&request) {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Endless(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        Answer::Silence => std::future::pending().await,
    }
}

/// Whether a request is there as a whole.
fn is_whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
