//! The top of a test file: who answers, what tools give, and what holds for all cases.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{Asked, Purpose};
use crate::budget::{Budget, PerCall};
use crate::case::{Answers, Case, StandIn};
use crate::fault::{Code, Source, Span, quote};
use crate::file::files::plain_path;
use crate::file::mention::{Mention, What};
use crate::file::reader::{Reader, Section};
use crate::file::settings::Days;
use crate::file::yaml::{Node, Resolved};
use crate::file::{keys, scalar, yaml};
use crate::model::cassette::{Cassette, NoSecrets};
use crate::plan::ModelRef;

/// The most tools and models of a file.
const MOST_NAMED: usize = 1000;
/// The most cases of a file.
const MOST_CASES: usize = 1000;

/// What a test file says.
pub(super) struct Read {
    pub(super) pipeline: PathBuf,
    pub(super) cassette: Option<PathBuf>,
    pub(super) answers: Answers,
    pub(super) tools: IndexMap<String, Vec<StandIn>>,
    pub(super) seed: u64,
    pub(super) cases: Vec<Case>,
}

/// What holds for every case.
pub(super) struct Common {
    pub(super) inputs: Map<String, Json>,
    /// The paths of those that are the text of a file.
    pub(super) files: IndexMap<String, String>,
    pub(super) budget: Option<Budget>,
}

impl<'d> Reader<'_, '_, 'd> {
    pub(super) fn suite(&mut self, purpose: Purpose, asked: &mut Asked) -> Option<Read> {
        let root = &self.doc.root;
        self.form_version(root)?;
        let top = self.section(root, &keys::TEST, Span::default(), "the test file")?;
        let pipeline = self.path_of(&top, "pipeline");
        if let (Some(path), Some(node)) = (&pipeline, top.get("pipeline")) {
            self.is_there(path, node, "pipeline");
        }
        let (answers, cassette) = self.answers(&top, purpose, asked);
        let tools = self.stand_ins_given(&top, &mut asked.mentions);
        let (inputs, files) = self.given_inputs(&top);
        let common = Common {
            inputs,
            files,
            budget: self.budget(&top, Days::Refused).flatten(),
        };
        let seed = self.read(&top, "seed", |node| scalar::count(node, 0..=i64::MAX as u64));
        let cases = self.cases(&top, &common, &mut asked.mentions);
        Some(Read {
            pipeline: PathBuf::from(pipeline?),
            cassette: cassette.map(PathBuf::from),
            answers,
            tools,
            seed: seed.unwrap_or(0),
            cases,
        })
    }

    /// The version of a test file or a script.
    pub(in crate::file) fn form_version(&mut self, root: &'d Node) -> Option<()> {
        let Some(node) = root.get("version") else {
            return Some(());
        };
        match node.resolve() {
            Some(Resolved::Int(1)) => Some(()),
            Some(Resolved::Int(other)) => {
                let message = format!("version {other} of the format is not read here");
                self.report_with(Code::UnknownVersion, node.span, message, "write `version: 1`");
                None
            }
            _ => {
                let message = format!("`version` needs the number 1, found {}", node.describe());
                self.report_with(Code::WrongType, node.span, message, "write `version: 1`");
                Some(())
            }
        }
    }

    /// A path beneath the folder of the file.
    fn path_of(&mut self, section: &Section<'d>, key: &'static str) -> Option<String> {
        let node = section.get(key)?;
        let written = self.value(node, &format!("`{key}`"), scalar::text)?;
        match plain_path(written) {
            Ok(path) => Some(path),
            Err(why) => {
                self.report(
                    Code::PathRefused,
                    node.span,
                    format!("file {} {why}", quote(written)),
                );
                None
            }
        }
    }

    /// The bytes of a file that is named, and that it can be read.
    fn is_there(&mut self, path: &str, node: &'d Node, what: &str) -> Option<Vec<u8>> {
        match self.loader.bytes_of(self.folder, path, yaml::MAX_BYTES as u64) {
            Ok(bytes) => Some(bytes),
            Err((code, why)) => {
                let hint = match what {
                    "cassette" => crate::model::cassette::RECORD_IT,
                    _ => "paths are relative to the folder of this file",
                };
                self.report_with(code, node.span, format!("file {} {why}", quote(path)), hint);
                None
            }
        }
    }

    fn answers(
        &mut self,
        top: &Section<'d>,
        purpose: Purpose,
        asked: &mut Asked,
    ) -> (Answers, Option<String>) {
        let given = ["script", "cassette", "models"].map(|key| top.entry(key));
        let mut given = given.into_iter().flatten();
        let first = given.next();
        if let (Some((first, _)), Some((second, _))) = (first, given.next()) {
            let message = format!("both `{}` and `{}` say who answers", first.name, second.name);
            self.report_with(Code::Conflict, second.span, message, "leave one of them out");
        }
        if let Some(list) = top.get("script") {
            let mut read = self.rules(list);
            self.never_chosen(&mut read, true);
            asked.mentions.extend(read.mentions);
            asked.rules = read.places;
            return (Answers::Script(read.rules), None);
        }
        if let Some(node) = top.get("cassette") {
            let path = self.path_of(top, "cassette");
            let text = path.as_ref().and_then(|path| self.cassette(path, node, purpose));
            return (Answers::Cassette(text), path);
        }
        let models = self.meant(top);
        match models.is_empty() {
            true => (Answers::Schema, None),
            false => (Answers::Models(models), None),
        }
    }

