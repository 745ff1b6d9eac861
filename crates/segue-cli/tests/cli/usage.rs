//! Wrong arguments, and what has no pipeline: version, completions, manual.

use crate::program::{command, said, segue, segue_in};

#[test]
fn wrong_arguments_exit_2_and_say_so_in_one_object() {
    for arguments in [
        &["walk"][..],
        &["run", "typed.yaml", "--nothing"],
        &["run", "typed.yaml", "--max-parallel", "0"],
        &["run", "typed.yaml", "--text", "x", "--budget", "-1"],
        &["run", "typed.yaml", "--text", "x", "--budget", "1e3"],
        &["run", "typed.yaml", "--text", "x", "--on-exceed", "pause"],
        &["run", "typed.yaml", "--text", "x", "--timeout", "30"],
        &["run", "typed.yaml", "--text", "x", "--timeout", "0s"],
        &["run", "typed.yaml", "--text", "x", "--label", "alone"],
        &["run", "many_ends.yaml", "--model", "fats=sim/schema"],
        &["run", "typed.yaml", "--text", "x", "--output", "ndjson"],
        &["run", "nowhere.yaml"],
        &["graph", "--format", "png"],
        &["init", "resaerch"],
        &["demo", "--pipeline", "x"],
        &["demo", "--speed", "0"],
    ] {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let said = segue(&with_json).exits(2);
        let document = said.json();
        assert_eq!(document["schema"], "segue.error/1", "{arguments:?}");
        assert_eq!(document["exit"], 2);
        assert_ne!(document["error"]["message"], "", "{arguments:?}");
        assert!(said.stderr.contains("error"), "{arguments:?}\n{}", said.stderr);
    }
}

#[test]
fn flags_of_later_releases_are_unknown() {
    for flag in ["--detach", "--wait", "--engine", "--server"] {
        let said = segue(&["run", "typed.yaml", "--text", "x", flag]).exits(2);
        assert!(said.stderr.contains(flag), "{}", said.stderr);
    }
}

#[test]
fn a_mistyped_flag_is_recognized() {
    let said = segue(&["run", "many_ends.yaml", "--model", "fats=sim/schema"]).exits(2);
    assert!(said.stderr.contains("did you mean `fast`?"), "{}", said.stderr);
    let said = segue(&["run", "typed.yaml", "--cuont", "3"]).exits(2);
    assert!(said.stderr.contains("--count"), "{}", said.stderr);
}

#[test]
fn faults_of_the_file_come_before_unknown_flags() {
    let said = segue(&["run", "faulty.yaml", "--txt", "x"]).exits(2);
    assert!(said.stderr.contains("error[unknown_agent]"), "{}", said.stderr);
}

#[test]
fn a_pipeline_is_found_by_name_or_as_the_only_one() {
    segue(&["check", "mapped"]).exits(0);
    let many = segue(&["check"]).exits(2);
    for file in ["faulty.yaml", "many_ends.yaml", "mapped.yaml", "typed.yaml"] {
        assert!(many.stderr.contains(&format!("`{file}`")), "{}", many.stderr);
    }
    assert!(
        !many.stderr.contains("script.yaml"),
        "a script is no pipeline file: {}",
        many.stderr
    );
    let near = segue(&["check", "maped"]).exits(2);
    assert!(near.stderr.contains("did you mean `mapped`"), "{}", near.stderr);

    let folder = tempfile::tempdir().expect("a folder");
    let none = segue_in(folder.path(), &["check"]).exits(2);
    assert!(none.stderr.contains("segue init"), "{}", none.stderr);
    std::fs::copy(
        crate::program::pipelines().join("typed.yaml"),
        folder.path().join("typed.yaml"),
    )
    .expect("a copy");
    segue_in(folder.path(), &["check"]).exits(0);
    let only = segue_in(folder.path(), &["run", "--text", "alone"]).exits(0);
    assert_eq!(only.json()["text"], "alone");
}

#[test]
fn the_version_is_text_or_an_object() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        segue(&["--version"]).exits(0).stdout,
        format!("segue {version}\n")
    );
    let object = segue(&["--version", "--json"]).exits(0).json();
    assert_eq!(object["version"], version);
    for fact in ["commit", "target", "features"] {
        assert!(object.get(fact).is_some(), "{object}");
    }
}

#[test]
fn completions_and_manual_are_there() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = segue(&["completions", shell]).exits(0).stdout;
        assert!(script.contains("max-parallel"), "{shell}");
    }
    assert!(segue(&["man"]).exits(0).stdout.starts_with(".ie"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    segue(&["man", &path]).exits(0);
    for page in [
        "segue.1",
        "segue-run.1",
        "segue-runs.1",
        "segue-runs-list.1",
        "segue-artifacts-cat.1",
    ] {
        assert!(folder.path().join(page).is_file(), "{page}");
    }
    assert!(!folder.path().join("segue-runs-help.1").exists());
}

#[test]
fn a_closed_stdout_ends_quietly() {
    for arguments in [
        &["schema", "run"][..],
        &["graph", "typed.yaml", "--format", "svg"],
        &["run", "mapped.yaml", "-q", "--many", "200", "--output", "ndjson"],
        &["run", "typed.yaml", "-q", "--text", "x", "--json"],
        &["run", "typed.yaml", "-q", "--text", "x"],
    ] {
        let mut child = command(arguments).spawn().expect("the binary runs");
        drop(child.stdout.take());
        let said = said(child.wait_with_output().expect("the binary ends"));
        assert_eq!((said.exit, said.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
