//! A pipeline as a tool of an agent: it runs in the run of the agent, below the step that calls it.

use segue::model::Rule;
use segue::plan::{ToolApproval, ToolLimits, ToolOnError};
use segue::{
    Agent, Cx, Done, ErrorKind, EventKind, IntoStep, Models, Out, Outcome, Pipeline, Registry, Runner,
    Scripted, StepError, StepStatus, from_fn, secs,
};
use serde_json::json;

use crate::{Takes, now, status, told};

/// Two steps, of which the second asks an agent.
fn lookup() -> Pipeline<String, String> {
    let clerk = Agent::<String>::new("clerk")
        .instructions("Look it up.")
        .model("m");
    Pipeline::define("lookup", |p, name: Out<String>| {
        p.description("Looks a name up.");
        let clean = from_fn(|_cx: Cx, name: String| async move { Ok(name.trim().to_owned()) });
        let clean = p.step("clean", clean, name);
        p.step("find", clerk.as_step(|name: String| name), clean)
    })
    .expect("a pipeline")
}

fn writer() -> Agent<String> {
    Agent::new("writer").instructions("Write.").model("m")
}

fn writing(writer: &Agent<String>) -> Pipeline<String, String> {
    Pipeline::define("writing", |p, prompt: Out<String>| {
        p.step("write", writer.as_step(|prompt: String| prompt), prompt)
    })
    .expect("a pipeline")
}

fn call(name: &str) -> Rule {
    Rule::call("pipeline:lookup", json!({ "input": name })).agent("writer")
}

async fn run(writer: &Agent<String>, model: &Scripted) -> Result<Done<String>, segue::Error> {
    writing(writer)
        .run("Write about Ada.".to_owned())
        .with_model("m", model.clone())
        .await
}

