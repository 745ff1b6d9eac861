//! Choosing: what of a pipeline runs again and what is taken over. Pure: a plan, the results there are and a wish give
//! the answer, or name what is missing before anything has run.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, Failure};
use crate::file::suggest::Nearest;
use crate::log::{KeptResult, Reuse};
use crate::plan::{Action, NeedKind, Plan, StepIndex};
use crate::runner::results::Results;
use crate::value::Value;
use crate::view::{StepStatus, is_in};

/// What runs again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Everything; with edited outputs, what follows from them.
    #[default]
    All,
    /// A step and all that follows.
    From(String),
    /// A step alone.
    Only(String),
    /// What failed, and what that blocked.
    Failed,
    /// What was made from something that has changed since.
    Stale,
    /// What has no result yet.
    Rest,
}

impl Wish {
    /// How it is told.
    pub(crate) fn told(&self) -> String {
        match self {
            Wish::All => "all".to_owned(),
            Wish::From(step) => format!("from {step}"),
            Wish::Only(step) => format!("only {step}"),
            Wish::Failed => "failed".to_owned(),
            Wish::Stale => "stale".to_owned(),
            Wish::Rest => "rest".to_owned(),
        }
    }
}

/// What was chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    pub(crate) reuse: Reuse,
    /// Steps of the run's own plan that run, or may have to; in declaration order.
    pub(crate) runs: Vec<String>,
    /// Steps whose results are taken over.
    pub(crate) reuses: Vec<String>,
}

/// Chooses.
///
/// # Errors
/// Kind `usage` for a step that does not exist; `missing_prerequisites` with the names of steps that have no result.
pub(crate) fn choose(
    plan: &Plan,
    results: &Results,
    wish: &Wish,
    edited: &BTreeMap<String, KeptResult>,
    note: Option<&str>,
) -> Result<Chosen, Failure> {
    let mut choosing = Choosing {
        plan,
        results,
        edited,
        runs: BTreeSet::new(),
        if_unchanged: BTreeSet::new(),
        kept: BTreeMap::new(),
    };
    choosing.wish(wish)?;
    choosing.check()?;
    Ok(choosing.chosen(note))
}

struct Choosing<'a> {
    plan: &'a Plan,
    results: &'a Results,
    edited: &'a BTreeMap<String, KeptResult>,
    runs: BTreeSet<StepIndex>,
    /// Of those that run, the ones that need not if nothing they were built on turns out to have changed.
    if_unchanged: BTreeSet<StepIndex>,
    /// Results below steps that run in part.
    kept: BTreeMap<String, KeptResult>,
}

