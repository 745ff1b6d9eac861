//! The README's files load and run, its commands are carried out, its picture is what they print. Its Rust is a
//! documentation test of this package.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use segue::file::load_text;
use segue::{Pipeline, Registry};
use serde_json::{Value as Json, json};

use crate::FOLDER;
use crate::programs::{command, output};

const README: &str = include_str!("../../../README.md");
const NOTICE: &str = include_str!("../../documents/notice.txt");

/// The fenced blocks of a language, without their fences.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n") + "\n");
            }
        }
    }
    blocks
}

#[tokio::test]
async fn every_file_in_it_runs() {
    let files = blocks("yaml");
    assert!(!files.is_empty());
    for text in files {
        let registry = Registry::new();
        let loaded =
            load_text(&text, "README.yaml", &registry).unwrap_or_else(|rejected| panic!("{rejected}"));
        let pipeline = Pipeline::from_plan(&loaded.plan, &registry).expect("nothing has to be registered");
        let done = pipeline.run(json!({"document": NOTICE})).await.expect("it runs");
        assert_eq!(done.output, "business");
    }
}

/// What it has for `segue.toml` is read, and makes the tools it speaks of.
#[test]
fn every_configuration_in_it_is_read() {
    let files = blocks("toml");
    assert!(!files.is_empty());
    for text in files {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("segue.toml");
        std::fs::write(&path, &text).expect("a file");
        let config = path.display().to_string();
        let listed = segue(&["tools", "ls", "--json", "--config", &config]);
        assert!(
            listed.status.success(),
            "{}",
            String::from_utf8_lossy(&listed.stderr)
        );
        let listed: Json = serde_json::from_slice(&listed.stdout).expect("one object");
        let names: Vec<&str> = listed["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        assert!(
            names.contains(&"spell") && names.contains(&"segue.fetch"),
            "{names:?}"
        );
    }
}

#[test]
fn its_rust_is_tested_as_documentation() {
    assert!(!blocks("rust").is_empty());
    assert!(
        !README.contains("```rust,") && !README.contains("```ignore"),
        "a snippet is not run"
    );
}

/// Each line that runs the command line is carried out from the project's folder; others are known by name.
#[test]
fn every_command_in_it_works() {
    let mut run = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        match line.strip_prefix("cargo run --release -- ") {
            Some(arguments) => {
                let output = segue(&arguments.split_whitespace().collect::<Vec<_>>());
                assert!(
                    output.status.success(),
                    "{line}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                run += 1;
            }
            None => assert!(is_known(line), "nothing tests `{line}`"),
        }
    }
    assert!(run > 0);
}

/// What a picture shows is what the command in its first line prints, but for ids and times.
#[test]
fn every_picture_in_it_is_what_its_command_prints() {
    let pictures = blocks("text");
    assert!(!pictures.is_empty());
    for picture in pictures {
        let (command, shown) = picture.split_once('\n').expect("a block has a line");
        let arguments = command
            .strip_prefix("$ segue ")
            .expect("a picture begins with its command");
        let output = segue(&arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(lasting(&printed(output)), lasting(shown));
    }
}

/// A session: each command after the other in one place, with what it prints.
#[test]
fn every_session_in_it_goes_as_it_is_shown() {
    let sessions = blocks("console");
    assert!(!sessions.is_empty());
    for session in sessions {
        let folder = tempfile::tempdir().expect("a folder");
        let store = format!("sqlite:{}", folder.path().join("store.db").display());
        let mut place = Path::new(FOLDER).join("..");
        for part in session.split("$ ").filter(|part| !part.is_empty()) {
            let (line, shown) = part.split_once('\n').expect("a block ends with its line");
            if let Some(folder) = line.strip_prefix("cd ") {
                place.push(folder);
                continue;
            }
            let line = line.strip_prefix("segue ").expect("nothing else is shown");
            let (line, is_killed) = match line.split_once(" & ") {
                Some((line, rest)) => (line, rest.ends_with("kill -9 $!")),
                None => (line, false),
            };
            let mut command = command("own_command_line");
            let command = command
                .args(line.split_whitespace())
                .current_dir(&place)
                .env("SEGUE_STORE", &store);
            let printed = match is_killed {
                true => killed_after(command, shown),
                false => printed(command.output().expect("the program starts")),
            };
            assert_eq!(lasting(&printed), lasting(shown));
        }
    }
}

/// What a process says until it is killed, in the middle of the call of the step that is shown last.
fn killed_after(command: &mut Command, shown: &str) -> String {
    let last = shown.lines().last().expect("something is shown");
    let step = last.split_whitespace().nth(1).expect("a step runs");
    let mut process = command
        .args(["--output", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let events = BufReader::new(process.stdout.take().expect("it was asked for"));
    let is_sent = |event: &Json| event["type"] == "call.started" && event["step"] == step;
    let mut events = events
        .lines()
        .map(|line| serde_json::from_str(&line.expect("events are text")).expect("events are JSON"));
    assert!(events.any(|event| is_sent(&event)), "`{step}` makes no call");
    process.kill().expect("it can be killed");
    let killed = process.wait_with_output().expect("it is ours");
    assert_eq!(killed.status.code(), None, "it was killed before its end");
    String::from_utf8(killed.stderr).expect("it says text")
}

fn printed(output: Output) -> String {
    let printed = [output.stderr, output.stdout].concat();
    String::from_utf8(printed).expect("it prints text")
}

/// The tests that the README names are there.
#[test]
fn every_test_it_names_exists() {
    let mut sources = String::new();
    let mut folders = vec![Path::new(FOLDER).join("../crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources.push_str(&std::fs::read_to_string(&path).expect("Rust is text"));
            }
        }
    }
    let promises: Vec<&str> = README.lines().filter(|line| line.starts_with("| P")).collect();
    assert_eq!(promises.len(), 13);
    for promise in promises {
        let shown = promise.rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = shown.split('`').filter(|word| word.contains('_')).collect();
        assert!(!tests.is_empty(), "nothing shows {promise}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "there is no `{test}`");
        }
    }
}

/// A print without what differs from run to run: ids, and times in milliseconds or seconds.
fn lasting(print: &str) -> String {
    let lines = print.trim_end().lines().map(|line| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        for at in 0..words.len() {
            let is_unit = |word: &str| matches!(word.trim_end_matches([',', ':']), "ms" | "s");
            if words[at].starts_with("run_") || words.get(at + 1).is_some_and(|next| is_unit(next)) {
                words[at] = "…";
            } else if is_unit(words[at]) {
                words[at] = "ms";
            }
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Commands that other tests run: the programs by `programs.rs`, the checks by continuous integration.
fn is_known(line: &str) -> bool {
    let example = line.strip_prefix("cargo run --example ");
    let exists = |name: &str| Path::new(FOLDER).join(format!("rust/{name}.rs")).exists();
    line == "cargo xtask test" || example.is_some_and(exists)
}

/// Runs the command line. It is that of the program `own_command_line`, which `cargo test` builds beside the tests.
fn segue(arguments: &[&str]) -> Output {
    output("own_command_line", arguments)
}
