//! Opening the store of a project.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue::store::{Blobs, MemoryStore, Store, StoreError};
use segue::{ErrorKind, Secret};
use segue_store::artifacts::{self, Options};
use segue_store::{Durability, Postgres, Sqlite};

use crate::config::{Config, Origin};
use crate::problem::Problem;
use crate::project::{FOLDER, Place, Project};
use crate::secrets;
use crate::terminal::Screen;

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// One that is not there is made.
    ToWrite,
    /// One that is not there is empty, and is not made.
    ToRead,
}

/// Opens the store of a project.
///
/// # Errors
/// When it is no store, is damaged or newer, or cannot be reached.
pub(crate) async fn open(project: &Project, how: Open, screen: Screen) -> Result<Arc<dyn Store>, Problem> {
    let durability = durability(&project.config);
    match project.place() {
        Place::Memory => Ok(Arc::new(MemoryStore::new())),
        Place::File(path) if how == Open::ToRead && !path.exists() => Ok(Arc::new(MemoryStore::new())),
        Place::File(path) => {
            prepare_folder(&path)?;
            let place = artifacts_of(project, &path);
            let opening = Sqlite::at(&path).durability(durability).blobs(blobs(&place)?);
            // The file may have to be migrated, which takes its time.
            let opened = tokio::task::spawn_blocking(move || opening.open()).await;
            let opened = opened.map_err(|error| Problem::new(ErrorKind::Internal, error.to_string()))?;
            let store = opened.map_err(unopened)?;
            for warning in store.warnings() {
                screen.progress(&format!("{} {warning}", screen.style().yellow("warning:")));
            }
            if let Some(copy) = store.migrated() {
                screen.progress(&format!(
                    "the store was migrated; a copy of it as it was is {}",
                    copy.display()
                ));
            }
            Ok(Arc::new(store))
        }
        Place::Server(url) => {
            let place = match project.config.text("store.artifacts") {
                Some(place) => place_of(project, &place),
                None => project.path(FOLDER).join("artifacts").display().to_string(),
            };
            let blobs: Arc<dyn Blobs> = Arc::from(blobs(&place)?);
            let origin = &project.store.origin;
            let url = match origin {
                Origin::File(..) => project.expand(origin, "store.url", &url, secrets::in_address)?,
                _ => Secret::new(url),
            };
            let store = Postgres::at(url.expose(), blobs)
                .durability(durability)
                .connect()
                .await;
            Ok(Arc::new(store.map_err(unopened)?))
        }
    }
}

/// What outlives a loss of power. The words were checked when the file was read.
fn durability(config: &Config) -> Durability {
    match config.text("store.durability").as_deref() {
        Some("relaxed") => Durability::Relaxed,
        _ => Durability::Full,
    }
}

fn unopened(error: StoreError) -> Problem {
    Problem::from(segue::Error::from(error))
}

/// Where the bytes of a store in a file are kept: where the configuration says, else beside the file.
fn artifacts_of(project: &Project, store: &Path) -> String {
    if let Some(place) = project.config.text("store.artifacts") {
        return place_of(project, &place);
    }
    let is_own = store
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == FOLDER);
    let beside = match is_own {
        true => store.with_file_name("artifacts"),
        // Two stores in one folder have places of their own.
        false => store.with_extension("artifacts"),
    };
    beside.display().to_string()
}

fn place_of(project: &Project, place: &str) -> String {
    match place.contains("://") {
        true => place.to_owned(),
        false => project.path(place).display().to_string(),
    }
}

fn blobs(place: &str) -> Result<Box<dyn Blobs>, Problem> {
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = said("AWS_ENDPOINT_URL_S3").or_else(|| said("AWS_ENDPOINT_URL"));
    let options = Options {
        // A server of one's own, on this machine for example.
        allow_http: endpoint.as_deref().is_some_and(|url| url.starts_with("http://")),
        endpoint,
        region: said("AWS_REGION").or_else(|| said("AWS_DEFAULT_REGION")),
        access_key_id: said("AWS_ACCESS_KEY_ID"),
        secret_access_key: said("AWS_SECRET_ACCESS_KEY"),
        session_token: said("AWS_SESSION_TOKEN"),
        spool: None,
    };
    artifacts::open(place, &options).map_err(unopened)
}

/// The project's own folder is nobody's business: neither of other users, nor of its version control.
fn prepare_folder(store: &Path) -> Result<(), Problem> {
    let Some(folder) = store.parent().filter(|folder| folder.ends_with(FOLDER)) else {
        return Ok(());
    };
    let ignore: PathBuf = folder.join(".gitignore");
    if ignore.exists() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = builder
        .create(folder)
        .and_then(|()| options.open(&ignore))
        .and_then(|mut file| file.write_all(b"*\n"));
    written.map_err(|error| {
        let message = format!("cannot keep runs in `{}`: {error}", folder.display());
        Problem::new(ErrorKind::Store, message)
            .hint("name another place with `--store sqlite:PATH`, or `memory:` for none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FILE;

    /// What each means to the disk is shown where the power is lost, in the tests of the stores.
    #[test]
    fn a_store_is_as_durable_as_it_says() {
        let words = [
            ("", Durability::Full),
            ("[store]\ndurability = \"full\"\n", Durability::Full),
            ("[store]\ndurability = \"relaxed\"\n", Durability::Relaxed),
        ];
        for (text, expected) in words {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join(FILE), text).expect("a file");
            let config = Config::read(None, folder.path()).expect("it is good");
            assert_eq!(durability(&config), expected, "{text}");
        }
    }
}
