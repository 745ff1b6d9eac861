//! A site: a project in which everything is done once that tells something, with the canary in one place.

use std::cell::RefCell;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program;
use crate::search::{self, Found, Sink};
use crate::service;

/// A place where a secret can be.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) put: fn(&mut Command, &str),
}

macro_rules! variable {
    ($name:literal) => {
        Place {
            name: $name,
            put: |command, value| {
                command.env($name, value);
            },
        }
    };
}

/// All of them; a new one is one line.
pub(crate) const PLACES: &[Place] = &[
    variable!("SEGUE_SECRET_HOUSE"),
    variable!("OPENAI_API_KEY"),
    variable!("ANTHROPIC_API_KEY"),
    variable!("GEMINI_API_KEY"),
    variable!("OPENROUTER_API_KEY"),
    variable!("SEGUE_TOKEN"),
    variable!("PGPASSWORD"),
    variable!("AWS_SECRET_ACCESS_KEY"),
    Place {
        name: "the key of a provider that the user's configuration names",
        put: |command, value| {
            let place = format!("base_url = \"http://{}/v1\"", service::address());
            configured(
                command,
                &format!("[providers.house]\n{place}\nkey_env = \"HOUSE_KEY\"\n"),
            );
            command.env("HOUSE_KEY", value);
        },
    },
    Place {
        name: "a secret that a program is started with, and says as it fails",
        put: |command, value| {
            configured(
                command,
                "[tools.tell]\ncommand = [\"/bin/sh\", \"-c\", 'printf %s \"$KEY\" >&2; exit 3']\nenv = { KEY = \"secret://HOUSE\" }\n",
            );
            told_by(command, "{ tool: tell, on_error: skip }");
            command.env("SEGUE_SECRET_HOUSE", value);
        },
    },
    Place {
        name: "an entry of a program's environment, as it is written",
        put: |command, value| {
            let command_line = r#"["/bin/sh", "-c", 'printf %s "$KEY" >&2; exit 3']"#;
            configured(
                command,
                &format!("[tools.tell]\ncommand = {command_line}\nenv = {{ KEY = '{value}' }}\n"),
            );
            told_by(command, "{ tool: tell, on_error: skip }");
        },
    },
    Place {
        name: "an entry of an MCP server's environment, as it is written",
        put: |command, value| {
            configured(command, &server(&format!("env = {{ KEY = '{value}' }}")));
            told_by(command, "{ tool: tell.env, with: {}, on_error: skip }");
        },
    },
    Place {
        name: "an entry of an MCP server's environment, by name",
        put: |command, value| {
            configured(command, &server("env = { KEY = \"secret://HOUSE\" }"));
            told_by(command, "{ tool: tell.env, with: {}, on_error: skip }");
            command.env("SEGUE_SECRET_HOUSE", value);
        },
    },
    Place {
        name: "the password of a store that the user's configuration names",
        put: |command, value| {
            let url = format!("postgres://ada:{}@127.0.0.1:1/runs", encoded(value));
            configured(command, &format!("[store]\nurl = \"{url}\"\n"));
            // What it is meant for is done elsewhere; its own text is no leak.
            command.env("SEGUE_STORE", "sqlite:.segue/store.db");
        },
    },
];

/// Places for what a header can carry.
pub(crate) const HEADERS: &[Place] = &[
    Place {
        name: "a header of an MCP server, as it is written",
        put: |command, value| {
            let header = format!("header = {{ Authorization = 'Bearer {value}' }}");
            configured(
                command,
                &format!(
                    "[mcp.tell]\nurl = \"http://{}/mcp\"\n{header}\n",
                    service::address()
                ),
            );
            told_by(command, "{ tool: tell.say, with: {}, on_error: skip }");
        },
    },
    Place {
        name: "a header of an MCP server, by name, told by a call that fails",
        put: |command, value| {
            let header = "header = { Authorization = \"Bearer secret://HOUSE\" }";
            configured(
                command,
                &format!(
                    "[mcp.tell]\nurl = \"http://{}/mcp\"\n{header}\n",
                    service::address()
                ),
            );
            told_by(command, "{ tool: tell.fail, with: {}, on_error: skip }");
            command.env("SEGUE_SECRET_HOUSE", value);
        },
    },
    Place {
        name: "a header of a tool, as it is written",
        put: |command, value| {
            let header = format!("header = {{ Authorization = 'Bearer {value}' }}");
            configured(
                command,
                &format!(
                    "[tools.tell]\nurl = \"http://{}/tool\"\n{header}\n",
                    service::address()
                ),
            );
            told_by(command, "{ tool: tell, with: {}, on_error: skip }");
        },
    },
];

/// The server of the tests of MCP, which says what it sees of its environment.
fn server(more: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../segue-tools/tests/mcp/server.py");
    format!("[mcp.tell]\ncommand = [\"python3\", {script:?}]\n{more}\n")
}

