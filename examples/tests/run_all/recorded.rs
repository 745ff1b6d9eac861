//! The examples that play what was recorded: the cassettes are what the recorder makes of the provider in `provider/`, the same
//! files run against a provider without a change, and what was not recorded is a miss.
//!
//! To record them anew, for example after a prompt has changed:
//!
//! ```sh
//! SEGUE_RECORD=1 cargo test -p segue-examples --test run_all recorded::
//! ```

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::FOLDER;
use crate::guides::words;
use crate::programs::{command, output};
use crate::research::copy;

/// The folder of each example, the program that is its command line, its cassette, and how many cases are played from it.
const RECORDED: [(&str, &str, &str, usize); 2] = [
    ("content", "content", "content.cassette.yaml", 5),
    ("research", "own_command_line", "research.cassette.yaml", 2),
];

const FILE: &str = "recorded.test.yaml";

/// The provider on this machine; it ends with the test.
struct Provider {
    process: Child,
    base: String,
}

impl Provider {
    fn start() -> Self {
        let folder = Path::new(FOLDER).join("provider");
        #[expect(clippy::disallowed_methods, reason = "a provider is another process")]
        let mut process = Command::new("python3")
            .args(["server.py", "answers.json"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let said = process.stdout.take().expect("it is piped");
        let mut base = String::new();
        BufReader::new(said)
            .read_line(&mut base)
            .expect("it says where it listens");
        let base = base.trim().to_owned();
        assert!(base.starts_with("http://127.0.0.1:"), "it says {base:?}");
        Self { process, base }
    }

    /// What an operator says who has this provider and no other; it costs nothing.
    fn alone(&self) -> String {
        let models = ["small", "medium", "large"];
        let models = models
            .map(|size| format!("\"auto/{size}\" = \"scripted/{size}\"\n"))
            .concat();
        let prices = ["small", "medium", "large"];
        let prices =
            prices.map(|size| format!("[prices.\"scripted/{size}\"]\ninput = \"0\"\noutput = \"0\"\n"));
        format!(
            "version = 1\n[providers.scripted]\nbase_url = \"{}\"\n[models]\n{models}{}",
            self.base,
            prices.concat()
        )
    }

    /// What an operator says whose requests to OpenAI go there.
    fn as_openai(&self) -> String {
        format!("version = 1\n[providers.openai]\nbase_url = \"{}\"\n", self.base)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A copy of an example, whose operator trusts it.
struct Site {
    folder: TempDir,
    program: &'static str,
}

/// Exit code, stdout and stderr.
struct Said(Option<i32>, String, String);

impl Said {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.0, Some(code), "{}{}", self.1, self.2);
        self
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.1).unwrap_or_else(|_| panic!("{}{}", self.1, self.2))
    }
}

impl Site {
    fn of(example: &str, program: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&Path::new(FOLDER).join(example), folder.path());
        if !folder.path().join("segue.toml").exists() {
            fs::copy(
                Path::new(FOLDER).join("segue.toml"),
                folder.path().join("segue.toml"),
            )
            .expect("a copy");
        }
        let site = Self { folder, program };
        site.offline(&["doctor", "--trust", "--yes"]).exits(0);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).expect("the file");
        assert!(text.contains(from), "no {from:?} in {name}");
        fs::write(self.path(name), text.replace(from, to)).expect("it is written");
    }

    /// A command with no key and no network.
    fn offline(&self, arguments: &[&str]) -> Said {
        self.said(arguments, &[("SEGUE_OFFLINE", "1")])
    }

    /// A command of an operator who says this.
    fn with(&self, config: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let path = self.path("operator.toml");
        fs::write(&path, config).expect("it is written");
        let path = path.display().to_string();
        let all = [variables, &[("SEGUE_CONFIG", path.as_str())]].concat();
        self.said(arguments, &all)
    }

    fn said(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = command(self.program);
        for key in [
            "SEGUE_STORE",
            "SEGUE_CONFIG",
            "SEGUE_OFFLINE",
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "OPENROUTER_API_KEY",
        ] {
            command.env_remove(key);
        }
        let output = command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("OLLAMA_HOST", "127.0.0.1:1")
            .envs(variables.iter().copied())
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        Said(output.status.code(), text(output.stdout), text(output.stderr))
    }
}

/// What was recorded, held against what is kept as `of` has it; or kept, where that is what is wanted.
fn is_kept(recorded: &Path, kept: &Path, of: impl Fn(String) -> String) {
    let text = fs::read_to_string(recorded).expect("it was recorded");
    if std::env::var_os("SEGUE_RECORD").is_some() {
        fs::write(kept, text).expect("it is kept");
        return;
    }
    let before = of(fs::read_to_string(kept).unwrap_or_default());
    let text = of(text);
    assert!(
        text == before,
        "{} is not what is recorded now:\n{}",
        kept.display(),
        similar(&before, &text)
    );
}

/// The lines of a text, in an order of their own.
fn sorted(text: String) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The first line in which two texts differ.
fn similar(before: &str, now: &str) -> String {
    let lines = before.lines().zip(now.lines()).enumerate();
    let mut lines = lines.filter(|(_, (before, now))| before != now);
    match lines.next() {
        Some((at, (before, now))) => format!("line {}\n- {before}\n+ {now}", at + 1),
        None => format!(
            "{} lines, and {} now",
            before.lines().count(),
            now.lines().count()
        ),
    }
}

