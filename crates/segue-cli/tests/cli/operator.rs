//! `budgets`, `halt` and `doctor`: what an operator looks at and sets.

use serde_json::Value as Json;

use crate::project::Project;
use crate::provider::Server;

/// A call that costs a cent and a half by the operator's price, under a budget of one cent.
const PAID: &str = r#"version: 1
name: paid
budget: { usd: 0.01, on_exceed: pause }
models: { m: { use: sim/script, file: script.yaml } }
agents: { writer: { instructions: Write., model: m, max_tokens: 100 } }
steps:
  draft: { agent: writer, prompt: Go. , artifacts: { draft.md: { from: output } } }
"#;

fn paid() -> Project {
    let project = Project::empty();
    project.write("paid.yaml", PAID);
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { reply: Fine., usage: { input_tokens: 10, output_tokens: 100 } }\n",
    );
    project.write(
        "segue.toml",
        "[prices.\"sim/script\"]\ninput = \"0\"\noutput = \"150\"\n",
    );
    project
}

#[test]
fn a_run_that_is_paused_shows_its_budget_and_goes_on_when_that_is_set() {
    let project = paid();
    project.segue(&["run", "paid.yaml", "-q"]).exits(3);
    let listed = project.json("budgets", &["budgets", "ls"], 0);
    let run = &listed["items"][0];
    assert_eq!(
        (&run["name"], &run["limit"], &run["spent"]),
        (&"run".into(), &"0.01".into(), &"0.00".into())
    );
    assert_eq!(run["on_exceed"], "pause");
    let overview = project.segue(&["status"]).exits(0);
    assert!(
        overview.stdout.contains("(1 budget is used up)"),
        "{}",
        overview.stdout
    );
    assert!(
        overview.stdout.contains("budget run: spent"),
        "{}",
        overview.stdout
    );
    let said = project.segue(&["budgets", "ls"]).exits(0);
    assert!(
        said.stdout
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("run ")),
        "{}",
        said.stdout
    );

    project.segue(&["budgets", "set", "last", "0.012"]).exits(3);
    let set = project.json("budgets", &["budgets", "set", "last", "1.00"], 0);
    assert_eq!(
        (&set["items"][0]["limit"], &set["items"][0]["spent"]),
        (&"1.00".into(), &"0.015".into())
    );
    let over = project.segue(&["budgets", "set", "last", "2.00"]).exits(2);
    assert!(over.stderr.contains("is over (succeeded)"), "{}", over.stderr);
    let none = project.json("budgets", &["budgets", "ls"], 0);
    assert_eq!(
        none["items"],
        serde_json::json!([]),
        "of runs that are over nobody asks"
    );
}

#[test]
fn a_budget_can_be_lifted() {
    let project = paid();
    project.segue(&["run", "paid.yaml", "-q"]).exits(3);
    project.segue(&["budgets", "set", "last", "none"]).exits(0);
}

