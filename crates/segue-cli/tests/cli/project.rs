//! A project in a folder of its own, with a store that outlives each command.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::program::{Said, command, said, segue};

/// A folder with pipelines, and what runs in it leaves behind.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// The pipeline of the strategist as the example has it, but for its model, whose answers are written down: the
    /// diagnostic is another one for whoever asks it to be brief.
    pub(crate) fn strategist() -> Self {
        let project = Self::empty();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/strategist.yaml");
        let example = std::fs::read_to_string(example).expect("the example");
        let model = "models: { m: { use: sim/script, file: strategist.script.yaml } }";
        assert!(example.contains(model), "the example has another model");
        let scripted = "models: { m: { use: sim/script, file: script.yaml } }";
        project.write("strategist.yaml", &example.replace(model, scripted));
        project.write(
            "script.yaml",
            r#"version: 1
script:
  - { agent: diagnostic_expert, prompt: { contains: be brief }, reply: "Services.\nAGENT_COMPLETE" }
  - { agent: diagnostic_expert, reply: "Retail.\nAGENT_COMPLETE" }
  - { reply: "Done.\nAGENT_COMPLETE" }
"#,
        );
        project
    }

    /// A strategist who has done everything for the key `exp-7`.
    pub(crate) fn done() -> Self {
        let project = Self::strategist();
        let brief = r#"brief={"product":"kits","goal":"200 orders","audience":null}"#;
        project
            .segue(&[
                "run",
                "strategist.yaml",
                "--key",
                "exp-7",
                "--all",
                "-q",
                "--input",
                brief,
            ])
            .exits(0);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command
            .current_dir(self.path())
            .env_remove("SEGUE_STORE")
            .env_remove("SEGUE_CONFIG")
            // Nobody's own configuration counts here.
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("USER", "ada");
        command
    }

    pub(crate) fn segue(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("the binary runs"))
    }

    /// What a verb writes with `--json`, held against the schema of its shape.
    #[track_caller]
    pub(crate) fn json(&self, shape: &str, arguments: &[&str], exit: i32) -> Json {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let json = self.segue(&arguments).exits(exit).json();
        let schema = segue(&["schema", shape]).exits(0).json();
        let schema = jsonschema::validator_for(&schema).expect("the schema is one");
        let errors: Vec<String> = schema
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}\n{json:#}", errors.join("\n"));
        let is_told = json.as_object().expect("an object");
        let known = segue(&["schema", shape]).json()["properties"].clone();
        for field in is_told.keys() {
            assert!(
                known.get(field).is_some(),
                "the schema of {shape} does not know `{field}`"
            );
        }
        json
    }
}

/// The words of a list of text.
pub(crate) fn texts(list: &Json) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}
