//! Whole files: what they become, what is wrong with them, and what hostile ones do.

mod codes;
mod effects;
mod hostile;
mod patterns;
mod smallest;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{LoadOptions, Loaded, Rejected, load_from};
use crate::agent::Agent;
use crate::error::StepError;
use crate::fault::Code;
use crate::registry::Registry;
use crate::run::Cx;
use crate::tool::{Tool, ToolCx, ToolSpec};

/// What every file of these tests can name: agent `house`, tools `app.fetch` and `search.web`, step `app.shout`.
pub(super) fn registry() -> Registry {
    struct Named(&'static str);

    impl Tool for Named {
        fn spec(&self) -> ToolSpec {
            let parameters = json!({
                "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"],
                "additionalProperties": false,
            });
            ToolSpec::new(self.0, "finds things", parameters)
        }

        fn call<'a>(
            &'a self,
            _: ToolCx,
            arguments: serde_json::Value,
        ) -> futures_util::future::BoxFuture<'a, Result<serde_json::Value, StepError>> {
            Box::pin(async move { Ok(arguments) })
        }
    }

    #[derive(Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Shout {
        text: String,
    }

    async fn shout(_: Cx, input: Shout) -> crate::Result<String> {
        Ok(input.text.to_uppercase())
    }

    let house = Agent::<String>::new("house")
        .instructions("Answer.")
        .model("local/extractive");
    Registry::new()
        .agent(&house)
        .tool(Named("app.fetch"))
        .tool(Named("search.web"))
        .step("app.shout", shout)
        .unverified("later", "pin them")
}

/// Loads `main.yaml` of these files.
fn load_files(files: &[(&str, &str)]) -> Result<Loaded, Rejected> {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    load_from(
        &files,
        "main.yaml",
        "main.yaml",
        &registry(),
        LoadOptions::default(),
    )
}

fn load(text: &str) -> Result<Loaded, Rejected> {
    load_files(&[("main.yaml", text)])
}

