//! The slow, obvious model: what becomes of each step, by recursion over the join table, with no order of results.

use std::collections::BTreeMap;

use super::plans::{ARMS, Body, Error, Script, Spec, Specs, Then};
use crate::plan::NeedKind;
use crate::view::{SkipWhy, StepStatus};

/// Where a step ends: its status, and why it was skipped.
pub(super) type Ended = (StepStatus, Option<SkipWhy>);

const MADE: Ended = (StepStatus::Succeeded, None);
const FAILED: Ended = (StepStatus::Failed, None);

fn skipped(why: SkipWhy) -> Ended {
    (StepStatus::Skipped, Some(why))
}

/// Whether the plan gives an output, and whether its fallback made it.
pub(super) fn outcome(specs: &Specs, plan: &str) -> (bool, bool) {
    let failed = ends(specs, plan).contains(&FAILED);
    match specs.fallback.get(plan) {
        _ if !failed => (true, false),
        Some(fallback) => (outcome(specs, fallback).0, true),
        None => (false, false),
    }
}

/// Where every step of a plan ends.
pub(super) fn ends(specs: &Specs, plan: &str) -> Vec<Ended> {
    let mut model = Model {
        specs,
        steps: &specs.plans[plan],
        known: BTreeMap::new(),
    };
    (0..model.steps.len()).map(|step| model.end(step)).collect()
}

struct Model<'a> {
    specs: &'a Specs,
    steps: &'a [Spec],
    known: BTreeMap<(usize, bool), Ended>,
}

impl Model<'_> {
    /// Where the step ends, with its stand-in.
    fn end(&mut self, step: usize) -> Ended {
        if let Some(known) = self.known.get(&(step, true)) {
            return *known;
        }
        let ended = match (self.own(step), self.steps[step].on_error) {
            (FAILED, Error::Run(target)) if self.end(target) == MADE => MADE,
            (own, _) => own,
        };
        self.known.insert((step, true), ended);
        ended
    }

    /// Where the step ends without its stand-in.
    fn own(&mut self, step: usize) -> Ended {
        if let Some(known) = self.known.get(&(step, false)) {
            return *known;
        }
        let ended = match self.left_out(step) {
            Some(why) => skipped(why),
            None => match (self.body(&self.steps[step]), self.steps[step].on_error) {
                (FAILED, Error::Skip) => skipped(SkipWhy::OnError),
                (FAILED, Error::Use) => MADE,
                (ended, _) => ended,
            },
        };
        self.known.insert((step, false), ended);
        ended
    }

    /// The join table.
    fn left_out(&mut self, step: usize) -> Option<SkipWhy> {
        let spec = &self.steps[step];
        let callers: Vec<usize> = (0..self.steps.len())
            .filter(|caller| self.steps[*caller].on_error == Error::Run(step))
            .collect();
        let mut called = callers.iter().map(|caller| self.own(*caller));
        if spec.standby && !called.any(|own| own == FAILED) {
            return Some(SkipWhy::NotSelected);
        }
        let cut_off =
            |ended: &Ended| matches!(ended.1, Some(SkipWhy::UpstreamFailed | SkipWhy::UpstreamSkipped));
        if let Some((route, arm)) = spec.arm {
            let taken = match self.steps[route].body {
                Body::Route(choice) => ARMS.get(choice).copied(),
                _ => None,
            };
            // A caller that waits for this step has not failed yet.
            let ended = if callers.contains(&route) {
                self.waiting(route)
            } else {
                self.end(route)
            };
            let ran = ended == MADE && self.body(&self.steps[route]) == MADE;
            match ended {
                FAILED => return Some(SkipWhy::UpstreamFailed),
                ended if cut_off(&ended) => return Some(SkipWhy::UpstreamSkipped),
                _ if ran && taken == Some(arm) => {}
                _ => return Some(SkipWhy::ArmNotTaken),
            }
        }
        let mut needs = Vec::new();
        for (need, kind) in &spec.needs {
            let ended = if callers.contains(need) {
                self.waiting(*need)
            } else {
                self.end(*need)
            };
            needs.push((ended, *kind));
        }
        let strict = || {
            needs
                .iter()
                .filter(|(_, kind)| *kind != NeedKind::Settled)
                .map(|(ended, _)| ended)
        };
        if strict().any(|ended| *ended == FAILED) {
            return Some(SkipWhy::UpstreamFailed);
        }
        if strict().any(cut_off) {
            return Some(SkipWhy::UpstreamSkipped);
        }
        let left_out = |ended: &Ended| ended.1 == Some(SkipWhy::ArmNotTaken);
        let all = !needs.is_empty() && needs.iter().all(|(ended, _)| left_out(ended));
        (spec.arm.is_none() && all).then_some(SkipWhy::ArmNotTaken)
    }

    /// What a stand-in sees of a step it stands in for.
    fn waiting(&mut self, caller: usize) -> Ended {
        match self.own(caller) {
            FAILED => (StepStatus::Running, None),
            own => own,
        }
    }

    fn body(&self, spec: &Spec) -> Ended {
        let all_made = |scripts: &[Script]| scripts.iter().all(|script| ran(script, spec.attempts) != FAILED);
        let whole = |made: bool| if made { MADE } else { FAILED };
        let below = |at: usize| outcome(self.specs, &spec.below[at]).0;
        match &spec.body {
            Body::Plain => ran(&spec.script, spec.attempts),
            Body::Repeat(rounds) => whole(all_made(rounds)),
            _ if spec.script.then == Then::Skips => skipped(SkipWhy::WhenFalse),
            _ if spec.script.then == Then::Fatal => FAILED,
            Body::Map { keep: true, .. } => MADE,
            Body::Map {
                items, nested: true, ..
            } => whole(items.is_empty() || below(0)),
            Body::Map { items, .. } => whole(all_made(items)),
            Body::Route(choice) => whole(*choice < ARMS.len()),
            Body::FirstOf(arms) => whole((0..*arms).any(below)),
            Body::Pipeline => whole(below(0)),
        }
    }
}

/// Where a body ends after its attempts.
fn ran(script: &Script, attempts: u32) -> Ended {
    match script.then {
        _ if script.refused >= attempts => FAILED,
        Then::Made | Then::AsksComplete | Then::AsksResume => MADE,
        Then::Skips => skipped(SkipWhy::WhenFalse),
        Then::Fatal | Then::AsksExpires => FAILED,
    }
}
