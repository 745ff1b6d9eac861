//! Tools of the operator: programs from `segue.toml`, called by a pipeline through the real binary; and the verb `tools`.

use std::thread;

use serde_json::Value as Json;

use crate::program::said;
use crate::project::{Project, texts};

/// An agent whose model calls the tool `check` once, with the text of the input, and says what it was told.
const PIPELINE: &str = r#"version: 1
name: spelling
inputs: { text: { type: string, default: "helo" } }
models: { m: { use: sim/script, file: script.yaml } }
agents:
  clerk: { model: m, instructions: Check it., tools: [check] }
steps:
  ask: { agent: clerk, prompt: "{{ inputs.text }}" }
"#;

const SCRIPT: &str = r#"version: 1
script:
  - { call: { tool: check, args: { text: "--help; $(touch ran)" } }, times: 1 }
  - { reply: "Done." }
"#;

/// A step that calls the tool by itself.
pub(crate) const STEP: &str = r#"version: 1
name: step
inputs: { text: { type: string, default: "helo" } }
steps:
  check: { tool: check, with: { text: "{{ inputs.text }}" } }
output: steps.check.output
"#;

/// The tool `check`: a Python program, with whatever else its table says.
fn declared(more: &str) -> String {
    format!(
        "[tools.check]\ncommand = [\"python3\", \"check.py\"]\ndescription = \"Find spelling mistakes\"\n\
         input = {{ text = \"string\" }}\n{more}"
    )
}

/// A project with a Python program as the tool `check`, whose configuration was looked at.
fn project(more: &str, program: &str) -> Project {
    let project = Project::empty();
    project.write("spelling.yaml", PIPELINE);
    project.write("step.yaml", STEP);
    project.write("script.yaml", SCRIPT);
    project.write("check.py", program);
    project.write("segue.toml", &declared(more));
    trust(&project);
    project
}

pub(crate) fn trust(project: &Project) {
    project.segue(&["doctor", "--trust", "--yes"]);
}

/// Says what it was given, and writes down that it was called.
const ECHO: &str = "
import json, os, sys
arguments = json.load(sys.stdin)
open('calls', 'a').write(json.dumps(arguments) + '\\n')
json.dump({'given': arguments, 'argv': sys.argv, 'key': os.environ['SEGUE_IDEMPOTENCY_KEY']}, sys.stdout)
";

