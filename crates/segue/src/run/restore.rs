//! Restoring: what a run keeps beside its decision, from its records — recorded calls, budgets, counts of tools — and
//! what became of the calls that were in flight when its process ended.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::journal::Interrupted;
use super::op::{End, OpResult};
use super::replay::Left;
use super::shared::{Held, RunShared};
use crate::artifact::Artifact;
use crate::error::{ErrorKind, Failure, Spent};
use crate::id::CallId;
use crate::log::{CallKind, EventKind, Record, Unit, What};
use crate::model::{From, Listener, Message, Request};
use crate::money::{Cost, Nanousd};
use crate::plan::{ModelSettings, PIPELINE};
use crate::store::{Hold, HoldState, Settlement};
use crate::usage::Usage;

/// Recoveries of a unit without progress after which it is given up: one that kills its process would do so for ever.
const RECOVERIES: u32 = 5;

/// What ended with an entry.
#[derive(Default)]
pub(crate) struct Ends {
    /// Attempts, by their units, and whether they only wait.
    pub(crate) attempts: Vec<(Unit, bool)>,
    /// The tools that they have called and wait for.
    pub(crate) called: Vec<String>,
}

impl Ends {
    pub(crate) fn of(results: &[OpResult]) -> Self {
        let mut ends = Self::default();
        for result in results {
            let OpResult::Attempt { unit, end, .. } = result else {
                continue;
            };
            ends.attempts
                .push((*unit, matches!(end, End::Waits(_) | End::Calls(_))));
            if let End::Calls(calls) = end {
                ends.called
                    .extend(calls.calls.iter().map(|call| call.tool.clone()));
            }
        }
        ends
    }
}

/// What is being found out from the records of a run.
pub(crate) struct Restoring<'a> {
    shared: &'a RunShared,
    calls: HashMap<CallId, Open>,
    /// By unit: the attempt it was last begun with, and how often that was since it last made progress.
    begun: BTreeMap<Unit, (u32, u32)>,
    /// By unit: what its attempt has spent and nobody has counted yet.
    spent: BTreeMap<Unit, Spent>,
}

/// A call whose end was not seen yet.
struct Open {
    unit: Unit,
    kind: CallKind,
    tool: Option<String>,
    /// The agent that makes it, its model, and the attempt.
    by: (Option<String>, Option<String>, u32),
    position: String,
    reserved: Option<Held>,
    /// Its arguments, once it was sent.
    sent: Option<serde_json::Value>,
}

impl Open {
    /// Whoever answered it by what it remembers is told that it has.
    fn was_answered(&self, shared: &RunShared) {
        let (Some(name), Some(model), attempt) = &self.by else {
            return;
        };
        let agent = shared.agents.values().find(|agent| agent.spec.name == *name);
        let Some(memory) = agent.and_then(|agent| agent.memory_of(model)) else {
            return;
        };
        let sent = self.sent.as_ref().and_then(|sent| sent.get("messages"));
        let messages = sent.and_then(|messages| Vec::<Message>::deserialize(messages).ok());
        memory.recall(&Request {
            messages: messages.unwrap_or_default(),
            output: None,
            tools: Vec::new(),
            settings: ModelSettings::default(),
            idempotency_key: String::new(),
            from: From {
                run: shared.id.to_string(),
                step: shared.log.path(self.unit),
                agent: name.clone(),
                attempt: *attempt,
                after: None,
            },
            listener: Listener::default(),
        });
    }

    /// Whoever makes the tool call again has to know that it was under way.
    fn was_interrupted(&self, shared: &RunShared, call: CallId) {
        if let (CallKind::Tool, Some(tool), Some(arguments)) = (self.kind, &self.tool, &self.sent) {
            let interrupted = Interrupted {
                call,
                tool: tool.clone(),
                arguments: arguments.clone(),
            };
            shared
                .journals
                .interrupted(self.unit, &self.position, interrupted);
        }
    }
}

impl<'a> Restoring<'a> {
    pub(crate) fn new(shared: &'a RunShared) -> Self {
        let run = shared.id.to_string();
        for memory in shared.agents.values().flat_map(|agent| agent.memories()) {
            memory.forget(&run);
        }
        Self {
            shared,
            calls: HashMap::new(),
            begun: BTreeMap::new(),
            spent: BTreeMap::new(),
        }
    }

