//! What a pipeline file may read: files beneath its own folder, and nothing else.
//!
//! A path is checked as text first, so that the rule is the same for a folder on disk and for files a host keeps in
//! memory; a folder on disk then resolves links and refuses what they lead out to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where the files come from that a pipeline file names.
pub trait Files {
    /// The content of a file of at most `limit` bytes.
    ///
    /// `folder` and `path` are relative, have `/` between their parts and no `..`; the file has to lie beneath `folder`.
    ///
    /// # Errors
    /// Why there is nothing to read.
    fn read(&self, folder: &str, path: &str, limit: u64) -> Result<Vec<u8>, Unreadable>;
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// There is none.
    Missing,
    /// It may not be read, for this reason.
    Refused(String),
    /// It has more bytes than are read.
    TooLarge,
}

/// A folder on disk.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder, with all links in its own path followed.
    ///
    /// # Errors
    /// When there is no such folder.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        Ok(Self {
            root: path.canonicalize()?,
        })
    }
}

impl Files for Folder {
    fn read(&self, folder: &str, path: &str, limit: u64) -> Result<Vec<u8>, Unreadable> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Missing,
            _ => Unreadable::Refused(format!("cannot be read: {error}")),
        };
        let folder = self.root.join(folder).canonicalize().map_err(refused)?;
        let file = folder.join(path).canonicalize().map_err(refused)?;
        if !file.starts_with(&folder) {
            return Err(Unreadable::Refused(
                "leads out of the folder through a link".into(),
            ));
        }
        // Looked at before it is opened, because opening a pipe waits for somebody to write.
        let plain = |is_file: bool| match is_file {
            true => Ok(()),
            false => Err(Unreadable::Refused("is not a plain file".into())),
        };
        plain(file.metadata().map_err(refused)?.is_file())?;
        let opened = File::open(&file).map_err(refused)?;
        plain(opened.metadata().map_err(refused)?.is_file())?;
        let mut bytes = Vec::new();
        opened
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(refused)?;
        match bytes.len() as u64 > limit {
            true => Err(Unreadable::TooLarge),
            false => Ok(bytes),
        }
    }
}

/// Files in memory, by their paths.
impl Files for BTreeMap<String, String> {
    fn read(&self, folder: &str, path: &str, limit: u64) -> Result<Vec<u8>, Unreadable> {
        let text = self.get(&join(folder, path)).ok_or(Unreadable::Missing)?;
        match text.len() as u64 > limit {
            true => Err(Unreadable::TooLarge),
            false => Ok(text.as_bytes().to_vec()),
        }
    }
}

/// A path as it is written, made plain: `a/./b/../c.md` is `a/c.md`.
///
/// # Errors
/// Why it is no path a file may name.
pub(super) fn plain_path(written: &str) -> Result<String, &'static str> {
    if written.trim().is_empty() {
        return Err("is empty");
    }
    if written.contains("{{") || written.contains("{%") {
        return Err("is a template; paths are literal");
    }
    if written.contains(['\\', '\0']) || written.chars().any(char::is_control) {
        return Err("has a character in it that paths cannot have; write `/` between its parts");
    }
    let drive = written.as_bytes().get(1) == Some(&b':') && written.as_bytes()[0].is_ascii_alphabetic();
    if written.starts_with(['/', '~']) || drive {
        return Err("is not relative to the folder of this file");
    }
    if written.contains("://") {
        return Err("is an address; files are named by their path");
    }
    let mut parts = Vec::new();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err("leaves the folder of this file"),
            ".." => {}
            part => parts.push(part),
        }
    }
    match parts.is_empty() {
        true => Err("names a folder"),
        false => Ok(parts.join("/")),
    }
}

/// A path beneath a folder; the empty folder is where everything begins.
pub(super) fn join(folder: &str, path: &str) -> String {
    match folder.is_empty() {
        true => path.to_owned(),
        false => format!("{folder}/{path}"),
    }
}

/// The folder of a path.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_beneath_the_folder() {
        let good = [
            ("a.md", "a.md"),
            ("./a/b.md", "a/b.md"),
            ("a/../b.md", "b.md"),
            ("a//b", "a/b"),
            ("ü.md", "ü.md"),
        ];
        for (written, plain) in good {
            assert_eq!(plain_path(written).as_deref(), Ok(plain), "{written}");
        }
        let bad = [
            "",
            " ",
            "/etc/passwd",
            "~/x",
            "../x",
            "a/../../x",
            "a/..",
            ".",
            "C:/x",
            "a\\b",
            "a\0b",
            "file:///x",
            "{{ inputs.path }}",
            "a\nb",
        ];
        for written in bad {
            assert!(plain_path(written).is_err(), "{written:?} was taken");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_gives_its_plain_files_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("segue-files-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("in/sub")).expect("a folder");
        std::fs::write(dir.join("out.txt"), "out").expect("a file");
        std::fs::write(dir.join("in/a.txt"), "hello").expect("a file");
        let link = |to: &str, name: &str| {
            let path = dir.join(name);
            let _ = std::fs::remove_file(&path);
            std::os::unix::fs::symlink(to, path).expect("a link");
        };
        link("../out.txt", "in/escape.txt");
        link("a.txt", "in/alias.txt");
        link("../a.txt", "in/sub/up.txt");
        link("/dev/zero", "in/zero");
        let folder = Folder::new(&dir.join("in")).expect("it is there");
        let read = |folder_name: &str, path: &str| folder.read(folder_name, path, 5);
        assert_eq!(read("", "a.txt"), Ok(b"hello".to_vec()));
        assert_eq!(read("", "alias.txt"), Ok(b"hello".to_vec()));
        assert_eq!(folder.read("", "a.txt", 4), Err(Unreadable::TooLarge));
        assert_eq!(read("", "none.txt"), Err(Unreadable::Missing));
        assert_eq!(read("", "a.txt/x"), Err(Unreadable::Missing));
        for path in ["escape.txt", "sub", "zero"] {
            assert!(matches!(read("", path), Err(Unreadable::Refused(_))), "{path}");
        }
        assert_eq!(read("", "sub/up.txt"), Ok(b"hello".to_vec()));
        assert!(
            matches!(read("sub", "up.txt"), Err(Unreadable::Refused(_))),
            "it leaves the folder of the file"
        );
        std::fs::remove_dir_all(&dir).expect("it was made above");
    }
}
