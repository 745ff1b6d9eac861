//! Bytes in a directory: a file for each content, named by its hash.
//!
//! The order is what counts: a temporary file is written and synced, moved to its name, and the folder is synced; only
//! then the hash is given to whoever refers to it. So no reference ever leads to bytes that are not there, whatever
//! happens in between. What nothing refers to is swept when it is old enough.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use segue::store::{BlobReader, BlobWriter, Blobs, Pending, StoreError, StoreErrorKind};
use segue::{Ids, RandomIds};

use super::hash::is_hash;
use super::writing::Writing;
use crate::clock::wall;
use crate::folder::{make_folder, sync_folder};
use crate::lock::lock;
use crate::workers::Workers;

/// Files read and written at one time.
const THREADS: usize = 4;

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// A temporary file that nobody has touched for so long was left by a process that died.
const STALE: Duration = Duration::from_secs(3_600);

/// Where files stand that are not finished.
const UNFINISHED: &str = "tmp";

/// Bytes in a directory.
pub struct Directory {
    root: Arc<Path>,
    workers: Arc<Workers<()>>,
}

impl Directory {
    /// Opens a directory; it is made, for its owner alone, when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        make_folder(&root.join(UNFINISHED)).map_err(|error| failed("making", &root, &error))?;
        Ok(Self {
            root: root.into(),
            workers: Arc::new(Workers::new("segue-artifacts", THREADS, || ())),
        })
    }
}

impl Blobs for Directory {
    fn write(&self) -> Pending<Box<dyn BlobWriter>> {
        let (root, workers) = (self.root.clone(), self.workers.clone());
        self.workers.ask(move |()| {
            let writing =
                Writing::begin(&root.join(UNFINISHED)).map_err(|error| failed("writing", &root, &error))?;
            let writer = Writer {
                root,
                writing: Arc::new(Mutex::new(Some(writing))),
                workers,
            };
            Ok(Box::new(writer) as Box<dyn BlobWriter>)
        })
    }

