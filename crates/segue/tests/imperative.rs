//! Steps as plain code: calls by name, branches side by side, retries with reasons, spans, artifacts, and a record that
//! lets them go on after an answer without repeating anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use segue::model::Rule;
use segue::{
    Agent, Artifact, Cx, Data, Done, Error, ErrorKind, EventKind, IntoStep, Models, Out, Outcome, Pipeline,
    Registry, Result, Runner, Scripted, StepError, from_fn, millis, secs,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct ResearchQuery {
    topic: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Topics {
    topics: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Critique {
    score: f64,
    final_report: String,
}

/// The pipeline of the guide: plan, research side by side, review until it is good, save, link.
async fn research(cx: Cx, query: ResearchQuery) -> Result<Artifact> {
    let plan: Topics = cx.call("planner", &query.topic).await?;
    let findings: Vec<String> = cx
        .concurrent("collect_sources", plan.topics, |cx, topic| {
            cx.call("researcher", topic)
        })
        .await?;
    let report = cx
        .retry("review")
        .attempts(3)
        .run(async |attempt| {
            let critique: Critique = cx.call("reviewer", &findings).feedback(attempt.reason()).await?;
            if critique.score >= 0.8 {
                Ok(critique.final_report)
            } else {
                Err(attempt.again("quality score too low"))
            }
        })
        .await?;
    let artifact = cx.artifacts().save_markdown("report.md", &report).await?;
    cx.artifacts().link("latest-report", &artifact).await?;
    Ok(artifact)
}

fn team() -> Registry {
    Registry::new()
        .agent(&Agent::<Topics>::new("planner").model("m"))
        .agent(&Agent::<String>::new("researcher").model("m"))
        .agent(&Agent::<Critique>::new("reviewer").model("m"))
}

/// Virtual time: what a test measures is exact.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a paused runtime is what is measured"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// A pipeline of one step `work`.
fn one<M, S>(step: S) -> Pipeline<S::In, S::Out>
where
    S: IntoStep<M>,
    S::In: Data,
{
    Pipeline::define("one", |p, input: Out<S::In>| p.step("work", step, input))
        .expect("one step is a pipeline")
}

fn runner(model: &Scripted, registry: Registry) -> Runner {
    let models = Models::offline().with("m", model.clone());
    Runner::builder()
        .models(models)
        .registry(registry)
        .build()
        .expect("nothing is registered twice")
}

fn cause<T>(result: Result<Done<T>, Error>) -> segue::Failure {
    result.err().expect("it fails").failure().failed_steps[0]
        .error
        .as_ref()
        .clone()
}

#[tokio::test(start_paused = true)]
async fn the_research_pipeline_runs_as_it_is_written() {
    let score =
        |score: f64| Rule::json(json!({"score": score, "final_report": "# Report"})).agent("reviewer");
    let model = Scripted::new()
        .rule(Rule::json(json!({"topics": ["bees", "clover", "honey"]})).agent("planner"))
        .rule(
            Rule::reply("about bees")
                .agent("researcher")
                .prompt_contains("bees")
                .delay(millis(300)),
        )
        .rule(
            Rule::reply("about clover")
                .agent("researcher")
                .prompt_contains("clover")
                .delay(millis(100)),
        )
        .rule(
            Rule::reply("about honey")
                .agent("researcher")
                .prompt_contains("honey")
                .delay(millis(200)),
        )
        .rule(score(0.5).times(1))
        .rule(score(0.9));
    let runner = runner(&model, team());
    let began = now();
    let query = ResearchQuery { topic: "bees".into() };
    let run = runner.start(&one(research), query).await.expect("it starts");
    let done = run.done().await.expect("the second review is good");
    assert_eq!(began.elapsed(), millis(300), "the researchers work side by side");
    assert_eq!(done.usage.requests, 6);
    assert_eq!(
        run.artifact("report.md").await.expect("it is read").as_deref(),
        Some("# Report".as_bytes())
    );
    assert_eq!(
        runner.link("one", "latest-report").await.expect("it is read"),
        [done.output]
    );
    let reviews: Vec<_> = model
        .requests()
        .into_iter()
        .filter(|asked| asked.from.agent == "reviewer")
        .collect();
    assert_eq!(
        reviews[0].messages[1].text, r#"["about bees","about clover","about honey"]"#,
        "order is kept"
    );
    assert_eq!(reviews[0].messages.len(), 2);
    assert!(reviews[1].messages[2].text.contains("quality score too low"));
}

#[tokio::test(start_paused = true)]
async fn a_review_that_never_ends_well_lists_every_reason() {
    let model = Scripted::new()
        .rule(Rule::json(json!({"topics": []})).agent("planner"))
        .rule(Rule::json(json!({"score": 0.1, "final_report": ""})).agent("reviewer"));
    let run = runner(&model, team())
        .start(&one(research), ResearchQuery { topic: "x".into() })
        .await;
    let failure = cause(run.expect("it starts").done().await);
    assert_eq!(failure.kind, ErrorKind::Exhausted);
    let causes: Vec<_> = failure
        .causes
        .iter()
        .map(|cause| (cause.attempt, cause.message.as_str()))
        .collect();
    let low = "quality score too low";
    assert_eq!(causes, [(Some(1), low), (Some(2), low), (Some(3), low)]);
}

#[tokio::test(start_paused = true)]
async fn an_inner_retry_ends_at_a_fatal_error_and_keeps_the_last_one() {
    let step = |fatal: bool| {
        from_fn(move |cx: Cx, _: u64| async move {
            let made = AtomicU32::new(0);
            let made = &made;
            let retried = cx.retry("try").attempts(4).run(async |attempt| {
                made.fetch_add(1, Ordering::Relaxed);
                match fatal && attempt.number() == 2 {
                    true => Err::<u32, _>(StepError::fatal("broken for good")),
                    false => Err(StepError::of(ErrorKind::Network, "the line is down")),
                }
            });
            let error = retried.await.expect_err("it never succeeds");
            Err::<u32, _>(error.hint(format!("{} attempts", made.load(Ordering::Relaxed))))
        })
    };
    let failure = cause(one(step(false)).run(1).await);
    assert_eq!(
        (failure.kind, failure.hints),
        (ErrorKind::Network, vec!["4 attempts".to_owned()])
    );
    assert_eq!(failure.causes.len(), 4);
    let failure = cause(one(step(true)).run(1).await);
    assert_eq!(
        (failure.message.as_str(), failure.hints),
        ("broken for good", vec!["2 attempts".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn steps_and_tools_are_called_by_name_too_and_an_unknown_name_says_what_there_is() {
    /// Doubles a number.
    #[segue::tool(class = read_only)]
    async fn double(_cx: segue::ToolCx, n: u64) -> Result<u64> {
        Ok(n * 2)
    }
    async fn add_one(_cx: Cx, n: u64) -> Result<u64> {
        Ok(n + 1)
    }
    let registry = Registry::new().step("add_one", add_one).tool(double {});
    let both = from_fn(|cx: Cx, n: u64| async move {
        let more: u64 = cx.call("add_one", n).await?;
        let twice: u64 = cx.call("double", json!({"n": more})).await?;
        Ok(twice)
    });
    let done = one(both)
        .run(4)
        .registry(registry.clone())
        .await
        .expect("it runs");
    assert_eq!((done.output, done.usage.tool_calls), (10, 1));
    let unknown = from_fn(|cx: Cx, n: u64| async move { cx.call::<u64>("add_two", n).await });
    let failure = cause(one(unknown).run(4).registry(registry.clone()).await);
    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert!(
        failure.hints[0].contains("add_one") && failure.hints[0].contains("double"),
        "{:?}",
        failure.hints
    );
    let wrong = from_fn(|cx: Cx, _: u64| async move { cx.call::<u64>("add_one", "four").await });
    assert_eq!(
        cause(one(wrong).run(4).registry(registry.clone()).await).kind,
        ErrorKind::SchemaMismatch
    );
    let misread = from_fn(|cx: Cx, n: u64| async move { cx.call::<String>("add_one", n).await });
    let failure = cause(one(misread).run(4).registry(registry).await);
    assert_eq!(failure.kind, ErrorKind::SchemaMismatch);
    assert!(failure.message.contains("`add_one`"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn branches_are_bounded_and_keep_their_order() {
    let waits = |limit: usize| {
        from_fn(move |cx: Cx, all: Vec<u64>| async move {
            let waiting = cx.concurrent("wait", all, |_cx, ms| async move {
                tokio::time::sleep(millis(ms)).await;
                Ok(ms)
            });
            waiting.max_parallel(limit).await
        })
    };
    for (limit, ms) in [(1, 600), (2, 300), (3, 300)] {
        let began = now();
        let done = one(waits(limit)).run(vec![300, 100, 200]).await.expect("it runs");
        assert_eq!((done.output, began.elapsed()), (vec![300, 100, 200], millis(ms)));
    }
    assert!(
        one(waits(4))
            .run(vec![])
            .await
            .expect("nothing to do")
            .output
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_all_branches_unless_they_are_collected() {
    let fails_at = |ms: u64| async move {
        tokio::time::sleep(millis(ms)).await;
        if ms == 100 {
            Err(StepError::fatal("at 100"))
        } else {
            Ok(ms)
        }
    };
    let fast = from_fn(move |cx: Cx, all: Vec<u64>| async move {
        cx.concurrent("fail", all, move |_cx, ms| fails_at(ms)).await
    });
    let began = now();
    let failure = cause(one(fast).run(vec![60_000, 100, 200]).await);
    assert_eq!(
        (failure.message.as_str(), began.elapsed()),
        ("at 100", millis(100))
    );
    let collected = from_fn(move |cx: Cx, all: Vec<u64>| async move {
        let results = cx
            .concurrent("fail", all, move |_cx, ms| fails_at(ms))
            .collect()
            .await;
        Ok(results
            .into_iter()
            .map(|result| result.map_err(|error| error.to_string()))
            .map(|result| result.map_or_else(|error| error, |ms| ms.to_string()))
            .collect::<Vec<String>>())
    });
    let done = one(collected)
        .run(vec![300, 100, 200])
        .await
        .expect("it collects");
    assert_eq!(done.output, ["300", "at 100", "200"]);
}

#[tokio::test(start_paused = true)]
async fn spans_are_closed_however_they_end() {
    let step = from_fn(|cx: Cx, how: String| async move {
        cx.span("outer", async {
            cx.span("fine", async { Ok(()) }).await?;
            cx.span("inner", async {
                match how.as_str() {
                    "fail" => Err(StepError::fatal("no")),
                    "panic" => panic!("oh"),
                    "hang" => {
                        tokio::time::sleep(secs(3600)).await;
                        Ok(())
                    }
                    _ => Ok(()),
                }
            })
            .await
        })
        .await?;
        Ok(how)
    });
    let pipeline = one(step.timeout(secs(5)));
    for (how, ends) in [
        ("succeed", ["ok", "ok", "ok"]),
        ("fail", ["ok", "error", "error"]),
        ("panic", ["ok", "cut_off", "cut_off"]),
        ("hang", ["ok", "cut_off", "cut_off"]),
    ] {
        let runner = Runner::builder().build().expect("a runner");
        let run = runner.start(&pipeline, how.to_owned()).await.expect("it starts");
        assert_eq!(run.done().await.is_ok(), how == "succeed");
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for event in run.log().events() {
            match event.kind {
                EventKind::SpanOpened { span, name } => opened.push((span, name)),
                EventKind::SpanClosed { span, status } => closed.push((span, status)),
                _ => {}
            }
        }
        assert_eq!(
            opened.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
            ["outer", "fine", "inner"]
        );
        assert_eq!(
            closed
                .iter()
                .map(|(_, status)| status.as_str())
                .collect::<Vec<_>>(),
            ends,
            "{how}"
        );
        let [outer, fine, inner] = [0, 1, 2].map(|at: usize| opened[at].0.clone());
        assert_eq!(
            closed.into_iter().map(|(span, _)| span).collect::<Vec<_>>(),
            [fine, inner, outer]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn artifacts_have_safe_names_and_links_keep_their_history() {
    let step = from_fn(|cx: Cx, names: Vec<String>| async move {
        for name in &names {
            let saved = cx.artifacts().save_text(name, format!("text of {name}")).await?;
            cx.artifacts().link("latest", &saved).await?;
        }
        Ok(names)
    });
    let pipeline = one(step);
    let runner = Runner::builder().build().expect("a runner");
    let start =
        |names: &[&str]| runner.start(&pipeline, names.iter().map(|name| (*name).to_owned()).collect());
    let first = start(&["a.txt", "b/c.txt"]).await.expect("it starts");
    first.done().await.expect("the names are safe");
    let second = start(&["a.txt", "a.txt"]).await.expect("it starts");
    second.done().await.expect("the same name again is fine");
    assert_eq!(
        first.artifact("b/c.txt").await.expect("it is read").as_deref(),
        Some("text of b/c.txt".as_bytes())
    );
    let history: Vec<String> = runner
        .link("one", "latest")
        .await
        .expect("it is read")
        .into_iter()
        .map(|artifact| artifact.name)
        .collect();
    assert_eq!(history, ["a.txt", "a.txt", "b/c.txt", "a.txt"], "newest first");
    for (names, why) in [
        (["../x", ""], "cannot name an artifact"),
        (["con.txt", ""], "is the name of a device"),
        (["a.txt", "A.TXT"], "differs only in case"),
    ] {
        let run = start(&names).await.expect("it starts");
        let failure = cause(run.done().await);
        assert_eq!(failure.kind, ErrorKind::BadName);
        assert!(failure.message.contains(why), "{}", failure.message);
    }
    assert_eq!(
        runner.link("one", "latest").await.expect("it is read").len(),
        5,
        "what was refused has moved no link"
    );
}

#[tokio::test(start_paused = true)]
async fn two_steps_may_save_the_same_name() {
    let save = |text: &'static str| {
        from_fn(move |cx: Cx, _: u64| async move { cx.artifacts().save_text("notes.txt", text).await })
    };
    let pipeline = Pipeline::define("both", |p, n: Out<u64>| {
        let a = p.step("a", save("of a"), n);
        let b = p.step("b", save("of b"), n);
        p.step(
            "end",
            from_fn(|_cx, both: (Artifact, Artifact)| async move { Ok(vec![both.0, both.1]) }),
            (a, b),
        )
    })
    .expect("a pipeline");
    let done = pipeline.run(1).await.expect("it runs");
    let view = done.view();
    let saved: Vec<_> = view
        .artifacts()
        .map(|artifact| (artifact.name.clone(), artifact.step.clone()))
        .collect();
    assert_eq!(
        saved,
        ["a", "b"].map(|step| ("notes.txt".to_owned(), Some(step.to_owned())))
    );
}

/// A step that does everything once, then asks, then goes on.
async fn asks_in_the_middle(cx: Cx, counts: Vec<u32>) -> Result<String> {
    let before: u32 = cx.call("count", ()).await?;
    let failed = cx.call::<u32>("fail", ()).await.is_err();
    let branches: Vec<u32> = cx
        .concurrent("each", counts, |cx, _| cx.call("count", ()))
        .await?;
    let saved = cx.artifacts().save_text("n.txt", before.to_string()).await?;
    cx.artifacts().link("latest", &saved).await?;
    let name: String = cx.ask("Who?").await?;
    let after: u32 = cx.call("count", ()).await?;
    Ok(format!("{name} {before} {branches:?} {after} {failed}"))
}

#[tokio::test(start_paused = true)]
async fn calls_made_before_an_answer_are_not_made_again() {
    let (counted, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (count, fail) = (counted.clone(), failed.clone());
    let registry = Registry::new()
        .step("count", move |_cx: Cx, _: ()| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(n) }
        })
        .step("fail", move |_cx: Cx, _: ()| {
            let n = fail.fetch_add(1, Ordering::Relaxed);
            async move {
                if n == 0 {
                    Err(StepError::fatal("only the first time"))
                } else {
                    Ok(n)
                }
            }
        });
    let runner = Runner::builder().registry(registry).build().expect("a runner");
    let run = runner
        .start(&one(asks_in_the_middle), vec![7, 7])
        .await
        .expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    run.answer(question.id, "Ada", "me").await.expect("a text fits");
    assert_eq!(
        run.done().await.expect("it goes on").output,
        "Ada 0 [1, 2] 3 true"
    );
    assert_eq!(
        (counted.load(Ordering::Relaxed), failed.load(Ordering::Relaxed)),
        (4, 1)
    );
    assert_eq!(runner.link("one", "latest").await.expect("it is read").len(), 1);
    assert_eq!(run.view().artifacts().count(), 1);
    let replayed = run
        .log()
        .events()
        .into_iter()
        .filter(|event| event.name() == "call.replayed")
        .count();
    assert_eq!(replayed, 6);
}

#[tokio::test(start_paused = true)]
async fn another_call_at_the_same_place_is_a_visible_error() {
    let attempts = Arc::new(AtomicU32::new(0));
    let step = move |cx: Cx, _: ()| {
        let n = attempts.fetch_add(1, Ordering::Relaxed);
        async move {
            let _: u32 = cx.call("echo", n).await?;
            let name: String = cx.ask("Who?").await?;
            Ok(name)
        }
    };
    async fn echo(_cx: Cx, n: u32) -> Result<u32> {
        Ok(n)
    }
    let runner = Runner::builder()
        .registry(Registry::new().step("echo", echo))
        .build()
        .expect("a runner");
    let pipeline = one(step.retries(3));
    let run = runner.start(&pipeline, ()).await.expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    run.answer(question.id, "Ada", "me").await.expect("a text fits");
    let failure = cause(run.done().await);
    assert_eq!(failure.kind, ErrorKind::ReplayMismatch);
    assert!(
        failure.message.contains("step echo") && failure.message.contains("position 0"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn an_if_takes_one_branch_and_only_its_calls_are_made() {
    let model = Scripted::new()
        .rule(Rule::reply("short").agent("short"))
        .rule(Rule::reply("long").agent("long"));
    let agent = |name: &str| Agent::<String>::new(name).model("m");
    let registry = Registry::new().agent(&agent("short")).agent(&agent("long"));
    let step = from_fn(|cx: Cx, text: String| async move {
        let name = if text.len() < 10 { "short" } else { "long" };
        cx.call::<String>(name, text).await
    });
    let pipeline = one(step);
    let run = |text: &str| {
        pipeline
            .run(text.to_owned())
            .registry(registry.clone())
            .with_model("m", model.clone())
    };
    assert_eq!(run("few words").await.expect("it runs").output, "short");
    assert_eq!(run("a good many words").await.expect("it runs").output, "long");
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_agents_of_one_name_are_not_mixed_up() {
    let agent = |text: &str| Agent::<String>::new("writer").instructions(text).model("m");
    let (one, two) = (agent("Be brief."), agent("Be verbose."));
    let model = Scripted::new().rule(Rule::reply("written"));
    let pipeline = Pipeline::define("both", |p, prompt: Out<String>| {
        let first = p.step("first", one.as_step(|prompt: String| prompt), prompt);
        let held = two.clone();
        let step = from_fn(move |cx: Cx, prompt: String| {
            let held = held.clone();
            async move { Ok(cx.run(&held, prompt).await?.output) }
        });
        p.step("second", step, first)
    })
    .expect("a pipeline");
    pipeline
        .run("Go.".to_owned())
        .with_model("m", model.clone())
        .await
        .expect("it runs");
    let told: Vec<String> = model
        .requests()
        .iter()
        .map(|request| request.messages[0].text.clone())
        .collect();
    assert_eq!(told, ["Be brief.", "Be verbose."]);
}
