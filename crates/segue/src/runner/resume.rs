//! Resuming: a run that nobody works on is taken up where it was last written. Its decisions are replayed, what was in
//! flight is settled as far as that can be known, and what has given no result is started again.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::desk::{Desk, Presence};
use super::drift::{self, Decided as Decision};
use super::prepare;
use super::read::{self, Stored, StoredEntry};
use super::session::{Ready, Session};
use crate::clock::{Clock, Time};
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::log::{EventKind, ROOT, Record, Reuse, RunLog, Unit, What};
use crate::pipeline::{self, DefinedAgent, Pipeline};
use crate::plan::{Action, Arm, Plan, Step};
use crate::run::{
    Batch, Decided, Done, End, Ends, LocalRun, OpResult, Recorder, Replayed, Restoring, RunState, Told, load,
    reachable, relied, replay,
};
use crate::store::{Claim, OwnerId, SignalKind, StoreError, StoreErrorKind};
use crate::value::Value;

/// What became of the wish to take up a run.
pub(crate) enum Taken {
    /// This process works on it.
    Up(Arc<Session>),
    /// Somebody else does.
    Held(OwnerId),
    /// It is over.
    Over,
    /// What it relies on has changed: it waits for a person who decides.
    Asks,
    /// This process cannot run it, or does not reach what is left to call of it.
    NotOurs(Box<Failure>),
    /// As many runs as may are being worked on.
    NoTurn,
}

/// Whose turn it is.
pub(crate) enum Turn {
    /// One is needed, and there may be none.
    Wanted,
    /// There is one.
    Given(Option<OwnedSemaphorePermit>),
    /// It goes on whether or not there is one.
    Free,
}

/// Takes a run up.
///
/// # Errors
/// When it cannot be read, or there is no such run.
pub(crate) async fn resume(desk: &Arc<Desk>, run: RunId, reason: &str, turn: Turn) -> Result<Taken, Error> {
    if let Some(session) = desk.live(run) {
        return Ok(Taken::Up(session));
    }
    let stored = read::read(&**desk.store(), run).await?;
    let mut stored = stored.ok_or_else(|| read::no_such_run(run))?;
    if stored.head.standing.status.is_terminal() {
        return Ok(Taken::Over);
    }
    let inner = match program_of(desk, &stored) {
        Ok(inner) => inner,
        Err(failure) => return Ok(Taken::NotOurs(Box::new(failure))),
    };
    let (agents, steps) = left(&stored, &inner);
    // One that is about to be cancelled calls nothing any more, and nobody waits for a server to do that.
    let is_idle = agents.is_empty() && steps.is_empty();
    if !is_idle
        && !is_cancelled(desk, run).await?
        && let Err(failure) = reachable(&desk.env, &inner.program.plan, &agents, steps).await
    {
        return Ok(Taken::NotOurs(Box::new(failure)));
    }
    let turn = match turn {
        Turn::Given(turn) => turn,
        Turn::Free => None,
        Turn::Wanted => match desk.try_turn() {
            Some(turn) => turn,
            None => return Ok(Taken::NoTurn),
        },
    };
    let presence = desk.sign_on().await?;
    let owner = presence.owner();
    let head = match desk.store().claim(run, owner).await? {
        Claim::Taken(head) => *head,
        Claim::Held(owner) => return Ok(Taken::Held(owner)),
        Claim::Over => return Ok(Taken::Over),
        Claim::Unknown => return Err(read::no_such_run(run)),
    };
    crate::fail::point("K17");
    let last = stored.entries.last().map_or(0, |entry| entry.number);
    if !desk.store().log(run, last, 1).await?.is_empty() {
        // Its last owner has written more since it was read.
        stored = read::read(&**desk.store(), run)
            .await?
            .ok_or_else(|| read::no_such_run(run))?;
    }
    let fence = head.fence;
    match ready(&presence, stored, &inner, fence, reason).await {
        Ok(Built::Ready(ready)) => Ok(Taken::Up(desk.work(*ready, presence, turn))),
        Ok(Built::Asks) => Ok(Taken::Asks),
        Ok(Built::Lost) => Ok(Taken::Held(owner)),
        Err(error) => {
            // Others may be able to.
            desk.store().release(run, fence).await?;
            Err(error)
        }
    }
}

