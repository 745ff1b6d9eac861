//! `runs show` and `runs logs`: a run as it stands, and what happened in it.

use serde_json::Value as Json;

use crate::kept::Kept;
use crate::shapes::{fits, schema};

#[test]
fn the_page_of_a_run_says_how_it_ended_and_how_it_goes_on() {
    let kept = Kept::new();
    let well = kept.ran(&["many_ends.yaml", "--label", "team=x", "--note", "a note"]);
    let failed = kept.ends("failed");
    let waits = kept.ends("ask");
    for (run, parts) in [
        (
            &well,
            &[
                "many_ends ",
                "✓ succeeded",
                "SIMULATED",
                "end: well",
                "team=x",
                "a note",
                "✓ first",
                "hello",
            ][..],
        ),
        (
            &failed,
            &[
                "✗ failed",
                "error: step `failed`: rule 5 of the script",
                "its `when` was false",
                "--failed",
            ],
        ),
        (
            &waits,
            &[
                "‖ waiting",
                "? Which address?  step ask",
                "asks for email",
                "hint: segue answer q_",
            ],
        ),
    ] {
        let said = kept.segue(&["runs", "show", run]).exits(0);
        for part in parts {
            assert!(said.stdout.contains(part), "{part}\n{}", said.stdout);
        }
        assert_eq!(said.stderr, "");
    }
    let next = kept.segue(&["runs", "show", &failed, "--json"]).json()["next"][0].clone();
    assert_eq!(next, format!("segue rerun {failed} --failed"));
}

#[test]
fn a_run_goes_by_the_beginning_of_its_id_and_unknown_names_are_refused() {
    let kept = Kept::new();
    let run = kept.ends("well");
    for name in [run.as_str(), &run[..12], &run[4..9], "last"] {
        let record = kept.segue(&["runs", "show", name, "--json"]).exits(0).json();
        assert_eq!(record["id"], run, "{name}");
    }
    for (name, part) in [
        ("run", "`run` names no run"),
        ("ru!nx", "names no run"),
        (
            "zzzzzzzz",
            "there is no run `zzzzzzzz`\nhint: `segue runs list` shows what there is",
        ),
    ] {
        let said = kept.segue(&["runs", "show", name]).exits(2);
        assert!(said.stderr.contains(part), "{name}\n{}", said.stderr);
        fits(
            &schema("error"),
            &kept.segue(&["runs", "show", name, "--json"]).exits(2).json(),
        );
    }
}

#[test]
fn the_record_is_the_one_the_run_wrote() {
    let kept = Kept::new();
    for end in ["well", "failed", "flaky"] {
        let arguments = ["run", "many_ends.yaml", "--json", "--end", end];
        let mut then = kept.segue(&arguments).json();
        let mut now = kept.segue(&["runs", "show", "last", "--json"]).exits(0).json();
        fits(&schema("run"), &now);
        // What is next is said of a run at rest only.
        then["next"] = Json::Null;
        now["next"] = Json::Null;
        assert_eq!(now, then, "{end}");
    }
}

