//! Cases of a test file, what goes wrong in them, and what is done afterwards.

use indexmap::IndexMap;

use super::top::{Common, laid_over};
use crate::case::{self, Act, Case, Does, Fault, Moment, Wrong};
use crate::fault::{Code, quote};
use crate::file::mention::{Mention, What, Within};
use crate::file::reader::{Reader, Section};
use crate::file::script::{Word, begin_of};
use crate::file::settings::Days;
use crate::file::yaml::{Node, Resolved};
use crate::file::{keys, scalar};

/// The word for the loss of a process.
const KILL: &str = "kill";

impl<'d> Reader<'_, '_, 'd> {
    pub(super) fn case(
        &mut self,
        node: &'d Node,
        common: &Common,
        mentions: &mut Vec<Mention>,
    ) -> Option<Case> {
        let at = begin_of(node);
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
        for (step, value) in self.entries_of(&section, "answers") {
            own.push(self.mention(What::Step, &step.name, step.span));
            answers.insert(step.name.to_string(), value.to_json());
        }
        let mut tools = |key| -> Vec<String> {
            let named = self.texts_of(&section, key).unwrap_or_default();
            let mentioned = named
                .iter()
                .map(|(name, node)| self.mention(What::Tool, name, node.span));
            own.extend(mentioned);
            named.into_iter().map(|(name, _)| name.to_owned()).collect()
        };
        let (approve, reject) = (tools("approve"), tools("reject"));
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
            mention.within = match &pattern {
                Some(pattern) => Within::Pattern(pattern.clone()),
                None => Within::Pipeline,
            };
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
    fn what(&mut self, section: &Section<'d>, mentions: &mut Vec<Mention>) -> Option<case::What> {
        let node = section.get("run")?;
        let name = self.value(node, "`run`", scalar::text)?;
        if name == "all" {
            return Some(case::What::All);
        }
        mentions.push(self.mention(What::Step, name, node.span));
        Some(case::What::Step(name.to_owned()))
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
        let at = begin_of(node);
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
                mentions.push(self.mention(What::Step, &step, node.span));
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
        let at = begin_of(node);
        let section = self.section(node, &keys::FAULT, at, "a fault")?;
        let mut named = |key: &'static str, what: What| {
            let name = self.read(&section, key, scalar::text)?;
            let span = section.get(key).map_or(at, |node| node.span);
            mentions.push(self.mention(what, name, span));
            Some(name.to_owned())
        };
        let (step, agent) = (named("step", What::Step), named("agent", What::Agent));
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
        let wrong = match self.wrong_word(node, word, "`error`", Some(KILL))? {
            Word::Other => {
                return Some(Wrong::Kill(match moment {
                    Some("started") => Moment::Started,
                    Some("recorded") => Moment::Recorded,
                    _ => Moment::Called,
                }));
            }
            Word::Kind(kind) => Wrong::Error(kind),
            Word::Malformed(how) => Wrong::Malformed(how),
        };
        if let Some((key, _)) = section.entry("at") {
            let message = "`at` says when a process dies, and this fault is an error";
            let hint = "write `error: kill`, or leave it out";
            self.report_with(Code::Conflict, key.span, message, hint);
        }
        Some(wrong)
    }
}
