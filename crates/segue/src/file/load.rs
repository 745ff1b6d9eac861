//! Loading: a pipeline file and everything it names, from bytes to one checked plan.
//!
//! Reading a file runs, connects to and starts nothing. All faults of all files are reported together.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::files::{Files, Folder, Unreadable, folder_of, join, plain_path};
use super::known::Known;
use super::mention::{Mention, There};
use super::pipeline::{self, Read};
use super::suggest::Nearest;
use super::{secret, yaml};
use crate::fault::{Code, Fault, Faults, Paint, Place, Source, quote};
use crate::plan::Plan;
use crate::price::PriceBook;
use crate::registry::Registry;

/// Pipelines within pipelines, the first included.
const MAX_PIPELINES_DEEP: usize = 8;
/// The most files one pipeline file may name, those named by them included.
const MAX_FILES: usize = 256;
/// The most bytes of all of them together.
const MAX_FILES_BYTES: u64 = 16 << 20;
/// The largest file of text, rules or a schema, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// How a file is loaded.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Whether warnings are errors.
    pub strict: bool,
    /// What models cost: with it, the check finds models without a price under a budget in dollars.
    pub prices: Option<Arc<PriceBook>>,
    /// What the operator named, besides what is known without.
    pub named: Named,
    /// Whether cassettes that models name are still to be recorded: they are not read, and need not be there.
    pub recording: bool,
}

/// Names of models that the operator added: a file may use them like those that are known.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Providers: what may stand before the slash.
    pub providers: Vec<String>,
    /// Names that stand for models.
    pub models: Vec<String>,
}

/// A pipeline file that became a plan.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The patterns of the file by name, those that were not asked for as well.
    pub patterns: IndexMap<String, Arc<Plan>>,
    /// What is probably not meant as it is written.
    pub warnings: Faults,
    /// The files it was read from.
    pub sources: Sources,
}

/// A pipeline file that cannot become a plan, and all that is wrong with it.
#[derive(Debug)]
pub struct Rejected {
    /// The file, as it was named.
    pub name: String,
    /// What is wrong.
    pub faults: Faults,
    /// The files it was read from.
    pub sources: Sources,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rendered: Vec<String> = self
            .faults
            .list()
            .into_iter()
            .map(|fault| fault.render(self.sources.of(fault), Paint::Plain))
            .collect();
        f.write_str(rendered.join("\n").trim_end())
    }
}

impl std::error::Error for Rejected {}

/// The text of the files a pipeline was read from, to show places in them. Secrets in them are masked.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<String, Arc<Source>>);

impl Sources {
    /// The file of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.0.get(name).map(|source| &**source)
    }

    /// The file a fault is in.
    #[must_use]
    pub fn of(&self, fault: &Fault) -> Option<&Source> {
        self.get(fault.file.as_deref()?)
    }

    /// All files, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.values().map(|source| &**source)
    }

    pub(super) fn add(&mut self, source: Arc<Source>) {
        self.0.insert(source.name().to_owned(), source);
    }
}

/// Loads a pipeline file and the files beneath its folder that it names. `FILE#PATTERN` is one of its patterns.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path, registry: &Registry, options: LoadOptions) -> Result<Loaded, Rejected> {
    let name = path.display().to_string();
    let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
    let folder = Folder::new(path.parent().unwrap_or(Path::new("")));
    match (folder, file) {
        (Ok(folder), Some(file)) => load_from(&folder, &name, &file, registry, options),
        _ => load_from(&BTreeMap::new(), &name, &name, registry, options),
    }
}

/// Loads a pipeline from its text; a file it names does not exist.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_text(text: &str, name: &str, registry: &Registry) -> Result<Loaded, Rejected> {
    let files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    load_from(&files, name, name, registry, LoadOptions::default())
}

