//! `runs rm`: what is removed, what is refused, what stays.

use std::io::{BufRead, BufReader};

use serde_json::{Value as Json, json};

use crate::kept::{Kept, ids};
use crate::program::said;
use crate::shapes::{fits, schema};

#[test]
fn one_run_is_removed_by_its_name_and_several_only_with_yes() {
    let kept = Kept::new();
    let (a, b, c) = (kept.ends("well"), kept.ends("failed"), kept.ends("well"));
    let said = kept.segue(&["runs", "rm", &a]).exits(0);
    assert_eq!(said.stdout, format!("{a} removed\n"));
    assert_eq!(kept.listed(&[]), [c.clone(), b.clone()]);
    let gone = kept.segue(&["runs", "show", &a]).exits(2);
    assert!(gone.stderr.contains("there is no run"), "{}", gone.stderr);

    let refused = kept.segue(&["runs", "rm", &b, &c]).exits(2);
    assert_eq!(
        refused.stderr,
        "error: nothing was removed: 2 runs would be\nhint: say `--yes` where nobody can be asked\n"
    );
    assert_eq!(kept.listed(&[]).len(), 2);
    let done = kept
        .segue(&["runs", "rm", &b, &c, &b, "--yes", "--json"])
        .exits(0)
        .json();
    fits(&schema("rm"), &done);
    assert_eq!(ids(&done["runs"]), [b, c]);
    assert_eq!(kept.listed(&[]), Vec::<String>::new());
}

#[test]
fn what_rests_for_a_person_is_refused_and_with_it_all_that_was_named() {
    let kept = Kept::new();
    let (well, waits) = (kept.ends("well"), kept.ends("ask"));
    let said = kept.segue(&["runs", "rm", &well, &waits, "--yes"]).exits(2);
    assert_eq!(
        said.stderr,
        format!("error: nothing was removed: run {waits} is waiting\nhint: `segue cancel {waits}` ends it\n")
    );
    assert_eq!(kept.listed(&[]).len(), 2);
    let refused = kept.segue(&["runs", "rm", &waits, "--json"]).exits(2).json();
    assert_eq!(refused["error"]["kind"], "conflict");
    kept.segue(&["cancel", &waits]).exits(0);
    kept.segue(&["runs", "rm", &well, &waits, "--yes"]).exits(0);
}

#[cfg(unix)]
#[test]
fn a_run_at_work_is_refused_shown_and_followed_to_its_end() {
    let kept = Kept::new();
    let mut running = kept
        .command(&[
            "run",
            "many_ends.yaml",
            "-q",
            "--end",
            "slow",
            "--output",
            "ndjson",
        ])
        .spawn()
        .expect("the binary runs");
    let stdout = BufReader::new(running.stdout.take().expect("stdout is a pipe"));
    let mut events = stdout
        .lines()
        .map(|line| serde_json::from_str::<Json>(&line.expect("a line")).expect("an event"));
    let is_at_it = |event: &Json| event["type"] == "call.started" && event["step"] == "wait";
    let event = events.find(is_at_it).expect("the step begins");
    let run = event["run"].as_str().expect("it has a run").to_owned();

    let refused = kept.segue(&["runs", "rm", &run]).exits(2);
    assert!(
        refused.stderr.contains(&format!("run {run} is running")),
        "{}",
        refused.stderr
    );
    assert_eq!(kept.listed(&["--status", "running"]), std::slice::from_ref(&run));
    let shown = kept.segue(&["runs", "show", &run, "--json"]).exits(0).json();
    assert_eq!(shown["next"], json!([format!("segue runs logs {run} --follow")]));
    let mut follower = kept
        .command(&["runs", "logs", &run, "--follow"])
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("stdout is a pipe")).lines();
    let is_known = |line: &String| line.contains("wait running");
    assert!(
        lines
            .by_ref()
            .map(|line| line.expect("a line"))
            .any(|line| is_known(&line))
    );

    crate::interrupt::send("-INT", running.id());
    let rest: Vec<String> = lines.map(|line| line.expect("a line")).collect();
    assert!(
        rest.last().is_some_and(|line| line.contains("■ cancelled")),
        "{rest:#?}"
    );
    assert_eq!(follower.wait().expect("it ends").code(), Some(0));
    assert_eq!(events.last().expect("there are more")["type"], "run.cancelled");
    said(running.wait_with_output().expect("it ends")).exits(130);
    kept.segue(&["runs", "rm", &run]).exits(0);
}

