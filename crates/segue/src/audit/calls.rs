//! Calls: each is reserved, then started, and ends once.

use std::collections::{HashMap, HashSet};

use super::{At, Rule};
use crate::id::CallId;
use crate::log::{EventKind, Unit};

/// The calls of a run so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    known: HashMap<CallId, Call>,
    /// Units that were cut off: what their calls came to nobody has to know.
    cancelled: HashSet<Unit>,
}

#[derive(Debug)]
struct Call {
    stage: Stage,
    unit: Unit,
    entry: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reserved,
    Started,
    Ended,
}

impl Calls {
    pub(super) fn apply(&mut self, unit: Unit, kind: &EventKind, at: &mut At<'_>) {
        match kind {
            EventKind::CallReserved { call, .. } => {
                let entry = at.entry;
                let fresh = Call {
                    stage: Stage::Reserved,
                    unit,
                    entry,
                };
                if let Some(known) = self.known.insert(*call, fresh) {
                    let first = known.entry;
                    at.push(
                        Rule::Call,
                        format!("{call} is reserved a second time; the first is in entry {first}"),
                    );
                }
            }
            EventKind::CallStarted { call, .. } => match self.known.get_mut(call) {
                Some(known) if known.stage == Stage::Reserved => known.stage = Stage::Started,
                Some(known) => {
                    let why = match known.stage {
                        Stage::Started => "a second time",
                        _ => "after its end",
                    };
                    at.push(Rule::Call, format!("{call} is started {why}"));
                }
                None => at.push(Rule::Call, format!("{call} is started and was never reserved")),
            },
            EventKind::CallSucceeded { call, .. } => self.end(*call, "succeeds", Stage::Started, at),
            EventKind::CallUncertain { call, .. } => self.end(*call, "is uncertain", Stage::Started, at),
            // One that was never sent fails too.
            EventKind::CallFailed { call, .. } => self.end(*call, "fails", Stage::Reserved, at),
            // Nothing is reserved for what does not fit.
            EventKind::CallRefused { call, .. } if !self.known.contains_key(call) => {
                let entry = at.entry;
                let stage = Stage::Ended;
                self.known.insert(*call, Call { stage, unit, entry });
            }
            EventKind::CallRefused { call, .. } => {
                if self
                    .known
                    .get(call)
                    .is_some_and(|known| known.stage == Stage::Started)
                {
                    at.push(Rule::Call, format!("{call} is refused after it was started"));
                }
                self.end(*call, "is refused", Stage::Reserved, at);
            }
            EventKind::StepCancelled { .. } => {
                self.cancelled.insert(unit);
            }
            _ => {}
        }
    }

    /// Calls without an end whose unit was not cut off, each with the entry that reserved it.
    pub(super) fn open(&self) -> Vec<(CallId, u64)> {
        let open = self.known.iter().filter(|(_, call)| {
            call.stage != Stage::Ended
                && !self.cancelled.contains(&call.unit)
                && !self.cancelled.contains(&call.unit.of_step())
        });
        let mut open: Vec<(CallId, u64)> = open.map(|(id, call)| (*id, call.entry)).collect();
        open.sort_by_key(|(id, entry)| (*entry, *id));
        open
    }

    fn end(&mut self, id: CallId, what: &str, least: Stage, at: &mut At<'_>) {
        let Some(call) = self.known.get_mut(&id) else {
            return at.push(Rule::Call, format!("{id} {what} and was never reserved"));
        };
        match (call.stage, least) {
            (Stage::Ended, _) => at.push(Rule::Call, format!("{id} {what} after its end")),
            (Stage::Reserved, Stage::Started) => {
                at.push(Rule::Call, format!("{id} {what} and was never started"));
            }
            _ => {}
        }
        call.stage = Stage::Ended;
    }
}
