//! Every program, every pipeline file and every snippet of the README is run, and what comes out is looked at.

mod content;
mod files;
mod guides;
mod programs;
mod readme;
mod recorded;
mod research;
mod tested;

use std::collections::BTreeSet;
use std::path::Path;

/// The folder of the examples.
const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// The names of the files in `folder` that end in `ending`, without that ending.
fn stems(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the examples can be read");
    let names = entries.map(|entry| entry.expect("an entry can be read").file_name());
    names
        .filter_map(|name| name.to_str()?.strip_suffix(ending).map(str::to_owned))
        .collect()
}
