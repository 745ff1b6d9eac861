//! Cassettes as YAML has them.

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::VERSION;
use super::call::{ModelCall, ToolCall};
use crate::fault::{Code, Fault, Faults, Span, quote};
use crate::file::suggest::Nearest;
use crate::file::yaml::{self, Doc, Node, Resolved};
use crate::tool::ToolSpec;

const KEYS: [&str; 4] = ["version", "calls", "tool_calls", "tools"];

/// What a cassette holds.
pub(super) struct Read {
    pub(super) calls: Vec<ModelCall>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) tools: IndexMap<String, ToolSpec>,
}

/// Reads `{version: 1, calls, tool_calls, tools}`.
pub(super) fn file(text: &str, name: &str) -> Result<Read, Faults> {
    let doc = yaml::parse(text.as_bytes(), name)?;
    let mut reader = Reader {
        doc: &doc,
        faults: Faults::new(),
    };
    for (key, _) in doc.root.as_mapping().unwrap_or_default() {
        if !KEYS.contains(&&*key.name) {
            let message = format!("unknown key {} in a cassette", quote(&key.name));
            let fault = doc.fault(Code::UnknownKey, key.span, message);
            reader
                .faults
                .push(Nearest::of(&key.name, KEYS, "keys").advise(fault));
        }
    }
    reader.version();
    let calls: Vec<ModelCall> = reader.list("calls", "call");
    let tool_calls: Vec<ToolCall> = reader.list("tool_calls", "tool call");
    let tools = reader.tools();
    reader.outcomes(&calls, &tool_calls);
    match reader.faults.has_errors() {
        true => Err(reader.faults),
        false => Ok(Read {
            calls,
            tool_calls,
            tools,
        }),
    }
}

struct Reader<'a> {
    doc: &'a Doc,
    faults: Faults,
}

impl Reader<'_> {
    fn version(&mut self) {
        let Some(node) = self.doc.root.get("version") else {
            let message = "the cassette needs the key `version`";
            return self.report(Code::MissingKey, Span::default(), message.to_owned());
        };
        if node.resolve() != Some(Resolved::Int(VERSION)) {
            let message = format!("version {} of a cassette is not read here", node.describe());
            self.report(Code::UnknownVersion, node.span, message);
        }
    }

    /// The entries of a list, by their number from 1.
    fn list<T: DeserializeOwned>(&mut self, key: &str, what: &str) -> Vec<T> {
        let Some(node) = self.doc.root.get(key) else {
            return Vec::new();
        };
        let Some(items) = node.as_sequence() else {
            let message = format!("`{key}` needs a list, found {}", node.describe());
            self.report(Code::WrongType, node.span, message);
            return Vec::new();
        };
        let mut read = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match serde_json::from_value(item.to_json()) {
                Ok(call) => read.push(call),
                Err(error) => {
                    let message = format!("{what} {} is none: {error}", at + 1);
                    self.report(Code::WrongType, start_of(item), message);
                }
            }
        }
        read
    }

    fn tools(&mut self) -> IndexMap<String, ToolSpec> {
        let Some(node) = self.doc.root.get("tools") else {
            return IndexMap::new();
        };
        let mut tools = IndexMap::new();
        for (name, value) in node.as_mapping().unwrap_or_default() {
            let mut json = value.to_json();
            if let Json::Object(fields) = &mut json {
                fields.insert("name".to_owned(), Json::from(&*name.name));
            }
            match serde_json::from_value::<ToolSpec>(json) {
                Ok(spec) => drop(tools.insert(name.name.to_string(), spec)),
                Err(error) => {
                    let message = format!("tool {} is none: {error}", quote(&name.name));
                    self.report(Code::WrongType, name.span, message);
                }
            }
        }
        tools
    }

    /// Each call has an answer or an error, and not both.
    fn outcomes(&mut self, calls: &[ModelCall], tool_calls: &[ToolCall]) {
        let models = calls
            .iter()
            .map(|call| (call.response.is_some(), call.error.is_some()));
        let wrong = models
            .enumerate()
            .filter(|(_, (response, error))| response == error);
        let mut wrong: Vec<String> = wrong
            .map(|(at, _)| format!("call {} needs either `response` or `error`", at + 1))
            .collect();
        // A tool may give null, which is no result at all.
        let both = |call: &&ToolCall| call.result.is_some() && call.error.is_some();
        if tool_calls.iter().any(|call| both(&call)) {
            wrong.push("a tool call has both `result` and `error`".to_owned());
        }
        for message in wrong {
            self.report(Code::Conflict, Span::default(), message);
        }
    }

    fn report(&mut self, code: Code, span: Span, message: String) {
        let fault: Fault = self.doc.fault(code, span, message);
        self.faults.push(fault);
    }
}

/// The first key of a map, else the value itself.
fn start_of(node: &Node) -> Span {
    let first = node.as_mapping().and_then(<[_]>::first);
    first.map_or(node.span, |(key, _)| key.span)
}