/// Loads the pipeline file `path` of `files`, shown as `name`. Both may end in `#PATTERN`, which asks for that pattern.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_from(
    files: &dyn Files,
    name: &str,
    path: &str,
    registry: &Registry,
    options: LoadOptions,
) -> Result<Loaded, Rejected> {
    let (name, _) = of_pattern(name);
    let (path, wanted) = of_pattern(path);
    let prefix = name.strip_suffix(path).unwrap_or_default().to_owned();
    let mut loader = Loader::new(files, registry, prefix);
    loader.options = options;
    let bytes = loader.first(path);
    let read = bytes.and_then(|bytes| loader.outermost(path, &bytes, wanted));
    let (faults, sources) = loader.done();
    match read {
        Some(Read {
            plan: Some(plan),
            patterns,
            ..
        }) if !faults.has_errors() => Ok(Loaded {
            plan,
            patterns,
            warnings: faults,
            sources,
        }),
        _ => Err(Rejected {
            name: name.to_owned(),
            faults,
            sources,
        }),
    }
}

/// A path without the pattern it asks for, and that pattern. A name of a file that has a `#` of its own ends otherwise
/// than a name of a pattern.
#[must_use]
pub fn of_pattern(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once('#') {
        Some((file, pattern)) if !file.is_empty() && !pattern.contains('.') => (file, Some(pattern)),
        _ => (path, None),
    }
}

/// What is shared by all files of one load.
pub(super) struct Loader<'l> {
    files: &'l dyn Files,
    pub(super) known: Known,
    pub(super) options: LoadOptions,
    /// What stands before a path when it is shown.
    prefix: String,
    pub(super) faults: Faults,
    sources: Sources,
    /// Secrets found in the files, to be masked in messages.
    secrets: Vec<String>,
    /// The pipeline files being read, outermost first.
    open: Vec<String>,
    /// Pipelines by path; none where a file had errors.
    plans: HashMap<String, Option<Read>>,
    /// Files of text that were read, by path.
    read: HashMap<String, Arc<Source>>,
    /// What the scripts of models name, by file.
    scripts: BTreeMap<String, Vec<Mention>>,
    bytes_left: u64,
}

/// Why a named file gives nothing: code, what follows its path in a message, the way out.
pub(super) type Refusal = (Code, String);

impl<'l> Loader<'l> {
    /// Before the first file, which stands beneath `prefix` when it is shown.
    pub(super) fn new(files: &'l dyn Files, registry: &Registry, prefix: String) -> Self {
        Self {
            files,
            known: Known::of(registry),
            options: LoadOptions::default(),
            prefix,
            faults: Faults::new(),
            sources: Sources::default(),
            secrets: Vec::new(),
            open: Vec::new(),
            plans: HashMap::new(),
            read: HashMap::new(),
            scripts: BTreeMap::new(),
            bytes_left: MAX_FILES_BYTES,
        }
    }

    /// The bytes of the first file; none, with the fault, where it cannot be read.
    pub(super) fn first(&mut self, path: &str) -> Option<Vec<u8>> {
        match self.files.read("", path, yaml::MAX_BYTES as u64) {
            Ok(bytes) => Some(bytes),
            Err(unreadable) => {
                let (code, message) = self.unreadable(&unreadable, path, yaml::MAX_BYTES as u64);
                let start = Place {
                    line: 1,
                    column: 1,
                    len: 1,
                };
                self.faults
                    .push(Fault::new(code, message).at(self.shown(path), start));
                None
            }
        }
    }

    /// Everything that was found, with the secrets in it masked.
    pub(super) fn done(self) -> (Faults, Sources) {
        let mut faults = self.faults;
        if self.options.strict {
            faults.promote_warnings();
        }
        if !self.secrets.is_empty() {
            faults = secret::masked(&faults, &self.secrets);
        }
        (faults, self.sources)
    }

