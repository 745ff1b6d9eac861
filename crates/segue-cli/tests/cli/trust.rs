//! What a project's configuration may do counts once somebody has looked at it, and until it changes.

use serde_json::Value as Json;

use crate::program::{Said, said};
use crate::project::{Project, texts};

/// Says where a secret goes.
const POWERFUL: &str = "[[budget]]\nname = \"all\"\nlabel = \"to=secret://HOUSE\"\nrequests_per_day = 3\n";

/// Runs a command with the secrets set.
fn segue(project: &Project, arguments: &[&str]) -> Said {
    let mut command = project.command(arguments);
    for name in ["SEGUE_SECRET_HOUSE", "SEGUE_SECRET_OTHER"] {
        command.env(name, "correct horse");
    }
    said(command.output().expect("the binary runs"))
}

/// What `doctor` says about trust, ending like this.
#[track_caller]
fn check(project: &Project, exit: i32) -> Json {
    let doctor = segue(project, &["doctor", "--json"]).exits(exit).json();
    let checks = doctor["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == "trust");
    check.expect("it is looked at").clone()
}

#[test]
fn a_file_counts_when_it_was_accepted_as_it_is() {
    let project = Project::empty();
    project.write("segue.toml", POWERFUL);
    let before = check(&project, 1);
    assert_eq!(before["ok"], false);
    let lines = texts(&before["lines"]);
    assert_eq!(lines.len(), 1, "{before:#}");
    assert!(
        lines[0].contains("segue.toml:3: `budget.0.label` uses the secret in `to=secret://HOUSE`"),
        "{lines:?}"
    );

    let alone = segue(&project, &["doctor", "--trust"]).exits(2);
    assert!(
        alone.stderr.contains("segue.toml:3: `budget.0.label`"),
        "{}",
        alone.stderr
    );
    assert!(
        alone.stderr.contains("nothing was accepted") && alone.stderr.contains("`--yes`"),
        "{}",
        alone.stderr
    );
    segue(&project, &["doctor"]).exits(1);

    let accepted = segue(&project, &["doctor", "--trust", "--yes"]).exits(0);
    assert!(
        accepted.stderr.contains("segue.toml:3: `budget.0.label`"),
        "{}",
        accepted.stderr
    );
    assert_eq!(check(&project, 0)["ok"], true);

    project.write("segue.toml", &POWERFUL.replace("HOUSE", "OTHER"));
    assert_eq!(check(&project, 1)["ok"], false, "it has changed");
    project.write("segue.toml", POWERFUL);
    assert_eq!(check(&project, 0)["ok"], true, "it is as it was");
}

#[test]
fn a_repository_cannot_bring_its_acceptance_along() {
    let (mine, other) = (Project::empty(), Project::empty());
    for project in [&mine, &other] {
        project.write("segue.toml", POWERFUL);
    }
    segue(&mine, &["doctor", "--trust", "--yes"]).exits(0);
    let mut command = other.command(&["doctor"]);
    let refused = said(
        command
            .env("SEGUE_SECRET_HOUSE", "correct horse")
            .env("XDG_STATE_HOME", mine.path().join("state"))
            .output()
            .expect("the binary runs"),
    );
    assert!(
        refused.stdout.contains("was not accepted"),
        "the same text somewhere else: {refused:#?}"
    );
    // Not even a state folder of the project's own that its user has named by a relative path.
    let mut command = mine.command(&["doctor"]);
    let home = tempfile::tempdir().expect("a folder");
    let refused = said(
        command
            .env("SEGUE_SECRET_HOUSE", "correct horse")
            .env("XDG_STATE_HOME", "state")
            .env("HOME", home.path())
            .output()
            .expect("the binary runs"),
    );
    assert!(refused.stdout.contains("was not accepted"), "{refused:#?}");
}

#[test]
fn what_cannot_be_read_or_kept_is_not_accepted() {
    let project = Project::empty();
    let none = segue(&project, &["doctor", "--trust", "--yes"]).exits(2);
    assert!(
        none.stderr.contains("there is no `segue.toml`"),
        "{}",
        none.stderr
    );
    project.write("segue.toml", "[stores]\n");
    let wrong = segue(&project, &["doctor", "--trust", "--yes"]).exits(2);
    assert!(wrong.stderr.contains("has no key `stores`"), "{}", wrong.stderr);
    project.write("segue.toml", POWERFUL);
    project.write("state", "no folder");
    let unkept = segue(&project, &["doctor", "--trust", "--yes"]).exits(2);
    assert!(unkept.stderr.contains("was not accepted"), "{}", unkept.stderr);
}

#[test]
fn what_does_nothing_of_the_kind_needs_no_trust() {
    let project = Project::empty();
    project.write("segue.toml", "[limits]\nmax_runs = 3\n");
    let trust = check(&project, 0);
    assert!(
        trust["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("starts nothing")),
        "{trust:#}"
    );
    segue(&project, &["doctor", "--yes"]).exits(2);
}
