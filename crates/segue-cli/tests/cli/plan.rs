//! `plan`: what would run, and nothing that runs.

use serde_json::{Value as Json, json};

use crate::program::segue;
use crate::project::Project;

#[test]
fn prompts_are_filled_as_far_as_they_are_known() {
    let said = segue(&["plan", "many_ends.yaml", "--end", "flaky"]).exits(0);
    assert!(
        said.stdout
            .contains("first will see, exactly\n  system │ Echo.\n  user   │ flaky\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("  user   │ ‹steps.first.output›\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("only when inputs.end == 'flaky'"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.ends_with("cost   at most $0.00\n"), "{}", said.stdout);
    assert_eq!(said.stderr, "");
}

#[test]
fn the_object_says_the_same() {
    let plan = segue(&[
        "plan",
        "many_ends.yaml",
        "--json",
        "--end",
        "well",
        "--budget",
        "0.25",
    ])
    .exits(0)
    .json();
    assert_eq!(plan["inputs"]["end"], "well");
    assert_eq!(plan["steps"][0]["prompt"]["status"], "exact");
    assert_eq!(plan["steps"][0]["will"], "run");
    assert_eq!(plan["steps"][1]["will"], "maybe");
    assert_eq!(plan["models"]["fast"]["chosen"], "sim/script");
    assert_eq!(plan["budgets"][0]["limits"]["usd"], "0.25");
    assert_eq!(plan["critical_path"], serde_json::json!(["first", "failed"]));
    assert_eq!(plan["cost"]["max_usd"], "0.00");
}

#[test]
fn what_is_not_known_is_named_and_not_invented() {
    let plan = segue(&["plan", "many_ends.yaml", "--json", "--model", "nowhere/large"])
        .exits(0)
        .json();
    assert_eq!(plan["cost"]["max_usd"], serde_json::Value::Null);
    assert_eq!(
        plan["cost"]["unknown"][0],
        "first: no model of nowhere/large is to be had here"
    );
    let bounded = segue(&[
        "plan",
        "many_ends.yaml",
        "--json",
        "--model",
        "nowhere/large",
        "--budget",
        "0.25",
    ])
    .exits(0)
    .json();
    assert_eq!(bounded["cost"]["max_usd"], "0.25");
}

#[test]
fn inputs_are_checked_when_there_are_any() {
    segue(&["plan", "typed.yaml"]).exits(0);
    segue(&["plan", "typed.yaml", "--count", "0"]).exits(2);
}

/// Calls that cost something, by the operator's prices; what the model uses is written down.
fn paid(steps: &str) -> Project {
    let project = Project::empty();
    project.write(
        "paid.yaml",
        &format!(
            "version: 1\nname: paid\nmodels: {{ m: {{ use: sim/script, file: script.yaml }} }}\n\
             agents: {{ writer: {{ instructions: Write., model: m, max_tokens: 100, repairs: 1 }} }}\nsteps:\n{steps}"
        ),
    );
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { reply: Fine., usage: { input_tokens: 10, output_tokens: 20 } }\n",
    );
    project.write(
        "segue.toml",
        "[prices.\"sim/script\"]\ninput = \"100\"\noutput = \"1000\"\n",
    );
    project
}

fn planned(project: &Project) -> Json {
    project.json("plan", &["plan", "paid.yaml"], 0)
}

/// Basis, and what it costs at least, likely and at most.
fn range(step: &Json) -> [Json; 4] {
    let cost = &step["cost"];
    ["basis", "min_usd", "likely_usd", "max_usd"].map(|key| cost[key].clone())
}

fn dollars(figure: &Json) -> f64 {
    figure
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{figure} is no amount"))
}

#[test]
fn before_the_first_run_only_the_most_is_known_and_no_store_is_made() {
    let once = paid("  draft: { agent: writer, prompt: Go. }\n");
    let plan = planned(&once);
    let [basis, least, likely, most] = range(&plan["steps"][0]);
    assert_eq!(
        (&basis, &least, &likely),
        (&json!("bound"), &json!("0.00"), &Json::Null)
    );
    // Two answers of 100 tokens at most, and what goes in.
    assert!(dollars(&most) > 0.2 && dollars(&most) < 0.5, "{most}");
    assert_eq!(plan["cost"]["max_usd"], most);
    let unknown = plan["cost"]["unknown"][0].as_str().expect("it is named");
    assert!(
        unknown.contains("draft: what it is likely to cost") && unknown.contains("sim/script"),
        "{unknown}"
    );
    assert!(!once.path().join(".segue").exists(), "a plan makes no store");
    let again = paid("  draft: { agent: writer, prompt: Go., retries: 2 }\n");
    let thrice = dollars(&planned(&again)["cost"]["max_usd"]);
    assert!(
        thrice >= 3.0 * dollars(&most),
        "{thrice} for three attempts of {most}"
    );
    let limited = paid("  draft: { agent: writer, prompt: Go., retries: 2, budget: { usd: 0.07 } }\n");
    assert_eq!(
        planned(&limited)["steps"][0]["cost"]["max_usd"],
        "0.07",
        "its budget is a bound"
    );
}

#[test]
fn after_a_run_the_plan_says_what_it_is_likely_to_cost() {
    let project = paid(
        "  draft: { agent: writer, prompt: Go. }\n  edit: { agent: writer, prompt: '{{ steps.draft.output }}' }\n",
    );
    let most = dollars(&planned(&project)["steps"][0]["cost"]["max_usd"]);
    let run = project.json("run", &["run", "paid.yaml"], 0);
    let spent = run["cost"]["usd"].as_str().expect("an amount").to_owned();
    assert_eq!(spent, "0.042", "two calls");
    assert!(most >= dollars(&json!(spent)) / 2.0, "the bound holds");
    // Walked without paying, by another model: that says nothing of what this one costs.
    project
        .segue(&["run", "paid.yaml", "--model", "sim/schema", "-q"])
        .exits(0);
    let plan = planned(&project);
    let draft = range(&plan["steps"][0]);
    assert_eq!(draft[..3], [json!("history"), json!("0.021"), json!("0.021")]);
    assert_eq!(dollars(&draft[3]), most);
    let edit = range(&plan["steps"][1]);
    assert_eq!(
        edit,
        [json!("history"), json!("0.021"), json!("0.021"), Json::Null]
    );
    assert_eq!(plan["steps"][1]["prompt"]["tokens"]["likely"], 10);
    assert_eq!(
        (&plan["cost"]["likely_usd"], &plan["cost"]["max_usd"]),
        (&json!("0.042"), &Json::Null)
    );
    assert_eq!(
        plan["cost"]["unknown"],
        json!(["edit: how long the prompt for sim/script will be"])
    );
    let said = project.segue(&["plan", "paid.yaml"]).exits(0).stdout;
    assert!(
        said.contains("cost   likely $0.042, at most an unknown amount\n"),
        "{said}"
    );
    // What was used is priced at what holds now.
    project.write(
        "segue.toml",
        "[prices.\"sim/script\"]\ninput = \"200\"\noutput = \"2000\"\n",
    );
    assert_eq!(planned(&project)["cost"]["likely_usd"], "0.084");
    let bounded = project.json("plan", &["plan", "paid.yaml", "--budget", "0.05"], 0);
    assert_eq!(bounded["cost"]["max_usd"], "0.05");
}

#[test]
fn how_many_items_there_will_be_is_not_invented() {
    let project = paid("  each: { agent: writer, prompt: '{{ item }}', for_each: '[1, 2, 3]' }\n");
    let cost = planned(&project)["cost"].clone();
    assert_eq!(
        (&cost["likely_usd"], &cost["max_usd"]),
        (&Json::Null, &Json::Null)
    );
    assert_eq!(cost["unknown"], json!(["each: the number of items"]));
    project.segue(&["run", "paid.yaml", "-q"]).exits(0);
    assert_eq!(planned(&project)["cost"]["likely_usd"], "0.063", "three items");
}