    /// Reads the first file, with the plan that runs: of the pattern that is wanted, or of the file itself.
    pub(super) fn outermost(&mut self, path: &str, bytes: &[u8], wanted: Option<&str>) -> Option<Read> {
        let mut read = self.pipeline(path, bytes)?;
        self.named_by_scripts(&read);
        if let Some(wanted) = wanted {
            read.plan = read.patterns.get(wanted).cloned();
        }
        if read.plan.is_some() {
            return Some(read);
        }
        let fault = match wanted {
            None => Fault::new(Code::MissingKey, "nothing says which of the patterns runs")
                .hint("add `default_pattern`, or name one as FILE#PATTERN"),
            Some(wanted) => {
                let message = format!("there is no pattern {}", quote(wanted));
                let known = read.patterns.keys().map(String::as_str);
                Nearest::of(wanted, known, "patterns").advise(Fault::new(Code::UnknownPattern, message))
            }
        };
        let shown = self.shown(path);
        let place = self
            .sources
            .get(&shown)
            .map(|source| source.place(read.patterns_at));
        self.faults.push(match place {
            Some(place) => fault.at(shown, place).pointer("/patterns"),
            None => fault,
        });
        None
    }

    /// Reads the rules of a model once, so that what is wrong with them is found before they are needed.
    pub(super) fn scripted(&mut self, source: &Source) {
        if !self.scripts.contains_key(source.name()) {
            let read = self.script(source.text(), source.name());
            let mentions = read.map(|rules| rules.mentions).unwrap_or_default();
            self.scripts.insert(source.name().to_owned(), mentions);
        }
    }

    /// Warns of rules for agents and steps that are nowhere below the first file: another pipeline that plays the same
    /// script may have them.
    fn named_by_scripts(&mut self, read: &Read) {
        let roots = read.plan.iter().chain(read.patterns.values());
        // A script of a file that another one runs names its steps as that file does.
        let roots: Vec<Arc<Plan>> = roots.flat_map(Plan::and_below).collect();
        if roots.is_empty() || self.scripts.is_empty() {
            return;
        }
        let there = There::of(roots, self.known.registry());
        let faults = self.scripts.values().flatten();
        let faults: Vec<Fault> = faults.filter_map(|mention| there.lacks(mention)).collect();
        faults
            .into_iter()
            .for_each(|fault| self.faults.push(fault.warning()));
    }

