//! How runs end: exit codes, what is on stdout, what is said on stderr.

use crate::program::{Said, segue};

fn run(end: &str, more: &[&str]) -> Said {
    let mut arguments = vec!["run", "many_ends.yaml", "--end", end];
    arguments.extend(more);
    segue(&arguments)
}

#[test]
fn every_end_has_its_exit_code() {
    for (end, more, code) in [
        ("well", &[][..], 0),
        ("flaky", &[], 0),
        ("failed", &[], 1),
        ("two", &[], 1),
        ("ask", &[], 3),
        ("ask", &["--no-input"], 3),
        ("budget", &[], 4),
        ("well", &["--budget", "requests=0"], 4),
        ("well", &["--budget", "requests=0", "--on-exceed", "pause"], 3),
        ("miss", &[], 5),
        ("late", &["--timeout", "50ms"], 124),
    ] {
        let said = run(end, more);
        assert_eq!(said.exit, Some(code), "{end} {more:?}\n{said:#?}");
    }
}

#[test]
fn a_budget_that_is_lifted_does_not_refuse() {
    run("well", &["--budget", "none"]).exits(0);
}

#[test]
fn stdout_has_the_output_and_nothing_else() {
    assert_eq!(run("well", &[]).exits(0).stdout, "hello\n");
    assert_eq!(
        run("loud", &[]).exits(0).stdout,
        "\u{1b}[31mred\u{1b}[0m \u{7}bell\n"
    );
    for end in ["failed", "budget", "miss", "ask"] {
        assert_eq!(run(end, &[]).stdout, "", "{end}");
    }
    let typed = segue(&["run", "typed.yaml", "--text", "x"]).exits(0);
    assert!(
        typed.stdout.starts_with("{\n  \"text\": \"x\",\n"),
        "{}",
        typed.stdout
    );
}

#[test]
fn every_failed_step_is_named_with_what_it_spent() {
    let said = run("two", &[]);
    let errors: Vec<&str> = said
        .stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .collect();
    assert_eq!(
        errors,
        [
            "error: step `failed`: rule 5 of the script raises `bad_request`",
            "error: step `second`: rule 5 of the script raises `bad_request`",
        ]
    );
    assert!(
        said.stderr.contains("  spent $0.00 in 1 model call\n"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_first_line_names_run_models_and_budget_and_a_banner_follows() {
    let said = run("well", &["--budget", "0.50"]);
    let mut lines = said
        .stderr
        .lines()
        .skip_while(|line| line.starts_with("warning:"));
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("run_"), "{first}");
    assert!(
        first.ends_with("many_ends (9 steps) models: fast → sim/script (simulated), budget $0.50"),
        "{first}"
    );
    assert!(
        lines
            .next()
            .unwrap_or_default()
            .starts_with("SIMULATED by sim/script"),
        "{}",
        said.stderr
    );
    let last = said.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("✓ succeeded") && last.ends_with("tokens · $0.00"),
        "{last}"
    );
}

#[test]
fn another_model_is_used_and_named() {
    let said = run("well", &["--model", "local/extractive"]).exits(0);
    assert!(
        said.stderr.contains("models: fast → local/extractive (local)"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("SIMULATED"), "{}", said.stderr);
    let said = run("miss", &["--model", "nobody=sim/schema"]);
    assert_eq!(said.exit, Some(0), "{said:#?}");
}

#[test]
fn a_model_that_is_not_to_be_had_stops_before_the_run() {
    let said = run("well", &["--model", "nowhere/large"]).exits(2);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("nowhere/large"), "{}", said.stderr);
    assert!(said.stderr.matches("hint:").count() >= 3, "{}", said.stderr);
}

#[test]
fn a_retry_and_its_reason_are_shown() {
    let said = run("flaky", &[]);
    assert!(
        said.stderr
            .contains("↻ flaky attempt 1: rule 6 of the script raises `provider`; trying again\n"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("✓ flaky succeeded after 2 attempts"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_question_nobody_can_be_asked_says_what_is_missing() {
    let said = run("ask", &[]);
    for part in [
        "? Which address?  step ask",
        "asks for email",
        "asks for copies",
        "hint: run it at a terminal",
    ] {
        assert!(said.stderr.contains(part), "{part}\n{}", said.stderr);
    }
}

#[test]
fn quiet_leaves_only_errors() {
    assert_eq!(run("well", &["-q"]).stderr, "");
    let failed = run("failed", &["--quiet"]).stderr;
    assert!(failed.starts_with("error: step `failed`"), "{failed}");
}

#[test]
fn colours_come_when_asked_for_and_never_reach_stdout() {
    assert!(!run("well", &[]).stderr.contains('\u{1b}'));
    let always = run("well", &["--color", "always"]);
    assert!(always.stderr.contains("\u{1b}["), "{}", always.stderr);
    assert_eq!(always.stdout, "hello\n");
    assert!(!run("well", &["--color", "never"]).stderr.contains('\u{1b}'));
}

#[test]
fn the_record_has_what_flags_said() {
    let said = run(
        "well",
        &[
            "--json",
            "--label",
            "team=x",
            "--note",
            "a note",
            "--budget",
            "usd=0.5,requests=9",
        ],
    );
    let record = said.exits(0).json();
    assert_eq!(record["labels"]["team"], "x");
    assert_eq!(record["note"], "a note");
    assert_eq!(record["definition"], "file:many_ends.yaml");
    assert_eq!(record["trigger"]["kind"], "cli");
    assert_eq!(record["budget"][0]["limit"], "0.50");
    assert_eq!(
        record["budget"][1],
        serde_json::json!({
            "name": "run", "unit": "requests", "limit": 9, "spent": 1, "reserved": 0, "on_exceed": "fail",
        })
    );
}

#[test]
fn a_map_says_how_many_and_respects_the_limit_of_parallel_attempts() {
    let said = segue(&[
        "run",
        "mapped.yaml",
        "--many",
        "20",
        "--max-parallel",
        "1",
        "--output",
        "ndjson",
    ])
    .exits(0);
    let mut open = 0_i32;
    let mut most = 0;
    for event in said.events() {
        match event["type"].as_str() {
            Some("call.started") => open += 1,
            Some("call.succeeded") => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    assert_eq!(most, 1);
    let said = segue(&["run", "mapped.yaml", "--many", "20"]).exits(0);
    assert!(said.stderr.contains("20 of 20 items"), "{}", said.stderr);
    assert_eq!(said.stdout, "20\n");
}
