//! Cases of a test file, what goes wrong in them, and what is done afterwards.

use indexmap::IndexMap;

use super::mention;
use super::top::{Common, laid_over};
use crate::case::{Act, Case, Does, Fault, Mention, Moment, What, Wrong};
use crate::error::ErrorKind;
use crate::fault::{Code, Span, quote};
use crate::file::reader::{Reader, Section};
use crate::file::settings::Days;
use crate::file::yaml::{Node, Resolved};
use crate::file::{keys, scalar};
use crate::model::Malformed;

/// The word for the loss of a process.
const KILL: &str = "kill";

impl<'d> Reader<'_, '_, 'd> {
    pub(super) fn case(
        &mut self,
        node: &'d Node,
        common: &Common,
        mentions: &mut Vec<Mention>,
    ) -> Option<Case> {
        let at = start_of(node);
        let section = self.section(node, &keys::CASE, at, "a case")?;
        let name = self.read(&section, "name", scalar::title);
        let mut own = Vec::new();
        let (mut inputs, mut files) = (common.inputs.clone(), common.files.clone());
        let (own_inputs, own_files) = self.given_inputs(&section);
        files.retain(|name, _| !own_inputs.contains_key(name));
        inputs.extend(own_inputs);
        files.extend(own_files);
        let pattern = self.read(&section, "pattern", scalar::name).map(str::to_owned);
        let budget = self.budget(&section, Days::Refused).flatten();
        let mut answers = IndexMap::new();
        if let Some(entries) = section
            .get("answers")
            .and_then(|node| self.entries(node, "`answers`"))
        {
            for (step, value) in entries {
                own.push(mention(false, &step.name, step.span));
                answers.insert(step.name.to_string(), value.to_json());
            }
        }
        let tools = |texts: Option<Vec<(&str, &Node)>>| -> Vec<String> {
            let texts = texts.unwrap_or_default().into_iter();
            texts.map(|(text, _)| text.to_owned()).collect()
        };
        let approve = tools(self.texts_of(&section, "approve"));
        let reject = tools(self.texts_of(&section, "reject"));
        if let Some(both) = approve.iter().find(|tool| reject.contains(tool)) {
            let message = format!("tool {} is both approved and rejected", quote(both));
            self.report(Code::Conflict, at, message);
        }
        let key = self.read(&section, "key", scalar::text).map(str::to_owned);
        let run = self.what(&section, &mut own);
        let faults = self.faults(&section, &mut own);
        let expect = self.expect(&section, &mut own);
        let then = self.acts(&section, &mut own);
        for mut mention in own {
            mention.of_pattern = pattern.is_some();
            mentions.push(mention);
        }
        Some(Case {
            name: name?,
            inputs,
            files,
            pattern,
            key,
            run,
            answers,
            approve,
            reject,
            budget: laid_over(budget, common.budget),
            faults,
            expect,
            then,
        })
    }

    /// The step that runs, or all.
    fn what(&mut self, section: &Section<'d>, mentions: &mut Vec<Mention>) -> Option<What> {
        let node = section.get("run")?;
        let name = self.value(node, "`run`", scalar::text)?;
        if name == "all" {
            return Some(What::All);
        }
        mentions.push(mention(false, name, node.span));
        Some(What::Step(name.to_owned()))
    }

    fn acts(&mut self, section: &Section<'d>, mentions: &mut Vec<Mention>) -> Vec<Act> {
        let Some(items) = section.get("then").and_then(|node| self.list(node, "`then`")) else {
            return Vec::new();
        };
        let acts: Vec<Option<Act>> = items
            .iter()
            .map(|item| self.further_act(item, mentions))
            .collect();
        acts.into_iter().flatten().collect()
    }

    fn further_act(&mut self, node: &'d Node, mentions: &mut Vec<Mention>) -> Option<Act> {
        let at = start_of(node);
        let section = self.section(node, &keys::ACT, at, "an act")?;
        let does = self.does(&section, mentions);
        let expect = self.expect(&section, mentions);
        Some(Act { does: does?, expect })
    }

