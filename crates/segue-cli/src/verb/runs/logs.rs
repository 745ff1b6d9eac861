//! `runs logs`: what happened in a run, as lines for people or as its events.

use segue::log::Events;
use segue::{Event, RunView};
use serde_json::json;

use crate::arguments::Form;
use crate::arguments::runs::{Level, LogsArgs};
use crate::exit::Exit;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::journal;

use super::show::is_in;
use super::{at_desk, read, step_of};

/// What is done with an event.
struct Printing<'a> {
    arguments: &'a LogsArgs,
    paper: Paper,
    /// The run up to the present event.
    view: RunView,
    /// The events of an object that is written at the end.
    held: Vec<Event>,
}

/// Prints the log of a run. It ends where the log ends, or follows the run until that is over.
pub(super) fn logs(arguments: &LogsArgs, program: &mut Program) -> Result<Exit, Problem> {
    if program.common.json && arguments.output == Form::Ndjson {
        return Err(
            Problem::usage("`--json` and `--output ndjson` exclude each other")
                .hint("one object at the end, or one line for each event"),
        );
    }
    at_desk(program, async |desk, program| {
        let (run, known) = read(desk, &arguments.run).await?;
        if let Some(path) = &arguments.step
            && !arguments.follow
        {
            step_of(&known, path)?;
        }
        let mut printing = Printing {
            arguments,
            paper: Paper::of(program),
            view: RunView::new(known.plan().cloned()),
            held: Vec::new(),
        };
        let mut events = run.events();
        let last = if arguments.follow {
            u64::MAX
        } else {
            known.last_seq()
        };
        while printing.view.last_seq() < last && program.output.is_open() {
            let Some(event) = events.next().await else { break };
            printing.take(event, program);
        }
        failed(&events)?;
        if program.common.json {
            program
                .output
                .object(&json!({"schema": "segue.logs/1", "run": run.id(), "items": printing.held}));
        }
        Ok(Exit::Done)
    })
}

fn failed(events: &Events) -> Result<(), Problem> {
    match events.error() {
        Some(error) => Err(Problem::from(error.clone())),
        None => Ok(()),
    }
}

impl Printing<'_> {
    fn take(&mut self, event: Event, program: &mut Program) {
        self.view.apply(&event);
        let is_events = program.common.json || self.arguments.output == Form::Ndjson;
        let least = match is_events {
            true => self.arguments.level.unwrap_or(Level::Debug),
            false => self.arguments.level.unwrap_or(Level::Info),
        };
        let is_meant = event.seq > self.arguments.since_seq
            && journal::level(&event) >= least
            && self.is_of_step(&event);
        if !is_meant {
            return;
        }
        if program.common.json {
            self.held.push(event);
        } else if is_events {
            program.output.line(&event);
        } else {
            let style = self.paper.style;
            let when = style.dim(&format!("{} {:>4}", event.time, event.seq));
            let line = journal::line(&event, &self.view, style);
            program
                .output
                .document(&self.paper.fit(&format!("{when}  {line}")));
        }
    }

    fn is_of_step(&self, event: &Event) -> bool {
        let Some(wanted) = &self.arguments.step else {
            return true;
        };
        event.step.as_deref().is_some_and(|path| is_in(path, wanted))
    }
}