/// The example files that are pipelines.
fn examples() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut found = Vec::new();
    for folder in [root.clone(), root.join("documents"), root.join("research")] {
        for entry in std::fs::read_dir(folder).expect("the examples are there") {
            let path = entry.expect("a readable folder").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.ends_with(".yaml") && name.matches('.').count() == 1 {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() >= 8, "{found:?}");
    found
}

#[test]
fn the_examples_load_without_a_warning() {
    for path in examples() {
        match super::load(&path, &registry(), LoadOptions::default()) {
            Ok(loaded) => assert!(
                loaded.warnings.is_empty(),
                "{}:\n{}",
                path.display(),
                loaded.warnings
            ),
            Err(rejected) => {
                // Some tools come from the program that an example goes with.
                let known = rejected
                    .faults
                    .list()
                    .iter()
                    .all(|fault| fault.code == Code::UnknownTool);
                assert!(known, "{}:\n{rejected}", path.display());
            }
        }
    }
}

#[test]
fn a_fault_is_shown_with_the_line_it_is_in() {
    let text =
        "version: 1\nname: p\nsteps:\n  classify: { set: 1 }\n  fetch_user: { set: 2, needs: [clasify] }\n";
    let rejected = load(text).expect_err("there is no such step");
    assert_eq!(
        rejected.to_string(),
        "error[unknown_step]: step `clasify` does not exist\n\
         \x20--> main.yaml:5:33\n\
         \x20 |\n\
         5 |   fetch_user: { set: 2, needs: [clasify] }\n\
         \x20 |                                 ^^^^^^^\n\
         hint: did you mean `classify`?"
    );
    let faults = rejected.faults.list();
    assert_eq!(faults[0].pointer, "/steps/fetch_user/needs/0");
    assert_eq!(
        (faults[0].step.as_deref(), faults[0].suggestion.as_deref()),
        (Some("fetch_user"), Some("classify"))
    );
}

#[test]
fn faults_of_a_named_file_stand_in_that_file() {
    let main = "version: 1\nname: p\nsteps:\n  a: { pipeline: sub/b.yaml }\n";
    let inner = "version: 1\nname: b\nsteps:\n  x: { set: '{{ steps.y.output }}' }\n";
    let rejected = load_files(&[("main.yaml", main), ("sub/b.yaml", inner)]).expect_err("no step y");
    let faults = rejected.faults.list();
    assert_eq!(faults.len(), 1, "{rejected}");
    assert_eq!(faults[0].file.as_deref(), Some("sub/b.yaml"));
    assert!(
        rejected
            .to_string()
            .contains("4 |   x: { set: '{{ steps.y.output }}' }"),
        "{rejected}"
    );
}

#[test]
fn strict_makes_warnings_errors() {
    let text = "version: 1\nname: p\ninputs: { x: string }\nsteps: { a: { set: 1 } }\n";
    assert_eq!(load(text).expect("only a warning").warnings.list().len(), 1);
    let files = BTreeMap::from([("p.yaml".to_owned(), text.to_owned())]);
    let strict = LoadOptions {
        strict: true,
        ..LoadOptions::default()
    };
    assert!(load_from(&files, "p.yaml", "p.yaml", &registry(), strict).is_err());
}

#[test]
fn secrets_are_masked_wherever_the_file_is_shown() {
    let key = format!("sk-proj-{}", "a1B2c3".repeat(8));
    let text = format!(
        "version: 1\nname: p\nagents:\n  w: {{ model: {key}, instructions: Hi. }}\nsteps: {{ a: {{ agent: w, prompt: x }} }}\n"
    );
    let rejected = load(&text).expect_err("a key is in it");
    assert!(
        rejected
            .faults
            .list()
            .iter()
            .any(|fault| fault.code == Code::SecretLiteral)
    );
    let shown = rejected.to_string();
    assert!(!shown.contains("a1B2c3"), "{shown}");
    assert!(shown.contains("****"), "{shown}");
    let json = serde_json::to_string(&rejected.faults).expect("faults are JSON");
    assert!(!json.contains("a1B2c3"), "{json}");
}

#[test]
fn the_script_of_a_model_is_checked_with_the_pipeline() {
    let text = "version: 1\nname: p\nmodels: { m: { use: sim/script, file: s.yaml } }\n\
                agents: { writer: { model: m, instructions: x } }\n\
                steps: { draft: { agent: writer, prompt: x }, below: { pipeline: sub.yaml } }\n";
    let below = "version: 1\nname: sub\nagents: { deep: { model: { use: sim/script, file: s.yaml }, instructions: x } }\n\
                 steps: { dig: { agent: deep, prompt: x } }\n";
    let with = |rules: &str| {
        let rules = format!("version: 1\nscript:\n{rules}");
        let files = [
            ("main.yaml", text),
            ("sub.yaml", below),
            ("s.yaml", rules.as_str()),
        ];
        let faults = match load_files(&files) {
            Ok(loaded) => loaded.warnings,
            Err(rejected) => rejected.faults,
        };
        let line = |fault: &&crate::fault::Fault| {
            let place = fault.place.map_or((0, 0), |place| (place.line, place.column));
            let file = fault.file.as_deref().unwrap_or_default();
            format!(
                "{file}:{}:{} {:?} {}",
                place.0, place.1, fault.severity, fault.code
            )
        };
        faults.list().iter().map(line).collect::<Vec<_>>()
    };
    // A script may be shared: what is nowhere here may be elsewhere.
    assert_eq!(
        with("- { agent: writr, reply: x }\n"),
        ["s.yaml:3:12 Warning unknown_agent"]
    );
    assert_eq!(
        with("- { step: drat, reply: x }\n"),
        ["s.yaml:3:11 Warning unknown_step"]
    );
    assert_eq!(
        with("- { reply: x }\n- { reply: y }\n"),
        ["s.yaml:4:5 Warning never_fires"]
    );
    // What is no rule is one nowhere.
    assert_eq!(
        with("- { agent: writer, repli: x }\n")[1..],
        ["s.yaml:3:20 Error unknown_key"]
    );
    let known = "- { agent: writer, step: draft, reply: x }\n- { agent: deep, step: below/dig, reply: x }\n\
                 - { step: dig, reply: x }\n- { agent: house, reply: x }\n";
    assert_eq!(with(known), [""; 0]);
}
