//! Bytes in a bucket of a server that speaks S3.
//!
//! A hash is known only at the end, and a bucket cannot rename: so what is being written is held here, in memory while it
//! is small and in a temporary file beyond that, and goes to its place in one piece at the end. There it is visible as a
//! whole or not at all, and a writer that is dropped has sent nothing.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use segue::store::{BlobReader, BlobWriter, Blobs, Pending, StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::Options;
use super::directory::failed as file_failed;
use super::hash::{hex, is_hash};
use super::writing::Writing;
use crate::clock::wall;
use crate::folder::make_folder;
use crate::workers::Workers;

/// What goes to the bucket in one request; more goes in parts of this size.
const PART: usize = 8 * 1024 * 1024;

/// How long a connection, a request and all tries of it may take.
const CONNECT: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_secs(120);
const TRIES: Duration = Duration::from_secs(180);

/// A bucket, or a part of one.
pub(super) struct Bucket {
    inner: Arc<Inner>,
}

struct Inner {
    store: AmazonS3,
    /// How people call it.
    name: String,
    prefix: String,
    spool: PathBuf,
    workers: Workers<()>,
}

impl Bucket {
    /// Opens `bucket/prefix`; nothing is asked of the server yet.
    pub(super) fn open(place: &str, options: &Options) -> Result<Self, StoreError> {
        // A program that has chosen already keeps its choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let name = format!("s3://{place}");
        let refused = |error: Error| {
            StoreError::new(
                StoreErrorKind::Misused,
                format!("`{name}` cannot be opened: {error}"),
            )
        };
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout(REQUEST)
            .with_allow_http(options.allow_http);
        let retry = RetryConfig {
            max_retries: 5,
            retry_timeout: TRIES,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(options.region.as_deref().unwrap_or("us-east-1"))
            .with_client_options(client)
            .with_retry(retry);
        if let Some(endpoint) = &options.endpoint {
            // Servers of other makers rarely have a name for each bucket.
            builder = builder
                .with_endpoint(endpoint)
                .with_virtual_hosted_style_request(false);
        }
        if let Some(id) = &options.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(key) = &options.secret_access_key {
            builder = builder.with_secret_access_key(key);
        }
        if let Some(token) = &options.session_token {
            builder = builder.with_token(token);
        }
        let spool = options
            .spool
            .clone()
            .unwrap_or_else(|| std::env::temp_dir().join("segue-artifacts"));
        let inner = Inner {
            store: builder.build().map_err(refused)?,
            name,
            prefix: prefix.trim_matches('/').to_owned(),
            spool,
            workers: Workers::new("segue-artifacts", 2, || ()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    /// Where the object of a hash is.
    fn key(&self, hash: &str) -> Key {
        let folder = &hash[..2];
        Key::from(match self.prefix.as_str() {
            "" => format!("{folder}/{hash}"),
            prefix => format!("{prefix}/{folder}/{hash}"),
        })
    }

    fn failed(&self, doing: &str, error: &Error) -> StoreError {
        let message = format!("{doing} `{}` failed: {error}", self.name);
        let failed = StoreError::new(StoreErrorKind::Failed, message);
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => failed.hint(
                "check the key and what it may do in this bucket: read, write, list and delete objects",
            ),
            Error::NotFound { .. } => failed.hint("make the bucket first"),
            _ => failed,
        }
    }
}

impl Blobs for Bucket {
    fn write(&self) -> Pending<Box<dyn BlobWriter>> {
        let writer = Writer {
            inner: self.inner.clone(),
            held: Arc::new(Mutex::new(Some(Held::Memory(Vec::new())))),
        };
        Box::pin(std::future::ready(Ok(Box::new(writer) as Box<dyn BlobWriter>)))
    }

    fn read(&self, sha256: String) -> Pending<Option<Box<dyn BlobReader>>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            if !is_hash(&sha256) {
                return Ok(None);
            }
            match inner.store.get(&inner.key(&sha256)).await {
                Ok(found) => {
                    let stream = Arc::new(Mutex::new(found.into_stream()));
                    Ok(Some(Box::new(Reader { inner, stream }) as Box<dyn BlobReader>))
                }
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(inner.failed("reading", &error)),
            }
        })
    }

    fn sweep(&self, referenced: BTreeSet<String>, older_than: Duration) -> Pending<u64> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let prefix = (!inner.prefix.is_empty()).then(|| Key::from(inner.prefix.clone()));
            let mut listed = inner.store.list(prefix.as_ref());
            let mut swept = 0;
            while let Some(object) = listed.next().await {
                let object = object.map_err(|error| inner.failed("listing", &error))?;
                // Whatever else somebody has put there is not ours to remove.
                let hash = object.location.filename().filter(|name| is_hash(name));
                let is_ours = hash.is_some_and(|hash| object.location == inner.key(hash));
                let is_needed = hash.is_some_and(|hash| referenced.contains(hash));
                if !is_ours || is_needed || !is_older(object.last_modified.into(), older_than) {
                    continue;
                }
                swept += u64::from(inner.sweep_one(&object.location, older_than).await?);
            }
            Ok(swept)
        })
    }
}

