//! An imperative pipeline: plan, research side by side, write, review until the score is good, keep the report.
//!
//! It is one step. Every call it makes is recorded like a step of its own, so it is seen, paid and resumed in the same way.
//! The agents are answered by a script here; with a hosted model only the name in `MODEL` changes.
//!
//! ```sh
//! cargo run --example research
//! ```

use schemars::JsonSchema;
use segue::model::Rule;
use segue::{Agent, Artifact, Cx, EventKind, Models, Pipeline, Registry, Result, Runner, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::json;

const MODEL: &str = "sim/research";

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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agents = Registry::new()
        .agent(
            &Agent::<Plan>::new("planner")
                .instructions("Split the topic into questions.")
                .model(MODEL),
        )
        .agent(
            &Agent::<String>::new("researcher")
                .instructions("Answer one question.")
                .model(MODEL),
        )
        .agent(
            &Agent::<String>::new("writer")
                .instructions("Write a report from findings.")
                .model(MODEL),
        )
        .agent(
            &Agent::<Critique>::new("reviewer")
                .instructions("Score and improve a draft.")
                .model(MODEL),
        );
    let runner = Runner::builder()
        .registry(agents)
        .models(Models::offline().with(MODEL, script()))
        .build()?;

    let pipeline = Pipeline::define("research", |p, query| p.step("research", research, query))?;
    let query = ResearchQuery {
        topic: "How are agents evaluated?".to_owned(),
    };
    let run = runner.start(&pipeline, query).await?;
    let done = run.done().await?;

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

fn script() -> Scripted {
    let plan =
        json!({"topics": ["Which frameworks are there?", "What do they measure?", "What do they cost?"]});
    Scripted::new()
        .rule(Rule::json(plan).agent("planner"))
        .rule(
            Rule::reply("Two open ones are in wide use.")
                .agent("researcher")
                .prompt_contains("frameworks"),
        )
        .rule(
            Rule::reply("Mostly single answers, seldom whole runs.")
                .agent("researcher")
                .prompt_contains("measure"),
        )
        .rule(Rule::reply("A cent for each answer.").agent("researcher"))
        .rule(Rule::reply("A draft on evaluation.").agent("writer"))
        .rule(
            Rule::json(json!({"score": 0.6, "final_report": "# Draft"}))
                .agent("reviewer")
                .times(1),
        )
        .rule(
            Rule::json(json!({"score": 0.9, "final_report": "# Evaluating agents\n\nMeasure whole runs."}))
                .agent("reviewer")
                // The second review is asked with the reason why the first was refused.
                .prompt_contains("0.6 is below 0.8"),
        )
}
