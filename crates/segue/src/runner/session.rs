//! Sessions: a run while this process works on it, from when it is started or taken up until it ends or rests.

use std::sync::Arc;

use tokio::sync::watch;

use super::done::{Ended, end};
use crate::clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::run::{Control, Decided, Driven, LocalRun, RunShared, RunState, load};
use crate::store::StoreError;

/// A run this process works on.
pub(crate) struct Session {
    pub(crate) shared: Arc<RunShared>,
    pub(crate) control: Control,
    ended: watch::Receiver<Option<End>>,
}

/// How a session ended.
#[derive(Clone)]
pub(crate) enum End {
    /// With the run.
    Over(Result<Ended, Error>),
    /// The run waits for people, and nobody works on it.
    Rests,
    /// The run could not be written any more.
    Stopped(StoreError),
}

/// What a run came to, with an output that was kept beside its log.
async fn here(shared: &RunShared, ended: Result<Ended, Error>) -> Result<Ended, Error> {
    let ended = ended?;
    let output = load(shared.blobs(), &ended.output).await;
    let output = output.map_err(|failure| Error::new(Some(shared.id), failure))?;
    Ok(Ended { output, ..ended })
}

/// A run that is about to be worked on.
pub(crate) struct Ready {
    pub(crate) shared: Arc<RunShared>,
    pub(crate) state: RunState,
    pub(crate) run: LocalRun,
    /// What was decided already, and is in the log.
    pub(crate) decided: Option<Decided>,
}

impl Session {
    /// Works on a run until it ends or rests; `over` is told then.
    pub(crate) fn spawn(ready: Ready, over: impl FnOnce() + Send + 'static) -> Arc<Self> {
        let Ready {
            shared,
            mut state,
            mut run,
            decided,
        } = ready;
        let control = run.control();
        let (ended, watch) = watch::channel(None);
        let task = shared.clone();
        clock::spawn(async move {
            let driven = match decided {
                Some(mut decided) => decided.go_on(&mut state, &mut run).await,
                None => crate::run::drive(&mut state, &mut run).await,
            };
            let end = match driven {
                Driven::Ended(outcome) => End::Over(here(&task, end(&task, &state, outcome)).await),
                Driven::Resting if task.recorder.is_some() => {
                    task.close();
                    End::Rests
                }
                Driven::Resting => {
                    task.close();
                    let failure = Failure::new(ErrorKind::Internal, "the run came to a halt");
                    End::Over(Err(Error::new(Some(task.id), failure)))
                }
                Driven::Stopped(stopped) => {
                    task.close();
                    End::Stopped(stopped.0)
                }
            };
            // Attempts and timers end with the run, before anybody hears of its end.
            drop(run);
            // Nobody may be left who wants to know.
            let _ = ended.send(Some(end));
            over();
        });
        Arc::new(Self {
            shared,
            control,
            ended: watch,
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.ended.borrow().clone()
    }

    /// Waits until it has ended.
    pub(crate) async fn end(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|end| end.clone());
        end.unwrap_or_else(|| {
            let failure = Failure::new(ErrorKind::Internal, "the run was dropped before it ended");
            End::Over(Err(Error::new(Some(self.shared.id), failure)))
        })
    }
}
