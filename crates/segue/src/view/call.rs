//! Calls: one request to a model or a tool, from its reservation to its outcome.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::run::{At, millis};
use crate::clock::Time;
use crate::error::{Failure, Spent};
use crate::id::CallId;
use crate::log::event::CallKind;
use crate::log::{Event, EventKind};
use crate::money::{Cost, Nanousd};
use crate::price::PriceRecord;
use crate::usage::Usage;

/// The record of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallView {
    /// Its id.
    pub id: CallId,
    /// Path of the step that makes it.
    pub step: String,
    /// The attempt that makes it, from 1.
    pub attempt: u32,
    /// Where in the attempt.
    pub position: String,
    /// To a model or to a tool.
    pub kind: CallKind,
    /// Where it stands.
    pub status: CallStatus,
    /// The provider of the model.
    pub provider: Option<String>,
    /// The model, without its provider.
    pub model: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// When it was sent.
    pub started: Option<Time>,
    /// When its outcome was known.
    pub ended: Option<Time>,
    /// From its start to the first token, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// How long it waited for a budget, a provider or the end of a halt, in milliseconds.
    pub wait_ms: u64,
    /// The same after a crash, so that a provider can tell a repeat.
    pub idempotency_key: Option<String>,
    /// What was sent.
    pub request: Option<Json>,
    /// What came back.
    pub response: Option<Json>,
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// The upper bound that was set aside for it.
    pub reserved_nanousd: Nanousd,
    /// What most output tokens were lowered to.
    pub max_tokens_clamped_to: Option<u32>,
    /// Whether the usage is our own estimate.
    pub estimated: bool,
    /// What it cost beyond its upper bound.
    pub overrun_nanousd: Nanousd,
    /// Its price, once it was made.
    pub price: Option<PriceRecord>,
    /// Why it failed or was refused.
    pub error: Option<Box<Failure>>,
    /// The approval a person gave.
    pub approval: Option<Json>,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// Its upper bound is set aside.
    Reserved,
    /// It was sent.
    Running,
    /// It gave an answer.
    Succeeded,
    /// It failed.
    Failed,
    /// A budget or a policy refused it.
    Refused,
    /// Nobody knows whether it was carried out.
    Uncertain,
    /// Its step was cancelled.
    Cancelled,
}

/// The calls of a run, in the order in which they were begun.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Calls {
    all: Vec<Held>,
    by_id: HashMap<CallId, usize>,
    by_step: HashMap<String, Vec<usize>>,
    /// Calls that wait before anything is set aside for them, and since when.
    early: HashMap<CallId, Time>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) view: CallView,
    /// The record of its step and the attempt in it.
    pub(crate) place: (At, Option<usize>),
    pub(crate) agent: Option<String>,
    /// The model with its provider.
    pub(crate) model: Option<String>,
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Waiting {
    since: Time,
    is_for_provider: bool,
}

/// What an event about a call means for its step.
pub(super) struct Heard {
    pub(super) place: (At, Option<usize>),
    /// How long the call had waited for its provider, in milliseconds, when that wait ends here.
    pub(super) rate_limit_ms: Option<u64>,
    /// Whether it waits for its provider from here on.
    pub(super) is_held_back: bool,
    /// Whom it counts for, when this is its outcome.
    pub(super) made: Option<Made>,
}

/// A call that was made, and what it spent.
pub(super) struct Made {
    pub(super) agent: Option<String>,
    pub(super) model: Option<String>,
    pub(super) spent: Spent,
}

impl CallStatus {
    /// Whether its outcome is known, as far as it ever will be.
    #[must_use]
    pub fn is_settled(self) -> bool {
        !matches!(self, CallStatus::Reserved | CallStatus::Running)
    }
}

impl CallView {
    /// What it used and cost.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.usage,
            cost: self.cost,
        }
    }

    /// Whether it counts as made: it was sent and has an outcome.
    #[must_use]
    pub fn is_made(&self) -> bool {
        matches!(
            self.status,
            CallStatus::Succeeded | CallStatus::Failed | CallStatus::Uncertain
        )
    }
}

impl Calls {
    pub(super) fn all(&self) -> impl Iterator<Item = &CallView> {
        self.all.iter().map(|held| &held.view)
    }

    pub(super) fn of(&self, path: &str) -> impl Iterator<Item = &CallView> {
        self.by_step
            .get(path)
            .into_iter()
            .flatten()
            .map(|at| &self.all[*at].view)
    }

    pub(super) fn held(&self) -> &[Held] {
        &self.all
    }

    /// A call's upper bound was set aside. A call that is known already stays what it is.
    pub(super) fn reserved(
        &mut self,
        path: &str,
        place: (At, Option<usize>),
        agent: Option<String>,
        event: &Event,
    ) {
        let EventKind::CallReserved {
            call,
            kind,
            model,
            tool,
            attempt,
            position,
            reserved_nanousd,
            max_tokens_clamped_to,
            ..
        } = &event.kind
        else {
            return;
        };
        if self.by_id.contains_key(call) {
            return;
        }
        let (provider, name) = match model.as_deref().map(|model| (model, model.split_once('/'))) {
            Some((_, Some((provider, name)))) => (Some(provider.to_owned()), Some(name.to_owned())),
            Some((model, None)) => (None, Some(model.to_owned())),
            None => (None, None),
        };
        let view = CallView {
            id: *call,
            step: path.to_owned(),
            attempt: *attempt,
            position: position.clone(),
            kind: *kind,
            status: CallStatus::Reserved,
            provider,
            model: name,
            tool: tool.clone(),
            started: None,
            ended: None,
            first_token_ms: None,
            wait_ms: self
                .early
                .remove(call)
                .map_or(0, |since| millis(since, event.time)),
            idempotency_key: None,
            request: None,
            response: None,
            usage: Usage::default(),
            cost: Cost::default(),
            reserved_nanousd: *reserved_nanousd,
            max_tokens_clamped_to: *max_tokens_clamped_to,
            estimated: false,
            overrun_nanousd: Nanousd::ZERO,
            price: None,
            error: None,
            approval: None,
        };
        let at = self.all.len();
        self.by_id.insert(*call, at);
        self.by_step.entry(path.to_owned()).or_default().push(at);
        self.all.push(Held {
            view,
            place,
            agent,
            model: model.clone(),
            waiting: None,
        });
    }

