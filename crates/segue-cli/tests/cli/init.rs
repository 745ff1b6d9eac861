//! `init`: each template is written, is good, and runs as it says.

use serde_json::Value as Json;

use crate::program::{Said, command, said, segue, segue_in};

const TEMPLATES: [&str; 5] = [
    "blank",
    "research",
    "document-router",
    "content-pipeline",
    "strategist",
];

/// The binary in a project of its own, which keeps its runs.
fn at(folder: &std::path::Path, arguments: &[&str]) -> Said {
    let mut command = command(arguments);
    let command = command.current_dir(folder).env_remove("SEGUE_STORE");
    said(command.output().expect("the binary runs"))
}

/// A project made from a template, checked.
fn made(template: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    segue_in(folder.path(), &["init", template]).exits(0);
    segue_in(folder.path(), &["check", "--strict"]).exits(0);
    folder
}

#[test]
fn every_template_is_listed_and_has_what_a_project_needs() {
    let listed = segue(&["init", "--list", "--json"]).exits(0).json();
    let names: Vec<&str> = listed["templates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert_eq!(names, TEMPLATES);
    for template in TEMPLATES {
        let folder = tempfile::tempdir().expect("a folder");
        let written = segue_in(folder.path(), &["init", template, "--json"])
            .exits(0)
            .json();
        let files: Vec<&str> = written["files"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        for ending in [
            ".yaml",
            ".test.yaml",
            "segue.toml",
            ".gitignore",
            "pipeline.v1.json",
        ] {
            assert!(
                files.iter().any(|file| file.ends_with(ending)),
                "{template}: {files:?}"
            );
        }
        for file in files.iter().filter(|file| file.ends_with(".yaml")) {
            let text = std::fs::read_to_string(folder.path().join(file)).expect("it was written");
            let is_pipeline = text.contains("\nsteps:") || text.contains("\npatterns:");
            assert_eq!(
                text.starts_with("# yaml-language-server: "),
                is_pipeline,
                "{template}: {file}"
            );
        }
    }
}

#[test]
fn the_test_of_every_template_passes() {
    for template in TEMPLATES {
        let folder = made(template);
        let tested = at(folder.path(), &["test", "--json"]).exits(0).json();
        assert!(tested["passed"].as_u64() >= Some(1), "{template}: {tested:#}");
    }
}

#[test]
fn every_template_runs_as_it_says() {
    for template in TEMPLATES {
        let folder = tempfile::tempdir().expect("a folder");
        let written = segue_in(folder.path(), &["init", template]).exits(0);
        let (note, hint) = written
            .stderr
            .trim()
            .rsplit_once("hint: ")
            .expect("it says how to go on");
        let arguments: Vec<&str> = match template {
            // A shell takes the quotes away.
            "blank" => vec![
                "run",
                "--input",
                "text=Segue runs pipelines. It records what happens.",
            ],
            _ => hint.trim().split(' ').skip(1).collect(),
        };
        assert!(hint.starts_with("segue run"), "{hint}");
        let ran = at(folder.path(), &arguments);
        let (exit, source) = match template {
            "research" => (0, "(recorded)"),
            "blank" | "document-router" => (0, "(local)"),
            // A person is asked: whether it may be published, what the experiment is about.
            _ => (3, "(simulated)"),
        };
        let ran = ran.exits(exit);
        assert_eq!(
            ran.stdout.trim().is_empty(),
            exit == 3,
            "{template}\n{}",
            ran.stdout
        );
        assert!(ran.stderr.contains(source), "{template}\n{}", ran.stderr);
        assert_eq!(source == "(simulated)", note.contains("SIMULATED"), "{note}");
    }
}

#[test]
fn the_research_template_says_that_it_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = segue_in(folder.path(), &["init", "research", "project"]).exits(0);
    assert!(written.stderr.contains("REPLAYED"), "{}", written.stderr);
    assert!(
        written.stderr.contains("hint: cd project && segue run"),
        "{}",
        written.stderr
    );
    let project = folder.path().join("project");
    let text = std::fs::read_to_string(project.join("research.yaml")).expect("the pipeline");
    assert!(text.contains("# REPLAYED"), "{text}");
    segue_in(&project, &["check", "--strict"]).exits(0);
}

#[test]
fn the_content_template_publishes_after_a_yes() {
    let folder = made("content-pipeline");
    at(folder.path(), &["run", "-q"]).exits(3);
    let answered = at(
        folder.path(),
        &["answer", "last", "--set", "approved=true", "--json"],
    )
    .exits(0)
    .json();
    assert_eq!(answered["run"]["output"]["published"], true);
    let article = at(folder.path(), &["artifacts", "cat", "last/article.md"]).exits(0);
    assert!(article.stdout.starts_with("From Monday"), "{}", article.stdout);
    let quick = at(folder.path(), &["run", "content#quick_analysis", "--json"])
        .exits(0)
        .json();
    assert_eq!(quick["pattern"]["name"], "quick_analysis");
    assert_eq!(quick["definition"], "file:content.yaml#quick_analysis");
    // What it runs again is the pattern, not the default.
    let again = at(
        folder.path(),
        &["rerun", "last", "--definition", "new", "--yes", "--json"],
    )
    .exits(0)
    .json();
    assert_eq!(again["pattern"]["name"], "quick_analysis");
}

#[test]
fn the_guide_of_the_strategist_template() {
    let folder = made("strategist");
    let refused = at(folder.path(), &["run", "--key", "exp-7", "--step", "metrics"]).exits(2);
    assert!(refused.stderr.contains("diagnostic"), "{}", refused.stderr);
    at(folder.path(), &["run", "--key", "exp-7", "--step", "input", "-q"]).exits(3);
    let brief = "{\"product\": \"Repair kits\", \"goal\": \"200 orders\", \"audience\": null}";
    at(folder.path(), &["answer", "last", "--input", brief, "-q"]).exits(0);
    let all = at(folder.path(), &["run", "--key", "exp-7", "--all", "-q"]).exits(0);
    assert!(all.stdout.contains("Week 1: the page"), "{}", all.stdout);
    at(
        folder.path(),
        &[
            "rerun",
            "exp-7",
            "--only",
            "diagnostic",
            "--note",
            "They sell services",
            "--yes",
            "-q",
        ],
    )
    .exits(0);
    at(folder.path(), &["rerun", "exp-7", "--stale", "--yes", "-q"]).exits(0);
    let tactics = at(folder.path(), &["documents", "cat", "exp-7/tactics"]).exits(0);
    assert!(
        tactics.stdout.contains("call thirty companies"),
        "{}",
        tactics.stdout
    );
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
