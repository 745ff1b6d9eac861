//! `status` and `documents`: a workspace step by step, what goes stale, what people write by hand.

use serde_json::Value as Json;

use crate::project::{Project, texts};

/// Name and state of each step, with a `~` for those that are stale.
fn states(status: &Json) -> Vec<String> {
    let state = |step: &Json| {
        let stale = if step["stale"] == true { "~" } else { "" };
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        format!("{}{stale} {}", text("name"), text("state"))
    };
    status["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(state)
        .collect()
}

fn status(project: &Project) -> Json {
    project.json("status", &["status", "exp-7"], 0)
}

#[test]
fn a_key_nobody_has_used_shows_what_is_next() {
    let project = Project::strategist();
    let status = project.json("status", &["status", "exp-7", "--pipeline", "strategist.yaml"], 0);
    assert_eq!(texts(&status["next"]), ["input"]);
    assert_eq!(
        (&status["done"], &status["total"], &status["all_done"]),
        (&0.into(), &7.into(), &false.into())
    );
    assert_eq!(
        status["steps"][2]["missing"],
        serde_json::json!(["input", "diagnostic"])
    );
    let named = project.json("status", &["status", "exp-7", "--pipeline", "strategist"], 0);
    assert_eq!(named, status, "the name means the file");
    assert!(!project.path().join(".segue").exists(), "reading makes no store");
}

#[test]
fn each_step_is_done_next_or_pending_and_the_next_command_is_said() {
    let project = Project::strategist();
    let brief = r#"brief={"product":"kits","goal":"200 orders","audience":null}"#;
    let run = |step: &str| {
        project.segue(&[
            "run",
            "strategist.yaml",
            "--key",
            "exp-7",
            "--step",
            step,
            "-q",
            "--input",
            brief,
        ])
    };
    run("input").exits(0);
    run("diagnostic").exits(0);
    let status = status(&project);
    assert_eq!(
        states(&status),
        [
            "input done",
            "diagnostic done",
            "metrics next",
            "segment pending",
            "channels pending",
            "messaging pending",
            "tactics pending",
        ]
    );
    assert_eq!(texts(&status["next"]), ["metrics"]);
    let said = project.segue(&["status", "exp-7"]).exits(0);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "strategist exp-7: 2 of 7 steps done");
    for (line, part) in [
        (2, "✓ input       done"),
        (4, "→ metrics     next"),
        (5, "○ segment     pending (needs metrics)"),
        (7, "○ messaging   pending (needs segment, channels)"),
    ] {
        assert!(lines[line].starts_with(part), "{part}\n{}", said.stdout);
    }
    assert_eq!(
        said.stderr,
        "hint: `segue run strategist.yaml --key exp-7 --step metrics` runs what is next\n\
         hint: `segue run strategist.yaml --key exp-7 --all` runs everything that has no result\n"
    );
}

#[test]
fn what_follows_from_a_result_that_changes_is_stale_until_it_is_made_again() {
    let project = Project::done();
    let before = status(&project);
    assert_eq!(before["all_done"], true);
    assert!(
        states(&before)
            .iter()
            .all(|state| state.ends_with(" done") && !state.contains('~'))
    );
    // The same answer again changes nothing.
    project
        .segue(&["rerun", "exp-7", "--only", "diagnostic", "-q"])
        .exits(0);
    assert_eq!(states(&status(&project)), states(&before));

    let said = project
        .segue(&["rerun", "exp-7", "--only", "diagnostic", "--note", "be brief"])
        .exits(0);
    assert!(
        said.stderr.ends_with(
            "~ stale: metrics, segment, channels, messaging, tactics\n\
             hint: `segue rerun exp-7 --stale` makes what is stale again\n"
        ),
        "{}",
        said.stderr
    );
    let stale = status(&project);
    assert_eq!(
        states(&stale),
        [
            "input done",
            "diagnostic done",
            "metrics~ done",
            "segment~ done",
            "channels~ done",
            "messaging~ done",
            "tactics~ done",
        ]
    );
    assert_eq!(
        stale["steps"][6]["stale_because"],
        serde_json::json!(["diagnostic"])
    );
    let said = project.segue(&["status", "exp-7"]).exits(0);
    assert!(
        said.stdout.contains("~ metrics     stale (diagnostic changed)"),
        "{}",
        said.stdout
    );
    assert_eq!(
        said.stderr,
        "hint: `segue rerun exp-7 --stale` makes what is stale again\n"
    );
    let overview = project.json("overview", &["status"], 0);
    assert_eq!(
        overview["workspaces"][0]["stale"].as_array().map(Vec::len),
        Some(5)
    );

    project.segue(&["rerun", "exp-7", "--stale", "-q"]).exits(0);
    let mended = status(&project);
    assert_eq!(states(&mended), states(&before));
    assert_ne!(mended["steps"][1]["hash"], before["steps"][1]["hash"]);
}

