//! Playing: a model that gives the recorded answers.

use std::sync::{MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::call::{ModelCall, canonical_of};
use super::tape::Heads;
use super::{Cassette, NAME, RECORD_IT, named, nearest, record};
use crate::error::{ErrorKind, Failure};
use crate::model::{Answered, Memory, Model, Request, Response};
use crate::plan::hash_of;

/// Plays what was recorded of one model, by the name it was asked for under.
#[derive(Clone)]
pub(crate) struct Player {
    cassette: Cassette,
    asked: String,
}

impl Player {
    pub(crate) fn of(cassette: Cassette, asked: &str) -> Self {
        let asked = asked.to_owned();
        Self { cassette, asked }
    }

    fn asked(&self) -> Option<&str> {
        Some(&self.asked)
    }
}

impl Cassette {
    /// What was recorded of a request, whichever model it was to or of the one that is asked for.
    fn play(&self, asked: Option<&str>, request: &Request) -> Result<&ModelCall, Failure> {
        let canonical = record::redacted(&*self.0.redact, canonical_of(request));
        let key = hash_of(&canonical);
        // Equal requests to different models are counted apart.
        let place = format!("{} {key}", asked.unwrap_or_default());
        let place = self.heads().next(&request.from.run, &place);
        let inner = &self.0;
        let equal = inner.by_request.get(&key).map_or(&[][..], Vec::as_slice);
        let of_model = |at: &&usize| asked.is_none_or(|asked| self.plays(&inner.calls[**at], asked));
        let found: Vec<usize> = equal.iter().filter(of_model).copied().collect();
        match found.get(place) {
            Some(at) => Ok(&inner.calls[*at]),
            None if found.is_empty() => Err(self.missed(asked, request, &canonical)),
            None => Err(used_up(request, place, &found, &inner.calls)),
        }
    }

    /// Whether a call was to the model that is asked for under a name. A run that goes on after a question or the loss of its
    /// process asks the model by its own name, whatever name it was found under.
    fn plays(&self, call: &ModelCall, asked: &str) -> bool {
        let stands_for_it = |other: &ModelCall| other.model == asked && other.answered_by == call.answered_by;
        call.model == asked || call.model == call.answered_by && self.0.calls.iter().any(stands_for_it)
    }

    fn missed(&self, asked: Option<&str>, request: &Request, canonical: &serde_json::Value) -> Failure {
        let inner = &self.0;
        let what = format!("nothing was recorded for a request of {}", who(request));
        let nearest = nearest::of(canonical, &request.from, asked, &inner.calls, &inner.tools);
        let failure = match nearest {
            None => Failure::new(
                ErrorKind::CassetteMiss,
                format!("{what}; the cassette has no calls"),
            ),
            Some(nearest) => {
                let call = &inner.calls[nearest.at];
                let name = named(nearest.at, &call.step, &call.agent);
                let message = format!("{what}; the nearest is {name}: {}", nearest.words);
                Failure {
                    nearest: Some(name),
                    first_difference: Some(nearest.pointer),
                    ..Failure::new(ErrorKind::CassetteMiss, message)
                }
            }
        };
        failure.hint(RECORD_IT)
    }

    fn answer_to(&self, asked: Option<&str>, request: &Request) -> Answered {
        match self.play(asked, request) {
            Ok(call) => Answered {
                result: call.outcome(),
                recorded: Some(call.cost()),
            },
            Err(missed) => Answered {
                result: Err(missed),
                recorded: None,
            },
        }
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        // Nothing that can panic runs between two writes that belong together.
        self.0.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(request: &Request) -> String {
    use crate::fault::quote;
    format!(
        "agent {} at step {}",
        quote(&request.from.agent),
        quote(&request.from.step)
    )
}

/// A request that was made more often than it was recorded.
fn used_up(request: &Request, place: usize, found: &[usize], calls: &[ModelCall]) -> Failure {
    let last = found.last().copied().unwrap_or_default();
    let name = named(last, &calls[last].step, &calls[last].agent);
    let times = if found.len() == 1 { "time" } else { "times" };
    let message = format!(
        "{} makes a request for the {}. time in this run that was recorded {} {times}, last as {name}",
        who(request),
        place + 1,
        found.len(),
    );
    let mut failure = Failure::new(ErrorKind::CassetteMiss, message);
    failure.nearest = Some(name);
    failure.first_difference = Some(String::new());
    failure.hint(RECORD_IT)
}

/// A cassette plays whatever fits, whichever model it was recorded of.
impl Model for Cassette {
    fn name(&self) -> &str {
        NAME
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        ready(self.answer_to(None, request).result).boxed()
    }

    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        ready(self.answer_to(None, request)).boxed()
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }
}

impl Model for Player {
    fn name(&self) -> &str {
        NAME
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        ready(self.cassette.answer_to(self.asked(), request).result).boxed()
    }

    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        ready(self.cassette.answer_to(self.asked(), request)).boxed()
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }
}

/// How often a request was made in a run outlives the process.
impl Memory for Cassette {
    fn forget(&self, run: &str) {
        self.heads().forget(run);
    }

    fn recall(&self, request: &Request) {
        // A miss is counted like an answer: it was asked.
        let _ = self.play(None, request);
    }
}

impl Memory for Player {
    fn forget(&self, run: &str) {
        self.cassette.forget(run);
    }

    fn recall(&self, request: &Request) {
        let _ = self.cassette.play(self.asked(), request);
    }
}
