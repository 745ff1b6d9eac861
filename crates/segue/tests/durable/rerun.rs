//! Re-runs: from a step on, one step alone, what failed, what is stale, with something changed. The run it comes from
//! never changes, and what is taken over costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use segue::view::RunDiff;
use segue::{
    Cx, ErrorKind, Pipeline, Registry, RunHandle, RunStatus, Runner, StepError, StepStatus, cents, from_fn,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::support::{Counting, Remembering, bury_all, memory, output, rests, with_model, with_model_as};

/// How often each body has run.
type Bodies = Arc<Mutex<BTreeMap<String, u32>>>;

fn count(bodies: &Bodies, cx: &Cx) {
    let mut bodies = bodies.lock().expect("nobody panics with it");
    *bodies.entry(cx.path()).or_default() += 1;
}

fn counted(bodies: &Bodies) -> BTreeMap<String, u32> {
    std::mem::take(&mut *bodies.lock().expect("nobody panics with it"))
}

/// Numbers whose sum is taken: a list, a map of which the items in `broken` fail, a sum, a pipeline inside.
fn numbers(bodies: &Bodies, broken: &Arc<Mutex<Vec<u64>>>) -> Pipeline<u64, u64> {
    let one_more = |bodies: &Bodies| {
        let bodies = bodies.clone();
        from_fn(move |cx: Cx, n: u64| {
            count(&bodies, &cx);
            async move { Ok(n + 1) }
        })
    };
    let inner = Pipeline::define("inner", |p, n| {
        let a = p.step("x", one_more(bodies), n);
        p.step("y", one_more(bodies), a)
    });
    let inner = inner.expect("a pipeline");
    Pipeline::define("numbers", |p, n| {
        let list = from_fn(|_cx, n: u64| async move { Ok((0..n).collect::<Vec<u64>>()) });
        let list = p.step("list", list, n);
        let item = {
            let (bodies, broken) = (bodies.clone(), broken.clone());
            from_fn(move |cx: Cx, n: u64| {
                count(&bodies, &cx);
                let is_broken = broken.lock().expect("nobody panics with it").contains(&n);
                async move {
                    if is_broken {
                        return Err(StepError::fatal("broken"));
                    }
                    Ok(n)
                }
            })
        };
        let each = p.map("each", item, list);
        let sum = {
            let bodies = bodies.clone();
            from_fn(move |cx: Cx, all: Vec<u64>| {
                count(&bodies, &cx);
                async move { Ok(all.iter().sum::<u64>()) }
            })
        };
        let sum = p.step("sum", sum, each);
        p.step("nested", inner, sum)
    })
    .expect("a pipeline")
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Item {
    n: u64,
}

fn runner(pipeline: &Pipeline<u64, u64>) -> Runner {
    Runner::builder()
        .store_in(memory())
        .register(pipeline)
        .build()
        .expect("a runner")
}

async fn failed<T: segue::Data>(run: &RunHandle<T>) -> segue::Error {
    run.outcome().await.err().expect("it fails")
}

#[tokio::test(start_paused = true)]
async fn from_a_step_on_everything_before_it_is_taken_over() {
    let bodies = Bodies::default();
    let pipeline = numbers(&bodies, &Arc::default());
    let runner = runner(&pipeline);
    let first = runner.start(&pipeline, 3).await.expect("it starts");
    assert_eq!(output(&first).await, 5);
    counted(&bodies);
    let before = serde_json::to_value(first.view().record()).expect("JSON");

    let again = runner.rerun(first.id()).from("sum").await.expect("it starts");
    assert_eq!(output(&again).await, json!(5));
    let ran: Vec<(String, u32)> = counted(&bodies).into_iter().collect();
    assert_eq!(
        ran,
        [("nested/x".into(), 1), ("nested/y".into(), 1), ("sum".into(), 1)]
    );
    let view = again.view();
    // What is nested in a step that was taken over is no difference.
    let diff = RunDiff::of(&first.view(), &view);
    assert!(diff.is_same(), "{:?}", diff.first_difference);
    let parent = view.record().parent.clone().expect("it has one");
    assert_eq!((parent.run, parent.from.as_deref()), (first.id(), Some("sum")));
    assert_eq!(
        view.step("list").and_then(|step| step.reused_from.clone()),
        Some(first.id().to_string())
    );
    assert_eq!(serde_json::to_value(first.view().record()).expect("JSON"), before);

    // A path names a step of the pipeline inside: what is before it there is taken over too.
    let again = runner
        .rerun(first.id())
        .only("nested/y")
        .await
        .expect("it starts");
    assert_eq!(output(&again).await, json!(5));
    assert_eq!(
        counted(&bodies).into_iter().collect::<Vec<_>>(),
        [("nested/y".into(), 1)]
    );

    // A re-run of a re-run refers to the run that made the result.
    let third = runner
        .rerun(again.id())
        .only("nested/y")
        .await
        .expect("it starts");
    output(&third).await;
    let list = third
        .view()
        .step("list")
        .and_then(|step| step.reused_from.clone());
    assert_eq!(list, Some(first.id().to_string()));
}

#[tokio::test(start_paused = true)]
async fn failed_items_of_a_map_run_again_and_no_others() {
    let bodies = Bodies::default();
    let broken = Arc::new(Mutex::new(vec![1, 3]));
    let pipeline = numbers(&bodies, &broken);
    let runner = runner(&pipeline);
    let first = runner.start(&pipeline, 5).await.expect("it starts");
    failed(&first).await;
    counted(&bodies);
    broken.lock().expect("nobody panics with it").clear();
    let preview = runner
        .rerun(first.id())
        .failed()
        .preview()
        .await
        .expect("it can be told");
    assert_eq!(preview.runs, ["each", "sum", "nested"]);
    let again = runner.rerun(first.id()).failed().await.expect("it starts");
    assert_eq!(output(&again).await, json!(12));
    // With the first failure the others were cancelled; only the one that was done is taken over.
    let ran: Vec<String> = counted(&bodies).into_keys().collect();
    assert_eq!(
        ran,
        [
            "each[1]", "each[2]", "each[3]", "each[4]", "nested/x", "nested/y", "sum"
        ]
    );
    let nothing = runner
        .rerun(again.id())
        .failed()
        .await
        .err()
        .expect("nothing failed");
    assert_eq!(nothing.kind(), ErrorKind::Conflict);

    // An item by its path.
    let again = runner.rerun(again.id()).only("each[2]").await.expect("it starts");
    output(&again).await;
    let ran: Vec<String> = counted(&bodies).into_keys().collect();
    assert_eq!(ran, ["each[2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_map_that_keeps_its_failures_runs_only_those_again() {
    let bodies = Bodies::default();
    let broken = Arc::new(Mutex::new(vec![1]));
    let try_it = {
        let (bodies, broken) = (bodies.clone(), broken.clone());
        move |cx: Cx, Item { n }: Item| {
            count(&bodies, &cx);
            let is_broken = broken.lock().expect("nobody panics with it").contains(&n);
            async move {
                if is_broken {
                    Err(StepError::fatal("broken"))
                } else {
                    Ok(n)
                }
            }
        }
    };
    let registry = Registry::new().step("try", try_it);
    let text = "version: 1\nname: kept\nsteps:\n  list: { set: [0, 1, 2] }\n  \
        each: { for_each: steps.list.output, tool: try, with: { n: '{{ item }}' }, on_error: keep }\n  \
        count: { set: '{{ steps.each.output | length }}' }\n";
    let loaded =
        segue::file::load_text(text, "kept.yaml", &registry).unwrap_or_else(|faults| panic!("{faults}"));
    let pipeline = Pipeline::from_plan(&loaded.plan, &registry).expect("it links");
    let runner = Runner::builder()
        .registry(registry)
        .store_in(memory())
        .build()
        .expect("a runner");
    let first = runner.start(&pipeline, json!({})).await.expect("it starts");
    assert_eq!(output(&first).await, json!(3));
    assert_eq!(
        first
            .view()
            .step("each")
            .and_then(|step| step.items.clone())
            .map(|items| items.failed),
        Some(1)
    );
    counted(&bodies);
    let again = runner.rerun(first.id()).failed().await.expect("it starts");
    output(&again).await;
    assert_eq!(counted(&bodies).into_keys().collect::<Vec<_>>(), ["each[1]"]);
    broken.lock().expect("nobody panics with it").clear();
    let again = runner.rerun(again.id()).failed().await.expect("it starts");
    output(&again).await;
    assert_eq!(counted(&bodies).into_keys().collect::<Vec<_>>(), ["each[1]"]);
    assert_eq!(
        again
            .view()
            .step("each")
            .and_then(|step| step.items.clone())
            .map(|items| items.failed),
        Some(0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_item_of_another_element_is_made_again() {
    let bodies = Bodies::default();
    let pipeline = numbers(&bodies, &Arc::default());
    let runner = runner(&pipeline);
    let first = runner.start(&pipeline, 3).await.expect("it starts");
    output(&first).await;
    counted(&bodies);
    let other = runner.rerun(first.id()).set_output("list", json!([0, 7, 2, 9]));
    let again = other.await.expect("it starts");
    assert_eq!(output(&again).await, json!(20));
    let ran: Vec<String> = counted(&bodies).into_keys().collect();
    assert_eq!(
        ran,
        [
            "each[0]", "each[1]", "each[2]", "each[3]", "nested/x", "nested/y", "sum"
        ]
    );
    let each = runner
        .rerun(again.id())
        .only("each[9]")
        .await
        .err()
        .expect("there is no such item");
    assert_eq!(each.kind(), ErrorKind::Usage);
}

#[tokio::test(start_paused = true)]
async fn what_it_may_cost_is_told_before_and_what_it_costs_is_only_what_ran() {
    let model = Counting::default();
    let runner = with_model_as(model.clone())
        .store_in(memory())
        .build()
        .expect("a runner");
    let pipeline = written("b: { agent: writer, prompt: 'Of {{ steps.a.output }}' }");
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .await
        .expect("it starts");
    output(&first).await;
    let cost = first.view().step("b").expect("it is there").cost;
    let preview = runner
        .rerun(first.id())
        .from("b")
        .preview()
        .await
        .expect("it can be told");
    assert_eq!(
        (preview.cost, preview.unknown.len(), preview.definition_changed),
        (Some(cost), 0, false)
    );
    let again = runner
        .rerun(first.id())
        .from("b")
        .note("shorter")
        .await
        .expect("it starts");
    output(&again).await;
    assert!(again.view().cost().nanousd >= cost.nanousd);
    assert!(again.view().cost().nanousd < first.view().cost().nanousd);
    assert!(again.view().step("a").is_some_and(|step| step.cost.is_zero()));

    let poor = runner
        .rerun(first.id())
        .from("b")
        .budget(cents(0))
        .await
        .expect("it starts");
    assert_eq!(failed(&poor).await.kind(), ErrorKind::Budget);
}

/// Two steps of an agent; `b` as given.
fn written(b: &str) -> Pipeline<Json, Json> {
    let text = format!(
        "version: 1\nname: two\ninputs: {{ topic: string }}\nagents:\n  \
         writer: {{ instructions: Write., model: openai/small }}\nsteps:\n  \
         a: {{ agent: writer, prompt: 'About {{{{ inputs.topic }}}}' }}\n  {b}\n"
    );
    let registry = Registry::new();
    let loaded =
        segue::file::load_text(&text, "two.yaml", &registry).unwrap_or_else(|faults| panic!("{faults}"));
    Pipeline::from_plan(&loaded.plan, &registry).expect("it links")
}

#[tokio::test(start_paused = true)]
async fn inputs_prompts_models_and_the_definition_can_be_others() {
    let model = Counting::default();
    let other = Counting::default();
    let registry = Registry::new();
    let models = segue::Models::offline()
        .with("openai/small", model.clone())
        .with("openai/other", other.clone());
    let runner = Runner::builder()
        .models(models)
        .registry(registry)
        .store_in(memory())
        .build()
        .expect("a runner");
    let pipeline = written("b: { agent: writer, prompt: 'Of {{ steps.a.output }}' }");
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .await
        .expect("it starts");
    output(&first).await;

    let again = runner
        .rerun(first.id())
        .input("topic", "bees")
        .await
        .expect("it starts");
    output(&again).await;
    assert!(model.told()[2].1.contains("About bees"));
    let wrong = runner
        .rerun(first.id())
        .input("topik", "bees")
        .await
        .err()
        .expect("there is no such input");
    assert!(wrong.to_string().contains("did you mean `topic`"), "{wrong}");

    let again = runner
        .rerun(first.id())
        .from("b")
        .set_prompt("b", "All of {{ steps.a.output }}, in verse");
    let again = again.await.expect("it starts");
    output(&again).await;
    assert!(model.told().last().expect("it was asked").1.contains("in verse"));
    assert_ne!(again.view().record().plan_hash, first.view().record().plan_hash);

    let again = runner
        .rerun(first.id())
        .from("b")
        .model("openai/other")
        .await
        .expect("it starts");
    output(&again).await;
    assert_eq!(other.sent(), 1);

    let changed = written("b: { set: 'short: {{ steps.a.output }}' }");
    let preview = runner
        .rerun(first.id())
        .from("b")
        .definition(&changed)
        .preview()
        .await
        .expect("it can be told");
    assert!(preview.definition_changed);
    let sent = model.sent();
    let again = runner
        .rerun(first.id())
        .from("b")
        .definition(&changed)
        .await
        .expect("it starts");
    let text = output(&again).await;
    assert!(
        text.as_str()
            .is_some_and(|text| text.starts_with("short: agent 1")),
        "{text}"
    );
    assert_eq!(model.sent(), sent);

    let none = runner
        .rerun(first.id())
        .set_output("c", 1)
        .await
        .err()
        .expect("there is no such step");
    assert_eq!(none.kind(), ErrorKind::Usage);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_can_be_run_again_and_one_that_runs_cannot() {
    let model = Remembering::default();
    let runner = with_model(&model).store_in(memory()).build().expect("a runner");
    let pipeline = written("b: { ask: { title: 'Good?', form: { good: boolean } } }");
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .await
        .expect("it starts");
    let running = runner.rerun(first.id()).await.err().expect("it runs");
    assert_eq!(running.kind(), ErrorKind::Conflict);
    assert!(running.to_string().contains("segue cancel"), "{running}");
    rests(&first).await;
    let again = runner.rerun(first.id()).from("b").await.expect("it starts");
    let question = rests(&again).await;
    runner
        .answer(question.id, json!({"good": true}))
        .await
        .expect("it fits");
    output(&again).await;
    assert_eq!(model.sent(), 1);
    assert_eq!(
        first.view().status(),
        RunStatus::Waiting,
        "the original still waits"
    );
    let unknown = runner
        .rerun(segue::RunId::from_bits(7))
        .await
        .err()
        .expect("there is none");
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_rerun_survives_the_loss_of_its_process() {
    let bodies = Bodies::default();
    let pipeline = numbers(&bodies, &Arc::default());
    let store = memory();
    let build = || {
        Runner::builder()
            .store_in(store.clone())
            .register(&pipeline)
            .build()
            .expect("a runner")
    };
    let runner = build();
    let first = runner.start(&pipeline, 4).await.expect("it starts");
    output(&first).await;
    counted(&bodies);
    let again = runner.rerun(first.id()).from("sum").await.expect("it starts");
    bury_all(&store).await;
    drop(runner);
    let next = build();
    next.recover().await.expect("a store");
    let taken_up = next.attach(again.id()).await.expect("it is there");
    assert_eq!(output(&taken_up).await, json!(8));
    let view = taken_up.view();
    assert!(
        ["list", "each"]
            .iter()
            .all(|step| view.step(step).is_some_and(|step| step.reused_from.is_some()))
    );
    assert_eq!(
        view.step("each[3]").map(|step| step.status),
        None,
        "what is taken over is taken over whole"
    );
    assert!(!counted(&bodies).contains_key("each[0]"));
}

#[tokio::test(start_paused = true)]
async fn stale_steps_of_a_run_are_mended_by_the_next() {
    let model = Counting::default();
    let runner = with_model_as(model.clone())
        .store_in(memory())
        .build()
        .expect("a runner");
    let pipeline = written(
        "b: { agent: writer, prompt: 'Of {{ steps.a.output }}' }\n  c: { set: '{{ steps.b.output }}!' }\n  d: { set: 1 }",
    );
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .await
        .expect("it starts");
    output(&first).await;
    let only = runner.rerun(first.id()).only("a").await.expect("it starts");
    output(&only).await;
    let view = only.view();
    assert_eq!(view.record().stale_steps, ["b", "c"]);
    let next = view.record().next;
    assert_eq!(next, [format!("segue rerun {} --stale", only.id())]);
    let record = view.record();
    let because = |name: &str| record.steps[name].stale_because.clone();
    assert_eq!(
        (because("b"), because("c")),
        (vec!["a".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(view.status(), RunStatus::Succeeded);
    let mended = runner.rerun(only.id()).stale().await.expect("it starts");
    output(&mended).await;
    assert!(mended.view().record().stale_steps.is_empty());
    assert_eq!(
        mended.view().step("b").map(|step| step.status),
        Some(StepStatus::Succeeded)
    );
    assert_eq!(model.sent(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_rerun_says_who_wanted_it_and_keeps_what_the_run_was_called() {
    let runner = with_model(&Remembering::default())
        .store_in(memory())
        .build()
        .expect("a runner");
    let pipeline = written("b: { agent: writer, prompt: 'Of {{ steps.a.output }}' }");
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .label("team", "red");
    let first = first
        .definition("file:two.yaml")
        .request_key("one")
        .await
        .expect("it starts");
    output(&first).await;
    assert_eq!(first.view().record().definition.as_deref(), Some("file:two.yaml"));
    let again = runner
        .rerun(first.id())
        .from("b")
        .trigger("ui")
        .label("why", "shorter")
        .note("Be brief.");
    let again = again.await.expect("a request of another run is none of this one");
    output(&again).await;
    let record = again.view().record();
    assert_eq!(
        (record.trigger.kind.as_str(), record.note.as_deref()),
        ("ui", Some("Be brief."))
    );
    assert_eq!(record.labels.get("team").map(String::as_str), Some("red"));
    assert_eq!(record.labels.get("why").map(String::as_str), Some("shorter"));
    assert_eq!(record.definition.as_deref(), Some("file:two.yaml"));
}

#[tokio::test(start_paused = true)]
async fn the_whole_input_and_the_model_of_one_agent_can_be_others() {
    let (model, other) = (Counting::default(), Counting::default());
    let models = segue::Models::offline()
        .with("openai/small", model.clone())
        .with("openai/other", other.clone());
    let runner = Runner::builder()
        .models(models)
        .store_in(memory())
        .build()
        .expect("a runner");
    let pipeline = written("b: { agent: writer, prompt: 'Of {{ steps.a.output }}' }");
    let first = runner
        .start(&pipeline, json!({"topic": "ants"}))
        .await
        .expect("it starts");
    output(&first).await;
    let again = runner.rerun(first.id()).whole_input(json!({"topic": "bees"}));
    let again = again.model_of("writer", "openai/other").await.expect("it starts");
    output(&again).await;
    assert_eq!((model.sent(), other.sent()), (2, 2));
    assert!(other.told()[0].1.contains("About bees"));
}
