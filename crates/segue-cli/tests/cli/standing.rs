//! `[[budget]]` and `[limits]` of the configuration: what they hold, over runs and processes, and which level counts.

use serde_json::Value as Json;

use crate::project::{Project, texts};

const SMALL: &str = r#"version: 1
name: small
models: { m: { use: sim/script, file: script.yaml } }
agents: { writer: { instructions: Write., model: m, max_tokens: 100 }, reader: { instructions: Read., model: m } }
steps:
  draft: { agent: writer, prompt: Go. }
"#;

/// A time zone where it is about noon: no day ends while a test runs there.
#[expect(clippy::disallowed_methods, reason = "the binary reads the same clock")]
fn noon() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let hour = now.expect("it is after 1970").as_secs() / 3600 % 24;
    // The names of these zones say how far UTC is ahead of them.
    match hour {
        0..=12 => format!("Etc/GMT-{}", 12 - hour),
        _ => format!("Etc/GMT+{}", hour - 12),
    }
}

/// Two pipelines that make one call each, under this configuration, whose last budget is kept where it is noon.
fn project(config: &str) -> Project {
    let zone = match config.contains("[[budget]]") {
        true => format!("timezone = \"{}\"\n", noon()),
        false => String::new(),
    };
    let project = Project::empty();
    project.write("small.yaml", SMALL);
    project.write(
        "other.yaml",
        &SMALL
            .replace("name: small", "name: other")
            .replace("agent: writer", "agent: reader"),
    );
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { reply: Fine., usage: { input_tokens: 10, output_tokens: 10 } }\n",
    );
    project.write("segue.toml", &format!("{config}{zone}"));
    project
}

