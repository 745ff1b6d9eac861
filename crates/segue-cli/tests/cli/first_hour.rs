//! The first hour: what a newcomer types, in order, in an empty folder, with no key and no network.

use serde_json::Value as Json;

use crate::program::{Said, command, said};

/// A newcomer's folder.
struct Newcomer(tempfile::TempDir);

impl Newcomer {
    fn types(&self, line: &[&str]) -> Said {
        let mut command = command(line);
        let command = command
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("SEGUE_OFFLINE", "1")
            .env_remove("SEGUE_STORE")
            .env_remove("SEGUE_CONFIG");
        for key in ["OPENAI", "ANTHROPIC", "GEMINI", "OPENROUTER"] {
            command.env_remove(format!("{key}_API_KEY"));
        }
        said(command.output().expect("the binary runs"))
    }

    fn reads(&self, line: &[&str]) -> Json {
        self.types(&[line, &["--json"]].concat()).exits(0).json()
    }
}

#[test]
fn the_first_hour() {
    let newcomer = Newcomer(tempfile::tempdir().expect("a folder"));

    let demo = newcomer.types(&["demo", "--once"]).exits(0);
    assert!(demo.stdout.starts_with("# Tides\n"), "{}", demo.stdout);
    assert_eq!(
        std::fs::read_dir(newcomer.0.path()).expect("a folder").count(),
        0,
        "the demo leaves nothing behind"
    );

    newcomer.types(&["init", "research", "."]).exits(0);
    newcomer.types(&["check"]).exits(0);

    let plan = newcomer.reads(&["plan"]);
    for bound in ["min_usd", "max_usd"] {
        assert!(plan["cost"][bound].is_string(), "{bound}: {}", plan["cost"]);
    }

    let run = newcomer.reads(&["run"]);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["replayed"], true);
    assert_eq!(run["cost"]["nanousd"], 0);
    let first = run["id"].as_str().expect("an id");

    let again = newcomer
        .types(&[
            "rerun",
            "last",
            "--from",
            "draft",
            "--note",
            "for children",
            "--yes",
            "--json",
        ])
        .exits(0);
    assert!(again.stderr.contains("budget $0.50"), "{}", again.stderr);
    let again = again.json();
    assert_eq!(
        (&again["status"], &again["replayed"]),
        (&"succeeded".into(), &true.into())
    );
    assert_ne!(again["id"], run["id"]);
    assert_eq!(again["parent"]["run"], run["id"]);
    assert_ne!(again["output"], run["output"]);

    newcomer
        .types(&["runs", "diff", first, "last", "--exit-code"])
        .exits(1);

    let report = newcomer
        .types(&["artifacts", "cat", "research@latest-report"])
        .exits(0);
    assert_eq!(
        Some(report.stdout.trim_end()),
        again["output"].as_str().map(str::trim_end)
    );

    newcomer.types(&["test"]).exits(0);
}
