//! Rules that say what models answer: the `script` of test files, and the files of `sim/script`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::keys;
use super::load::Loader;
use super::mention::{Mention, What};
use super::reader::{Reader, Section};
use super::scalar;
use super::yaml::{self, Kind, Node};
use crate::error::ErrorKind;
use crate::fault::{Code, Faults, Place, Span, quote};
use crate::model::script::rule::Action;
use crate::model::{Malformed, Rule};
use crate::registry::Registry;
use crate::usage::Usage;

/// The rules of a script.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    /// Where each of them stands.
    pub(super) places: Vec<Place>,
    /// Which entry of the list each of them is: what has a fault became no rule.
    entries: Vec<usize>,
    /// The agents and steps they name.
    pub(super) mentions: Vec<Mention>,
}

/// Reads `{version: 1, script: [rules]}`.
///
/// # Errors
/// Every fault of the text, each with the number of its rule, counted from 1.
pub(crate) fn read(text: &str) -> Result<Vec<Rule>, Faults> {
    let (files, registry) = (BTreeMap::new(), Registry::new());
    let mut loader = Loader::new(&files, &registry, String::new());
    let read = loader.script(text, "script");
    let (faults, _) = loader.done();
    match read {
        Some(read) if !faults.has_errors() => Ok(read.rules),
        _ => Err(faults),
    }
}

