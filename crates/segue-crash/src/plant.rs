//! Faults that are built in on purpose. Whoever finds nothing may be blind: each of these has to be found.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use segue::store::Store;
use segue::testing::{Plant, Planted};

use crate::site::WORK;
use crate::verdict::Mishap;

/// The variable that tells a worker its fault.
pub const VARIABLE: &str = "SEGUE_CRASH_PLANT";

/// A fault of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Of its store.
    Store(Plant),
    /// A call that is made again has another key.
    Keys,
    /// A tool that must not be called twice is called again without asking anybody.
    Repeats,
}

impl Fault {
    /// All there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let stores = Plant::ALL.into_iter().map(Self::Store);
        stores.chain([Self::Keys, Self::Repeats]).collect()
    }

    /// The fault of this process, if it has one.
    ///
    /// # Errors
    /// When it was told one that does not exist.
    pub fn of_this_process() -> Result<Option<Self>, Mishap> {
        match std::env::var(VARIABLE) {
            Ok(text) => Ok(Some(text.parse()?)),
            Err(_) => Ok(None),
        }
    }

    /// Whether it shows only where several processes are at work.
    #[must_use]
    pub fn needs_a_crowd(self) -> bool {
        self == Self::Store(Plant::Unfenced)
    }

    /// The fail point at which it shows, and how often that is reached, where it is too rare to wait for.
    #[must_use]
    pub fn shows_at(self) -> Option<(&'static str, u64)> {
        (self == Self::Repeats).then_some(("K7", 4))
    }

    /// A store with the fault, if it is one of the store.
    #[must_use]
    pub fn in_front_of(this: Option<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match this {
            Some(Self::Store(plant)) => Arc::new(Planted::new(store, plant)),
            _ => store,
        }
    }

    /// The pipeline, with the fault, if it is one of the pipeline.
    #[must_use]
    pub fn work(this: Option<Self>) -> String {
        match this {
            Some(Self::Repeats) => WORK.replace("on_interrupt: ask", "on_interrupt: retry"),
            _ => WORK.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(plant) => plant.fmt(f),
            Self::Keys => f.write_str("keys"),
            Self::Repeats => f.write_str("repeats"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keys" => Ok(Self::Keys),
            "repeats" => Ok(Self::Repeats),
            plant => plant.parse().map(Self::Store),
        }
    }
}
