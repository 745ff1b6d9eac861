//! A run waits for people without a process: answered, cancelled and paid for from another one, days later.

use std::sync::Arc;

use schemars::JsonSchema;
use segue::question::{QuestionKind, QuestionStatus};
use segue::store::Store;
use segue::{
    Agent, Cx, ErrorKind, EventKind, IntoStep, Out, Outcome, Pipeline, Result, RunStatus, Runner, mins, usd,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Remembering, memory, output, rests, with_model};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Contact {
    email: String,
}

async fn greet(cx: Cx, name: String) -> Result<String> {
    let writer = Agent::<String>::new("writer")
        .instructions("Write.")
        .model("openai/small");
    let before = cx.run(&writer, name.clone()).await?.output;
    let contact: Contact = cx
        .ask("Which address?")
        .known(json!({ "name": name }))
        .missing(["email"])
        .await?;
    let after = cx.run(&writer, contact.email.clone()).await?.output;
    Ok(format!("{before} / {} / {after}", contact.email))
}

fn greeting() -> Pipeline<String, String> {
    Pipeline::define("greeting", |p, name: Out<String>| p.step("greet", greet, name)).expect("a pipeline")
}

/// Another process with the same program.
fn process(store: &Arc<dyn Store>, model: &Remembering, pipeline: &Pipeline<String, String>) -> Runner {
    with_model(model)
        .store_in(store.clone())
        .register(pipeline)
        .build()
        .expect("a runner")
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn a_run_is_answered_from_another_process_days_later() {
    let (store, model, pipeline) = (memory(), Remembering::default(), greeting());
    let first = process(&store, &model, &pipeline);
    let run = first.start(&pipeline, "ann".to_owned()).await.expect("it starts");
    let question = rests(&run).await;
    assert_eq!(question.missing, ["email"]);
    let head = store.head(run.id()).await.expect("a store").expect("it is there");
    assert_eq!(
        (head.standing.status, head.owner),
        (RunStatus::Waiting, None),
        "nobody holds a run that rests"
    );
    assert_eq!(model.sent(), 1);
    first.close().await.expect("it leaves");
    drop(first);

    tokio::time::sleep(30 * DAY).await;
    let second = process(&store, &model, &pipeline);
    assert!(
        second.recover().await.expect("it looks").taken.is_empty(),
        "nothing has come that makes it go on"
    );
    second
        .answer(question.id, json!({"email": "a@b.c"}))
        .await
        .expect("the answer fits");
    let there = second.attach(run.id()).await.expect("it is there");
    assert_eq!(output(&there).await, "3 characters / a@b.c / 5 characters");
    assert_eq!(
        model.sent(),
        2,
        "what was asked before the question is not asked again"
    );
    there.refresh().await.expect("it is read");
    assert_eq!(
        there.view().usage().requests,
        2,
        "both processes' calls are counted"
    );
    // The handle of the first process sees it too.
    assert_eq!(output(&run).await, "3 characters / a@b.c / 5 characters");
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_keeps_the_question_open_and_a_second_one_is_a_conflict() {
    let (store, model, pipeline) = (memory(), Remembering::default(), greeting());
    let runner = process(&store, &model, &pipeline);
    let run = runner
        .start(&pipeline, "ann".to_owned())
        .await
        .expect("it starts");
    let question = rests(&run).await;
    let other = process(&store, &model, &pipeline);
    let refused = other
        .answer(question.id, json!({"mail": 1}))
        .await
        .expect_err("it does not fit");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.failure().message.contains("email"), "{refused}");
    let open = store
        .question(question.id)
        .await
        .expect("a store")
        .expect("it is there");
    assert_eq!((open.status, open.refused.len()), (QuestionStatus::Open, 1));
    assert_eq!(rests(&run).await.id, question.id, "it still waits");

    other
        .answer(question.id, json!({"email": "a@b.c"}))
        .await
        .expect("the answer fits");
    for at in 0..2 {
        let again = runner
            .answer(question.id, json!({"email": "x@y.z"}))
            .await
            .expect_err("it is answered");
        assert_eq!(again.kind(), ErrorKind::Conflict, "answer {at}");
    }
    assert!(output(&run).await.contains("a@b.c"));
    run.refresh().await.expect("it is read");
    let events = run.log().events();
    let refusals = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::QuestionRefused { .. }));
    assert_eq!(refusals.count(), 1, "the refused answer is in the record");
    let unknown = segue::QuestionId::from_bits(7);
    assert_eq!(
        runner
            .answer(unknown, 1)
            .await
            .expect_err("no such question")
            .kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn a_hundred_answers_at_once_are_one() {
    let (store, model, pipeline) = (memory(), Remembering::default(), greeting());
    let runner = process(&store, &model, &pipeline);
    let run = runner
        .start(&pipeline, "ann".to_owned())
        .await
        .expect("it starts");
    let question = rests(&run).await;
    let processes: Vec<Runner> = (0..4).map(|_| process(&store, &model, &pipeline)).collect();
    let answers = (0..100).map(|at| {
        let email = format!("{at}@b.c");
        processes[at % 4].answer(question.id, json!({ "email": email }))
    });
    let results = futures_util::future::join_all(answers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(std::result::Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    output(&run).await;
    assert_eq!(model.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_while_nobody_works_on_the_run() {
    async fn ask(cx: Cx, _name: String) -> Result<String> {
        let contact: Contact = cx
            .ask("Which address?")
            .timeout(2 * DAY)
            .or(json!({"email": "none@b.c"}))
            .await?;
        Ok(contact.email)
    }
    async fn insist(cx: Cx, _name: String) -> Result<String> {
        let contact: Contact = cx.ask("Which address?").timeout(2 * DAY).await?;
        Ok(contact.email)
    }
    let with_default =
        Pipeline::define("default", |p, name: Out<String>| p.step("ask", ask, name)).expect("a pipeline");
    let without =
        Pipeline::define("without", |p, name: Out<String>| p.step("ask", insist, name)).expect("a pipeline");
    let store = memory();
    let runner = |store: &Arc<dyn Store>| {
        Runner::builder()
            .store_in(store.clone())
            .register(&with_default)
            .register(&without)
            .build()
            .expect("a runner")
    };
    let first = runner(&store);
    let a = first
        .start(&with_default, "x".to_owned())
        .await
        .expect("it starts");
    let b = first.start(&without, "x".to_owned()).await.expect("it starts");
    let (asked, insisted) = (rests(&a).await, rests(&b).await);
    drop(first);

    tokio::time::sleep(DAY).await;
    let second = runner(&store);
    assert!(
        second.recover().await.expect("it looks").taken.is_empty(),
        "their time has not come"
    );
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(second.recover().await.expect("it looks").taken.len(), 2);
    assert_eq!(
        output(&second.attach(a.id()).await.expect("it is there")).await,
        "none@b.c"
    );
    let failed = second.attach(b.id()).await.expect("it is there").outcome().await;
    assert_eq!(
        failed.map(drop).expect_err("nobody answered").kind(),
        ErrorKind::QuestionExpired
    );
    for question in [asked, insisted] {
        let expired = store
            .question(question.id)
            .await
            .expect("a store")
            .expect("it is there");
        assert_eq!(expired.status, QuestionStatus::Expired);
        let late = second
            .answer(question.id, json!({"email": "late@b.c"}))
            .await
            .expect_err("too late");
        assert_eq!(late.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_from_another_process_while_it_works_and_while_it_rests() {
    async fn slow(_cx: Cx, _name: String) -> Result<String> {
        tokio::time::sleep(mins(60)).await;
        Ok("done".to_owned())
    }
    let slow =
        Pipeline::define("slow", |p, name: Out<String>| p.step("slow", slow, name)).expect("a pipeline");
    let (store, model, asks) = (memory(), Remembering::default(), greeting());
    let process = || {
        with_model(&model)
            .store_in(store.clone())
            .register(&asks)
            .register(&slow)
            .build()
            .expect("a runner")
    };
    let (first, second) = (process(), process());
    let works = first.start(&slow, "x".to_owned()).await.expect("it starts");
    let waits = first.start(&asks, "x".to_owned()).await.expect("it starts");
    let question = rests(&waits).await;
    for run in [works.id(), waits.id()] {
        assert_eq!(
            second
                .cancel(run, "bob", Some("enough"))
                .await
                .expect("it is told"),
            None
        );
    }
    let error = works.outcome().await.map(drop).expect_err("it was cancelled");
    assert!(
        error.is_cancelled() && error.failure().message.contains("bob: enough"),
        "{error}"
    );
    let took = works.view().record().duration_ms;
    assert!(
        took.is_some_and(|took| took < 1000),
        "within a second of virtual time: {took:?}"
    );
    assert!(
        waits
            .outcome()
            .await
            .map(drop)
            .expect_err("it was cancelled")
            .is_cancelled()
    );
    for run in [works.id(), waits.id()] {
        assert_eq!(
            second.cancel(run, "bob", None).await.expect("it is told"),
            Some(RunStatus::Cancelled)
        );
    }
    let late = second
        .answer(question.id, json!({"email": "a@b.c"}))
        .await
        .expect_err("nobody asks any more");
    assert_eq!(late.kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_raised_from_another_process_and_the_run_goes_on() {
    async fn spend(cx: Cx, name: String) -> Result<String> {
        let writer = Agent::<String>::new("writer")
            .instructions("Write.")
            .model("openai/small")
            .max_tokens(300);
        let mut text = name;
        for _ in 0..4 {
            text = cx.run(&writer, text).await?.output;
        }
        Ok(text)
    }
    let pipeline = Pipeline::define("spending", |p, name: Out<String>| {
        p.step(
            "spend",
            spend.budget(
                segue::Budget::UNLIMITED
                    .requests(2)
                    .on_exceed(segue::OnExceed::Pause),
            ),
            name,
        )
    })
    .expect("a pipeline");
    let (store, model) = (memory(), Remembering::default());
    let first = process(&store, &model, &pipeline);
    let run = first
        .start(&pipeline, "ann".to_owned())
        .budget(usd(1.0))
        .await
        .expect("it starts");
    let question = rests(&run).await;
    assert_eq!(question.kind, QuestionKind::Budget);
    assert_eq!(model.sent(), 2);
    drop(first);
    let second = process(&store, &model, &pipeline);
    let refused = second
        .answer(question.id, "lots")
        .await
        .expect_err("that is no budget");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    second.answer(question.id, "requests=3").await.expect("a budget");
    let there = second.attach(run.id()).await.expect("it is there");
    let Outcome::Waiting(again) = there.outcome().await.expect("it does not fail") else {
        panic!("three are not enough")
    };
    assert_eq!(model.sent(), 3, "what was paid is not paid again");
    let third = process(&store, &model, &pipeline);
    let name = again.budget.expect("a limit").name;
    let more = segue::Budget::UNLIMITED.requests(9);
    third
        .raise_budget(run.id(), &name, more, "bob")
        .await
        .expect("it is told");
    assert_eq!(output(&there).await, "13 characters");
    assert_eq!(model.sent(), 4);
    there.refresh().await.expect("it is read");
    let raises = there
        .log()
        .events()
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::BudgetRaised { .. }));
    assert_eq!(raises.count(), 2);
    let late = third
        .raise_budget(run.id(), &name, more, "bob")
        .await
        .expect_err("it is over");
    assert_eq!(late.kind(), ErrorKind::Conflict);
}
