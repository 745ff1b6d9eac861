//! A project in a folder of its own, whose runs are kept.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::program::{Said, command, pipelines, said};

/// A project with the test pipelines in it.
pub(crate) struct Kept {
    folder: TempDir,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for file in [
            "many_ends.yaml",
            "mapped.yaml",
            "report.yaml",
            "script.yaml",
            "echo.script.yaml",
        ] {
            std::fs::copy(pipelines().join(file), folder.path().join(file)).expect("a copy");
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), text).expect("the folder can be written");
        self
    }

    /// The binary in this folder, with the store of the project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env_remove("SEGUE_STORE").current_dir(&self.folder);
        command
    }

    pub(crate) fn segue(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs `many_ends` to one of its ends; gives the id.
    pub(crate) fn ends(&self, end: &str) -> String {
        self.ran(&["many_ends.yaml", "--no-input", "--end", end])
    }

    /// Runs a pipeline, however that ends; gives the id.
    pub(crate) fn ran(&self, arguments: &[&str]) -> String {
        let all = [&["run", "--json"], arguments].concat();
        let record = self.segue(&all).json();
        let id = record["id"].as_str();
        id.unwrap_or_else(|| panic!("it runs: {record:#}")).to_owned()
    }

    /// What is listed with these flags.
    pub(crate) fn listed(&self, flags: &[&str]) -> Vec<String> {
        let all = [&["runs", "list", "--json"], flags].concat();
        ids(&self.segue(&all).exits(0).json()["items"])
    }

    /// The files of kept bytes.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut open = vec![self.path(".segue/artifacts")];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => open.push(entry.path()),
                    false => files.push(entry.path()),
                }
            }
        }
        files
    }

    /// Makes the files of kept bytes as old as those that a sweep takes.
    pub(crate) fn age_blobs(&self) {
        let two_hours = std::time::Duration::from_secs(2 * 60 * 60);
        for file in self.blobs() {
            let file = std::fs::File::options()
                .write(true)
                .open(file)
                .expect("it is there");
            let modified = file.metadata().and_then(|about| about.modified());
            let before = modified.expect("files have times") - two_hours;
            file.set_modified(before).expect("it is ours");
        }
    }
}

/// The ids of objects.
pub(crate) fn ids(items: &Json) -> Vec<String> {
    let id = |item: &Json| item["id"].as_str().map(str::to_owned);
    items.as_array().into_iter().flatten().filter_map(id).collect()
}