fn run(project: &Project, more: &[&str]) -> Option<i32> {
    let arguments: Vec<&str> = ["run", "small.yaml", "-q"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    project.segue(&arguments).exit
}

#[test]
fn a_budget_holds_over_all_runs_of_the_store_and_says_who_it_is() {
    let project = project("[[budget]]\nname = \"all\"\nrequests_per_day = 2\nusd_per_month = \"5\"\n");
    assert_eq!([run(&project, &[]), run(&project, &[])], [Some(0), Some(0)]);
    let refused = project.segue(&["run", "other.yaml"]).exits(4);
    assert!(refused.stderr.contains("budget:all/day"), "{}", refused.stderr);

    let listed = project.json("budgets", &["budgets", "ls"], 0);
    let lines: Vec<Json> = listed["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(lines.len(), 2, "{listed:#}");
    let (day, month) = (&lines[0], &lines[1]);
    assert_eq!(
        (&day["name"], &day["unit"], &day["period"]),
        (&"all".into(), &"requests".into(), &"day".into())
    );
    assert_eq!(
        (&day["limit"], &day["spent"], &day["reserved"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!(day["scope"]["kind"], "standing");
    assert!(
        day["scope"]["origin"]
            .as_str()
            .is_some_and(|origin| origin.ends_with("segue.toml:2")),
        "{day}"
    );
    assert!(day["resets"].is_string());
    assert_eq!(
        (&month["unit"], &month["limit"], &month["period"]),
        (&"usd".into(), &"5.00".into(), &"month".into())
    );
    let said = project.segue(&["budgets", "ls"]).exits(0);
    assert!(said.stdout.contains("all calls"), "{}", said.stdout);
    assert!(project.json("doctor", &["doctor"], 0)["ok"] == true);
}

#[test]
fn what_narrows_a_budget_leaves_all_else_alone() {
    for (narrow, fits, other) in [
        ("pipeline = \"small\"", &[][..], &["run", "other.yaml", "-q"][..]),
        ("agent = \"writer\"", &[], &["run", "other.yaml", "-q"]),
        (
            "label = \"team=x\"",
            &["--label", "team=x"],
            &["run", "small.yaml", "-q"],
        ),
        (
            "model = \"sim/script\"",
            &[],
            &["run", "small.yaml", "-q", "--model", "sim/schema"],
        ),
    ] {
        let project = project(&format!(
            "[[budget]]\nname = \"some\"\nrequests_per_day = 1\n{narrow}\n"
        ));
        assert_eq!(run(&project, fits), Some(0), "{narrow}");
        assert_eq!(run(&project, fits), Some(4), "{narrow}");
        project.segue(other).exits(0);
    }
    let project = project("[[budget]]\nname = \"some\"\nrequests_per_day = 0\nschedule = \"weekly\"\n");
    assert_eq!(run(&project, &[]), Some(0), "no schedule has started it");
}

#[test]
fn each_limit_holds() {
    for limit in [
        "requests_per_day = 0",
        "tokens_per_day = 0",
        "usd_per_day = \"0\"",
        "usd_per_month = \"0\"",
    ] {
        let price = "[prices.\"sim/script\"]\ninput = \"1\"\noutput = \"1\"\n";
        let project = project(&format!("{price}[[budget]]\nname = \"none\"\n{limit}\n"));
        assert_eq!(run(&project, &[]), Some(4), "{limit}");
    }
}

#[test]
fn a_run_that_is_paused_by_it_goes_on_when_it_may_go_beyond() {
    let project = project("[[budget]]\nname = \"all\"\nrequests_per_day = 0\non_exceed = \"pause\"\n");
    assert_eq!(run(&project, &[]), Some(3));
    let whole = project.segue(&["budgets", "set", "all", "5.00"]).exits(2);
    assert!(
        whole.stderr.contains("the limits of budget `all` stand in "),
        "{}",
        whole.stderr
    );
    assert!(
        whole.stderr.contains("`segue budgets set RUN 5.00`"),
        "{}",
        whole.stderr
    );
    let status = project.segue(&["status"]).exits(0);
    assert!(status.stdout.contains("budget:all/day"), "{}", status.stdout);
    project.segue(&["budgets", "set", "last", "requests=1"]).exits(0);
    assert_eq!(run(&project, &[]), Some(3), "only that run may");
}

#[test]
fn of_one_name_the_level_above_counts() {
    let project = project("[[budget]]\nname = \"all\"\nrequests_per_day = 0\n");
    std::fs::create_dir_all(project.path().join("config/segue")).expect("a folder");
    project.write(
        "config/segue/config.toml",
        "[[budget]]\nname = \"all\"\nrequests_per_day = 9\n",
    );
    assert_eq!(run(&project, &[]), Some(4), "the project counts before the user");
    project.write("named.toml", "[[budget]]\nname = \"all\"\nrequests_per_day = 9\n");
    assert_eq!(
        run(&project, &["--config", "named.toml"]),
        Some(0),
        "what is named counts before the project"
    );
    let mut command = project.command(&["run", "small.yaml", "-q"]);
    let said = crate::program::said(
        command
            .env("SEGUE_CONFIG", "named.toml")
            .output()
            .expect("the binary runs"),
    );
    assert_eq!(said.exit, Some(0), "so does what the environment names");
    project.write("segue.toml", "");
    assert_eq!(run(&project, &[]), Some(0), "without it the user counts");
    project.write(
        "config/segue/config.toml",
        "[[budget]]\nname = \"mine\"\nrequests_per_day = 0\n",
    );
    assert_eq!(
        run(&project, &["--config", "named.toml"]),
        Some(4),
        "budgets of other names hold beside it"
    );
}

#[test]
fn what_is_wrong_with_a_budget_stops_every_verb_that_needs_it() {
    let project = project("[[budget]]\nname = \"all\"\nusd_per_dya = \"1\"\n");
    let wrong = project.segue(&["run", "small.yaml"]).exits(2);
    assert!(
        wrong.stderr.contains("has no key `usd_per_dya`"),
        "{}",
        wrong.stderr
    );
    assert!(wrong.stderr.contains("usd_per_day"), "{}", wrong.stderr);
    project.write(
        "segue.toml",
        "[[budget]]\nname = \"all\"\nusd_per_day = \"1\"\ntimezone = \"Mars\"\n",
    );
    let wrong = project.segue(&["run", "small.yaml"]).exits(2);
    assert!(
        wrong.stderr.contains("unknown time zone: `Mars`"),
        "{}",
        wrong.stderr
    );
    let doctor = project.json("doctor", &["doctor"], 1);
    assert!(texts(&doctor["checks"]).is_empty());
    assert_eq!(doctor["checks"][1]["ok"], false, "{doctor:#}");
    project.write("segue.toml", "[budget]\nname = \"all\"\n");
    let wrong = project.segue(&["run", "small.yaml"]).exits(2);
    assert!(wrong.stderr.contains("[[budget]]"), "{}", wrong.stderr);
}

#[test]
fn the_ceiling_of_attempts_is_the_operators() {
    let many = r#"version: 1
name: many
models: { m: { use: sim/script, file: script.yaml } }
agents: { writer: { instructions: Write., model: m } }
steps:
  list: { set: [1, 2, 3, 4, 5, 6] }
  each: { for_each: steps.list.output, agent: writer, prompt: "{{ item }}" }
"#;
    let project = project("[limits]\nmax_parallel = 1\n");
    project.write("many.yaml", many);
    let most = |arguments: &[&str]| {
        let said = project.segue(arguments).exits(0);
        let (mut open, mut most) = (0_i32, 0);
        for event in said.events() {
            match event["type"].as_str() {
                Some("call.started") => open += 1,
                Some("call.succeeded") => open -= 1,
                _ => {}
            }
            most = most.max(open);
        }
        most
    };
    let run = [
        "run",
        "many.yaml",
        "-q",
        "--output",
        "ndjson",
        "--max-parallel",
        "6",
    ];
    assert_eq!(most(&run), 1, "the flag does not lift it");
    project.write("segue.toml", "");
    assert!(most(&run) > 1);
}

#[test]
fn the_schema_of_the_configuration_knows_the_list() {
    let schema = crate::program::segue(&["schema", "config"]).exits(0).json();
    let items = &schema["properties"]["budget"]["items"];
    assert_eq!(schema["properties"]["budget"]["type"], "array");
    assert_eq!(items["additionalProperties"], false);
    assert_eq!(items["properties"]["on_exceed"]["default"], "fail");
    assert_eq!(
        items["properties"].as_object().map(serde_json::Map::len),
        Some(12)
    );
}