    fn does(&mut self, section: &Section<'d>, mentions: &mut Vec<Mention>) -> Option<Does> {
        let given = ["run", "rerun", "rerun_stale"].map(|key| section.entry(key));
        let given: Vec<_> = given.into_iter().flatten().collect();
        let [(key, node)] = given.as_slice() else {
            let (code, message) = match given.as_slice() {
                [] => (
                    Code::NoAction,
                    "an act has neither `run` nor `rerun` nor `rerun_stale`".to_owned(),
                ),
                several => {
                    let names: Vec<String> = several.iter().map(|(key, _)| quote(&key.name)).collect();
                    (Code::TwoActions, format!("an act has {}", names.join(" and ")))
                }
            };
            self.report_with(code, section.at, message, "each act is one of them");
            return None;
        };
        let note = self.read(section, "note", scalar::text).map(str::to_owned);
        let follow = self.read(section, "follow", scalar::boolean);
        if &*key.name != "rerun" && (note.is_some() || follow.is_some()) {
            let message = "`note` and `follow` belong to `rerun`";
            self.report(Code::Conflict, key.span, message);
        }
        match &*key.name {
            "run" => self.what(section, mentions).map(Does::Run),
            "rerun" => {
                let step = self.value(node, "`rerun`", scalar::text)?.to_owned();
                mentions.push(mention(false, &step, node.span));
                let follow = follow.unwrap_or(false);
                Some(Does::Rerun { step, follow, note })
            }
            _ => {
                if !self.value(node, "`rerun_stale`", scalar::boolean)? {
                    let message = "`rerun_stale` needs the boolean true";
                    self.report_with(Code::WrongType, node.span, message, "leave the act out instead");
                }
                Some(Does::RerunStale)
            }
        }
    }

    fn faults(&mut self, section: &Section<'d>, mentions: &mut Vec<Mention>) -> Vec<Fault> {
        let Some(items) = section.get("faults").and_then(|node| self.list(node, "`faults`")) else {
            return Vec::new();
        };
        let faults: Vec<Option<Fault>> = items.iter().map(|item| self.case_fault(item, mentions)).collect();
        faults.into_iter().flatten().collect()
    }

    fn case_fault(&mut self, node: &'d Node, mentions: &mut Vec<Mention>) -> Option<Fault> {
        let at = start_of(node);
        let section = self.section(node, &keys::FAULT, at, "a fault")?;
        let mut named = |key: &'static str, is_agent: bool| {
            let name = self.read(&section, key, scalar::text)?;
            let span = section.get(key).map_or(at, |node| node.span);
            mentions.push(mention(is_agent, name, span));
            Some(name.to_owned())
        };
        let (step, agent) = (named("step", false), named("agent", true));
        if section.entry("step").is_none() && section.entry("agent").is_none() {
            let hint = "write `step: NAME` or `agent: NAME`";
            self.report_with(Code::MissingKey, at, "a fault says whom it strikes", hint);
        }
        let attempt = self.attempt(&section);
        let item = self.read(&section, "item", |node| scalar::count(node, 0..=u64::MAX));
        let moment = self.read(&section, "at", |node| scalar::choice(node, keys::MOMENTS));
        let what = self.wrong(&section, moment);
        Some(Fault {
            step,
            agent,
            attempt: attempt?,
            item,
            what: what?,
        })
    }

    /// Which attempt; the inner none is every one.
    fn attempt(&mut self, section: &Section<'d>) -> Option<Option<u32>> {
        let Some(node) = section.get("attempt") else {
            return Some(Some(1));
        };
        match node.resolve() {
            Some(Resolved::Str("all")) => Some(None),
            Some(Resolved::Str(_)) => {
                let message = format!("`attempt` needs a number or `all`, found {}", node.describe());
                self.report(Code::WrongType, node.span, message);
                None
            }
            _ => self.count(section, "attempt", 1, u32::MAX).map(Some),
        }
    }

    fn wrong(&mut self, section: &Section<'d>, moment: Option<&'static str>) -> Option<Wrong> {
        let node = section.get("error")?;
        let word = self.value(node, "`error`", scalar::text)?;
        if word == KILL {
            return Some(Wrong::Kill(match moment {
                Some("started") => Moment::Started,
                Some("recorded") => Moment::Recorded,
                _ => Moment::Called,
            }));
        }
        if let Some((key, _)) = section.entry("at") {
            let message = "`at` says when a process dies, and this fault is an error";
            self.report_with(
                Code::Conflict,
                key.span,
                message,
                "write `error: kill`, or leave it out",
            );
        }
        if let Some(how) = Malformed::ALL.into_iter().find(|how| how.as_str() == word) {
            return Some(Wrong::Malformed(how));
        }
        let kinds: Vec<String> = ErrorKind::ALL.iter().map(ToString::to_string).collect();
        if let Some(at) = kinds.iter().position(|kind| kind == word) {
            return Some(Wrong::Error(ErrorKind::ALL[at]));
        }
        let words = Malformed::ALL.iter().map(|how| how.as_str());
        let words = words
            .chain(std::iter::once(KILL))
            .chain(kinds.iter().map(String::as_str));
        let message = format!(
            "`error` needs an error kind, a malformed reply or `kill`, found {}",
            quote(word)
        );
        self.unknown(Code::WrongType, node.span, message, word, words, "errors");
        None
    }
}

/// Where an entry of a list begins: its first key.
fn start_of(node: &Node) -> Span {
    let first = node.as_mapping().and_then(<[_]>::first);
    first.map_or(node.span, |(key, _)| key.span)
}