/// One more step of the pipeline, and of the one that is recorded.
fn told_by(command: &mut Command, step: &str) {
    let project = command.get_current_dir().expect("it has one").to_owned();
    for (name, pipeline) in [("canary.yaml", PIPELINE), ("recorded.yml", RECORDED)] {
        let pipeline = pipeline.replacen("output:", &format!("  tells: {step}\noutput:"), 1);
        std::fs::write(project.join(name), pipeline).expect("a file");
    }
    // A program is found where the tests find it.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
}

/// What the user's own configuration says.
fn configured(command: &Command, text: &str) {
    let folder = command
        .get_current_dir()
        .expect("it has one")
        .join("config/segue");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("config.toml"), text).expect("a file");
}

const PIPELINE: &str = r#"version: 1
name: canary
inputs:
  given: { type: string, default: nothing }
  end: { enum: [well, failed, panicked, refused], default: well }
models: { m: { use: ollama/parrot } }
agents:
  parrot: { model: m, instructions: Say it., tools: [canary.say] }
  refused: { model: m, instructions: Fail. }
steps:
  told: { agent: parrot, prompt: "{{ inputs.given }}" }
  said:
    tool: canary.say
    with: { text: "{{ steps.told.output }}" }
    artifacts: { said.txt: { from: output.text }, said.json: { from: output } }
  kept: { tool: canary.keep, with: { text: "{{ steps.told.output }}" }, on_error: skip }
  again: { tool: canary.again, with: { text: x }, retry: { max_attempts: 2, backoff: none }, on_error: skip }
  fails: { tool: canary.fail, with: { text: x }, on_error: skip }
  panics: { tool: canary.panic, with: { text: x }, on_error: skip }
  refused: { agent: refused, prompt: "{{ steps.told.output }}", on_error: skip }
  fatal: { when: inputs.end == 'failed', tool: canary.fail, with: { text: x } }
  panicked: { when: inputs.end == 'panicked', tool: canary.panic, with: { text: x } }
  unheard: { when: inputs.end == 'refused', agent: refused, prompt: x }
  asked: { needs: [said, kept], when: inputs.end == 'well', tool: canary.ask, with: { text: x } }
  sent: { when: inputs.end == 'well', needs: [asked], tool: canary.send, with: { text: "{{ steps.said.output.text }}" } }
output: "{'said': steps.said.output, 'asked': steps.asked.output}"
"#;

/// What is recorded: an agent that tells it to a tool, and a step that does.
const RECORDED: &str = r#"version: 1
name: recorded
models: { m: { use: ollama/parrot } }
agents: { parrot: { model: m, instructions: Say it., tools: [canary.tell] } }
steps:
  told: { agent: parrot, prompt: Speak. }
  said: { tool: canary.tell, with: { text: "{{ steps.told.output }}" } }
  fails: { tool: canary.fail, with: { text: x }, on_error: skip }
output: steps.said.output
"#;
const TESTED: &str = "version: 1\npipeline: recorded.yml\ncassette: recorded.cassette.yaml\ncases:\n  \
    - { name: all, expect: { status: succeeded } }\n";

pub(crate) struct Site {
    project: TempDir,
    /// Outside of what is searched.
    outside: TempDir,
    canary: &'static str,
    said: RefCell<Vec<Said>>,
}

