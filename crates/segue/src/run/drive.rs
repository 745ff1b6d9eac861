//! Driving: the loop between the decision and an engine. The same for every engine.

use super::op::{Op, OpResult};
use super::state::{Opened, RunOutcome, RunState};
use crate::log::Unit;
use crate::log::What;

/// What an engine gives a run: durable operations.
pub(crate) trait DurableRun {
    /// Starts an operation. Does not wait for it.
    fn start(&mut self, op: Op);

    /// The next result if it is there already, so that a run of instant steps never waits.
    fn at_hand(&mut self) -> Option<OpResult> {
        None
    }

    /// The next result, in the order in which the engine has recorded them. `None` when nothing is under way that
    /// could give one: the run rests.
    fn next(&mut self) -> impl Future<Output = Option<OpResult>> + Send;

    /// Puts what was decided into the log, before anything that follows from it is started.
    fn note(&mut self, records: &mut Vec<(Unit, What)>) -> impl Future<Output = ()> + Send;

    /// A scope was opened: its units have paths from now on.
    fn opened(&mut self, number: u32, scope: Opened);
}

/// How driving a run ended.
pub(crate) enum Driven {
    /// The run came to its end.
    Ended(RunOutcome),
    /// It rests: only people can make it go on.
    Resting,
}

/// Carries out what the state decides until the run ends or rests.
pub(crate) async fn drive<R: DurableRun>(state: &mut RunState, run: &mut R) -> Driven {
    let mut ops = Vec::new();
    let mut records = Vec::new();
    loop {
        state.ready(&mut ops);
        state.take_opened(|number, scope| run.opened(number, scope));
        state.take_records(&mut records);
        run.note(&mut records).await;
        for op in ops.drain(..) {
            run.start(op);
        }
        if let Some(outcome) = state.outcome() {
            return Driven::Ended(outcome.clone());
        }
        let mut result = run.at_hand();
        if result.is_none() {
            // A run that waits keeps no room for work: ten thousand of them may wait at once.
            (ops, records) = (Vec::new(), Vec::new());
            state.trim();
            result = run.next().await;
        }
        match result {
            Some(result) => state.apply(result),
            None => return Driven::Resting,
        }
    }
}
