//! Artifacts in a bucket: the cases of the conformance suite that are about bytes, against a server that speaks S3. It
//! runs in the process of the test, on a free port of the loopback interface.
#![cfg(all(feature = "s3", feature = "sqlite"))]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use segue::store::Store;
use segue::testing::store::{Fixture, Opened, cases, check};
use segue_store::Sqlite;
use segue_store::artifacts::{Options, open};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server; it ends with its runtime.
struct Server {
    folder: TempDir,
    address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder is made");
        std::fs::create_dir(folder.path().join("artifacts")).expect("the bucket is made");
        let mut service =
            S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).expect("the folder is there"));
        service.set_auth(SimpleAuth::from_single("id", "secret"));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it has an address"));
        let serving = async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A connection that breaks is the client's to notice.
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        };
        runtime.handle().spawn(serving);
        Self {
            folder,
            address,
            _runtime: runtime,
        }
    }

    fn options(&self, spool: &Path) -> Options {
        Options {
            endpoint: Some(self.address.clone()),
            access_key_id: Some("id".into()),
            secret_access_key: Some("secret".into()),
            allow_http: true,
            spool: Some(spool.to_owned()),
            ..Options::default()
        }
    }

    /// The objects that are there.
    fn objects(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let found = std::fs::read_dir(folder).expect("the folder is there");
            let counts = found.map(|entry| match entry.expect("it can be read").path() {
                path if path.is_dir() => count(&path),
                path => usize::from(path.file_name().is_some_and(|name| name.len() == 64)),
            });
            counts.sum()
        }
        count(&self.folder.path().join("artifacts"))
    }
}

/// A store in a file with its bytes in a bucket.
struct InBucket {
    server: Server,
    folder: TempDir,
}

impl InBucket {
    fn new() -> Self {
        Self {
            server: Server::start(),
            folder: tempfile::tempdir().expect("a folder is made"),
        }
    }
}

impl Fixture for InBucket {
    fn open(&self) -> Opened<'_> {
        let options = self.server.options(&self.folder.path().join("spool"));
        let blobs = open("s3://artifacts/some/prefix", &options).expect("it opens");
        let store = Sqlite::at(self.folder.path().join("store.db"))
            .blobs(blobs)
            .open()
            .expect("it opens");
        let store: Arc<dyn Store> = Arc::new(store);
        Box::pin(std::future::ready(store))
    }
}

#[test]
fn a_bucket_keeps_bytes_as_every_place_does() {
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|case| case.name.starts_with("blobs::"))
        .collect();
    assert!(cases.len() >= 13);
    for case in cases {
        println!("{}", case.name);
        check(case.name, &InBucket::new());
    }
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(work)
}

#[test]
fn what_is_large_goes_in_parts_and_leaves_no_file_here() {
    let server = Server::start();
    let spool = tempfile::tempdir().expect("a folder is made");
    blocking(async {
        let blobs = open("s3://artifacts", &server.options(spool.path())).expect("it opens");
        let piece: Vec<u8> = (0..1_000_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut writer = blobs.write().await.expect("it begins");
        for _ in 0..20 {
            writer.append(piece.clone()).await.expect("it is taken");
        }
        assert_eq!(std::fs::read_dir(spool.path()).expect("it is there").count(), 1);
        assert_eq!(server.objects(), 0, "nothing is there before the end");
        let (hash, length) = writer.finish().await.expect("it is kept");
        assert_eq!((length, server.objects()), (20_000_000, 1));
        let back = blobs
            .load(&hash, u64::MAX)
            .await
            .expect("it is read")
            .expect("it is there");
        assert!(back == piece.repeat(20));
        // One that is dropped half way leaves nothing, here or there.
        let mut dropped = blobs.write().await.expect("it begins");
        for _ in 0..10 {
            dropped.append(piece.clone()).await.expect("it is taken");
        }
        drop(dropped);
        assert_eq!(std::fs::read_dir(spool.path()).expect("it is there").count(), 0);
        assert_eq!(server.objects(), 1);
    });
}

#[test]
fn a_wrong_key_is_told_and_not_shown() {
    let server = Server::start();
    let spool = tempfile::tempdir().expect("a folder is made");
    blocking(async {
        let mut options = server.options(spool.path());
        options.secret_access_key = Some("a-wrong-secret".into());
        let closed = open("s3://artifacts", &options).expect("nothing is asked yet");
        let error = closed.keep(b"abc".to_vec()).await.expect_err("the key is wrong");
        assert!(
            !error.hints.is_empty() && !error.message.contains("a-wrong-secret"),
            "{error}"
        );
    });
}

#[test]
fn what_others_keep_in_the_bucket_stays() {
    let server = Server::start();
    let spool = tempfile::tempdir().expect("a folder is made");
    blocking(async {
        let all = open("s3://artifacts", &server.options(spool.path())).expect("it opens");
        let part = open("s3://artifacts/part", &server.options(spool.path())).expect("it opens");
        all.keep(b"abc".to_vec()).await.expect("it is kept");
        part.keep(b"abc".to_vec()).await.expect("it is kept");
        std::fs::write(server.folder.path().join("artifacts/notes.txt"), "mine").expect("it is written");
        assert_eq!(
            part.sweep(Default::default(), Duration::ZERO)
                .await
                .expect("it is swept"),
            1
        );
        assert_eq!(
            all.sweep(Default::default(), Duration::ZERO)
                .await
                .expect("it is swept"),
            1
        );
        assert!(server.folder.path().join("artifacts/notes.txt").exists());
    });
}
