//! Patterns when they run: who is given what, what comes out, and what a failure leaves.

use std::sync::Arc;
use std::time::Duration;

use segue::file::load_text;
use segue::{
    Agent, Arrangement, Done, Error, ErrorKind, Models, Pattern, Pipeline, Registry, Rule, Scripted,
    StepStatus, secs,
};
use serde_json::{Value as Json, json};

const AGENTS: &str = "
version: 1
name: content
agents:
  a: { model: openai/test, instructions: I am a., output: any }
  b: { model: openai/test, instructions: I am b. }
  c: { model: openai/test, instructions: I am c. }
";

/// Each agent answers with these words.
fn replies(of_a: Json) -> Scripted {
    Scripted::new()
        .rule(Rule::json(of_a).agent("a"))
        .rule(Rule::reply("from b").agent("b"))
        .rule(Rule::reply("from c").agent("c"))
}

fn load(text: &str, registry: &Registry) -> Pipeline<Json, Json> {
    let loaded = load_text(text, "test.yaml", registry).unwrap_or_else(|rejected| panic!("{rejected}"));
    Pipeline::from_plan(&loaded.plan, registry).expect("everything it names is there")
}

async fn run(pattern: &str, inputs: Json, script: &Scripted) -> Result<Done<Json>, Error> {
    let text = format!("{AGENTS}{pattern}");
    load(&text, &Registry::new())
        .run(inputs)
        .models(Models::offline().with("openai/test", script.clone()))
        .await
}

/// What each agent was asked, in order of the questions.
fn asked(script: &Scripted) -> Vec<String> {
    let last =
        |request: &Arc<segue::model::Request>| request.messages.last().map(|message| message.text.clone());
    script.requests().iter().filter_map(last).collect()
}

fn statuses(done: &Done<Json>) -> Vec<(String, StepStatus)> {
    let view = done.view();
    let steps = view.steps().map(|step| (step.path.clone(), step.status));
    steps.collect()
}