/// Whether a run was told to end.
async fn is_cancelled(desk: &Desk, run: RunId) -> Result<bool, StoreError> {
    let signals = desk.store().signals(run).await?;
    let is_cancel = |kind: &SignalKind| matches!(kind, SignalKind::Cancel { .. });
    Ok(signals.iter().any(|signal| is_cancel(&signal.kind)))
}

/// Who and what is left to ask and to run of a run that has begun. Nothing of one that has not: it goes by what holds for
/// every start.
fn left<'i>(stored: &Stored, inner: &'i pipeline::Inner) -> (Cow<'i, [DefinedAgent]>, Vec<&'i Step>) {
    if started(&stored.entries).is_none() {
        return (Cow::Borrowed(&[]), Vec::new());
    }
    let plan = &*inner.program.plan;
    let records = stored.entries.iter().flat_map(|entry| &entry.records);
    let settled: HashSet<Unit> = records
        .filter(|record| record.what.is_outcome())
        .map(|record| record.unit)
        .collect();
    let chosen = reuse(&stored.entries).and_then(|reuse| reuse.runs(plan));
    let chosen: Option<HashSet<&str>> =
        chosen.map(|steps| steps.into_iter().map(|step| step.name.as_str()).collect());
    let is_left = |(at, step): &(u32, &Step)| {
        let is_chosen = chosen
            .as_ref()
            .is_none_or(|chosen| chosen.contains(step.name.as_str()));
        is_chosen && !settled.contains(&Unit::whole(0, *at))
    };
    let left = (0..).zip(&plan.steps).filter(is_left);
    let left: Vec<&Step> = left.map(|(_, step)| step).collect();
    // Who is asked in a fallback is asked where a step has failed.
    let agents = match plan.on_failure {
        Some(_) => Cow::Borrowed(inner.agents.as_slice()),
        None => prepare::asked_by(inner, &left),
    };
    (agents, left)
}

/// A run that was claimed.
enum Built {
    Ready(Box<Ready>),
    /// A person is asked first.
    Asks,
    /// Somebody else has claimed it since.
    Lost,
}