#[test]
fn a_step_that_asks_shows_how_it_is_answered() {
    let project = Project::strategist();
    project
        .segue(&["run", "strategist.yaml", "--key", "exp-7", "--step", "input"])
        .exits(3);
    let status = status(&project);
    assert_eq!(states(&status)[0], "input waiting");
    assert_eq!(status["questions"][0]["step"], "input");
    let said = project.segue(&["status", "exp-7"]).exits(0);
    assert!(
        said.stdout.contains("‖ input       waiting for an answer"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.starts_with("hint: `segue answer q_"),
        "{}",
        said.stderr
    );
    let overview = project.json("overview", &["status"], 0);
    assert_eq!(overview["waiting"].as_array().map(Vec::len), Some(1));
    assert_eq!(overview["questions"][0]["title"], "What is the experiment about?");
    assert_eq!(overview["workspaces"][0]["key"], "exp-7");
    let said = project.segue(&["status"]).exits(0);
    assert!(
        said.stdout
            .starts_with("0 runs at work, 1 waits for people, 1 workspace\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("What is the experiment about?"),
        "{}",
        said.stdout
    );
}

/// What a waiting run has not come to is no work under way, and whoever begins the same is told to answer.
#[test]
fn a_run_that_waits_holds_its_steps_until_it_is_answered() {
    let project = Project::strategist();
    let all = ["run", "strategist.yaml", "--key", "exp-7", "--all"];
    project.segue(&all).exits(3);
    let states = states(&status(&project));
    assert_eq!(
        [&states[0], &states[1], &states[6]],
        ["input waiting", "diagnostic pending", "tactics pending"]
    );
    let second = project.segue(&all).exits(2);
    assert!(
        second
            .stderr
            .contains("step `input` of `exp-7` is being run by run_"),
        "{}",
        second.stderr
    );
    assert!(
        second
            .stderr
            .contains("hint: it waits for a person: answer it (`segue answer run_"),
        "{}",
        second.stderr
    );
    let wrong = project
        .segue(&["answer", "last", "--set", "produkt=kits"])
        .exits(2);
    assert!(
        wrong
            .stderr
            .contains("error: the answer does not fit `What is the experiment about?`, which stays open"),
        "{}",
        wrong.stderr
    );
    let brief = r#"{"product":"kits","goal":"200 orders","audience":null}"#;
    project.segue(&["answer", "last", "--input", brief]).exits(0);
    assert_eq!(status(&project)["all_done"], true);
}

#[test]
fn a_folder_without_runs_says_so() {
    let project = Project::empty();
    let overview = project.json("overview", &["status"], 0);
    assert_eq!(overview["workspaces_total"], 0);
    assert_eq!(overview["halted"], Json::Null);
    let said = project.segue(&["status"]).exits(0);
    assert_eq!(
        said.stdout,
        "0 runs at work, none waits for people, 0 workspaces\n"
    );
}

#[test]
fn a_key_that_means_nothing_or_two_things_is_refused_with_the_way_out() {
    let project = Project::done();
    let unknown = project.segue(&["status", "exp-8"]).exits(2);
    assert!(
        unknown.stderr.contains("no run has the key `exp-8`\nhint: "),
        "{}",
        unknown.stderr
    );
    let nowhere = project
        .segue(&["status", "exp-8", "--pipeline", "strategist.yml"])
        .exits(2);
    assert!(nowhere.stderr.contains("strategist.yml"), "{}", nowhere.stderr);
    let text = std::fs::read_to_string(project.path().join("strategist.yaml")).expect("it is there");
    project.write("other.yaml", &text.replace("name: strategist", "name: other"));
    project
        .segue(&[
            "documents",
            "put",
            "exp-7/metrics",
            "Ours.",
            "--pipeline",
            "other.yaml",
        ])
        .exits(0);
    let several = project.segue(&["status", "exp-7"]).exits(2);
    assert!(
        several.stderr.contains("several pipelines have the key `exp-7`"),
        "{}",
        several.stderr
    );
    assert!(
        several.stderr.contains("hint: `--pipeline other`"),
        "{}",
        several.stderr
    );
    let other = project.json("status", &["status", "exp-7", "--pipeline", "other"], 0);
    assert_eq!(states(&other)[2], "metrics done");
    assert_eq!(other["done"], 1);
    let overview = project.json("overview", &["status", "--pipeline", "other"], 0);
    assert_eq!(overview["workspaces_total"], 1);
    assert_eq!(overview["workspaces"][0]["pipeline"], "other");
}

#[test]
fn a_file_that_has_changed_since_the_last_run_says_so_and_counts() {
    let project = Project::done();
    let text = std::fs::read_to_string(project.path().join("strategist.yaml")).expect("it is there");
    let more = "  review:     { title: Review,     agent: tactics_expert,    needs: [tactics] }\noutput:";
    project.write("strategist.yaml", &text.replace("output:", more));
    let said = project.segue(&["status", "exp-7"]).exits(0);
    assert!(
        said.stderr
            .contains("note: strategist.yaml has changed since the last run of `exp-7` (new: `review`)"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("→ review      next"), "{}", said.stdout);
    project.write("strategist.yaml", "version: 1\nname: strategist\nsteps: 7\n");
    let said = project.segue(&["status", "exp-7"]).exits(0);
    assert!(
        said.stderr.contains("warning: strategist.yaml cannot be loaded"),
        "{}",
        said.stderr
    );
    assert!(
        said.stdout.starts_with("strategist exp-7: 7 of 7 steps done\n"),
        "{}",
        said.stdout
    );
}

#[test]
fn results_are_listed_and_printed_as_they_are() {
    let project = Project::done();
    let list = project.json("documents", &["documents", "ls", "exp-7"], 0);
    let names: Vec<&str> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "input",
            "diagnostic",
            "metrics",
            "segment",
            "channels",
            "messaging",
            "tactics"
        ]
    );
    let status = status(&project);
    assert_eq!(list["items"][1]["hash"], status["steps"][1]["hash"]);
    assert_eq!(
        project
            .segue(&["documents", "cat", "exp-7/diagnostic"])
            .exits(0)
            .stdout,
        "Retail.\n"
    );
    let one = project.json("documents", &["documents", "cat", "exp-7/input"], 0);
    assert_eq!(one["items"][0]["value"]["product"], "kits");
    assert_eq!(one["items"][0]["edited"], false);
    let said = project.segue(&["documents", "ls", "exp-7"]).exits(0);
    assert_eq!(said.stdout.lines().count(), 8, "{}", said.stdout);

    let wrong = project.segue(&["documents", "cat", "exp-7/metrix"]).exits(2);
    assert!(
        wrong
            .stderr
            .contains("no step `metrix`\nhint: did you mean `metrics`?"),
        "{}",
        wrong.stderr
    );
    let none = project.segue(&["documents", "cat", "exp-7"]).exits(2);
    assert!(
        none.stderr.contains("hint: write the key and the step"),
        "{}",
        none.stderr
    );
    project
        .segue(&[
            "documents",
            "put",
            "exp-9/metrics",
            "x",
            "--pipeline",
            "strategist.yaml",
        ])
        .exits(0);
    let absent = project.segue(&["documents", "cat", "exp-9/segment"]).exits(2);
    assert!(
        absent
            .stderr
            .contains("has no result\nhint: `segue documents ls exp-9` lists"),
        "{}",
        absent.stderr
    );
}

#[test]
fn a_result_is_written_only_over_the_one_that_was_named() {
    let project = Project::done();
    let hash = status(&project)["steps"][2]["hash"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let refused = project.json("error", &["documents", "put", "exp-7/metrics", "By hand"], 2);
    assert_eq!(refused["error"]["kind"], "conflict");
    assert!(
        refused["error"]["message"]
            .as_str()
            .is_some_and(|message| message.contains(&hash)),
        "{refused}"
    );
    assert_eq!(status(&project)["steps"][2]["hash"], hash, "nothing was written");

    let digits = &hash["sha256:".len()..]["".len()..12];
    project.write("new.txt", "By hand\n");
    let put = [
        "documents",
        "put",
        "exp-7/metrics",
        "@new.txt",
        "--expected-hash",
        digits,
    ];
    let said = project.segue(&put).exits(0);
    assert!(said.stdout.starts_with("sha256:"), "{}", said.stdout);
    assert_eq!(
        said.stderr,
        "stale now: segment, channels, messaging, tactics\nhint: `segue rerun exp-7 --stale` makes them again\n"
    );
    let written = project.json("documents", &["documents", "cat", "exp-7/metrics"], 0);
    assert_eq!(written["items"][0]["edited"], true);
    assert_eq!(
        format!("{}\n", written["items"][0]["hash"].as_str().unwrap_or_default()),
        said.stdout
    );
    assert_eq!(
        project.segue(&put).exits(2).stdout,
        "",
        "the second of two who change the same loses"
    );
    let current = written["items"][0]["hash"].as_str().unwrap_or_default();
    let again = project.json(
        "documents",
        &[
            "documents",
            "put",
            "exp-7/metrics",
            "3",
            "--expected-hash",
            current,
        ],
        0,
    );
    assert_eq!(
        again["items"][0]["value"], "3",
        "a step whose output is text takes text"
    );
    let wrong = project.segue(&["documents", "put", "exp-7/input", "{}"]).exits(2);
    assert!(wrong.stderr.contains("error:"), "{}", wrong.stderr);
}
