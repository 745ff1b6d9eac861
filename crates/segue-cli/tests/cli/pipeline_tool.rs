//! A pipeline as a tool of an agent: what is said of it before a run, and what a run shows.

use serde_json::json;

use crate::project::Project;

const LIMITS: &str = "[{ name: 'pipeline:facts.yaml', max_calls: 2 }]";

/// A writer who looks something up, and what he looks it up with.
fn letters(tools: &str) -> Project {
    let project = Project::empty();
    let reply = format!(
        "version: 1
name: reply
models: {{ m: {{ use: sim/script, file: script.yaml }} }}
agents: {{ writer: {{ model: m, instructions: Write., tools: {tools} }} }}
steps:
  reply: {{ agent: writer, prompt: When? }}
  sign: {{ set: '{{{{ steps.reply.output }}}} A.' }}
output: steps.sign.output
"
    );
    project.write("reply.yaml", &reply);
    project.write(
        "facts.yaml",
        "version: 1
name: facts
description: Looks a place up.
inputs: { place: string }
models: { small: { use: sim/script, file: script.yaml } }
agents: { clerk: { model: small, instructions: Look., max_tokens: 100 } }
steps: { find: { agent: clerk, prompt: Monday } }
output: steps.find.output
",
    );
    project.write(
        "script.yaml",
        "version: 1
script:
  - agent: writer
    times: 1
    call: [{ tool: 'pipeline:facts.yaml', args: { place: Leipzig } }, { tool: 'pipeline:facts.yaml', args: { place: Jena } }]
  - { agent: clerk, reply: On Monday. }
  - { agent: writer, reply: It opens on Monday. }
",
    );
    project
}

#[test]
fn the_check_reads_it_and_names_its_models() {
    let project = letters(LIMITS);
    let said = project.segue(&["check", "reply.yaml"]).exits(0);
    assert!(
        said.stdout.contains("small") || said.stderr.contains("small"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    project.write(
        "facts.yaml",
        "version: 1\nname: facts\nsteps: { find: { agent: nobody, prompt: x } }\n",
    );
    let said = project.segue(&["check", "reply.yaml"]).exits(2);
    assert!(
        said.stderr.contains("facts.yaml:3") && said.stderr.contains("unknown_agent"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_plan_says_that_it_may_be_called_and_what_that_may_cost() {
    let plan = |tools: &str| {
        let project = letters(tools);
        project.write(
            "segue.toml",
            "[prices.\"sim/script\"]\ninput = \"1\"\noutput = \"1\"\n",
        );
        project.segue(&["plan", "reply.yaml", "--json"]).exits(0).json()
    };
    let plan_of = plan(LIMITS);
    let steps = plan_of["steps"].as_array().expect("a list");
    let paths: Vec<_> = steps.iter().filter_map(|step| step["path"].as_str()).collect();
    assert_eq!(paths, ["reply", "reply/facts/find", "sign"]);
    assert_eq!(
        (&steps[1]["will"], &steps[1]["why"]),
        (
            &json!("maybe"),
            &json!("only when `reply` calls `pipeline:facts.yaml`")
        )
    );
    let tool = &steps[0]["tools"][0];
    assert_eq!(
        (&tool["name"], &tool["approval"], &tool["max_calls"]),
        (&json!("pipeline:facts.yaml"), &json!("allow"), &json!(2))
    );
    // Two calls cost at most twice what one costs, and what repeating it may add.
    let once = plan("[{ name: 'pipeline:facts.yaml', max_calls: 1 }]");
    let most = |plan: &serde_json::Value| -> f64 {
        let most = plan["steps"][1]["cost"]["max_usd"].as_str().expect("it is known");
        most.parse().expect("an amount")
    };
    let (one, two) = (most(&once), most(&plan_of));
    assert!(one > 0.0 && two >= 2.0 * one, "{one} {two}");
    let unlimited = plan("['pipeline:facts.yaml']");
    let unknown = unlimited["cost"]["unknown"].as_array().expect("a list").clone();
    let says = json!("reply/facts/find: how often `pipeline:facts.yaml` will be called");
    assert!(unknown.contains(&says), "{unknown:?}");
}

#[test]
fn a_run_shows_each_call_below_the_step_that_made_it() {
    let project = letters(LIMITS);
    let ran = project.segue(&["run", "reply.yaml", "--json"]).exits(0).json();
    assert_eq!(ran["output"], "It opens on Monday. A.");
    let id = ran["id"].as_str().expect("an id");
    let shown = project.segue(&["runs", "show", id]).exits(0);
    for part in ["reply", "facts", "facts_2", "find"] {
        assert!(shown.stdout.contains(part), "{part}\n{}", shown.stdout);
    }
    let step = project
        .segue(&["runs", "show", id, "--step", "reply/facts_2/find"])
        .exits(0);
    assert!(step.stdout.contains("On Monday."), "{}", step.stdout);
    let logs = project.segue(&["runs", "logs", id]).exits(0);
    assert!(logs.stdout.contains("reply/facts_2/find"), "{}", logs.stdout);
    let graph = project
        .segue(&["graph", "reply.yaml", "--expand", "--format", "mermaid"])
        .exits(0);
    assert!(graph.stdout.contains("may call"), "{}", graph.stdout);
}