#[test]
fn what_is_no_budget_and_no_run_is_refused() {
    let project = paid();
    project.segue(&["run", "paid.yaml", "-q"]).exits(3);
    let wrong = project.segue(&["budgets", "set", "last", "-1"]).exits(2);
    assert!(wrong.stderr.contains("error:"), "{}", wrong.stderr);
    let wrong = project.segue(&["budgets", "set", "last", "lots"]).exits(2);
    assert!(wrong.stderr.contains("hint: write `0.50`"), "{}", wrong.stderr);
    let nobody = project.segue(&["budgets", "set", "run_0000", "1"]).exits(2);
    assert!(
        nobody.stderr.contains("there is no run `run_0000`"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn calls_that_are_halted_start_nothing_until_they_are_let_go_on() {
    let project = Project::strategist();
    let halted = project.json("halt", &["halt", "--reason", "the price is wrong"], 0);
    assert_eq!(
        (&halted["halted"], &halted["changed"], &halted["by"]),
        (&true.into(), &true.into(), &"ada".into())
    );
    let again = project.json("halt", &["halt", "--reason", "another"], 0);
    assert_eq!(
        (&again["changed"], &again["reason"]),
        (&false.into(), &"the price is wrong".into()),
        "the first stays"
    );
    assert_eq!(again["since"], halted["since"]);

    let refused = project.json("error", &["run", "strategist.yaml", "--key", "exp-7", "--all"], 2);
    assert_eq!(refused["error"]["kind"], "halted");
    assert_eq!(refused["error"]["hints"][0], "`segue halt --off` lets them go on");
    let overview = project.json("overview", &["status"], 0);
    assert_eq!(overview["halted"]["reason"], "the price is wrong");
    let said = project.segue(&["status"]).exits(0);
    assert!(
        said.stdout.starts_with("calls are halted by ada since "),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("`segue halt --off` lets calls go on"),
        "{}",
        said.stderr
    );
    let doctor = project.json("doctor", &["doctor"], 1);
    assert_eq!(check(&doctor, "halt")["ok"], false);

    let off = project.json("halt", &["halt", "--off"], 0);
    assert_eq!((&off["halted"], &off["changed"]), (&false.into(), &true.into()));
    assert_eq!(project.json("halt", &["halt", "--off"], 0)["changed"], false);
    project
        .segue(&[
            "run",
            "strategist.yaml",
            "--key",
            "exp-7",
            "--step",
            "input",
            "-q",
        ])
        .exits(3);
}

#[test]
fn a_halt_needs_a_store_that_stays_and_a_reason_needs_a_halt() {
    let project = Project::empty();
    let memory = project.segue(&["halt", "--store", "memory:"]).exits(2);
    assert!(
        memory.stderr.contains("hint: name the store"),
        "{}",
        memory.stderr
    );
    project.segue(&["halt", "--off", "--reason", "x"]).exits(2);
}

fn check<'a>(doctor: &'a Json, name: &str) -> &'a Json {
    let mut checks = doctor["checks"].as_array().into_iter().flatten();
    checks.find(|check| check["name"] == name).unwrap_or(&Json::Null)
}

#[test]
fn a_project_in_order_is_told_so() {
    let project = paid();
    let before = project.json("doctor", &["doctor"], 0);
    assert!(
        check(&before, "store")["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("there is none yet"))
    );
    assert!(!project.path().join(".segue").exists(), "looking makes no store");
    project
        .segue(&["run", "paid.yaml", "-q", "--budget", "1"])
        .exits(0);
    let doctor = project.json("doctor", &["doctor"], 0);
    let names: Vec<&str> = doctor["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|check| check["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "version",
            "configuration",
            "trust",
            "store",
            "artifacts",
            "owners",
            "halt",
            "ledger",
            "keys",
            "models"
        ]
    );
    assert!(
        check(&doctor, "ledger")["detail"]
            .as_str()
            .is_some_and(|detail| detail.starts_with("1 run with "))
    );
    let said = project.segue(&["doctor"]).exits(0);
    assert_eq!(
        said.stdout.lines().filter(|line| line.starts_with("✓ ")).count(),
        10,
        "{}",
        said.stdout
    );
    let fixed = project.json("doctor", &["doctor", "--fix", "--deep"], 0);
    assert_eq!(check(&fixed, "fix")["ok"], true);
}

#[test]
fn settings_are_told_with_where_they_come_from_and_keys_never() {
    let project = paid();
    let server = Server::new(&[("/models", r#"{"data": [{"id": "gpt-5"}]}"#)]);
    let config = format!(
        "[limits]\nmax_runs = 7\n[providers.openai]\nbase_url = \"http://{}/v1\"\n",
        server.address
    );
    project.write("mine.toml", &config);
    let mut command = project.command(&[
        "doctor",
        "--json",
        "--config",
        "mine.toml",
        "--store",
        "sqlite:here.db",
    ]);
    command.env("OPENAI_API_KEY", "sk-very-secret");
    let said = crate::program::said(command.output().expect("the binary runs")).exits(0);
    assert!(!said.stdout.contains("very-secret") && !said.stderr.contains("very-secret"));
    let doctor = said.json();
    let keys = check(&doctor, "keys")["detail"].as_str().unwrap_or_default();
    assert!(
        keys.starts_with("OPENAI_API_KEY set (14 characters), ANTHROPIC_API_KEY "),
        "{keys}"
    );
    let models = check(&doctor, "models")["detail"].as_str().unwrap_or_default();
    assert!(
        models.contains("auto/large means openai/gpt-5") && models.contains("can be asked: openai"),
        "{models}"
    );
    let setting = |name: &str| {
        let mut settings = doctor["settings"].as_array().into_iter().flatten();
        let found = settings
            .find(|setting| setting["name"] == name)
            .unwrap_or(&Json::Null);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("value"), text("origin"))
    };
    assert_eq!(setting("limits.max_runs"), ("7".into(), "mine.toml:2".into()));
    assert_eq!(setting("store.url"), ("sqlite:here.db".into(), "--store".into()));
    assert_eq!(setting("store.durability"), ("full".into(), "default".into()));

    project.write("segue.toml", "version = 1\n[limits]\nmax_runs = 8\n");
    let said = project.segue(&["doctor"]).exits(0);
    let (_, settings) = said
        .stdout
        .split_once("settings that are not the default:\n")
        .expect("one is not");
    assert!(settings.starts_with("  limits.max_runs = 8"), "{settings}");
}

#[test]
fn a_password_of_a_store_is_not_shown() {
    let project = Project::empty();
    let url = "postgres://ada:sesame@127.0.0.1:1/none";
    let doctor = project.json("doctor", &["doctor", "--store", url], 1);
    assert_eq!(check(&doctor, "store")["ok"], false);
    assert!(!doctor.to_string().contains("sesame"), "{doctor:#}");
}

#[test]
fn a_configuration_with_faults_is_told_with_their_places() {
    let project = paid();
    project.write(
        "segue.toml",
        "[stoer]\nurl = \"memory:\"\n[limits]\nmax_runs = 0\n",
    );
    let doctor = project.json("doctor", &["doctor"], 1);
    let lines = crate::project::texts(&check(&doctor, "configuration")["lines"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("segue.toml:1: the file has no key `stoer`"),
        "{lines:?}"
    );
    assert!(lines[1].contains("segue.toml:4: "), "{lines:?}");
}

#[test]
fn what_is_damaged_is_found_and_told() {
    let project = paid();
    project
        .segue(&["run", "paid.yaml", "-q", "--budget", "1"])
        .exits(0);
    let artifacts = project.path().join(".segue/artifacts");
    for folder in std::fs::read_dir(&artifacts).expect("it is there").flatten() {
        if folder.file_name() != "tmp" {
            std::fs::remove_dir_all(folder.path()).expect("it can be removed");
        }
    }
    let doctor = project.json("doctor", &["doctor"], 1);
    assert_eq!(check(&doctor, "ledger")["ok"], false);
    let finding = &doctor["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["severity"]),
        (&"artifact".into(), &"error".into())
    );
    assert!(
        finding["message"]
            .as_str()
            .is_some_and(|message| message.contains("`draft.md`")),
        "{finding}"
    );
    let said = project.segue(&["doctor"]).exits(1);
    assert!(
        said.stdout.contains("✗ ledger") && said.stdout.contains("are missing"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("hint: `segue rerun run_"), "{}", said.stdout);

    std::fs::remove_dir_all(artifacts.join("tmp")).expect("it can be removed");
    project.write(".segue/artifacts/tmp", "no folder");
    let unkept = project.json("doctor", &["doctor"], 1);
    assert!(unkept.to_string().contains("artifacts"), "{unkept:#}");

    project.write(
        ".segue/store.db",
        "this is no database, whatever it is called, and long enough to be looked at",
    );
    let broken = project.json("doctor", &["doctor"], 1);
    assert_eq!(check(&broken, "store")["ok"], false);
}

/// A process that is killed while it waits for a model.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_a_dead_process_held_is_told() {
    use std::io::{BufRead, BufReader};

    let project = paid();
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { delay: 60s, reply: late }\n",
    );
    let arguments = ["run", "paid.yaml", "-q", "--budget", "1", "--output", "ndjson"];
    let mut child = project.command(&arguments).spawn().expect("the binary runs");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    for line in stdout.lines() {
        if line.expect("a line").contains("call.started") {
            break;
        }
    }
    let alive = project.json("doctor", &["doctor"], 0);
    assert_eq!(
        check(&alive, "owners")["detail"],
        "1 process at work, 1 unfinished run"
    );
    let overview = project.json("overview", &["status"], 0);
    assert_eq!(overview["at_work"][0]["status"], "running");
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let list = project.segue(&["runs", "list"]).exits(0);
    assert!(
        list.stdout.contains("◐ running") && !list.stdout.contains("0/0"),
        "{}",
        list.stdout
    );
    let dead = project.json("doctor", &["doctor"], 1);
    let lines = crate::project::texts(&check(&dead, "owners")["lines"]);
    assert!(
        lines.len() == 1 && lines[0].ends_with("is dead and held 1 run"),
        "{lines:?}"
    );
    assert!(
        check(&dead, "owners")["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("segue resume"))
    );
    let fixed = project.json("doctor", &["doctor", "--fix"], 1);
    assert_eq!(
        check(&fixed, "fix")["detail"],
        "took 1 owner for dead, swept 0 pieces of bytes"
    );
    let lines = crate::project::texts(&check(&fixed, "owners")["lines"]);
    assert!(
        lines.len() == 1 && lines[0].starts_with("nobody works on run_"),
        "{lines:?}"
    );
}
