//! The file of a store in its folder: who may read it, on what kind of file system it is, whether it is still the same.
//!
//! The file itself is never opened here: closing any handle of it would give up the locks that SQLite holds in the same
//! process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use segue::store::{StoreError, StoreErrorKind};

/// Which file it is, whatever its name.
#[derive(Debug, Clone)]
pub(super) struct SameFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SameFile {
    /// The file that stands there now.
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: fs::metadata(path).ok().as_ref().and_then(identity),
        }
    }

    /// # Errors
    /// The file was deleted, or another one has its place.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let path = self.path.display();
        let what = match fs::metadata(&self.path) {
            Ok(now) if identity(&now) == self.identity => return Ok(()),
            Ok(_) => "replaced",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "deleted",
            // What cannot be seen for now is not taken for gone.
            Err(_) => return Ok(()),
        };
        let message = format!("`{path}` was {what} while it was in use");
        Err(StoreError::new(StoreErrorKind::Failed, message)
            .hint("stop everything that uses it, put the right file in its place and start again"))
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

/// Takes a file from everybody but its owner.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// What a person should know about where a store is.
pub(super) fn warnings(path: &Path) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(loose(path, 0o077, "chmod 600"));
    if let Some(folder) = path.parent() {
        // A folder that others may look into is common; one in which they may put another file is not.
        warnings.extend(loose(folder, 0o022, "chmod 700"));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if let Some(kind) = network(&mounts, path) {
        warnings.push(format!(
            "`{}` is on a network file system ({kind}), which SQLite cannot share between machines: use PostgreSQL there",
            path.display()
        ));
    }
    warnings
}

#[cfg(unix)]
fn loose(path: &Path, forbidden: u32, remedy: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    (mode & forbidden != 0).then(|| {
        format!(
            "others can reach `{path}` (mode {:o}): `{remedy} {path}` closes it",
            mode & 0o777
        )
    })
}

#[cfg(not(unix))]
fn loose(_: &Path, _: u32, _: &str) -> Option<String> {
    None
}

/// File systems whose files several machines see, none of which sees the memory the others share.
const NETWORK: [&str; 16] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "gfs2",
    "ocfs2",
    "beegfs",
    "gpfs",
    "ncpfs",
];

/// The kind of network file system a path is on, from the list of mounts.
fn network(mounts: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(_), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let place = unescaped(place);
        // Of two mounts in one place the later one is seen.
        if path.starts_with(&place) && best.is_none_or(|(length, _)| place.len() >= length) {
            best = Some((place.len(), kind));
        }
    }
    let (_, kind) = best?;
    let is_network = NETWORK.contains(&kind)
        || kind.strip_prefix("fuse.").is_some_and(|kind| {
            NETWORK.contains(&kind) || ["sshfs", "rclone", "s3fs", "davfs", "juicefs"].contains(&kind)
        });
    is_network.then(|| kind.to_owned())
}

/// Blanks and the like stand as octal numbers in the list of mounts.
fn unescaped(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_says_what_kind_it_is() {
        let mounts = "/dev/vda / ext4 rw 0 0\nhost:/x /mnt nfs4 rw 0 0\ntmpfs /mnt/fast tmpfs rw 0 0\n\
                      me@host: /home/a\\040b fuse.sshfs rw 0 0\n//s/x /srv cifs rw 0 0\next /srv ext4 rw 0 0\n";
        let kind = |path| network(mounts, Path::new(path));
        assert_eq!(kind("/var/store.db"), None);
        assert_eq!(kind("/mnt/store.db").as_deref(), Some("nfs4"));
        assert_eq!(kind("/mntx/store.db"), None);
        assert_eq!(kind("/mnt/fast/store.db"), None);
        assert_eq!(kind("/home/a b/store.db").as_deref(), Some("fuse.sshfs"));
        assert_eq!(kind("/srv/store.db"), None, "the later mount hides the earlier");
        assert_eq!(network("", Path::new("/x")), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_reach_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fs::write(&path, "").unwrap();
        let told = |file, around| {
            fs::set_permissions(&path, fs::Permissions::from_mode(file)).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(around)).unwrap();
            warnings(&path).len()
        };
        assert_eq!(told(0o600, 0o700), 0);
        assert_eq!(told(0o644, 0o755), 1);
        assert_eq!(told(0o660, 0o777), 2);
        make_private(&path).unwrap();
        assert_eq!(told(0o600, 0o700), 0);
    }

    #[test]
    fn a_file_that_was_replaced_or_deleted_is_not_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fs::write(&path, "a").unwrap();
        let same = SameFile::at(&path);
        same.check().unwrap();
        fs::write(folder.path().join("other"), "b").unwrap();
        if cfg!(unix) {
            fs::rename(folder.path().join("other"), &path).unwrap();
            assert!(same.check().unwrap_err().message.contains("replaced"));
        }
        fs::remove_file(&path).unwrap();
        assert!(same.check().unwrap_err().message.contains("deleted"));
    }
}
