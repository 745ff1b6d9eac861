//! Sites: a folder with a project in it, a store, a ledger of effects, and workers that are at home there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use segue::store::{Store, StoreError};
use segue::testing::fail;
use segue_store::artifacts::{self, Options};
use segue_store::{Postgres, Sqlite};

use crate::effects::{self, Seen};
use crate::plant::{self, Fault};
use crate::process::{Gone, Process};

/// The pipeline that is run again and again.
pub const WORK: &str = include_str!("work.yaml");
/// What it costs.
pub const CONFIG: &str = include_str!("segue.toml");
/// What the address of a store in a file begins with.
const SQLITE: &str = "sqlite:";
/// Where artifacts are kept beside a store on a server.
const ARTIFACTS: &str = ".segue/artifacts";

/// Where workers work.
pub struct Site {
    folder: tempfile::TempDir,
    worker: PathBuf,
    place: Place,
    fault: Option<Fault>,
}

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the folder.
    Sqlite,
    /// A schema of its own on a server.
    Postgres(String),
}

impl Site {
    /// A site with a store that is still empty.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn new(worker: &Path, place: Place) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("work.yaml"), WORK)?;
        std::fs::write(folder.path().join("segue.toml"), CONFIG)?;
        Ok(Self {
            folder,
            worker: worker.to_owned(),
            place,
            fault: None,
        })
    }

    /// Gives its workers a fault; they are of the library then, and not of the command line.
    #[must_use]
    pub fn with_fault(self, fault: Option<Fault>) -> Self {
        Self { fault, ..self }
    }

    /// The fault of its workers.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Leaves everything where it is, for somebody to look at.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where effects are written down.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.folder().join("effects")
    }

    /// The file of the store, where it is one.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder().join("store.db")
    }

    /// How the store is called on a command line.
    #[must_use]
    pub fn store_flag(&self) -> String {
        match &self.place {
            Place::Sqlite => format!("{SQLITE}{}", self.file().display()),
            Place::Postgres(url) => url.clone(),
        }
    }

    /// The folder of artifacts.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        match self.place {
            Place::Sqlite => self.file().with_extension("artifacts"),
            Place::Postgres(_) => self.folder().join(ARTIFACTS),
        }
    }

    /// The command of a worker; `fails` says where it is killed.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "what is killed is another process")]
    pub fn command(&self, arguments: &[&str], fails: Option<&str>) -> Command {
        let mut command = Command::new(&self.worker);
        command
            .args(arguments)
            .args(["--store", &self.store_flag()])
            .current_dir(self.folder())
            .env(effects::VARIABLE, self.ledger())
            .env_remove(fail::VARIABLE)
            .env("NO_COLOR", "1");
        match self.fault {
            Some(fault) => command.env(plant::VARIABLE, fault.to_string()),
            None => command.env_remove(plant::VARIABLE),
        };
        if let Some(fails) = fails {
            command.env(fail::VARIABLE, fails);
        }
        command
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When the system does not.
    pub fn start(&self, arguments: &[&str], fails: Option<&str>) -> io::Result<Process> {
        Process::start(&mut self.command(arguments, fails))
    }

    /// Starts a worker and waits for its end.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn run(&self, arguments: &[&str], fails: Option<&str>) -> io::Result<Gone> {
        self.start(arguments, fails)?.gone()
    }

    /// Everything the outside world has seen.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn effects(&self) -> io::Result<BTreeMap<String, Seen>> {
        effects::read(&self.ledger())
    }

    /// Opens the store.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        open_with(&self.store_flag(), &self.artifacts()).await
    }
}

/// Opens the store that is called so on a command line, from the folder of its site.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(store: &str) -> Result<Arc<dyn Store>, StoreError> {
    let artifacts = match store.strip_prefix(SQLITE) {
        Some(path) => Path::new(path).with_extension("artifacts"),
        None => PathBuf::from(ARTIFACTS),
    };
    open_with(store, &artifacts).await
}

async fn open_with(store: &str, artifacts: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let blobs = artifacts::open(&artifacts.display().to_string(), &Options::default())?;
    Ok(match store.strip_prefix(SQLITE) {
        Some(path) => Arc::new(Sqlite::at(path).blobs(blobs).open()?),
        None => Arc::new(Postgres::at(store, Arc::from(blobs)).connect().await?),
    })
}
