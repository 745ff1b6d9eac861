//! Driving: the loop between the decision and an engine. The same for every engine.

use futures_util::future::{BoxFuture, FutureExt};

use super::op::{Op, OpResult};
use super::recorder::Stopped;
use super::state::{Opened, RunOutcome, RunState};
use crate::log::{ROOT, Unit, What};
use crate::value::Value;

/// Results that are decided on together at most, so that one commit never holds up a run for long.
const TOGETHER: usize = 64;

/// What an engine gives a run: durable operations.
pub(crate) trait DurableRun {
    /// Starts an operation. Does not wait for it.
    fn start(&mut self, op: Op);

    /// The next result if it is there already, so that a run of instant steps never waits.
    fn at_hand(&mut self) -> Option<OpResult> {
        None
    }

    /// One more result that is there already, to be decided on together with the last one: where writing takes time,
    /// what came meanwhile shares the next transaction.
    fn more(&mut self) -> Option<OpResult> {
        None
    }

    /// The next result, in the order in which the engine has recorded them. `None` when nothing is under way that
    /// could give one: the run rests.
    ///
    /// # Errors
    /// When the run cannot be written any more.
    fn next(&mut self) -> impl Future<Output = Result<Option<OpResult>, Stopped>> + Send;

    /// Only people can make the run go on. False when one just did: then there is a next result after all.
    fn rest(&mut self, _state: &RunState) -> BoxFuture<'_, Result<bool, Stopped>> {
        std::future::ready(Ok(true)).boxed()
    }

    /// Takes a result into the record, before it is decided on.
    fn admit(&mut self, result: OpResult) -> Admitted<'_> {
        Admitted::Now(result)
    }

    /// Keeps beside the log what was made by deciding and is too large for it; gives what stands for it from now on. None
    /// where nothing is.
    fn lighten<'a>(&'a mut self, _records: &'a mut [(Unit, What)]) -> Option<Lightening<'a>> {
        None
    }

    /// Puts what was decided into the log, before anything that follows from it is started.
    fn note(&mut self, made: Made<'_>) -> Noted;

    /// A scope was opened: its units have paths from now on.
    fn opened(&mut self, number: u32, scope: Opened);
}

/// What was decided.
pub(crate) struct Made<'a> {
    pub(crate) state: &'a RunState,
    /// What is written down; left empty.
    pub(crate) records: &'a mut Vec<(Unit, What)>,
    /// What is started next.
    pub(crate) ops: &'a [Op],
}

/// Outputs that are being kept beside the log: what stands for the outputs of these units from now on.
pub(crate) type Lightening<'a> = BoxFuture<'a, Result<Vec<(Unit, Value)>, Stopped>>;

/// A result that was taken into the record.
pub(crate) enum Admitted<'a> {
    /// At once.
    Now(OpResult),
    /// With something to be waited for.
    Later(BoxFuture<'a, Result<OpResult, Stopped>>),
}

/// What was decided is in the log.
pub(crate) enum Noted {
    /// At once.
    Now,
    /// When this is done.
    Later(BoxFuture<'static, Result<(), Stopped>>),
}

/// How driving a run ended.
pub(crate) enum Driven {
    /// The run came to its end.
    Ended(RunOutcome),
    /// It rests: only people can make it go on.
    Resting,
    /// It cannot be written any more.
    Stopped(Stopped),
}

/// Carries out what the state decides until the run ends or rests.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` holds what it is given twice, and every run that waits holds this"
)]
pub(crate) fn drive<R: DurableRun>(state: &mut RunState, run: &mut R) -> impl Future<Output = Driven> {
    async move {
        let mut decided = Decided::default();
        match decided.decide(state, run).await {
            Ok(()) => decided.go_on(state, run).await,
            Err(stopped) => Driven::Stopped(stopped),
        }
    }
}

/// What was decided and is in the log, and is to be carried out.
#[derive(Default)]
pub(crate) struct Decided {
    ops: Vec<Op>,
    records: Vec<(Unit, What)>,
}

impl Decided {
    /// What is left to be done of a run that goes on: operations that were started and have given no result.
    pub(crate) fn left(ops: Vec<Op>) -> Self {
        Self {
            ops,
            records: Vec::new(),
        }
    }

    /// Asks the state what comes next, and puts that into the log.
    ///
    /// # Errors
    /// When the run cannot be written any more.
    pub(crate) async fn decide<R: DurableRun>(
        &mut self,
        state: &mut RunState,
        run: &mut R,
    ) -> Result<(), Stopped> {
        state.ready(&mut self.ops);
        state.take_opened(|number, scope| run.opened(number, scope));
        state.take_records(&mut self.records);
        if let Some(outcome) = state.outcome() {
            let event = outcome.event(&state.spent());
            self.records.push((ROOT, What::Other(Box::new(event))));
        }
        if let Some(lightening) = run.lighten(&mut self.records) {
            for (unit, output) in lightening.await? {
                state.stands_for(unit, output);
            }
        }
        let made = Made {
            state,
            records: &mut self.records,
            ops: &self.ops,
        };
        match run.note(made) {
            Noted::Now => Ok(()),
            Noted::Later(written) => written.await,
        }
    }

    /// Carries out what was decided, and everything that follows.
    #[expect(clippy::manual_async_fn, reason = "as `drive`")]
    pub(crate) fn go_on<R: DurableRun>(
        &mut self,
        state: &mut RunState,
        run: &mut R,
    ) -> impl Future<Output = Driven> {
        async move {
            loop {
                for op in self.ops.drain(..) {
                    run.start(op);
                }
                if let Some(outcome) = state.outcome() {
                    return Driven::Ended(outcome.clone());
                }
                let result = match run.at_hand() {
                    Some(result) => Ok(Some(result)),
                    None => {
                        // A run that waits keeps no room for work: ten thousand of them may wait at once.
                        *self = Self::default();
                        state.trim();
                        run.next().await
                    }
                };
                let mut result = match result {
                    Ok(Some(result)) => result,
                    Ok(None) => match run.rest(state).await {
                        Ok(true) => return Driven::Resting,
                        Ok(false) => continue,
                        Err(stopped) => return Driven::Stopped(stopped),
                    },
                    Err(stopped) => return Driven::Stopped(stopped),
                };
                for together in 1.. {
                    let admitted = match run.admit(result) {
                        Admitted::Now(result) => Ok(result),
                        Admitted::Later(taking) => taking.await,
                    };
                    match admitted {
                        Ok(result) => state.apply(result),
                        Err(stopped) => return Driven::Stopped(stopped),
                    }
                    match if together < TOGETHER { run.more() } else { None } {
                        Some(more) => result = more,
                        None => break,
                    }
                }
                if let Err(stopped) = self.decide(state, run).await {
                    return Driven::Stopped(stopped);
                }
            }
        }
    }
}