#[tokio::test(start_paused = true)]
async fn it_takes_its_input_gives_its_output_and_is_counted_in_the_run() {
    let model = Scripted::new()
        .rule(call(" Ada ").times(1))
        .rule(Rule::reply("born 1815").agent("clerk").delay(secs(90)))
        .rule(Rule::reply("Ada was born in 1815.").agent("writer"));
    let done = run(&writer().tool(lookup()), &model)
        .await
        .expect("it is not cut off like a tool");
    assert_eq!(done.output, "Ada was born in 1815.");
    let spec = &model.requests()[0].tools[0];
    assert_eq!(
        (spec.name.as_str(), spec.description.as_str()),
        ("pipeline:lookup", "Looks a name up.")
    );
    assert_eq!(
        spec.parameters,
        json!({
            "type": "object", "properties": {"input": {"type": "string", "title": "string"}}, "required": ["input"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        model.requests()[1].messages[1].text,
        "Ada",
        "its first step has run"
    );
    assert_eq!(told(&model, 2), ["born 1815"]);
    assert_eq!(model.requests().len(), 3, "nothing is asked twice");
    assert_eq!(
        (done.usage.requests, done.usage.tool_calls, done.usage.tool_ms),
        (3, 1, 90_000)
    );
    let view = done.view();
    for path in ["write", "write/lookup", "write/lookup/clean", "write/lookup/find"] {
        assert_eq!(status(&view, path), Some(StepStatus::Succeeded), "{path}");
    }
    let called = view.step("write/lookup").expect("it has a record");
    assert_eq!(called.kind, Some(segue::plan::Kind::Pipeline));
    assert_eq!(called.usage.requests, 1);
    let write = view.step("write").expect("it has a record");
    assert_eq!((write.usage.requests, write.attempts.len()), (3, 1));
    assert_eq!(view.by_agent()["clerk"].usage.requests, 1);
    let replayed = done.log().events().into_iter();
    let replayed = replayed.filter(|event| matches!(event.kind, EventKind::CallReplayed { .. }));
    assert_eq!(
        replayed.count(),
        0,
        "going on is no replay that anybody has to know of"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_turn_run_side_by_side_and_keep_their_order() {
    let turn = Rule::calls([
        ("pipeline:lookup", json!({"input": "slow"})),
        ("pipeline:lookup", json!({"input": "fast"})),
    ]);
    let model = Scripted::new()
        .rule(turn.agent("writer").times(1))
        .rule(
            Rule::reply("the slow one")
                .agent("clerk")
                .prompt_contains("slow")
                .delay(secs(9)),
        )
        .rule(
            Rule::reply("the fast one")
                .agent("clerk")
                .prompt_contains("fast")
                .delay(secs(2)),
        )
        .rule(Rule::reply("done").agent("writer"));
    let began = now();
    let done = run(&writer().tool(lookup()), &model).await.expect("it runs");
    assert_eq!(began.elapsed(), secs(9));
    assert_eq!(told(&model, 3), ["the slow one", "the fast one"]);
    let view = done.view();
    assert_eq!(status(&view, "write/lookup_2/find"), Some(StepStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_attempt_at_once_is_enough() {
    let model = Scripted::new()
        .rule(call("Ada").times(1))
        .rule(Rule::reply("born 1815").agent("clerk"))
        .rule(Rule::reply("done").agent("writer"));
    let pipeline = writing(&writer().tool(lookup()));
    let run = pipeline
        .run("Write.".to_owned())
        .with_model("m", model)
        .max_parallel(1);
    assert_eq!(run.await.expect("nothing waits for itself").output, "done");
}

#[tokio::test(start_paused = true)]
async fn arguments_that_do_not_fit_are_told_and_nothing_runs() {
    let model = Scripted::new()
        .rule(Rule::call("pipeline:lookup", json!({"name": "Ada"})).times(1))
        .rule(Rule::reply("done").agent("writer"));
    let done = run(&writer().tool(lookup()), &model)
        .await
        .expect("the model is told");
    assert!(
        told(&model, 1)[0].starts_with("error: the arguments do not fit"),
        "{:?}",
        told(&model, 1)
    );
    assert!(done.view().step("write/lookup").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_or_ends_the_attempt_and_retries_are_tries_of_the_pipeline() {
    let failing = || {
        Pipeline::define("lookup", |p, name: Out<String>| {
            let fails = from_fn(|_cx: Cx, _: String| async move {
                Err::<String, _>(StepError::of(ErrorKind::Network, "the line is down"))
            });
            p.step("find", fails, name)
        })
        .expect("a pipeline")
    };
    let script = || {
        Scripted::new()
            .rule(call("Ada").times(1))
            .rule(Rule::reply("I do not know.").agent("writer"))
    };
    let model = script();
    let done = run(&writer().tool(failing()), &model)
        .await
        .expect("the model is told");
    assert_eq!(done.output, "I do not know.");
    assert_eq!(told(&model, 1), ["error: step `write/lookup`: the line is down"]);
    assert_eq!(status(&done.view(), "write/lookup"), Some(StepStatus::Failed));

    let model = script();
    let limits = ToolLimits::new()
        .retries(2)
        .on_error(ToolOnError::Text("Nobody is there.".to_owned()));
    let done = run(&writer().tool_with(failing(), limits), &model)
        .await
        .expect("the model is told");
    assert_eq!(told(&model, 1), ["Nobody is there."]);
    assert_eq!(
        done.view().step("write/lookup").map(|step| step.attempts.len()),
        Some(3)
    );

    let limits = ToolLimits::new().on_error(ToolOnError::Fail);
    let error = run(&writer().tool_with(failing(), limits), &script())
        .await
        .err()
        .expect("it fails");
    assert_eq!(error.kind(), ErrorKind::Network);
}

#[tokio::test(start_paused = true)]
async fn deadlines_cut_it_off() {
    let slow = || {
        Pipeline::define("lookup", |p, n: Out<u64>| p.step("work", Takes(secs(60)), n)).expect("a pipeline")
    };
    let script = || {
        Scripted::new()
            .rule(Rule::call("pipeline:lookup", json!({"input": 1})).times(1))
            .rule(Rule::reply("done").agent("writer"))
    };
    // Of the tool: one try, and the model is told.
    let (model, began) = (script(), now());
    let limits = ToolLimits::new().timeout(secs(5)).retries(1);
    run(&writer().tool_with(slow(), limits), &model)
        .await
        .expect("the model is told");
    assert_eq!(began.elapsed(), secs(10));
    assert!(
        told(&model, 1)[0].contains("did not answer within 5000ms"),
        "{:?}",
        told(&model, 1)
    );
    // Of the attempt that calls it: the time before the call counts.
    let model = Scripted::new().rule(Rule::call("pipeline:lookup", json!({"input": 1})).delay(secs(3)));
    let began = now();
    let error = run(&writer().tool(slow()).timeout(secs(8)), &model)
        .await
        .err()
        .expect("it is late");
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, secs(8)));
    // And that after it.
    let model = Scripted::new()
        .rule(Rule::call("pipeline:lookup", json!({"input": 1})).times(1))
        .rule(Rule::reply("done").agent("writer").delay(secs(9)));
    let began = now();
    let error = run(&writer().tool(slow()).timeout(secs(65)), &model)
        .await
        .err()
        .expect("it is late");
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, secs(65)));
}

#[tokio::test(start_paused = true)]
async fn most_calls_hold_for_an_attempt() {
    let model = Scripted::new()
        .rule(call("Ada").times(1))
        .rule(call("Grace").times(1))
        .rule(Rule::reply("found").agent("clerk"))
        .rule(Rule::reply("done").agent("writer"));
    let limits = ToolLimits::new().max_calls(1);
    run(&writer().tool_with(lookup(), limits), &model)
        .await
        .expect("the model is told");
    assert_eq!(
        told(&model, 3),
        ["found", "error: `pipeline:lookup` has no call left, of 1"]
    );
}

fn runner(model: &Scripted, registry: Registry) -> Runner {
    Runner::builder()
        .models(Models::offline().with("m", model.clone()))
        .registry(registry)
        .build()
        .expect("nothing is registered twice")
}

#[tokio::test(start_paused = true)]
async fn it_may_need_an_approval_and_may_ask_a_person_itself() {
    let asks = Pipeline::define("lookup", |p, name: Out<String>| {
        let ask = from_fn(|cx: Cx, name: String| async move {
            let born = cx.ask::<u32>(format!("when was {name} born?")).await?;
            Ok(format!("{name}: {born}"))
        });
        p.step("ask", ask, name)
    });
    let model = Scripted::new()
        .rule(call("Ada").times(1))
        .rule(Rule::reply("done").agent("writer").times(1));
    let limits = ToolLimits::new().approval(ToolApproval::Ask);
    let writer = writer()
        .tool_with(asks.expect("a pipeline"), limits)
        .timeout(secs(30));
    let run = runner(&model, Registry::new())
        .start(&writing(&writer), "Write.".to_owned())
        .await
        .expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    assert_eq!(question.title, "may `writer` call `pipeline:lookup`?");
    run.answer(question.id, json!({"approved": true}), "me")
        .await
        .expect("it fits");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    assert_eq!(
        (question.title.as_str(), question.step.as_str()),
        ("when was Ada born?", "write/lookup/ask")
    );
    // Waiting for people does not count.
    tokio::time::sleep(secs(3600)).await;
    run.answer(question.id, json!(1815), "me").await.expect("it fits");
    assert_eq!(run.done().await.expect("it goes on").output, "done");
    assert_eq!(told(&model, 1), ["Ada: 1815"]);
    assert_eq!(model.requests().len(), 2, "nothing is asked of a model twice");
}

#[tokio::test(start_paused = true)]
async fn cancelling_the_run_cancels_it() {
    let slow = Pipeline::define("lookup", |p, n: Out<u64>| p.step("work", Takes(secs(60)), n));
    let model = Scripted::new().rule(Rule::call("pipeline:lookup", json!({"input": 1})));
    let run = runner(&model, Registry::new())
        .start(
            &writing(&writer().tool(slow.expect("a pipeline"))),
            "Write.".to_owned(),
        )
        .await
        .expect("it starts");
    tokio::time::sleep(secs(1)).await;
    let began = now();
    run.cancel("me", None).await.expect("it is under way");
    assert!(run.done().await.is_err());
    assert_eq!(began.elapsed(), secs(0));
    let view = run.view();
    for path in ["write", "write/lookup", "write/lookup/work"] {
        assert_eq!(status(&view, path), Some(StepStatus::Cancelled), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_code_asks_is_declared_so_that_it_is_known_before_the_run() {
    let script = || {
        Scripted::new()
            .rule(call("Ada").times(1))
            .rule(Rule::reply("born 1815").agent("clerk"))
            .rule(Rule::reply("done").agent("writer"))
    };
    let writer = writer().tool(lookup());
    let asks = || {
        let writer = writer.clone();
        from_fn(move |cx: Cx, prompt: String| {
            let writer = writer.clone();
            async move { Ok(cx.run(&writer, prompt).await?.output) }
        })
    };
    let declared = Pipeline::define("declared", |p, prompt: Out<String>| {
        p.step("write", asks().asks(&writer), prompt)
    });
    let model = script();
    let run = declared
        .expect("a pipeline")
        .run("Write.".to_owned())
        .with_model("m", model.clone());
    let done = run.await.expect("it is known");
    assert_eq!(told(&model, 2), ["born 1815"]);
    assert_eq!(
        status(&done.view(), "write/lookup/find"),
        Some(StepStatus::Succeeded)
    );

    let unknown = Pipeline::define("unknown", |p, prompt: Out<String>| {
        p.step("write", asks(), prompt)
    });
    let unknown = unknown.expect("a pipeline");
    let model = script();
    unknown
        .run("Write.".to_owned())
        .with_model("m", model.clone())
        .await
        .expect("the model is told");
    assert!(
        told(&model, 1)[0].starts_with("error: nobody said that step `write` may call"),
        "{:?}",
        told(&model, 1)
    );

    let model = script();
    let run = runner(&model, Registry::new().agent(&writer))
        .start(&unknown, "Write.".to_owned())
        .await;
    run.expect("it starts")
        .done()
        .await
        .expect("its agent is registered");
    assert_eq!(told(&model, 2), ["born 1815"]);
}

#[tokio::test(start_paused = true)]
async fn a_registered_one_is_found_by_name_and_an_agent_between_may_call_it() {
    let chief = Agent::<String>::new("chief")
        .model("m")
        .tool_named("agent:writer");
    let writer = writer().tool_named("pipeline:lookup");
    let model = Scripted::new()
        .rule(
            Rule::call("agent:writer", json!({"prompt": "Who?"}))
                .agent("chief")
                .times(1),
        )
        .rule(call("Ada").times(1))
        .rule(Rule::reply("born 1815").agent("clerk"))
        .rule(Rule::reply("It is Ada.").agent("writer"))
        .rule(Rule::reply("done").agent("chief"));
    let registry = Registry::new().agent(&writer).tool(lookup());
    let run = runner(&model, registry)
        .start(&writing(&chief), "Go.".to_owned())
        .await;
    let run = run.expect("it starts");
    assert_eq!(run.done().await.expect("it runs").output, "done");
    assert_eq!(model.requests().len(), 5);
    assert_eq!(
        status(&run.view(), "write/lookup/find"),
        Some(StepStatus::Succeeded)
    );
}

#[tokio::test(start_paused = true)]
async fn pipelines_and_agents_that_call_each_other_by_name_come_to_an_end() {
    let asking = Agent::<String>::new("clerk")
        .model("m")
        .tool_named("pipeline:lookup");
    let lookup = Pipeline::define("lookup", |p, name: Out<String>| {
        p.step("find", asking.as_step(|name: String| name), name)
    });
    let model = Scripted::new().rule(Rule::call("pipeline:lookup", json!({"input": "Ada"})).times(40));
    let registry = Registry::new().tool(lookup.expect("a pipeline"));
    let run = runner(&model, registry)
        .start(
            &writing(&writer().tool_named("pipeline:lookup")),
            "Go.".to_owned(),
        )
        .await
        .expect("it starts");
    assert!(run.done().await.is_err());
    let requests = model.requests();
    let deepest = requests.iter().flat_map(|request| request.messages.clone());
    assert!(
        deepest
            .into_iter()
            .any(|message| message.text.contains("more than 8 levels deep"))
    );
}