/// Builds a run that was claimed as it was last written.
async fn ready(
    presence: &Presence,
    stored: Stored,
    inner: &Arc<pipeline::Inner>,
    fence: u64,
    reason: &str,
) -> Result<Built, Error> {
    let (desk, owner) = (presence.desk(), presence.owner());
    let run = stored.head.id;
    let refuse = |failure: Failure| Error::new(Some(run), failure);
    let last_written = stored.last_written();
    let last_entry = stored.entries.last().map_or(0, |entry| entry.number);
    let Stored {
        head,
        mut entries,
        scopes,
        ..
    } = stored;
    let Some(begun) = read::begun(&entries) else {
        return Err(refuse(damaged(run, "its log does not begin with it")));
    };
    let (input, call) = (begun.input.clone(), begun.call.clone());
    let models = begun.more().models.clone();
    let input = load(desk.store().blobs(), &input).await.map_err(refuse)?;
    for result in entries.iter_mut().flat_map(|entry| entry.results.iter_mut()) {
        if let OpResult::Attempt {
            end: End::Did(Done::Expand(list)),
            ..
        } = result
        {
            *list = load(desk.store().blobs(), list).await.map_err(refuse)?;
        }
    }
    let recorder = Recorder::resumed(
        &desk.books,
        (run, head.pipeline.clone()),
        (fence, last_entry, head.last_seq),
    );
    let clock = Clock::resume(desk.env.wall(), head.queued, last_written);
    let parts = prepare::Parts {
        id: run,
        inner,
        input: input.clone(),
        call,
        models: Some(&models),
        log: Arc::new(RunLog::kept(run, clock, Vec::new(), scopes)),
        recorder: Some(Arc::new(recorder)),
        reuse: reuse(&entries),
    };
    let (shared, start) = prepare::shared(&desk.env, parts)?;
    let shared = Arc::new(shared);
    let Some(started) = started(&entries) else {
        // It was waiting for its turn: nothing was decided yet.
        let state = RunState::new(inner.program.clone(), input, start);
        return not_begun(owner, shared, state, entries, fence).await;
    };
    shared.started.get_or_init(|| started);

    let ends: Vec<Ends> = entries.iter().map(|entry| Ends::of(&entry.results)).collect();
    let told = entries.iter_mut().filter(|entry| !entry.results.is_empty());
    let told: Vec<Told> = told
        .map(|entry| Told {
            at: entry.at,
            results: std::mem::take(&mut entry.results),
            kept: kept(&entry.records),
        })
        .collect();
    let replayed = replay(
        inner.program.clone(),
        input,
        start,
        started,
        told,
        |number, scope| {
            if number > 0 {
                shared.opened(scope.program);
            }
        },
    );
    let Replayed { state, mut left } = replayed.map_err(|error| refuse(damaged(run, &error.to_string())))?;
    let mut restoring = Restoring::new(&shared);
    for (entry, ends) in entries.iter().zip(&ends) {
        restoring.entry(&entry.records, ends).map_err(refuse)?;
    }
    let then = drift::last_seen(&entries);
    shared
        .log
        .fill(entries.into_iter().flat_map(|entry| entry.records));
    let now = relied(&desk.env, &inner.program.plan, &shared.agents);
    let drift = drift::of(&inner.program.plan, &then, &now);
    let decided = match &drift {
        Some(drift) if !drift.misfits.is_empty() => Some(drift.decided(presence, &shared).await?),
        _ => None,
    };
    if let (Some(drift), Some(Decision::Open)) = (&drift, &decided) {
        drift.ask((presence, fence), &shared, &state).await?;
        shared.close();
        return Ok(Built::Asks);
    }
    shared.log.note(
        ROOT,
        EventKind::RunResumed {
            reason: reason.to_owned(),
            by: None,
            owner: Some(owner.to_string()),
            fence: Some(fence),
        },
    );
    let holds = desk.store().holds(run).await?;
    let mut given = restoring.finish(&mut left, &holds);
    let goes_on = match decided {
        Some(Decision::Fail(answered)) => {
            let by = answered.by.clone();
            let reason = Some("what it relies on has changed".to_owned());
            answered.take_up(&shared);
            given.push(OpResult::Cancel { by, reason });
            false
        }
        Some(Decision::Pinned(answered)) => {
            answered.take_up(&shared);
            true
        }
        // It is about to be cancelled.
        Some(Decision::Cancelled | Decision::Open) => false,
        None => true,
    };
    if let Some(drift) = drift.filter(|_| goes_on) {
        for event in drift.events(&now) {
            shared.log.note(ROOT, event);
        }
    }
    let (run, ops) = LocalRun::resume(shared.clone(), left, given, desk.now());
    if let Some(recorder) = &shared.recorder {
        let standing = shared.standing(&state);
        recorder.with(|effects| effects.standing = Some(standing));
    }
    let ready = Ready {
        shared,
        state,
        run,
        decided: Some(Decided::left(ops)),
    };
    written(ready).await
}

/// A run whose first decision is still to be made.
async fn not_begun(
    owner: OwnerId,
    shared: Arc<crate::run::RunShared>,
    mut state: RunState,
    entries: Vec<StoredEntry>,
    fence: u64,
) -> Result<Built, Error> {
    shared
        .log
        .fill(entries.into_iter().flat_map(|entry| entry.records));
    shared.log.note(
        ROOT,
        EventKind::RunStarted {
            engine: "local".into(),
            owner: Some(owner.to_string()),
            fence: Some(fence),
        },
    );
    shared.started.get_or_init(|| shared.log.clock().time());
    let mut run = LocalRun::new(shared.clone(), false);
    let mut decided = Decided::default();
    if decided.decide(&mut state, &mut run).await.is_err() {
        return Ok(Built::Lost);
    }
    if let Some(recorder) = &shared.recorder {
        let standing = shared.standing(&state);
        recorder.with(|effects| effects.standing = effects.standing.take().or(Some(standing)));
    }
    written(Ready {
        shared,
        state,
        run,
        decided: Some(decided),
    })
    .await
}

