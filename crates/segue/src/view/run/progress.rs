//! What each event means for the record of its step: begin, try, wait, end.

use std::sync::Arc;

use super::record::RouteView;
use super::step::{AttemptOutcome, AttemptResolution, AttemptView};
use super::steps::{At, Slot, Steps};
use super::{StepStatus, millis};
use crate::clock::Time;
use crate::error::Spent;
use crate::log::{Event, EventKind, Resolution, Reused};
use crate::question::{Question, QuestionStatus};
use crate::view::SkipReason;
use crate::view::call::{Calls, Heard};
use crate::view::timeline::SegmentKind;

impl Steps {
    /// Takes an event about the step at a path; one about something else changes nothing.
    pub(super) fn apply(&mut self, path: &str, event: &Event, calls: &mut Calls) {
        let time = event.time;
        match &event.kind {
            EventKind::StepReady {} => {
                let at = self.begin(path, StepStatus::Ready);
                let slot = self.slot(at);
                slot.view.ready = Some(time);
                slot.view.ended = None;
                slot.track
                    .open(SegmentKind::Queue, time, None, &mut slot.view.wait_ms);
            }
            EventKind::StepStarted { kind, agent } => {
                let at = self.begin(path, StepStatus::Running);
                let slot = self.slot(at);
                slot.view.started.get_or_insert(time);
                slot.track.close(time, &mut slot.view.wait_ms);
                if slot.view.kind.is_none() {
                    slot.view.kind = serde_json::from_value(kind.as_str().into()).ok();
                }
                if slot.view.agent.is_none() {
                    slot.view.agent.clone_from(agent);
                }
            }
            EventKind::StepExpanded { total } => {
                let at = self.open(path);
                self.slot(at).view.items.get_or_insert_default().total = *total;
            }
            EventKind::AttemptStarted { attempt } => self.tries(path, *attempt, time),
            EventKind::AttemptSucceeded { attempt, usage, cost } => {
                let at = self.open(path);
                let ended = ended(
                    self.slot(at),
                    *attempt,
                    Spent {
                        usage: *usage,
                        cost: *cost,
                    },
                );
                if let Some(ended) = ended {
                    ended.end(time, AttemptOutcome::Succeeded, AttemptResolution::Succeeded);
                }
            }
            EventKind::AttemptFailed {
                attempt,
                error,
                resolution,
                retry_in_ms,
                usage,
                cost,
            } => {
                let at = self.open(path);
                let slot = self.slot(at);
                if let Some(ended) = ended(
                    slot,
                    *attempt,
                    Spent {
                        usage: *usage,
                        cost: *cost,
                    },
                ) {
                    ended.end(time, AttemptOutcome::of(error), (*resolution).into());
                    ended.error = Some(error.clone());
                    ended.retry_in_ms = *retry_in_ms;
                }
                slot.pause(*resolution, time);
            }
            EventKind::AttemptAgain {
                attempt,
                reason,
                resolution,
                retry_in_ms,
                usage,
                cost,
            } => {
                let at = self.open(path);
                let slot = self.slot(at);
                if let Some(ended) = ended(
                    slot,
                    *attempt,
                    Spent {
                        usage: *usage,
                        cost: *cost,
                    },
                ) {
                    ended.end(time, AttemptOutcome::Again, (*resolution).into());
                    ended.reason = Some(reason.clone());
                    ended.retry_in_ms = *retry_in_ms;
                }
                slot.pause(*resolution, time);
            }
            EventKind::StepWaiting { .. } => {
                let at = self.open(path);
                self.set_status(at, StepStatus::Waiting);
                let slot = self.slot(at);
                slot.asked = true;
                let attempt = slot.view.open_attempt().map(|attempt| attempt.attempt);
                slot.track
                    .open(SegmentKind::Person, time, attempt, &mut slot.view.wait_ms);
            }
            EventKind::RunResumed { .. } => {
                let at = self.open(path);
                self.go_on(at, time);
            }
            EventKind::StepSucceeded {
                output,
                output_ref,
                usage,
                cost,
            } => {
                let at = self.settle(path, StepStatus::Succeeded, time);
                let slot = self.slot(at);
                let resolution = if slot.asked {
                    AttemptResolution::Asked
                } else {
                    AttemptResolution::Succeeded
                };
                if let Some(open) = slot.view.open_attempt() {
                    open.end(time, AttemptOutcome::Succeeded, resolution);
                }
                // An output that took the place of a failed step's keeps the error beside it.
                let last = slot.view.attempts.last();
                let mended = last.filter(|last| last.outcome == Some(AttemptOutcome::Failed));
                slot.view.error = mended.and_then(|last| last.error.as_deref().cloned().map(Arc::new));
                slot.view.output = Some(output.clone());
                slot.view.output_hash = super::OutputHash::of(output, output_ref.as_ref());
                slot.view.output_ref.clone_from(output_ref);
                slot.total(Spent {
                    usage: *usage,
                    cost: *cost,
                });
            }
            EventKind::StepFailed {
                error, usage, cost, ..
            } => {
                let at = self.settle(path, StepStatus::Failed, time);
                let slot = self.slot(at);
                if let Some(open) = slot.view.open_attempt() {
                    open.end(time, AttemptOutcome::of(error), AttemptResolution::GaveUp);
                    open.error = Some(Box::new((**error).clone()));
                }
                slot.view.error = Some(error.clone());
                slot.total(Spent {
                    usage: *usage,
                    cost: *cost,
                });
            }
            EventKind::StepReused(reused) => self.reuse(path, reused, time),
            EventKind::StepSkipped {
                reason,
                because,
                text,
            } => {
                let at = self.settle(path, StepStatus::Skipped, time);
                let reason = SkipReason {
                    reason: *reason,
                    because: because.clone(),
                    text: text.clone(),
                };
                let slot = self.slot(at);
                slot.view.skipped = Some(reason);
                slot.cut_off(time);
            }
            EventKind::StepCancelled { .. } => {
                let at = self.settle(path, StepStatus::Cancelled, time);
                let slot = self.slot(at);
                if let Some(open) = slot.view.open_attempt() {
                    calls.cancel(&open.calls, time);
                }
                slot.cut_off(time);
            }
            _ => {}
        }
    }

