//! Executing: one attempt, from its inputs to its end. Attempts share no state with each other.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::task::AtomicWaker;
use tokio::time::Sleep;

use super::cx::{AttemptState, Cx};
use super::op::{Calls, Done, End, Inputs, OpResult, Phase, StepCall};
use super::program::{Act, Program};
use super::shared::RunShared;
use super::spill;
use super::state::late_attempt;
use crate::clock;
use crate::error::{ErrorKind, Failure, StepError, Why};

/// An attempt under way. Ends by itself when its body ends, waits for a person, panics, is aborted, or is late.
pub(crate) struct Running {
    body: Option<BoxFuture<'static, Result<Done, StepError>>>,
    state: Arc<AttemptState>,
    limit: Option<(Duration, Option<Pin<Box<Sleep>>>)>,
}

/// What ends an attempt from outside its body.
#[derive(Default)]
pub(crate) struct Signal {
    pub(crate) waker: AtomicWaker,
}

/// Begins an attempt. Nothing of the author's runs before the first poll, except making the future.
pub(crate) fn execute(run: &Arc<RunShared>, program: &Program, call: StepCall) -> Running {
    let StepCall {
        unit,
        attempt,
        inputs,
        timeout,
        before,
        phase,
    } = call;
    crate::fail::point("K2");
    let state = AttemptState::new(run.clone(), unit, attempt, before);
    let body = program.act(unit, &phase).map(|act| {
        let cx = Cx::new(state.clone());
        if let Some(failure) = made_to_fail(run, program, &state, &phase) {
            return Box::pin(async move { Err(failure()) }) as BoxFuture<'static, _>;
        }
        if run.recorder.is_some() && spill::is_elsewhere(&inputs) {
            return load_and_act(act.clone(), cx, inputs, phase).boxed();
        }
        state.read(&inputs);
        // A function that panics before it makes its future is caught like any other panic.
        let made = std::panic::catch_unwind(AssertUnwindSafe(move || act.act(cx, inputs, phase)));
        made.unwrap_or_else(|payload| Box::pin(std::future::ready(Err(panicked(payload)))))
    });
    Running {
        body,
        state,
        limit: timeout.map(|limit| (limit, None)),
    }
}

/// The error that a test wants of this attempt, of a step that asks no model itself: it panics where that is wanted.
fn made_to_fail(
    run: &RunShared,
    program: &Program,
    state: &AttemptState,
    phase: &Phase,
) -> Option<impl FnOnce() -> StepError + Send + use<>> {
    let watch = run.env.watch.as_ref().filter(|_| matches!(phase, Phase::Body))?;
    let step = program.plan.steps.get(state.unit.step as usize)?;
    if step.action.agent().is_some() {
        return None;
    }
    let kind = watch.attempt(&state.path(), state.attempt)?;
    Some(move || crate::case::raised(kind).into())
}

/// Loads what goes in and is kept elsewhere, and then acts.
async fn load_and_act(act: Arc<dyn Act>, cx: Cx, inputs: Inputs, phase: Phase) -> Result<Done, StepError> {
    let inputs = spill::load_all(cx.shared().blobs(), inputs).await?;
    cx.state().read(&inputs);
    act.act(cx, inputs, phase).await
}

impl Running {
    pub(crate) fn state(&self) -> Arc<AttemptState> {
        self.state.clone()
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<OpResult> {
        let Some(body) = &mut self.body else {
            let failure = Failure::new(ErrorKind::Internal, "no behaviour is linked to the step");
            return Poll::Ready(self.end(End::Failed(Box::new(failure))));
        };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Ready(Ok(done))) => return Poll::Ready(self.end(End::Did(done))),
            Ok(Poll::Ready(Err(error))) => {
                let end = ended(error, &self.state);
                return Poll::Ready(self.end(end));
            }
            Ok(Poll::Pending) => {}
            Err(payload) => {
                let end = ended(panicked(payload), &self.state);
                return Poll::Ready(self.end(end));
            }
        }
        self.state.signal.waker.register(cx.waker());
        if let Some(ask) = self.state.take_ask() {
            return Poll::Ready(self.end(End::Waits(ask)));
        }
        if let Some(calls) = self.state.take_calls() {
            let left = self.left();
            return Poll::Ready(self.end(End::Calls(Box::new(Calls { calls, left }))));
        }
        if self.state.is_aborted() {
            return Poll::Ready(self.end(End::Aborted));
        }
        if let Some((limit, sleep)) = &mut self.limit {
            let limit = *limit;
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            while sleep.as_mut().poll(cx).is_ready() {
                if self.state.is_held_up() {
                    // Nobody but the operator is to blame: once the halt ends it has its time again.
                    sleep.as_mut().reset(clock::now() + limit.max(clock::millis(1)));
                    continue;
                }
                let path = self.state.path();
                let attempt = self.state.attempt;
                let failure = late_attempt(&path, attempt, limit);
                return Poll::Ready(self.end(End::Failed(Box::new(failure))));
            }
        }
        Poll::Pending
    }

    /// What is left of its deadline.
    fn left(&self) -> Option<Duration> {
        let (limit, sleep) = self.limit.as_ref()?;
        let left = |sleep: &Pin<Box<Sleep>>| sleep.deadline().saturating_duration_since(clock::now());
        Some(sleep.as_ref().map_or(*limit, left))
    }

    /// Drops the body first, so that everything it holds is let go and its calls in flight are settled.
    fn end(&mut self, end: End) -> OpResult {
        let body = self.body.take();
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(move || drop(body)));
        let end = match dropped {
            Ok(()) => end,
            Err(payload) => ended(panicked(payload), &self.state),
        };
        self.state.over(matches!(end, End::Waits(_) | End::Calls(_)));
        let end = self.state.run.env.redactor.end(end);
        let spent = self.state.spent();
        OpResult::Attempt {
            unit: self.state.unit,
            end,
            spent,
        }
    }
}

impl Future for Running {
    type Output = OpResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OpResult> {
        Running::poll(&mut self, cx)
    }
}

fn ended(error: StepError, state: &AttemptState) -> End {
    match error.into_why() {
        Why::Failed(failure) => End::Failed(Box::new(failure)),
        Why::Again { reason } => End::Again {
            reason,
            previous: state.take_previous(),
        },
        Why::Waits(ask) => End::Waits(ask),
    }
}

/// The error of a panic, with its message when it has one.
fn panicked(payload: Box<dyn std::any::Any + Send>) -> StepError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let message = text.unwrap_or_else(|| "a payload that is no text".to_owned());
    // A payload may panic when it is dropped, and so may what that panics with.
    if let Err(second) = std::panic::catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
    StepError::of(ErrorKind::Panicked, format!("the step panicked: {message}"))
}
