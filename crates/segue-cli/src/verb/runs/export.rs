//! `runs export`: a run as one .tar — the plan, the events, the result, what it left behind.
//!
//! The same run gives the same bytes on every machine: times and owners of the archive come from the run. Artifacts are
//! passed on piece by piece.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use segue::store::Store;
use segue::view::ArtifactView;
use segue::{ErrorKind, RunView, Time};
use serde_json::json;
use tar::{Builder, Header};

use crate::arguments::runs::ExportArgs;
use crate::blob::Blob;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::naming;
use crate::output::Output;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::quoted;
use crate::saving::{self, Saving};
use crate::terminal::words;

use super::{at_desk, read};

/// How much is written at once.
const PIECE: usize = 64 * 1024;

/// Writes a run as one archive.
pub(super) fn export(arguments: &ExportArgs, program: &mut Program) -> Result<Exit, Problem> {
    if arguments.file.is_none() {
        let line = format!("segue runs export {} run.tar", quoted(&arguments.run));
        if program.common.json {
            let problem = Problem::usage("`--json` and an archive on stdout exclude each other");
            return Err(problem.hint(format!("name a file: `{line}`")));
        }
        if program.output.is_terminal() {
            let problem = Problem::usage("an archive is nothing for a terminal");
            return Err(problem.hint(format!("name a file: `{line}`, or send it into a pipe")));
        }
    }
    at_desk(program, async |desk, program| {
        let exported = Exported::read(desk, &arguments.run).await?;
        let Some(path) = &arguments.file else {
            let to = BufWriter::with_capacity(PIECE, Stdout(&mut program.output));
            return match tokio::task::block_in_place(|| exported.write(to)) {
                // Whoever reads it has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
                Err(error) => Err(stopped(&error)),
                Ok(_) => Ok(Exit::Done),
            };
        };
        let to = BufWriter::with_capacity(PIECE, Saving::begin(path, arguments.force)?);
        let written = tokio::task::block_in_place(|| exported.write(to));
        let (to, entries) = written.map_err(|error| stopped(&error))?;
        let to = to
            .into_inner()
            .map_err(|error| saving::unwritten(path, error.error()))?;
        to.end()?;
        let bytes: u64 = std::fs::metadata(path).map_or(0, |found| found.len());
        if program.common.json {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, bytes)| json!({"name": name, "bytes": bytes}))
                .collect();
            program.output.object(&json!({
                "schema": "segue.export/1", "run": exported.view.id(), "file": path, "bytes": bytes,
                "entries": entries,
            }));
        } else {
            let files = words::plural(entries.len() as u64, "file");
            program.screen.progress(&format!(
                "wrote {}: {files}, {}",
                path.display(),
                words::bytes(bytes)
            ));
        }
        Ok(Exit::Done)
    })
}

fn stopped(error: &io::Error) -> Problem {
    Problem::new(
        ErrorKind::Store,
        format!("the archive cannot be written: {error}"),
    )
}

/// Everything of a run, what is large still in its store.
struct Exported {
    view: RunView,
    /// Names and content.
    texts: Vec<(&'static str, Vec<u8>)>,
    kept: Vec<Kept>,
    store: Arc<dyn Store>,
}

/// Bytes beside the log.
struct Kept {
    /// What they are called in the archive.
    name: String,
    sha256: String,
    bytes: u64,
}

impl Exported {
    async fn read(desk: &Desk, name: &str) -> Result<Self, Problem> {
        let (run, view) = read(desk, name).await?;
        let store = &*desk.store;
        let plan = store.plan(view.plan_hash().to_owned()).await;
        let plan = plan.map_err(naming::unread)?.ok_or_else(|| {
            let message = format!("the plan {} is missing", view.plan_hash());
            Problem::new(ErrorKind::Store, message).hint("`segue doctor` looks for damage")
        })?;
        let mut events = run.events();
        let mut log = Vec::new();
        let mut last = 0;
        while last < view.last_seq() {
            let Some(event) = events.next().await else { break };
            last = event.seq;
            line(&mut log, &event)?;
        }
        if let Some(error) = events.error() {
            return Err(Problem::from(error.clone()));
        }
        let mut result = serde_json::to_vec_pretty(&view.record()).map_err(unwritable)?;
        result.push(b'\n');
        let kept = kept(&view);
        Ok(Self {
            texts: vec![
                ("plan.json", format!("{}\n", plan.text).into_bytes()),
                ("events.ndjson", log),
                ("result.json", result),
            ],
            kept,
            store: desk.store.clone(),
            view,
        })
    }

