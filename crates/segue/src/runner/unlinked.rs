//! Ending a run that this program cannot run: what it relies on is gone, and somebody wants it cancelled all the same. It
//! is worked out from its log alone.

use std::sync::Arc;

use super::desk::Desk;
use super::read::{self, Stored};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::log::{EventKind, ROOT, RunLog, Unit};
use crate::question::QuestionStatus;
use crate::run::{Batch, Recorder};
use crate::store::{Claim, HoldState, QuestionChange, Settlement};
use crate::view::{CallStatus, RunStatus};

/// Cancels a run without running it. False when somebody else works on it, or it is over.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) async fn cancel(
    desk: &Arc<Desk>,
    run: RunId,
    by: &str,
    reason: Option<&str>,
) -> Result<bool, Error> {
    let presence = desk.sign_on().await?;
    let store = desk.store().clone();
    let Claim::Taken(head) = store.claim(run, presence.owner()).await? else {
        return Ok(false);
    };
    let stored = read::read(&*store, run)
        .await?
        .ok_or_else(|| read::no_such_run(run))?;
    let last = stored.entries.last().map_or(0, |entry| entry.number);
    let recorder = Arc::new(Recorder::resumed(
        &desk.books,
        (run, head.pipeline.clone()),
        (head.fence, last, head.last_seq),
    ));
    let Stored { entries, scopes, .. } = stored;
    let written = entries.last().map_or(head.queued, |entry| entry.at);
    let clock = Clock::resume(desk.env.wall(), head.queued, written);
    let log = RunLog::kept(run, clock, Vec::new(), scopes);
    log.fill(entries.into_iter().flat_map(|entry| entry.records));
    let view = log.view();
    let path = |step: &str| log.unit_of(step).unwrap_or(ROOT);
    log.note(
        ROOT,
        EventKind::RunCancelRequested {
            by: by.to_owned(),
            reason: reason.map(str::to_owned),
        },
    );
    // Nobody knows what became of calls in flight; they stay counted.
    let mut settled = Vec::new();
    for call in view.calls().filter(|call| call.status == CallStatus::Running) {
        let held_nanousd = call.reserved_nanousd;
        settled.push((call.id, Settlement::Uncertain));
        log.note(
            path(&call.step),
            EventKind::CallUncertain {
                call: call.id,
                held_nanousd,
            },
        );
    }
    let spent = log.view().spent();
    // A call that holds something and was not sent never will be.
    for hold in store.holds(run).await? {
        let is_known = settled.iter().any(|(call, _)| *call == hold.call);
        if hold.state == HoldState::Reserved && !is_known {
            settled.push((hold.call, Settlement::Released));
        }
    }
    let why = match reason {
        Some(reason) => format!("the run was cancelled by {by}: {reason}"),
        None => format!("the run was cancelled by {by}"),
    };
    for step in view.all_steps().filter(|step| !step.status.is_settled()) {
        log.note(path(&step.path), EventKind::StepCancelled { reason: why.clone() });
    }
    let error = Failure::new(ErrorKind::Cancelled, why);
    let mut standing = head.standing.clone();
    standing.status = RunStatus::Cancelled;
    standing.error = Some((error.kind, error.message.clone()));
    (standing.usage, standing.cost) = (spent.usage, spent.cost);
    standing.wakes = None;
    let end = EventKind::RunCancelled {
        error: Arc::new(error),
        usage: spent.usage,
        cost: spent.cost,
    };
    log.note(ROOT, end);
    let ended = log.view();
    standing.ended = ended.ended();
    standing.step_counts = ended.step_counts();
    let questions = view
        .open_questions()
        .map(|question| QuestionChange::Closed(question.id, QuestionStatus::Cancelled));
    let questions: Vec<QuestionChange> = questions.collect();
    let taken = store
        .signals(run)
        .await?
        .iter()
        .map(|signal| signal.number)
        .collect();
    recorder.with(|effects| {
        effects.questions = questions;
        effects.settled = settled;
        effects.taken = taken;
        effects.standing = Some(standing);
        effects.leaves = true;
    });
    let written = recorder.flush(&log, Batch::default()).await;
    written.map_err(|stopped| Error::from(stopped.0))?;
    Ok(true)
}

impl RunLog {
    /// The unit of a step's path, where it is a step of the run's own plan.
    fn unit_of(&self, path: &str) -> Option<Unit> {
        let step = self.scope(0)?.plan.step(path)?;
        Some(Unit::whole(0, step))
    }
}
