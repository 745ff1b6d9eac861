//! What a project's configuration may do counts once somebody has looked at it, and until it changes.

use serde_json::Value as Json;

use crate::project::{Project, texts};

/// Says where a secret goes.
const POWERFUL: &str = "[[budget]]\nname = \"all\"\nlabel = \"to=secret://HOUSE\"\nrequests_per_day = 3\n";

/// What `doctor` says about it.
fn check(doctor: &Json) -> Json {
    let checks = doctor["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == "trust");
    check.expect("it is looked at").clone()
}

#[test]
fn a_file_counts_when_it_was_accepted_as_it_is() {
    let project = Project::empty();
    project.write("segue.toml", POWERFUL);
    let before = check(&project.json("doctor", &["doctor"], 1));
    assert_eq!(before["ok"], false);
    let lines = texts(&before["lines"]);
    assert_eq!(lines.len(), 1, "{before:#}");
    assert!(
        lines[0].contains("segue.toml:3: `budget.0.label` uses the secret in `to=secret://HOUSE`"),
        "{lines:?}"
    );

    let alone = project.segue(&["doctor", "--trust"]).exits(2);
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
    project.segue(&["doctor"]).exits(1);

    let accepted = project.segue(&["doctor", "--trust", "--yes"]).exits(0);
    assert!(
        accepted.stderr.contains("segue.toml:3: `budget.0.label`"),
        "{}",
        accepted.stderr
    );
    assert_eq!(check(&project.json("doctor", &["doctor"], 0))["ok"], true);

    project.write("segue.toml", &POWERFUL.replace("HOUSE", "OTHER"));
    assert_eq!(
        check(&project.json("doctor", &["doctor"], 1))["ok"],
        false,
        "it has changed"
    );
    project.write("segue.toml", POWERFUL);
    assert_eq!(
        check(&project.json("doctor", &["doctor"], 0))["ok"],
        true,
        "it is as it was"
    );
}

#[test]
fn a_repository_cannot_bring_its_acceptance_along() {
    let (mine, other) = (Project::empty(), Project::empty());
    for project in [&mine, &other] {
        project.write("segue.toml", POWERFUL);
    }
    mine.segue(&["doctor", "--trust", "--yes"]).exits(0);
    let mut command = other.command(&["doctor"]);
    let said = crate::program::said(
        command
            .env("XDG_STATE_HOME", mine.path().join("state"))
            .output()
            .expect("the binary runs"),
    );
    assert_eq!(said.exit, Some(1), "the same text somewhere else: {said:#?}");
    // Not even a state folder of the project's own that its user has named by a relative path.
    let mut command = mine.command(&["doctor"]);
    let home = tempfile::tempdir().expect("a folder");
    let said = crate::program::said(
        command
            .env("XDG_STATE_HOME", "state")
            .env("HOME", home.path())
            .output()
            .expect("the binary runs"),
    );
    assert_eq!(said.exit, Some(1), "{said:#?}");
}

#[test]
fn what_cannot_be_read_or_kept_is_not_accepted() {
    let project = Project::empty();
    let none = project.segue(&["doctor", "--trust", "--yes"]).exits(2);
    assert!(
        none.stderr.contains("there is no `segue.toml`"),
        "{}",
        none.stderr
    );
    project.write("segue.toml", "[stores]\n");
    let wrong = project.segue(&["doctor", "--trust", "--yes"]).exits(2);
    assert!(wrong.stderr.contains("has no key `stores`"), "{}", wrong.stderr);
    project.write("segue.toml", POWERFUL);
    project.write("state", "no folder");
    let unkept = project.segue(&["doctor", "--trust", "--yes"]).exits(2);
    assert!(unkept.stderr.contains("was not accepted"), "{}", unkept.stderr);
}

#[test]
fn what_does_nothing_of_the_kind_needs_no_trust() {
    let project = Project::empty();
    project.write("segue.toml", "[limits]\nmax_runs = 3\n");
    let trust = check(&project.json("doctor", &["doctor"], 0));
    assert!(
        trust["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("starts nothing")),
        "{trust:#}"
    );
    project.segue(&["doctor", "--yes"]).exits(2);
}
