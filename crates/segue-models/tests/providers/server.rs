//! The scripted provider: a server on loopback that answers each request with what it was told, byte by byte, and keeps what
//! it was asked. It runs on a thread of its own, so that a test can stop its own clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segue_models::{Api, Client, Hosted, Provider};
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::official;

/// The key that tests use; it must turn up in no message.
pub(crate) const KEY: &str = "sk-canary-5f1e0b7c9a";

/// What the server does next on a connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Says to the test that it waits, and does nothing more.
    Stall,
    /// Ends the connection with a reset.
    Reset,
}

/// What the server does with one request; then it closes.
#[derive(Clone)]
pub(crate) struct Turn(Vec<Act>);

impl Turn {
    pub(crate) fn of(acts: Vec<Act>) -> Self {
        Self(acts)
    }

    /// An answer of this status, whole.
    pub(crate) fn status(status: &str, headers: &[&str], body: &str) -> Self {
        let mut head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        Self(vec![Act::Send(format!("{head}\r\n{body}").into_bytes())])
    }

    /// A stream of these pieces, each a chunk of its own, that ends as it should.
    pub(crate) fn stream(api: Api, pieces: &[impl AsRef<[u8]>]) -> Self {
        let mut turn = Self::cut(api, pieces);
        turn.0.push(Act::Send(b"0\r\n\r\n".to_vec()));
        turn
    }

    /// A stream of these pieces that ends in the middle.
    pub(crate) fn cut(api: Api, pieces: &[impl AsRef<[u8]>]) -> Self {
        let kind = match api {
            Api::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let mut acts = vec![Act::Send(head.into_bytes())];
        for piece in pieces {
            let piece = piece.as_ref();
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            acts.push(Act::Send(chunk));
        }
        Self(acts)
    }

    /// … and then this.
    pub(crate) fn then(mut self, act: Act) -> Self {
        self.0.push(act);
        self
    }
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Json,
}

#[derive(Default)]
struct State {
    turns: Mutex<VecDeque<Turn>>,
    seen: Mutex<Vec<Seen>>,
    stalled: Notify,
}

/// A scripted provider.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<State>,
    // Ends the thread's runtime, and with it every connection, when the test is over.
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let state = Arc::new(State::default());
        state
            .turns
            .lock()
            .expect("no test panics while it holds this")
            .extend(turns);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback and a folder are there");
        listener
            .set_nonblocking(true)
            .expect("loopback and a folder are there");
        let address = listener.local_addr().expect("loopback and a folder are there");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("loopback and a folder are there");
            runtime.block_on(async move {
                let serving = serve(
                    TcpListener::from_std(listener).expect("loopback and a folder are there"),
                    shared,
                );
                tokio::select! { _ = stopped => {}, () = serving => {} }
            });
        });
        Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Adds a turn.
    pub(crate) fn push(&self, turn: Turn) {
        self.state
            .turns
            .lock()
            .expect("no test panics while it holds this")
            .push_back(turn);
    }

    /// Everything it was asked until now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state
            .seen
            .lock()
            .expect("no test panics while it holds this")
            .clone()
    }

    /// How often each idempotency key was seen: the ledger of effects.
    pub(crate) fn ledger(&self) -> BTreeMap<String, usize> {
        let mut ledger = BTreeMap::new();
        for seen in self.seen() {
            if let Some(key) = seen.headers.get("idempotency-key") {
                *ledger.entry(key.clone()).or_default() += 1;
            }
        }
        ledger
    }

    /// Waits until the server has said all it says and does nothing more.
    pub(crate) async fn stalled(&self) {
        self.state.stalled.notified().await;
    }

    /// Its address, with what stands before the path of each protocol.
    pub(crate) fn base(&self, api: Api) -> String {
        let path = match api {
            Api::Chat | Api::Responses | Api::Anthropic => "/v1",
            Api::Gemini => "/v1beta",
            Api::Ollama => "",
        };
        format!("http://{}{path}", self.address)
    }

    /// A provider there, called as the one whose protocol it speaks.
    pub(crate) fn provider(&self, api: Api) -> Provider {
        Provider::new(named(api), api, self.base(api).parse().expect("it is one"))
            .key(segue::Secret::new(KEY))
    }

    /// One of its models.
    pub(crate) fn model(&self, api: Api) -> Hosted {
        self.model_called(api, "m-1")
    }

    pub(crate) fn model_called(&self, api: Api, model: &str) -> Hosted {
        Hosted::new(client(), Arc::new(self.provider(api)), model)
    }
}

/// The client of a test: each has a thread and a runtime of its own, and reading certificates takes a while.
pub(crate) fn client() -> Client {
    thread_local! {
        static CLIENT: Client = Client::new(true).expect("a client");
    }
    CLIENT.with(Client::clone)
}

/// What a provider of a protocol is called.
pub(crate) fn named(api: Api) -> &'static str {
    match api {
        Api::Chat | Api::Responses => "openai",
        other => other.name(),
    }
}

/// Whatever a test is about: all it was sent has to be what the provider publishes.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
        if std::thread::panicking() {
            return;
        }
        // What has no body asks for a list, and has nothing to be held against.
        for seen in self.seen().into_iter().filter(|seen| !seen.body.is_null()) {
            let faults = official::faults_of_request(&seen);
            assert_eq!(faults, [""; 0], "{}: {:#}", seen.path, seen.body);
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("loopback and a folder are there");
        connections.spawn(answer(stream, state.clone()));
    }
}

async fn answer(mut stream: TcpStream, state: Arc<State>) {
    let Some(seen) = read(&mut stream).await else {
        return;
    };
    state
        .seen
        .lock()
        .expect("no test panics while it holds this")
        .push(seen);
    let turn = state
        .turns
        .lock()
        .expect("no test panics while it holds this")
        .pop_front();
    let turn = turn.unwrap_or_else(|| Turn::status("500 No Turn Left", &[], "the script is over"));
    for act in turn.0 {
        match act {
            // Whoever hangs up early has heard enough.
            Act::Send(bytes) if stream.write_all(&bytes).await.is_err() => return,
            Act::Send(_) => {
                let _ = stream.flush().await;
            }
            Act::Stall => {
                state.stalled.notify_one();
                std::future::pending::<()>().await;
            }
            Act::Reset => {
                let stream = stream.into_std().expect("loopback and a folder are there");
                let socket = socket2::Socket::from(stream);
                socket
                    .set_linger(Some(Duration::ZERO))
                    .expect("loopback and a folder are there");
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// One request; none where somebody connects and says nothing.
async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).expect("a head is text");
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header has a value");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(field).collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().expect("it is one"));
    while bytes.len() < head + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let body = match &bytes[head + 4..] {
        [] => Json::Null,
        body => serde_json::from_slice(body).expect("a body is JSON"),
    };
    Some(Seen { path, headers, body })
}
