//! Recovering: the unfinished runs that nobody works on are taken up, oldest first, as many as may be worked on.

use std::sync::Arc;

use serde_json::Value as Json;

use super::desk::Desk;
use super::handle::RunHandle;
use super::resume::{Taken, Turn, resume};
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;

/// Runs that are looked at at once.
const BITE: usize = 256;

/// What became of the unfinished runs of a store.
pub struct Recovered {
    /// Runs this runner works on from now on.
    pub taken: Vec<RunHandle<Json>>,
    /// Runs it cannot work on, each with why.
    pub left: Vec<(RunId, Failure)>,
    /// Whether there may be more than were looked at.
    pub more: bool,
    /// How many other owners have said nothing since this runner looks for the first time: they may be dead, and are
    /// taken for it when they still say nothing after the length of a lease.
    pub silent: usize,
}

/// Takes up what nobody works on.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn recover(desk: &Arc<Desk>) -> Result<Recovered, Error> {
    let mut recovered = Recovered {
        taken: Vec::new(),
        left: Vec::new(),
        more: false,
        silent: desk.bury_the_dead().await?,
    };
    if desk.look_for_halt().await?.is_some() {
        return Ok(recovered);
    }
    let heads = desk.store().unfinished(desk.now(), BITE).await?;
    let reached = heads.len();
    for head in heads {
        match resume(desk, head.id, "recovery", Turn::Wanted).await {
            Ok(Taken::Up(session)) => {
                recovered
                    .taken
                    .push(RunHandle::of_session(session, Some(desk.clone())));
            }
            Ok(Taken::Held(_) | Taken::Over | Taken::Asks) => {}
            Ok(Taken::NotOurs(failure)) => recovered.left.push((head.id, *failure)),
            Ok(Taken::NoTurn) => {
                desk.queue(head.id);
                let handle = RunHandle::attach(desk.clone(), head.id).await?;
                recovered.taken.push(handle);
            }
            // One run that cannot be read does not keep the others from going on.
            Err(error) => recovered.left.push((head.id, error.failure().clone())),
        }
    }
    recovered.more = reached == BITE && !recovered.taken.is_empty();
    Ok(recovered)
}

/// Takes up one run.
///
/// # Errors
/// Why it is not taken up.
pub(crate) async fn resume_one(desk: &Arc<Desk>, run: RunId) -> Result<RunHandle<Json>, Error> {
    desk.bury_the_dead().await?;
    match resume(desk, run, "resume", Turn::Free).await? {
        Taken::Up(session) => Ok(RunHandle::of_session(session, Some(desk.clone()))),
        Taken::Over | Taken::Asks => RunHandle::attach(desk.clone(), run).await,
        Taken::NotOurs(failure) => Err(Error::new(Some(run), *failure)),
        Taken::Held(owner) => {
            let owners = desk.store().owners().await?;
            let place = owners.into_iter().find(|seen| seen.owner.id == owner);
            let who = place.map_or_else(|| owner.to_string(), |seen| seen.owner.place.to_string());
            let failure = Failure::new(
                ErrorKind::Conflict,
                format!("run {run} is being worked on by {who}"),
            );
            Err(Error::new(Some(run), failure))
        }
        // It goes on when there is a turn for it.
        Taken::NoTurn => RunHandle::attach(desk.clone(), run).await,
    }
}