fn calls(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(project.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What the model was told by its tool: the tool's message in the second request.
fn told(project: &Project) -> String {
    let made = project.json("calls", &["runs", "show", "last", "--calls"], 0);
    let items = made["items"].as_array().expect("a list");
    let asked: Vec<&Json> = items.iter().filter(|call| call["kind"] == "model").collect();
    let messages = asked[1]["request"]["messages"].as_array().expect("messages");
    let tool = messages.iter().find(|message| message["role"] == "tool");
    tool.expect("it is told").to_string()
}

#[test]
fn a_model_calls_a_program_and_what_it_says_is_no_command() {
    let project = project("class = \"read_only\"\n", ECHO);
    let run = project.json("run", &["run", "spelling.yaml"], 0);
    assert_eq!(run["output"], "Done.");
    assert_eq!(calls(&project), ["{\"text\": \"--help; $(touch ran)\"}"]);
    assert!(!project.path().join("ran").exists(), "no shell has seen it");
    let told = told(&project);
    assert!(
        told.contains("check.py") && !told.contains("\\\"argv\\\":[\\\"check.py\\\",\\\"--"),
        "{told}"
    );
}

#[test]
fn a_step_calls_it_too() {
    let project = project("", ECHO);
    let run = project.json("run", &["run", "step.yaml", "--input", "text=-rf /"], 0);
    assert_eq!(run["output"]["given"]["text"], "-rf /");
    assert_eq!(run["output"]["argv"], serde_json::json!(["check.py"]));
    let made = project.json("calls", &["runs", "show", "last", "--calls"], 0);
    assert_eq!(made["items"][0]["idempotency_key"], run["output"]["key"]);
}

#[test]
fn what_a_failing_program_says_is_told_to_the_model_or_fails_the_attempt() {
    let failing = "import sys; sys.exit('no dictionary for this language')";
    let project = project("", failing);
    project.json("run", &["run", "spelling.yaml"], 0);
    assert!(told(&project).contains("error: tool `check` failed (exit status: 1): no dictionary"));

    let project = self::project("on_error = \"fail\"\n", failing);
    let run = project.json("run", &["run", "spelling.yaml"], 1);
    assert_eq!(run["error"]["kind"], "tool");
    // Its user cannot make light of what its operator finds grave.
    project.write(
        "spelling.yaml",
        &format!("{PIPELINE}tools: {{ check: {{ on_error: tell }} }}\n"),
    );
    project.json("run", &["run", "spelling.yaml"], 1);
}

#[test]
fn a_program_is_tried_again_as_often_as_its_operator_says() {
    let second = "import json, os, sys\nif os.path.exists('once'): json.dump(1, sys.stdout)\nelse: open('once', 'w'); sys.exit(1)";
    let run = project("retries = 1\n", second).json("run", &["run", "step.yaml"], 0);
    assert_eq!(run["output"], 1);
    project("", second).json("run", &["run", "step.yaml"], 1);
}

#[test]
fn it_is_called_as_often_as_its_operator_says() {
    let project = project("max_calls = 0\n", ECHO);
    let run = project.json("run", &["run", "step.yaml"], 1);
    let message = run["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains("`check` has no call left in this run, of 0"),
        "{message}"
    );
    assert_eq!(calls(&project), Vec::<String>::new());
}

/// Hangs, ignores being told to end, and has started another that does the same.
const STUBBORN: &str = "
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()'])
open('pids', 'w').write(f'{os.getpid()} {child.pid}')
signal.pause()
";

/// Waits until no process of these numbers is left, as long as the test runner allows.
fn are_gone(project: &Project) {
    let text = std::fs::read_to_string(project.path().join("pids")).expect("it has begun");
    for pid in text.split(' ') {
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !matches!(state().as_str(), "") && !state().contains(") Z ") {
            thread::yield_now();
        }
    }
}

#[test]
fn a_program_that_hangs_is_cut_off_with_everything_it_has_started() {
    let project = project("timeout = \"2s\"\n", STUBBORN);
    let run = project.json("run", &["run", "step.yaml"], 1);
    assert_eq!(run["error"]["kind"], "tool");
    assert_eq!(run["error"]["limit"]["limit"], "2000");
    are_gone(&project);
    // A file can make it shorter and not longer.
    project.write(
        "step.yaml",
        &format!("{STEP}tools: {{ check: {{ timeout: 10m }} }}\n"),
    );
    let run = project.json("run", &["run", "step.yaml"], 1);
    assert_eq!(run["error"]["limit"]["limit"], "2000");
    are_gone(&project);
}

#[test]
fn a_program_that_never_stops_writing_is_cut_off() {
    let endless = "import os, sys\nopen('pids', 'w').write(str(os.getpid()))\nwhile True: sys.stdout.write('x' * 65536)";
    let project = project("", endless);
    let run = project.json("run", &["run", "step.yaml"], 1);
    let message = run["error"]["message"].as_str().expect("a message");
    assert!(message.contains("wrote more than 10485760 bytes"), "{message}");
    are_gone(&project);
}

#[test]
fn a_program_sees_its_own_variables_and_no_others() {
    let project = project("env = { LEVEL = \"3\", KEY = \"secret://SPELL\" }\n", ECHO);
    // A shell, because what is called Python may be a script that sets some of its own.
    project.write("check.sh", "printf '\"%s\"' \"$(env | tr '\\n' ';')\"\n");
    let text = std::fs::read_to_string(project.path().join("segue.toml")).expect("a file");
    let text = text.replace("python3", "sh").replace("check.py", "check.sh");
    project.write("segue.toml", &text);
    trust(&project);
    let run = project
        .command(&["run", "step.yaml", "--json"])
        .env("SEGUE_SECRET_SPELL", "sp3ll-value")
        .env("SEGUE_SECRET_OTHER", "canary-1")
        .env("OPENAI_API_KEY", "canary-2")
        .env("CANARY", "canary-3")
        .output()
        .expect("it runs");
    let run = said(run).exits(0);
    assert!(!run.stdout.contains("canary"), "{}", run.stdout);
    let output = run.json()["output"].clone();
    let seen = output.as_str().expect("text").split(';');
    let seen: Vec<(&str, &str)> = seen.filter_map(|line| line.split_once('=')).collect();
    let mut names: Vec<&str> = seen.iter().map(|(name, _)| *name).collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_", "LANG"].contains(name));
    names.sort_unstable();
    let expected = [
        "KEY",
        "LEVEL",
        "PATH",
        "SEGUE_ATTEMPT",
        "SEGUE_IDEMPOTENCY_KEY",
        "SEGUE_RUN",
        "SEGUE_STEP",
    ];
    assert_eq!(names, expected);
    assert!(
        seen.contains(&("LEVEL", "3")) && seen.contains(&("SEGUE_STEP", "check")),
        "{seen:?}"
    );
}

#[test]
fn a_run_that_needs_a_secret_that_is_not_set_does_not_start() {
    let project = project("env = { KEY = \"secret://SPELL\" }\n", ECHO);
    project.segue(&["check", "spelling.yaml"]).exits(0);
    for pipeline in ["spelling.yaml", "step.yaml"] {
        let refused = project.json("error", &["run", pipeline], 2);
        let error = &refused["error"];
        assert_eq!(error["faults"][0]["code"], "unknown_secret", "{error:#}");
        assert_eq!(
            texts(&error["hints"]),
            ["set the environment variable `SEGUE_SECRET_SPELL`"]
        );
    }
    assert_eq!(calls(&project), Vec::<String>::new());
}

#[test]
fn a_run_that_needs_a_program_nobody_has_looked_at_does_not_start() {
    let project = project("", ECHO);
    project.write("segue.toml", &declared("timeout = \"5s\"\n"));
    project.segue(&["check", "spelling.yaml"]).exits(0);
    for pipeline in ["spelling.yaml", "step.yaml"] {
        let refused = project.json("error", &["run", pipeline], 2);
        assert_eq!(
            refused["error"]["faults"][0]["code"], "command_not_allowed",
            "{refused:#}"
        );
    }
    let listed = project.json("tools", &["tools", "ls"], 0);
    assert_eq!(listed["items"][0]["available"], false);
    assert!(
        listed["items"][0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("not trusted"))
    );
    assert_eq!(calls(&project), Vec::<String>::new());
    trust(&project);
    project.segue(&["run", "step.yaml", "-q"]).exits(0);
    assert_eq!(calls(&project).len(), 1);
}

#[test]
fn a_program_that_is_not_there_is_named_with_its_entry() {
    let project = project("", ECHO);
    project.write(
        "segue.toml",
        &declared("").replace("python3", "./no-such-program"),
    );
    trust(&project);
    let run = project.json("run", &["run", "step.yaml"], 1);
    let message = run["error"]["message"].as_str().expect("a message");
    assert!(message.contains("tool `check` cannot start"), "{message}");
    let hint = run["error"]["hints"][0].as_str().expect("a hint");
    assert!(
        hint.contains("[tools.check]") && hint.contains("segue.toml:2"),
        "{hint}"
    );
}

#[test]
fn an_approval_is_asked_for_and_the_call_is_made_once() {
    for (more, allowed) in [
        ("class = \"effectful\"\n", ""),
        (
            "class = \"effectful\"\n",
            "tools: { check: { approval: allow } }\n",
        ),
        ("approval = \"ask\"\n", "tools: { check: { approval: allow } }\n"),
        ("approval = \"allow\"\n", "tools: { check: { approval: ask } }\n"),
    ] {
        let project = project(more, ECHO);
        project.write("spelling.yaml", &format!("{PIPELINE}{allowed}"));
        let run = project.json("run", &["run", "spelling.yaml"], 3);
        let question = &run["questions"][0];
        assert_eq!(question["approval"]["tool"], "check", "{more}{allowed}");
        assert_eq!(question["approval"]["arguments"]["text"], "--help; $(touch ran)");
        assert_eq!(calls(&project), Vec::<String>::new(), "nobody has allowed it");
        let id = question["id"].as_str().expect("an id").to_owned();
        project
            .segue(&["answer", &id, "--set", "approved=true", "-q"])
            .exits(0);
        assert_eq!(calls(&project).len(), 1, "it is made once");
    }
}

#[test]
fn a_rejected_call_is_never_made_and_the_model_is_told_why() {
    let project = project("class = \"effectful\"\n", ECHO);
    let run = project.json("run", &["run", "spelling.yaml"], 3);
    let id = run["questions"][0]["id"].as_str().expect("an id").to_owned();
    let answer = [
        "answer",
        &id,
        "--set",
        "approved=false",
        "--set",
        "reason=not today",
        "-q",
    ];
    project.segue(&answer).exits(0);
    assert_eq!(calls(&project), Vec::<String>::new());
    assert!(told(&project).contains("was rejected: not today"));
}

#[test]
fn what_an_effectful_program_does_needs_nobody_where_its_operator_says_so() {
    let project = project("class = \"effectful\"\napproval = \"allow\"\n", ECHO);
    project.segue(&["run", "spelling.yaml", "-q"]).exits(0);
    assert_eq!(calls(&project).len(), 1);
    project.write("segue.toml", &declared("approval = \"deny\"\n"));
    trust(&project);
    let run = project.json("run", &["run", "step.yaml"], 1);
    assert_eq!(run["error"]["kind"], "tool_denied");
    assert_eq!(calls(&project).len(), 1);
}

#[test]
fn conditions_on_the_exact_arguments_deny_first_and_then_ask() {
    let project = project("class = \"effectful\"\napproval = \"allow\"\n", ECHO);
    let limits =
        "tools: { check: { approval: { deny: \"args.text == 'all'\", ask: \"args.text != 'me'\" } } }\n";
    project.write("step.yaml", &format!("{STEP}{limits}"));
    let run = |text: &str, exit| {
        project.json(
            "run",
            &["run", "step.yaml", "--input", &format!("text={text}")],
            exit,
        )
    };
    run("me", 0);
    assert_eq!(run("all", 1)["error"]["kind"], "tool_denied");
    let waits = run("you", 3);
    assert_eq!(waits["questions"][0]["approval"]["arguments"]["text"], "you");
    assert_eq!(calls(&project), ["{\"text\": \"me\"}"]);
    let id = waits["questions"][0]["id"].as_str().expect("an id").to_owned();
    project
        .segue(&["answer", &id, "--set", "approved=true", "-q"])
        .exits(0);
    assert_eq!(calls(&project), ["{\"text\": \"me\"}", "{\"text\": \"you\"}"]);
}

#[test]
fn a_plan_tells_what_holds_for_each_tool_once_everybody_has_said_it() {
    let project = project("class = \"effectful\"\nmax_calls = 7\n", ECHO);
    let tools = |more: &str, used: &str| {
        let pipeline = PIPELINE.replace("tools: [check]", &format!("tools: [{used}]"));
        project.write("spelling.yaml", &format!("{pipeline}{more}"));
        project.json("plan", &["plan", "spelling.yaml"], 0)["steps"][0]["tools"].clone()
    };
    let tool = |approval: &str, most: u32| serde_json::json!([{"name": "check", "class": "effectful", "approval": approval, "max_calls": most}]);
    assert_eq!(tools("", "check"), tool("ask", 7));
    assert_eq!(tools("", "ch*"), tool("ask", 7), "a glob is what it means");
    assert_eq!(
        tools("tools: { check: { approval: allow, max_calls: 9 } }\n", "check"),
        tool("ask", 7)
    );
    assert_eq!(
        tools("tools: { \"c*\": { approval: deny } }\n", "check"),
        tool("deny", 7)
    );
    assert_eq!(tools("", "{ name: check, max_calls: 2 }"), tool("ask", 2));
    assert_eq!(calls(&project), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_tool_is_said_with_its_place() {
    for (text, parts) in [
        (
            "[tools.x]\n",
            &["tool `x` has neither `command` nor `url`", "segue.toml:1"][..],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\nurl = \"https://a.example/\"\n",
            &["both `command` and `url`"],
        ),
        ("[tools.x]\ncommand = []\n", &["an empty `command`"]),
        (
            "[tools.x]\ncommand = \"ls -l\"\n",
            &["`tools.x.command` needs a list of texts"],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\nmethod = \"GET\"\n",
            &["has `method`, which one with `command` cannot have"],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\nheader = { A = \"b\" }\n",
            &["has `header`"],
        ),
        (
            "[tools.x]\nurl = \"https://a.example/\"\nenv = { A = \"b\" }\n",
            &["has `env`, which one with `url` cannot have"],
        ),
        (
            "[tools.x]\nurl = \"https://{host}/\"\n",
            &["an argument has no place before the path"],
        ),
        (
            "[tools.x]\nurl = \"https://a.example/{id}\"\ninput = { name = \"string\" }\n",
            &["a place for `id`"],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\ninput = { a = \"str\" }\n",
            &["there is no type `str`", "write `string`"],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\ninput = \"string\"\n",
            &["an `input` that is no object"],
        ),
        ("[tools.X]\ncommand = [\"a\"]\n", &["needs another name"]),
        (
            "[tools.\"segue.x\"]\ncommand = [\"a\"]\n",
            &["a name that is Segue's own"],
        ),
        (
            "[tools.x]\ncomand = [\"a\"]\n",
            &["has no key `comand`", "command"],
        ),
        (
            "[tools.x]\ncommand = [\"a\"]\nclass = \"safe\"\n",
            &["`tools.x.class` needs"],
        ),
        (
            "[fetch]\nallow_private = [\"10.0.0.0/99\"]\n",
            &["which is no range", "10.1.0.0/16"],
        ),
        ("[fetch]\nports = [0]\n", &["from 1 to 65535"]),
        (
            "[fetch]\nhttp = \"yes\"\n",
            &["`fetch.http` needs `true` or `false`"],
        ),
    ] {
        let project = Project::empty();
        project.write("segue.toml", text);
        let refused = project.segue(&["tools", "ls"]).exits(2);
        for part in parts {
            assert!(
                refused.stderr.contains(part),
                "{part} is not in {}",
                refused.stderr
            );
        }
    }
}

#[test]
fn tools_are_listed_and_shown() {
    let project = project(
        "class = \"effectful\"\ntimeout = \"5s\"\nmax_calls = 3\nretries = 2\n",
        ECHO,
    );
    let text = std::fs::read_to_string(project.path().join("segue.toml")).expect("a file");
    let http = "[tools.\"crm.read\"]\nurl = \"https://crm.example/{id}\"\nclass = \"read_only\"\n[fetch]\n";
    project.write("segue.toml", &format!("{text}{http}"));
    trust(&project);
    let listed = project.json("tools", &["tools", "ls"], 0);
    let items = listed["items"].as_array().expect("a list");
    let of = |key: &str| -> Vec<&Json> { items.iter().map(|item| &item[key]).collect() };
    assert_eq!(of("name"), ["check", "crm.read", "segue.fetch"]);
    assert_eq!(of("from"), ["command", "http", "fetch"]);
    assert_eq!(of("class"), ["effectful", "read_only", "read_only"]);
    assert_eq!(of("approval"), ["ask", "allow", "allow"]);
    assert_eq!(of("available"), [true, true, true]);
    assert_eq!(
        items[0]["limits"],
        serde_json::json!({"timeout_ms": 5000, "retries": 2, "max_calls": 3, "on_error": "tell"})
    );
    assert!(
        items[1]["place"]
            .as_str()
            .is_some_and(|place| place.ends_with("segue.toml:10")),
        "{}",
        items[1]
    );
    let shown = project.json("tools", &["tools", "show", "check"], 0);
    assert_eq!(
        shown["items"][0]["input"]["required"],
        serde_json::json!(["text"])
    );
    let globbed = project.json("tools", &["tools", "show", "c*"], 0);
    assert_eq!(globbed["items"].as_array().map(Vec::len), Some(2));

    let said = project.segue(&["tools", "ls"]).exits(0);
    assert!(
        said.stdout
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("check")),
        "{}",
        said.stdout
    );
    let said = project.segue(&["tools", "show", "check"]).exits(0);
    for part in [
        "Find spelling mistakes",
        "effectful",
        "ask",
        "5000ms",
        "at most 3",
        "\"required\"",
    ] {
        assert!(said.stdout.contains(part), "{part} is not in {}", said.stdout);
    }
    let unknown = project.segue(&["tools", "show", "chek"]).exits(2);
    assert!(
        unknown.stderr.contains("there is no tool `chek`") && unknown.stderr.contains("`check`"),
        "{}",
        unknown.stderr
    );
    let none = Project::empty().segue(&["tools", "ls"]).exits(0);
    assert!(none.stdout.contains("there are no tools"), "{}", none.stdout);
}