/// What a command said.
struct Said {
    line: String,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Site {
    pub(crate) fn new(canary: &'static str) -> Self {
        let site = Self {
            project: tempfile::tempdir().expect("a folder"),
            outside: tempfile::tempdir().expect("a folder"),
            canary,
            said: RefCell::default(),
        };
        for (name, text) in [
            ("canary.yaml", PIPELINE),
            ("recorded.yml", RECORDED),
            ("recorded.test.yaml", TESTED),
        ] {
            std::fs::write(site.project.path().join(name), text).expect("a file");
        }
        std::fs::write(site.outside.path().join("canary"), canary).expect("a file");
        site
    }

    /// Does everything once that tells something.
    pub(crate) fn lived_in(&self, place: &Place) -> &Self {
        let run = |arguments: &[&str], exit: i32| self.run(place, arguments, exit);
        run(&["check"], 0);
        run(&["plan", "--json"], 0);
        run(&["run", "--no-input"], 3);
        run(&["status"], 0);
        run(&["status", "--json"], 0);
        self.look(place);
        run(&["answer", "last", "--input", "true", "--no-input"], 3);
        run(&["approve", "last"], 2);
        run(&["approve", "last", "--yes", "--json"], 0);
        self.look(place);
        self.read(place);
        run(&["runs", "export", "last", "run.tar"], 0);
        run(&["run", "--end", "failed", "--json"], 1);
        run(&["run", "--end", "refused", "--output", "ndjson"], 1);
        run(&["run", "--end", "panicked"], 1);
        self.look(place);
        run(&["runs", "list", "--json"], 0);
        run(&["doctor", "--deep"], 0);
        run(&["doctor", "--json"], 0);
        self
    }

    /// Does what goes through every part of the program once.
    pub(crate) fn visited(&self, place: &Place) -> &Self {
        let run = |arguments: &[&str], exit: i32| self.run(place, arguments, exit);
        run(&["run", "--no-input"], 3);
        run(&["runs", "show", "last", "--json"], 0);
        run(&["run", "--end", "failed", "--json"], 1);
        run(&["run", "--end", "panicked", "--output", "ndjson"], 1);
        run(&["runs", "logs", "last"], 0);
        run(&["doctor", "--json"], 0);
        self
    }

    /// Records a cassette and plays it.
    pub(crate) fn recorded(&self, place: &Place) -> &Self {
        self.run(place, &["test", "record", "recorded.test.yaml"], 0);
        self.run(place, &["test", "recorded.test.yaml"], 0);
        self
    }

    fn look(&self, place: &Place) {
        for arguments in [
            &["runs", "show", "last"][..],
            &["runs", "show", "last", "--json"],
            &["runs", "show", "last", "--calls", "--json"],
            &["runs", "show", "last", "--step", "said"],
            &["runs", "logs", "last"],
            &["runs", "logs", "last", "--json"],
            &["artifacts", "ls", "last"],
        ] {
            self.run(place, arguments, 0);
        }
    }

    fn read(&self, place: &Place) {
        for name in [
            "last/said.txt",
            "last/kept.txt",
            "last/kept.bin",
            "last/pieces.md",
        ] {
            self.run(place, &["artifacts", "cat", name], 0);
        }
    }

    /// A person gives the value where a run would keep it.
    pub(crate) fn given_by_people(&self, place: &Place) -> &Self {
        let given = format!("given=@{}", self.outside.path().join("canary").display());
        let label = format!("team={}", self.canary);
        let note = ["--note", self.canary, "--label", &label];
        let run = [&["run", "--no-input", "--input", &given][..], &note].concat();
        self.run(place, &run, 3);
        self.look(place);
        self.run(place, &["cancel", "last", "--reason", self.canary], 0);
        self.run(
            place,
            &["rerun", "last", "--from", "kept", "--note", self.canary],
            3,
        );
        let written = self.outside.path().join("written.json");
        std::fs::write(&written, serde_json::json!({"text": self.canary}).to_string()).expect("a file");
        let written = format!("steps.said.output=@{}", written.display());
        self.run(place, &["rerun", "last", "--note", "x", "--set", &written], 3);
        self.look(place);
        self.run(place, &["halt", "--reason", self.canary], 0);
        self.run(place, &["status"], 0);
        // A file that has it is refused before anything of it is kept.
        let literal = PIPELINE.replace("Say it.", &serde_json::json!(self.canary).to_string());
        let file = self.outside.path().join("literal.yaml");
        std::fs::write(&file, literal).expect("a file");
        let file = file.display().to_string();
        self.run(place, &["check", &file, "--json"], 2);
        self.run(place, &["run", &file], 2);
        self
    }

    #[expect(clippy::disallowed_methods, reason = "the tests of a binary start it")]
    fn run(&self, place: &Place, arguments: &[&str], exit: i32) {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        let project = self.project.path();
        command
            .args(arguments)
            .current_dir(project)
            .env_clear()
            .env("XDG_CONFIG_HOME", project.join("config"))
            .env("XDG_STATE_HOME", project.join("state"))
            .env("USER", "ada")
            .env("RUST_BACKTRACE", "1")
            // `doctor` asks providers that have a key.
            .env("SEGUE_OFFLINE", "1")
            .env(program::FILE, self.outside.path().join("canary"))
            .stdin(Stdio::null());
        (place.put)(&mut command, self.canary);
        let output = command.output().expect("the binary runs");
        let line = arguments.join(" ");
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{}: segue {line}\n{}\n{}",
            place.name,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let (stdout, stderr) = (output.stdout, output.stderr);
        self.said.borrow_mut().push(Said { line, stdout, stderr });
    }

    /// Everywhere the canary is.
    pub(crate) fn found(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for Said { line, stdout, stderr } in self.said.borrow().iter() {
            found.extend(search::search(stdout, self.canary, Sink::Stdout, line));
            found.extend(search::search(stderr, self.canary, Sink::Stderr, line));
        }
        let project = self.project.path();
        for path in search::files(project) {
            // Where it was put is no leak.
            if path.starts_with(project.join("config")) {
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            let name = shown(&path, project);
            found.extend(search::search(&bytes, self.canary, search::sink_of(&path), &name));
        }
        found
    }

    /// Whether something was redacted: else nothing was told.
    pub(crate) fn said_redacted(&self) -> bool {
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("[redacted ");
        self.said.borrow().iter().any(|said| has(&said.stdout))
    }

    /// Whether a person was told that what they gave has a secret in it.
    pub(crate) fn warned(&self) -> bool {
        let said = self.said.borrow();
        said.iter()
            .any(|said| String::from_utf8_lossy(&said.stderr).contains("a secret stands in the inputs"))
    }
}

fn shown(path: &Path, project: &Path) -> String {
    path.strip_prefix(project).unwrap_or(path).display().to_string()
}

fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
