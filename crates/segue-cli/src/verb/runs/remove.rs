//! `runs rm`: runs that are over are forgotten, all that are meant or none.

use std::time::Duration;

use segue::store::Head;
use segue::{ErrorKind, RunId};
use serde_json::json;

use crate::arguments::runs::RmArgs;
use crate::clock;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::naming;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::retain::{self, Workspaces};
use crate::terminal::ask::Keyboard;
use crate::terminal::words;
use crate::verb::run::is_somebody_there;

use super::at_desk;

/// Runs that are shown before somebody is asked; more are counted.
const MAX_SHOWN: usize = 10;

/// What is to be removed, and what stays although it was meant.
#[derive(Default)]
struct Meant {
    removed: Vec<Head>,
    /// With the reason.
    kept: Vec<(Head, String)>,
}

/// Removes runs. Of runs that were named nothing is removed unless all of them can be.
pub(super) fn remove(arguments: &RmArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let meant = match arguments.older_than {
            Some(age) => older(desk, age).await?,
            None => named(desk, &arguments.runs).await?,
        };
        let is_many = arguments.older_than.is_some() || meant.removed.len() > 1;
        if !meant.removed.is_empty() && !arguments.yes {
            agree(&meant.removed, is_many, program).await?;
        }
        let mut removed = Vec::new();
        for head in &meant.removed {
            if desk.store.remove(head.id).await.map_err(naming::unread)? {
                removed.push(head.id);
            }
        }
        let swept = retain::sweep(&*desk.store).await.map_err(naming::unread)?;
        tell(&removed, &meant.kept, swept, program);
        Ok(Exit::Done)
    })
}

/// The runs that were named, all of which can be removed.
async fn named(desk: &Desk, names: &[String]) -> Result<Meant, Problem> {
    let mut meant = Meant::default();
    let mut workspaces = Workspaces::default();
    for name in names {
        let run = naming::find(&*desk.store, name).await?;
        let head = desk.store.head(run).await.map_err(naming::unread)?;
        let Some(head) = head else { continue };
        let is_known = |known: &Head| known.id == head.id;
        if meant.removed.iter().any(is_known) || meant.kept.iter().any(|(known, _)| is_known(known)) {
            continue;
        }
        match why_not(desk, &head, &mut workspaces).await? {
            Some(why) => meant.kept.push((head, why)),
            None => meant.removed.push(head),
        }
    }
    if meant.kept.is_empty() {
        return Ok(meant);
    }
    let reasons: Vec<String> = meant
        .kept
        .iter()
        .map(|(head, why)| format!("run {} {why}", head.id))
        .collect();
    let mut problem = Problem::new(
        ErrorKind::Conflict,
        format!("nothing was removed: {}", reasons.join("; ")),
    );
    for (head, _) in &meant.kept {
        problem = problem.hint(way_out(head));
    }
    Err(problem)
}

/// Why a run cannot be removed.
async fn why_not(desk: &Desk, head: &Head, workspaces: &mut Workspaces) -> Result<Option<String>, Problem> {
    let status = head.standing.status;
    if !status.is_terminal() {
        return Ok(Some(format!("is {status}")));
    }
    let current = workspaces.current_step(&*desk.store, head).await;
    let key = head.key.as_deref().unwrap_or_default();
    Ok(current
        .map_err(naming::unread)?
        .map(|step| format!("has the current result of step `{step}` of `{key}`")))
}

fn way_out(head: &Head) -> String {
    let run = head.id;
    match head.standing.status.is_terminal() {
        true => format!("run the step again first, so that another run than {run} has its result"),
        false => format!("`segue cancel {run}` ends it"),
    }
}

/// Runs that have been over for so long, without those that workspaces need.
async fn older(desk: &Desk, age: Duration) -> Result<Meant, Problem> {
    let moment = retain::before(clock::now(), age);
    let mut query = retain::over_before(moment);
    let mut meant = Meant::default();
    let mut workspaces = Workspaces::default();
    loop {
        let page = desk.store.runs(query.clone()).await.map_err(naming::unread)?;
        for head in page.items {
            if head.standing.ended.is_none_or(|ended| ended >= moment) {
                continue;
            }
            match why_not(desk, &head, &mut workspaces).await? {
                Some(why) => meant.kept.push((head, why)),
                None => meant.removed.push(head),
            }
        }
        match page.next_cursor {
            Some(next) => query.cursor = Some(next),
            None => return Ok(meant),
        }
    }
}

/// Asks somebody at the terminal; off one, several are removed only with `--yes`.
async fn agree(runs: &[Head], is_many: bool, program: &Program) -> Result<(), Problem> {
    let count = words::plural(runs.len() as u64, "run");
    if !is_somebody_there() {
        return match is_many {
            true => Err(Problem::usage(format!("nothing was removed: {count} would be"))
                .hint("say `--yes` where nobody can be asked")),
            false => Ok(()),
        };
    }
    let screen = program.screen;
    let paper = Paper::of(program);
    for head in runs.iter().take(MAX_SHOWN) {
        screen.line(&format!(
            "  {} {} {} {}",
            head.id,
            words::one_line(&head.pipeline),
            screen.style().run_status(head.standing.status),
            paper.moment(head.queued)
        ));
    }
    if let Some(more) = runs.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        screen.line(&format!("  … and {} more", words::count(more as u64)));
    }
    let mut keys = Keyboard::default();
    let typed = keys
        .line(&format!("remove {count} for good? (y | n): "), screen)
        .await;
    match typed.is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes")) {
        true => Ok(()),
        false => Err(Problem::usage("nothing was removed")),
    }
}

fn tell(removed: &[RunId], kept: &[(Head, String)], swept: u64, program: &mut Program) {
    if program.common.json {
        let removed = removed
            .iter()
            .map(|run| json!({"id": run, "removed": true, "reason": null}));
        let kept = kept
            .iter()
            .map(|(head, why)| json!({"id": head.id, "removed": false, "reason": why}));
        let runs: Vec<_> = removed.chain(kept).collect();
        program
            .output
            .object(&json!({"schema": "segue.rm/1", "runs": runs, "swept": swept}));
        return;
    }
    for run in removed {
        program.output.document(&format!("{run} removed"));
    }
    let screen = program.screen;
    for (head, why) in kept {
        screen.progress(&format!("{} is kept: it {}", head.id, words::one_line(why)));
    }
    if removed.is_empty() && kept.is_empty() {
        screen.progress("no run is that old");
    }
    if swept > 0 {
        let pieces = words::plural(swept, "file");
        screen.progress(&format!("swept {pieces} that nothing refers to"));
    }
}
