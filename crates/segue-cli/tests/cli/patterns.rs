//! Patterns on the command line: which one is meant, how it is shown, and what is wrong with its name.

use crate::program::segue_in;
use crate::project::Project;

const REVIEW: &str = "version: 1
name: review
models: { m: local/extractive }
agents:
  first: { model: m, instructions: Summarize text concisely. }
  second: { model: m, instructions: Summarize text concisely. }
patterns:
  one: { steps: [first], prompt: A text about repair centres in Leipzig. }
  both: { strategy: parallel, steps: [first, second, first], prompt: A text about repair centres in Leipzig. }
  asks: { strategy: conditional, steps: [first, second] }
default_pattern: both
";

fn review() -> Project {
    let project = Project::empty();
    project.write("review.yaml", REVIEW);
    project
}

#[test]
fn a_pattern_is_run_by_file_by_name_and_by_default() {
    let project = review();
    for (named, label, steps) in [
        ("review.yaml", "both", 3),
        ("review", "both", 3),
        ("review.yaml#one", "one", 1),
        ("review#one", "one", 1),
    ] {
        let run = project.json("run", &["run", named], 0);
        assert_eq!(run["pipeline"], "review", "{named}");
        assert_eq!(run["pattern"]["name"], label, "{named}");
        assert_eq!(
            run["steps"].as_object().map(serde_json::Map::len),
            Some(steps),
            "{named}"
        );
    }
    let said = project
        .segue(&["run", "review#asks", "--prompt", "We open in Leipzig."])
        .exits(0);
    assert!(said.stderr.contains("review#asks (2 steps)"), "{}", said.stderr);
}

#[test]
fn what_is_shown_before_a_run() {
    let project = review();
    let checked = project.segue(&["check", "--strict"]).exits(0);
    for part in ["`review#both` has 3 steps", "patterns one both asks"] {
        assert!(checked.stdout.contains(part), "{}", checked.stdout);
    }
    let graph = project.json("graph", &["graph", "review#asks"], 0);
    assert_eq!(graph["pattern"]["strategy"], "conditional");
    assert!(
        graph["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("review#asks (conditional): 2 steps"))
    );
    let plan = project.json("plan", &["plan", "review#one"], 0);
    assert_eq!(plan["pattern"]["name"], "one");
    assert_eq!(
        plan["steps"][0]["prompt"]["user"],
        "A text about repair centres in Leipzig."
    );
    assert_eq!(plan["steps"][0]["prompt"]["status"], "exact");
    let asks = project.json("plan", &["plan", "review#asks", "--prompt", "Well?"], 0);
    let second = &asks["steps"][1];
    assert_eq!(
        second["prompt"]["user"],
        "## first\n‹steps.first.output›\n\nWell?"
    );
    assert_eq!(
        second["prompt"]["waiting_for"],
        serde_json::json!(["steps.first.output"])
    );
    assert_eq!(second["will"], "maybe");
    let other = project.json("plan", &["plan", "review#one", "--prompt", "Another."], 0);
    assert_eq!(other["steps"][0]["prompt"]["user"], "Another.");
}

#[test]
fn a_pattern_that_is_not_there_is_refused() {
    let project = review();
    for verb in ["run", "plan", "check", "graph"] {
        let refused = project.segue(&[verb, "review.yaml#bth"]).exits(2);
        for part in [
            "unknown_pattern",
            "there is no pattern `bth`",
            "review.yaml:7:1",
            "did you mean `both`?",
        ] {
            assert!(
                refused.stderr.contains(part),
                "{verb}: {part} is not in {}",
                refused.stderr
            );
        }
    }
    let refused = project.segue(&["run", "revue#one"]).exits(2);
    assert!(
        refused.stderr.contains("pipeline `revue` does not exist"),
        "{}",
        refused.stderr
    );
}

#[test]
fn agents_that_are_not_in_the_program_are_no_pattern_of_the_operator() {
    let project = Project::empty();
    project.write("segue.toml", "[patterns.digest]\nsteps = [\"digester\"]\n");
    let refused = segue_in(project.path(), &["check", "digest"]).exits(2);
    assert!(
        refused.stderr.contains("agent `digester` does not exist"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("segue.toml:2"), "{}", refused.stderr);
    let unknown = segue_in(project.path(), &["run", "digst"]).exits(2);
    assert!(unknown.stderr.contains("`digest`"), "{}", unknown.stderr);
}
