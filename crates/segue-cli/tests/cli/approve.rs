//! `approve`: one tool call with exactly these arguments, allowed or refused.

use serde_json::Value as Json;

use crate::project::Project;

/// A run that waits for leave to read something.
fn waiting() -> Project {
    let project = Project::strategist();
    project.write(
        "send.yaml",
        r#"version: 1
name: send
models: { m: { use: sim/script, file: send.script.yaml } }
agents:
  sender: { instructions: Send it., model: m, tools: [{ name: segue.save_artifact, approval: ask }] }
steps:
  sent: { agent: sender, prompt: Go. }
output: steps.sent.output
"#,
    );
    project.write(
        "send.script.yaml",
        "version: 1\nscript:\n  - { times: 1, call: { tool: segue.save_artifact, args: { name: a.txt, content: hello } } }\n  - { reply: Done. }\n",
    );
    project.segue(&["run", "send.yaml", "--no-input", "-q"]).exits(3);
    project
}

fn asked(project: &Project) -> Json {
    let run = project.json("run", &["runs", "show", "last"], 0);
    run["questions"][0].clone()
}

#[test]
fn a_call_is_allowed_as_it_is_shown() {
    let project = waiting();
    let question = asked(&project);
    let id = question["id"].as_str().expect("an id");
    let shown = project.segue(&["approve", id]).exits(2);
    assert!(
        shown
            .stderr
            .contains("tool segue.save_artifact, arguments sha256:"),
        "{}",
        shown.stderr
    );
    assert!(
        shown.stderr.contains("nothing was approved") && shown.stderr.contains("--yes"),
        "{}",
        shown.stderr
    );

    let hash = question["approval"]["arguments_hash"].as_str().expect("a hash");
    let other = project
        .segue(&["approve", id, "--yes", "--hash", "0123456789abcdef", "--json"])
        .exits(2);
    assert_eq!(other.json()["error"]["kind"], "conflict");
    assert!(other.stderr.contains(hash), "{}", other.stderr);
    project
        .segue(&["approve", id, "--yes", "--hash", "0123"])
        .exits(2);

    let approved = project.segue(&[
        "approve",
        id,
        "--yes",
        "--hash",
        &hash[.."sha256:".len() + 12],
        "--json",
    ]);
    let approved = approved.exits(0).json();
    assert_eq!(
        (&approved["schema"], &approved["accepted"]),
        (&"segue.answer/1".into(), &true.into())
    );
    assert_eq!(approved["question"]["answer"]["approved"], true);
    assert_eq!(approved["run"]["status"], "succeeded");
    let again = project.segue(&["approve", id, "--yes"]).exits(2);
    assert!(again.stderr.contains("has been answered"), "{}", again.stderr);
}

#[test]
fn a_call_is_refused_with_the_reason() {
    let project = waiting();
    project.segue(&["approve", "last", "--reason", "x"]).exits(2);
    project.segue(&["approve", "last", "--yes", "--reject"]).exits(2);
    let refused = project.segue(&["approve", "last", "--reject", "--reason", "not now"]);
    assert_eq!(
        refused.exit,
        Some(0),
        "the agent goes on without it: {}",
        refused.stderr
    );
    assert_eq!(refused.stdout, "Done.\n");
    let logs = project.segue(&["runs", "logs", "last"]).exits(0);
    assert!(logs.stdout.contains("not now"), "{}", logs.stdout);
}

#[test]
fn other_questions_are_answered() {
    let project = Project::strategist();
    project
        .segue(&[
            "run",
            "strategist.yaml",
            "--key",
            "exp-7",
            "--step",
            "input",
            "--no-input",
            "-q",
        ])
        .exits(3);
    let wrong = project.segue(&["approve", "last", "--yes"]).exits(2);
    assert!(
        wrong.stderr.contains("asks for no approval") && wrong.stderr.contains("`segue answer q_"),
        "{}",
        wrong.stderr
    );
}
