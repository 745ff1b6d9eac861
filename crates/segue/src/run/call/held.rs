//! What is set aside for a call, from when it is granted until the call has an outcome: first [`Reserved`], and once it
//! was sent [`Flight`]. However the attempt ends, what is set aside is given back or counted, and the record says so.

use serde_json::json;
use tokio::time::Instant;

use super::never_sent;
use super::pieces::Pieces;
use crate::clock;
use crate::error::{ErrorKind, Failure, Spent};
use crate::id::CallId;
use crate::log::{EventKind, KeptCall};
use crate::model::{Request, Response, tokens_of};
use crate::money::{Cost, Nanousd};
use crate::price::{Price, PriceSource, Priced};
use crate::run::cx::AttemptState;
use crate::run::shared::Held;
use crate::usage::Usage;

/// A token count beyond this is no token count.
const MOST_TOKENS: u64 = 10_000_000;

/// A call that may be made and was not sent. When it is dropped it never will be: what is set aside is given back.
pub(super) struct Reserved<'a> {
    state: &'a AttemptState,
    id: CallId,
    held: Option<Held>,
}

impl<'a> Reserved<'a> {
    pub(super) fn new(state: &'a AttemptState, id: CallId, held: Held) -> Self {
        let held = Some(held);
        Self { state, id, held }
    }

    /// It is never sent: its gate did not let it through.
    pub(super) fn refused(mut self, failure: &Failure, kept: impl FnOnce() -> KeptCall) {
        if let Some(held) = self.held.take() {
            self.give_back(held, failure.clone(), Some(kept));
        }
    }

    fn give_back<K: FnOnce() -> KeptCall>(&self, held: Held, error: Failure, kept: Option<K>) {
        let run = &self.state.run;
        run.env.budgets.release(held, || {
            let event = EventKind::CallFailed {
                call: self.id,
                error: Box::new(error),
                usage: Usage::default(),
                cost: Cost::default(),
                price: None,
            };
            run.log.end_call(self.state.unit, Some(event), kept);
        });
        if let Some(recorder) = &run.recorder {
            // The record says that it is given back, and that goes with it. A run that is over has no record any more.
            if recorder.is_over() {
                recorder.give_back(self.id);
            }
            recorder.flush_soon(&run.log);
            run.env.budgets.freed.notify_waiters();
        }
    }

    /// It is sent now.
    pub(super) fn sent<'b>(mut self, priced: Priced, request: &'b Request, pieces: Pieces) -> Flight<'b>
    where
        'a: 'b,
    {
        let (state, id) = (self.state, self.id);
        state.sent();
        Flight {
            state,
            id,
            held: self.held.take(),
            began: clock::now(),
            priced,
            request,
            pieces,
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let failure = Failure::new(ErrorKind::Cancelled, "the attempt ended before the call was sent");
        self.give_back(held, failure, None::<fn() -> KeptCall>);
    }
}

/// A call that was sent. When it is dropped before it lands its outcome is unknown, and its reservation stays counted.
pub(super) struct Flight<'a> {
    state: &'a AttemptState,
    id: CallId,
    held: Option<Held>,
    began: Instant,
    priced: Priced,
    request: &'a Request,
    pieces: Pieces,
}

impl Flight<'_> {
    /// Its answer was given before, and paid then. Only a simulation that the operator has put a price on costs that.
    pub(super) fn was_recorded(&mut self, model: &str) {
        if self.priced.source != PriceSource::Override || !model.starts_with("sim/") {
            self.priced = Priced {
                price: Some(Price::FREE),
                source: PriceSource::Recorded,
            };
        }
    }

    pub(super) fn landed(&mut self, result: &Result<Response, Failure>, kept: impl FnOnce() -> KeptCall) {
        let Some(held) = self.held.take() else {
            return;
        };
        // Before its end is told.
        self.pieces.over(result);
        let (mut usage, estimated) = match result {
            Ok(response) => self.usage(response),
            // A failed call is counted with what was sent, unless it never got there.
            Err(Failure {
                spent: Some(spent), ..
            }) => (spent.usage, spent.cost.estimated_calls > 0),
            Err(failure) if never_sent(failure.kind) => (Usage::default(), false),
            Err(_) => (
                Usage {
                    input_tokens: self.request.input_tokens(),
                    ..Usage::default()
                },
                true,
            ),
        };
        usage.requests = 1;
        usage.model_ms = clock::millis_since(self.began);
        let mut cost = match &self.priced.price {
            Some(price) => Cost::of(price.cost_of(&usage).unwrap_or(held.reservation.nanousd)),
            None => Cost::unpriced(),
        };
        if estimated {
            cost = cost.estimated();
        }
        self.state.add(&Spent { usage, cost });
        let event = match result {
            Ok(response) => EventKind::CallSucceeded {
                call: self.id,
                usage,
                cost,
                price: Some(self.priced.record()),
                finish_reason: Some(response.finish.to_string()),
                response: json!({"text": response.text, "tool_calls": response.tool_calls}),
                estimated,
                first_token_ms: self.pieces.first_after_ms(),
            },
            Err(failure) => EventKind::CallFailed {
                call: self.id,
                error: Box::new(failure.clone()),
                usage,
                cost,
                price: Some(self.priced.record()),
            },
        };
        let run = &self.state.run;
        let note = || run.log.end_call(self.state.unit, Some(event), Some(kept));
        run.env.budgets.settle(held, &usage, cost.nanousd, note);
    }

    /// What the model says it used, when that can be; else an upper bound of our own.
    fn usage(&self, response: &Response) -> (Usage, bool) {
        if let Some(usage) = response.usage
            && usage.input_tokens <= MOST_TOKENS
            && usage.output_tokens <= MOST_TOKENS
        {
            return (usage, false);
        }
        let usage = Usage {
            input_tokens: self.request.input_tokens(),
            output_tokens: tokens_of(&response.text).max(1),
            ..Usage::default()
        };
        (usage, true)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.state.came_back();
        let Some(held) = self.held.take() else {
            return;
        };
        let run = &self.state.run;
        let mut uncertain = Nanousd::ZERO;
        run.env.budgets.uncertain(held, |held_nanousd| {
            uncertain = held_nanousd;
            let call = self.id;
            run.log
                .note(self.state.unit, EventKind::CallUncertain { call, held_nanousd });
        });
        let usage = Usage {
            input_tokens: self.request.input_tokens(),
            requests: 1,
            ..Usage::default()
        };
        let cost = Cost::uncertain(uncertain);
        self.state.add(&Spent { usage, cost });
    }
}
