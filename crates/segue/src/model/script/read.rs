//! Rules as YAML has them. Script files and test files read theirs here, and every fault knows its rule and place.

mod prompt;

use serde_json::{Value as Json, json};

use super::rule::{Action, Malformed, Rule};
use crate::error::ErrorKind;
use crate::fault::{Code, Fault, Faults, Span, quote};
use crate::file::scalar::{self, Flaw};
use crate::file::suggest::Nearest;
use crate::file::yaml::{self, Doc, Key, Kind, Node, Resolved, escape_pointer};
use crate::usage::Usage;

const FILE_KEYS: [&str; 2] = ["version", "script"];
const RULE_KEYS: [&str; 10] = [
    "agent",
    "step",
    "prompt",
    "reply",
    "call",
    "error",
    "usage",
    "times",
    "delay",
    "retry_after",
];
const CALL_KEYS: [&str; 2] = ["tool", "args"];
const USAGE_KEYS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_tokens",
];

/// The rules of a whole script, `{version: 1, script: [rules]}`.
pub(super) fn file(text: &str) -> Result<Vec<Rule>, Faults> {
    let mut faults = Faults::new();
    let Some(doc) = yaml::read(text.as_bytes(), "script", &mut faults) else {
        return Err(faults);
    };
    let mut reader = Reader { doc: &doc, faults };
    let root = Spot {
        subject: "the script".to_owned(),
        pointer: String::new(),
    };
    for (key, _) in reader.entries(&root, &doc.root) {
        if !FILE_KEYS.contains(&&*key.name) {
            reader.unknown_key(&root, key, &FILE_KEYS);
        }
    }
    match doc.root.get("version") {
        Some(version) => reader.version(&root.key("version"), version),
        None => reader.missing_key(&root, &doc.root, "version"),
    }
    let mut found = Vec::new();
    match doc.root.get("script") {
        Some(list) => match rules(&doc, list, "/script") {
            Ok(rules) => found = rules,
            Err(faults) => reader.faults.append(faults),
        },
        None => reader.missing_key(&root, &doc.root, "script"),
    }
    reader.end(found)
}

/// A list of rules at a JSON pointer of a file.
///
/// # Errors
///
/// Every fault of the list.
pub(crate) fn rules(doc: &Doc, node: &Node, pointer: &str) -> Result<Vec<Rule>, Faults> {
    let mut reader = Reader {
        doc,
        faults: Faults::new(),
    };
    let found = reader.rules(
        &Spot {
            subject: "`script`".to_owned(),
            pointer: pointer.to_owned(),
        },
        node,
    );
    reader.end(found)
}

/// What a value is called in messages, and where it is.
struct Spot {
    subject: String,
    pointer: String,
}

impl Spot {
    fn key(&self, name: &str) -> Self {
        Self {
            subject: format!("`{name}` of {}", self.subject),
            pointer: format!("{}/{}", self.pointer, escape_pointer(name)),
        }
    }

    /// An entry of a list, by its index.
    fn item(&self, index: usize) -> Self {
        Self {
            subject: format!("entry {} of {}", index + 1, self.subject),
            pointer: format!("{}/{index}", self.pointer),
        }
    }

    /// A rule of the list of rules, by its index.
    fn rule(&self, index: usize) -> Self {
        Self {
            subject: format!("rule {}", index + 1),
            pointer: format!("{}/{index}", self.pointer),
        }
    }
}

/// Reads on after every fault, so that all are reported; what has one becomes none.
struct Reader<'a> {
    doc: &'a Doc,
    faults: Faults,
}

impl<'a> Reader<'a> {
    fn end(self, rules: Vec<Rule>) -> Result<Vec<Rule>, Faults> {
        match self.faults.has_errors() {
            true => Err(self.faults),
            false => Ok(rules),
        }
    }

    fn version(&mut self, spot: &Spot, node: &Node) {
        if node.resolve() != Some(Resolved::Int(1)) {
            let message = format!("{} needs the number 1, found {}", spot.subject, node.describe());
            let hint = Some("write `version: 1`");
            self.fault(Code::UnknownVersion, node.span, spot, message, hint);
        }
    }

