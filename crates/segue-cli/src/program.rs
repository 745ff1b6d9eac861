//! The program: arguments in, an exit code out. The one place that puts the parts together.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind as Wrong;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use segue::file::Loaded;
use segue::{ErrorKind, Failure, Models, Registry};

use crate::arguments::{Arguments, Color, Common, Verb, Version};
use crate::exit::Exit;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Problem, error_document};
use crate::project::Project;
use crate::start::Start;
use crate::terminal::Screen;
use crate::{flags, pipelines, secrets, verb};

/// What every verb works with.
pub(crate) struct Program {
    /// What the program registers by name.
    pub(crate) registry: Registry,
    /// The models there are.
    pub(crate) models: Models,
    /// Flags that every verb has.
    pub(crate) common: Common,
    /// Where everything but results goes.
    pub(crate) screen: Screen,
    /// Where results go.
    pub(crate) output: Output,
}

impl Program {
    /// What the project of a pipeline's file offers; without one, that of the working directory.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn operator(&self, pipeline: Option<&Path>) -> Result<Operator, Problem> {
        let project = Project::find(pipeline, &self.common)?;
        Operator::of(&project, &self.registry, &self.models)
    }

    /// A way on, beside the result.
    pub(crate) fn hint(&self, hint: &str) {
        let screen = self.screen;
        screen.progress(&format!("{} {hint}", screen.style().cyan("hint:")));
    }
}

/// The command line with what a program registers by name; reads the arguments of the process.
pub fn main(registry: Registry) -> ExitCode {
    main_with(registry, Models::offline())
}

/// The same with models of the program's own: whatever a pipeline file names is looked for among them first.
///
/// ```no_run
/// use segue::{Models, Registry, Scripted};
///
/// # fn script() -> Scripted { Scripted::from_yaml("version: 1\nscript: [{ reply: hello }]").expect("a script") }
/// fn main() -> std::process::ExitCode {
///     let models = Models::offline().with("openai/house", script());
///     segue_cli::main_with(Registry::new(), models)
/// }
/// ```
pub fn main_with(registry: Registry, models: Models) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    secrets::tell_of_panics();
    start(registry, models, &arguments).into()
}

fn start(registry: Registry, models: Models, arguments: &[OsString]) -> Exit {
    let mut command = Arguments::command();
    command.build();
    let pipeline = own_pipeline(&command, arguments, &registry, &models);
    let mut full = Arguments::command();
    if let Some((verb, Ok((_, loaded)))) = &pipeline {
        let plan = loaded.plan.clone();
        let taken = flags::taken(&command, verb);
        full = full.mut_subcommand(*verb, |command| flags::with_inputs(command, taken, &plan));
    }
    let matches = match full.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // A flag nobody knows may be an input of a pipeline that cannot be read: that it cannot is the news.
            if error.kind() == Wrong::UnknownArgument
                && let Some((_, Err(problem))) = pipeline
            {
                return refuse(&problem, &guessed(arguments));
            }
            return misused(&error, arguments);
        }
    };
    let parsed = match Arguments::from_arg_matches(&matches) {
        Ok(parsed) => parsed,
        Err(error) => return misused(&error, arguments),
    };
    let screen = Screen::new(&parsed.common);
    let mut program = Program {
        registry,
        models,
        screen,
        common: parsed.common,
        output: Output::stdout(),
    };
    if program.common.version == Some(Version::OfSegue) {
        verb::version::print(&mut program);
        return Exit::Done;
    }
    let Some(verb) = parsed.verb else {
        screen.text(&Arguments::command().render_help().to_string());
        return Exit::Refused;
    };
    let pipeline = pipeline.map(|(_, loaded)| loaded);
    match dispatch(verb, pipeline, &matches, &mut program) {
        Ok(exit) => exit,
        Err(problem) => refuse(&problem, &program.common),
    }
}

type Opened = Result<(PathBuf, Loaded), Problem>;

