//! Secrets by name: found where they are used, unknown ones named at the start, and never by a file nobody trusts.

use std::process::Command;

use crate::program::{Said, said};
use crate::project::Project;

/// A store whose password is a secret; nobody listens there.
const STORE: &str = "[store]\nurl = \"postgres://ada:secret://DB@127.0.0.1:1/runs\"\n";

fn with(mut command: Command, secrets: &[(&str, &str)]) -> Said {
    for (name, value) in secrets {
        command.env(format!("SEGUE_SECRET_{name}"), value);
    }
    said(command.output().expect("the binary runs"))
}

#[test]
fn a_secret_that_is_not_set_stops_before_the_start() {
    let project = Project::empty();
    project.write("named.toml", STORE);
    let list = || project.command(&["runs", "list", "--config", "named.toml", "--json"]);
    let unknown = with(list(), &[("DBS", "x")]).exits(2);
    let error = &unknown.json()["error"];
    let fault = &error["faults"][0];
    assert_eq!(
        (&fault["code"], &fault["line"]),
        (&"unknown_secret".into(), &2.into()),
        "{error:#}"
    );
    assert_eq!(fault["suggestion"], "DBS");
    assert!(error.to_string().contains("`SEGUE_SECRET_DB`"), "{error:#}");
    assert!(
        unknown.stderr.contains("`store.url` names the secret `DB`"),
        "{}",
        unknown.stderr
    );

    let known = with(list(), &[("DB", "correct horse")]).exits(2);
    assert_eq!(
        known.json()["error"]["kind"],
        "store",
        "it went there and found nobody: {}",
        known.stderr
    );
    assert!(
        !known.stderr.contains("horse") && !known.stdout.contains("horse"),
        "{known:#?}"
    );
}

#[test]
fn a_project_names_secrets_only_when_it_is_trusted() {
    let project = Project::empty();
    project.write("segue.toml", STORE);
    let list = || project.command(&["runs", "list", "--json"]);
    let secrets = [("DB", "correct horse")];
    let refused = with(list(), &secrets).exits(2);
    let error = &refused.json()["error"];
    assert_eq!(error["faults"][0]["code"], "command_not_allowed", "{error:#}");
    assert!(
        refused.stderr.contains("`store.url` is not trusted"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("segue doctor --trust"),
        "{}",
        refused.stderr
    );

    let trusted = with(
        project.command(&["doctor", "--trust", "--yes", "--store", "memory:"]),
        &secrets,
    )
    .exits(0);
    assert!(
        trusted
            .stderr
            .contains("segue.toml:2: `store.url` uses the secret in"),
        "{}",
        trusted.stderr
    );
    assert_eq!(with(list(), &secrets).exits(2).json()["error"]["kind"], "store");
}

#[test]
fn doctor_says_which_secrets_there_are_and_not_what() {
    let project = Project::empty();
    project.write("named.toml", STORE);
    let doctor = || project.command(&["doctor", "--config", "named.toml", "--store", "memory:"]);
    let missing = with(doctor(), &[("OTHER", "correct horse")]).exits(1);
    assert!(
        missing.stdout.contains("DB not set, OTHER set (13 characters)"),
        "{}",
        missing.stdout
    );
    assert!(
        missing
            .stdout
            .contains("hint: set the environment variable `SEGUE_SECRET_DB`"),
        "{}",
        missing.stdout
    );
    let there = with(doctor(), &[("DB", "pin")]).exits(0);
    assert!(
        there
            .stdout
            .contains("DB set (3 characters: too short to be redacted)"),
        "{}",
        there.stdout
    );
}

#[test]
fn what_a_person_gives_is_told_to_be_left_out() {
    let project = Project::empty();
    project.write(
        "echo.yaml",
        "version: 1\nname: echo\ninputs: { text: string }\nsteps: { said: { set: \"{{ inputs.text }}\" } }\noutput: steps.said.output\n",
    );
    let run = project.command(&["run", "echo.yaml", "--input", "text=it is correct horse"]);
    let ran = with(run, &[("HOUSE", "correct horse")]).exits(0);
    assert_eq!(ran.stdout, "it is [redacted SEGUE_SECRET_HOUSE]\n");
    assert!(
        ran.stderr.contains("warning: a secret stands in the inputs"),
        "{}",
        ran.stderr
    );
}
