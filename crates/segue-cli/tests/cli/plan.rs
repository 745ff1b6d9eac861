//! `plan`: what would run, and nothing that runs.

use crate::program::segue;

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
