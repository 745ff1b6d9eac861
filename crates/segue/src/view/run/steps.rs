//! All step records of a run: found by path, listed in declaration order, changed by events in constant time.
//!
//! The steps of the run's own plan are there from the beginning. Those of a nested pipeline are laid out, all at once,
//! when the first of them is heard of; items and arms when they begin.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;

use super::place::Place;
use super::record::StepCounts;
use super::step::StepView;
use super::track::Track;
use crate::error::Spent;
use crate::plan::Plan;
use crate::view::StepStatus;
use crate::view::timeline::Segment;

/// Place of a record in the arena.
pub(crate) type At = usize;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) view: StepView,
    pub(super) track: Track,
    /// Whether the running attempt has asked a person.
    pub(super) asked: bool,
    /// How many of its calls wait for their providers.
    pub(super) held_back: u32,
    /// What it had spent before the step around it began again.
    pub(super) earlier: Spent,
    parent: Option<At>,
    item: Option<u64>,
    place: Option<Place>,
    is_laid_out: bool,
    /// Whether something below has left `pending` since it was last reset.
    is_touched: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Steps {
    plan: Option<Arc<Plan>>,
    slots: Vec<Slot>,
    by_path: HashMap<String, At>,
    /// Records by the path above them, which need not have a record itself; the empty path is the run.
    below: IndexMap<String, Vec<At>>,
    counts: StepCounts,
    has_reused: bool,
    /// Failed steps of the run's own plan. Places in the arena are in declaration order.
    failed: BTreeSet<At>,
}

impl Steps {
    pub(super) fn new(plan: Option<Arc<Plan>>) -> Self {
        let mut steps = Self {
            plan: plan.clone(),
            ..Self::default()
        };
        if let Some(plan) = &plan {
            steps.lay_out("", plan, None);
        }
        steps
    }

    pub(super) fn slot(&mut self, at: At) -> &mut Slot {
        &mut self.slots[at]
    }

    pub(crate) fn view(&self, at: At) -> &StepView {
        &self.slots[at].view
    }

    pub(super) fn find(&self, path: &str) -> Option<At> {
        self.by_path.get(path).copied()
    }

    /// The records right below a path, in declaration order; below the empty path those of the run's own steps.
    pub(super) fn below(&self, path: &str) -> impl Iterator<Item = At> {
        self.below.get(path).into_iter().flatten().copied()
    }

    /// Every record: declaration order, what is nested right behind what it is nested in.
    pub(super) fn walk(&self) -> impl Iterator<Item = At> {
        let without_parent = self
            .below
            .iter()
            .filter(|(above, _)| !self.by_path.contains_key(above.as_str()));
        // The run's own steps first, whatever was heard of first.
        let (own, others): (Vec<_>, Vec<_>) = without_parent.partition(|(above, _)| above.is_empty());
        let mut open: Vec<At> = own
            .into_iter()
            .chain(others)
            .flat_map(|(_, below)| below)
            .copied()
            .collect();
        open.reverse();
        std::iter::from_fn(move || {
            let at = open.pop()?;
            let below = self.below.get(&self.slots[at].view.path);
            open.extend(below.into_iter().flatten().rev());
            Some(at)
        })
    }

    pub(super) fn segments(&self, at: At) -> &[Segment] {
        self.slots[at].track.segments()
    }

    /// The record around this one, where it has one.
    pub(crate) fn parent(&self, at: At) -> Option<At> {
        self.slots[at].parent
    }

    /// Whether any result was taken over from an earlier run.
    pub(super) fn has_reused(&self) -> bool {
        self.has_reused
    }

    /// A result was taken over.
    pub(super) fn note_reused(&mut self) {
        self.has_reused = true;
    }

    pub(super) fn counts(&self) -> StepCounts {
        self.counts
    }

    pub(super) fn failed(&self) -> impl Iterator<Item = &StepView> {
        self.failed.iter().map(|at| &self.slots[*at].view)
    }

    /// The record of a path, made if it is new.
    pub(super) fn open(&mut self, path: &str) -> At {
        if let Some(at) = self.find(path) {
            return at;
        }
        let (above, last) = split(path);
        let parent = self.find(above);
        match (parent, last) {
            (Some(parent), Last::Step(_)) => {
                let nested = self.slots[parent].place.as_ref().and_then(Place::nested).cloned();
                if let Some(plan) = nested
                    && !std::mem::replace(&mut self.slots[parent].is_laid_out, true)
                {
                    self.lay_out(above, &plan, Some(parent));
                }
            }
            (None, Last::Step(_)) => {
                if let Some(plan) = self.fallback(above).filter(|_| !self.below.contains_key(above)) {
                    self.lay_out(above, &plan, None);
                }
            }
            _ => {}
        }
        if let Some(at) = self.find(path) {
            return at;
        }
        let around = parent.and_then(|parent| self.slots[parent].place.as_ref());
        let (place, item) = match last {
            Last::Item(item) => (around.map(Place::item), Some(item)),
            Last::Step(name) => (around.and_then(|place| place.arm(name)), None),
        };
        self.push(path.to_owned(), above, parent, place, item)
    }