#[test]
fn a_step_an_item_and_an_output_stand_alone() {
    let kept = Kept::new();
    kept.ends("flaky");
    let page = kept
        .segue(&["runs", "show", "last", "--step", "flaky"])
        .exits(0)
        .stdout;
    for part in ["flaky agent run_", "2 attempts", "rule 6 of the script", "output"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let step = kept
        .segue(&["runs", "show", "last", "--step", "flaky", "--json"])
        .exits(0)
        .json();
    fits(&schema("step"), &step);
    assert_eq!(step["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(step["calls"].as_array().map(Vec::len), Some(2));

    kept.ran(&["mapped.yaml", "--many", "3"]);
    let step = kept
        .segue(&["runs", "show", "last", "--step", "each", "--json"])
        .exits(0)
        .json();
    fits(&schema("step"), &step);
    assert_eq!(step["children"].as_array().map(Vec::len), Some(3));
    let item = kept
        .segue(&["runs", "show", "last", "--step", "each[1]", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&item["path"], &item["output"]),
        (&"each[1]".into(), &"hello".into())
    );
    let output = kept
        .segue(&["runs", "show", "last", "--output-of", "each[1]"])
        .exits(0);
    assert_eq!(output.stdout, "hello\n");
    let output = kept
        .segue(&["runs", "show", "last", "--output-of", "each", "--json"])
        .exits(0)
        .json();
    fits(&schema("output"), &output);
    assert_eq!(output["output"].as_array().map(Vec::len), Some(3));

    let said = kept.segue(&["runs", "show", "last", "--step", "eahc"]).exits(2);
    assert!(
        said.stderr
            .contains("has no step `eahc`\nhint: did you mean `each`?"),
        "{}",
        said.stderr
    );
    kept.ends("failed");
    let said = kept
        .segue(&["runs", "show", "last", "--output-of", "failed"])
        .exits(2);
    assert!(
        said.stderr
            .contains("step `failed` has no output: it is failed\nhint:"),
        "{}",
        said.stderr
    );
}

#[test]
fn an_output_beside_the_log_is_shown_as_a_whole() {
    let kept = Kept::new();
    let text = "long ".repeat(20_000);
    kept.write("long.txt", &text);
    kept.ran(&["report.yaml", "--input", "text=@long.txt"]);
    let record = kept.segue(&["runs", "show", "last", "--json"]).json();
    assert_eq!(record["steps"]["note"]["output"], Json::Null);
    assert_eq!(record["steps"]["note"]["output_ref"]["bytes"], 100_002);
    let output = kept
        .segue(&["runs", "show", "last", "--output-of", "note"])
        .exits(0);
    assert_eq!(output.stdout, format!("{text}\n"));
}

#[test]
fn calls_prompts_and_costs_say_what_the_models_had() {
    let kept = Kept::new();
    kept.ends("flaky");
    let calls = kept
        .segue(&["runs", "show", "last", "--calls", "--json"])
        .exits(0)
        .json();
    fits(&schema("calls"), &calls);
    let of: Vec<&Json> = calls["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| &call["step"])
        .collect();
    assert_eq!(of, ["first", "flaky", "flaky"]);
    let one = kept
        .segue(&["runs", "show", "last", "--calls", "--step", "first", "--json"])
        .exits(0)
        .json();
    assert_eq!(one["items"].as_array().map(Vec::len), Some(1));
    let prompts = kept.segue(&["runs", "show", "last", "--prompt"]).exits(0).stdout;
    assert!(
        prompts.contains("── system\nEcho.\n── user\nflaky\n"),
        "{prompts}"
    );
    let cost = kept.segue(&["runs", "show", "last", "--cost"]).exits(0).stdout;
    for part in ["by step", "by agent", "by model", "in failed attempts", "total"] {
        assert!(cost.contains(part), "{part}\n{cost}");
    }
    let both = kept
        .segue(&["runs", "show", "last", "--cost", "--calls"])
        .exits(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn logs_are_lines_or_events_and_can_be_narrowed() {
    let kept = Kept::new();
    kept.ends("flaky");
    let log = |flags: &[&str]| kept.segue(&[&["runs", "logs", "last"], flags].concat()).exits(0);
    let lines = log(&[]).stdout;
    for part in [
        "○ queued many_ends, by cli",
        "↻ flaky attempt 1",
        "✓ flaky succeeded after 2 attempts",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
    let count = |flags: &[&str]| log(flags).stdout.lines().count();
    let levels = ["debug", "info", "warn", "error"].map(|level| count(&["--level", level]));
    assert!(levels.is_sorted_by(|more, fewer| more > fewer), "{levels:?}");
    assert_eq!(levels[1], lines.lines().count(), "lines begin with `info`");
    assert_eq!(levels[2..], [1, 0], "one retry");

    let events = log(&["--output", "ndjson"]).events();
    for (at, event) in (1..).zip(&events) {
        fits(&schema("event"), event);
        assert_eq!(event["seq"], at);
    }
    assert_eq!(levels[0], events.len(), "everything is of level `debug`");
    let late = log(&["--output", "ndjson", "--since-seq", "5"]).events();
    assert_eq!((late.len(), &late[0]["seq"]), (events.len() - 5, &6.into()));
    let of_step = log(&["--output", "ndjson", "--step", "flaky"]).events();
    assert!(!of_step.is_empty() && of_step.iter().all(|event| event["step"] == "flaky"));
    let object = log(&["--json"]).json();
    fits(&schema("logs"), &object);
    assert_eq!(object["items"].as_array().map(Vec::len), Some(events.len()));
}

#[test]
fn text_of_models_reaches_no_page_as_control_characters() {
    let kept = Kept::new();
    kept.ends("loud");
    for arguments in [
        &["runs", "show", "last"][..],
        &["runs", "show", "last", "--step", "loud"],
        &["runs", "show", "last", "--calls"],
        &["runs", "logs", "last", "--level", "debug"],
    ] {
        let said = kept.segue(arguments).exits(0);
        assert!(
            !said.stdout.contains(['\u{1b}', '\u{7}']),
            "{arguments:?}\n{}",
            said.stdout
        );
    }
}
