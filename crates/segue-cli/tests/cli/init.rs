//! `init`: each template is written, is good, and runs as it says.

use crate::program::{segue, segue_in};

#[test]
fn every_template_runs_as_it_says() {
    let listed = segue(&["init", "--list", "--json"]).exits(0).json();
    let names: Vec<&str> = listed["templates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert_eq!(names, ["blank", "research", "document-router"]);
    for (name, run) in [
        (
            "blank",
            &[
                "run",
                "--input",
                "text=Segue runs pipelines. It records what happens.",
            ][..],
        ),
        (
            "document-router",
            &["run", "--input", "text=@notice.txt", "--limit", "40"],
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        segue_in(folder.path(), &["init", name]).exits(0);
        segue_in(folder.path(), &["check", "--strict"]).exits(0);
        let ran = segue_in(folder.path(), run).exits(0);
        assert_ne!(ran.stdout.trim(), "", "{name}");
        assert!(ran.stderr.contains("(local)"), "{name}\n{}", ran.stderr);
    }
}

#[test]
fn the_research_template_says_that_it_is_simulated() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = segue_in(folder.path(), &["init", "research", "project"]).exits(0);
    assert!(written.stderr.contains("SIMULATED"), "{}", written.stderr);
    assert!(
        written.stderr.contains("hint: cd project && segue run"),
        "{}",
        written.stderr
    );
    let project = folder.path().join("project");
    let text = std::fs::read_to_string(project.join("research.yaml")).expect("the pipeline");
    assert!(text.contains("# SIMULATED"), "{text}");
    segue_in(&project, &["check", "--strict"]).exits(0);
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, "mine").expect("a file");
    let refused = segue_in(folder.path(), &["init", "blank", "--json"]).exits(2);
    assert_eq!(refused.json()["error"]["kind"], "conflict");
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some("mine"));
    assert!(!folder.path().join(".segue").exists(), "nothing was written");
    segue_in(folder.path(), &["init", "blank", "--force"]).exits(0);
    segue_in(folder.path(), &["check"]).exits(0);
}