    /// The bytes of a file that a file in `folder` names, whatever is in it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn bytes_of(&self, folder: &str, path: &str, limit: u64) -> Result<Vec<u8>, Refusal> {
        self.files
            .read(folder, path, limit)
            .map_err(|unreadable| match unreadable {
                Unreadable::Missing => (Code::FileMissing, "does not exist".to_owned()),
                Unreadable::TooLarge => (Code::TooLarge, format!("has more than {limit} bytes")),
                Unreadable::Refused(why) => (Code::PathRefused, why),
            })
    }

    /// Reads a pipeline file.
    fn pipeline(&mut self, path: &str, bytes: &[u8]) -> Option<Read> {
        let mut faults = Faults::new();
        let doc = yaml::read(bytes, &self.shown(path), &mut faults);
        self.faults.append(faults);
        let Some(doc) = doc else {
            if let Ok(text) = std::str::from_utf8(bytes) {
                self.add_source(&Arc::new(Source::new(self.shown(path), text)));
            }
            return None;
        };
        self.add_source(&doc.source);
        self.open.push(path.to_owned());
        let read = pipeline::read(self, &doc, folder_of(path));
        self.open.pop();
        read
    }

    /// The pipeline file that a file in `folder` names; none where that file has errors of its own.
    ///
    /// # Errors
    /// Why it cannot be read at all.
    pub(super) fn nested(&mut self, folder: &str, written: &str) -> Result<Option<Read>, Refusal> {
        let path = plain_path(written).map_err(|why| (Code::PathRefused, why.to_owned()))?;
        let full = join(folder, &path);
        if let Some(at) = self.open.iter().position(|open| *open == full) {
            let mut files: Vec<String> = self.open[at..].iter().map(|path| quote(path)).collect();
            files.push(quote(&full));
            return Err((Code::Cycle, format!("includes itself: {}", files.join(" → "))));
        }
        if self.open.len() == MAX_PIPELINES_DEEP {
            return Err((
                Code::TooDeep,
                format!("is a pipeline more than {MAX_PIPELINES_DEEP} levels deep"),
            ));
        }
        if let Some(read) = self.plans.get(&full) {
            return Ok(read.clone());
        }
        let bytes = self.bytes(folder, &path, yaml::MAX_BYTES as u64)?;
        let read = self.pipeline(&full, &bytes);
        self.plans.insert(full, read.clone());
        Ok(read)
    }

    /// The text of a file that a file in `folder` names.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn text(&mut self, folder: &str, written: &str) -> Result<Arc<Source>, Refusal> {
        let path = plain_path(written).map_err(|why| (Code::PathRefused, why.to_owned()))?;
        let full = join(folder, &path);
        if let Some(source) = self.read.get(&full) {
            return Ok(source.clone());
        }
        let bytes = self.bytes(folder, &path, MAX_TEXT_BYTES)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            (
                Code::BadEncoding,
                format!("is not UTF-8 at byte {}", error.valid_up_to()),
            )
        })?;
        let source = Arc::new(Source::new(self.shown(&full), text));
        self.add_source(&source);
        self.read.insert(full, source.clone());
        Ok(source)
    }

    fn bytes(&mut self, folder: &str, path: &str, limit: u64) -> Result<Vec<u8>, Refusal> {
        if self.read.len() + self.plans.len() >= MAX_FILES {
            return Err((
                Code::TooLarge,
                format!("is one file too many: at most {MAX_FILES} are named"),
            ));
        }
        let read = self.files.read(folder, path, limit.min(self.bytes_left));
        let bytes = read.map_err(|unreadable| match unreadable {
            Unreadable::TooLarge if self.bytes_left < limit => {
                let most = MAX_FILES_BYTES >> 20;
                (
                    Code::TooLarge,
                    format!("is too much: all files named may have {most} MB together"),
                )
            }
            Unreadable::TooLarge if limit == MAX_TEXT_BYTES => {
                (Code::PathRefused, format!("has more than {limit} bytes"))
            }
            Unreadable::TooLarge => (Code::TooLarge, format!("has more than {limit} bytes")),
            Unreadable::Missing => (Code::FileMissing, "does not exist".to_owned()),
            Unreadable::Refused(why) => (Code::PathRefused, why),
        })?;
        self.bytes_left -= bytes.len() as u64;
        Ok(bytes)
    }

    fn unreadable(&self, unreadable: &Unreadable, path: &str, limit: u64) -> Refusal {
        let shown = quote(&self.shown(path));
        match unreadable {
            Unreadable::Missing => (Code::FileMissing, format!("file {shown} does not exist")),
            Unreadable::Refused(why) => (Code::PathRefused, format!("file {shown} {why}")),
            Unreadable::TooLarge => (
                Code::TooLarge,
                format!("file {shown} has more than {limit} bytes"),
            ),
        }
    }

    /// A path as it is shown: as the first file was named.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Keeps a file to show places in, and notes the secrets written into it.
    pub(super) fn add_source(&mut self, source: &Arc<Source>) {
        let found = secret::find(source.text());
        for range in &found {
            let length = range.len();
            let message =
                format!("a provider key or password ({length} characters) is written into the file");
            let span = crate::fault::Span::new(range.clone());
            self.faults.push(
                Fault::new(Code::SecretLiteral, message)
                    .at(source.name(), source.place(span))
                    .hint("remove it and replace the key; keys are set by the operator, never in a pipeline file"),
            );
            self.secrets.push(source.text()[range.clone()].to_owned());
        }
        match found.is_empty() {
            true => self.sources.add(source.clone()),
            false => self.sources.add(Arc::new(Source::new(
                source.name(),
                secret::blank(source.text(), &found),
            ))),
        }
    }
}