    /// The text of a cassette, which has no faults of its own.
    fn cassette(&mut self, path: &str, node: &'d Node, purpose: Purpose) -> Option<String> {
        // What is recorded anew may be missing, old or broken.
        if purpose == Purpose::Record {
            return None;
        }
        let bytes = self.is_there(path, node, "cassette")?;
        let Ok(text) = String::from_utf8(bytes) else {
            self.report(
                Code::BadEncoding,
                node.span,
                format!("file {} is not UTF-8", quote(path)),
            );
            return None;
        };
        let name = self.loader.shown(path);
        self.loader
            .add_source(&Arc::new(Source::new(name.clone(), text.as_str())));
        if let Err(faults) = Cassette::read(&text, &name, Arc::new(NoSecrets)) {
            self.loader.faults.append(faults);
            return None;
        }
        Some(text)
    }

    fn meant(&mut self, top: &Section<'d>) -> IndexMap<String, Vec<ModelRef>> {
        let named = self.named(top, "models", MOST_NAMED);
        let mut models = IndexMap::new();
        for (key, node) in named {
            let subject = format!("model {}", quote(&key.name));
            if let Some(list) = self.models(node, key.span, &subject) {
                models.insert(key.name.to_string(), list);
            }
        }
        models
    }

    fn stand_ins_given(
        &mut self,
        top: &Section<'d>,
        mentions: &mut Vec<Mention>,
    ) -> IndexMap<String, Vec<StandIn>> {
        let mut tools = IndexMap::new();
        for (name, node) in self.entries_of(top, "tools").iter().take(MOST_NAMED) {
            mentions.push(self.mention(What::Tool, &name.name, name.span));
            let one = std::slice::from_ref(node);
            let items = node.as_sequence().unwrap_or(one);
            let subject = format!("the stand-in of {}", quote(&name.name));
            if items.is_empty() {
                self.report(
                    Code::EmptyDefinition,
                    node.span,
                    format!("{subject} gives nothing"),
                );
            }
            let given = items
                .iter()
                .filter_map(|item| self.stand_in(item, name.span, &subject));
            tools.insert(name.name.to_string(), given.collect());
        }
        tools
    }

    fn stand_in(&mut self, node: &'d Node, at: Span, subject: &str) -> Option<StandIn> {
        let section = self.section(node, &keys::STAND_IN, at, subject)?;
        match (section.entry("returns"), section.entry("fails")) {
            (Some((_, value)), None) => Some(StandIn::Returns(value.to_json())),
            (None, Some(_)) => {
                let text = self.read(&section, "fails", scalar::text)?;
                Some(StandIn::Fails(text.to_owned()))
            }
            (None, None) => {
                let message = format!("{subject} has neither `returns` nor `fails`");
                self.report_with(Code::NoAction, at, message, "write `{ returns: VALUE }`");
                None
            }
            (Some(_), Some((fails, _))) => {
                let message = format!("{subject} has both `returns` and `fails`");
                let hint = "write a list for several calls";
                self.report_with(Code::TwoActions, fails.span, message, hint);
                None
            }
        }
    }

    /// Inputs as they are given to a run, and the paths of those that are the text of a file: `{file: PATH}`.
    pub(super) fn given_inputs(
        &mut self,
        section: &Section<'d>,
    ) -> (Map<String, Json>, IndexMap<String, String>) {
        let (mut inputs, mut files) = (Map::new(), IndexMap::new());
        for (name, node) in self.entries_of(section, "inputs") {
            let value = match node.as_mapping() {
                Some([(key, path)]) if &*key.name == "file" => {
                    let text = self.file(path, &format!("`file` of input {}", quote(&name.name)));
                    if let Some(path) = path.as_str() {
                        files.insert(name.name.to_string(), path.to_owned());
                    }
                    text.map(|source| Json::String(source.text().to_owned()))
                }
                _ => Some(node.to_json()),
            };
            inputs.extend(value.map(|value| (name.name.to_string(), value)));
        }
        (inputs, files)
    }

    fn cases(&mut self, top: &Section<'d>, common: &Common, mentions: &mut Vec<Mention>) -> Vec<Case> {
        let Some((key, node)) = top.entry("cases") else {
            return Vec::new();
        };
        let Some(items) = self.list(node, "`cases`") else {
            return Vec::new();
        };
        if items.is_empty() || items.len() > MOST_CASES {
            let message = match items.len() {
                0 => "there are no cases".to_owned(),
                many => format!("there are {many} cases, at most {MOST_CASES} are run"),
            };
            let code = if items.is_empty() {
                Code::EmptyDefinition
            } else {
                Code::TooLarge
            };
            self.report(code, key.span, message);
        }
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut cases = Vec::with_capacity(items.len());
        for item in items.iter().take(MOST_CASES) {
            let Some(case) = self.case(item, common, mentions) else {
                continue;
            };
            let span = item.get("name").map_or(item.span, |name| name.span);
            if let Some(first) = seen.get(&case.name) {
                let message = format!("there are two cases {}", quote(&case.name));
                let first = self.doc.place(*first);
                let fault = self
                    .fault(Code::DuplicateName, span, message)
                    .related(first, "the first");
                self.push(fault);
            }
            seen.entry(case.name.clone()).or_insert(span);
            cases.push(case);
        }
        cases
    }
}

/// The budget of a case, over that of its file, limit by limit.
pub(super) fn laid_over(case: Option<Budget>, file: Option<Budget>) -> Option<Budget> {
    let (Some(case), Some(file)) = (case, file) else {
        return case.or(file);
    };
    Some(Budget {
        usd: case.usd.or(file.usd),
        tokens: case.tokens.or(file.tokens),
        requests: case.requests.or(file.requests),
        per_call: PerCall {
            usd: case.per_call.usd.or(file.per_call.usd),
            tokens: case.per_call.tokens.or(file.per_call.tokens),
        },
        allow_unpriced: case.allow_unpriced || file.allow_unpriced,
        ..case
    })
}
