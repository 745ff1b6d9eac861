//! Saving: bytes into a file that is there as a whole or not at all, and that replaces nothing unless that was said.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::fault::quote;
use tempfile::NamedTempFile;

use crate::problem::Problem;

/// A file in the making.
pub(crate) struct Saving {
    path: PathBuf,
    may_replace: bool,
    to: To,
}

enum To {
    /// Beside its place, until it is complete.
    Beside(NamedTempFile),
    /// What is no file, such as a pipe or a device, takes the bytes as they come.
    Straight(File),
}

impl Saving {
    /// Begins a file.
    ///
    /// # Errors
    /// When there is a file already and it may not be replaced, when it is a folder, or when nothing can be written there.
    pub(crate) fn begin(path: &Path, may_replace: bool) -> Result<Self, Problem> {
        let to = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Problem::usage(format!("{} is a folder", shown(path))));
            }
            Ok(found) if found.is_file() && !may_replace => return Err(taken(path)),
            Ok(found) if !found.is_file() => {
                let opened = OpenOptions::new().write(true).open(path);
                To::Straight(opened.map_err(|error| unwritten(path, &error))?)
            }
            _ => To::Beside(beside(path).map_err(|error| unwritten(path, &error))?),
        };
        let path = path.to_owned();
        Ok(Self {
            path,
            may_replace,
            to,
        })
    }

    /// It is complete: puts it in its place.
    ///
    /// # Errors
    /// When it cannot be put there, or a file has come to be there meanwhile.
    pub(crate) fn end(mut self) -> Result<(), Problem> {
        self.flush().map_err(|error| unwritten(&self.path, &error))?;
        let To::Beside(file) = self.to else {
            return Ok(());
        };
        let kept = match self.may_replace {
            true => file.persist(&self.path),
            false => file.persist_noclobber(&self.path),
        };
        kept.map(drop).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => taken(&self.path),
            _ => unwritten(&self.path, &error.error),
        })
    }
}

impl Write for Saving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Beside(file) => file.write(bytes),
            To::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Beside(file) => file.flush(),
            To::Straight(file) => file.flush(),
        }
    }
}

/// A file in the same folder, that goes away unless it is kept. Its owner's mask decides who may read it.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".segue-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn shown(path: &Path) -> String {
    quote(&path.display().to_string())
}

fn taken(path: &Path) -> Problem {
    Problem::new(ErrorKind::Conflict, format!("{} is there already", shown(path)))
        .hint("choose another name, or replace it with `--force`")
}

/// The problem of a file that cannot be written.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Problem {
    Problem::usage(format!("{} cannot be written: {error}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(path: &Path, text: &str, may_replace: bool) -> Result<(), Problem> {
        let mut saving = Saving::begin(path, may_replace)?;
        saving.write_all(text.as_bytes()).expect("there is room");
        saving.end()
    }

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        let left = || std::fs::read_dir(folder.path()).expect("it is there").count();
        let mut saving = Saving::begin(&path, false).expect("nothing is there");
        saving.write_all(b"half").expect("there is room");
        assert!(!path.exists(), "not before its end");
        drop(saving);
        assert_eq!(left(), 0, "given up, nothing stays");
        save(&path, "one", false).expect("nothing is there");
        save(&path, "two", false).expect_err("it is there already");
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "one");
        save(&path, "three", true).expect("it may be replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "three");
        save(folder.path(), "x", true).expect_err("a folder is no file");
        let mut late = Saving::begin(&folder.path().join("y"), false).expect("nothing is there");
        late.write_all(b"late").expect("there is room");
        std::fs::write(folder.path().join("y"), "first").expect("somebody is faster");
        late.end().expect_err("it came to be there meanwhile");
        assert_eq!(left(), 2);
    }
}
