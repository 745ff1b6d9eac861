//! `artifacts`: what runs left behind, listed, printed and saved.

use serde_json::Value as Json;

use crate::kept::Kept;
use crate::shapes::{fits, schema};

/// Two runs that saved a report each, the older first.
fn reported(kept: &Kept) -> [String; 2] {
    ["tea", "coffee\n"].map(|text| kept.ran(&["report.yaml", "--text", text]))
}

fn names_of_runs(items: &Json) -> Vec<&str> {
    let runs = items["items"].as_array().into_iter().flatten();
    runs.filter_map(|item| item["run"].as_str()).collect()
}

#[test]
fn artifacts_are_listed_by_run_by_link_and_by_pipeline() {
    let kept = Kept::new();
    let [old, new] = reported(&kept);
    for (flags, expected) in [
        (&[][..], vec![&new, &old]),
        (&[old.as_str()], vec![&old]),
        (&["last"], vec![&new]),
        (&["--pipeline", "report"], vec![&new, &old]),
        (&["--pipeline", "another"], vec![]),
        (&["--link", "latest"], vec![&new, &old]),
        (&["--link", "another"], vec![]),
        (&["last", "--link", "latest"], vec![&new]),
    ] {
        let found = kept
            .segue(&[&["artifacts", "ls", "--json"], flags].concat())
            .exits(0)
            .json();
        fits(&schema("artifacts"), &found);
        assert_eq!(names_of_runs(&found), expected, "{flags:?}");
    }
    let table = kept
        .segue(&["artifacts", "ls", "--link", "latest"])
        .exits(0)
        .stdout;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "run", "pipeline", "artifact", "version", "link", "size", "type", "saved"
        ]
    );
    assert_eq!(
        rows[1][..7],
        [new.as_str(), "report", "report.md", "2", "latest", "7", "B"],
        "{table}"
    );
}

#[test]
fn bytes_come_as_they_were_saved() {
    let kept = Kept::new();
    let [old, new] = reported(&kept);
    for (name, back, expected) in [
        (format!("{new}/report.md"), &[][..], "coffee\n"),
        (format!("{old}/report.md"), &[], "tea"),
        (format!("{}/report.md", &old[..12]), &[], "tea"),
        ("last/report.md".to_owned(), &[], "coffee\n"),
        ("report@latest".to_owned(), &[], "coffee\n"),
        ("report@latest".to_owned(), &["--version", "0"], "coffee\n"),
        ("report@latest".to_owned(), &["--version", "1"], "tea"),
    ] {
        let said = kept
            .segue(&[&["artifacts", "cat", &name], back].concat())
            .exits(0);
        assert_eq!(
            (said.stdout.as_str(), said.stderr.as_str()),
            (expected, ""),
            "{name} {back:?}"
        );
    }
    let object = kept
        .segue(&["artifacts", "cat", "report@latest", "--json"])
        .exits(0)
        .json();
    fits(&schema("artifacts"), &object);
    assert_eq!(object["items"][0]["text"], "coffee\n");
}

#[test]
fn an_artifact_is_saved_into_a_file_or_a_folder_and_replaces_nothing() {
    let kept = Kept::new();
    reported(&kept);
    std::fs::create_dir(kept.path("folder")).expect("the folder can be written");
    let read = |name: &str| std::fs::read_to_string(kept.path(name)).expect("it is there");
    let said = kept
        .segue(&["artifacts", "save", "report@latest", "mine.md"])
        .exits(0);
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str()),
        ("", "wrote mine.md, 7 B\n")
    );
    assert_eq!(read("mine.md"), "coffee\n");
    let object = kept
        .segue(&["artifacts", "save", "last/report.md", "folder", "--json"])
        .exits(0)
        .json();
    fits(&schema("artifacts"), &object);
    assert_eq!(object["items"][0]["path"], "folder/report.md");
    assert_eq!(read("folder/report.md"), "coffee\n");
    let back = ["artifacts", "save", "report@latest", "mine.md", "--version", "1"];
    let refused = kept.segue(&back).exits(2);
    assert!(
        refused.stderr.contains("`mine.md` is there already\nhint:"),
        "{}",
        refused.stderr
    );
    assert_eq!(read("mine.md"), "coffee\n");
    kept.segue(&[&back[..], &["--force"]].concat()).exits(0);
    assert_eq!(read("mine.md"), "tea");
}

#[test]
fn a_linked_artifact_outlives_its_run_under_both_its_names() {
    let kept = Kept::new();
    let [old, new] = reported(&kept);
    kept.segue(&["runs", "rm", &old, &new, "--yes"]).exits(0);
    kept.age_blobs();
    assert_eq!(
        kept.segue(&["artifacts", "cat", "report@latest", "--version", "1"])
            .exits(0)
            .stdout,
        "tea"
    );
    for name in [&old, &old[4..14]] {
        let said = kept
            .segue(&["artifacts", "cat", &format!("{name}/report.md")])
            .exits(0);
        assert_eq!(said.stdout, "tea");
    }
    let listed = kept.segue(&["artifacts", "ls", "--json"]).exits(0).json();
    assert_eq!(names_of_runs(&listed), [&new, &old]);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let kept = Kept::new();
    reported(&kept);
    for (arguments, parts) in [
        (
            &["cat", "report"][..],
            &["names neither a run nor a link", "hint: write RUN/NAME"][..],
        ),
        (
            &["cat", "last/reprot.md"],
            &[
                "there is no artifact `last/reprot.md`",
                "did you mean `report.md`?",
            ],
        ),
        (
            &["cat", "report@newest"],
            &["there is no link `report@newest`", "segue artifacts ls"],
        ),
        (&["cat", "zzzz/report.md"], &["there is no run `zzzz`"]),
        (&["cat", "last/../x"], &["is no artifact"]),
        (
            &["cat", "report@latest", "--version", "2"],
            &["has 2 versions", "`--version 1` is the oldest"],
        ),
        (
            &["cat", "report@latest", "--version", "x"],
            &["a number of versions back"],
        ),
        (&["ls", "zzzz"], &["there is no run `zzzz`"]),
    ] {
        let said = kept.segue(&[&["artifacts"], arguments].concat()).exits(2);
        for part in parts {
            assert!(
                said.stderr.contains(part),
                "{arguments:?}: {part}\n{}",
                said.stderr
            );
        }
        assert_eq!(said.stdout, "");
    }
    for file in kept.blobs() {
        std::fs::remove_file(file).expect("it is ours");
    }
    let said = kept.segue(&["artifacts", "cat", "report@latest"]).exits(2);
    assert!(
        said.stderr
            .contains("`report.md` cannot be read: its bytes are gone"),
        "{}",
        said.stderr
    );
}