    /// Takes an event about a call that has no outcome yet.
    pub(super) fn apply(&mut self, event: &Event) -> Option<Heard> {
        if let EventKind::CallWaiting { call, .. } = &event.kind
            && !self.by_id.contains_key(call)
        {
            self.early.entry(*call).or_insert(event.time);
            return None;
        }
        let held = self.open(event)?;
        let rate_limit_ms = held.stop_waiting(event.time);
        held.tell(event);
        let is_over = held.view.ended.is_some() && held.view.is_made();
        let made = is_over.then(|| Made {
            agent: held.agent.clone(),
            model: held.model.clone(),
            spent: held.view.spent(),
        });
        Some(Heard {
            place: held.place,
            rate_limit_ms,
            is_held_back: held.waiting.is_some_and(|waiting| waiting.is_for_provider),
            made,
        })
    }

    /// The step that made these calls was cancelled: those without an outcome will have none.
    pub(super) fn cancel(&mut self, calls: &[CallId], time: Time) {
        for call in calls {
            let Some(held) = self.by_id.get(call).and_then(|at| self.all.get_mut(*at)) else {
                continue;
            };
            if !held.view.status.is_settled() {
                held.stop_waiting(time);
                held.view.status = CallStatus::Cancelled;
                held.view.ended = Some(time);
            }
        }
    }

    /// The call an event is about, if it has no outcome yet. What is reported of a cancelled one still counts.
    fn open(&mut self, event: &Event) -> Option<&mut Held> {
        let (EventKind::CallStarted { call, .. }
        | EventKind::CallWaiting { call, .. }
        | EventKind::CallSucceeded { call, .. }
        | EventKind::CallFailed { call, .. }
        | EventKind::CallRefused { call, .. }
        | EventKind::CallUncertain { call, .. }) = &event.kind
        else {
            return None;
        };
        let held = self.all.get_mut(*self.by_id.get(call)?)?;
        (!held.view.status.is_settled() || held.view.status == CallStatus::Cancelled).then_some(held)
    }
}

impl Held {
    fn tell(&mut self, event: &Event) {
        let view = &mut self.view;
        match &event.kind {
            EventKind::CallStarted {
                idempotency_key,
                request,
                ..
            } => {
                view.status = CallStatus::Running;
                view.started.get_or_insert(event.time);
                view.idempotency_key = Some(idempotency_key.clone());
                view.request = Some(request.clone());
                return;
            }
            EventKind::CallWaiting { reason, .. } => {
                self.waiting = Some(Waiting {
                    since: event.time,
                    is_for_provider: !matches!(reason.as_str(), "budget" | "halted"),
                });
                return;
            }
            EventKind::CallSucceeded {
                usage,
                cost,
                price,
                finish_reason,
                response,
                estimated,
                first_token_ms,
                ..
            } => {
                view.status = CallStatus::Succeeded;
                (view.usage, view.cost) = (*usage, *cost);
                view.price = *price;
                view.response = Some(with_finish(response, finish_reason.as_deref()));
                view.estimated = *estimated;
                view.first_token_ms = *first_token_ms;
                view.overrun_nanousd = cost
                    .nanousd
                    .checked_sub(view.reserved_nanousd)
                    .unwrap_or_default();
            }
            EventKind::CallFailed {
                error,
                usage,
                cost,
                price,
                ..
            } => {
                view.status = CallStatus::Failed;
                (view.usage, view.cost) = (*usage, *cost);
                view.price = *price;
                view.error = Some(error.clone());
            }
            EventKind::CallRefused { error, .. } => {
                view.status = CallStatus::Refused;
                view.error = Some(error.clone());
            }
            EventKind::CallUncertain { held_nanousd, .. } => {
                view.status = CallStatus::Uncertain;
                view.usage.requests = 1;
                view.cost = Cost::uncertain(*held_nanousd);
            }
            _ => return,
        }
        view.ended = Some(event.time);
    }

    /// Ends a wait. Gives back its milliseconds if it was for the provider.
    fn stop_waiting(&mut self, time: Time) -> Option<u64> {
        let waiting = self.waiting.take()?;
        let waited = millis(waiting.since, time);
        self.view.wait_ms = self.view.wait_ms.saturating_add(waited);
        waiting.is_for_provider.then_some(waited)
    }
}

/// An answer with the reason why it ended, where it does not say so itself.
fn with_finish(response: &Json, reason: Option<&str>) -> Json {
    let mut response = response.clone();
    if let (Json::Object(fields), Some(reason)) = (&mut response, reason)
        && !fields.contains_key("finish_reason")
    {
        fields.insert("finish_reason".to_owned(), reason.into());
    }
    response
}
