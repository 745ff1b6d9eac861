//! How it goes on from where a run stands, as command lines.

use segue::{RunStatus, RunView, StepStatus};

use crate::terminal::ask;

/// The command lines that go on with a run. `is_held`: a process works on it, or did when it died.
pub(super) fn after(view: &RunView, is_held: bool, store_flag: &str) -> Vec<String> {
    let Some(run) = view.id() else {
        return Vec::new();
    };
    let rerun = |what: &str| format!("segue rerun {run}{what}{store_flag}");
    let mut lines = Vec::new();
    match view.status() {
        RunStatus::Waiting => {
            lines.extend(
                view.open_questions()
                    .map(|question| ask::command(question, store_flag)),
            );
        }
        RunStatus::Queued | RunStatus::Running if !is_held => {
            lines.push(format!("segue resume {run}{store_flag}"));
        }
        RunStatus::Queued | RunStatus::Running => {
            lines.push(format!("segue runs logs {run} --follow{store_flag}"));
        }
        RunStatus::Failed if view.failed_steps().next().is_some() => lines.push(rerun(" --failed")),
        RunStatus::Failed | RunStatus::Cancelled => {
            let cut_off = view
                .steps()
                .find(|step| matches!(step.status, StepStatus::Cancelled));
            lines.push(match cut_off {
                Some(step) => rerun(&format!(" --from {}", step.path)),
                None => rerun(""),
            });
        }
        RunStatus::Succeeded => {}
    }
    if view.status().is_terminal() && !view.stale().is_empty() {
        lines.push(rerun(" --stale"));
    }
    lines
}
