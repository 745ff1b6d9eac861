//! The README's files load and run, its commands are carried out, its picture is what they print. Its Rust is a
//! documentation test of this package.

use std::path::Path;
use std::process::Output;

use segue::file::load_text;
use segue::{Pipeline, Registry};
use serde_json::json;

use crate::FOLDER;
use crate::programs::output;

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
        let printed = [output.stderr, output.stdout].concat();
        let printed = String::from_utf8(printed).expect("it prints text");
        assert_eq!(lasting(&printed), lasting(shown));
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
