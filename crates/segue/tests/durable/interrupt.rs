//! What it means that a process ends in the middle of a step or a tool call: it is done again under the same key, a
//! person decides, or it has failed.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use segue::model::Rule;
use segue::plan::{ToolApproval, ToolLimits};
use segue::question::{Question, QuestionKind};
use segue::store::Store;
use segue::view::AttemptOutcome;
use segue::{
    Agent, Cx, ErrorKind, IntoStep, Models, OnInterrupt, Out, Pipeline, Registry, RunHandle, RunStatus,
    Runner, Scripted, Settings, StepError, Tool, ToolClass, ToolCx, ToolSpec, from_fn,
};
use serde_json::{Value as Json, json};

use crate::support::{bury_all, memory, output, rests};

/// What never ends the first time it is begun.
#[derive(Clone, Default)]
struct Work {
    keys: Arc<Mutex<Vec<String>>>,
    began: Arc<tokio::sync::Notify>,
}

impl Work {
    async fn begin(&self, key: String) -> u64 {
        let times = {
            let mut keys = self.keys.lock().expect("nobody panics with it");
            keys.push(key);
            keys.len() as u64
        };
        self.began.notify_one();
        if times == 1 {
            std::future::pending::<()>().await;
        }
        times
    }

    fn keys(&self) -> Vec<String> {
        self.keys.lock().expect("nobody panics with it").clone()
    }

    fn pipeline(&self, settings: Settings) -> Pipeline<u64, u64> {
        let work = self.clone();
        let step = from_fn(move |cx: Cx, _: u64| {
            let work = work.clone();
            async move { Ok(work.begin(cx.idempotency_key()).await) }
        });
        Pipeline::define("one", |p, n| p.step("work", step.settings(settings), n)).expect("a pipeline")
    }
}

/// The process ends in the middle of the work, and the next one takes the run up.
async fn interrupted(
    work: &Work,
    build: &dyn Fn(&Arc<dyn Store>) -> Runner,
    start: Start<'_>,
) -> (Runner, RunHandle<Json>) {
    let store = memory();
    let first = build(&store);
    let run = start(&first).await;
    work.began.notified().await;
    bury_all(&store).await;
    drop(first);
    let next = build(&store);
    next.recover().await.expect("a store");
    let taken_up = next.attach(run).await.expect("it is there");
    (next, taken_up)
}

type Start<'a> = &'a (dyn Fn(&Runner) -> BoxFuture<'a, segue::RunId> + Sync);

async fn interrupted_step(work: &Work, settings: Settings) -> (Runner, RunHandle<Json>) {
    let pipeline = work.pipeline(settings);
    let build = |store: &Arc<dyn Store>| {
        let runner = Runner::builder().store_in(store.clone()).register(&pipeline);
        runner.build().expect("a runner")
    };
    let start = |runner: &Runner| -> BoxFuture<'_, segue::RunId> {
        let launch = runner.start(&pipeline, 0).into_future();
        Box::pin(async move { launch.await.expect("it starts").id() })
    };
    interrupted(work, &build, &start).await
}

/// The question a run rests with after an interruption.
async fn decision(run: &RunHandle<Json>) -> Question {
    let question = rests(run).await;
    assert_eq!(question.kind, QuestionKind::Decision);
    assert_eq!(question.form, json!({"enum": ["repeat", "skip", "fail"]}));
    question
}

