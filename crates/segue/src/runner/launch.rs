//! Launching: from a prepared run to one that goes on by itself — in memory at once, on a desk when it is durable.
//!
//! What seldom happens here is in boxes of its own: a start carries what a start needs.

use std::sync::Arc;

use super::desk::Desk;
use super::handle::RunHandle;
use super::prepare::{self, Origin, Prepared};
use super::session::{Ready, Session};
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::pipeline::Inner;
use crate::run::{Decided, Environment, FirstFlush, LocalRun};
use crate::settings::Call;
use crate::store::Created;
use crate::value::Value;

/// Starts a run. The same request as an earlier one gives that run.
///
/// # Errors
/// Whatever does not fit, and then nothing is stored; kind `conflict` where another request has the same key.
pub(crate) async fn launch<Out>(
    inner: &Arc<Inner>,
    input: Value,
    env: &Arc<Environment>,
    call: Arc<Call>,
    desk: Option<Arc<Desk>>,
    origin: Origin,
) -> Result<RunHandle<Out>, Error> {
    let Some(desk) = desk else {
        if call.request_key.is_some() {
            return Err(refused(needs_a_store("a request key")));
        }
        let Prepared { shared, state } = prepare::prepare(inner, input, env, call, None, origin)?;
        let run = LocalRun::new(shared.clone(), true);
        let ready = Ready {
            shared,
            state,
            run,
            decided: None,
        };
        return Ok(RunHandle::of_session(Session::spawn(ready, || ()), None));
    };
    if let Some(key) = &call.request_key {
        check_key(key).map_err(refused)?;
    }
    let presence = desk.sign_on().await?;
    if *env.halted.borrow()
        && let Some(halt) = Box::pin(desk.look_for_halt()).await?
    {
        let why = halt
            .reason
            .map_or_else(String::new, |reason| format!(": {reason}"));
        let message = format!(
            "`{}` has halted all calls since {}{why}; no run is started",
            halt.by, halt.since
        );
        let failure = Failure::new(ErrorKind::Halted, message).hint("`segue halt --off` lets them go on");
        return Err(refused(failure));
    }
    let turn = desk.try_turn();
    let waits = turn.is_none();
    let origin = Origin { waits, ..origin };
    let Prepared { shared, mut state } = prepare::prepare(inner, input, env, call, Some(&presence), origin)?;
    let Some(recorder) = shared.recorder.clone() else {
        return Err(refused(Failure::new(
            ErrorKind::Internal,
            "a run of a desk has no recorder",
        )));
    };
    let Some(turn) = turn else {
        // As many runs as may are at work: it exists, and begins when there is a turn, here or elsewhere.
        if let FirstFlush::Other(other) = recorder.begin(&shared.log).await? {
            return Box::pin(instead(desk, &shared.call, other)).await;
        }
        desk.queue(shared.id);
        return Box::pin(RunHandle::attach(desk, shared.id)).await;
    };
    let mut run = LocalRun::new(shared.clone(), false);
    let mut decided = Decided::default();
    crate::fail::point("K0");
    decided
        .decide(&mut state, &mut run)
        .await
        .map_err(|stopped| Error::from(stopped.0))?;
    match recorder.begin(&shared.log).await? {
        FirstFlush::New => {}
        FirstFlush::Other(other) => return Box::pin(instead(desk, &shared.call, other)).await,
    }
    crate::fail::point("K1");
    let ready = Ready {
        shared,
        state,
        run,
        decided: Some(decided),
    };
    Ok(RunHandle::of_session(
        desk.work(ready, presence, turn),
        Some(desk),
    ))
}

/// The run was not created: the one there is, or why not.
async fn instead<Out>(desk: Arc<Desk>, call: &Call, other: Created) -> Result<RunHandle<Out>, Error> {
    let conflict =
        |run: Option<RunId>, message: String| Error::new(run, Failure::new(ErrorKind::Conflict, message));
    match other {
        Created::Existing(run) => RunHandle::attach(desk, run).await,
        Created::OtherRequest(run) => {
            let key = call.request_key.as_deref().unwrap_or_default();
            let message = format!(
                "request key {} was used for run {run}, with other inputs",
                crate::fault::quote(key)
            );
            Err(conflict(Some(run), message))
        }
        Created::Running { step, run } => {
            let key = call.key.as_deref().unwrap_or_default();
            let message = format!("step `{step}` of `{key}` is being run by {run}");
            let open = desk.store().questions(Some(run), 1).await;
            let way = match open.is_ok_and(|open| !open.is_empty()) {
                true => format!("it waits for a person: answer it (`segue answer {run}`)"),
                false => format!("wait for it (`segue resume {run}`)"),
            };
            let hint = format!("{way}, or cancel it (`segue cancel {run}`)");
            let failure = Failure::new(ErrorKind::Conflict, message).hint(hint);
            Err(Error::new(Some(run), failure))
        }
        Created::Changed { step, current } => {
            let current = current.as_deref().unwrap_or("none");
            let message = format!("the result of step `{step}` is another one by now; its hash is {current}");
            Err(conflict(None, message))
        }
        Created::New { .. } => Err(conflict(None, "the run was created twice".into())),
    }
}

/// What only a store can do was asked of a runner that has none.
pub(crate) fn needs_a_store(what: &str) -> Failure {
    Failure::new(ErrorKind::Usage, format!("{what} needs a store"))
        .hint("give the runner one: `.store(MemoryStore::new())`, or `Sqlite` or `Postgres` of `segue-store`")
}

/// # Errors
/// When a request key is not 1 to 128 visible ASCII characters.
fn check_key(key: &str) -> Result<(), Failure> {
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible && (1..=128).contains(&key.len()) {
        return Ok(());
    }
    let message = format!(
        "{} is no request key: 1 to 128 visible ASCII characters",
        crate::fault::quote(key)
    );
    Err(Failure::new(ErrorKind::Usage, message))
}

fn refused(failure: Failure) -> Error {
    Error::new(None, failure)
}