    /// Changes the status of a step, and what is counted of it.
    pub(super) fn set_status(&mut self, at: At, to: StepStatus) {
        let slot = &mut self.slots[at];
        let from = std::mem::replace(&mut slot.view.status, to);
        if from == to {
            return;
        }
        let (item, is_own) = (slot.item, is_own(&slot.view.path));
        let mut parent = slot.parent;
        if is_own {
            self.counts.take(from);
            self.counts.add(to);
            match to {
                StepStatus::Failed => self.failed.insert(at),
                _ => self.failed.remove(&at),
            };
        }
        if let (Some(item), Some(parent)) = (item, parent) {
            self.slots[parent]
                .view
                .items
                .get_or_insert_default()
                .moved(item, from, to);
        }
        while let Some(above) = parent.filter(|above| !self.slots[*above].is_touched) {
            self.slots[above].is_touched = true;
            parent = self.slots[above].parent;
        }
    }

    /// A step that had its outcome begins again, because what is around it does.
    pub(super) fn revive(&mut self, at: At) {
        if self.slots[at].view.status.is_settled() {
            self.set_status(at, StepStatus::Pending);
            let slot = &mut self.slots[at];
            slot.earlier = slot.view.spent();
            slot.view.forget();
            self.reset_below(at);
        }
    }

    /// Everything below a step is to be done again.
    pub(super) fn reset_below(&mut self, at: At) {
        self.slots[at].view.items = None;
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            // What was not touched is pending, and so is everything below it: nothing is reset twice.
            if !std::mem::take(&mut self.slots[at].is_touched) {
                continue;
            }
            // What an attempt has called stays as it was: the next one makes calls of its own.
            if self.slots[at].place.as_ref().is_some_and(Place::calls) {
                continue;
            }
            let below = self
                .below
                .get(&self.slots[at].view.path)
                .cloned()
                .unwrap_or_default();
            for at in below {
                let slot = &mut self.slots[at];
                if slot.view.status != StepStatus::Pending {
                    slot.earlier = slot.view.spent();
                    slot.view.forget();
                }
                open.push(at);
            }
        }
    }

    /// Adds what a call of a step spent to the step and everything around it.
    pub(super) fn spend(&mut self, at: At, spent: &Spent) {
        let mut open = Some(at);
        while let Some(at) = open {
            let slot = &mut self.slots[at];
            let mut sum = slot.view.spent();
            sum.add(spent);
            slot.view.set_spent(sum);
            open = slot.parent;
        }
    }

    /// The plan of the fallback whose steps stand below this path.
    fn fallback(&self, above: &str) -> Option<Arc<Plan>> {
        let plan = match above.strip_suffix("on_failure")? {
            "" => self.plan.as_ref()?,
            around => self.slots[self.find(around.strip_suffix('/')?)?]
                .place
                .as_ref()?
                .nested()?,
        };
        plan.on_failure.as_ref().map(|fallback| fallback.plan.clone())
    }

    fn lay_out(&mut self, above: &str, plan: &Arc<Plan>, parent: Option<At>) {
        for (place, step) in Place::all(plan).zip(&plan.steps) {
            let path = if above.is_empty() {
                step.name.clone()
            } else {
                format!("{above}/{}", step.name)
            };
            if self.find(&path).is_none() {
                self.push(path, above, parent, Some(place), None);
            }
        }
    }

    fn push(
        &mut self,
        path: String,
        above: &str,
        parent: Option<At>,
        place: Option<Place>,
        item: Option<u64>,
    ) -> At {
        let at = self.slots.len();
        let mut view = StepView::pending(path);
        if let Some(place) = &place {
            view.kind = place.kind();
            view.needs = place.needs();
            view.agent = place
                .step()
                .and_then(|step| step.action.agent())
                .map(str::to_owned);
        }
        if is_own(&view.path) {
            self.counts.add(StepStatus::Pending);
        }
        self.by_path.insert(view.path.clone(), at);
        self.below.entry(above.to_owned()).or_default().push(at);
        self.slots.push(Slot {
            view,
            track: Track::default(),
            asked: false,
            held_back: 0,
            earlier: Spent::default(),
            parent,
            item,
            place,
            is_laid_out: false,
            is_touched: false,
        });
        at
    }
}

/// The last part of a path.
#[derive(Clone, Copy)]
enum Last<'a> {
    Step(&'a str),
    Item(u64),
}

/// A path as what is above and its last part.
fn split(path: &str) -> (&str, Last<'_>) {
    let item = path.strip_suffix(']').and_then(|path| path.rsplit_once('['));
    if let Some((above, number)) = item
        && let Ok(number) = number.parse()
    {
        return (above, Last::Item(number));
    }
    match path.rsplit_once('/') {
        Some((above, name)) => (above, Last::Step(name)),
        None => ("", Last::Step(path)),
    }
}

/// Whether a path names a step of the run's own plan.
fn is_own(path: &str) -> bool {
    split(path).0.is_empty()
}
