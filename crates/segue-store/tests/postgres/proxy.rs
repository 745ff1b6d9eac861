//! A way to the server on which the end of a transaction gets lost: the worst a network can do to a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use segue_store::testing::Cluster;

/// The name of the socket of a server.
fn socket(cluster: &Cluster) -> String {
    format!(".s.PGSQL.{}", cluster.port())
}

/// What gets lost next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loses {
    /// Nothing.
    Nothing,
    /// The order to commit: the server undoes the transaction.
    Order,
    /// The answer that it is committed.
    Answer,
}

/// The way.
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    loses: Arc<AtomicU8>,
    _ways: JoinSet<()>,
}

/// Both sides of a connection are closed when this ends.
struct Way {
    client: UnixStream,
    server: UnixStream,
    loses: Arc<AtomicU8>,
}

impl Proxy {
    /// A way to this server, which loses nothing.
    pub(crate) fn to(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(socket(cluster))).unwrap();
        let server: PathBuf = Path::new(cluster.folder()).join(socket(cluster));
        let loses = Arc::new(AtomicU8::new(Loses::Nothing as u8));
        let mut ways = JoinSet::new();
        ways.spawn({
            let loses = loses.clone();
            async move {
                let mut open = JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    let server = UnixStream::connect(&server).await.unwrap();
                    let loses = loses.clone();
                    let way = Way {
                        client,
                        server,
                        loses,
                    };
                    open.spawn(way.go());
                }
            }
        });
        Self {
            folder,
            loses,
            _ways: ways,
        }
    }

    /// The address of the server over this way.
    pub(crate) fn address(&self, cluster: &Cluster) -> String {
        let (own, there) = (self.folder.path().to_string_lossy(), cluster.folder());
        let escaped = |folder: &str| folder.replace('/', "%2F");
        cluster.address().replace(&escaped(there), &escaped(&own))
    }

    /// Loses this of the next transaction, once.
    pub(crate) fn lose(&self, what: Loses) {
        self.loses.store(what as u8, Ordering::SeqCst);
    }

    /// Whether it was lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.loses.load(Ordering::SeqCst) == Loses::Nothing as u8
    }
}

impl Way {
    async fn go(mut self) {
        let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = self.client.read(&mut up) => {
                    let Some(bytes) = some(read, &up) else { return };
                    let ends = has(bytes, b"COMMIT");
                    if ends && self.takes(Loses::Order) {
                        return;
                    }
                    self.server.write_all(bytes).await.unwrap();
                    if ends && self.takes(Loses::Answer) {
                        self.drain().await;
                        return;
                    }
                }
                read = self.server.read(&mut down) => {
                    let Some(bytes) = some(read, &down) else { return };
                    self.client.write_all(bytes).await.unwrap();
                }
            }
        }
    }

    /// Whether this is to be lost; nobody else loses it then.
    fn takes(&self, what: Loses) -> bool {
        let (now, then) = (what as u8, Loses::Nothing as u8);
        let taken = self
            .loses
            .compare_exchange(now, then, Ordering::SeqCst, Ordering::SeqCst);
        taken.is_ok()
    }

    /// Waits until the server has committed, and keeps it to itself.
    async fn drain(&mut self) {
        let mut said = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while !has(&said, b"COMMIT\0") {
            let read = self.server.read(&mut buffer).await;
            let bytes = some(read, &buffer).expect("the server commits");
            said.extend_from_slice(bytes);
        }
    }
}

fn some(read: std::io::Result<usize>, buffer: &[u8]) -> Option<&[u8]> {
    read.ok().filter(|read| *read > 0).map(|read| &buffer[..read])
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
