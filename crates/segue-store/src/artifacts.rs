//! Where the bytes of artifacts are kept, and outputs that are too large for a log: by their hash, outside the database.

use std::path::PathBuf;

use segue::store::{Blobs, StoreError, StoreErrorKind};

#[cfg(feature = "s3")]
mod bucket;
mod directory;
mod hash;
mod writing;

pub use directory::Directory;

/// What the place of artifacts needs beside its name. Only a bucket needs anything.
#[derive(Clone, Default)]
pub struct Options {
    /// The URL of the server, for one that is not Amazon's.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` by default.
    pub region: Option<String>,
    /// The id of the key.
    pub access_key_id: Option<String>,
    /// The key. Never shown.
    pub secret_access_key: Option<String>,
    /// The token of a session, with keys that are lent for a while. Never shown.
    pub session_token: Option<String>,
    /// Whether the server may be spoken to without TLS: one on this machine, for example.
    pub allow_http: bool,
    /// Where a file stands while it is being written, before its hash is known; the system's folder for temporary files
    /// by default.
    pub spool: Option<PathBuf>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Opens the place of artifacts: a directory, or a bucket as `s3://bucket/prefix` with the feature `s3`.
///
/// # Errors
/// The directory cannot be made, or what stands there is no bucket.
pub fn open(place: &str, options: &Options) -> Result<Box<dyn Blobs>, StoreError> {
    match place.split_once("://") {
        None => Ok(Box::new(Directory::open(place)?)),
        #[cfg(feature = "s3")]
        Some(("s3", bucket)) => Ok(Box::new(bucket::Bucket::open(bucket, options)?)),
        Some((scheme, _)) => {
            let _ = options;
            let message = format!("artifacts cannot be kept in `{scheme}://`");
            Err(
                StoreError::new(StoreErrorKind::Misused, message).hint(if cfg!(feature = "s3") {
                    "name a directory, or a bucket as `s3://bucket/prefix`"
                } else {
                    "name a directory; this program was built without buckets"
                }),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("artifacts");
        open(path.to_str().unwrap(), &Options::default())
            .map(|_| ())
            .unwrap();
        assert!(path.is_dir());
        for odd in ["ftp://x/y", "http://x", "gs://x"] {
            let error = open(odd, &Options::default()).map(|_| ()).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Misused);
            assert!(!error.hints.is_empty());
        }
    }

    #[test]
    fn keys_are_never_shown() {
        let options = Options {
            access_key_id: Some("AKIA-canary".into()),
            secret_access_key: Some("canary".into()),
            session_token: Some("canary".into()),
            ..Options::default()
        };
        assert!(!format!("{options:?}").contains("canary"));
    }
}
