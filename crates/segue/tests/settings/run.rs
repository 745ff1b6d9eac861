//! Settings of a run, of maps and of models, and what a run is called.

use segue::model::Rule;
use segue::plan::ModelSettings;
use segue::price::{Price, PriceBook};
use segue::redact::Redactor;
use segue::{
    Agent, Budget, CountingIds, Cx, ErrorKind, EventKind, FailurePolicy, IntoStep, Kept, Models, Out,
    Pipeline, Runner, Scripted, Secret, StepError, StepStatus, Usage, from_fn, secs, usd,
};

use crate::{Takes, fails, one};

/// Four steps of a second each, side by side.
fn four(max_parallel: Option<u32>) -> Pipeline<u64, u64> {
    Pipeline::define("four", |p, n: Out<u64>| {
        if let Some(attempts) = max_parallel {
            p.max_parallel(attempts);
        }
        let all: Vec<Out<u64>> = (0..4)
            .map(|i| p.step(format!("s{i}"), Takes(secs(1)), n))
            .collect();
        p.step(
            "join",
            from_fn(|_cx, all: Vec<u64>| async move { Ok(all.into_iter().sum()) }),
            all,
        )
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn max_parallel_of_a_run() {
    for (planned, called, expected) in [
        (None, None, 1),
        (Some(2), None, 2),
        (Some(2), Some(1), 4),
        (Some(1), Some(4), 1),
    ] {
        let began = crate::now();
        let pipeline = four(planned);
        let run = pipeline.run(1);
        let run = match called {
            Some(attempts) => run.max_parallel(attempts),
            None => run,
        };
        run.await.expect("it runs");
        assert_eq!(began.elapsed(), secs(expected), "{planned:?} {called:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_has_a_ceiling_for_the_attempts_of_a_run() {
    for (ceiling, called, expected) in [
        (1, None, 4),
        (2, None, 2),
        (2, Some(4), 2),
        (2, Some(1), 4),
        (9, None, 1),
    ] {
        let began = crate::now();
        let runner = Runner::builder().max_parallel(ceiling).build().expect("a runner");
        let run = runner.start(&four(None), 1);
        let run = match called {
            Some(attempts) => run.max_parallel(attempts),
            None => run,
        };
        run.await.expect("it starts").done().await.expect("it runs");
        assert_eq!(began.elapsed(), secs(expected), "{ceiling} {called:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_parallel_of_a_map() {
    let map = |items: Option<u32>| {
        Pipeline::define("map", |p, list: Out<Vec<u64>>| match items {
            Some(items) => p.map("each", Takes(secs(1)).max_parallel(items), list),
            None => p.map("each", Takes(secs(1)), list),
        })
        .expect("a pipeline")
    };
    for (items, expected) in [(None, 2), (Some(1), 16), (Some(4), 4), (Some(16), 1)] {
        let began = crate::now();
        map(items).run((0..16).collect()).await.expect("it runs");
        assert_eq!(began.elapsed(), secs(expected), "{items:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keep_errors_of_a_map() {
    let odd = |_cx: Cx, n: u64| async move {
        if n % 2 == 1 {
            Err(StepError::fatal(format!("{n} is odd")))
        } else {
            Ok(n)
        }
    };
    let kept = Pipeline::define("kept", |p, list: Out<Vec<u64>>| {
        p.map("each", from_fn(odd).keep_errors(), list)
    });
    let done = kept
        .expect("a pipeline")
        .run(vec![2, 3, 4])
        .await
        .expect("errors stand in the list");
    let errors: Vec<_> = done
        .output
        .iter()
        .map(|item| item.error().map(|error| error.message.clone()))
        .collect();
    assert_eq!(errors, [None, Some("3 is odd".to_owned()), None]);
    assert_eq!(
        done.output.into_iter().filter_map(Kept::ok).collect::<Vec<_>>(),
        [2, 4]
    );
    let failed = Pipeline::define("failed", |p, list: Out<Vec<u64>>| {
        p.map("each", from_fn(odd), list)
    });
    assert!(failed.expect("a pipeline").run(vec![2, 3, 4]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn failure_policy() {
    for (policy, slow) in [
        (None, StepStatus::Succeeded),
        (Some(FailurePolicy::FailFast), StepStatus::Cancelled),
    ] {
        let pipeline = Pipeline::define("policy", |p, n: Out<u64>| {
            if let Some(policy) = policy {
                p.failure(policy);
            }
            let slow = p.step("slow", Takes(secs(5)), n);
            let bad = p.step("bad", fails, n);
            p.step(
                "end",
                from_fn(|_cx, (a, b): (u64, u64)| async move { Ok(a + b) }),
                (slow, bad),
            )
        })
        .expect("a pipeline");
        let run = Runner::builder()
            .build()
            .expect("a runner")
            .start(&pipeline, 1)
            .await
            .expect("it starts");
        assert!(run.done().await.is_err());
        assert_eq!(run.view().step("slow").expect("it is there").status, slow);
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_of_a_run() {
    let pipeline = Pipeline::define("late", |p, n: Out<u64>| {
        p.timeout(secs(2));
        p.step("slow", Takes(secs(5)), n)
    })
    .expect("a pipeline");
    assert!(pipeline.run(1).await.err().expect("it is late").is_timeout());
    assert!(
        pipeline.run(1).timeout(secs(9)).await.is_ok(),
        "the call replaces it"
    );
    assert!(
        pipeline.run(1).timeout(None).await.is_ok(),
        "the call switches it off"
    );
    assert!(
        one(Takes(secs(5))).run(1).timeout(secs(1)).await.is_err(),
        "the call sets it"
    );
}

#[tokio::test(start_paused = true)]
async fn budget_of_a_run() {
    let agent = Agent::<String>::new("writer").model("m");
    let twice = |budget: Option<Budget>| {
        Pipeline::define("twice", |p, prompt: Out<String>| {
            if let Some(budget) = budget {
                p.budget(budget);
            }
            let first = p.step("first", agent.as_step(|prompt: String| prompt), prompt);
            p.step("second", agent.as_step(|prompt: String| prompt), first)
        })
        .expect("a pipeline")
    };
    let run = |budget: Option<Budget>| {
        twice(budget)
            .run("Go.".to_owned())
            .with_model("m", Scripted::new().rule(Rule::reply("done")))
    };
    let once = Budget::default().requests(1);
    let error = run(Some(once)).await.err().expect("one request is not enough");
    assert_eq!((error.is_budget(), error.step()), (true, Some("second")));
    assert_eq!(error.partial()["first"], "done");
    assert!(
        run(Some(once)).budget(None).await.is_ok(),
        "the call switches it off"
    );
    assert!(
        run(Some(once))
            .budget(Budget::default().requests(2))
            .await
            .is_ok(),
        "the call replaces it"
    );
    assert!(run(None).budget(once).await.is_err(), "the call sets it");
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_model() {
    let model = Scripted::new().rule(Rule::reply("done"));
    let ask = |agent: Agent<String>| {
        let model = model.clone();
        async move {
            let run = one(agent.as_step(|prompt: String| prompt)).run("Go.".to_owned());
            run.with_model("m", model.clone()).await.expect("it answers");
            model.requests().last().expect("it was asked").settings.clone()
        }
    };
    let agent = || Agent::<String>::new("writer").model("m");
    assert_eq!(
        ask(agent()).await,
        ModelSettings {
            max_tokens: Some(4096),
            ..ModelSettings::default()
        }
    );
    let all = ModelSettings {
        temperature: Some(0.3),
        max_tokens: Some(99),
        top_p: Some(0.5),
        seed: Some(7),
        stop: Some(vec!["END".into()]),
        reasoning: Some("low".into()),
        cache: Some("auto".into()),
    };
    assert_eq!(ask(agent().model_settings(all.clone())).await, all);
    let fewer = ask(agent().model_settings(all.clone()).max_tokens(50)).await;
    assert_eq!(
        fewer,
        ModelSettings {
            max_tokens: Some(50),
            ..all
        }
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_run_is_called() {
    let pipeline = Pipeline::define("named", |p, n: Out<u64>| {
        p.title("Named")
            .description("Has names.")
            .label("team", "red")
            .label("kind", "test");
        p.step("work", Takes(secs(1)).title("Some work"), n)
    })
    .expect("a pipeline");
    let plan = pipeline.plan();
    assert_eq!(
        (plan.title.as_deref(), plan.description.as_deref()),
        (Some("Named"), Some("Has names."))
    );
    assert_eq!(plan.steps[0].title.as_deref(), Some("Some work"));
    let done = pipeline
        .run(1)
        .label("kind", "call")
        .note("a note")
        .trigger("cli")
        .await
        .expect("it runs");
    let Some(EventKind::RunQueued {
        labels,
        note,
        trigger,
        ..
    }) = done.log().events().into_iter().next().map(|event| event.kind)
    else {
        panic!("a run begins by being queued")
    };
    let labels: Vec<(&str, &str)> = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        labels,
        [("team", "red"), ("kind", "call")],
        "the call replaces a label of the pipeline"
    );
    assert_eq!((note.as_deref(), trigger.as_str()), (Some("a note"), "cli"));
}

#[tokio::test(start_paused = true)]
async fn what_a_step_uses_has_to_be_provided_before_the_run_starts() {
    struct Rate(u64);
    let step = || from_fn(|cx: Cx, n: u64| async move { Ok(n * cx.get::<Rate>()?.0) }).uses::<Rate>();
    let error = one(step()).run(2).await.err().expect("nobody provided it");
    assert_eq!(
        (error.kind(), error.run()),
        (ErrorKind::MissingPrerequisites, None)
    );
    assert_eq!(
        one(step())
            .run(2)
            .provide(Rate(3))
            .await
            .expect("it is there")
            .output,
        6
    );
    let runner = Runner::builder().provide(Rate(4)).build().expect("a runner");
    let run = runner.start(&one(step()), 2).await.expect("it starts");
    assert_eq!(run.done().await.expect("it is there").output, 8);
}

#[tokio::test(start_paused = true)]
async fn a_runner_has_models_and_ids_of_its_own() {
    let agent = Agent::<String>::new("writer").model("m");
    let pipeline = one(agent.as_step(|prompt: String| prompt));
    let run = |models: Models| async {
        let runner = Runner::builder()
            .models(models)
            .ids(CountingIds::default())
            .build()
            .expect("a runner");
        let run = runner.start(&pipeline, "Go.".to_owned()).await?;
        run.done().await.map(|done| (done.output, done.run))
    };
    let models = || Models::offline().with("m", Scripted::replies(["done"]));
    let first = run(models()).await.expect("it runs");
    assert_eq!(
        first,
        run(models()).await.expect("it runs"),
        "counted ids are the same again"
    );
    assert_eq!(
        run(Models::offline()).await.expect_err("no model").kind(),
        ErrorKind::NoModel
    );
    assert!(pipeline.run("Go.".to_owned()).models(models()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_runner_takes_secrets_out_of_what_enters_a_run() {
    const SECRET: &str = "correct horse battery";
    let agent = Agent::<String>::new("writer").model("m");
    let pipeline = Pipeline::define("careless", |p, input| {
        let told = p.step("told", agent.as_step(|prompt: String| prompt), input);
        let more = p.step(
            "more",
            from_fn(async |cx: Cx, told: String| {
                cx.note(SECRET);
                Ok(format!("{told}, {SECRET}"))
            }),
            told,
        );
        p.step(
            "fails",
            from_fn(async |_: Cx, _: String| Err::<String, _>(StepError::fatal(SECRET))),
            more,
        )
    })
    .expect("it is one");
    let run = async |redactor: Redactor| {
        let models = Models::offline().with("m", Scripted::replies([SECRET]));
        let runner = Runner::builder().models(models).redactor(redactor).build();
        let run = runner
            .expect("a runner")
            .start(&pipeline, format!("Say {SECRET}."));
        let run = run.label("team", SECRET).note(SECRET).await.expect("it starts");
        let error = run.done().await.map(|done| done.output).expect_err("it fails");
        let events = run.log().events().into_iter();
        let events: Vec<String> = events.map(|event| format!("{event:?}")).collect();
        (error, events.join("\n"))
    };
    let (error, events) = run(Redactor::none()).await;
    assert!(
        error.to_string().contains(SECRET) && events.matches(SECRET).count() > 8,
        "{events}"
    );
    let (error, events) = run(Redactor::new().secret("HOUSE", &Secret::new(SECRET))).await;
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    assert!(!events.contains(SECRET), "{events}");
    assert_eq!(
        error.failure().partial_outputs["more"],
        "[redacted HOUSE], [redacted HOUSE]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_has_prices_of_its_own() {
    let agent = Agent::<String>::new("writer").model("m");
    let pipeline = one(agent.as_step(|prompt: String| prompt));
    let used = Usage {
        input_tokens: 1_000_000,
        output_tokens: 500_000,
        ..Usage::default()
    };
    let model = Scripted::new()
        .named("house/one")
        .rule(Rule::reply("done").usage(used));
    let models = Models::offline().with("m", model);
    let day = std::time::UNIX_EPOCH;
    let prices = PriceBook::new(day).with_override("house/one", Price::per_million(usd(2.0), usd(6.0)));
    for (prices, expected) in [(prices, Some(usd(5.0))), (PriceBook::new(day), None)] {
        let runner = Runner::builder()
            .models(models.clone())
            .prices(prices)
            .build()
            .expect("a runner");
        let run = runner
            .start(&pipeline, "Go.".to_owned())
            .await
            .expect("it starts");
        let done = run.done().await.expect("it runs");
        match expected {
            Some(cost) => assert_eq!(done.cost.nanousd, cost),
            None => assert_eq!(done.cost.unpriced_calls, 1),
        }
    }
}
