//! What the local engine does where a run outlives its process: results and what follows from them become one commit,
//! signals are taken up, and a run that only people can make go on is given up.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;

use super::{Control, LocalRun};
use crate::error::{ErrorKind, Failure};
use crate::log::{EventKind, Unit, What};
use crate::run::RunState;
use crate::run::drive::{Admitted, Lightening, Made, Noted};
use crate::run::op::{Done, End, Op, OpResult};
use crate::run::recorder::{Batch, Recorder, Stopped, Unkept};
use crate::run::rest::StoredResult;
use crate::run::shared::{RunShared, Told};
use crate::store::{StoreError, UnitKey};
use crate::value::Value;

/// The durable side of a run in this process.
pub(super) struct Keeping {
    recorder: Arc<Recorder>,
    stopped: watch::Receiver<Option<StoreError>>,
    /// What the next transition is decided on.
    batch: Batch,
    /// Signals up to this number were taken up.
    taken: u64,
    /// What those signals have sent the run that it has not looked at yet, in order.
    sent: VecDeque<Sent>,
    /// What it has looked at: is written down with what follows from it.
    heard: Vec<Sent>,
    /// Where the run stands is to be written with the next commit: it goes on after a rest.
    goes_on: bool,
}

impl Keeping {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            stopped: recorder.watch(),
            recorder,
            batch: Batch::default(),
            taken: 0,
            sent: VecDeque::new(),
            heard: Vec::new(),
            goes_on: false,
        }
    }

    /// Waits until there is something to take. In a box of its own, so that a run in memory does not carry it.
    ///
    /// # Errors
    /// When the run cannot be written any more.
    pub(super) fn wait<'k>(&'k mut self, control: &'k Control) -> BoxFuture<'k, Result<(), Stopped>> {
        async move {
            tokio::select! {
                () = control.arrived() => Ok(()),
                stopped = self.stopped() => Err(stopped),
            }
        }
        .boxed()
    }

    /// Done when the run cannot be written any more.
    async fn stopped(&mut self) -> Stopped {
        let stopped = self.stopped.wait_for(Option::is_some).await;
        let error = stopped.ok().and_then(|stopped| stopped.clone());
        match error {
            Some(error) => Stopped(error),
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_stopped(&self) -> Option<Stopped> {
        self.stopped.borrow().clone().map(Stopped)
    }

    /// Takes a result into the next commit. An output that is too large is kept beside the log first.
    pub(super) fn admit(&mut self, shared: &RunShared, mut result: OpResult) -> Admitted<'_> {
        let Some(value) = value_of(&result) else {
            self.batch.push(&result);
            return Admitted::Now(result);
        };
        match self.recorder.written(value) {
            Ok(Some(text)) => {
                self.batch.values.put_written(value, text);
                self.batch.push(&result);
                Admitted::Now(result)
            }
            Ok(None) => {
                let path = path_of(shared, &result);
                Admitted::Later(self.spill(path, result).boxed())
            }
            Err(error) => {
                let path = path_of(shared, &result);
                refuse(&mut result, not_json(&path, &error));
                self.batch.push(&result);
                Admitted::Now(result)
            }
        }
    }

    /// Outputs that were made by deciding: of maps, of nested pipelines, of the run.
    pub(super) fn lighten<'a>(
        &'a mut self,
        shared: &RunShared,
        records: &'a mut [(Unit, What)],
    ) -> Option<Lightening<'a>> {
        let mut heavy: Vec<(Unit, String, &'a mut Value)> = Vec::new();
        for (unit, what) in records {
            let Some(output) = output_of(what) else { continue };
            if output.stored_at().is_some() || self.batch.values.has(output) {
                continue;
            }
            match self.recorder.written(output) {
                Ok(Some(text)) => self.batch.values.put_written(output, text),
                Ok(None) => heavy.push((*unit, shared.log.path(*unit), output)),
                // Its parts were JSON, so it is.
                Err(_) => {}
            }
        }
        if heavy.is_empty() {
            return None;
        }
        let lightening = async move {
            let mut light: Vec<(Value, Value)> = Vec::new();
            let mut given = Vec::with_capacity(heavy.len());
            for (unit, path, output) in heavy {
                let known = light.iter().find(|(value, _)| value.is(output));
                let kept = match known {
                    Some((_, kept)) => kept.clone(),
                    None => {
                        let kept = self.spilled(output, &path).await;
                        let kept = kept.map_err(|unkept| self.recorder.stop(unkept.into()))?;
                        light.push((output.clone(), kept.clone()));
                        kept
                    }
                };
                *output = kept.clone();
                given.push((unit, kept));
            }
            Ok(given)
        };
        Some(lightening.boxed())
    }

    /// Keeps a value beside the log. What is done is not done again because the disk is full: it waits here until there is
    /// room.
    async fn spilled(&self, value: &Value, path: &str) -> Result<Value, Unkept> {
        let mut pause = crate::clock::millis(50);
        loop {
            match self.recorder.spill(value, path).await {
                Err(Unkept::Store(error)) if error.is_passing() => {
                    crate::clock::sleep(pause).await;
                    pause = (pause * 2).min(crate::clock::secs(5));
                }
                spilled => return spilled,
            }
        }
    }

    async fn spill(&mut self, path: String, mut result: OpResult) -> Result<OpResult, Stopped> {
        let Some(value) = value_of(&result).cloned() else {
            return Ok(result);
        };
        match self.spilled(&value, &path).await {
            Ok(kept) => {
                // The items of a map are worked on one by one: they stay here.
                let stays = matches!(
                    &result,
                    OpResult::Attempt {
                        end: End::Did(Done::Expand(_)),
                        ..
                    }
                );
                if stays {
                    self.batch.values.put_kept(&value, &kept);
                } else if let Some(value) = value_of_mut(&mut result) {
                    *value = kept;
                }
            }
            Err(Unkept::NotJson(error)) => refuse(&mut result, not_json(&path, &error)),
            Err(Unkept::Store(error)) => refuse(&mut result, Failure::from(error)),
        }
        self.batch.push(&result);
        Ok(result)
    }
}