impl Inner {
    /// Removes an object, unless it was written again since it was listed. A bucket cannot do both at once: between the
    /// question and the removal stays the time of a request.
    async fn sweep_one(&self, key: &Key, older_than: Duration) -> Result<bool, StoreError> {
        match self.store.head(key).await {
            Ok(now) if is_older(now.last_modified.into(), older_than) => {}
            Ok(_) | Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.failed("sweeping", &error)),
        }
        match self.store.delete(key).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("sweeping", &error)),
        }
    }
}

fn is_older(modified: SystemTime, age: Duration) -> bool {
    wall().duration_since(modified).unwrap_or(Duration::ZERO) >= age
}

/// What was appended so far.
enum Held {
    Memory(Vec<u8>),
    File(Writing),
}

struct Writer {
    inner: Arc<Inner>,
    /// None after it has failed or ended.
    held: Arc<Mutex<Option<Held>>>,
}

fn take(held: &mut Option<Held>) -> Result<Held, StoreError> {
    held.take().ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Misused,
            "nothing can be appended to what has failed",
        )
    })
}

impl BlobWriter for Writer {
    fn append(&mut self, bytes: Vec<u8>) -> Pending<()> {
        let (inner, held) = (self.inner.clone(), self.held.clone());
        Box::pin(async move {
            let mut held = held.lock().await;
            *held = Some(match take(&mut held)? {
                Held::Memory(mut kept) if kept.len() + bytes.len() <= PART => {
                    kept.extend(bytes);
                    Held::Memory(kept)
                }
                Held::Memory(kept) => {
                    let spool = inner.spool.clone();
                    let file = inner.workers.ask(move |()| {
                        let begin = || {
                            make_folder(&spool)?;
                            let mut file = Writing::begin(&spool)?;
                            file.append(&kept)?;
                            file.append(&bytes)?;
                            Ok(file)
                        };
                        begin().map_err(|error: io::Error| file_failed("writing", &spool, &error))
                    });
                    Held::File(file.await?)
                }
                Held::File(mut file) => {
                    let file = inner.workers.ask(move |()| match file.append(&bytes) {
                        Ok(()) => Ok(file),
                        Err(error) => Err(file_failed("writing", file.path(), &error)),
                    });
                    Held::File(file.await?)
                }
            });
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> Pending<(String, u64)> {
        let Self { inner, held } = *self;
        Box::pin(async move {
            let taken = take(&mut *held.lock().await)?;
            match taken {
                Held::Memory(bytes) => {
                    let (hash, length) = (hex(&Sha256::digest(&bytes)), bytes.len() as u64);
                    let put = inner.store.put(&inner.key(&hash), PutPayload::from(bytes)).await;
                    put.map_err(|error| inner.failed("writing to", &error))?;
                    Ok((hash, length))
                }
                Held::File(file) => inner.upload(file).await,
            }
        })
    }
}

impl Inner {
    /// Sends a file in parts. Until the last one is there nothing is visible; when one fails, the others are given up.
    async fn upload(&self, file: Writing) -> Result<(String, u64), StoreError> {
        let (hash, length) = (file.hash(), file.length());
        let failed = |error: Error| self.failed("writing to", &error);
        let mut upload = self.store.put_multipart(&self.key(&hash)).await.map_err(failed)?;
        let sent = async {
            let mut file = self.rewound(file).await?;
            loop {
                let (rest, part) = self.part(file).await?;
                if part.is_empty() {
                    return Ok(());
                }
                file = rest;
                upload.put_part(PutPayload::from(part)).await.map_err(failed)?;
            }
        };
        let sent: Result<(), StoreError> = sent.await;
        let done = match sent {
            Ok(()) => upload.complete().await.map(|_| ()).map_err(failed),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // Parts that are not given up cost money and are never seen.
            let _ = upload.abort().await;
            return Err(error);
        }
        Ok((hash, length))
    }

    async fn rewound(&self, mut file: Writing) -> Result<Writing, StoreError> {
        let rewound = self
            .workers
            .ask(move |()| match file.file().seek(SeekFrom::Start(0)) {
                Ok(_) => Ok(file),
                Err(error) => Err(file_failed("reading", file.path(), &error)),
            });
        rewound.await
    }

    /// The next part of a file; empty at its end.
    async fn part(&self, mut file: Writing) -> Result<(Writing, Vec<u8>), StoreError> {
        let part = self.workers.ask(move |()| {
            let mut part = Vec::with_capacity(PART);
            match file.file().take(PART as u64).read_to_end(&mut part) {
                Ok(_) => Ok((file, part)),
                Err(error) => Err(file_failed("reading", file.path(), &error)),
            }
        });
        part.await
    }
}

type Pieces = BoxStream<'static, object_store::Result<bytes::Bytes>>;

struct Reader {
    inner: Arc<Inner>,
    stream: Arc<Mutex<Pieces>>,
}

impl BlobReader for Reader {
    fn next(&mut self) -> Pending<Option<Vec<u8>>> {
        let (inner, stream) = (self.inner.clone(), self.stream.clone());
        Box::pin(async move {
            let mut stream = stream.lock().await;
            // A piece is what came in one packet of the connection or a few; an empty one is not the end.
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| inner.failed("reading", &error))?;
                if !piece.is_empty() {
                    return Ok(Some(piece.into()));
                }
            }
            Ok(None)
        })
    }
}