impl Choosing<'_> {
    fn wish(&mut self, wish: &Wish) -> Result<(), Failure> {
        match wish {
            Wish::All if self.edited.is_empty() => self.runs.extend(self.all()),
            Wish::All => {
                for name in self.edited.keys() {
                    let step = find(self.plan, name, name)?;
                    self.runs.extend(descendants(self.plan, step));
                }
            }
            Wish::From(path) => {
                let step = self.part(path, true)?;
                self.runs.insert(step);
                self.runs.extend(descendants(self.plan, step));
            }
            Wish::Only(path) => {
                let step = self.part(path, false)?;
                self.runs.insert(step);
            }
            Wish::Failed => self.failed(),
            Wish::Stale => {
                for name in self.results.stale(self.plan).keys() {
                    if let Some(step) = self.plan.step(name) {
                        self.runs.insert(step);
                        self.if_unchanged.insert(step);
                    }
                }
            }
            Wish::Rest => {
                let has_none = |step: &StepIndex| self.results.usable(self.name(*step)).is_none();
                let rest: Vec<StepIndex> = self.all().filter(has_none).collect();
                self.runs.extend(rest);
            }
        }
        // An edited result stands: it is not made again.
        for name in self.edited.keys() {
            let step = find(self.plan, name, name)?;
            self.runs.remove(&step);
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = StepIndex> + use<> {
        0..self.plan.steps.len() as StepIndex
    }

    fn name(&self, step: StepIndex) -> &str {
        &self.plan.steps[step as usize].name
    }

    /// What failed and what that blocked: everything without a result. A map that went on in spite of failed items is
    /// run for these alone, and what follows only if its output changes.
    fn failed(&mut self) {
        for step in self.all() {
            let name = self.plan.steps[step as usize].name.clone();
            if !self.results.kept.contains_key(&name) {
                self.runs.insert(step);
            }
            let item = format!("{name}[");
            if self.results.failed.iter().any(|failed| failed.starts_with(&item)) {
                self.runs.insert(step);
                self.keep_below(&name, &|path| path.starts_with(&item));
                for after in descendants(self.plan, step) {
                    if self.results.kept.contains_key(self.name(after)) {
                        self.if_unchanged.insert(after);
                    }
                    self.runs.insert(after);
                }
            }
        }
    }

    /// The step of the run's own plan that a path is in. Where it is only a part of it, everything else below is taken
    /// over.
    fn part(&mut self, path: &str, follows: bool) -> Result<StepIndex, Failure> {
        let end = path.find(['/', '[']).unwrap_or(path.len());
        let step = find(self.plan, &path[..end], path)?;
        if end < path.len() {
            self.part_below(path, end, step, follows)?;
        }
        Ok(step)
    }

    fn part_below(&mut self, path: &str, end: usize, step: StepIndex, follows: bool) -> Result<(), Failure> {
        let (own, rest) = path.split_at(end);
        if let Some(item) = rest.strip_prefix('[') {
            let whole = item
                .strip_suffix(']')
                .filter(|at| at.bytes().all(|byte| byte.is_ascii_digit()));
            if whole.is_none() {
                return Err(not_a_part(path, "only whole items of a map can be run again"));
            }
            if !self.results.kept.contains_key(path) && !self.results.failed.contains(path) {
                return Err(not_a_part(path, "there is no such item"));
            }
            let items = format!("{own}[");
            self.keep_below(own, &|kept| kept.starts_with(&items) && kept != path);
            return Ok(());
        }
        let Action::Pipeline { plan, .. } = &self.plan.steps[step as usize].action else {
            return Err(not_a_part(
                path,
                "only steps of nested pipelines and items of maps can be named by a path",
            ));
        };
        let name = rest.trim_start_matches('/');
        if name.contains(['/', '[']) {
            return Err(not_a_part(path, "one level of nesting can be named"));
        }
        let inner = find(plan, name, path)?;
        let mut again: BTreeSet<StepIndex> = [inner].into();
        if follows {
            again.extend(descendants(plan, inner));
        }
        let again: BTreeSet<String> = again
            .iter()
            .map(|step| format!("{own}/{}", plan.steps[*step as usize].name))
            .collect();
        let prefix = format!("{own}/");
        self.keep_below(own, &|kept| {
            kept.starts_with(&prefix) && !again.iter().any(|step| is_in(kept, step))
        });
        Ok(())
    }

    fn keep_below(&mut self, _step: &str, which: &dyn Fn(&str) -> bool) {
        let below = self.results.kept.iter().filter(|(path, _)| which(path));
        self.kept
            .extend(below.map(|(path, kept)| (path.clone(), kept.clone())));
    }

    /// # Errors
    /// When a step that runs needs one that does not and has no result.
    fn check(&self) -> Result<(), Failure> {
        let mut missing = BTreeSet::new();
        let mut asking = Vec::new();
        for step in &self.runs {
            let planned = &self.plan.steps[*step as usize];
            let needs = planned.needs.iter().filter(|need| need.kind != NeedKind::Settled);
            let lacking: Vec<StepIndex> = needs
                .map(|need| need.step)
                .filter(|need| !self.runs.contains(need) && !self.has_result(*need))
                .collect();
            if !lacking.is_empty() {
                asking.push(planned.name.clone());
            }
            missing.extend(lacking);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(|step| self.name(*step).to_owned()).collect();
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let step = asking.first().cloned().unwrap_or_default();
        let message = format!(
            "step `{step}` needs results that are not there: {}",
            listed.join(", ")
        );
        let mut failure = Failure::new(ErrorKind::MissingPrerequisites, message);
        failure.step = Some(step);
        failure.missing = names;
        Err(failure)
    }

    fn has_result(&self, step: StepIndex) -> bool {
        let name = self.name(step);
        self.edited.contains_key(name) || self.results.usable(name).is_some()
    }

    fn chosen(mut self, note: Option<&str>) -> Chosen {
        let mut chosen = Chosen::default();
        chosen.reuse.note = note.map(str::to_owned);
        for step in self.all() {
            let name = self.name(step).to_owned();
            let kept = self.edited.get(&name).or_else(|| self.results.kept.get(&name));
            let runs = self.runs.contains(&step);
            // A stand-in runs if it is needed.
            if runs && !self.plan.steps[step as usize].standby {
                chosen.runs.push(name.clone());
            }
            match kept {
                Some(kept) if runs && self.if_unchanged.contains(&step) => {
                    let kept = KeptResult {
                        if_unchanged: true,
                        ..kept.clone()
                    };
                    chosen.reuse.kept.insert(name, kept);
                }
                _ if runs => {}
                Some(kept) => {
                    chosen.reuses.push(name.clone());
                    chosen.reuse.kept.insert(name, kept.clone());
                }
                // A stand-in waits for whether it is needed.
                None if self.plan.steps[step as usize].standby => {}
                None => chosen.reuse.left_out.push(name),
            }
        }
        if note.is_some() {
            chosen.reuse.present = self.present(&chosen.runs);
        }
        if !chosen.reuse.left_out.is_empty() {
            chosen.reuse.gives = self.ends();
        }
        chosen.reuse.kept.append(&mut self.kept);
        chosen
    }

    /// The results there are of what runs again.
    fn present(&self, runs: &[String]) -> BTreeMap<String, Value> {
        let runs_again =
            |path: &str| runs.iter().any(|step| is_in(path, step)) && !self.kept.contains_key(path);
        let results = self
            .results
            .kept
            .iter()
            .filter(|(path, kept)| kept.status == StepStatus::Succeeded && runs_again(path));
        results
            .map(|(path, kept)| (path.clone(), kept.output.clone()))
            .collect()
    }

    /// Of the steps that run, or that a person has edited, those that none of the others needs: what a run gives that
    /// cannot give the output of the pipeline.
    fn ends(&self) -> Vec<String> {
        let edited = self.edited.keys().filter_map(|name| self.plan.step(name));
        let all: BTreeSet<StepIndex> = self.runs.iter().copied().chain(edited).collect();
        let mut needed = BTreeSet::new();
        for step in &all {
            let planned = &self.plan.steps[*step as usize];
            needed.extend(planned.needs.iter().map(|need| need.step));
            needed.extend(planned.arm.as_ref().map(|member| member.route));
        }
        all.difference(&needed)
            .map(|step| self.name(*step).to_owned())
            .collect()
    }
}

/// Every step that needs this one, directly or through others.
pub(crate) fn descendants(plan: &Plan, step: StepIndex) -> BTreeSet<StepIndex> {
    let mut after: Vec<Vec<StepIndex>> = vec![Vec::new(); plan.steps.len()];
    for (at, planned) in plan.steps.iter().enumerate() {
        let route = planned.arm.as_ref().map(|member| member.route);
        for need in planned.needs.iter().map(|need| need.step).chain(route) {
            after[need as usize].push(at as StepIndex);
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![step];
    while let Some(step) = open.pop() {
        open.extend(
            after[step as usize]
                .iter()
                .copied()
                .filter(|after| found.insert(*after)),
        );
    }
    found
}

pub(in crate::runner) fn find(plan: &Plan, name: &str, path: &str) -> Result<StepIndex, Failure> {
    plan.step(name).ok_or_else(|| {
        let known = plan.steps.iter().map(|step| step.name.as_str());
        let nearest = Nearest::of(name, known, "steps");
        let message = format!(
            "pipeline `{}` has no step {}",
            plan.name,
            crate::fault::quote(path)
        );
        let failure = Failure::new(ErrorKind::Usage, message);
        match (nearest.suggestion, nearest.hint) {
            (Some(suggestion), _) => failure.hint(format!("did you mean `{suggestion}`?")),
            (None, Some(hint)) => failure.hint(hint),
            (None, None) => failure,
        }
    })
}

fn not_a_part(path: &str, why: &str) -> Failure {
    Failure::new(
        ErrorKind::Usage,
        format!("{} cannot be run again: {why}", crate::fault::quote(path)),
    )
}