impl LocalRun {
    /// Puts what was decided into the log, and all of it into one commit.
    pub(super) fn keep(&mut self, made: Made<'_>) -> Noted {
        let Made { state, records, ops } = made;
        let shared = &self.shared;
        let Some(keeping) = &mut self.keeping else {
            shared.log.append(records);
            self.change_questions(ops);
            return Noted::Now;
        };
        let recorder = keeping.recorder.clone();
        let outcomes: Vec<UnitKey> = records.iter().filter_map(outcome).collect();
        let documents = shared.documents(state, records);
        let standing = (state.outcome().is_some() || std::mem::take(&mut keeping.goes_on))
            .then(|| shared.standing(state));
        let is_over = state.outcome().is_some();
        let batch = std::mem::take(&mut keeping.batch);
        let heard = std::mem::take(&mut keeping.heard);
        let whole = recorder.together();
        Sent::write_down(heard, shared, &recorder);
        shared.log.append(records);
        self.change_questions(ops);
        recorder.with(|effects| {
            effects.outcomes.extend(outcomes);
            effects.documents.extend(documents);
            effects.leaves |= is_over;
            if standing.is_some() {
                effects.standing = standing;
            }
        });
        if recorder.is_new() {
            // Whoever starts the run creates it with this, and learns what became of that.
            return Noted::Now;
        }
        let flushed = recorder.flush_whole(whole, &self.shared.log, batch);
        let control = self.control.clone();
        Noted::Later(
            async move {
                if flushed.await?.signals {
                    control.poke();
                }
                Ok(())
            }
            .boxed(),
        )
    }

    /// Questions are put and withdrawn when that is decided, so that it is in the record with what led to it.
    fn change_questions(&self, ops: &[Op]) {
        let shared = &self.shared;
        for op in ops {
            match op {
                Op::Ask { unit, count, ask } => shared.questions.open(shared, *unit, *count, ask),
                Op::Release(unit) => shared.note_withdrawal(*unit),
                _ => {}
            }
        }
    }

    /// Takes up what the run was told.
    pub(super) async fn take_signals(&mut self) -> Result<(), Stopped> {
        let Some(keeping) = &mut self.keeping else {
            return Ok(());
        };
        let store = keeping.recorder.store().clone();
        let signals = store.signals(self.shared.id).await;
        let signals = signals.map_err(|error| keeping.recorder.stop(error))?;
        for signal in signals {
            if signal.number <= keeping.taken {
                continue;
            }
            keeping.taken = signal.number;
            let recorder = keeping.recorder.clone();
            let _whole = recorder.together();
            match self.shared.take_signal(signal.kind, &self.control) {
                Some(told) => keeping.sent.push_back(Sent {
                    signal: signal.number,
                    told: Some(told),
                }),
                None => recorder.with(|effects| effects.taken.push(signal.number)),
            }
        }
        Ok(())
    }

    /// The run looks at what a signal has sent it; it may not count any more.
    pub(super) fn hears(&mut self, counts: bool) {
        if let Some(keeping) = &mut self.keeping
            && let Some(mut sent) = keeping.sent.pop_front()
        {
            sent.told = sent.told.filter(|_| counts);
            keeping.heard.push(sent);
        }
    }