    /// A question of a step was answered, expired or cancelled.
    pub(super) fn question(&mut self, question: &Question, time: Time) {
        let Some(at) = self.find(&question.step) else {
            return;
        };
        if question.status == QuestionStatus::Answered {
            self.go_on(at, time);
        }
        let slot = self.slot(at);
        // A later question of the step may have taken its place.
        if slot
            .view
            .question
            .as_ref()
            .is_some_and(|shown| shown.id == question.id)
        {
            slot.view.question = Some(Box::new(question.clone()));
        }
    }

    /// A route took an arm.
    pub(super) fn chose(&mut self, path: &str, route: RouteView) {
        let at = self.open(path);
        self.slot(at).view.route = Some(route);
    }

    /// Counts a call of a step in the attempt that makes it. Gives the attempt's place and the agent it counts for.
    pub(super) fn called(&mut self, at: At, event: &Event) -> (Option<usize>, Option<String>) {
        let EventKind::CallReserved {
            call, agent, attempt, ..
        } = &event.kind
        else {
            return (None, None);
        };
        let view = &mut self.slot(at).view;
        let place = view.attempts.iter().rposition(|made| made.attempt == *attempt);
        if let Some(place) = place
            && !view.attempts[place].calls.contains(call)
        {
            view.attempts[place].calls.push(*call);
        }
        (place, agent.clone().or_else(|| view.agent.clone()))
    }

    /// A call of a step begins or ends to wait for its provider: the step waits as long as one of its calls does.
    pub(super) fn held_back(&mut self, heard: &Heard, time: Time) {
        let slot = self.slot(heard.place.0);
        if let Some(waited) = heard.rate_limit_ms {
            let waits = &mut slot.view.wait_ms;
            waits.rate_limit = waits.rate_limit.saturating_add(waited);
            slot.held_back = slot.held_back.saturating_sub(1);
        }
        slot.held_back += u32::from(heard.is_held_back);
        let kind = match (slot.track.now(), slot.held_back) {
            (Some(SegmentKind::Attempt), 1..) => SegmentKind::RateLimit,
            (Some(SegmentKind::RateLimit), 0) => SegmentKind::Attempt,
            _ => return,
        };
        let attempt = slot.view.open_attempt().map(|attempt| attempt.attempt);
        slot.track.open(kind, time, attempt, &mut slot.view.wait_ms);
    }

