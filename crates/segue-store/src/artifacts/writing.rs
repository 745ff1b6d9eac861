//! A file being written: hashed on its way, and gone when whoever writes it goes before it has its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use segue::{Ids, RandomIds};
use sha2::{Digest, Sha256};

use super::hash::hex;

/// A temporary file; it goes away with whoever writes it, unless it was moved to its name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = fs::remove_file(&self.0);
    }
}

/// A file being written.
pub(super) struct Writing {
    temporary: Temporary,
    file: File,
    hash: Sha256,
    length: u64,
}

impl Writing {
    /// An empty file in a folder, for its owner alone.
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("{:032x}", RandomIds.bits()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: options.open(&path)?,
            temporary: Temporary(path),
            hash: Sha256::new(),
            length: 0,
        })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The hash of what was appended.
    pub(super) fn hash(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn path(&self) -> &Path {
        &self.temporary.0
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }
}
