//! `runs export`: the archive of a run.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value as Json;

use crate::kept::Kept;
use crate::shapes::{fits, schema};

/// What is in an archive, by name.
fn content(archive: impl Read) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("it is an archive") {
        let mut entry = entry.expect("it is whole");
        let name = entry.path().expect("it has a name").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("it is whole");
        found.insert(name, bytes);
    }
    found
}

fn json(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).expect("it is JSON")
}

#[test]
fn an_archive_has_plan_events_result_and_everything_beside_the_log() {
    let kept = Kept::new();
    let text = "long ".repeat(20_000);
    kept.write("long.txt", &text);
    let run = kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    let said = kept.segue(&["runs", "export", "last", "run.tar"]).exits(0);
    assert_eq!(said.stdout, "");
    assert!(
        said.stderr.starts_with("wrote run.tar: 5 files, "),
        "{}",
        said.stderr
    );

    let archive = std::fs::read(kept.path("run.tar")).expect("it is there");
    let files = content(archive.as_slice());
    let record = json(&files["result.json"]);
    fits(&schema("run"), &record);
    assert_eq!(record["id"], run);
    let reference = record["steps"]["note"]["output_ref"]["artifact"]
        .as_str()
        .expect("it is kept beside the log");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let output = format!("outputs/{reference}.json");
    assert_eq!(
        names,
        [
            "artifacts/report.md",
            "events.ndjson",
            &output,
            "plan.json",
            "result.json"
        ]
    );
    assert_eq!(files["artifacts/report.md"], text.as_bytes());
    assert_eq!(json(&files[&output]), text.as_str());
    assert_eq!(json(&files["plan.json"])["name"], "report");

    let log = std::str::from_utf8(&files["events.ndjson"]).expect("it is text");
    let events: Vec<Json> = log.lines().map(|line| json(line.as_bytes())).collect();
    for (at, event) in (1..).zip(&events) {
        fits(&schema("event"), event);
        assert_eq!(event["seq"], at);
    }
    assert_eq!(events.last().expect("there are some")["type"], "run.succeeded");
    assert_eq!(record["last_seq"], events.len());

    let again = kept.command(&["runs", "export", &run]).output();
    assert_eq!(
        again.expect("the binary runs").stdout,
        archive,
        "the same run is the same bytes, also on stdout"
    );
}

#[test]
fn an_export_says_what_it_wrote_and_replaces_nothing_by_itself() {
    let kept = Kept::new();
    kept.ran(&["report.yaml", "--text", "tea"]);
    let said = kept
        .segue(&["runs", "export", "last", "run.tar", "--json"])
        .exits(0)
        .json();
    fits(&schema("export"), &said);
    let size = std::fs::metadata(kept.path("run.tar"))
        .expect("it is there")
        .len();
    assert_eq!((&said["file"], &said["bytes"]), (&"run.tar".into(), &size.into()));
    assert_eq!(said["entries"][3]["name"], "artifacts/report.md");
    assert_eq!(said["entries"][3]["bytes"], 3);

    kept.write("run.tar", "mine");
    let refused = kept.segue(&["runs", "export", "last", "run.tar"]).exits(2);
    assert!(
        refused.stderr.contains("`run.tar` is there already\nhint:"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read(kept.path("run.tar")).expect("it is there"), b"mine");
    kept.segue(&["runs", "export", "last", "run.tar", "--force"])
        .exits(0);
    let both = kept.segue(&["runs", "export", "last", "--json"]).exits(2);
    assert!(
        both.stderr
            .contains("hint: name a file: `segue runs export last run.tar`"),
        "{}",
        both.stderr
    );
    let nowhere = kept
        .segue(&["runs", "export", "last", "no/such/folder/run.tar"])
        .exits(2);
    assert!(nowhere.stderr.contains("cannot be written"), "{}", nowhere.stderr);
}

#[test]
fn a_run_that_waits_is_exported_as_it_stands() {
    let kept = Kept::new();
    kept.ends("ask");
    kept.segue(&["runs", "export", "last", "run.tar"]).exits(0);
    let files = content(std::fs::File::open(kept.path("run.tar")).expect("it is there"));
    assert_eq!(json(&files["result.json"])["status"], "waiting");
}

#[test]
fn bytes_that_are_gone_are_named_and_leave_no_half_archive() {
    let kept = Kept::new();
    kept.ran(&["report.yaml", "--text", "tea"]);
    for file in kept.blobs() {
        std::fs::remove_file(file).expect("it is ours");
    }
    let said = kept.segue(&["runs", "export", "last", "run.tar"]).exits(2);
    assert!(
        said.stderr.contains("`artifacts/report.md`: its bytes are gone"),
        "{}",
        said.stderr
    );
    assert!(!kept.path("run.tar").exists());
}
