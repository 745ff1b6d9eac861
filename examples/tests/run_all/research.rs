//! The research pipeline: its search tool comes from an MCP server, which is started for real, and its answers from
//! what was recorded, as long as nobody has a key.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::FOLDER;
use crate::programs::command;

/// A copy of the example, whose operator trusts it.
struct Research(TempDir);

impl Research {
    fn new() -> Self {
        let research = Self(tempfile::tempdir().expect("a folder"));
        copy(&Path::new(FOLDER).join("research"), research.0.path());
        assert_eq!(research.segue(&["doctor", "--trust", "--yes"]).0, Some(0));
        research
    }

    /// Exit code, stdout and stderr of a command in its folder.
    fn segue(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let folder = self.0.path();
        let output = command("own_command_line")
            .args(arguments)
            .current_dir(folder)
            .env_remove("SEGUE_STORE")
            .env_remove("SEGUE_CONFIG")
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .env("XDG_STATE_HOME", folder.join("state"))
            // Whoever has a key or a model server runs the tests without them.
            .env("SEGUE_OFFLINE", "1")
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Json {
        let (exit, stdout, stderr) = self.segue(&[arguments, &["--json"]].concat());
        assert_eq!(exit, Some(0), "{stdout}{stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"))
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            // What runs by hand have left there is theirs.
            true if entry.file_name() == ".segue" => {}
            true => {
                fs::create_dir(&to).expect("a folder");
                copy(&path, &to);
            }
            false => fs::copy(&path, &to).map(drop).expect("a copy"),
        }
    }
}

#[test]
fn it_searches_through_its_server_and_is_reviewed_until_it_is_good() {
    let research = Research::new();
    let run = research.json(&["run", "research.yaml", "--topic", "GenAI evaluation frameworks"]);
    let report = run["output"].as_str().expect("a report");
    assert!(
        report.starts_with("# How models are evaluated\n\nFixed test sets"),
        "{report}"
    );
    assert_eq!(run["replayed"], true);
    assert_eq!(run["cost"]["nanousd"], 0);
    assert_eq!(run["models"]["fast"]["chosen"], "sim/cassette");
    let steps = &run["steps"];
    assert_eq!(steps["collect_sources"]["items"]["succeeded"], 3);
    assert_eq!(steps["collect_sources"]["usage"]["tool_calls"], 3);
    let found = steps["collect_sources"]["output"][1].as_str().expect("a finding");
    assert!(found.contains("https://example.org/frameworks"), "{found}");
    assert_eq!(steps["review"]["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        steps["review"]["attempts"][0]["reason"],
        "Quality score too low: 0.6, want 0.8"
    );
    assert_eq!(steps["followup"]["status"], "skipped");
    assert_eq!(run["artifacts"][0]["link"], "latest-report");

    let calls = research.json(&["runs", "show", "last", "--calls"]);
    let calls = calls["items"].as_array().expect("calls").iter();
    let searches: Vec<&Json> = calls.filter(|call| call["tool"] == "search.web").collect();
    assert_eq!(searches.len(), 3);
    for search in searches {
        assert_eq!(search["status"], "succeeded");
        let pages = search["response"]["pages"].as_array().expect("pages");
        let url = pages[0]["url"].as_str().expect("an address");
        assert!(url.starts_with("https://example.org/"), "{url}");
    }
    let (_, kept, _) = research.segue(&["artifacts", "cat", "research@latest-report"]);
    assert_eq!(kept.trim_end(), report);
}

#[test]
fn the_follow_up_is_the_output_where_there_is_one() {
    let research = Research::new();
    let run = research.json(&["run", "research.yaml", "--topic", "Why tides come twice a day"]);
    assert_eq!(
        run["output"],
        "The saved pages do not say at what times of the day."
    );
}

#[test]
fn its_file_is_checked_and_what_is_pinned_of_its_server_is_what_that_says() {
    let research = Research::new();
    let check = research.json(&["check", "research.yaml"]);
    assert_eq!(check["pipelines"][0]["faults"], json!([]));
    let pins = fs::read(research.0.path().join("segue.mcp.json")).expect("pins");
    let pinned = research.json(&["tools", "pin", "search"]);
    assert_eq!(pinned["servers"][0]["changes"], json!([]));
    assert_eq!(
        fs::read(research.0.path().join("segue.mcp.json")).expect("pins"),
        pins
    );
}

#[test]
fn without_trust_nothing_is_started() {
    let research = Research::new();
    fs::remove_dir_all(research.0.path().join("state")).expect("it was trusted");
    let (exit, _, stderr) = research.segue(&["run", "research.yaml", "--topic", "Tea"]);
    assert_eq!(exit, Some(2));
    assert!(
        stderr.contains("`mcp.search` is not trusted") && stderr.contains("segue doctor --trust"),
        "{stderr}"
    );
}
