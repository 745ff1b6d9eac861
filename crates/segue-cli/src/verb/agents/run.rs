//! `agents run`: a pattern in one call. Agents that the program registers and those of the pipeline files here become a plan
//! that has all they need, so that a run of it goes on in any process of the project.

use std::path::PathBuf;

use segue::fault::{Faults, quote};
use segue::file::suggest::Nearest;
use segue::file::{Loaded, Rejected, Sources};
use segue::{ErrorKind, Pattern, Pipeline};
use serde_json::{Value as Json, json};

use super::{Known, all};
use crate::arguments::{OfPattern, RunAgents};
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::start::{Marks, Start};
use crate::store::Open;
use crate::verb::run::one_form;
use crate::{inputs, patterns, secrets, servers};

/// How a record says that a run is of agents put to work in one call.
const DEFINITION: &str = "agents:";

/// Puts agents to work and follows the run.
pub(super) fn run(arguments: &RunAgents, program: &mut Program) -> Result<Exit, Problem> {
    one_form(&arguments.follow, program)?;
    let marks = Marks::read(&arguments.marks)?;
    let project = Project::find(None, &program.common)?;
    let mut loaded = load(&arguments.of, program)?;
    let given = json!({"prompt": inputs::text(&arguments.prompt)?});
    secrets::warn_of("the prompt", &given, program.screen);
    let runtime = desk::runtime()?;
    if runtime.block_on(servers::pin_first(&loaded.plan, &project, program))? {
        loaded = load(&arguments.of, program)?;
    }
    let path = PathBuf::from(arguments.of.definition());
    let start = Start::of((path, loaded), &arguments.terms)?;
    let pipeline = Pipeline::from_plan(&start.plan, &program.operator(None)?.registry)?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToWrite).await?;
        desk.verify(&start.plan).await?;
        let attend = Attend {
            total: start.total(),
            ..Attend::as_said(&arguments.follow, &desk)
        };
        let launch = start.apply(desk.runner.start(&pipeline, given));
        let run = marks.apply(launch).definition(arguments.of.definition()).await?;
        attend.follow(&desk, run, program).await
    });
    // What is left of an abandoned run ends with the process; nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// The pipeline of a run that was started so, of the agents as they are now; none where it was not.
///
/// # Errors
/// Everything that is wrong with it now.
pub(crate) fn again(definition: &str, program: &Program) -> Result<Option<Pipeline<Json, Json>>, Problem> {
    let Some(of) = OfPattern::of_definition(definition) else {
        return Ok(None);
    };
    let loaded = load(&of, program)?;
    let registry = program.operator(None)?.registry;
    Ok(Some(Pipeline::from_plan(&loaded.plan, &registry)?))
}

/// The pattern as a pipeline, named after its strategy.
fn load(of: &OfPattern, program: &Program) -> Result<Loaded, Problem> {
    let operator = program.operator(None)?;
    check_strategy(&of.strategy, &operator)?;
    let known = all(program)?;
    let cast = of.agents.iter().map(|wanted| find(wanted, &known));
    let cast: Vec<&Known> = cast.collect::<Result<_, _>>()?;
    let mut called: Vec<(String, &Known)> = Vec::new();
    let mut names = Vec::new();
    for agent in cast {
        let is_it = |(_, other): &&(String, &Known)| std::ptr::eq::<Known>(*other, agent);
        if let Some((name, _)) = called.iter().find(is_it) {
            names.push(name.clone());
            continue;
        }
        let name = free(&agent.agent.name, &called);
        names.push(name.clone());
        called.push((name, agent));
    }
    let mut pattern = Pattern::new(&of.strategy, &of.strategy, names);
    for (name, agent) in called {
        if let Some((plan, _)) = &agent.of {
            pattern = pattern.agent(name, plan, &agent.agent.name);
        }
    }
    if let Some(agents) = of.concurrency {
        pattern = pattern.concurrency(agents);
    }
    if let Some(name) = &of.fallback {
        pattern = pattern.fallback(patterns::fallback(name, &operator)?);
    }
    let plan = pattern.plan(&operator.registry).map_err(|error| Rejected {
        name: of.strategy.clone(),
        faults: error.faults().clone(),
        sources: Sources::default(),
    })?;
    Ok(Loaded {
        plan,
        patterns: indexmap::IndexMap::new(),
        warnings: Faults::new(),
        sources: Sources::default(),
    })
}

fn check_strategy(name: &str, operator: &Operator) -> Result<(), Problem> {
    if operator.registry.strategies().any(|known| known == name) {
        return Ok(());
    }
    let nearest = Nearest::of(name, operator.registry.strategies(), "strategies");
    let message = format!("strategy {} does not exist", quote(name));
    let problem = Problem::new(ErrorKind::NotFound, message);
    Err(nearest.hint.into_iter().fold(problem, Problem::hint))
}