/// Nothing goes on before it is written that it goes on, under the fence of whoever took it up.
async fn written(ready: Ready) -> Result<Built, Error> {
    let Some(recorder) = ready.shared.recorder.clone() else {
        return Ok(Built::Ready(Box::new(ready)));
    };
    match recorder.flush(&ready.shared.log, Batch::default()).await {
        Ok(_) => Ok(Built::Ready(Box::new(ready))),
        Err(stopped) if stopped.0.kind == StoreErrorKind::Lost => Ok(Built::Lost),
        Err(stopped) => Err(stopped.0.into()),
    }
}

/// What the run takes over from earlier ones.
fn reuse(entries: &[StoredEntry]) -> Option<Arc<Reuse>> {
    entries
        .first()?
        .records
        .iter()
        .find_map(|record| match &record.what {
            What::Reuse(reuse) => Some(reuse.clone()),
            _ => None,
        })
}

/// When the first decision of a run was made; none while it waits for its turn.
fn started(entries: &[StoredEntry]) -> Option<Time> {
    let records = entries.iter().flat_map(|entry| &entry.records);
    let begins = |what: &What| match what {
        What::Begun(begun) => begun.begins,
        What::Other(kind) => matches!(**kind, EventKind::RunStarted { .. }),
        _ => false,
    };
    records
        .into_iter()
        .find(|record| begins(&record.what))
        .map(|record| record.at)
}

/// Outputs that are kept elsewhere.
fn kept(records: &[Record]) -> Vec<(Unit, Value)> {
    let kept = records.iter().filter_map(|record| match &record.what {
        What::Succeeded(output, ..) => Some((record.unit, output.clone())),
        _ => None,
    });
    kept.filter(|(_, output)| output.stored_at().is_some()).collect()
}

/// What a stored run runs: a pipeline of the program by its name, or the plan of a file, linked anew.
///
/// # Errors
/// Why this process cannot run it.
pub(crate) fn program_of(desk: &Desk, stored: &Stored) -> Result<Arc<pipeline::Inner>, Failure> {
    let plan = &stored.pinned.plan;
    let known = desk
        .pipelines
        .iter()
        .find(|inner| inner.program.plan.name == plan.name);
    if let Some(inner) = known
        && inner.program.pinned.hash() == stored.pinned.hash()
    {
        return Ok(inner.clone());
    }
    if has_functions(plan) {
        let message = match known {
            None => format!("pipeline `{}` is not registered in this program", plan.name),
            Some(_) => format!(
                "pipeline `{}` of this program is not the one the run began with",
                plan.name
            ),
        };
        return Err(Failure::new(ErrorKind::DefinitionChanged, message));
    }
    let linked = Pipeline::from_plan(plan, &desk.env.registry);
    linked
        .map(|pipeline| pipeline.inner)
        .map_err(|error| error.failure().clone())
}

/// Whether a plan has steps of Rust, which only the program has that defined them.
fn has_functions(plan: &Plan) -> bool {
    let over = plan.steps.iter().flat_map(|step| step.tools(plan));
    let mut tools = plan.agents.values().flat_map(|agent| &agent.tools).chain(over);
    if tools.any(|tool| tool.pipeline.as_deref().is_some_and(has_functions)) {
        return true;
    }
    plan.steps.iter().any(|step| match &step.action {
        Action::Function { .. } => true,
        Action::Pipeline { plan, .. } => has_functions(plan),
        Action::Route { arms, .. } => arms.values().any(|arm| match arm {
            Arm::Inline(step) => matches!(&step.action, Action::Pipeline { plan, .. } if has_functions(plan)),
            Arm::Nothing | Arm::Steps(_) => false,
        }),
        _ => false,
    })
}

fn damaged(run: RunId, why: &str) -> Failure {
    Failure::new(ErrorKind::Store, format!("run {run} cannot be taken up: {why}"))
        .hint("`segue doctor` looks for damage")
}
