//! What a run came to: its output, what it cost, its log and the bytes it left.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Failure, Spent};
use crate::id::RunId;
use crate::log::RunLog;
use crate::money::Cost;
use crate::run::{Environment, RunOutcome, RunShared, RunState};
use crate::store::{Blobs, Store};
use crate::usage::Usage;
use crate::value::{Data, Value};
use crate::view::RunView;

/// What a run that succeeded gives.
pub struct Done<Out> {
    /// The output.
    pub output: Out,
    /// The run.
    pub run: RunId,
    /// Everything spent.
    pub cost: Cost,
    /// Everything used.
    pub usage: Usage,
    /// Whether the fallback pipeline made the output.
    pub fallback: bool,
    files: Files,
}

impl<Out> Done<Out> {
    /// Everything that is known of the run, from its log.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.files.log.view()
    }

    /// The log of the run.
    #[must_use]
    pub fn log(&self) -> &Arc<RunLog> {
        &self.files.log
    }

    /// A picture of the run for a terminal: its steps, how each ended, what it took.
    #[must_use]
    pub fn picture(&self) -> String {
        self.view().picture()
    }

    /// The bytes of an artifact of the run; of the newest, where several steps saved one of that name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn artifact(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.files.bytes(name).await
    }
}

/// The log of a run, and where its bytes are.
#[derive(Clone)]
pub(crate) struct Files {
    log: Arc<RunLog>,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Memory(Arc<Environment>),
    Store(Arc<dyn Store>),
    Nowhere,
}

impl Files {
    pub(crate) fn of(shared: &RunShared) -> Self {
        let bytes = match &shared.recorder {
            Some(recorder) => Bytes::Store(recorder.store().clone()),
            None => Bytes::Memory(shared.env.clone()),
        };
        Self {
            log: shared.log.clone(),
            bytes,
        }
    }

    pub(crate) fn kept(log: Arc<RunLog>, store: Arc<dyn Store>) -> Self {
        let bytes = Bytes::Store(store);
        Self { log, bytes }
    }

    pub(crate) fn nowhere(log: Arc<RunLog>) -> Self {
        let bytes = Bytes::Nowhere;
        Self { log, bytes }
    }

    pub(crate) async fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let view = self.log.view();
        let saved = view.artifacts().filter(|artifact| artifact.name == name).last();
        let Some(saved) = saved else { return Ok(None) };
        let loaded = match &self.bytes {
            Bytes::Memory(env) => {
                let blobs: &dyn Blobs = &env.shelf.blobs;
                blobs.load(&saved.sha256, u64::MAX).await
            }
            Bytes::Store(store) => store.blobs().load(&saved.sha256, u64::MAX).await,
            Bytes::Nowhere => Ok(None),
        };
        Ok(loaded?)
    }
}

/// How a run ended, untyped.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) output: Value,
    pub(crate) fallback: bool,
    pub(crate) spent: Spent,
}

/// What a run that is over came to.
pub(crate) fn end(shared: &Arc<RunShared>, state: &RunState, outcome: RunOutcome) -> Result<Ended, Error> {
    shared.close();
    match outcome {
        RunOutcome::Succeeded { output, fallback } => Ok(Ended {
            output,
            fallback,
            spent: state.spent(),
        }),
        RunOutcome::Failed(error) | RunOutcome::Cancelled(error) => Err(Error::new(Some(shared.id), error)),
    }
}

/// What the run made, as the pipeline's type.
pub(crate) fn typed<Out: Data>(run: RunId, (ended, files): (Ended, Files)) -> Result<Done<Out>, Error> {
    let Ended {
        output,
        fallback,
        spent,
    } = ended;
    let output = output.take::<Out>().map_err(|error| {
        let message = format!("the output does not fit the pipeline's type: {error}");
        Error::new(Some(run), Failure::new(ErrorKind::SchemaMismatch, message))
    })?;
    Ok(Done {
        output,
        run,
        cost: spent.cost,
        usage: spent.usage,
        fallback,
        files,
    })
}

impl RunShared {
    /// The run is over, or given up: nothing more is written, its budgets are forgotten.
    pub(crate) fn close(&self) {
        self.log.end();
        if self.may_have_budgets() {
            self.env.budgets.close(self.id);
        }
    }
}
