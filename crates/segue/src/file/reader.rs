//! Reading sections: keys by their table, values by their type, faults with their place.
//!
//! Every part of the format is read through [`Reader`]; it goes on after a fault, so that all of them are found at once.

use std::sync::Arc;

use super::keys::{OPERATOR_WORDS, Table};
use super::load::{Loader, Refusal};
use super::names::Names;
use super::scalar::{self, Flaw};
use super::suggest::Nearest;
use super::text::Text;
use super::yaml::{Doc, Key, Kind, Node, escape_pointer};
use crate::fault::{Code, Fault, Source, Span, quote};
use crate::schema::Schema;

/// Reads one pipeline file.
pub(super) struct Reader<'r, 'l, 'd> {
    pub loader: &'r mut Loader<'l>,
    pub doc: &'d Doc,
    /// The folder of the file, beneath that of the first file.
    pub folder: &'d str,
    pub names: Names,
    /// The templates and expressions read so far.
    pub texts: Vec<Text<'d>>,
    /// Inputs of the fallback pipeline, which has no step of its own.
    pub fallback_fits: Vec<super::steps::Fit<'d>>,
}

/// A map whose keys have been checked against a table.
pub(super) struct Section<'d> {
    entries: &'d [(Key, Node)],
    table: &'static Table,
    /// Where the section is named: its key, else its beginning.
    pub at: Span,
    /// What it is, as messages say it: "step `a`".
    pub subject: String,
}