impl Loader<'_> {
    /// The rules of a script file; none where it is no script at all.
    pub(super) fn script(&mut self, text: &str, name: &str) -> Option<Rules> {
        let mut faults = Faults::new();
        let doc = yaml::read(text.as_bytes(), name, &mut faults);
        self.faults.append(faults);
        let doc = doc?;
        let mut reader = Reader::new(self, &doc, "");
        // The rules of another version are read too, to say all that is wrong at once.
        let _ = reader.form_version(&doc.root);
        let top = reader.section(&doc.root, &keys::SCRIPT, Span::default(), "the script")?;
        let mut read = reader.rules(top.get("script")?);
        reader.never_chosen(&mut read, false);
        Some(read)
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// A list of rules. Reads on after every fault, so that all are reported; what has one becomes no rule.
    pub(super) fn rules(&mut self, list: &'d Node) -> Rules {
        let mut read = Rules::default();
        for (at, item) in self.some_of(list, "`script`", "rules").iter().enumerate() {
            if let Some(rule) = self.rule(item, &format!("rule {}", at + 1), &mut read.mentions) {
                read.rules.push(rule);
                read.places.push(self.doc.place(begin_of(item)));
                read.entries.push(at);
            }
        }
        read
    }

    /// Reports the rules that no request is left for: an error where a case relies on them.
    pub(super) fn never_chosen(&mut self, read: &mut Rules, is_error: bool) {
        let prompts: Vec<String> = read.rules.iter().map(|rule| rule.prompt.to_string()).collect();
        for (at, rule) in read.rules.iter().enumerate() {
            let covers = |earlier: usize| {
                let same_prompt = prompts[earlier].is_empty() || prompts[earlier] == prompts[at];
                same_prompt && read.rules[earlier].takes_all_of(rule)
            };
            let Some(earlier) = (0..at).find(|earlier| covers(*earlier)) else {
                continue;
            };
            let message = format!(
                "rule {} can answer nothing: rule {} answers all of it before",
                read.entries[at] + 1,
                read.entries[earlier] + 1
            );
            let fault = crate::fault::Fault::new(Code::NeverFires, message)
                .at(self.doc.source.name(), read.places[at])
                .pointer(format!("/script/{}", read.entries[at]))
                .related(read.places[earlier], "the rule before")
                .hint("put it before the other, or say with `times` how often that one answers");
            self.push(if is_error { fault } else { fault.warning() });
        }
    }

    fn rule(&mut self, node: &'d Node, subject: &str, mentions: &mut Vec<Mention>) -> Option<Rule> {
        let at = begin_of(node);
        let section = self.section(node, &keys::RULE, at, subject)?;
        // The other keys are read even where the action has a fault; it takes its place at the end.
        let action = self.rule_action(&section, at);
        let mut rule = Rule::reply("");
        rule.agent = self.name_in(&section, "agent", What::Agent, mentions);
        rule.step = self.name_in(&section, "step", What::Step, mentions);
        if let Some(node) = section.get("prompt") {
            let prompt = self.text_matcher(node, &format!("`prompt` of {subject}"));
            rule.prompt = prompt.unwrap_or_default();
        }
        rule.usage = self.rule_usage(&section);
        let times = |node| scalar::count(node, 1..=u64::from(u32::MAX));
        let times = self.of_rule(&section, "times", times);
        rule.times = times.and_then(|times| u32::try_from(times).ok());
        let delay = self.of_rule(&section, "delay", scalar::duration_or_zero);
        rule.delay = delay.unwrap_or_default();
        rule.retry_after = self.of_rule(&section, "retry_after", scalar::duration_or_zero);
        if let Some((key, _)) = section.entry("retry_after")
            && action.as_ref().is_some_and(|action| !action.fails())
        {
            let message = format!("`retry_after` of {subject} goes with an error, and this rule answers");
            let hint = "leave it out, or write `error: rate_limited`";
            self.report_with(Code::Conflict, key.span, message, hint);
        }
        rule.action = action?;
        Some(rule)
    }

    fn name_in(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        what: What,
        mentions: &mut Vec<Mention>,
    ) -> Option<String> {
        let name = self.of_rule(section, key, scalar::text)?;
        let span = section.get(key).map_or(section.at, |node| node.span);
        mentions.push(self.mention(what, name, span));
        Some(name.to_owned())
    }

    /// The value of a key, called by its rule.
    fn of_rule<T>(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        read: impl FnOnce(&'d Node) -> Result<T, scalar::Flaw>,
    ) -> Option<T> {
        let subject = format!("`{key}` of {}", section.subject);
        self.value(section.get(key)?, &subject, read)
    }

    fn rule_action(&mut self, section: &Section<'d>, at: Span) -> Option<Action> {
        let subject = &section.subject;
        let given = ["reply", "call", "error"].map(|key| section.entry(key));
        let mut given: Vec<_> = given.into_iter().flatten().collect();
        given.sort_by_key(|(key, _)| key.span.start);
        let Some(((first, value), more)) = given.split_first() else {
            let message = format!("{subject} has neither `reply` nor `call` nor `error`");
            let hint = "add what it answers, such as `reply: TEXT`";
            self.report_with(Code::NoAction, at, message, hint);
            return None;
        };
        for (other, _) in more {
            let message = format!("{subject} has both `{}` and `{}`", first.name, other.name);
            self.report_with(Code::TwoActions, other.span, message, "split it into two rules");
        }
        let subject = format!("`{}` of {subject}", first.name);
        match &*first.name {
            "reply" => self.rule_reply(value, &subject),
            "call" => self.rule_calls(value, &subject),
            _ => self.rule_error(value, &subject),
        }
    }

    fn rule_reply(&mut self, node: &'d Node, subject: &str) -> Option<Action> {
        if let Some(text) = node.as_str() {
            return Some(Action::Text(text.to_owned()));
        }
        // `null` is a value like any other; a key without a value is a slip.
        if node.is_null() && matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.is_empty()) {
            let message = format!("{subject} needs text or a value, found nothing");
            let hint = "write `null` for null, `\"\"` for empty text";
            self.report_with(Code::WrongType, node.span, message, hint);
            return None;
        }
        Some(Action::Value(node.to_json()))
    }

    fn rule_calls(&mut self, node: &'d Node, subject: &str) -> Option<Action> {
        if node.as_sequence().is_none() {
            let call = self.rule_call(node, subject)?;
            return Some(Action::Calls(vec![call]));
        }
        let items = self.some_of(node, subject, "calls").iter().enumerate();
        let calls: Vec<_> = items
            .filter_map(|(at, item)| self.rule_call(item, &format!("entry {} of {subject}", at + 1)))
            .collect();
        (!calls.is_empty()).then_some(Action::Calls(calls))
    }

    fn rule_call(&mut self, node: &'d Node, subject: &str) -> Option<(String, Json)> {
        let section = self.section(node, &keys::CALL, begin_of(node), subject)?;
        let arguments = match section.get("args") {
            None => json!({}),
            Some(args) => {
                self.entries(args, &format!("`args` of {subject}"))?;
                args.to_json()
            }
        };
        let tool = self.of_rule(&section, "tool", scalar::text)?;
        Some((tool.to_owned(), arguments))
    }

    fn rule_error(&mut self, node: &'d Node, subject: &str) -> Option<Action> {
        let word = self.value(node, subject, scalar::text)?;
        match self.wrong_word(node, word, subject, None)? {
            Word::Malformed(how) => Some(Action::Malformed(how)),
            Word::Kind(kind) => Some(Action::Error(kind)),
            Word::Other => None,
        }
    }

    /// An error kind, a malformed reply, or one further word.
    pub(super) fn wrong_word(
        &mut self,
        node: &Node,
        word: &str,
        subject: &str,
        other: Option<&'static str>,
    ) -> Option<Word> {
        if other == Some(word) {
            return Some(Word::Other);
        }
        if let Some(how) = Malformed::ALL.into_iter().find(|how| how.as_str() == word) {
            return Some(Word::Malformed(how));
        }
        let kinds: Vec<String> = ErrorKind::ALL.iter().map(ToString::to_string).collect();
        if let Some(at) = kinds.iter().position(|kind| kind == word) {
            return Some(Word::Kind(ErrorKind::ALL[at]));
        }
        let needed = match other {
            None => "an error kind or a malformed reply".to_owned(),
            Some(other) => format!("an error kind, a malformed reply or `{other}`"),
        };
        let message = format!("{subject} needs {needed}, found {}", quote(word));
        let words = Malformed::ALL.iter().map(|how| how.as_str()).chain(other);
        let words = words.chain(kinds.iter().map(String::as_str));
        self.unknown(Code::WrongType, node.span, message, word, words, "errors");
        None
    }

    fn rule_usage(&mut self, section: &Section<'d>) -> Option<Usage> {
        let (key, node) = section.entry("usage")?;
        let subject = format!("`usage` of {}", section.subject);
        let section = self.section(node, &keys::USAGE, key.span, subject)?;
        let mut tokens = |key| {
            let read = self.of_rule(&section, key, |node| scalar::count(node, 0..=u64::MAX));
            read.unwrap_or_default()
        };
        Some(Usage {
            input_tokens: tokens("input_tokens"),
            output_tokens: tokens("output_tokens"),
            cache_read_tokens: tokens("cache_read_tokens"),
            cache_write_tokens: tokens("cache_write_tokens"),
            reasoning_tokens: tokens("reasoning_tokens"),
            audio_tokens: tokens("audio_tokens"),
            ..Usage::default()
        })
    }

    /// The values of a list that needs some; empty after a fault.
    fn some_of(&mut self, node: &'d Node, subject: &str, of: &str) -> &'d [Node] {
        let (code, message) = match node.as_sequence() {
            Some([]) => (Code::EmptyDefinition, format!("{subject} has no {of}")),
            Some(items) => return items,
            None => {
                let found = node.describe();
                (
                    Code::WrongType,
                    format!("{subject} needs a list of {of}, found {found}"),
                )
            }
        };
        self.report(code, node.span, message);
        &[]
    }
}

/// What goes wrong, as a word says it.
pub(super) enum Word {
    Kind(ErrorKind),
    Malformed(Malformed),
    /// The further word.
    Other,
}

/// Where an entry of a list begins: its first key, else the value itself.
pub(super) fn begin_of(node: &Node) -> Span {
    let first = node.as_mapping().and_then(<[_]>::first);
    first.map_or(node.span, |(key, _)| key.span)
}

#[cfg(test)]
mod tests;
