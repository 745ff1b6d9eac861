//! A pipeline file as a tool of another.

use segue::model::Rule;
use segue::{Models, Pipeline, Scripted, StepStatus};
use serde_json::{Value as Json, json};

use crate::{file, registry, status, told};

const MAIN: &str = "version: 1
name: main
agents:
  writer:
    instructions: Write.
    model: openai/test
    tools: ['pipeline:parts/lookup.yaml']
steps: { write: { agent: writer, prompt: 'Who was Ada?' } }
";
const LOOKUP: &str = "version: 1
name: lookup
description: Looks a name up.
inputs: { name: string, year: { type: integer, default: 1815 } }
agents: { clerk: { instructions: 'Of {{ inputs.name }}.', model: openai/test } }
steps:
  find: { agent: clerk, prompt: 'In {{ inputs.year }}?' }
output: steps.find.output
";

fn in_files(main: &str, lookup: &str) -> Pipeline<Json, Json> {
    let files = [
        ("main.yaml", main.to_owned()),
        ("parts/lookup.yaml", lookup.to_owned()),
    ];
    file(&registry(), &files)
}

#[tokio::test(start_paused = true)]
async fn a_file_is_a_tool_of_another_and_takes_its_inputs() {
    let model = Scripted::new()
        .rule(
            Rule::call("pipeline:parts/lookup.yaml", json!({"name": "Ada"}))
                .agent("writer")
                .times(1),
        )
        .rule(Rule::reply("Yes.").agent("clerk"))
        .rule(Rule::reply("done").agent("writer"));
    let models = Models::offline().with("openai/test", model.clone());
    let done = in_files(MAIN, LOOKUP)
        .run(json!({}))
        .models(models)
        .await
        .expect("it runs");
    assert_eq!(done.output, "done");
    let spec = &model.requests()[0].tools[0];
    assert_eq!(
        (spec.name.as_str(), spec.description.as_str()),
        ("pipeline:parts/lookup.yaml", "Looks a name up.")
    );
    assert_eq!(spec.parameters["required"], json!(["name"]));
    let asked = &model.requests()[1].messages;
    assert_eq!(
        (asked[0].text.as_str(), asked[1].text.as_str()),
        ("Of Ada.", "In 1815?")
    );
    assert_eq!(told(&model, 2), ["Yes."]);
    assert_eq!(
        status(&done.view(), "write/lookup/find"),
        Some(StepStatus::Succeeded)
    );
}

#[tokio::test(start_paused = true)]
async fn its_own_budget_holds_and_so_does_that_of_the_run() {
    let lookup = LOOKUP.replace("steps:", "budget: { requests: 0 }\nsteps:");
    let model = Scripted::new()
        .rule(
            Rule::call("pipeline:parts/lookup.yaml", json!({"name": "Ada"}))
                .agent("writer")
                .times(1),
        )
        .rule(Rule::reply("done").agent("writer"));
    let models = Models::offline().with("openai/test", model.clone());
    in_files(MAIN, &lookup)
        .run(json!({}))
        .models(models)
        .await
        .expect("the model is told");
    assert!(
        told(&model, 1)[0].contains("pipeline:write/lookup"),
        "{:?}",
        told(&model, 1)
    );

    let model = Scripted::new()
        .rule(
            Rule::call("pipeline:parts/lookup.yaml", json!({"name": "Ada"}))
                .agent("writer")
                .times(1),
        )
        .rule(Rule::reply("Yes.").agent("clerk"))
        .rule(Rule::reply("done").agent("writer"));
    let models = Models::offline().with("openai/test", model.clone());
    let budget = segue::Budget::default().requests(2);
    let run = in_files(MAIN, LOOKUP)
        .run(json!({}))
        .models(models)
        .budget(budget);
    let error = run.await.err().expect("the third request is one too many");
    assert!(error.is_budget(), "{error}");
    assert_eq!(model.requests().len(), 2);
}

#[test]
fn what_is_wrong_with_a_file_that_is_a_tool_is_a_fault_of_the_check() {
    use std::collections::BTreeMap;

    use segue::file::{LoadOptions, load_from};
    let shown = |main: &str, lookup: &str| {
        let files = BTreeMap::from([
            ("main.yaml".to_owned(), main.to_owned()),
            ("parts/lookup.yaml".to_owned(), lookup.to_owned()),
        ]);
        let loaded = load_from(
            &files,
            "main.yaml",
            "main.yaml",
            &registry(),
            LoadOptions::default(),
        );
        loaded.expect_err("it has a fault").to_string()
    };
    for (main, lookup, code, says) in [
        (
            MAIN.replace("parts/lookup", "parts/none"),
            LOOKUP.to_owned(),
            "file_missing",
            "main.yaml:7",
        ),
        (
            MAIN.replace("parts/lookup", "../lookup"),
            LOOKUP.to_owned(),
            "path_refused",
            "main.yaml:7",
        ),
        (
            MAIN.replace("parts/lookup", "main"),
            LOOKUP.to_owned(),
            "cycle",
            "includes itself",
        ),
        (
            MAIN.to_owned(),
            LOOKUP.replace("agent: clerk", "agent: nobody"),
            "unknown_agent",
            "parts/lookup.yaml:7",
        ),
        (
            MAIN.replace("lookup.yaml", "lookup.yaml#all"),
            LOOKUP.to_owned(),
            "unknown_pattern",
            "main.yaml:7",
        ),
        (
            MAIN.replace("parts/lookup.yaml", "#all"),
            LOOKUP.to_owned(),
            "unknown_tool",
            "into a file of its own",
        ),
    ] {
        let shown = shown(&main, &lookup);
        assert!(
            shown.contains(&format!("error[{code}]")) && shown.contains(says),
            "{code}: {shown}"
        );
    }
}
