//! Bytes: kept by their SHA-256, so that equal content is kept once and a name never becomes a path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Pending, StoreError, StoreErrorKind};
use crate::clock::now;

/// Where bytes are kept.
///
/// Bytes are visible as a whole or not at all, and when [`BlobWriter::finish`] has given its hash they outlive the power.
pub trait Blobs: Send + Sync + 'static {
    /// Begins to keep something.
    fn write(&self) -> Pending<Box<dyn BlobWriter>>;

    /// Bytes by their hash, hexadecimal; none when there are none.
    fn read(&self, sha256: String) -> Pending<Option<Box<dyn BlobReader>>>;

    /// Forgets bytes that nothing refers to and that are at least this old. Gives how many pieces that were.
    fn sweep(&self, referenced: std::collections::BTreeSet<String>, older_than: Duration) -> Pending<u64>;
}

/// Something that is being kept. Dropped before its end, nothing of it is.
pub trait BlobWriter: Send {
    /// Appends bytes.
    fn append(&mut self, bytes: Vec<u8>) -> Pending<()>;

    /// Keeps what was appended; gives its SHA-256, hexadecimal, and its length.
    fn finish(self: Box<Self>) -> Pending<(String, u64)>;
}

/// Something that is being read.
pub trait BlobReader: Send {
    /// The next bytes, a bounded piece of them; none at the end.
    fn next(&mut self) -> Pending<Option<Vec<u8>>>;
}

/// Bytes in memory.
#[derive(Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<String, Kept>>>);

struct Kept {
    bytes: Arc<[u8]>,
    /// When they were kept last: whoever keeps what is there already wants it to stay as long as what is new.
    at: Instant,
}

struct Writing {
    kept: MemoryBlobs,
    bytes: Vec<u8>,
}

struct Reading {
    bytes: Arc<[u8]>,
    at: usize,
}

/// How much is read at once.
const PIECE: usize = 256 * 1024;

impl Blobs for MemoryBlobs {
    fn write(&self) -> Pending<Box<dyn BlobWriter>> {
        let writer = Box::new(Writing {
            kept: self.clone(),
            bytes: Vec::new(),
        });
        std::future::ready(Ok(writer as Box<dyn BlobWriter>)).boxed()
    }

    fn read(&self, sha256: String) -> Pending<Option<Box<dyn BlobReader>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(&sha256).map(|kept| kept.bytes.clone());
        let reader = found.map(|bytes| Box::new(Reading { bytes, at: 0 }) as Box<dyn BlobReader>);
        std::future::ready(Ok(reader)).boxed()
    }

    fn sweep(&self, referenced: std::collections::BTreeSet<String>, older_than: Duration) -> Pending<u64> {
        let now = now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.len();
        kept.retain(|hash, kept| {
            referenced.contains(hash) || now.saturating_duration_since(kept.at) < older_than
        });
        let swept = (before - kept.len()) as u64;
        std::future::ready(Ok(swept)).boxed()
    }
}

impl BlobWriter for Writing {
    fn append(&mut self, bytes: Vec<u8>) -> Pending<()> {
        self.bytes.extend(bytes);
        std::future::ready(Ok(())).boxed()
    }

    fn finish(self: Box<Self>) -> Pending<(String, u64)> {
        let Writing { kept, bytes } = *self;
        let hash = hex(&Sha256::digest(&bytes));
        let length = bytes.len() as u64;
        let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now();
        let fresh = || Kept {
            bytes: bytes.into(),
            at,
        };
        kept.entry(hash.clone()).or_insert_with(fresh).at = at;
        std::future::ready(Ok((hash, length))).boxed()
    }
}

impl BlobReader for Reading {
    fn next(&mut self) -> Pending<Option<Vec<u8>>> {
        let end = self.bytes.len().min(self.at + PIECE);
        let piece = (self.at < end).then(|| self.bytes[self.at..end].to_vec());
        self.at = end;
        std::future::ready(Ok(piece)).boxed()
    }
}

impl dyn Blobs {
    /// Keeps bytes that are all there.
    ///
    /// # Errors
    /// When they could not be kept.
    pub async fn keep(&self, bytes: Vec<u8>) -> Result<(String, u64), StoreError> {
        let mut writer = self.write().await?;
        writer.append(bytes).await?;
        writer.finish().await
    }

    /// Bytes as a whole.
    ///
    /// # Errors
    /// When they could not be read, or are longer than `most`.
    pub async fn load(&self, sha256: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut reader) = self.read(sha256.to_owned()).await? else {
            return Ok(None);
        };
        let mut all = Vec::new();
        while let Some(piece) = reader.next().await? {
            all.extend(piece);
            if all.len() as u64 > most {
                let message = format!("{sha256} has more than {most} bytes");
                return Err(StoreError::new(StoreErrorKind::Refused, message));
            }
        }
        Ok(Some(all))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
    }
    text
}