#[tokio::test(start_paused = true)]
async fn a_step_is_repeated_under_its_key_where_nothing_is_said() {
    let work = Work::default();
    let (_runner, run) = interrupted_step(&work, Settings::new()).await;
    assert_eq!(output(&run).await, json!(2));
    let keys = work.keys();
    assert_eq!(keys[0], keys[1]);
    let attempts = run.view().step("work").expect("it is there").attempts.clone();
    let attempts: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.attempt, attempt.outcome))
        .collect();
    let expected = [
        (1, Some(AttemptOutcome::Interrupted)),
        (1, Some(AttemptOutcome::Succeeded)),
    ];
    assert_eq!(attempts, expected, "it is the same attempt");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_asks_waits_for_a_person() {
    for (answer, expected) in [
        ("repeat", Some(json!(2))),
        ("skip", Some(Json::Null)),
        ("fail", None),
    ] {
        let work = Work::default();
        let (runner, run) = interrupted_step(&work, Settings::new().on_interrupt(OnInterrupt::Ask)).await;
        let question = decision(&run).await;
        let next = run.view().record().next;
        assert_eq!(next, [format!("segue answer {}", question.id)]);
        assert_eq!(
            work.keys().len(),
            1,
            "nothing is repeated before somebody said so"
        );
        let other = runner
            .answer(question.id, "maybe")
            .await
            .expect_err("it is none of them");
        assert_eq!(other.kind(), ErrorKind::InvalidInput);
        runner.answer(question.id, answer).await.expect("it fits");
        match run.outcome().await {
            Ok(segue::Outcome::Done(done)) => assert_eq!(Some(done.output), expected, "{answer}"),
            Ok(segue::Outcome::Waiting(question)) => panic!("{}", question.title),
            Err(error) => {
                assert_eq!(
                    (error.kind(), expected),
                    (ErrorKind::Interrupted, None),
                    "{answer}: {error}"
                );
            }
        }
        assert_eq!(work.keys().len(), 1 + usize::from(answer == "repeat"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_not_be_repeated_has_failed() {
    let work = Work::default();
    let settings = Settings::new().on_interrupt(OnInterrupt::Fail).retries(3);
    let (_runner, run) = interrupted_step(&work, settings).await;
    let error = run.outcome().await.map(drop).expect_err("it has failed");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(
        error.to_string().contains("look whether it had its effect"),
        "{error}"
    );
    assert_eq!(work.keys().len(), 1, "the failure is final");
    assert_eq!(run.view().status(), RunStatus::Failed);
    let next = run.view().record().next;
    assert_eq!(next, [format!("segue rerun {} --from work", run.id())]);
}

/// A tool of a class that never comes back the first time.
#[derive(Clone)]
struct Till {
    class: Option<ToolClass>,
    work: Work,
}

impl Tool for Till {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "app.charge".into(),
            description: "Charges a card.".into(),
            parameters: json!({"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}),
            class: self.class,
        }
    }

    fn call<'a>(&'a self, cx: ToolCx, _arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        let key = cx.idempotency_key().to_owned();
        Box::pin(async move { Ok(json!(self.work.begin(key).await)) })
    }
}

fn sale(limits: ToolLimits) -> Pipeline<String, String> {
    let agent = Agent::<String>::new("cashier")
        .model("m")
        .tool_named_with("app.charge", limits);
    let pipeline = Pipeline::define("sale", |p, prompt: Out<String>| {
        p.step("charge", agent.as_step(|prompt: String| prompt), prompt)
    });
    pipeline.expect("a pipeline")
}

fn cashier(
    store: &Arc<dyn Store>,
    model: &Scripted,
    till: &Till,
    pipeline: &Pipeline<String, String>,
) -> Runner {
    let runner = Runner::builder().store_in(store.clone()).register(pipeline);
    let runner = runner.models(Models::offline().with("m", model.clone()));
    runner
        .registry(Registry::new().tool_with(till.clone(), ToolLimits::new().approval(ToolApproval::Allow)))
        .build()
        .expect("a runner")
}

/// An agent calls the tool, the process ends meanwhile.
async fn interrupted_call(
    work: &Work,
    class: Option<ToolClass>,
    limits: ToolLimits,
) -> (Runner, RunHandle<Json>, Scripted) {
    let till = Till {
        class,
        work: work.clone(),
    };
    let model = Scripted::new()
        .rule(Rule::call("app.charge", json!({"cents": 500})).times(1))
        .rule(Rule::reply("charged"));
    let pipeline = sale(limits);
    let build = |store: &Arc<dyn Store>| cashier(store, &model, &till, &pipeline);
    let start = |runner: &Runner| -> BoxFuture<'_, segue::RunId> {
        let launch = runner.start(&pipeline, "Five, please.".to_owned()).into_future();
        Box::pin(async move { launch.await.expect("it starts").id() })
    };
    let (runner, run) = interrupted(work, &build, &start).await;
    (runner, run, model)
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_may_be_called_twice_is_called_again_under_its_key() {
    for class in [ToolClass::ReadOnly, ToolClass::Idempotent] {
        let work = Work::default();
        let (_runner, run, model) = interrupted_call(&work, Some(class), ToolLimits::new()).await;
        assert_eq!(output(&run).await, json!("charged"));
        let keys = work.keys();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]), "{class:?}");
        assert_eq!(
            model.requests().len(),
            2,
            "the model was not asked again for what it had said"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_decides_about_a_tool_with_an_effect() {
    for (class, answer) in [
        (Some(ToolClass::Effectful), "repeat"),
        (None, "skip"),
        (None, "fail"),
    ] {
        let work = Work::default();
        let (runner, run, _) = interrupted_call(&work, class, ToolLimits::new()).await;
        let question = decision(&run).await;
        assert!(
            question.title.contains("app.charge")
                && question.text.as_deref().is_some_and(|text| text.contains("500"))
        );
        assert_eq!(work.keys().len(), 1);
        runner.answer(question.id, answer).await.expect("it fits");
        output(&run).await;
        let again = usize::from(answer == "repeat");
        assert_eq!(work.keys().len(), 1 + again, "{answer}");
        assert_eq!(work.keys().first(), work.keys().last());
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_still_asked_after_several_processes_have_ended() {
    let work = Work::default();
    let (runner, run, _) = interrupted_call(&work, None, ToolLimits::new()).await;
    let store = runner.store().expect("a store").clone();
    let question = decision(&run).await;
    // Whoever comes next finds the run waiting, and takes it up to be told the answer.
    drop(runner);
    bury_all(&store).await;
    let till = Till {
        class: None,
        work: work.clone(),
    };
    let model = Scripted::new().rule(Rule::reply("charged"));
    let runner = cashier(&store, &model, &till, &sale(ToolLimits::new()));
    runner.answer(question.id, "skip").await.expect("it fits");
    let run = runner.attach(run.id()).await.expect("it is there");
    output(&run).await;
    assert_eq!(work.keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn its_limits_say_what_an_interruption_means() {
    let work = Work::default();
    let retry = ToolLimits::new().on_interrupt(OnInterrupt::Retry);
    let (_runner, run, _) = interrupted_call(&work, Some(ToolClass::Effectful), retry).await;
    output(&run).await;
    assert_eq!(work.keys().len(), 2);

    let work = Work::default();
    let fail = ToolLimits::new().on_interrupt(OnInterrupt::Fail);
    let (_runner, run, model) = interrupted_call(&work, Some(ToolClass::ReadOnly), fail).await;
    output(&run).await;
    assert_eq!(work.keys().len(), 1);
    let told = model
        .requests()
        .last()
        .expect("it was asked")
        .messages
        .last()
        .expect("a message")
        .text
        .clone();
    assert!(
        told.contains("the process ended while tool `app.charge` was at work"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_script_knows_in_the_next_process_how_often_its_rules_have_answered() {
    let work = Work::default();
    let agent = || Agent::<String>::new("writer").model("m");
    let step = {
        let work = work.clone();
        from_fn(move |cx: Cx, text: String| {
            let work = work.clone();
            async move {
                work.begin(cx.idempotency_key()).await;
                Ok(text)
            }
        })
    };
    let pipeline = Pipeline::define("script", |p, prompt: Out<String>| {
        let first = p.step("first", agent().as_step(|prompt: String| prompt), prompt);
        let worked = p.step("work", step, first);
        p.step("second", agent().as_step(|prompt: String| prompt), worked)
    });
    let pipeline: Pipeline<String, String> = pipeline.expect("a pipeline");
    let build = |store: &Arc<dyn Store>| {
        // Another process has a script of its own.
        let models = Models::offline().with("m", Scripted::replies(["one", "two"]));
        let runner = Runner::builder().store_in(store.clone()).models(models);
        runner.register(&pipeline).build().expect("a runner")
    };
    let start = |runner: &Runner| -> BoxFuture<'_, segue::RunId> {
        let launch = runner.start(&pipeline, "go".to_owned()).into_future();
        Box::pin(async move { launch.await.expect("it starts").id() })
    };
    let (_runner, run) = interrupted(&work, &build, &start).await;
    assert_eq!(
        output(&run).await,
        json!("two"),
        "the first reply was given already"
    );
}
