//! `halt`: stops all new model and tool calls of a store, whoever makes them, until they are let go on.

use segue::store::Halt;
use serde_json::json;

use crate::arguments::HaltArgs;
use crate::clock;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming::unread;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Place, Project};
use crate::secrets;
use crate::store::Open;
use crate::terminal::words;
use crate::verb::answer::who;

/// Halts calls, or lets them go on. What is so already is said and stays as it is.
pub(crate) fn halt(arguments: &HaltArgs, program: &mut Program) -> Result<Exit, Problem> {
    if arguments.off && arguments.reason.is_some() {
        return Err(Problem::usage(
            "`--reason` says why calls are halted, and `--off` lets them go on",
        ));
    }
    let project = Project::find(None, &program.common)?;
    if project.place() == Place::Memory {
        return Err(
            Problem::usage("a store in memory has nobody whose calls could be halted")
                .hint("name the store with `--store sqlite:PATH` or `--store postgres://USER@HOST/DATABASE`"),
        );
    }
    let runtime = desk::runtime()?;
    let done = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToWrite).await?;
        let store = &*desk.store;
        let before = store.halted().await.map_err(unread)?;
        let after = match (&before, arguments.off) {
            (_, true) => None,
            (Some(halt), false) => Some(halt.clone()),
            (None, false) => Some(Halt {
                by: who(),
                since: clock::now(),
                reason: arguments
                    .reason
                    .as_deref()
                    .map(|reason| secrets::redactor().text(reason).into_owned()),
            }),
        };
        if before != after {
            store.halt(after.clone()).await.map_err(unread)?;
        }
        Ok::<_, Problem>((before, after, desk.project.store_flag()))
    });
    runtime.shutdown_background();
    let (before, after, flag) = done?;
    let changed = before != after;
    if program.common.json {
        let by = |halt: &Option<Halt>| halt.as_ref().map(|halt| halt.by.clone());
        program.output.object(&json!({
            "schema": "segue.halt/1", "halted": after.is_some(), "changed": changed, "by": by(&after),
            "since": after.as_ref().map(|halt| halt.since),
            "reason": after.as_ref().and_then(|halt| halt.reason.clone()),
        }));
        return Ok(Exit::Done);
    }
    let paper = Paper::of(program);
    let told = |halt: &Halt| {
        format!(
            "by {} since {}",
            words::one_line(&halt.by),
            paper.moment_in_full(halt.since)
        )
    };
    program.output.document(&match (&before, &after) {
        (None, Some(_)) => "calls are halted: no new model or tool call starts, and no run".to_owned(),
        (Some(halt), Some(_)) => format!("calls were halted already, {}", told(halt)),
        (Some(halt), None) => format!("calls go on; they were halted {}", told(halt)),
        (None, None) => "calls were not halted".to_owned(),
    });
    if after.is_some() {
        program.hint(&format!("`segue halt --off{flag}` lets them go on"));
    }
    Ok(Exit::Done)
}