fn dispatch(
    verb: Verb,
    pipeline: Option<Opened>,
    matches: &ArgMatches,
    program: &mut Program,
) -> Result<Exit, Problem> {
    let (_, own) = matches
        .subcommand()
        .ok_or_else(|| Problem::usage("no verb was given"))?;
    let offer = (&program.registry, &program.models, &program.common);
    // Where the scan saw no verb, clap has: only odd spellings get here, and they have no flags of their own.
    let open = |named: Option<&str>| match pipeline {
        Some(opened) => opened,
        None => open(named, offer),
    };
    match verb {
        Verb::Check(arguments) => verb::check::check(&arguments, program),
        Verb::Plan(arguments) => {
            let opened = open(arguments.start.pipeline.as_deref())?;
            verb::plan::plan(Start::read(opened, arguments.start, own)?, program)
        }
        Verb::Run(mut arguments) => {
            let opened = open(arguments.start.pipeline.as_deref())?;
            let start = std::mem::take(&mut arguments.start);
            verb::run::run(Start::read(opened, start, own)?, &arguments, program)
        }
        Verb::Test(arguments) => verb::test::test(&arguments, program),
        Verb::Resume(arguments) => verb::resume::resume(&arguments, program),
        Verb::Answer(arguments) => verb::answer::answer(&arguments, program),
        Verb::Approve(arguments) => verb::approve::approve(&arguments, program),
        Verb::Cancel(arguments) => verb::cancel::cancel(&arguments, program),
        Verb::Rerun(arguments) => verb::rerun::rerun(&arguments, program),
        Verb::Runs(arguments) => verb::runs::runs(&arguments, program),
        Verb::Artifacts(arguments) => verb::artifacts::artifacts(&arguments, program),
        Verb::Status(arguments) => verb::status::status(&arguments, program),
        Verb::Documents(arguments) => verb::documents::documents(&arguments, program),
        Verb::Models(arguments) => verb::models::models(&arguments, program),
        Verb::Agents(arguments) => verb::agents::agents(&arguments, program),
        Verb::Budgets(arguments) => verb::budgets::budgets(&arguments, program),
        Verb::Halt(arguments) => verb::halt::halt(&arguments, program),
        Verb::Tools(arguments) => verb::tools::tools(&arguments, program),
        Verb::Doctor(arguments) => verb::doctor::doctor(&arguments, program),
        Verb::Graph(arguments) => verb::graph::graph(&arguments, program),
        Verb::Schema(arguments) => verb::schema::schema(&arguments, program),
        Verb::Init(arguments) => verb::init::init(&arguments, program),
        Verb::Demo(arguments) => verb::demo::demo(&arguments, program),
        Verb::Completions(arguments) => verb::completions::completions(&arguments, program),
        Verb::Man(arguments) => verb::man::man(&arguments, program),
    }
}

/// The pipeline whose inputs become flags, for the verbs that have such.
fn own_pipeline<'a>(
    command: &Command,
    arguments: &'a [OsString],
    registry: &Registry,
    models: &Models,
) -> Option<(&'a str, Opened)> {
    let (verb, named) = flags::scan(command, arguments)?;
    matches!(verb, "run" | "plan").then(|| (verb, open(named, (registry, models, &guessed(arguments)))))
}

fn open(named: Option<&str>, (registry, models, common): (&Registry, &Models, &Common)) -> Opened {
    let path = pipelines::find(named, common)?;
    let operator = Operator::of(&Project::find(Some(&path), common)?, registry, models)?;
    let loaded = pipelines::load(&path, &operator, false)?;
    Ok((path, loaded))
}

/// Arguments that clap refused, or help it was asked for.
fn misused(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if matches!(
        error.kind(),
        Wrong::DisplayHelp | Wrong::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // The reader of help may have gone away.
        let _ = error.print();
        return if error.use_stderr() {
            Exit::Refused
        } else {
            Exit::Done
        };
    }
    let common = guessed(arguments);
    let screen = Screen::new(&common);
    let rendered = error.render();
    let text = match screen.style().is_coloured() {
        true => rendered.ansi().to_string(),
        false => rendered.to_string(),
    };
    screen.text(&text);
    if common.json {
        let first = rendered.to_string().lines().next().unwrap_or_default().to_owned();
        let message = first.strip_prefix("error: ").unwrap_or(&first);
        Output::stdout().object(&error_document(&Failure::new(ErrorKind::Usage, message)));
    }
    Exit::Refused
}

/// What every verb takes, from arguments that could not be read.
fn guessed(arguments: &[OsString]) -> Common {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let mut rest = arguments.iter();
    let config = rest.find_map(|argument| match argument.to_str()?.strip_prefix("--config")? {
        "" => Some(PathBuf::from("")),
        value => value.strip_prefix('=').map(PathBuf::from),
    });
    let config = match config {
        Some(path) if path.as_os_str().is_empty() => rest.next().map(PathBuf::from),
        config => config,
    };
    Common {
        json: has("--json"),
        quiet: has("-q") || has("--quiet"),
        color: Color::Auto,
        store: None,
        config,
        version: None,
    }
}

fn refuse(problem: &Problem, common: &Common) -> Exit {
    problem.print(Screen::new(common));
    if common.json {
        Output::stdout().object(&problem.document());
    }
    Exit::Refused
}