/// The agent that a name means: its own, or with the file or the pipeline it is of.
fn find<'a>(wanted: &str, known: &'a [Known]) -> Result<&'a Known, Problem> {
    let (of, name) = match wanted.rsplit_once('#') {
        Some((of, name)) => (Some(of), name),
        None => (None, wanted),
    };
    let is_of = |agent: &&Known| match (of, &agent.of) {
        (None, _) => true,
        (Some(of), Some((plan, path))) => {
            path.as_os_str() == of || plan.name == of || path.file_stem().is_some_and(|stem| stem == of)
        }
        (Some(_), None) => false,
    };
    let found: Vec<&Known> = known.iter().filter(is_of).collect();
    let named: Vec<&Known> = found
        .iter()
        .filter(|agent| agent.agent.name == name)
        .copied()
        .collect();
    match named.as_slice() {
        [one] => Ok(*one),
        [] => {
            let problem = Problem::new(
                ErrorKind::NotFound,
                format!("there is no agent {}", quote(wanted)),
            );
            // Where nothing is called like what stands before the `#`, that is what is wrong.
            let those = if found.is_empty() {
                known.iter().collect()
            } else {
                found
            };
            let names: Vec<String> = match of {
                None => those.iter().map(|agent| agent.agent.name.clone()).collect(),
                Some(_) => those.iter().map(|agent| agent.called()).collect(),
            };
            let nearest = Nearest::of(wanted, names.iter().map(String::as_str), "agents");
            let problem = nearest.hint.into_iter().fold(problem, Problem::hint);
            Err(problem.hint("`segue agents ls` shows who there is"))
        }
        several => {
            let message = format!("{} agents are called {}", several.len(), quote(wanted));
            let problem = Problem::usage(message);
            let one = |problem: Problem, agent: &&Known| problem.hint(format!("`{}`", agent.called()));
            Err(several.iter().fold(problem, one))
        }
    }
}

/// What an agent is called beside those that are there already.
fn free(name: &str, called: &[(String, &Known)]) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let is_free = |name: &String| called.iter().all(|(other, _)| other != name);
    names.find(is_free).unwrap_or_default()
}

impl Known {
    /// What it is called where several have its name.
    fn called(&self) -> String {
        match &self.of {
            Some((_, path)) => format!("{}#{}", path.display(), self.agent.name),
            None => self.agent.name.clone(),
        }
    }
}

impl OfPattern {
    /// How a record names it.
    fn definition(&self) -> String {
        let mut text = format!("{DEFINITION}{}", written(&self.strategy));
        for agent in &self.agents {
            text.push_str(&format!(" {}", written(agent)));
        }
        if let Some(agents) = self.concurrency {
            text.push_str(&format!(" --concurrency {agents}"));
        }
        if let Some(pattern) = &self.fallback {
            text.push_str(&format!(" --fallback {}", written(pattern)));
        }
        text
    }

    /// The one that a record names.
    fn of_definition(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix(DEFINITION)?.split(' ');
        let mut of = Self {
            strategy: read(words.next()?),
            agents: Vec::new(),
            concurrency: None,
            fallback: None,
        };
        while let Some(word) = words.next() {
            match word {
                "--concurrency" => of.concurrency = Some(words.next()?.parse().ok()?),
                "--fallback" => of.fallback = Some(read(words.next()?)),
                agent => of.agents.push(read(agent)),
            }
        }
        Some(of)
    }
}

/// A word of a record, with what is between words in another form where a name has it.
fn written(word: &str) -> String {
    word.replace('%', "%25").replace(' ', "%20")
}

/// The word that was written so.
fn read(word: &str) -> String {
    word.replace("%20", " ").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use segue::{Agent, Models, Registry};

    use super::*;
    use crate::arguments::{Color, Common};
    use crate::output::Output;
    use crate::terminal::Screen;

    /// A program with two agents, and a configuration with a pattern of one of them.
    fn program(config: &std::path::Path) -> Program {
        std::fs::write(config, "[patterns.quick]\nsteps = [\"b\"]\n").expect("a file");
        let common = Common {
            json: false,
            quiet: true,
            color: Color::Never,
            store: None,
            config: Some(config.to_owned()),
            version: None,
        };
        let agent = |name: &str| Agent::<String>::new(name).model("sim/schema");
        Program {
            registry: Registry::new().agent(&agent("a")).agent(&agent("b")),
            models: Models::offline(),
            screen: Screen::new(&common),
            common,
            output: Output::stdout(),
        }
    }

    #[test]
    fn registered_agents_need_no_file_and_a_pattern_stands_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = program(&folder.path().join("config.toml"));
        let of = OfPattern {
            strategy: "conditional".to_owned(),
            agents: ["a", "b", "a"].map(str::to_owned).to_vec(),
            concurrency: Some(2),
            fallback: Some("quick".to_owned()),
        };
        let plan = load(&of, &program).expect("all of it is there").plan;
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "a_2"]);
        assert_eq!((plan.run.max_parallel, plan.agents.len()), (2, 0));
        let instead = plan.on_failure.as_ref().expect("a pattern stands in");
        assert_eq!(
            (instead.plan.name.as_str(), instead.plan.steps.len()),
            ("quick", 1)
        );
    }

    #[test]
    fn a_record_names_what_was_said() {
        let of = OfPattern {
            strategy: "parallel".to_owned(),
            agents: vec!["a".to_owned(), "review.yaml#b".to_owned()],
            concurrency: Some(2),
            fallback: Some("quick".to_owned()),
        };
        let text = of.definition();
        assert_eq!(
            text,
            "agents:parallel a review.yaml#b --concurrency 2 --fallback quick"
        );
        assert_eq!(OfPattern::of_definition(&text), Some(of));
        let of = OfPattern {
            strategy: "sequential".to_owned(),
            agents: vec!["my letters.yaml#a".to_owned(), "100%20 b.yaml#c".to_owned()],
            concurrency: None,
            fallback: None,
        };
        let text = of.definition();
        assert_eq!(text, "agents:sequential my%20letters.yaml#a 100%2520%20b.yaml#c");
        assert_eq!(OfPattern::of_definition(&text), Some(of));
        assert_eq!(OfPattern::of_definition("file:review.yaml"), None);
    }
}