#[test]
fn age_removes_what_is_over_and_says_when_nothing_is_that_old() {
    let kept = Kept::new();
    kept.ends("well");
    kept.ends("failed");
    let waits = kept.ends("ask");
    let none = kept.segue(&["runs", "rm", "--older-than", "1h"]).exits(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "no run is that old\n")
    );
    let refused = kept.segue(&["runs", "rm", "--older-than", "1ms"]).exits(2);
    assert!(refused.stderr.contains("2 runs would be"), "{}", refused.stderr);
    let done = kept
        .segue(&["runs", "rm", "--older-than", "1ms", "--yes"])
        .exits(0);
    assert_eq!(done.stdout.lines().count(), 2);
    assert_eq!(kept.listed(&[]), [waits]);
    for arguments in [
        &["runs", "rm"][..],
        &["runs", "rm", "last", "--older-than", "1d"],
        &["runs", "rm", "--older-than", "soon"],
    ] {
        kept.segue(arguments).exits(2);
    }
}

#[test]
fn what_a_workspace_needs_is_refused_and_by_age_left_out() {
    let kept = Kept::new();
    let text = "version: 1\nname: keyed\nkey: inputs.name\ninputs: { name: string }\nsteps:\n  \
                note: { set: \"{{ inputs.name }}\" }\n";
    kept.write("keyed.yaml", text);
    let run = kept.ran(&["keyed.yaml", "--name", "exp-7"]);
    let other = kept.ran(&["keyed.yaml", "--name", "exp-8"]);
    let refused = kept.segue(&["runs", "rm", &run]).exits(2);
    let why = "has the current result of step `note` of `exp-7`";
    assert!(
        refused
            .stderr
            .starts_with(&format!("error: nothing was removed: run {run} {why}\nhint: ")),
        "{}",
        refused.stderr
    );
    let newer = kept.ran(&[
        "keyed.yaml",
        "--key",
        "exp-7",
        "--name",
        "exp-7",
        "--step",
        "note",
    ]);
    let done = kept
        .segue(&["runs", "rm", "--older-than", "1ms", "--yes", "--json"])
        .exits(0)
        .json();
    fits(&schema("rm"), &done);
    let fate = |run: &str| {
        let runs = done["runs"].as_array().into_iter().flatten();
        runs.filter(|item| item["id"] == run)
            .map(|item| item["removed"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (fate(&run), fate(&newer), fate(&other)),
        (vec![json!(true)], vec![json!(false)], vec![json!(false)])
    );
    assert_eq!(kept.listed(&["--key", "exp-7"]), [newer]);
}

#[test]
fn bytes_go_with_the_last_run_that_has_them() {
    let kept = Kept::new();
    let text = "long ".repeat(20_000);
    kept.write("long.txt", &text);
    // A pipeline without a link: a linked artifact outlives its run.
    let pipeline = std::fs::read_to_string(kept.path("report.yaml")).expect("it is there");
    kept.write("report.yaml", pipeline.replace(", link: latest", ""));
    let first = kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    let second = kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    kept.age_blobs();
    let before = kept.blobs().len();
    assert!(before > 0, "the artifact and the output are kept");
    kept.segue(&["runs", "rm", &first]).exits(0);
    assert_eq!(kept.blobs().len(), before, "the other run has the same");
    assert_eq!(
        kept.segue(&["artifacts", "cat", &format!("{second}/report.md")])
            .exits(0)
            .stdout,
        text
    );
    let done = kept.segue(&["runs", "rm", &second, "--json"]).exits(0).json();
    assert_eq!(done["swept"], before);
    assert_eq!(kept.blobs().len(), 0);
}
