//! Where a run stands, for whoever looks for it without reading its log, and the current results it leaves in its
//! workspace.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::RunShared;
use crate::clock::Time;
use crate::log::{EventKind, Unit, What};
use crate::money::Cost;
use crate::plan::NeedKind;
use crate::run::state::{RunOutcome, RunState};
use crate::store::{Document, Standing};
use crate::value::Value;
use crate::view::{RunStatus, StepStatus};

/// Most characters of a run that can be looked for.
const TEXT: usize = 4096;

impl RunShared {
    /// Where the run stands now: running, or at its end.
    pub(crate) fn standing(&self, state: &RunState) -> Standing {
        let spent = state.spent();
        let mut standing = Standing {
            status: RunStatus::Running,
            started: self.started.get().copied(),
            step_counts: state.counts(),
            failed_steps: state.failed_steps(),
            usage: spent.usage,
            cost: spent.cost,
            ..Standing::queued()
        };
        if state.outcome().is_some() {
            standing.ended = Some(self.log.clock().time());
            standing.stale_steps = self.log.stale_steps();
        }
        match state.outcome() {
            None => standing.text = self.text(None),
            Some(RunOutcome::Succeeded { output, fallback }) => {
                standing.status = RunStatus::Succeeded;
                standing.fallback = *fallback;
                standing.text = self.text(
                    output
                        .text()
                        .ok()
                        .as_deref()
                        .map(serde_json::value::RawValue::get),
                );
            }
            Some(RunOutcome::Failed(error)) => {
                standing.status = RunStatus::Failed;
                standing.error = Some((error.kind, error.message.clone()));
                standing.text = self.text(Some(&error.message));
            }
            Some(RunOutcome::Cancelled(error)) => {
                standing.status = RunStatus::Cancelled;
                standing.error = Some((error.kind, error.message.clone()));
                standing.text = self.text(Some(&error.message));
            }
        }
        standing
    }

    /// Where the run stands while only people can make it go on.
    pub(crate) fn resting(&self, state: &RunState) -> Standing {
        let deadlines = self
            .questions
            .list()
            .into_iter()
            .filter_map(|question| question.deadline);
        Standing {
            status: RunStatus::Waiting,
            wakes: deadlines.min(),
            ..self.standing(state)
        }
    }

    /// What people look for in the run: its notes, inputs, and how it ended.
    pub(crate) fn text(&self, end: Option<&str>) -> String {
        let mut text = String::new();
        let inputs = self.input.text().ok();
        let parts = [
            self.call.note.as_deref(),
            inputs.as_deref().map(serde_json::value::RawValue::get),
            end,
        ];
        for part in parts.into_iter().flatten() {
            let room = TEXT.saturating_sub(text.len());
            let cut = part.char_indices().map(|(at, _)| at).find(|at| *at >= room);
            text.push_str(&part[..cut.unwrap_or(part.len())]);
            text.push('\n');
        }
        text
    }

    /// The results that are current in the workspace of the run from now on.
    pub(in crate::run) fn documents(&self, state: &RunState, records: &[(Unit, What)]) -> Vec<Document> {
        if self.call.key.is_none() {
            return Vec::new();
        }
        let at = self.log.clock().time();
        let settled = records
            .iter()
            .filter(|(unit, _)| unit.scope == 0 && !unit.is_item());
        settled
            .filter_map(|(unit, what)| self.document(state, *unit, what, at))
            .collect()
    }

    fn document(&self, state: &RunState, unit: Unit, what: &What, at: Time) -> Option<Document> {
        let mut empty = false;
        let (status, hash, cost) = match what {
            What::Succeeded(output, _, spent) => {
                let cost = spent.as_ref().map_or_else(Cost::default, |spent| spent[1].cost);
                empty = is_empty(output);
                (StepStatus::Succeeded, output.content_hash(), cost)
            }
            What::Other(kind) => match &**kind {
                EventKind::StepSkipped { reason, .. } if reason.is_settled() => {
                    (StepStatus::Skipped, None, Cost::default())
                }
                EventKind::StepFailed { cost, .. } => (StepStatus::Failed, None, *cost),
                _ => return None,
            },
            _ => return None,
        };
        let plan = &self.program.plan;
        let step = plan.steps.get(unit.step as usize)?;
        Some(Document {
            step: step.name.clone(),
            run: Some(self.id),
            status,
            empty,
            hash,
            built_on: built_on(state, plan, unit.step),
            version: 0,
            updated: at,
            cost,
            running: None,
        })
    }
}

/// The hashes of the results a step was built on, by step.
fn built_on(state: &RunState, plan: &crate::plan::Plan, step: u32) -> IndexMap<String, Option<String>> {
    let needs = plan.steps[step as usize].needs.iter();
    let read = needs.filter(|need| need.kind != NeedKind::Settled);
    read.map(|need| {
        let hash = state.output_of(need.step).and_then(Value::content_hash);
        (plan.steps[need.step as usize].name.clone(), hash)
    })
    .collect()
}

/// Whether a result is none: null or blank text. One that is kept elsewhere is large, and so it is something.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value.to_json().as_deref() {
        Ok(Json::Null) => true,
        Ok(Json::String(text)) => text.trim().is_empty(),
        _ => false,
    }
}