impl<'d> Section<'d> {
    /// Whether sections of this kind can have a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.key(key).is_some()
    }

    /// Key and value under a key of the table.
    pub(super) fn entry(&self, key: &'static str) -> Option<&'d (Key, Node)> {
        debug_assert!(
            self.table.key(key).is_some(),
            "`{key}` is in no table of {}",
            self.table.what
        );
        #[cfg(test)]
        reads::note(self.table, key);
        self.entries.iter().find(|(name, _)| &*name.name == key)
    }

    /// The value under a key of the table.
    pub(super) fn get(&self, key: &'static str) -> Option<&'d Node> {
        self.entry(key).map(|(_, value)| value)
    }
}

impl<'r, 'l, 'd> Reader<'r, 'l, 'd> {
    /// Before anything of a file in `folder` is read.
    pub(super) fn new(loader: &'r mut Loader<'l>, doc: &'d Doc, folder: &'d str) -> Self {
        Self {
            loader,
            doc,
            folder,
            names: Names::default(),
            texts: Vec::new(),
            fallback_fits: Vec::new(),
        }
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// A fault at a span of this file.
    pub(super) fn fault(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        let fault = self.doc.fault(code, span, message);
        self.with_pointer(fault, span)
    }

    /// Says which value and step a fault is about, by the span of that value.
    pub(super) fn with_pointer(&self, mut fault: Fault, span: Span) -> Fault {
        // Beyond the cap faults are only counted.
        if self.loader.faults.is_full() {
            return fault;
        }
        fault.pointer = pointer(&self.doc.root, span);
        if let Some(rest) = fault.pointer.strip_prefix("/steps/") {
            fault.step = rest
                .split('/')
                .next()
                .map(|step| step.replace("~1", "/").replace("~0", "~"));
        }
        fault
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.loader.faults.push(fault);
    }

    /// Reports a fault at a span.
    pub(super) fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        let fault = self.fault(code, span, message);
        self.push(fault);
    }

    /// Reports a fault at a span, with the way out.
    pub(super) fn report_with(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let fault = self.fault(code, span, message).hint(hint);
        self.push(fault);
    }

    /// Reports a name that does not exist, with the names near it.
    pub(super) fn unknown<'n>(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        kind: &str,
    ) {
        let fault = self.fault(code, span, message);
        let fault = match self.loader.faults.is_full() {
            true => fault,
            false => Nearest::of(name, known, kind).advise(fault),
        };
        self.push(fault);
    }

    /// Reports what is wrong with a value.
    pub(super) fn flaw(&mut self, flaw: Flaw, subject: &str, node: &Node) {
        let fault = self.doc.flaw(flaw, subject, node.span);
        let fault = self.with_pointer(fault, node.span);
        self.push(fault);
    }

    /// A value by its reader; a flaw of it is reported.
    pub(super) fn value<T>(
        &mut self,
        node: &'d Node,
        subject: &str,
        read: impl FnOnce(&'d Node) -> Result<T, Flaw>,
    ) -> Option<T> {
        match read(node) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.flaw(flaw, subject, node);
                None
            }
        }
    }

    /// The value of a key by its reader.
    pub(super) fn read<T>(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        read: impl FnOnce(&'d Node) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.value(section.get(key)?, &format!("`{key}`"), read)
    }

    /// The value of a key that takes a count of 32 bits.
    pub(super) fn count(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let range = u64::from(least)..=u64::from(most);
        let count = self.read(section, key, |node| scalar::count(node, range))?;
        u32::try_from(count).ok()
    }

    /// A map of a kind of section: its keys are checked, and that none is missing.
    pub(super) fn section(
        &mut self,
        node: &'d Node,
        table: &'static Table,
        at: Span,
        subject: impl Into<String>,
    ) -> Option<Section<'d>> {
        let subject = subject.into();
        let entries = self.entries(node, &subject)?;
        self.unknown_keys(entries, table, &subject);
        let section = Section {
            entries,
            table,
            at,
            subject,
        };
        for key in table.keys().filter(|key| key.required) {
            if !entries.iter().any(|(name, _)| &*name.name == key.name) {
                let message = format!("{} has no `{}`", section.subject, key.name);
                self.report_with(
                    Code::MissingKey,
                    at,
                    message,
                    key.doc.trim_end_matches('.').to_lowercase(),
                );
            }
        }
        Some(section)
    }

    /// The section under a key.
    pub(super) fn section_of(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        table: &'static Table,
    ) -> Option<Section<'d>> {
        let (name, node) = section.entry(key)?;
        self.section(node, table, name.span, format!("`{key}` of {}", section.subject))
    }

    /// The entries of a map.
    pub(super) fn entries(&mut self, node: &'d Node, subject: &str) -> Option<&'d [(Key, Node)]> {
        let entries = node.as_mapping();
        if entries.is_none() {
            let message = format!("{subject} needs a map, found {}", node.describe());
            self.report(Code::WrongType, node.span, message);
        }
        entries
    }

    /// The entries of the map under a key, whatever they are called; none where there is no such key.
    pub(super) fn entries_of(&mut self, section: &Section<'d>, key: &'static str) -> &'d [(Key, Node)] {
        let entries = section
            .get(key)
            .and_then(|node| self.entries(node, &format!("`{key}`")));
        entries.unwrap_or_default()
    }

    /// The entries of a map from names, each name checked; at most `most` of them.
    pub(super) fn named(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        most: usize,
    ) -> Vec<(&'d Key, &'d Node)> {
        let Some((name, node)) = section.entry(key) else {
            return Vec::new();
        };
        let Some(entries) = self.entries(node, &format!("`{key}`")) else {
            return Vec::new();
        };
        if entries.len() > most {
            let message = format!("`{key}` has {} entries, at most {most} are read", entries.len());
            self.report(Code::TooLarge, name.span, message);
        }
        let mut named = Vec::with_capacity(entries.len().min(most));
        for (name, value) in entries.iter().take(most) {
            if let Err(flaw) = scalar::check_name(&name.name) {
                let fault = self.doc.flaw(flaw, &format!("a name in `{key}`"), name.span);
                let fault = self.with_pointer(fault, name.span);
                self.push(fault);
                continue;
            }
            named.push((name, value));
        }
        named
    }

    /// The elements of a list; a single value is none.
    pub(super) fn list(&mut self, node: &'d Node, subject: &str) -> Option<&'d [Node]> {
        let items = node.as_sequence();
        if items.is_none() {
            let fault = self.fault(
                Code::WrongType,
                node.span,
                format!("{subject} needs a list, found {}", node.describe()),
            );
            let fault = match node.as_str() {
                Some(text) if text.len() <= 64 => fault.hint(format!("write `[{text}]`")),
                _ => fault,
            };
            self.push(fault);
        }
        items
    }

    /// A list of texts under a key.
    pub(super) fn texts_of(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
    ) -> Option<Vec<(&'d str, &'d Node)>> {
        let subject = format!("`{key}`");
        let items = self.list(section.get(key)?, &subject)?;
        let read = items
            .iter()
            .filter_map(|item| Some((self.value(item, &subject, scalar::text)?, item)));
        Some(read.collect())
    }

    /// Literal text under a key; braces in it are probably meant to be a template.
    pub(super) fn literal(&mut self, section: &Section<'d>, key: &'static str) -> Option<&'d str> {
        let node = section.get(key)?;
        let text = self.value(node, &format!("`{key}`"), scalar::text)?;
        self.warn_of_braces(text, node, key);
        Some(text)
    }

    /// The human name of a section.
    pub(super) fn title(&mut self, section: &Section<'d>) -> Option<String> {
        let title = self.read(section, "title", scalar::title)?;
        let node = section.get("title")?;
        self.warn_of_braces(&title, node, "title");
        Some(title)
    }

    /// Warns where literal text looks like a template.
    pub(super) fn warn_of_braces(&mut self, text: &str, node: &Node, key: &str) {
        if text.contains("{{") || text.contains("{%") {
            let message = format!("`{key}` is literal text: the braces in it stay as they are");
            self.report(Code::BracesInText, node.span, message);
        }
    }

    /// A type.
    pub(super) fn schema(&mut self, node: &'d Node, subject: &str) -> Option<Schema> {
        let mut refused: Vec<(String, String, Refusal)> = Vec::new();
        let (loader, folder) = (&mut *self.loader, self.folder);
        let mut files = |at: &str, path: &str| match named_schema(loader, folder, path) {
            Ok(json) => Some(json),
            Err(refusal) => {
                refused.push((at.to_owned(), path.to_owned(), refusal));
                None
            }
        };
        let read = Schema::read(&node.to_json(), &mut files);
        for (at, path, (code, why)) in refused {
            let span = node.nearest(&at).span;
            self.report(code, span, format!("file {} {why}", quote(&path)));
        }
        match read {
            Ok(schema) => Some(schema),
            Err(flaws) => {
                for flaw in flaws {
                    let span = place_of(node, &flaw.pointer);
                    let mut fault = self.fault(flaw.code, span, format!("{subject}: {}", flaw.message));
                    fault.hint = flaw.hint;
                    self.push(fault);
                }
                None
            }
        }
    }

    /// The type under a key.
    pub(super) fn schema_of(&mut self, section: &Section<'d>, key: &'static str) -> Option<Schema> {
        self.schema(section.get(key)?, &format!("`{key}`"))
    }

    /// The text of the file whose path is in a node.
    pub(super) fn file(&mut self, node: &'d Node, subject: &str) -> Option<Arc<Source>> {
        let path = self.value(node, subject, scalar::text)?;
        match self.loader.text(self.folder, path) {
            Ok(source) => Some(source),
            Err((code, why)) => {
                self.report(code, node.span, format!("file {} {why}", quote(path)));
                None
            }
        }
    }

    /// Reports the keys that a table does not have; whether there are any.
    pub(super) fn unknown_keys(&mut self, entries: &[(Key, Node)], table: &Table, subject: &str) -> bool {
        let mut any = false;
        for (key, _) in entries.iter().filter(|(key, _)| table.key(&key.name).is_none()) {
            self.unknown_key(table, subject, key);
            any = true;
        }
        any
    }

    fn unknown_key(&mut self, table: &Table, subject: &str, key: &Key) {
        let name = &*key.name;
        if let Some((word, entry)) = OPERATOR_WORDS.iter().find(|(word, _)| *word == name) {
            let message = format!("`{word}` is said by the operator, not in a pipeline file");
            return self.report_with(
                Code::OperatorOnly,
                key.span,
                message,
                format!("in `segue.toml`:\n{entry}"),
            );
        }
        let message = format!("unknown key {} in {subject}", quote(name));
        if name == "<<" {
            return self.report_with(
                Code::UnknownKey,
                key.span,
                message,
                "merge keys are not read; write the keys out",
            );
        }
        if table.wider.is_some_and(|wider| wider.key(name).is_some()) {
            let message = format!("`{name}` has no meaning in {}", table.what);
            return self.report(Code::UnknownKey, key.span, message);
        }
        let known = table.keys().map(|key| key.name);
        self.unknown(Code::UnknownKey, key.span, message, name, known, "keys");
    }
}

