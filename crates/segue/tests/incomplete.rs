//! Incomplete steps and questions: what is known, what is missing, and how a run goes on when somebody answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use segue::price::{Price, PriceBook};
use segue::question::Question;
use segue::{
    Agent, Cx, ErrorKind, FailurePolicy, IntoStep, Models, Out, Outcome, Pipeline, Result, RunHandle,
    RunStatus, Runner, Scripted, StepError, StepStatus, from_fn, millis, secs, usd,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Invoice {
    customer: String,
    amount: u64,
}

async fn extract(_cx: Cx, customer: String) -> Result<Invoice> {
    Err(StepError::incomplete(json!({ "customer": customer }), ["amount"]))
}

async fn total(_cx: Cx, invoice: Invoice) -> Result<u64> {
    Ok(invoice.amount * 2)
}

fn runner() -> Runner {
    let model = Scripted::new()
        .rule(segue::model::Rule::reply("fine").delay(millis(20)))
        .named("openai/small");
    Runner::builder()
        .models(Models::offline().with("openai/small", model))
        .prices(
            PriceBook::new(std::time::UNIX_EPOCH)
                .with_override("openai/small", Price::per_million(usd(1.0), usd(2.0))),
        )
        .build()
        .expect("a runner")
}

async fn rests<T: segue::Data>(run: &RunHandle<T>) -> Question {
    match run.outcome().await.expect("it does not fail") {
        Outcome::Waiting(question) => *question,
        Outcome::Done(_) => panic!("it should wait for an answer"),
    }
}

/// One incomplete step, siblings of several lengths that each pay for a call, and a step after it.
fn with_siblings() -> Pipeline<String, u64> {
    Pipeline::define("invoices", |p, customer: Out<String>| {
        let agent = Agent::<String>::new("checker").model("openai/small");
        let invoice = p.step("extract", extract, customer);
        for at in 0..6u64 {
            let agent = agent.clone();
            let sibling = from_fn(move |cx: Cx, text: String| {
                let agent = agent.clone();
                async move {
                    tokio::time::sleep(millis(at * 7)).await;
                    Ok(cx.run(&agent, text).await?.output)
                }
            });
            p.step(format!("sibling{at}"), sibling, customer);
        }
        p.step("total", total, invoice)
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_of_an_incomplete_step_give_one_result() {
    let (pipeline, runner) = (with_siblings(), runner());
    let mut results = Vec::new();
    for at in 0..100u32 {
        let launch = runner.start(&pipeline, "ann".to_owned()).max_parallel(1 + at % 9);
        let run = launch.await.expect("it starts");
        let question = rests(&run).await;
        assert_eq!(
            question.known,
            *json!({"customer": "ann"}).as_object().expect("an object")
        );
        assert_eq!(question.missing, ["amount"]);
        let view = run.view();
        assert_eq!(view.status(), RunStatus::Waiting);
        assert_eq!(
            view.step("extract").map(|step| step.status),
            Some(StepStatus::Waiting)
        );
        assert_eq!(
            view.step("total").map(|step| step.status),
            Some(StepStatus::Pending)
        );
        for at in 0..6 {
            let sibling = view.step(&format!("sibling{at}")).expect("a sibling");
            assert_eq!(sibling.status, StepStatus::Succeeded);
            assert_eq!(sibling.usage.requests, 1);
        }
        results.push((question.title, question.form, view.usage().requests, *view.cost()));
        run.answer(question.id, json!({"amount": 21}), "ann")
            .await
            .expect("the answer fits");
        let done = run.done().await.expect("it goes on");
        assert_eq!(done.output, 42);
        assert_eq!(
            (done.usage.requests, done.cost),
            (6, *view.cost()),
            "nothing is paid twice"
        );
    }
    assert!(results.iter().all(|result| *result == results[0]));
    assert!(!results[0].3.is_zero(), "the siblings cost something");
}

#[tokio::test(start_paused = true)]
async fn without_a_handle_the_error_tells_what_is_known_and_what_was_paid() {
    let pipeline = Pipeline::define("alone", |p, customer: Out<String>| {
        let agent = Agent::<String>::new("reader").model("local/extractive");
        p.step("read", agent.as_step(|text: String| text), customer);
        let invoice = p.step("extract", extract, customer);
        p.step("total", total, invoice)
    })
    .expect("a pipeline");
    let error = pipeline
        .run("Ann has an invoice.".to_owned())
        .await
        .err()
        .expect("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Waiting);
    assert_eq!(error.question().expect("a question").missing, ["amount"]);
    assert!(error.partial().contains_key("read"), "{:?}", error.partial());
    assert_eq!(error.spent().usage.requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_keeps_the_question_open() {
    let (pipeline, runner) = (with_siblings(), runner());
    let run = runner
        .start(&pipeline, "ann".to_owned())
        .await
        .expect("it starts");
    let question = rests(&run).await;
    for bad in [
        json!({}),
        json!({"amount": "many"}),
        json!({"amount": 1, "more": 2}),
        json!(7),
    ] {
        let refused = run
            .answer(question.id, bad, "ann")
            .await
            .expect_err("it does not fit");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert_eq!(run.questions().len(), 1);
        assert_eq!(run.view().status(), RunStatus::Waiting);
    }
    run.answer(question.id, json!({"amount": 1}), "ann")
        .await
        .expect("the answer fits");
    assert_eq!(run.done().await.expect("it goes on").output, 2);
    let late = run
        .answer(question.id, json!({"amount": 1}), "ann")
        .await
        .expect_err("it is closed");
    assert!(matches!(late.kind(), ErrorKind::NotFound | ErrorKind::Conflict));
}

fn asking(timeout: Option<u64>, default: Option<u64>) -> Pipeline<u64, u64> {
    let ask = from_fn(move |cx: Cx, n: u64| async move {
        let mut asking = cx.ask::<u64>("How many?");
        if let Some(timeout) = timeout {
            asking = asking.timeout(secs(timeout));
        }
        if let Some(default) = default {
            asking = asking.or(default);
        }
        Ok(n + asking.await?)
    });
    Pipeline::define("asking", |p, n: Out<u64>| p.step("ask", ask, n)).expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_takes_its_default_or_fails() {
    let runner = runner();
    let run = runner
        .start(&asking(Some(60), Some(5)), 1)
        .await
        .expect("it starts");
    assert_eq!(rests(&run).await.title, "How many?");
    let done = run.done().await.expect("the default is an answer");
    assert_eq!(done.output, 6);
    assert!(run.questions().is_empty());
    assert!(done.view().open_questions().next().is_none());
    assert!(
        done.log()
            .events()
            .iter()
            .any(|event| event.name() == "question.expired")
    );
    let run = runner.start(&asking(Some(60), None), 1).await.expect("it starts");
    let error = run.done().await.err().expect("nobody answers");
    assert_eq!(error.kind(), ErrorKind::QuestionExpired);
    assert_eq!(error.step(), Some("ask"));
    assert!(error.to_string().contains("How many?"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_days_later_and_the_deadlines_stood_still() {
    let pipeline = Pipeline::define("patient", |p, n: Out<u64>| {
        p.timeout(secs(10));
        let ask = from_fn(|cx: Cx, n: u64| async move {
            tokio::time::sleep(secs(3)).await;
            let more: u64 = cx.ask("How many?").await?;
            Ok(n + more)
        });
        let nested = Pipeline::define("inner", |p, n: Out<u64>| p.step("ask", ask, n)).expect("a pipeline");
        p.step("outer", nested.step_timeout(secs(8)), n)
    })
    .expect("a pipeline");
    let run = runner().start(&pipeline, 1).await.expect("it starts");
    let question = rests(&run).await;
    assert_eq!(question.step, "outer/ask");
    tokio::time::sleep(secs(3 * 86_400)).await;
    run.answer(question.id, 4, "me").await.expect("a number fits");
    // The body begins again after the answer: three more seconds.
    assert_eq!(run.done().await.expect("it goes on").output, 5);
}

#[tokio::test(start_paused = true)]
async fn items_and_nested_pipelines_ask_several_questions_at_once() {
    let once = Arc::new(AtomicU32::new(0));
    let counted = once.clone();
    let ask = from_fn(move |cx: Cx, n: u64| {
        let counted = counted.clone();
        async move {
            if n.is_multiple_of(2) {
                counted.fetch_add(1, Ordering::Relaxed);
                return Ok(n);
            }
            let more: u64 = cx.ask(format!("How many for {n}?")).await?;
            Ok(n + more)
        }
    });
    let inner = Pipeline::define("inner", |p, n: Out<u64>| p.step("ask", ask, n)).expect("a pipeline");
    let pipeline =
        Pipeline::define("outer", |p, list: Out<Vec<u64>>| p.map("each", inner, list)).expect("a pipeline");
    let run = runner()
        .start(&pipeline, vec![0, 1, 2, 3, 4, 5])
        .await
        .expect("it starts");
    rests(&run).await;
    let questions = run.questions();
    let steps: Vec<&str> = questions.iter().map(|question| question.step.as_str()).collect();
    assert_eq!(steps, ["each[1]/ask", "each[3]/ask", "each[5]/ask"]);
    for (at, question) in questions.iter().enumerate().rev() {
        run.answer(question.id, 10 * at, "me")
            .await
            .expect("a number fits");
        if at > 0 {
            rests(&run).await;
        }
    }
    let done = run.done().await.expect("all are answered");
    assert_eq!(done.output, [0, 1, 2, 13, 4, 25]);
    assert_eq!(
        once.load(Ordering::Relaxed),
        3,
        "finished items do not begin again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_beside_it_takes_the_question_back() {
    let pipeline = Pipeline::define("fast", |p, n: Out<u64>| {
        p.failure(FailurePolicy::FailFast);
        let ask = from_fn(|cx: Cx, n: u64| async move { Ok(n + cx.ask::<u64>("How many?").await?) });
        let fails = from_fn(|_cx, _n: u64| async move {
            tokio::time::sleep(secs(5)).await;
            Err::<u64, _>(StepError::fatal("no"))
        });
        p.step("fails", fails, n);
        p.step("ask", ask, n)
    })
    .expect("a pipeline");
    let run = runner().start(&pipeline, 1).await.expect("it starts");
    let error = run.done().await.err().expect("it fails");
    assert_eq!(error.step(), Some("fails"));
    assert!(
        run.questions().is_empty(),
        "nobody is asked for a run that is over"
    );
    assert!(run.view().open_questions().next().is_none());
}
