//! `check`: faults as people and programs read them.

use crate::program::{segue, segue_in};

#[test]
fn faults_are_shown_where_they_are_all_at_once() {
    let said = segue(&["check", "faulty.yaml"]).exits(2);
    assert_eq!(said.stdout, "");
    let expected = include_str!("faulty.txt");
    assert_eq!(said.stderr, expected, "{}", said.stderr);
}

#[test]
fn a_good_file_is_one_line() {
    let said = segue(&["check", "mapped.yaml", "typed.yaml"]).exits(0);
    assert_eq!(
        said.stdout,
        "ok: pipeline `mapped` has 1 step, models fast: sim/script, costs at most $0.00\n\
         ok: pipeline `typed` has 1 step, costs at most $0.00\n"
    );
    assert_eq!(said.stderr, "");
}

#[test]
fn strict_makes_warnings_fail() {
    segue(&["check", "many_ends.yaml"]).exits(0);
    let said = segue(&["check", "many_ends.yaml", "--strict"]).exits(2);
    assert!(said.stderr.contains("error[unused_step]"), "{}", said.stderr);
}

#[test]
fn one_bad_file_fails_all_of_them_and_the_good_ones_are_still_checked() {
    let object = segue(&["check", "mapped.yaml", "faulty.yaml", "--json"])
        .exits(2)
        .json();
    assert_eq!(object["ok"], false);
    assert_eq!(object["pipelines"][0]["name"], "mapped");
    assert_eq!(object["pipelines"][0]["faults"], serde_json::json!([]));
    let codes: Vec<_> = object["pipelines"][1]["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| &f["code"])
        .collect();
    assert!(codes.iter().any(|code| *code == "unknown_agent"), "{codes:?}");
}

#[test]
fn hostile_files_are_faults_and_never_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = format!(
        "version: 1\nname: deep\nsteps: {}1{}\n",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let files: [(&str, &[u8]); 7] = [
        ("empty.yaml", b""),
        ("nul.yaml", b"version: 1\nname: a\0b\nsteps: {}\n"),
        ("latin.yaml", b"version: 1\nname: caf\xe9\n"),
        (
            "escape.yaml",
            b"version: 1\nname: \"\\e[2Jx\"\nsteps: { a: { set: 1 } }\n",
        ),
        (
            "bidi.yaml",
            "version: 1\nname: x\nst\u{202e}eps: { a: { set: 1 } }\n".as_bytes(),
        ),
        (
            "outside.yaml",
            b"version: 1\nname: x\nsteps: { a: { pipeline: ../../etc/passwd } }\n",
        ),
        ("deep.yaml", deep.as_bytes()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
        let said = segue_in(folder.path(), &["check", name]).exits(2);
        assert!(said.stderr.contains("error["), "{name}\n{}", said.stderr);
        assert!(
            !said.stderr.contains(['\u{1b}', '\u{202e}', '\0']),
            "{name}\n{:?}",
            said.stderr
        );
        assert!(!said.stderr.contains("panicked"), "{name}\n{}", said.stderr);
    }
    for name in ["missing.yaml", "."] {
        segue_in(folder.path(), &["check", name]).exits(2);
    }
}