    /// Takes the records of one entry, and what ended with it.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn entry(&mut self, records: &[Record], ends: &Ends) -> Result<(), Failure> {
        for tool in &ends.called {
            self.shared.count_tool_call(tool);
        }
        for record in records {
            self.record(record.unit, &record.what)?;
        }
        for (unit, waits) in &ends.attempts {
            self.spent.remove(unit);
            if !waits {
                self.shared.journals.drop(*unit);
                self.begun.remove(unit);
            }
        }
        Ok(())
    }

    fn record(&mut self, unit: Unit, what: &What) -> Result<(), Failure> {
        match what {
            What::Started | What::ReadyAndStarted => self.begins(unit, 1),
            What::Attempt(attempt) => self.begins(unit, *attempt),
            What::Kept(kept) => {
                if let Some((_, recoveries)) = self.begun.get_mut(&unit) {
                    *recoveries = 0;
                }
                let result = kept.result.clone().map_err(|failure| *failure);
                self.shared.journals.keep(unit, &kept.position, &kept.key, result);
            }
            What::Other(event) => self.event(unit, event)?,
            _ => {}
        }
        Ok(())
    }

    fn begins(&mut self, unit: Unit, attempt: u32) {
        let begun = self.begun.entry(unit).or_insert((attempt, 0));
        *begun = if begun.0 == attempt {
            (attempt, begun.1 + 1)
        } else {
            (attempt, 1)
        };
    }

    fn event(&mut self, unit: Unit, event: &EventKind) -> Result<(), Failure> {
        match event {
            EventKind::CallReserved {
                call,
                kind,
                tool,
                position,
                agent,
                model,
                attempt,
                reserved_nanousd,
                reserved_tokens,
                max_tokens_clamped_to,
                ..
            } => {
                let reserved = match kind {
                    CallKind::Tool => None,
                    CallKind::Model => {
                        let accounts = self.shared.above(unit).own;
                        let most = max_tokens_clamped_to.map_or(u64::MAX, u64::from);
                        let budgets = &self.shared.env.budgets;
                        let run = self.shared.id;
                        Some(budgets.adopt(run, &accounts, *reserved_nanousd, *reserved_tokens, most)?)
                    }
                };
                let open = Open {
                    unit,
                    kind: *kind,
                    tool: tool.clone(),
                    by: (agent.clone(), model.clone(), *attempt),
                    position: position.clone(),
                    reserved,
                    sent: None,
                };
                self.calls.insert(*call, open);
            }
            EventKind::BudgetOpened {
                name,
                budget,
                window: Some(window),
            } => {
                let budgets = &self.shared.env.budgets;
                budgets.was_met(self.shared.id, name, *budget, window);
            }
            EventKind::BudgetOpened { name, .. } => {
                let mut met = self.shared.above(unit).own;
                met.retain(|(_, known, _)| known == name);
                self.shared.env.budgets.open(self.shared.id, &met)?;
            }
            EventKind::CallStarted { call, request, .. } => {
                if let Some(open) = self.calls.get_mut(call) {
                    open.sent = Some(request.clone());
                    // That a pipeline was called is known from when it was.
                    if let Some(tool) = open.tool.as_ref().filter(|tool| !tool.starts_with(PIPELINE)) {
                        self.shared.count_tool_call(tool);
                    }
                }
            }
            EventKind::CallFailed { call, error, .. } if error.kind == ErrorKind::Interrupted => {
                // An earlier recovery has written this down; what it means is still to be decided.
                if let Some(open) = self.calls.get(call) {
                    open.was_interrupted(self.shared, *call);
                }
                self.ended(unit, *call, event);
            }
            EventKind::CallSucceeded { call, .. } | EventKind::CallFailed { call, .. } => {
                self.ended(unit, *call, event);
            }
            EventKind::CallRefused { call, .. } => {
                self.calls.remove(call);
            }
            EventKind::CallUncertain { call, held_nanousd } => {
                self.spent.entry(unit).or_default().add(&uncertain(*held_nanousd));
                let open = self.calls.remove(call);
                if let Some(reserved) = open.and_then(|open| open.reserved) {
                    self.shared.env.budgets.uncertain(reserved, |_| ());
                }
            }
            EventKind::ArtifactSaved {
                artifact,
                name,
                bytes,
                sha256,
                media_type,
            } => self.shared.saved.put(&Artifact {
                id: *artifact,
                name: name.clone(),
                step: self.shared.log.path(unit),
                bytes: *bytes,
                sha256: sha256.clone(),
                media_type: media_type.clone(),
            }),
            EventKind::BudgetRaised { name, to, .. } => {
                self.shared.env.budgets.was_raised(self.shared.id, name, *to);
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, unit: Unit, call: CallId, event: &EventKind) {
        if let EventKind::CallSucceeded { usage, cost, .. } | EventKind::CallFailed { usage, cost, .. } =
            event
        {
            let spent = Spent {
                usage: *usage,
                cost: *cost,
            };
            self.spent.entry(unit).or_default().add(&spent);
            if let Some(open) = self.calls.get(&call) {
                open.was_answered(self.shared);
            }
            self.settle(call, &spent);
        }
    }

    fn settle(&mut self, call: CallId, spent: &Spent) {
        let open = self.calls.remove(&call);
        if let Some(reserved) = open.and_then(|open| open.reserved) {
            self.shared
                .env
                .budgets
                .settle(reserved, &spent.usage, spent.cost.nanousd, || ());
        }
    }

    /// All records were taken: what was in flight is settled as far as that can be known, and written down. Attempts
    /// that were begun too often without progress are given up instead of begun again. `holds` are what the run's calls
    /// have set aside in budgets that runs share.
    pub(crate) fn finish(self, left: &mut Left, holds: &[Hold]) -> Vec<OpResult> {
        let Self {
            shared,
            calls,
            begun,
            mut spent,
        } = self;
        give_back_unknown(shared, &calls, holds);
        let mut calls: Vec<(CallId, Open)> = calls.into_iter().collect();
        calls.sort_by_key(|(call, _)| *call);
        for (call, open) in calls {
            match open.kind {
                CallKind::Model => {
                    let unit = open.unit;
                    if let Some(lost) = end_model_call(shared, call, open) {
                        spent.entry(unit).or_default().add(&lost);
                    }
                }
                CallKind::Tool => {
                    let unit = open.unit;
                    let lost = end_tool_call(shared, call, open);
                    spent.entry(unit).or_default().add(&lost);
                }
            }
        }
        left.spent = spent;
        let mut given_up = Vec::new();
        left.attempts.retain(|call| {
            let recoveries = begun.get(&call.unit).map_or(0, |(_, recoveries)| *recoveries);
            if recoveries <= RECOVERIES {
                return true;
            }
            given_up.push(poisoned(shared, call.unit, call.attempt, recoveries));
            false
        });
        given_up
    }
}

fn poisoned(shared: &RunShared, unit: Unit, attempt: u32, begun: u32) -> OpResult {
    let path = shared.log.path(unit);
    let message = format!("step `{path}` was begun {begun} times, and its process ended each time");
    let mut failure = Failure::new(ErrorKind::Poisoned, message)
        .hint("look for what ends the process: native code, memory, a stack without end");
    failure.retryable = false;
    failure.attempt = Some(attempt);
    OpResult::Attempt {
        unit,
        end: End::Failed(Box::new(failure)),
        spent: None,
    }
}

/// What calls hold in the store ends with the record of what became of them. A call that holds something and is not in
/// the record was never sent: its process ended before it could write down that it was reserved.
fn give_back_unknown(shared: &RunShared, calls: &HashMap<CallId, Open>, holds: &[Hold]) {
    let Some(recorder) = &shared.recorder else {
        return;
    };
    for hold in holds.iter().filter(|hold| hold.state == HoldState::Reserved) {
        if calls.contains_key(&hold.call) {
            recorder.holds(hold.call);
        } else {
            recorder.with(|effects| effects.settled.push((hold.call, Settlement::Released)));
        }
    }
}

/// A model call whose end nobody saw: one that was sent stays counted, one that was not is given back.
fn end_model_call(shared: &RunShared, call: CallId, open: Open) -> Option<Spent> {
    let reserved = open.reserved?;
    let unit = open.unit;
    if open.sent.is_some() {
        let mut lost = Spent::default();
        shared.env.budgets.uncertain(reserved, |held_nanousd| {
            lost = uncertain(held_nanousd);
            shared
                .log
                .note(unit, EventKind::CallUncertain { call, held_nanousd });
        });
        return Some(lost);
    }
    shared.env.budgets.release(reserved, || {
        let failure = Failure::new(
            ErrorKind::Interrupted,
            "the process ended before the call was sent",
        );
        let event = EventKind::CallFailed {
            call,
            error: Box::new(failure),
            usage: Usage::default(),
            cost: Cost::default(),
            price: None,
        };
        shared.log.note(unit, event);
    });
    Some(Spent::default())
}

/// A tool call whose end nobody saw.
fn end_tool_call(shared: &RunShared, call: CallId, open: Open) -> Spent {
    open.was_interrupted(shared, call);
    let Some(tool) = open.tool else {
        return Spent::default();
    };
    let sent = open.sent.is_some();
    let message = match sent {
        true => format!("the process ended while tool `{tool}` was at work"),
        false => format!("the process ended before tool `{tool}` was called"),
    };
    let usage = Usage {
        tool_calls: u64::from(sent),
        ..Usage::default()
    };
    let event = EventKind::CallFailed {
        call,
        error: Box::new(Failure::new(ErrorKind::Interrupted, message)),
        usage,
        cost: Cost::default(),
        price: None,
    };
    shared.log.note(open.unit, event);
    Spent {
        usage,
        cost: Cost::default(),
    }
}

/// What a call of unknown outcome counts as.
fn uncertain(held: Nanousd) -> Spent {
    Spent {
        usage: Usage {
            requests: 1,
            ..Usage::default()
        },
        cost: Cost::uncertain(held),
    }
}