/// The schema in a file, as JSON.
fn named_schema(loader: &mut Loader<'_>, folder: &str, path: &str) -> Result<serde_json::Value, Refusal> {
    let source = loader.text(folder, path)?;
    let doc = super::yaml::parse(source.text().as_bytes(), source.name()).map_err(|faults| {
        let why = faults
            .list()
            .first()
            .map(|fault| fault.message.clone())
            .unwrap_or_default();
        (Code::BadSchema, format!("is no schema: {why}"))
    })?;
    Ok(doc.root.to_json())
}

/// Where the value at a pointer stands, or the key of one that is a key's fault.
fn place_of(node: &Node, pointer: &str) -> Span {
    let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", ""));
    let last = last.replace("~1", "/").replace("~0", "~");
    match (
        node.at(pointer),
        node.at(parent).and_then(|parent| parent.entry(&last)),
    ) {
        (Some(value), Some((key, _))) if value.as_str().is_none() => key.span,
        (Some(value), _) => value.span,
        (None, _) => node.nearest(pointer).span,
    }
}

/// The JSON pointer of the key or value that has a span.
fn pointer(root: &Node, span: Span) -> String {
    let mut pointer = String::new();
    let mut node = root;
    while node.span != span {
        let holds = |outer: Span| outer.start <= span.start && span.end <= outer.end;
        match &node.kind {
            Kind::Mapping(entries) => {
                let next = entries.partition_point(|(key, _)| key.span.start <= span.start);
                let Some((key, value)) = next.checked_sub(1).and_then(|at| entries.get(at)) else {
                    break;
                };
                let on_key = holds(key.span);
                if !on_key && !holds(value.span) {
                    break;
                }
                pointer.push('/');
                pointer.push_str(&escape_pointer(&key.name));
                if on_key {
                    break;
                }
                node = value;
            }
            Kind::Sequence(items) => {
                let next = items.partition_point(|item| item.span.start <= span.start);
                let Some(at) = next.checked_sub(1).filter(|at| holds(items[*at].span)) else {
                    break;
                };
                pointer.push_str(&format!("/{at}"));
                node = &items[at];
            }
            Kind::Scalar(_) => break,
        }
    }
    pointer
}

/// Which keys have been looked up, so that a test can prove that every key of the format is.
#[cfg(test)]
pub(super) mod reads {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::Table;

    thread_local! {
        static NOTED: RefCell<BTreeSet<(&'static str, &'static str)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(table: &Table, key: &'static str) {
        NOTED.with_borrow_mut(|noted| noted.insert((table.what, key)));
    }

    /// Section and key of everything this thread has looked up.
    pub(in crate::file) fn noted() -> BTreeSet<(&'static str, &'static str)> {
        NOTED.with_borrow(BTreeSet::clone)
    }
}