    /// Writes the archive; gives back where it was written to, with what is in it.
    fn write<W: Write>(&self, to: W) -> io::Result<(W, Vec<(String, u64)>)> {
        let mut archive = Builder::new(to);
        let mut entries = Vec::new();
        let micros = self.view.ended().or(self.view.queued()).map_or(0, Time::micros);
        let seconds = u64::try_from(micros / 1_000_000).unwrap_or(0);
        let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
            let mut header = Header::new_gnu();
            header.set_size(bytes);
            header.set_mode(0o644);
            header.set_mtime(seconds);
            archive.append_data(&mut header, name, content)?;
            entries.push((name.to_owned(), bytes));
            io::Result::Ok(())
        };
        for (name, text) in &self.texts {
            add(name, text.len() as u64, &mut text.as_slice())?;
        }
        for kept in &self.kept {
            let name = &kept.name;
            let added = Blob::open(&*self.store, &kept.sha256, kept.bytes)
                .and_then(|mut blob| add(name, kept.bytes, &mut blob));
            added.map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => error,
                kind => io::Error::new(kind, format!("`{name}`: {error}")),
            })?;
        }
        let mut to = archive.into_inner()?;
        to.flush()?;
        Ok((to, entries))
    }
}

fn line(log: &mut Vec<u8>, event: &segue::Event) -> Result<(), Problem> {
    serde_json::to_writer(&mut *log, event).map_err(unwritable)?;
    log.push(b'\n');
    Ok(())
}

fn unwritable(error: serde_json::Error) -> Problem {
    Problem::new(
        ErrorKind::Internal,
        format!("the run cannot be written as JSON: {error}"),
    )
}

/// What a run left beside its log: artifacts under their names, outputs under their ids.
fn kept(view: &RunView) -> Vec<Kept> {
    let mut all: Vec<Kept> = Vec::new();
    let mut seen = HashSet::new();
    let record = view.record();
    let of_steps = view.all_steps().filter_map(|step| step.output_ref.as_ref());
    for at in of_steps.chain(record.output_ref.as_ref()) {
        if seen.insert(at.artifact) {
            all.push(Kept {
                name: format!("outputs/{}.json", at.artifact),
                sha256: at.sha256.clone(),
                bytes: at.bytes,
            });
        }
    }
    all.extend(named(&record.artifacts));
    all
}

/// Each artifact with its name in the archive. Where several steps saved one of a name, the newest has it, and those
/// before it follow as `NAME@1`, `NAME@2` in the order in which they were saved; no artifact is called like that.
fn named(artifacts: &[ArtifactView]) -> impl Iterator<Item = Kept> {
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (at, artifact) in artifacts.iter().enumerate() {
        last.insert(&artifact.name, at);
    }
    let mut seen: HashMap<&str, u64> = HashMap::new();
    artifacts.iter().enumerate().map(move |(at, artifact)| {
        let name = artifact.name.as_str();
        let number = seen.entry(name).or_insert(0);
        *number += 1;
        let name = match last.get(name) == Some(&at) {
            true => format!("artifacts/{name}"),
            false => format!("artifacts/{name}@{number}"),
        };
        Kept {
            name,
            sha256: artifact.sha256.clone(),
            bytes: artifact.bytes,
        }
    })
}

/// Stdout as something that is written to, until its reader goes away.
struct Stdout<'a>(&'a mut Output);

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes);
        match self.0.is_open() {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use segue::{ArtifactId, CountingIds};

    use super::*;

    #[test]
    fn of_several_artifacts_of_a_name_the_newest_has_it() {
        let ids = CountingIds::default();
        let saved = |name: &str, sha256: &str| ArtifactView {
            id: ArtifactId::new(&ids),
            name: name.to_owned(),
            link: None,
            step: None,
            bytes: 1,
            sha256: sha256.to_owned(),
            media_type: "text/plain".to_owned(),
        };
        let artifacts = [saved("a", "1"), saved("b", "2"), saved("a", "3"), saved("a", "4")];
        let named: Vec<String> = named(&artifacts)
            .map(|kept| format!("{} {}", kept.name, kept.sha256))
            .collect();
        assert_eq!(
            named,
            [
                "artifacts/a@1 1",
                "artifacts/b 2",
                "artifacts/a@2 3",
                "artifacts/a 4"
            ]
        );
    }
}
