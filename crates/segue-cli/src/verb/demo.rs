//! `demo`: a recorded pipeline replays with no key, no network and no cost, so that a newcomer sees one at work.

use std::collections::BTreeMap;
use std::sync::Arc;

use segue::file::LoadOptions;
use segue::file::suggest::Nearest;
use segue::{ErrorKind, Pipeline};
use serde_json::{Value as Json, json};

use crate::arguments::DemoArgs;
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::templates;
use crate::terminal::ask::Keyboard;

mod pace;

use pace::Paced;

/// A pipeline to show.
struct Demo {
    name: &'static str,
    template: &'static str,
    file: &'static str,
    inputs: fn() -> Json,
}

const DEMOS: [Demo; 2] = [
    Demo {
        name: "research",
        template: "research",
        file: "research.yaml",
        inputs: || json!({}),
    },
    Demo {
        name: "documents",
        template: "document-router",
        file: "document_router.yaml",
        inputs: || json!({"text": text_of("document-router", "notice.txt"), "limit": 40}),
    },
];

/// Runs a demo; at a terminal it can be seen again.
pub(crate) fn demo(arguments: &DemoArgs, program: &mut Program) -> Result<Exit, Problem> {
    let wanted = arguments.pipeline.as_str();
    let Some(demo) = DEMOS.iter().find(|demo| demo.name == wanted) else {
        let problem = Problem::new(ErrorKind::NotFound, format!("demo `{wanted}` does not exist"));
        return Err(
            match Nearest::of(wanted, DEMOS.iter().map(|demo| demo.name), "demos").hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            },
        );
    };
    let once = arguments.once || program.common.json || !program.screen.is_live();
    loop {
        let exit = demo.run(arguments.speed, program)?;
        let screen = program.screen;
        screen.progress(&format!(
            "{} `segue init {}` writes this pipeline into a folder of yours",
            screen.style().cyan("hint:"),
            demo.template
        ));
        if once || exit != Exit::Done || !again(program)? {
            return Ok(exit);
        }
    }
}

impl Demo {
    fn run(&self, speed: f64, program: &mut Program) -> Result<Exit, Problem> {
        let files: BTreeMap<String, String> = templates::files(self.template)
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        let loaded = segue::file::load_from(
            &files,
            self.file,
            self.file,
            &program.registry,
            LoadOptions::default(),
        )?;
        // A second look is not slower than the first.
        let models = program.models.clone();
        program.models = models
            .clone()
            .before(move |_, model| Arc::new(Paced::new(model, speed)));
        let screen = program.screen;
        screen.progress(
            &screen
                .style()
                .yellow("DEMO: built in and free. No account, no key, no network."),
        );
        let pipeline = Pipeline::from_plan(&loaded.plan, &program.registry)?;
        let attend = Attend {
            total: loaded.plan.run.budget,
            ..Attend::default()
        };
        let runtime = desk::runtime()?;
        let exit = runtime.block_on(async {
            // It leaves nothing behind.
            let desk = Desk::open(program, Project::nowhere(), Open::ToWrite).await?;
            let launch = desk.runner.start(&pipeline, (self.inputs)()).trigger("cli");
            let run = launch.definition(format!("builtin:{}", self.name)).await?;
            attend.follow(&desk, run, program).await
        });
        runtime.shutdown_background();
        program.models = models;
        exit
    }
}

/// Whether somebody at the terminal wants to see it again.
fn again(program: &Program) -> Result<bool, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Problem::new(ErrorKind::Internal, format!("cannot start: {error}")))?;
    let typed = runtime.block_on(Keyboard::default().line("Enter shows it again, q ends: ", program.screen));
    Ok(typed.is_some_and(|line| line.is_empty()))
}

fn text_of(template: &str, name: &str) -> &'static str {
    templates::files(template)
        .find(|(path, _)| *path == name)
        .map(|(_, text)| text)
        .unwrap_or_default()
}