    /// Adds what a call spent to its attempt, its step and everything around it.
    pub(super) fn paid(&mut self, (at, attempt): (At, Option<usize>), spent: &Spent) {
        let attempts = &mut self.slot(at).view.attempts;
        if let Some(attempt) = attempt.and_then(|attempt| attempts.get_mut(attempt)) {
            let mut sum = attempt.spent();
            sum.add(spent);
            attempt.usage = sum.usage;
            attempt.cost = sum.cost;
        }
        self.spend(at, spent);
    }

    /// The step has the result of an earlier run.
    fn reuse(&mut self, path: &str, reused: &Reused, time: Time) {
        self.note_reused();
        let at = self.settle(path, reused.status, time);
        let view = &mut self.slot(at).view;
        view.reused_from = reused.from_run.map(|run| run.to_string());
        view.edited = reused.edited;
        view.built_on.clone_from(&reused.built_on);
        view.skipped.clone_from(&reused.skipped);
        if reused.status == StepStatus::Succeeded {
            view.output = Some(reused.output.clone());
            view.output_ref.clone_from(&reused.output_ref);
            view.output_hash = super::OutputHash::read(reused.output_hash.clone());
        }
    }

    fn begin(&mut self, path: &str, status: StepStatus) -> At {
        let at = self.open(path);
        self.revive(at);
        self.set_status(at, status);
        at
    }

    fn tries(&mut self, path: &str, attempt: u32, time: Time) {
        let at = self.begin(path, StepStatus::Running);
        if attempt > 1 {
            self.reset_below(at);
        }
        let slot = self.slot(at);
        slot.asked = false;
        slot.held_back = 0;
        slot.view.started.get_or_insert(time);
        if let Some(lost) = slot.view.open_attempt() {
            lost.end(time, AttemptOutcome::Interrupted, AttemptResolution::Retried);
        }
        slot.view.attempts.push(AttemptView::new(attempt, time));
        slot.track
            .open(SegmentKind::Attempt, time, Some(attempt), &mut slot.view.wait_ms);
    }

    fn go_on(&mut self, at: At, time: Time) {
        if self.view(at).status != StepStatus::Waiting {
            return;
        }
        self.set_status(at, StepStatus::Running);
        let slot = self.slot(at);
        match slot.view.open_attempt().map(|attempt| attempt.attempt) {
            Some(attempt) => {
                slot.track
                    .open(SegmentKind::Attempt, time, Some(attempt), &mut slot.view.wait_ms);
            }
            None => slot.track.close(time, &mut slot.view.wait_ms),
        }
    }

    fn settle(&mut self, path: &str, status: StepStatus, time: Time) -> At {
        let at = self.open(path);
        self.set_status(at, status);
        let slot = self.slot(at);
        let view = &mut slot.view;
        view.ended = Some(time);
        view.duration_ms = view.started.map(|started| millis(started, time));
        view.error = None;
        view.skipped = None;
        slot.track.close(time, &mut view.wait_ms);
        at
    }
}

impl Slot {
    /// An attempt did not succeed: another follows after a pause, or none does.
    fn pause(&mut self, resolution: Resolution, time: Time) {
        let waits = &mut self.view.wait_ms;
        match resolution {
            Resolution::Retried => self.track.open(SegmentKind::Backoff, time, None, waits),
            Resolution::GaveUp | Resolution::Exhausted => self.track.close(time, waits),
        }
    }

    fn cut_off(&mut self, time: Time) {
        if let Some(open) = self.view.open_attempt() {
            open.end(time, AttemptOutcome::Cancelled, AttemptResolution::Cancelled);
        }
    }

    /// The end of a step says what all of it spent, since the step around it last began.
    fn total(&mut self, spent: Spent) {
        let mut sum = self.earlier;
        sum.add(&spent);
        self.view.set_spent(sum);
    }
}

/// The attempt of this number that began last, with what it spent. Where it made calls, those have said so already.
fn ended(slot: &mut Slot, attempt: u32, spent: Spent) -> Option<&mut AttemptView> {
    let ended = slot
        .view
        .attempts
        .iter_mut()
        .rev()
        .find(|made| made.attempt == attempt)?;
    if ended.calls.is_empty() {
        ended.usage = spent.usage;
        ended.cost = spent.cost;
    }
    Some(ended)
}
