//! Test files: `*.test.yaml`, read like pipeline files, with every fault at its place.

mod act;
mod expect;
mod matched;
mod top;

use std::path::{Path, PathBuf};

use super::files::{Files, Folder};
use super::load::{Loader, Named, Rejected};
use super::names::Names;
use super::reader::Reader;
use super::yaml;
use crate::case::{Mention, Suite};
use crate::fault::{Code, Faults, Span, quote};
use crate::file::suggest::Nearest;
use crate::plan::Plan;
use crate::registry::Registry;

/// What a test file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its cases are run.
    Test,
    /// Its cassette is recorded, and need not be there yet.
    Record,
}

impl Suite {
    /// Reads a test file and the files beneath its folder that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(path: &Path, purpose: Purpose) -> Result<Self, Rejected> {
        Self::load_with(path, purpose, &Named::default())
    }

    /// The same, where models may also have the names that an operator added.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load_with(path: &Path, purpose: Purpose, named: &Named) -> Result<Self, Rejected> {
        let name = path.display().to_string();
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        let above = path.parent().unwrap_or(Path::new(""));
        match (Folder::new(above), file) {
            (Ok(folder), Some(file)) => load_from(&folder, &name, &file, above, (purpose, named)),
            _ => load_from(
                &std::collections::BTreeMap::new(),
                &name,
                &name,
                above,
                (purpose, named),
            ),
        }
    }

    /// What is wrong with it beside its pipeline: steps and agents that this does not have.
    #[must_use]
    pub fn check(&self, plan: &Plan) -> Faults {
        let mut faults = Faults::new();
        for mention in self.mentions.iter().filter(|mention| !mention.of_pattern) {
            faults.extend(self.unknown(mention, plan));
        }
        faults
    }

    /// What is wrong with it, with the files to show the places in.
    #[must_use]
    pub fn rejected(&self, faults: Faults) -> Rejected {
        Rejected {
            name: self.name.clone(),
            faults,
            sources: self.sources.clone(),
        }
    }

    /// Its text, as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }

    fn unknown(&self, mention: &Mention, plan: &Plan) -> Option<crate::fault::Fault> {
        let name = first_segment(&mention.name);
        let (known, code, what, kind): (Vec<&str>, _, _, _) = if mention.is_agent {
            let known = plan.agents.keys().map(String::as_str).collect();
            (known, Code::UnknownAgent, "agent", "agents")
        } else {
            let known = plan.steps.iter().map(|step| step.name.as_str()).collect();
            (known, Code::UnknownStep, "step", "steps")
        };
        // Agents of the program and of nested pipelines are in no list of this file.
        let is_elsewhere = mention.is_agent || name == "on_failure";
        if known.contains(&name) || is_elsewhere {
            return None;
        }
        let message = format!("{what} {} does not exist in `{}`", quote(name), plan.name);
        let fault =
            crate::fault::Fault::new(code, message).at(self.source.name(), self.source.place(mention.span));
        Some(Nearest::of(name, known, kind).advise(fault))
    }
}

/// The step of a run's own plan in a path: `sub` of `sub[2]/extract`.
fn first_segment(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.split_once('[').map_or(first, |(name, _)| name)
}

/// Reads the test file `path` of `files`, shown as `name`; what it names lies in `above`.
fn load_from(
    files: &dyn Files,
    name: &str,
    path: &str,
    above: &Path,
    (purpose, named): (Purpose, &Named),
) -> Result<Suite, Rejected> {
    let prefix = name.strip_suffix(path).unwrap_or_default().to_owned();
    let registry = Registry::new();
    let mut loader = Loader::new(files, &registry, prefix);
    loader.options.named = named.clone();
    let read = loader.test(name, path, above, purpose);
    let (faults, sources) = loader.done();
    match read {
        Some(mut suite) if !faults.has_errors() => {
            suite.sources = sources;
            Ok(suite)
        }
        _ => Err(Rejected {
            name: name.to_owned(),
            faults,
            sources,
        }),
    }
}

impl Loader<'_> {
    fn test(&mut self, name: &str, path: &str, above: &Path, purpose: Purpose) -> Option<Suite> {
        let bytes = self.first(path)?;
        let mut faults = Faults::new();
        let doc = yaml::read(&bytes, &self.shown(path), &mut faults);
        self.faults.append(faults);
        let Some(doc) = doc else {
            if let Ok(text) = std::str::from_utf8(&bytes) {
                self.add_source(&std::sync::Arc::new(crate::fault::Source::new(
                    self.shown(path),
                    text,
                )));
            }
            return None;
        };
        self.add_source(&doc.source);
        let mut reader = Reader {
            loader: self,
            doc: &doc,
            folder: "",
            names: Names::default(),
            texts: Vec::new(),
            fallback_fits: Vec::new(),
        };
        let mut mentions = Vec::new();
        let read = reader.suite(purpose, &mut mentions)?;
        Some(Suite {
            name: name.to_owned(),
            pipeline: above.join(read.pipeline),
            cassette: read.cassette.map(|path: PathBuf| above.join(path)),
            cases: read.cases,
            answers: read.answers,
            tools: read.tools,
            seed: read.seed,
            mentions,
            sources: super::load::Sources::default(),
            source: doc.source.clone(),
        })
    }
}

/// What a name in the file has to exist as.
fn mention(is_agent: bool, name: &str, span: Span) -> Mention {
    Mention {
        is_agent,
        name: name.to_owned(),
        span,
        of_pattern: false,
    }
}

#[cfg(test)]
mod tests;
