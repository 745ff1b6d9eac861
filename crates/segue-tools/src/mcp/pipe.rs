//! The pipes of a server as a transport: one message a line, each way.
//!
//! What comes out of them is bounded. A server that writes something else than messages, a line without an end, or without
//! end and never an answer, is not waited for: the connection ends, and says why.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::RoleClient;
use rmcp::model::ServerNotification;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use segue::fault::quote;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::process::Process;

/// The longest line that is read: the largest result of a call.
const MAX_LINE: usize = 16 << 20;
/// The most that is read without an answer among it: notifications, and requests of the server's.
const MAX_UNANSWERED: usize = 64 << 20;
/// What is shown of a line that is no message.
const SHOWN: usize = 120;
/// Messages on their way into a server that does not read them; whoever sends more waits, under the deadline of its call.
const UNREAD: usize = 64;

/// Why a connection has ended, for everybody whose call it took along.
pub(super) type Ended = watch::Receiver<Option<String>>;

/// The pipes of a server that runs.
pub(super) struct Pipe {
    process: Process,
    out: BufReader<ChildStdout>,
    /// What was read of a line that has no end yet.
    line: Vec<u8>,
    unanswered: usize,
    into: Option<mpsc::Sender<Vec<u8>>>,
    writing: JoinSet<()>,
    ended: watch::Sender<Option<String>>,
    /// Set when the server says that its tools are others now, before any answer that comes after it is given to anybody:
    /// what notices are handed to runs beside the answers, and may be late.
    is_stale: Arc<AtomicBool>,
}

impl Pipe {
    pub(super) fn new(
        process: Process,
        stdin: ChildStdin,
        stdout: ChildStdout,
        is_stale: Arc<AtomicBool>,
    ) -> (Self, Ended) {
        let (into, lines) = mpsc::channel(UNREAD);
        let (ended, told) = watch::channel(None);
        let mut writing = JoinSet::new();
        writing.spawn(write(stdin, lines));
        let pipe = Self {
            process,
            out: BufReader::new(stdout),
            line: Vec::new(),
            unanswered: 0,
            into: Some(into),
            writing,
            ended,
            is_stale,
        };
        (pipe, told)
    }

    /// The next line, whole, or why there is none. Nothing that was read is lost when this is dropped.
    async fn next_line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let room = MAX_LINE - self.line.len();
            if room == 0 {
                return Err(format!("wrote a line of more than {} MB", MAX_LINE >> 20));
            }
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            let mut out = (&mut self.out).take(room);
            match out.read_until(b'\n', &mut self.line).await {
                Err(error) => return Err(format!("cannot be read: {error}")),
                Ok(0) => return Err(self.last_words().await),
                Ok(_) if self.line.ends_with(b"\n") => return Ok(std::mem::take(&mut self.line)),
                Ok(_) => {}
            }
        }
    }

    async fn last_words(&mut self) -> String {
        let Some(status) = self.process.ended().await else {
            return "closed its output".to_owned();
        };
        match status.code() {
            Some(code) => format!("ended with exit status {code}"),
            None => format!("was ended by a signal ({status})"),
        }
    }

    async fn message(&mut self) -> Result<RxJsonRpcMessage<RoleClient>, String> {
        loop {
            let line = self.next_line().await?;
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let message: RxJsonRpcMessage<RoleClient> =
                serde_json::from_slice(text).map_err(|_| garbage(text))?;
            match message {
                RxJsonRpcMessage::<RoleClient>::Response(_) | RxJsonRpcMessage::<RoleClient>::Error(_) => {
                    self.unanswered = 0;
                }
                RxJsonRpcMessage::<RoleClient>::Notification(ref notice) => {
                    if let ServerNotification::ToolListChangedNotification(_) = notice.notification {
                        self.is_stale.store(true, Ordering::Release);
                    }
                    self.unanswered += line.len();
                }
                _ => self.unanswered += line.len(),
            }
            if self.unanswered > MAX_UNANSWERED {
                return Err(format!(
                    "wrote more than {} MB and no answer",
                    MAX_UNANSWERED >> 20
                ));
            }
            return Ok(message);
        }
    }
}

fn garbage(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN)]);
    let shown: String = text.chars().take(SHOWN).collect();
    format!(
        "wrote something to its stdout that is no message of the protocol: {}",
        quote(&shown)
    )
}

/// Writes lines until there are no more, or nobody reads them; the pipe is closed then.
async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            break;
        }
    }
}

impl Transport<RoleClient> for Pipe {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let into = self.into.clone();
        async move {
            let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            into.ok_or_else(closed)?.send(line).await.map_err(|_| closed())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        if self.ended.borrow().is_some() {
            return None;
        }
        match self.message().await {
            Ok(message) => Some(message),
            Err(why) => {
                self.ended.send_replace(Some(why));
                None
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.into = None;
        if self.ended.borrow().is_some() {
            // It has ended, or is beyond being asked to.
            self.process.group().kill();
        } else {
            self.ended.send_replace(Some("was closed".to_owned()));
            // What is on its way still goes, if it reads.
            let _ = tokio::time::timeout(super::process::GRACE, self.writing.join_next()).await;
            self.writing.abort_all();
        }
        self.process.close().await;
        Ok(())
    }
}