#[test]
fn the_cassettes_are_what_is_recorded_from_the_provider() {
    let provider = Provider::start();
    for (example, program, cassette, cases) in RECORDED {
        let site = Site::of(example, program);
        // As it is for whoever records for the first time: the pipeline names a file that is not there yet.
        fs::remove_file(site.path(cassette)).expect("it was there");
        let said = site
            .with(&provider.alone(), &[], &["test", "record", FILE])
            .exits(0);
        assert_eq!(said.1.matches('✓').count(), cases, "{}", said.1);
        let kept = Path::new(FOLDER).join(example).join(cassette);
        is_kept(&site.path(cassette), &kept, |text| text);
    }
}

#[test]
fn they_play_with_no_key_and_no_network() {
    for (example, program, _, cases) in RECORDED {
        let site = Site::of(example, program);
        // The tests of an example are not those of its server: a search is played too.
        let _ = fs::remove_dir_all(site.path("search"));
        let object = site.offline(&["test", FILE, "--json"]).exits(0).json();
        assert_eq!(object["passed"], json!(cases), "{object:#}");
        assert_eq!(object["warnings"], json!([]));
    }
}

#[test]
fn what_was_not_recorded_is_a_miss_that_names_the_nearest_and_the_difference() {
    for (example, program, file, from, to) in [
        (
            "content",
            "content",
            "content.yaml",
            "Analyze and enhance content {{",
            "Analyze and improve content {{",
        ),
        (
            "research",
            "own_command_line",
            "prompts/researcher.md",
            "You research one question.",
            "You look into one question.",
        ),
    ] {
        let site = Site::of(example, program);
        site.edit(file, from, to);
        let object = site.offline(&["test", FILE, "--json"]).exits(5).json();
        let cases = object["cases"].as_array().expect("cases").iter();
        let misses: Vec<&Json> = cases
            .map(|case| &case["miss"])
            .filter(|miss| !miss.is_null())
            .collect();
        let pointer = if example == "content" {
            "/messages/1/text"
        } else {
            "/messages/0/text"
        };
        assert!(!misses.is_empty(), "{object:#}");
        for miss in misses {
            assert_eq!(miss["first_difference"], pointer, "{miss:#}");
            let message = miss["message"].as_str().unwrap_or_default();
            assert!(message.contains("the nearest is call "), "{message}");
            assert!(
                message.contains("it has `") && message.contains("recorded was `"),
                "{message}"
            );
        }
        let shown = site.offline(&["test", FILE]).exits(5);
        assert!(
            shown.1.contains("nothing was recorded for a request of agent"),
            "{}",
            shown.1
        );
    }
}

#[test]
fn with_a_key_the_same_files_ask_the_provider() {
    let provider = Provider::start();
    let key = [("OPENAI_API_KEY", "sk-canary-of-the-examples")];
    for (example, program, run) in [
        (
            "content",
            "content",
            &[
                "run",
                "content.yaml#analysis_and_enhancement",
                "--content-id",
                "7",
            ][..],
        ),
        (
            "research",
            "own_command_line",
            &["run", "research.yaml", "--topic", "GenAI evaluation frameworks"],
        ),
    ] {
        let site = Site::of(example, program);
        let run = [run, &["--json"]].concat();
        let asked = site.with(&provider.as_openai(), &key, &run).exits(0).json();
        let played = site.offline(&run).exits(0).json();
        assert_eq!(
            (&asked["replayed"], &played["replayed"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(asked["output"], played["output"]);
        for (name, model) in asked["models"].as_object().expect("models") {
            let chosen = model["chosen"].as_str().unwrap_or_default();
            assert!(chosen.starts_with("openai/gpt-5"), "{name}: {model:#}");
            assert_eq!(model["source"], "key");
            assert_eq!(played["models"][name]["chosen"], "sim/cassette");
        }
        assert!(asked["cost"]["nanousd"].as_i64() > Some(0), "{:#}", asked["cost"]);
        assert_eq!(played["cost"]["nanousd"], 0);
        assert!(!asked.to_string().contains(key[0].1));
    }
}

#[test]
fn the_program_plays_what_it_has_recorded() {
    let provider = Provider::start();
    let folder = tempfile::tempdir().expect("a folder");
    let recorded = folder.path().join("research.cassette.yaml");
    let mut record = command("research");
    record.arg("record").arg(&recorded).arg(&provider.base);
    let output = record.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Calls that one step makes side by side stand in the order in which they came.
    is_kept(
        &recorded,
        &Path::new(FOLDER).join("rust/research.cassette.yaml"),
        sorted,
    );
}

#[test]
fn the_commands_of_the_readme_run_offline() {
    let lines = include_str!("../../README.md").lines();
    let commands = lines.filter_map(|line| line.strip_prefix("    cargo run -q --example "));
    let mut played = 0;
    for line in commands.filter(|line| !line.contains(" record ")) {
        let words = words(line);
        let arguments: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
        let output = output(&words[0], &arguments);
        // It waits for a person.
        let exit = if line.starts_with("content -- run") { 3 } else { 0 };
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{line}\n{said}");
        played += 1;
    }
    assert_eq!(played, 5);
}