    /// Whether nobody answered an open question in time, where somebody else may have taken an answer.
    pub(super) async fn has_expired(&self, unit: Unit) -> Result<bool, Stopped> {
        let Some(keeping) = &self.keeping else {
            return Ok(true);
        };
        let Some(question) = self.shared.questions.id_of(unit) else {
            return Ok(false);
        };
        let expired = keeping.recorder.store().expire(question).await;
        let expired = expired.map_err(|error| keeping.recorder.stop(error))?;
        if !expired {
            self.control.poke();
        }
        Ok(expired)
    }

    /// Gives the run up because only people can make it go on. False when a signal came meanwhile.
    pub(super) fn gives_up(&mut self, state: &RunState) -> BoxFuture<'_, Result<bool, Stopped>> {
        self.shared.questions.rest(&self.shared);
        let Some(keeping) = &mut self.keeping else {
            return std::future::ready(Ok(true)).boxed();
        };
        let standing = self.shared.resting(state);
        let (batch, heard) = (
            std::mem::take(&mut keeping.batch),
            std::mem::take(&mut keeping.heard),
        );
        let whole = keeping.recorder.together();
        Sent::write_down(heard, &self.shared, &keeping.recorder);
        keeping.recorder.with(|effects| {
            effects.standing = Some(standing);
            effects.leaves = true;
        });
        let flushed = keeping.recorder.flush_whole(whole, &self.shared.log, batch);
        let control = self.control.clone();
        async move {
            let committed = flushed.await?;
            if !committed.left {
                keeping.goes_on = true;
                control.poke();
            }
            Ok(committed.left)
        }
        .boxed()
    }
}

/// What a signal has sent the run.
struct Sent {
    signal: u64,
    /// What is written down of it, where it still counts.
    told: Option<Told>,
}

impl Sent {
    /// A signal is taken up with what followed from it, and not before: else it would be lost with the process.
    fn write_down(heard: Vec<Self>, shared: &RunShared, recorder: &Recorder) {
        for Self { signal, told } in heard {
            recorder.with(|effects| effects.taken.push(signal));
            if let Some(told) = told {
                told.write_down(shared, recorder);
            }
        }
    }
}

impl Batch {
    fn push(&mut self, result: &OpResult) {
        let stored = StoredResult::of(result, &mut self.values);
        self.results.push(stored);
    }
}

/// The unit whose outcome a record is.
fn outcome((unit, what): &(Unit, What)) -> Option<UnitKey> {
    what.is_outcome().then_some(UnitKey {
        scope: unit.scope,
        step: unit.step,
        item: unit.item,
    })
}

/// The value a result brings.
fn value_of(result: &OpResult) -> Option<&Value> {
    match result {
        OpResult::Attempt {
            end: End::Did(done), ..
        } => match done {
            Done::Output(value) | Done::Expand(value) | Done::Enter(value) => Some(value),
            Done::Round { output, .. } => Some(output),
            Done::Admit | Done::Skip | Done::Choose(_) => None,
        },
        OpResult::Answered { value, .. } => Some(value),
        _ => None,
    }
}

fn value_of_mut(result: &mut OpResult) -> Option<&mut Value> {
    match result {
        OpResult::Attempt {
            end: End::Did(done), ..
        } => match done {
            Done::Output(value) | Done::Expand(value) | Done::Enter(value) => Some(value),
            Done::Round { output, .. } => Some(output),
            Done::Admit | Done::Skip | Done::Choose(_) => None,
        },
        OpResult::Answered { value, .. } => Some(value),
        _ => None,
    }
}

/// The attempt has failed instead.
fn refuse(result: &mut OpResult, failure: Failure) {
    if let OpResult::Attempt { end, .. } = result {
        *end = End::Failed(Box::new(failure));
    }
}

fn not_json(path: &str, error: &str) -> Failure {
    let message = format!("the output of step `{path}` cannot be written as JSON: {error}");
    let mut failure = Failure::new(ErrorKind::Step, message)
        .hint("give the output a type that is JSON: maps need text as keys");
    failure.retryable = false;
    failure
}

/// The output that a record says a step or the run has.
fn output_of(what: &mut What) -> Option<&mut Value> {
    match what {
        What::Succeeded(output, ..) => Some(output),
        What::Other(kind) => match &mut **kind {
            EventKind::RunSucceeded { output, .. } => Some(output),
            _ => None,
        },
        _ => None,
    }
}

fn path_of(shared: &RunShared, result: &OpResult) -> String {
    match result {
        OpResult::Attempt { unit, .. } | OpResult::Answered { unit, .. } => shared.log.path(*unit),
        _ => String::new(),
    }
}