    fn read(&self, sha256: String) -> Pending<Option<Box<dyn BlobReader>>> {
        if !is_hash(&sha256) {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let (path, workers) = (place(&self.root, &sha256), self.workers.clone());
        self.workers.ask(move |()| match File::open(&path) {
            Ok(file) => {
                let file = Arc::new(Mutex::new(file));
                Ok(Some(
                    Box::new(Reader { path, file, workers }) as Box<dyn BlobReader>
                ))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", &path, &error)),
        })
    }

    fn sweep(&self, referenced: BTreeSet<String>, older_than: Duration) -> Pending<u64> {
        let root = self.root.clone();
        self.workers.ask(move |()| {
            sweep(&root, &referenced, older_than).map_err(|error| failed("sweeping", &root, &error))
        })
    }
}

/// Where the file of a hash stands. The first two digits are a folder, so that none has millions of files.
fn place(root: &Path, hash: &str) -> PathBuf {
    root.join(&hash[..2]).join(hash)
}

/// Gives a file its name; gives its hash and length when it is there for good.
fn finish(root: &Path, mut writing: Writing) -> io::Result<(String, u64)> {
    let (hash, length) = (writing.hash(), writing.length());
    let path = place(root, &hash);
    let folder = path.parent().unwrap_or(root);
    make_folder(folder)?;
    if !is_kept(&path)? {
        writing.file().sync_all()?;
        crate::fail::point("K11");
        // Where an equal file has come in between, it is replaced by an equal one.
        fs::rename(writing.path(), &path)?;
    }
    // Also when somebody else moved it there: that one may not have synced the folder yet.
    sync_folder(folder)?;
    Ok((hash, length))
}

/// Whether the content is there already. If so it is as young as if it were new, so that no sweep takes it: a sweep looks
/// at the age once more after it has moved a file away, so either it sees the new age or it is seen here that the file
/// is gone.
fn is_kept(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => {
            file.set_modified(wall())?;
            path.try_exists()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

struct Writer {
    root: Arc<Path>,
    /// None after it has failed or ended: what was half written cannot be gone on with.
    writing: Arc<Mutex<Option<Writing>>>,
    workers: Arc<Workers<()>>,
}

impl Writer {
    fn take(writing: &Mutex<Option<Writing>>) -> Result<Writing, StoreError> {
        let taken = lock(writing).take();
        taken.ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Misused,
                "nothing can be appended to what has failed",
            )
        })
    }
}

impl BlobWriter for Writer {
    fn append(&mut self, bytes: Vec<u8>) -> Pending<()> {
        let writing = self.writing.clone();
        self.workers.ask(move |()| {
            let mut taken = Self::take(&writing)?;
            taken
                .append(&bytes)
                .map_err(|error| failed("writing", taken.path(), &error))?;
            *lock(&writing) = Some(taken);
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> Pending<(String, u64)> {
        let (root, writing) = (self.root.clone(), self.writing.clone());
        self.workers.ask(move |()| {
            let taken = Self::take(&writing)?;
            finish(&root, taken).map_err(|error| failed("writing", &root, &error))
        })
    }
}

struct Reader {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    workers: Arc<Workers<()>>,
}

impl BlobReader for Reader {
    fn next(&mut self) -> Pending<Option<Vec<u8>>> {
        let (path, file) = (self.path.clone(), self.file.clone());
        self.workers.ask(move |()| {
            let file = lock(&file);
            let mut piece = Vec::new();
            let read = (&*file).take(PIECE as u64).read_to_end(&mut piece);
            read.map_err(|error| failed("reading", &path, &error))?;
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}

fn sweep(root: &Path, referenced: &BTreeSet<String>, older_than: Duration) -> io::Result<u64> {
    let mut swept = 0;
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        let name = folder.file_name();
        if name == UNFINISHED || !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let name = file.file_name();
            // Whatever else somebody has put there is not ours to remove.
            let Some(hash) = name.to_str().filter(|name| is_hash(name)) else {
                continue;
            };
            if !referenced.contains(hash) && is_older(&file.path(), older_than)? {
                swept += u64::from(sweep_file(root, &file.path(), older_than)?);
            }
        }
    }
    for file in fs::read_dir(root.join(UNFINISHED))? {
        let path = file?.path();
        if is_older(&path, older_than.max(STALE))? {
            remove(&path)?;
        }
    }
    Ok(swept)
}

/// Removes a file that is old, unless somebody has kept the same content again meanwhile; see [`is_kept`].
fn sweep_file(root: &Path, path: &Path, older_than: Duration) -> io::Result<bool> {
    let aside = root.join(UNFINISHED).join(format!("{:032x}", RandomIds.bits()));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        moved => moved?,
    }
    if is_older(&aside, older_than)? {
        remove(&aside)?;
        return Ok(true);
    }
    fs::rename(&aside, path)?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(false)
}

fn is_older(path: &Path, age: Duration) -> io::Result<bool> {
    match fs::metadata(path) {
        // A time in the future, after the clock was put back, is young.
        Ok(found) => Ok(wall().duration_since(found.modified()?).unwrap_or(Duration::ZERO) >= age),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::new(
            StoreErrorKind::Full,
            format!("{doing} `{path}` failed: no space is left"),
        )
        .hint("make room on that disk"),
        _ => StoreError::new(
            StoreErrorKind::Failed,
            format!("{doing} `{path}` failed: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path().join("artifacts")).unwrap();
        (folder, directory)
    }

    /// Puts a file's time back.
    fn age(path: &Path, by: Duration) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(wall() - by).unwrap();
    }

    #[tokio::test]
    async fn a_file_left_by_a_process_that_died_is_swept_when_it_is_old() {
        let (_folder, directory) = directory();
        let left = directory.root.join(UNFINISHED).join("left");
        fs::write(&left, "half").unwrap();
        directory.sweep(BTreeSet::new(), Duration::ZERO).await.unwrap();
        assert!(left.exists(), "somebody may still write it");
        age(&left, STALE);
        directory.sweep(BTreeSet::new(), Duration::ZERO).await.unwrap();
        assert!(!left.exists());
    }

    #[tokio::test]
    async fn what_is_kept_again_is_young_again() {
        let (_folder, directory) = directory();
        let blobs: &dyn Blobs = &directory;
        let hour = Duration::from_secs(3_600);
        let (hash, _) = blobs.keep(b"abc".to_vec()).await.unwrap();
        age(&place(&directory.root, &hash), hour * 2);
        blobs.keep(b"abc".to_vec()).await.unwrap();
        assert_eq!(blobs.sweep(BTreeSet::new(), hour).await.unwrap(), 0);
        age(&place(&directory.root, &hash), hour * 2);
        assert_eq!(blobs.sweep(BTreeSet::new(), hour).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn kept_and_swept_at_once_it_is_there_whenever_it_was_kept() {
        let (_folder, directory) = directory();
        let directory = Arc::new(directory);
        for round in 0..200u32 {
            let blobs: &dyn Blobs = &*directory;
            let bytes = round.to_le_bytes().to_vec();
            let (hash, _) = blobs.keep(bytes.clone()).await.unwrap();
            age(&place(&directory.root, &hash), STALE * 2);
            let (kept, swept) = futures_util::join!(blobs.keep(bytes), blobs.sweep(BTreeSet::new(), STALE));
            kept.unwrap();
            swept.unwrap();
            assert!(blobs.load(&hash, 9).await.unwrap().is_some(), "round {round}");
        }
    }

    #[tokio::test]
    async fn what_somebody_else_has_put_there_stays() {
        let (_folder, directory) = directory();
        let own = directory.root.join("notes.txt");
        fs::write(&own, "mine").unwrap();
        fs::create_dir(directory.root.join("ab")).unwrap();
        fs::write(directory.root.join("ab/readme"), "mine").unwrap();
        assert_eq!(directory.sweep(BTreeSet::new(), Duration::ZERO).await.unwrap(), 0);
        assert!(own.exists() && directory.root.join("ab/readme").exists());
    }

    #[tokio::test]
    async fn after_a_failure_nothing_can_be_appended_and_no_file_is_left() {
        let (_folder, directory) = directory();
        let mut writer = directory.write().await.unwrap();
        writer.append(b"abc".to_vec()).await.unwrap();
        let unfinished = || fs::read_dir(directory.root.join(UNFINISHED)).unwrap().count();
        assert_eq!(unfinished(), 1);
        // The hash begins with `ba`: where its folder has to be stands a file.
        fs::write(directory.root.join("ba"), "in the way").unwrap();
        let error = writer.finish().await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Failed);
        assert!(error.message.contains("artifacts"), "{error}");
        assert_eq!(unfinished(), 0);
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = failed("writing", Path::new("a/b"), &kind.into());
            assert_eq!(error.kind, StoreErrorKind::Full);
            assert!(error.is_passing() && error.message.contains("a/b"));
        }
    }
}
