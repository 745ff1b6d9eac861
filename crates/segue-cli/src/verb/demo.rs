//! `demo`: a pipeline that runs with no key, no network and no cost, so that a newcomer sees one at work.

use std::collections::BTreeMap;

use segue::file::suggest::Nearest;
use segue::file::{LoadOptions, scalar};
use segue::{ErrorKind, Pipeline, Scripted};
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

/// A pipeline to show.
struct Demo {
    name: &'static str,
    template: &'static str,
    file: &'static str,
    script: Option<&'static str>,
    inputs: fn() -> Json,
}

const DEMOS: [Demo; 2] = [
    Demo {
        name: "research",
        template: "research",
        file: "research.yaml",
        script: Some("research.script.yaml"),
        inputs: || json!({"topic": "tides"}),
    },
    Demo {
        name: "documents",
        template: "document-router",
        file: "document_router.yaml",
        script: None,
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
        if let Some(script) = self.script {
            let text = faster(files.get(script).map(String::as_str).unwrap_or_default(), speed);
            let scripted = Scripted::from_yaml(&text).map_err(|faults| {
                Problem::new(ErrorKind::Internal, format!("the script of the demo: {faults}"))
            })?;
            // Under the name the file asks for, a model of the program comes first.
            program.models = program.models.clone().with("sim/script", scripted);
        }
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
        exit
    }
}

/// A script whose delays are so many times shorter.
fn faster(script: &str, speed: f64) -> String {
    let line = |line: &str| {
        let shorter = line.split_once("delay: ").and_then(|(before, after)| {
            let end = after.find([',', ' ', '}']).unwrap_or(after.len());
            let delay = scalar::duration_text(&after[..end]).ok()?;
            let ms = (delay.as_secs_f64() * 1000.0 / speed).round().max(1.0);
            Some(format!("{before}delay: {ms}ms{}", &after[end..]))
        });
        shorter.unwrap_or_else(|| line.to_owned())
    };
    script.lines().map(line).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::faster;

    #[test]
    fn speed_shortens_every_delay() {
        let script = "- { agent: a, delay: 1s, reply: x }\n- agent: b\n  delay: 300ms\n- reply: c";
        assert_eq!(
            faster(script, 2.0),
            "- { agent: a, delay: 500ms, reply: x }\n- agent: b\n  delay: 150ms\n- reply: c"
        );
        assert_eq!(
            faster(script, 1.0).lines().next(),
            Some("- { agent: a, delay: 1000ms, reply: x }")
        );
    }
}
