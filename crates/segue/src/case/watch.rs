//! The watch of a case: which faults it raises, what was asked, and what nobody stood in for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};

use super::mortal::Mortal;
use super::report::Miss;
use super::{Fault, Moment, Wrong};
use crate::error::{ErrorKind, Failure};
use crate::model::{Answered, Memory, Model, Request, Response, script};
use crate::view::{AttemptOutcome, RunView, StepView};

/// What a case watches, shared by all the processes it has.
pub(crate) struct Watch {
    faults: Vec<Fault>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Which faults were met.
    met: Vec<bool>,
    missed: Option<Miss>,
    refused: Vec<String>,
    prompts: Vec<Prompt>,
    process: Option<Arc<Mortal>>,
}

/// What a step was asked.
struct Prompt {
    run: String,
    step: String,
    text: String,
}

/// The error that a fault raises; where a panic is wanted it panics, and nothing is printed of it.
pub(crate) fn raised(kind: ErrorKind) -> Failure {
    if kind == ErrorKind::Panicked {
        std::panic::resume_unwind(Box::new("a fault of the test"));
    }
    Failure::new(kind, format!("a fault of the test raises `{kind}`"))
}

impl Watch {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let met = vec![false; faults.len()];
        Self {
            faults: faults.to_vec(),
            state: Mutex::new(State {
                met,
                ..State::default()
            }),
        }
    }

    /// The process that dies where a fault says so.
    pub(crate) fn begin(&self, process: &Arc<Mortal>) {
        self.state().process = Some(process.clone());
    }

    /// The faults that nothing met, by their number from 1.
    pub(crate) fn unmet(&self) -> Vec<usize> {
        let state = self.state();
        let unmet = state.met.iter().enumerate().filter(|(_, met)| !**met);
        unmet.map(|(at, _)| at + 1).collect()
    }

    /// The first request that nothing answered.
    pub(crate) fn miss(&self) -> Option<Miss> {
        self.state().missed.clone()
    }

    /// What was called that nobody stands in for.
    pub(crate) fn what_was_refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// Everything a step was asked in a run, as one text.
    pub(crate) fn prompts(&self, run: &str, step: &str) -> Option<String> {
        let state = self.state();
        let of_step = |prompt: &&Prompt| prompt.run == run && script::is_step(step, &prompt.step);
        let mut texts: Vec<&str> = Vec::new();
        for prompt in state.prompts.iter().filter(of_step) {
            // A conversation that goes on says again what it said before.
            if let Some(last) = texts.last_mut()
                && prompt.text.starts_with(*last)
            {
                *last = &prompt.text;
                continue;
            }
            texts.push(&prompt.text);
        }
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    pub(crate) fn refused(&self, what: String) {
        self.state().refused.push(what);
    }

    pub(crate) fn missed(&self, step: &str, failure: &Failure) {
        let mut state = self.state();
        if state.missed.is_none() {
            state.missed = Some(Miss::of(step, failure));
        }
    }

    /// The error of an attempt of a step that asks no model itself.
    pub(crate) fn attempt(&self, path: &str, attempt: u32) -> Option<ErrorKind> {
        self.meets(path, None, attempt, |what| match what {
            Wrong::Error(kind) => Some(kind),
            _ => None,
        })
    }

    /// Whether the process dies with this call: nobody answers it.
    pub(crate) fn called(&self, path: &str, agent: Option<&str>, attempt: u32) -> bool {
        let dies = self.once(path, agent, attempt, |what| {
            matches!(what, Wrong::Kill(Moment::Called))
        });
        if dies && let Some(process) = self.state().process.clone() {
            process.die();
        }
        dies
    }

    /// Whether a process is to die at something that is in the record, and has not yet.
    pub(crate) fn waits_for_a_record(&self) -> bool {
        let state = self.state();
        let mut faults = self.faults.iter().zip(&state.met);
        faults
            .any(|(fault, met)| !met && matches!(fault.what, Wrong::Kill(Moment::Started | Moment::Recorded)))
    }

    /// Whether the record has got to where the process dies.
    pub(crate) fn is_recorded(&self, view: &RunView) -> bool {
        let steps: Vec<&StepView> = view.all_steps().collect();
        for step in steps {
            for attempt in &step.attempts {
                // One that was cut off has an end only in the record of the next process.
                let was_cut_off = attempt.outcome == Some(AttemptOutcome::Interrupted);
                let is_over = !was_cut_off && (attempt.ended.is_some() || step.status.is_settled());
                let dies = self.once(
                    &step.path,
                    step.agent.as_deref(),
                    attempt.attempt,
                    |what| match what {
                        Wrong::Kill(Moment::Started) => true,
                        Wrong::Kill(Moment::Recorded) => is_over,
                        _ => false,
                    },
                );
                if dies {
                    return true;
                }
            }
        }
        false
    }

    /// What a fault wants of something at this place.
    fn meets<T>(
        &self,
        path: &str,
        agent: Option<&str>,
        attempt: u32,
        wants: impl Fn(Wrong) -> Option<T>,
    ) -> Option<T> {
        for (at, fault) in self.faults.iter().enumerate() {
            if !fault.is_at(path, agent, attempt) {
                continue;
            }
            if let Some(wanted) = wants(fault.what) {
                self.state().met[at] = true;
                return Some(wanted);
            }
        }
        None
    }

    /// Whether a fault that strikes once strikes here.
    fn once(&self, path: &str, agent: Option<&str>, attempt: u32, wants: impl Fn(Wrong) -> bool) -> bool {
        for (at, fault) in self.faults.iter().enumerate() {
            let mut state = self.state();
            if !state.met[at] && fault.is_at(path, agent, attempt) && wants(fault.what) {
                state.met[at] = true;
                return true;
            }
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic that a fault wants happens outside of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn is_at(&self, path: &str, agent: Option<&str>, attempt: u32) -> bool {
        let of_step = self.step.as_ref().is_none_or(|step| script::is_step(step, path));
        let of_agent = self.agent.as_ref().is_none_or(|wanted| agent == Some(wanted));
        let of_attempt = self.attempt.is_none_or(|wanted| wanted == attempt);
        let of_item = self.item.is_none_or(|item| script::index_of(path) == Some(item));
        of_step && of_agent && of_attempt && of_item
    }
}

/// A model that is watched.
pub(crate) struct Watched {
    model: Arc<dyn Model>,
    watch: Arc<Watch>,
}

impl Watched {
    pub(crate) fn new(model: Arc<dyn Model>, watch: Arc<Watch>) -> Self {
        Self { model, watch }
    }

    fn note(&self, request: &Request) {
        self.watch.state().prompts.push(Prompt {
            run: request.from.run.clone(),
            step: request.from.step.clone(),
            text: script::prompt(request),
        });
    }
}

impl Model for Watched {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        self.answered(request).map(|answered| answered.result).boxed()
    }

    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        async move {
            self.note(request);
            let from = &request.from;
            let (path, agent) = (from.step.as_str(), Some(from.agent.as_str()));
            if self.watch.called(path, agent, from.attempt) {
                return std::future::pending().await;
            }
            let wrong = self.watch.meets(path, agent, from.attempt, |what| match what {
                Wrong::Kill(_) => None,
                other => Some(other),
            });
            let result = match wrong {
                Some(Wrong::Error(kind)) => Err(raised(kind)),
                Some(Wrong::Malformed(how)) => script::malformed(how, request).await,
                _ => {
                    let answered = self.model.answered(request).await;
                    if let Err(failure) = &answered.result
                        && failure.kind == ErrorKind::CassetteMiss
                    {
                        self.watch.missed(path, failure);
                    }
                    return answered;
                }
            };
            Answered {
                result,
                recorded: None,
            }
        }
        .boxed()
    }

    fn gate(&self) -> Option<&dyn crate::model::Gate> {
        self.model.gate()
    }

    fn unsent(&self, settings: &crate::plan::ModelSettings) -> Vec<String> {
        self.model.unsent(settings)
    }

    fn memory(&self) -> Option<&dyn Memory> {
        self.model.memory()
    }
}