#[tokio::test(start_paused = true)]
async fn in_a_sequence_each_is_given_the_prompt_and_the_answer_before() {
    let script = replies(json!({"score": 7}));
    let pattern = "inputs: { id: integer }\npatterns: { p: { steps: [a, b, a], prompt: 'Look at {{ inputs.id }}.' } }\n";
    let done = run(pattern, json!({"id": 3}), &script).await.expect("it runs");
    assert_eq!(done.output, json!({"score": 7}));
    assert_eq!(
        asked(&script),
        [
            "Look at 3.",
            "## a\n{\"score\":7}\n\nLook at 3.",
            "## b\nfrom b\n\nLook at 3."
        ]
    );
    let names: Vec<String> = statuses(&done).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "a_2"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_gives_another_prompt() {
    let script = replies(json!(1));
    let pattern = "patterns: { p: { steps: [b], prompt: 'The usual.' } }\n";
    run(
        pattern,
        json!({"prompt": "Something else: {{ inputs.id }}"}),
        &script,
    )
    .await
    .expect("it runs");
    assert_eq!(
        asked(&script),
        ["Something else: {{ inputs.id }}"],
        "and it is data"
    );

    let script = replies(json!(1));
    let pattern = "patterns: { p: { steps: [b] } }\n";
    let error = run(pattern, json!({}), &script)
        .await
        .err()
        .expect("there is no prompt");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    run(pattern, json!({"prompt": "Hi."}), &script)
        .await
        .expect("it runs");
    assert_eq!(asked(&script), ["Hi."]);
}

#[tokio::test(start_paused = true)]
async fn side_by_side_answers_are_a_list_in_the_order_asked_for() {
    let pattern = "patterns: { p: { strategy: parallel, steps: [c, a, b, a], prompt: All. } }\n";
    // The first to answer comes last, and the other way round.
    let script = Scripted::new()
        .rule(Rule::reply("from c").agent("c").delay(secs(9)))
        .rule(Rule::json(json!({"from": "a"})).agent("a").delay(secs(5)))
        .rule(Rule::reply("from b").agent("b"));
    let done = run(pattern, json!({}), &script).await.expect("it runs");
    assert_eq!(
        done.output,
        json!(["from c", {"from": "a"}, "from b", {"from": "a"}])
    );
    assert_eq!(asked(&script), ["All."; 4]);
    assert_eq!(done.view().duration(), Some(secs(9)), "nobody waited for anybody");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_stops_no_other() {
    let pattern = "patterns: { p: { strategy: parallel, steps: [a, b, c], prompt: All. } }\n";
    let script = Scripted::new()
        .rule(Rule::error(ErrorKind::Authentication).agent("b"))
        .rule(Rule::reply("from b").agent("b"))
        .rule(Rule::json(json!(1)).agent("a").delay(secs(2)))
        .rule(Rule::reply("from c").agent("c").delay(secs(2)));
    let error = run(pattern, json!({}), &script)
        .await
        .err()
        .expect("one has failed");
    let failed: Vec<&str> = error
        .failure()
        .failed_steps
        .iter()
        .map(|failed| failed.step.as_str())
        .collect();
    assert_eq!(failed, ["b"]);
    assert_eq!(json!(error.partial()), json!({"a": 1, "c": "from c"}));
}

#[tokio::test(start_paused = true)]
async fn no_more_work_at_once_than_concurrency_says() {
    for (said, seconds) in [("", 2), (", concurrency: 1", 6), (", concurrency: 20", 1)] {
        let pattern = format!(
            "patterns: {{ p: {{ strategy: parallel, steps: [b, b, b, b, b, b], prompt: All.{said} }} }}\n"
        );
        let pattern = pattern.replace("All.,", "All. ,");
        let script = Scripted::new().rule(Rule::reply("from b").delay(secs(1)));
        let done = run(&pattern, json!({}), &script).await.expect("it runs");
        assert_eq!(done.view().duration(), Some(secs(seconds)), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_decides_whether_the_others_follow() {
    let pattern = "patterns: { p: { strategy: conditional, steps: [a, b, c], prompt: Well? } }\n";
    for no in [
        json!(false),
        json!(null),
        json!(0),
        json!(0.0),
        json!([]),
        json!({}),
        json!("no"),
        json!("false"),
        json!(" No\n"),
    ] {
        let script = replies(no.clone());
        let done = run(pattern, json!({}), &script)
            .await
            .unwrap_or_else(|error| panic!("{no}: {error}"));
        assert_eq!(done.output, no);
        assert_eq!(
            statuses(&done)
                .into_iter()
                .map(|(_, status)| status)
                .collect::<Vec<_>>(),
            [StepStatus::Succeeded, StepStatus::Skipped, StepStatus::Skipped],
            "{no}"
        );
        assert_eq!(script.requests().len(), 1, "{no}");
    }
    for yes in [
        json!(true),
        json!(1),
        json!("yes"),
        json!("nobody"),
        json!([0]),
        json!({"ok": false}),
        json!("0"),
    ] {
        let script = replies(yes.clone());
        let done = run(pattern, json!({}), &script)
            .await
            .unwrap_or_else(|error| panic!("{yes}: {error}"));
        assert_eq!(done.output, "from c", "{yes}");
        assert_eq!(asked(&script)[2], "## b\nfrom b\n\nWell?");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_decision_is_a_failure_and_no_no() {
    let pattern = "patterns: { p: { strategy: conditional, steps: [a, b], prompt: Well? } }\n";
    let script = Scripted::new().rule(Rule::error(ErrorKind::Authentication));
    let error = run(pattern, json!({}), &script).await.err().expect("it fails");
    assert_eq!(error.step(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn timeout_and_retries_hold() {
    let pattern = "patterns: { p: { steps: [b], prompt: x, timeout: 3s } }\n";
    let script = Scripted::new().rule(Rule::reply("late").delay(secs(4)));
    let error = run(pattern, json!({}), &script).await.err().expect("it is late");
    assert!(error.is_timeout());
    assert!(error.failure().message.contains("3"), "{error}");

    let script = || {
        Scripted::new()
            .rule(Rule::error(ErrorKind::Provider).times(2))
            .rule(Rule::reply("at last"))
    };
    let with = |retries: &str| {
        format!("defaults: {{ retries: 2 }}\npatterns: {{ p: {{ steps: [b], prompt: x{retries} }} }}\n")
    };
    let done = run(&with(""), json!({}), &script())
        .await
        .expect("`defaults` hold where nothing is said");
    assert_eq!(done.output, "at last");
    let error = run(&with(", retries: 1"), json!({}), &script())
        .await
        .err()
        .expect("one more is too few");
    assert_eq!(error.step(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_fails_falls_back() {
    let pattern = "inputs: { id: integer }
patterns:
  all: { steps: [a, b], prompt: 'All of {{ inputs.id }}', fallback: small }
  small: { steps: [c], fallback: none }
default_pattern: all
";
    let script = Scripted::new()
        .rule(Rule::json(json!("from a")).agent("a"))
        .rule(Rule::error(ErrorKind::Authentication).agent("b"))
        .rule(Rule::reply("from c").agent("c"));
    let done = run(pattern, json!({"id": 4}), &script)
        .await
        .expect("by its fallback");
    assert_eq!(
        (done.output.clone(), done.view().fallback()),
        (json!("from c"), true)
    );
    assert_eq!(
        asked(&script).last().map(String::as_str),
        Some("All of 4"),
        "it has no prompt of its own"
    );
    assert_eq!(done.view().failed_steps().collect::<Vec<_>>(), ["b"]);
    assert!(done.view().step("on_failure/c").is_some());

    let of_file = "patterns: { all: { steps: [b], prompt: All. }, small: { steps: [c], prompt: Small., fallback: none } }
default_pattern: all
on_failure: { pipeline: '#small', with: { prompt: 'After {{ error.step }}' } }
";
    let done = run(of_file, json!({}), &script)
        .await
        .expect("by what the file says for all");
    assert!(done.view().fallback());
    assert_eq!(asked(&script).last().map(String::as_str), Some("After b"));

    let written = "patterns: { all: { steps: [b], prompt: All. } }
on_failure: { steps: { sorry: { set: 'Sorry: {{ error.step }}' } }, output: steps.sorry.output }
";
    let done = run(written, json!({}), &script)
        .await
        .expect("by the steps that are written out");
    assert_eq!(done.output, "Sorry: b");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_pattern_holds_within_another_run() {
    let text = |step: &str| {
        format!(
            "patterns: {{ p: {{ steps: [b], prompt: x, timeout: 3s, fallback: none }} }}\nsteps: {{ s: {{ pipeline: '#p'{step} }} }}\n"
        )
    };
    let slow = Scripted::new().rule(Rule::reply("late").delay(secs(4)));
    let error = run(&text(""), json!({}), &slow).await.err().expect("it is late");
    assert!(error.to_string().contains("within 3s"), "{error}");
    // Both hold: what its step says can be sooner, and not later.
    for (step, says) in [
        (", step_timeout: 5s", "within 3s"),
        (", step_timeout: 2s", "within 2s"),
        (", timeout: 1s", "within 1000ms"),
    ] {
        let error = run(&text(step), json!({}), &slow)
            .await
            .err()
            .expect("it is late");
        assert!(error.to_string().contains(says), "{error}");
    }
    let each = "patterns: { p: { steps: [b], prompt: x, timeout: 5s, fallback: none } }
steps: { s: { for_each: '[1, 2, 3]', max_parallel: 1, pipeline: '#p' } }
";
    let done = run(each, json!({}), &slow).await.expect("each item has its own");
    assert_eq!(done.output, json!(["late", "late", "late"]));
}

fn registry() -> Registry {
    let agent = |name: &str| {
        Agent::<String>::new(name)
            .instructions("Answer.")
            .model("openai/test")
    };
    Registry::new()
        .agent(&agent("x"))
        .agent(&agent("y"))
        .agent(&agent("z"))
}

async fn run_pattern(pattern: &Pattern, registry: &Registry, script: &Scripted) -> Result<Done<Json>, Error> {
    let models = Models::offline().with("openai/test", script.clone());
    pattern
        .pipeline(registry)?
        .run(json!({"prompt": "Go."}))
        .models(models)
        .await
}

fn of_agent() -> Scripted {
    ["x", "y", "z"]
        .into_iter()
        .fold(Scripted::new(), |script, agent| {
            script.rule(Rule::reply(format!("from {agent}")).agent(agent))
        })
}

#[tokio::test(start_paused = true)]
async fn patterns_of_a_program() {
    let line = run_pattern(&Pattern::sequential("line", ["x", "y"]), &registry(), &of_agent()).await;
    assert_eq!(line.expect("it runs").output, "from y");
    let all = run_pattern(&Pattern::parallel("all", ["z", "x"]), &registry(), &of_agent()).await;
    assert_eq!(all.expect("it runs").output, json!(["from z", "from x"]));
    let no = Scripted::new().rule(Rule::reply("no"));
    let maybe = run_pattern(&Pattern::conditional("maybe", ["x", "y"]), &registry(), &no).await;
    assert_eq!(maybe.expect("it runs").output, "no");
}

#[tokio::test(start_paused = true)]
async fn each_setter_of_a_pattern_has_its_effect() {
    let pattern = Pattern::parallel("all", ["x", "y", "z"])
        .description("Everybody")
        .concurrency(1)
        .timeout(secs(2))
        .retries(3);
    assert_eq!(pattern.name(), "all");
    let plan = pattern.plan(&registry()).expect("it is right");
    assert_eq!(plan.description.as_deref(), Some("Everybody"));
    assert_eq!(plan.label(), "all");
    let slow = Scripted::new().rule(Rule::reply("late").delay(secs(1)));
    let error = run_pattern(&pattern, &registry(), &slow)
        .await
        .err()
        .expect("three seconds, one after another");
    assert!(error.is_timeout(), "{error}");
    let slower = pattern.clone().timeout(secs(4));
    run_pattern(&slower, &registry(), &slow)
        .await
        .expect("there is time");

    let failing = || {
        Scripted::new()
            .rule(Rule::error(ErrorKind::Provider).times(2))
            .rule(Rule::reply("at last"))
    };
    let line = Pattern::sequential("line", ["x"]);
    run_pattern(&line.clone().retries(2), &registry(), &failing())
        .await
        .expect("the third time");
    run_pattern(&line.clone().retries(1), &registry(), &failing())
        .await
        .err()
        .expect("not the second");

    let never = Scripted::new()
        .rule(Rule::error(ErrorKind::Authentication).agent("x"))
        .rule(Rule::reply("instead"));
    let done = run_pattern(
        &line.fallback(Pattern::sequential("spare", ["y"])),
        &registry(),
        &never,
    )
    .await;
    let done = done.expect("by its fallback");
    assert_eq!(
        (done.output.clone(), done.view().fallback()),
        (json!("instead"), true)
    );
}

#[test]
fn all_that_is_wrong_with_a_pattern_is_said_at_once() {
    let wrong = Pattern::new("p", "paralel", ["x", "yy"])
        .timeout(Duration::from_millis(10))
        .retries(11)
        .concurrency(21)
        .fallback(Pattern::sequential("q", Vec::<String>::new()).fallback(Pattern::sequential("r", ["x"])));
    let error = wrong.plan(&registry()).expect_err("it is wrong");
    let said = error.to_string();
    for part in [
        "agent `yy` does not exist",
        "strategy `paralel` does not exist",
        "`timeout` needs 1s to 3600s, found 10ms",
        "`retries` needs 0 to 10, found 11",
        "`concurrency` needs 1 to 20, found 21",
        "pattern `q` has no agents",
        "fallback `q` cannot have one of its own",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

/// All but the last answer, and the last is given what they said; it needs two.
fn jury(agents: usize) -> Result<Arrangement, String> {
    if agents < 2 {
        return Err("needs two agents or more".into());
    }
    let mut jury = Arrangement::new();
    let voices: Vec<_> = (0..agents - 1).map(|agent| jury.ask(agent, &[])).collect();
    let verdict = jury.ask(agents - 1, &voices);
    Ok(jury.gives(verdict))
}

#[tokio::test(start_paused = true)]
async fn a_strategy_of_the_program() {
    let registry = registry().strategy("jury", jury);
    let script = of_agent();
    let done = run_pattern(
        &Pattern::new("court", "jury", ["x", "y", "z"]),
        &registry,
        &script,
    )
    .await;
    assert_eq!(done.expect("it runs").output, "from z");
    assert_eq!(asked(&script)[2], "## x\nfrom x\n\n## y\nfrom y\n\nGo.");

    // A file names it too, and its refusal has a place.
    let text = |agents: &str| {
        format!("version: 1\nname: f\npatterns: {{ p: {{ strategy: jury, steps: [{agents}] }} }}\n")
    };
    load(&text("x, y"), &registry);
    let rejected = load_text(&text("x"), "f.yaml", &registry).expect_err("one is no jury");
    assert!(
        rejected
            .to_string()
            .contains("strategy `jury` needs two agents or more"),
        "{rejected}"
    );

    let twice = Pattern::sequential("p", ["x"]).pipeline(&registry.strategy("jury", jury));
    assert!(
        twice
            .err()
            .expect("it is there already")
            .to_string()
            .contains("`jury` is registered twice")
    );
}

#[test]
fn an_arrangement_that_cannot_be_is_refused() {
    let mut other = Arrangement::new();
    let first = other.ask(0, &[]);
    let late = other.ask(1, &[first]);
    let refused = |made: Arrangement| {
        let registry = registry().strategy("odd", move |_: usize| Ok(made.clone()));
        let error = Pattern::new("p", "odd", ["x", "y"])
            .plan(&registry)
            .expect_err("it cannot be");
        error.to_string()
    };
    assert!(refused(Arrangement::new()).contains("asks nobody"));
    let mut third = Arrangement::new();
    third.ask(2, &[]);
    assert!(refused(third).contains("asks agent 3 of 2"));
    let mut alone = Arrangement::new();
    alone.ask(0, &[]);
    assert!(refused(alone.clone()).contains("never asks agent 2 of 2"));
    assert!(refused(alone.gives(late)).contains("a turn that is not there"));
    let mut early = Arrangement::new();
    early.ask(0, &[late]);
    assert!(refused(early).contains("comes after a later one"));
}

#[tokio::test(start_paused = true)]
async fn decisions_of_a_strategy_and_what_they_leave_out() {
    // `x` decides on `y`; `z` follows whatever becomes of it.
    let branch = |_: usize| {
        let mut branch = Arrangement::new();
        let decides = branch.ask(0, &[]);
        let maybe = branch.ask_if(decides, 1, &[]);
        let always = branch.ask(2, &[decides, maybe]);
        Ok(branch.gives_all(&[always, maybe]))
    };
    let first = |_: usize| {
        let mut first = Arrangement::new();
        let decides = first.ask(0, &[]);
        let maybe = first.ask_if(decides, 1, &[]);
        let with_it = first.ask(2, &[maybe]);
        Ok(first.gives_first(&[with_it, maybe, decides]))
    };
    let registry = registry().strategy("branch", branch).strategy("first", first);
    let pattern = |strategy: &str| Pattern::new("p", strategy, ["x", "y", "z"]);
    let no = || {
        Scripted::new()
            .rule(Rule::reply("no").agent("x"))
            .rule(Rule::reply("from z").agent("z"))
    };
    for (strategy, script, output) in [
        ("branch", of_agent(), json!(["from z", "from y"])),
        ("branch", no(), json!(["from z", null])),
        ("first", of_agent(), json!("from z")),
        ("first", no(), json!("no")),
    ] {
        let done = run_pattern(&pattern(strategy), &registry, &script)
            .await
            .expect("it runs");
        assert_eq!(done.output, output, "{strategy}");
    }
}

fn plan_of(text: &str) -> Arc<segue::Plan> {
    let text = format!("version: 1\n{text}\nsteps: {{ s: {{ agent: a, prompt: Go. }} }}\n");
    let loaded = load_text(&text, "test.yaml", &Registry::new());
    loaded.unwrap_or_else(|rejected| panic!("{rejected}")).plan
}

#[tokio::test(start_paused = true)]
async fn agents_of_pipelines_bring_all_that_holds_for_them() {
    let first = plan_of(
        "name: one\ninputs: { tone: { type: string, default: dry } }\ndefaults: { retries: 2, timeout: 7s }\n\
         models: { m: openai/test }\ntools: { segue.save_artifact: { max_calls: 1 } }\n\
         agents:\n  a: { model: m, instructions: 'I am a, {{ inputs.tone }}.', tools: ['agent:b'] }\n\
         \x20 b: { model: m, instructions: I am b., timeout: 9s }",
    );
    let second = plan_of(
        "name: two\nretries: { default: { max_attempts: 5, delay: 1s } }\nmodels: { m: openai/other }\n\
         agents: { a: { model: m, instructions: I am another. } }",
    );
    let pattern = Pattern::sequential("all", ["a", "b", "x"])
        .agent("a", &first, "a")
        .agent("b", &second, "a");
    let plan = pattern.plan(&registry()).expect("it is right");
    let settings = |step| {
        let settings = plan.resolve(step, None);
        (settings.retry.max_attempts, settings.timeout)
    };
    assert_eq!(
        [settings(0), settings(1), settings(2)],
        [(3, Some(secs(7))), (5, None), (1, None)]
    );
    let agents: Vec<&str> = plan.agents.keys().map(String::as_str).collect();
    assert_eq!(
        agents,
        ["a", "b", "b_2"],
        "the one that may be asked is another `b`"
    );
    assert_eq!(plan.agents["a"].tools[0].name, "agent:b_2");
    assert_eq!(plan.agents["b_2"].instructions, "I am b.");
    let aliases = |agent: &str| plan.agents[agent].alias.as_deref();
    assert_eq!(
        [aliases("a"), aliases("b"), aliases("b_2")],
        [Some("m"), None, Some("m")]
    );
    assert_eq!(plan.tools["segue.save_artifact"].max_calls, Some(1));

    // The plan alone is enough, and what has a default is not asked for.
    let script = Scripted::new()
        .rule(Rule::reply("said by b").agent("b"))
        .rule(Rule::reply("said"));
    let other = script.clone();
    let models = Models::offline()
        .with("openai/test", script.clone())
        .with("openai/other", other);
    let alone = Pattern::sequential("two", ["a", "b"])
        .agent("a", &first, "a")
        .agent("b", &second, "a");
    let alone = alone.plan(&Registry::new()).expect("it is right");
    let stored = serde_json::from_value(serde_json::to_value(&*alone).expect("it is JSON"));
    let stored = Arc::new(stored.expect("it can be read"));
    let pipeline = Pipeline::from_plan(&stored, &Registry::new()).expect("it needs nothing");
    let done = pipeline.run(json!({"prompt": "Well?"})).models(models).await;
    assert_eq!(done.expect("it runs").output, "said by b");
    assert_eq!(script.requests()[0].messages[0].text, "I am a, dry.");
}
