//! An imperative pipeline: plan, research side by side, write, review until the score is good, keep the report.
//!
//! It is one step. Every call it makes is recorded like a step of its own, so it is seen, paid and resumed in the same way.
//! The researchers search through an MCP server, which is started for real. A hosted model answers where the key of one is
//! set; where none is, `research.cassette.yaml` beside this file plays what was recorded, free and without a network.
//!
//! ```sh
//! cargo run --example research
//! cargo run --example research -- record FILE      # with a key: writes another cassette
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use segue::case::Bench;
use segue::model::cassette::{NoSecrets, Recording};
use segue::{Agent, Artifact, Cassette, Cx, EventKind, Models, Pipeline, Registry, Result, Runner};
use segue_models::{Limiters, Providers, Said};
use segue_tools::mcp::{Pins, Program, Reach, Server};
use serde::{Deserialize, Serialize};

/// One for each key, shared by every run of this process.
static LIMITERS: Limiters = Limiters::new();

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct ResearchQuery {
    topic: String,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Plan {
    topics: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Critique {
    score: f64,
    final_report: String,
}

async fn research(cx: Cx, query: ResearchQuery) -> Result<Artifact> {
    let plan: Plan = cx.call("planner", &query.topic).await?;
    let findings: Vec<String> = cx
        .concurrent("collect_sources", plan.topics, |cx, topic| {
            cx.call("researcher", topic)
        })
        .await?;
    let draft: String = cx.call("writer", &findings).await?;
    let report = cx
        .retry("review")
        .attempts(3)
        .run(async |attempt| {
            let critique: Critique = cx.call("reviewer", &draft).feedback(attempt.reason()).await?;
            if critique.score >= 0.8 {
                Ok(critique.final_report)
            } else {
                Err(attempt.again(format!("score {} is below 0.8", critique.score)))
            }
        })
        .await?;
    let artifact = cx.artifacts().save_markdown("report.md", &report).await?;
    cx.artifacts().link("latest-report", &artifact).await?;
    Ok(artifact)
}

/// The agents, each asked through a hosted model where there is a key, else through what was recorded.
fn agents() -> Registry {
    fn agent<Out>(name: &str, instructions: &str) -> Agent<Out>
    where
        Out: segue::Data,
    {
        let agent = Agent::new(name).instructions(instructions);
        agent.model("auto/small").model("recorded")
    }
    Registry::new()
        .agent(&agent::<Plan>("planner", "Split the topic into questions."))
        .agent(
            &agent::<String>(
                "researcher",
                "You research one question. Use the search tool, and name your source.",
            )
            .tool_named("search.*"),
        )
        .agent(&agent::<String>(
            "writer",
            "Write a short, cited Markdown report from the findings.",
        ))
        .agent(&agent::<Critique>(
            "reviewer",
            "Grade the draft from 0 to 1, and improve it.",
        ))
}

/// The search: a server over a folder of saved pages, with the tools that were reviewed and pinned.
fn search() -> Result<Server, Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("research");
    let pins = Pins::read(include_str!("../research/segue.mcp.json"))?;
    let arguments = ["search/server.py", "search/pages"].map(str::to_owned);
    let server = Server::new(
        "search",
        Reach::Program(Program::new("python3", arguments, &folder)),
    );
    Ok(server.pinned(pins.of("search").cloned().unwrap_or_default()))
}

/// Where a cassette is written, and which provider is asked, when it is not one by key.
struct Record {
    file: PathBuf,
    provider: Option<String>,
}

/// `record FILE [ADDRESS]`.
fn asked() -> Option<Record> {
    let mut arguments = std::env::args().skip(1);
    arguments.next().filter(|word| word == "record")?;
    let file = PathBuf::from(arguments.next()?);
    let provider = arguments.next();
    Some(Record { file, provider })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut providers = Providers::new(&LIMITERS, Arc::new(|name| std::env::var(name).ok()));
    let record = asked();
    if let Some(address) = record.as_ref().and_then(|record| record.provider.as_ref()) {
        let said = Said {
            base_url: Some(address.parse()?),
            ..Said::default()
        };
        providers = providers.provider("scripted", said);
        providers = providers.name("auto/small", vec!["scripted/small".to_owned()]);
    }
    let cassette = include_str!("research.cassette.yaml");
    let cassette = Cassette::from_yaml(cassette).map_err(|faults| faults.to_string())?;
    let mut models = Models::offline().with("recorded", cassette).source(providers);
    let prices = Bench::default().prices.with_local("scripted");
    let recording = Recording::new(prices, None, Arc::new(NoSecrets));
    if record.is_some() {
        let recording = recording.clone();
        models = models.before(move |entry, model| Arc::new(recording.model(&entry.name, model)));
    }

    let search = Arc::new(search()?);
    let runner = Runner::builder()
        .registry(search.tools().fold(agents(), Registry::tool))
        .models(models)
        .build()?;

    let pipeline = Pipeline::define("research", |p, query| p.step("research", research, query))?;
    let query = ResearchQuery {
        topic: "GenAI evaluation frameworks".to_owned(),
    };
    let run = runner.start(&pipeline, query).await?;
    let done = run.done().await;
    search.close().await;
    let done = done?;
    if let Some(record) = record {
        let recorded = recording.finish(None).map_err(|failure| failure.message)?;
        std::fs::write(&record.file, &recorded.text)?;
        println!("recorded {} calls in {}", recorded.calls, record.file.display());
    }

    for (agent, share) in done.view().by_agent() {
        println!("{agent:<11} {} calls", share.calls);
    }
    for event in done.log().events() {
        if let EventKind::StepNote { text, .. } = event.kind {
            println!("{text}");
        }
    }
    let report = run
        .artifact(&done.output.name)
        .await
        .expect("it is read")
        .unwrap_or_default();
    println!("\n{}\n", String::from_utf8_lossy(&report));
    let newest = runner
        .link("research", "latest-report")
        .await
        .expect("it is read");
    println!(
        "`latest-report` is {} of {} bytes, for {}",
        newest[0].name, newest[0].bytes, done.cost
    );
    Ok(())
}
