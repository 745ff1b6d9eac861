//! Agents as tools of agents.

use segue::model::Rule;
use segue::plan::ToolLimits;
use segue::{Agent, ErrorKind, Models, Outcome, Pipeline, Registry, Runner, Scripted, millis};
use serde_json::json;

use crate::{asking, tool_results};

fn ask_agent(asker: &str, asked: &str, prompt: &str) -> Rule {
    Rule::call(format!("agent:{asked}"), json!({"prompt": prompt})).agent(asker)
}

fn chief() -> Agent<String> {
    Agent::new("chief").model("m").tool_named("agent:clerk")
}

fn runner(model: &Scripted, registry: Registry) -> Runner {
    let models = Models::offline().with("m", model.clone());
    Runner::builder()
        .models(models)
        .registry(registry)
        .build()
        .expect("nothing is registered twice")
}

#[tokio::test(start_paused = true)]
async fn an_agent_asks_another_and_both_are_counted() {
    let clerk = Agent::<u32>::new("clerk")
        .description("Counts things.")
        .model("m");
    let model = Scripted::new()
        .rule(ask_agent("chief", "clerk", "How many?").times(1))
        .rule(Rule::reply("7").agent("clerk").delay(millis(40_000)))
        .rule(Rule::reply("There are seven.").agent("chief"));
    let runner = runner(&model, Registry::new().agent(&clerk));
    let run = runner
        .start(&asking(&chief()), "Count.".to_owned())
        .await
        .expect("it starts");
    let done = run.done().await.expect("an agent is not cut off like a tool");
    assert_eq!(done.output, "There are seven.");
    assert_eq!(tool_results(&model, 2), ["7"]);
    let spec = &model.requests()[0].tools[0];
    assert_eq!(
        (spec.name.as_str(), spec.description.as_str()),
        ("agent:clerk", "Counts things.")
    );
    assert_eq!((done.usage.requests, done.usage.tool_calls), (3, 1));
    let view = done.view();
    assert_eq!(view.by_agent()["clerk"].usage.requests, 1);
    assert_eq!(view.by_agent()["chief"].usage.requests, 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_there_stops_the_run_before_it_starts() {
    let runner = runner(&Scripted::new(), Registry::new());
    let error = runner
        .start(&asking(&chief()), "Count.".to_owned())
        .await
        .err()
        .expect("nobody is there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("clerk"), "{error}");
    let unheard = Agent::<String>::new("clerk").model("nowhere/x");
    let runner = self::runner(&Scripted::new(), Registry::new().agent(&unheard));
    let error = runner
        .start(&asking(&chief()), "Count.".to_owned())
        .await
        .err()
        .expect("it has no model");
    assert_eq!(error.kind(), ErrorKind::NoModel);
}

#[tokio::test(start_paused = true)]
async fn agents_that_ask_each_other_come_to_an_end() {
    let clerk = Agent::<String>::new("clerk").model("m").tool_named("agent:chief");
    let model = Scripted::new()
        .rule(ask_agent("chief", "clerk", "You do it.").times(40))
        .rule(ask_agent("clerk", "chief", "No, you.").times(40));
    let runner = runner(&model, Registry::new().agent(&clerk).agent(&chief()));
    let run = runner
        .start(&asking(&chief()), "Do it.".to_owned())
        .await
        .expect("it starts");
    assert!(run.done().await.is_err());
    let deepest = model
        .requests()
        .iter()
        .flat_map(|request| request.messages.clone())
        .any(|message| message.text.contains("more than 8 levels deep"));
    assert!(deepest, "the agent at the bottom is told");
}

#[tokio::test(start_paused = true)]
async fn a_failure_inside_is_told_to_the_one_who_asked() {
    let clerk = Agent::<u32>::new("clerk").model("m").repairs(0);
    let model = Scripted::new()
        .rule(ask_agent("chief", "clerk", "How many?").times(1))
        .rule(Rule::reply("many").agent("clerk"))
        .rule(Rule::reply("I do not know.").agent("chief"));
    let runner = runner(&model, Registry::new().agent(&clerk));
    let run = runner
        .start(&asking(&chief()), "Count.".to_owned())
        .await
        .expect("it starts");
    assert_eq!(run.done().await.expect("it goes on").output, "I do not know.");
    let told = tool_results(&model, 2);
    assert!(
        told[0].starts_with("error: the answer of `sim/script` is not what was asked for"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_approval_inside_another_agent_repeats_nothing() {
    let limits = ToolLimits::new().approval(segue::plan::ToolApproval::Ask);
    let clerk = Agent::<String>::new("clerk")
        .model("m")
        .tool_named_with("segue.save_artifact", limits);
    let save = Rule::call("segue.save_artifact", json!({"name": "a.txt", "content": "x"}));
    let model = Scripted::new()
        .rule(ask_agent("chief", "clerk", "Save it.").times(1))
        .rule(save.agent("clerk").times(1))
        .rule(Rule::reply("saved").agent("clerk").times(1))
        .rule(Rule::reply("done").agent("chief").times(1));
    let runner = runner(&model, Registry::new().agent(&clerk));
    let run = runner
        .start(&asking(&chief()), "Save.".to_owned())
        .await
        .expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    run.answer(question.id, json!({"approved": true}), "me")
        .await
        .expect("it fits");
    let done = run.done().await.expect("it goes on");
    assert_eq!((model.requests().len(), done.usage.requests), (4, 4));
    assert_eq!(done.view().artifacts().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_a_plan_is_found_there_first_and_its_template_is_rendered() {
    let agent = |name: &str, instructions: &str, tools: serde_json::Value| {
        json!({
            "name": name, "instructions": instructions, "template": true, "models": [{"name": "m"}],
            "tools": tools, "max_turns": 4, "max_tool_calls": 4, "repairs": 0,
        })
    };
    let plan = json!({
        "version": 1, "name": "nested", "input": {"named": {"topic": {"type": "string"}}},
        "steps": [{
            "name": "ask", "kind": "agent",
            "action": {"agent": {"agent": "chief", "prompt": "Go."}},
        }],
        "output": {"last": [0]},
        "run": {"max_parallel": 64, "failure": "continue"},
        "agents": {
            "chief": agent("chief", "Lead.", json!([{"name": "agent:clerk"}])),
            "clerk": agent("clerk", "Know all about {{ inputs.topic }}.", json!([])),
        },
    });
    let plan = std::sync::Arc::new(serde_json::from_value(plan).expect("it is a plan"));
    let pipeline = Pipeline::from_plan(&plan, &Registry::new()).expect("it links");
    let model = Scripted::new()
        .rule(ask_agent("chief", "clerk", "What?").times(1))
        .rule(Rule::reply("They fly.").agent("clerk"))
        .rule(Rule::reply("done").agent("chief"));
    pipeline
        .run(json!({"topic": "bees"}))
        .with_model("m", model.clone())
        .await
        .expect("it runs");
    assert_eq!(model.requests()[1].messages[0].text, "Know all about bees.");
}
