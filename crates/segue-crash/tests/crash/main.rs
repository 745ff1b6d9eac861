//! The real binary is killed again and again, and nothing is lost, doubled or paid for unseen.

use std::path::Path;

use segue::store::RunQuery;
use segue_crash::site::{Place, Site};

mod disk;
mod points;
mod rounds;

/// A site of its own for a test.
fn site(place: Place) -> Site {
    Site::new(Path::new(env!("CARGO_BIN_EXE_segue-crash-worker")), place).expect("a folder")
}

/// All runs of a store that has few.
fn all() -> RunQuery {
    RunQuery {
        limit: 100,
        ..RunQuery::default()
    }
}
