//! Playing: a model that gives the recorded answers.

use std::sync::{MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::call::{ModelCall, canonical_of};
use super::tape::Heads;
use super::{Cassette, NAME, named, nearest, record};
use crate::error::{ErrorKind, Failure};
use crate::model::{Answered, Memory, Model, Request, Response};
use crate::plan::hash_of;

/// `sim/cassette`: the model that plays a cassette.
#[derive(Clone)]
pub(crate) struct Player {
    cassette: Cassette,
    /// The model that is asked for; none plays whatever fits.
    asked: Option<String>,
}

impl Player {
    /// Plays what was recorded of whichever model.
    pub(crate) fn of_any(cassette: Cassette) -> Self {
        Self {
            cassette,
            asked: None,
        }
    }

    /// Plays what was recorded of the model that was asked for under this name.
    pub(crate) fn of(cassette: Cassette, asked: &str) -> Self {
        let asked = Some(asked.to_owned());
        Self { cassette, asked }
    }

    fn play(&self, request: &Request) -> Result<&ModelCall, Failure> {
        let canonical = record::redacted(&*self.cassette.0.redact, canonical_of(request));
        let key = hash_of(&canonical);
        let place = self.heads().next(&request.from.run, &self.place(&key));
        let inner = &self.cassette.0;
        let equal = inner.by_request.get(&key).map_or(&[][..], Vec::as_slice);
        let of_model = equal.iter().filter(|at| self.plays(&inner.calls[**at]));
        let found: Vec<usize> = of_model.copied().collect();
        match found.get(place) {
            Some(at) => Ok(&inner.calls[*at]),
            None if found.is_empty() => Err(self.missed(request, &canonical)),
            None => Err(used_up(request, place, &found, &inner.calls)),
        }
    }

    fn plays(&self, call: &ModelCall) -> bool {
        self.asked.as_ref().is_none_or(|asked| *asked == call.model)
    }

    /// What equal requests are counted by: those to different models apart.
    fn place(&self, key: &str) -> String {
        format!("{} {key}", self.asked.as_deref().unwrap_or_default())
    }

    fn missed(&self, request: &Request, canonical: &serde_json::Value) -> Failure {
        let from = &request.from;
        let inner = &self.cassette.0;
        let what = format!("nothing was recorded for a request of {}", who(request));
        let mut failure =
            match nearest::of(canonical, from, self.asked.as_deref(), &inner.calls, &inner.tools) {
                None => Failure::new(
                    ErrorKind::CassetteMiss,
                    format!("{what}; the cassette has no calls"),
                ),
                Some(nearest) => {
                    let call = &inner.calls[nearest.at];
                    let name = named(nearest.at, &call.step, &call.agent);
                    let message = format!("{what}; the nearest is {name}: {}", nearest.words);
                    let mut failure = Failure::new(ErrorKind::CassetteMiss, message);
                    failure.nearest = Some(name);
                    failure.first_difference = Some(nearest.pointer);
                    failure
                }
            };
        failure
            .hints
            .push("record it: `segue test record FILE`".to_owned());
        failure
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        // Nothing that can panic runs between two writes that belong together.
        self.cassette
            .0
            .heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
    failure.hint("record it: `segue test record FILE`")
}

impl Model for Player {
    fn name(&self) -> &str {
        NAME
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        ready(self.play(request).and_then(ModelCall::outcome)).boxed()
    }

    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        let answered = match self.play(request) {
            Ok(call) => Answered {
                result: call.outcome(),
                recorded: Some(call.cost()),
            },
            Err(missed) => Answered {
                result: Err(missed),
                recorded: None,
            },
        };
        ready(answered).boxed()
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }
}

/// How often a request was made in a run outlives the process.
impl Memory for Player {
    fn forget(&self, run: &str) {
        self.heads().forget(run);
    }

    fn recall(&self, request: &Request) {
        // A miss is counted like an answer: it was asked.
        let _ = self.play(request);
    }
}
