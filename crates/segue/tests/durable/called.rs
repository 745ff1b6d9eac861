//! A pipeline called as a tool, and the loss of the process: what it has done is not done or paid again, and a person may
//! answer it in another process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use segue::audit::Audit;
use segue::model::{Finish, Model, Request, Response, Role, ToolCall};
use segue::{Agent, Cx, Failure, Out, Pipeline, RunStatus, RunView, StepStatus, Usage, from_fn};
use serde_json::{Value as Json, json};

use crate::support::{bury_all, dying, memory, output, rests, with_model_as};

/// The writer calls a pipeline for two names in one turn, then for a third, and repeats what he was told; the clerk repeats
/// what it is asked. Counts requests by idempotency key.
#[derive(Clone, Default)]
struct House(Arc<Mutex<BTreeMap<String, u32>>>);

impl House {
    fn sent(&self) -> BTreeMap<String, u32> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    fn say(request: &Request) -> Response {
        if request.from.agent != "writer" {
            let asked = request
                .messages
                .last()
                .map_or("", |message| message.text.as_str());
            return Response::text(format!("{asked} is known"));
        }
        let told: Vec<&str> = request
            .messages
            .iter()
            .filter(|message| message.role == Role::Tool)
            .map(|message| message.text.as_str())
            .collect();
        let names: &[&str] = match told.len() {
            0 => &["Ada", "Grace"],
            2 => &["Emmy"],
            _ => return Response::text(told.join(", ")),
        };
        let call = |(n, name): (usize, &&str)| ToolCall {
            id: format!("call_{}_{n}", told.len()),
            tool: "pipeline:lookup".to_owned(),
            arguments: json!({ "input": name }),
        };
        Response {
            tool_calls: names.iter().enumerate().map(call).collect(),
            finish: Finish::ToolCalls,
            ..Response::text("")
        }
    }
}

impl Model for House {
    fn name(&self) -> &str {
        "openai/small"
    }

    fn answer<'a>(
        &'a self,
        request: &'a Request,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        let key = request.idempotency_key.clone();
        *self
            .0
            .lock()
            .expect("nobody panics with it")
            .entry(key)
            .or_default() += 1;
        Box::pin(async move {
            tokio::time::sleep(segue::millis(10)).await;
            let usage = Usage {
                input_tokens: 10,
                output_tokens: 10,
                ..Usage::default()
            };
            Ok(Response {
                usage: Some(usage),
                ..Self::say(request)
            })
        })
    }
}

fn agent(name: &str) -> Agent<String> {
    Agent::new(name).instructions("Do it.").model("openai/small")
}

fn writing(lookup: Pipeline<String, String>) -> Pipeline<String, String> {
    let writer = agent("writer").tool(lookup);
    Pipeline::define("writing", |p, prompt: Out<String>| {
        let written = p.step("write", writer.as_step(|prompt: String| prompt), prompt);
        p.step(
            "sign",
            from_fn(|_cx: Cx, text: String| async move { Ok(format!("{text}.")) }),
            written,
        )
    })
    .expect("a pipeline")
}

fn lookup() -> Pipeline<String, String> {
    Pipeline::define("lookup", |p, name: Out<String>| {
        let clean = from_fn(|_cx: Cx, name: String| async move { Ok(name.to_uppercase()) });
        let clean = p.step("clean", clean, name);
        p.step("find", agent("clerk").as_step(|name: String| name), clean)
    })
    .expect("a pipeline")
}

const SAID: &str = "ADA is known, GRACE is known, EMMY is known.";