    fn rules(&mut self, spot: &Spot, node: &'a Node) -> Vec<Rule> {
        let items = self.items(spot, node, "rules");
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.rule(&spot.rule(index), item))
            .collect()
    }

    fn rule(&mut self, spot: &Spot, node: &'a Node) -> Option<Rule> {
        let entries = self.entries(spot, node);
        let first = entries.first()?.0.span;
        let action_keys = || {
            entries
                .iter()
                .filter(|(key, _)| matches!(&*key.name, "reply" | "call" | "error"))
        };
        let action = match action_keys().next() {
            None => {
                let message = format!("{} has neither `reply` nor `call` nor `error`", spot.subject);
                let hint = Some("add what it answers, such as `reply: TEXT`");
                self.fault(Code::NoAction, first, spot, message, hint);
                None
            }
            Some((chosen, value)) => {
                for (other, _) in action_keys().skip(1) {
                    let message = format!("{} has both `{}` and `{}`", spot.subject, chosen.name, other.name);
                    let hint = Some("split it into two rules");
                    self.fault(
                        Code::TwoActions,
                        other.span,
                        &spot.key(&other.name),
                        message,
                        hint,
                    );
                }
                let at = spot.key(&chosen.name);
                match &*chosen.name {
                    "reply" => self.reply(&at, value),
                    "call" => self.calls(&at, value),
                    _ => self.error(&at, value),
                }
            }
        };
        // The other keys are read even where the action has a fault; it takes its place at the end.
        let mut rule = Rule::reply("");
        for (key, value) in entries {
            let at = spot.key(&key.name);
            match &*key.name {
                "agent" => rule.agent = self.text(&at, value),
                "step" => rule.step = self.text(&at, value),
                "prompt" => rule.prompt = self.matcher(&at, value).unwrap_or_default(),
                "usage" => rule.usage = self.usage(&at, value),
                "times" => {
                    let times = self.value(&at, value, scalar::count(value, 1..=u64::from(u32::MAX)));
                    rule.times = times.and_then(|times| u32::try_from(times).ok());
                }
                "delay" => {
                    rule.delay = self
                        .value(&at, value, scalar::duration_or_zero(value))
                        .unwrap_or_default();
                }
                "retry_after" => {
                    rule.retry_after = self.value(&at, value, scalar::duration_or_zero(value));
                    if action.as_ref().is_some_and(|action| !action.fails()) {
                        let message = format!("{} goes with an error, and this rule answers", at.subject);
                        let hint = Some("leave it out, or write `error: rate_limited`");
                        self.fault(Code::Conflict, key.span, &at, message, hint);
                    }
                }
                "reply" | "call" | "error" => {}
                _ => self.unknown_key(spot, key, &RULE_KEYS),
            }
        }
        rule.action = action?;
        Some(rule)
    }

    fn reply(&mut self, spot: &Spot, node: &Node) -> Option<Action> {
        if let Some(text) = node.as_str() {
            return Some(Action::Text(text.to_owned()));
        }
        // `null` is a value like any other; a key without a value is a slip.
        if node.is_null() && matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.is_empty()) {
            let message = format!("{} needs text or a value, found nothing", spot.subject);
            let hint = Some("write `null` for null, `\"\"` for empty text");
            self.fault(Code::WrongType, node.span, spot, message, hint);
            return None;
        }
        Some(Action::Value(node.to_json()))
    }

    fn calls(&mut self, spot: &Spot, node: &'a Node) -> Option<Action> {
        if node.as_sequence().is_none() {
            return self.call(spot, node).map(|call| Action::Calls(vec![call]));
        }
        let items = self.items(spot, node, "calls");
        let calls: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.call(&spot.item(index), item))
            .collect();
        (!calls.is_empty()).then_some(Action::Calls(calls))
    }

    fn call(&mut self, spot: &Spot, node: &'a Node) -> Option<(String, Json)> {
        let entries = self.entries(spot, node);
        for (key, _) in entries {
            if !CALL_KEYS.contains(&&*key.name) {
                self.unknown_key(spot, key, &CALL_KEYS);
            }
        }
        if let Some(args) = node.get("args") {
            self.entries_or_none(&spot.key("args"), args)?;
        }
        match node.get("tool") {
            Some(tool) => {
                let tool = self.text(&spot.key("tool"), tool)?;
                Some((tool, node.get("args").map_or_else(|| json!({}), Node::to_json)))
            }
            None if entries.is_empty() => None,
            None => {
                self.missing_key(spot, node, "tool");
                None
            }
        }
    }

    fn error(&mut self, spot: &Spot, node: &Node) -> Option<Action> {
        let word = self.text(spot, node)?;
        if let Some(how) = Malformed::ALL.into_iter().find(|how| how.as_str() == word) {
            return Some(Action::Malformed(how));
        }
        if let Some(kind) = ErrorKind::ALL.iter().find(|kind| kind.to_string() == word) {
            return Some(Action::Error(*kind));
        }
        let kinds: Vec<String> = ErrorKind::ALL.iter().map(ToString::to_string).collect();
        let words = Malformed::ALL
            .iter()
            .map(|how| how.as_str())
            .chain(kinds.iter().map(String::as_str));
        let message = format!(
            "{} needs an error kind or a malformed reply, found {}",
            spot.subject,
            quote(&word)
        );
        let fault = self
            .doc
            .fault(Code::WrongType, node.span, message)
            .pointer(&spot.pointer);
        self.faults
            .push(Nearest::of(&word, words, "errors").advise(fault));
        None
    }

    fn usage(&mut self, spot: &Spot, node: &'a Node) -> Option<Usage> {
        let mut usage = Usage::default();
        for (key, value) in self.entries_or_none(spot, node)? {
            let member = match &*key.name {
                "input_tokens" => &mut usage.input_tokens,
                "output_tokens" => &mut usage.output_tokens,
                "cache_read_tokens" => &mut usage.cache_read_tokens,
                "cache_write_tokens" => &mut usage.cache_write_tokens,
                "reasoning_tokens" => &mut usage.reasoning_tokens,
                "audio_tokens" => &mut usage.audio_tokens,
                _ => {
                    self.unknown_key(spot, key, &USAGE_KEYS);
                    continue;
                }
            };
            let tokens = self.value(&spot.key(&key.name), value, scalar::count(value, 0..=u64::MAX));
            *member = tokens.unwrap_or_default();
        }
        Some(usage)
    }

    fn text(&mut self, spot: &Spot, node: &Node) -> Option<String> {
        self.value(spot, node, scalar::text(node)).map(str::to_owned)
    }

    fn value<T>(&mut self, spot: &Spot, node: &Node, read: Result<T, Flaw>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(flaw) => {
                let fault = self.doc.flaw(flaw, &spot.subject, node.span);
                self.faults.push(fault.pointer(&spot.pointer));
                None
            }
        }
    }

    /// The entries of a map that needs some; empty after a fault.
    fn entries<'n>(&mut self, spot: &Spot, node: &'n Node) -> &'n [(Key, Node)] {
        let entries = self.entries_or_none(spot, node);
        if entries.is_some_and(<[_]>::is_empty) {
            let message = format!("{} has nothing in it", spot.subject);
            self.fault(Code::EmptyDefinition, node.span, spot, message, None);
        }
        entries.unwrap_or_default()
    }

    /// The entries of a map, also of one without any; none after a fault.
    fn entries_or_none<'n>(&mut self, spot: &Spot, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        let entries = node.as_mapping();
        if entries.is_none() {
            let message = format!("{} needs a map, found {}", spot.subject, node.describe());
            self.fault(Code::WrongType, node.span, spot, message, None);
        }
        entries
    }

    /// The values of a list that needs some; empty after a fault.
    fn items<'n>(&mut self, spot: &Spot, node: &'n Node, of: &str) -> &'n [Node] {
        match node.as_sequence() {
            Some([]) => {
                let message = format!("{} has no {of}", spot.subject);
                self.fault(Code::EmptyDefinition, node.span, spot, message, None);
                &[]
            }
            Some(items) => items,
            None => {
                let message = format!("{} needs a list of {of}, found {}", spot.subject, node.describe());
                self.fault(Code::WrongType, node.span, spot, message, None);
                &[]
            }
        }
    }

    fn unknown_key(&mut self, spot: &Spot, key: &Key, known: &[&str]) {
        let message = format!("unknown key {} in {}", quote(&key.name), spot.subject);
        let fault = self
            .doc
            .fault(Code::UnknownKey, key.span, message)
            .pointer(spot.key(&key.name).pointer);
        self.faults
            .push(Nearest::of(&key.name, known.iter().copied(), "keys").advise(fault));
    }

    fn missing_key(&mut self, spot: &Spot, node: &Node, name: &str) {
        let span = node
            .as_mapping()
            .and_then(<[_]>::first)
            .map_or(node.span, |(key, _)| key.span);
        let message = format!("{} needs the key `{name}`", spot.subject);
        self.fault(Code::MissingKey, span, spot, message, None);
    }

    fn fault(&mut self, code: Code, span: Span, spot: &Spot, message: String, hint: Option<&str>) {
        let mut fault: Fault = self.doc.fault(code, span, message).pointer(&spot.pointer);
        fault.hint = hint.map(str::to_owned);
        self.faults.push(fault);
    }
}

#[cfg(test)]
mod tests;
