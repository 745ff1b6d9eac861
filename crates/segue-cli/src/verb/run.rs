//! `run`: a pipeline with its inputs, from the first check to the exit code.

use std::io::IsTerminal;
use std::path::Path;

use indexmap::IndexMap;
use segue::view::RunRecord;
use segue::{Budget, ErrorKind, Launch, Models, Pipeline, RunStatus, RunView, Runner};
use serde_json::Value as Json;

use crate::arguments::{Form, RunArgs};
use crate::exit::Exit;
use crate::follow::{Followed, Following};
use crate::problem::Problem;
use crate::program::Program;
use crate::start::Start;
use crate::terminal::words;

/// The most warnings that are repeated before each run.
const MAX_WARNINGS: u64 = 3;

/// Runs a pipeline and follows it until it has come to rest.
pub(crate) fn run(mut start: Start, arguments: &RunArgs, program: &mut Program) -> Result<Exit, Problem> {
    if program.common.json && arguments.output == Form::Ndjson {
        return Err(
            Problem::usage("`--json` and `--output ndjson` exclude each other")
                .hint("one object at the end, or one line for each event"),
        );
    }
    let labels = labels(&arguments.labels)?;
    let inputs = start.inputs()?;
    warn(&start, program);
    let pipeline = Pipeline::from_plan(&start.plan, &program.registry)?;
    let mut begin = Begin {
        models: Models::offline(),
        total: start.total(),
        definition: definition(&start.path),
        may_ask: may_ask(arguments),
        events: arguments.output == Form::Ndjson,
        pipeline,
    };
    begin.follow(program, inputs, |launch| {
        let mut launch = start.apply(launch);
        for (name, value) in labels {
            launch = launch.label(name, value);
        }
        match &arguments.note {
            Some(note) => launch.note(note),
            None => launch,
        }
    })
}

/// A pipeline about to be run and followed.
pub(crate) struct Begin {
    /// The pipeline.
    pub(crate) pipeline: Pipeline<Json, Json>,
    /// The models there are.
    pub(crate) models: Models,
    /// The run's total.
    pub(crate) total: Option<Budget>,
    /// Where the definition came from.
    pub(crate) definition: String,
    /// Whether a person may be asked.
    pub(crate) may_ask: bool,
    /// Whether stdout gets events instead of the output.
    pub(crate) events: bool,
}

impl Begin {
    /// Starts the run, follows it, and writes what it came to.
    ///
    /// # Errors
    /// When it could not start.
    pub(crate) fn follow(
        &mut self,
        program: &mut Program,
        inputs: Json,
        settings: impl FnOnce(Launch<Json, Json>) -> Launch<Json, Json>,
    ) -> Result<Exit, Problem> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Problem::new(ErrorKind::Internal, format!("cannot start: {error}")))?;
        let runner = Runner::builder()
            .registry(program.registry.clone())
            .models(self.models.clone())
            .build()?;
        let followed = runtime.block_on(async {
            let run = settings(runner.start(&self.pipeline, inputs)).await?;
            let following = Following {
                run,
                plan: self.pipeline.plan().clone(),
                budget: self.total,
                screen: program.screen,
                events: self.events.then_some(&mut program.output),
                may_ask: self.may_ask,
            };
            let followed = following.follow().await;
            followed.map_err(|error| {
                Problem::new(ErrorKind::Internal, format!("cannot listen for signals: {error}"))
            })
        });
        // What is left of an abandoned run ends with the process; nobody waits for it.
        runtime.shutdown_background();
        let Followed { view, exit } = followed?;
        if program.common.json {
            program.output.object(&self.record(&view));
        } else if !self.events && view.status() == RunStatus::Succeeded {
            if program.screen.is_live() && program.output.is_terminal() {
                program.screen.line("");
            }
            let output = view.output().and_then(|output| output.to_json().ok());
            program.output.value(output.as_deref().unwrap_or(&Json::Null));
        }
        Ok(exit)
    }

    /// The run as an object, with what only the one who started it knows.
    fn record(&self, view: &RunView) -> RunRecord {
        let mut record = view.record();
        record.definition = Some(self.definition.clone());
        record
    }
}

fn may_ask(arguments: &RunArgs) -> bool {
    !arguments.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// How a record names the file of its pipeline.
fn definition(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Warnings of the file, one line each; `check` shows their places.
fn warn(start: &Start, program: &Program) {
    let style = program.screen.style();
    let count = start.warnings.total() as u64;
    if count > MAX_WARNINGS {
        let hint = format!("`segue check {}` shows them", start.path.display());
        let warnings = words::plural(count, "warning");
        program.screen.progress(&format!(
            "{} the file has {warnings}; {hint}",
            style.yellow("warning:")
        ));
        return;
    }
    for fault in start.warnings.list() {
        let place = match (&fault.file, fault.place) {
            (Some(file), Some(place)) => format!(" ({file}:{}:{})", place.line, place.column),
            _ => String::new(),
        };
        program.screen.progress(&format!(
            "{} {}{place}",
            style.yellow("warning:"),
            words::one_line(&fault.message)
        ));
    }
}

fn labels(given: &[String]) -> Result<IndexMap<String, String>, Problem> {
    let mut labels = IndexMap::new();
    for label in given {
        match label.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                labels.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                return Err(Problem::usage(format!(
                    "`--label`: {} is not a label",
                    segue::fault::quote(label)
                ))
                .hint("write `--label name=value`"));
            }
        }
    }
    Ok(labels)
}