fn essence(view: &RunView) -> Vec<(String, StepStatus)> {
    view.all_steps()
        .map(|step| (step.path.clone(), step.status))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_process_may_be_lost_before_any_write_of_a_pipeline_that_was_called() {
    let mut whole = None;
    for loss in (0..).map(|loss: u64| loss.checked_sub(1)) {
        let (store, house) = (memory(), House::default());
        // Outputs stand in the log and beside it, by turns.
        let inline = [64 * 1024, 0][loss.map_or(0, |loss| loss as usize % 2)];
        let dying = dying(&store, loss.unwrap_or(u64::MAX));
        let pipeline = writing(lookup());
        let build = |store| {
            with_model_as(house.clone())
                .store_in(store)
                .output_inline(inline)
                .register(&pipeline)
                .build()
        };
        let first = build(dying.clone()).expect("a runner");
        let started = async {
            let run = first
                .start(&pipeline, "Write.".to_owned())
                .await
                .expect("it starts");
            let _ = run.outcome().await;
        };
        let _ = tokio::time::timeout(segue::mins(60), started).await;
        let was_lost = dying.is_dead();
        bury_all(&store).await;
        let next = build(store.clone()).expect("a runner");
        next.recover().await.expect("a store");
        let runs = store
            .runs(segue::store::RunQuery::newest(1))
            .await
            .expect("a page")
            .items;
        let Some(head) = runs.first() else { continue };
        let run = next.attach(head.id).await.expect("it is there");
        assert_eq!(output(&run).await, SAID, "lost before write {loss:?}");
        let audit = Audit::of(store.clone())
            .deep()
            .all(|_| ())
            .await
            .expect("it reads");
        assert_eq!(audit.findings, [], "lost before write {loss:?}");
        run.refresh().await.expect("it is read");
        let view = run.view();
        assert_eq!(view.status(), RunStatus::Succeeded);
        let sent = house.sent();
        let twice = sent.values().sum::<u32>() - sent.len() as u32;
        let now = (essence(&view), sent.len(), view.usage().tool_calls);
        let (steps, requests, calls) = whole.get_or_insert_with(|| now.clone());
        assert_eq!(
            (&now.0, now.1),
            (&*steps, *requests),
            "lost before write {loss:?}"
        );
        assert_eq!(
            now.2, *calls,
            "no call of a pipeline is made twice, lost before write {loss:?}"
        );
        // Two calls of one turn are under way at once.
        assert!(
            twice <= 2,
            "{twice} requests were sent again, lost before write {loss:?}"
        );
        if loss.is_some() && !was_lost {
            assert!(loss > Some(20), "the run was over after {loss:?} writes?");
            break;
        }
    }
    let (steps, requests, calls) = whole.expect("it ran");
    assert_eq!((requests, calls), (6, 3));
    let called = steps.iter().filter(|(path, _)| path.ends_with("/find"));
    let called: Vec<_> = called.map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        called,
        ["write/lookup/find", "write/lookup_2/find", "write/lookup_3/find"]
    );
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_a_person_as_rows_and_goes_on_in_another_process() {
    let asks = Pipeline::define("lookup", |p, name: Out<String>| {
        let ask = from_fn(|cx: Cx, name: String| async move {
            let word: String = cx.ask(format!("what of {name}?")).await?;
            Ok(format!("{name} {word}"))
        });
        p.step("ask", ask, name)
    })
    .expect("a pipeline");
    let (store, house, pipeline) = (memory(), House::default(), writing(asks));
    let build = || {
        with_model_as(house.clone())
            .store_in(store.clone())
            .register(&pipeline)
            .build()
            .expect("a runner")
    };
    let run = build()
        .start(&pipeline, "Write.".to_owned())
        .await
        .expect("it starts");
    let id = run.id();
    let mut asked = Vec::new();
    for _ in 0..3 {
        let run = build().attach(id).await.expect("it is there");
        let question = rests(&run).await;
        let audit = Audit::of(store.clone())
            .deep()
            .all(|_| ())
            .await
            .expect("it reads");
        assert_eq!(audit.findings, [], "it rests and holds together");
        asked.push(question.step.clone());
        run.answer(question.id, json!("flew"), "me")
            .await
            .expect("it fits");
        let _ = run.outcome().await;
    }
    let run = build().attach(id).await.expect("it is there");
    assert_eq!(output(&run).await, "Ada flew, Grace flew, Emmy flew.");
    asked.sort();
    assert_eq!(
        asked,
        ["write/lookup/ask", "write/lookup_2/ask", "write/lookup_3/ask"]
    );
    assert_eq!(
        house.sent().values().copied().collect::<Vec<_>>(),
        [1, 1, 1],
        "nothing is asked of a model twice"
    );
    let view: Json = serde_json::to_value(run.view().record()).expect("it is JSON");
    assert_eq!(view["steps"]["write"]["status"], "succeeded");
}
