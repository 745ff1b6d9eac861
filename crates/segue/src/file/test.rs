//! Test files: `*.test.yaml`, read like pipeline files, with every fault at its place.

mod act;
mod expect;
mod top;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::files::{Files, Folder};
use super::load::{Loaded, Loader, Named, Rejected};
use super::mention::{Mention, There, Within};
use super::reader::Reader;
use super::yaml;
use crate::case::{Report, Suite};
use crate::fault::{Code, Fault, Faults, Place};
use crate::registry::Registry;

/// What a test file asks of its pipeline, and where its rules stand.
#[derive(Default)]
struct Asked {
    mentions: Vec<Mention>,
    rules: Vec<Place>,
}

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

    /// What is wrong with it beside its pipeline: steps, agents and tools that this does not have.
    #[must_use]
    pub fn check(&self, loaded: &Loaded, registry: &Registry) -> Faults {
        let mut faults = Faults::new();
        let mut there: HashMap<&Within, There> = HashMap::new();
        for mention in &self.mentions {
            let there = there.entry(&mention.within).or_insert_with(|| {
                let patterns = loaded.patterns.values().cloned();
                let roots = match &mention.within {
                    Within::Pipeline => vec![loaded.plan.clone()],
                    Within::Pattern(name) => loaded.patterns.get(name).cloned().into_iter().collect(),
                    Within::Anywhere => std::iter::once(loaded.plan.clone()).chain(patterns).collect(),
                };
                There::of(roots, registry)
            });
            faults.extend(there.lacks(mention));
        }
        faults
    }

    /// The rules of its script that answered nothing in any of these cases. Each is a warning, and means little unless every
    /// case was run, and passed.
    #[must_use]
    pub fn unused<'r>(&self, reports: impl IntoIterator<Item = &'r Report>) -> Faults {
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for report in reports {
            used.extend(&report.rules);
        }
        let mut faults = Faults::new();
        for (at, place) in self.rules.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
            let message = format!("rule {} answered nothing in any case", at + 1);
            let fault = Fault::new(Code::NeverFires, message)
                .at(self.source.name(), *place)
                .pointer(format!("/script/{at}"))
                .hint("take it out, or look at which `agent`, `step` and `prompt` it is for");
            faults.push(fault.warning());
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
        let mut reader = Reader::new(self, &doc, "");
        let mut asked = Asked::default();
        let read = reader.suite(purpose, &mut asked)?;
        Some(Suite {
            name: name.to_owned(),
            pipeline: above.join(read.pipeline),
            cassette: read.cassette.map(|path: PathBuf| above.join(path)),
            cases: read.cases,
            answers: read.answers,
            tools: read.tools,
            seed: read.seed,
            mentions: asked.mentions,
            rules: asked.rules,
            sources: super::load::Sources::default(),
            source: doc.source.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
