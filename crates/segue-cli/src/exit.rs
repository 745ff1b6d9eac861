//! Exit codes: the only list of them, and which one a run has earned.

use std::process::ExitCode;

use segue::view::CallStatus;
use segue::{ErrorKind, RunStatus, RunView};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The run failed.
    Failed,
    /// The verb could not do its work, and nothing was run.
    Refused,
    /// The run waits for a person.
    Waiting,
    /// The run failed and a budget refused at least one call.
    Budget,
    /// A test failed; or the run failed and nothing recorded or scripted answered a request.
    CassetteMiss,
    /// The run's own deadline passed.
    Deadline,
    /// The run was cancelled.
    Cancelled,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Waiting => 3,
            Self::Budget => 4,
            Self::CassetteMiss => 5,
            Self::Deadline => 124,
            Self::Cancelled => 130,
        }
    }

    /// What a run has earned as it stands. Where several apply, the earlier of 130, 124, 4, 5, 1 counts.
    pub(crate) fn of_run(run: &RunView) -> Self {
        match run.status() {
            RunStatus::Succeeded => Self::Done,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Failed if passed_deadline(run) => Self::Deadline,
            RunStatus::Failed if refused_by_budget(run) => Self::Budget,
            RunStatus::Failed if missed_cassette(run) => Self::CassetteMiss,
            RunStatus::Waiting => Self::Waiting,
            // A run that is gone without an end has failed as far as anybody can tell.
            RunStatus::Failed | RunStatus::Queued | RunStatus::Running => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

fn passed_deadline(run: &RunView) -> bool {
    run.error().is_some_and(|error| {
        error.kind == ErrorKind::Timeout && error.limit.as_ref().is_some_and(|limit| limit.name == "run")
    })
}

fn refused_by_budget(run: &RunView) -> bool {
    let is_budget = |kind| matches!(kind, ErrorKind::Budget | ErrorKind::Unpriced);
    let refused = run.calls().any(|call| {
        call.status == CallStatus::Refused && call.error.as_ref().is_some_and(|error| is_budget(error.kind))
    });
    refused || kinds(run).any(is_budget)
}

fn missed_cassette(run: &RunView) -> bool {
    kinds(run).any(|kind| kind == ErrorKind::CassetteMiss)
}

/// The kinds of the errors of the run and of everything in it.
fn kinds(run: &RunView) -> impl Iterator<Item = ErrorKind> {
    let own = run.error().map(|error| error.kind);
    own.into_iter().chain(
        run.all_steps()
            .filter_map(|step| step.error.as_ref().map(|error| error.kind)),
    )
}
