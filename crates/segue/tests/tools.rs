//! `#[tool]` functions and registered tools, end to end: what the model is told of them, and how they are found.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use segue::model::Rule;
use segue::plan::{ToolApproval, ToolLimits};
use segue::{
    Agent, Error, ErrorKind, Failure, Models, Out, Outcome, Pipeline, Registry, Result, Runner, Scripted,
    StepError, Tool, ToolClass, ToolCx, tool,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Price {
    symbol: String,
    cents: u64,
}

/// Prices by symbol, as an application holds them.
struct Quotes(u64);

/// The current price of a ticker symbol, in cents.
#[tool(class = read_only)]
async fn price(
    cx: ToolCx,
    /// for example AAPL
    symbol: String,
    currency: Option<String>,
) -> Result<Price> {
    let quotes = cx.get::<Quotes>()?;
    match currency.as_deref() {
        None | Some("USD") => Ok(Price {
            symbol,
            cents: quotes.0,
        }),
        Some(other) => Err(StepError::fatal(format!("no prices in {other}"))),
    }
}

/// Says where it was called.
#[tool(name = "app.place", class = read_only)]
async fn place(cx: ToolCx) -> Result<String> {
    Ok(format!("{} of attempt {}", cx.path(), cx.attempt()))
}

/// Adds one number to another.
#[tool(name = "app.add", class = idempotent)]
async fn add(_cx: ToolCx, a: i64, b: i64) -> Result<i64> {
    Ok(a + b)
}

fn asking(agent: &Agent<String>) -> Pipeline<String, String> {
    Pipeline::define("asking", |p, prompt: Out<String>| {
        p.step("ask", agent.as_step(|prompt: String| prompt), prompt)
    })
    .expect("one step is a pipeline")
}

fn agent() -> Agent<String> {
    Agent::new("worker").model("m")
}

/// What the tools said in a run in which the model makes these calls.
async fn told(
    agent: &Agent<String>,
    registry: Registry,
    calls: &[(&str, Json)],
) -> Result<Vec<String>, Error> {
    let turn = Rule::calls(calls.iter().map(|(tool, arguments)| (*tool, arguments.clone())));
    let model = Scripted::new().rule(turn.times(1)).rule(Rule::reply("done"));
    let run = asking(agent)
        .run("Go.".to_owned())
        .registry(registry)
        .provide(Quotes(1250));
    run.with_model("m", model.clone()).await?;
    let last = model.requests()[1].messages.clone();
    Ok(last
        .into_iter()
        .filter(|message| message.call.is_some())
        .map(|message| message.text)
        .collect())
}

#[test]
fn a_function_says_what_it_is_for_and_what_it_takes() {
    let spec = price {}.spec();
    assert_eq!(spec.name, "price");
    assert_eq!(
        spec.description,
        "The current price of a ticker symbol, in cents."
    );
    assert_eq!(spec.class, Some(ToolClass::ReadOnly));
    assert_eq!(
        spec.parameters["properties"]["symbol"]["description"],
        "for example AAPL"
    );
    assert_eq!(spec.parameters["required"], json!(["symbol"]));
    assert_eq!(spec.parameters["additionalProperties"], json!(false));
    assert_eq!(
        (add {}.spec().name.as_str(), add {}.spec().class),
        ("app.add", Some(ToolClass::Idempotent))
    );
    let empty = place {}.spec().parameters;
    assert_eq!(
        (&empty["type"], &empty["properties"]),
        (&json!("object"), &json!({}))
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_is_called_with_its_arguments_and_the_context_of_the_step() {
    let agent = agent().tool(price {}).tool(place {}).tool(add {});
    let calls = [
        ("price", json!({"symbol": "AAPL"})),
        ("price", json!({"symbol": "AAPL", "currency": "EUR"})),
        ("app.place", json!({})),
        ("app.add", json!({"a": 2, "b": 40})),
    ];
    let told = told(&agent, Registry::new(), &calls).await.expect("it ends");
    assert_eq!(
        told,
        [
            r#"{"symbol":"AAPL","cents":1250}"#,
            "error: no prices in EUR",
            "ask of attempt 1",
            "42"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn registered_tools_are_found_by_name_and_by_glob() {
    let registry = || Registry::new().tool(add {}).tool(place {}).tool(price {});
    let names = |agent: Agent<String>| async move {
        let model = Scripted::replies(["done"]);
        let run = asking(&agent)
            .run("Go.".to_owned())
            .registry(registry())
            .provide(Quotes(1));
        run.with_model("m", model.clone()).await?;
        let tools = model.requests()[0].tools.clone();
        Ok::<_, Error>(tools.into_iter().map(|tool| tool.name).collect::<Vec<_>>())
    };
    assert_eq!(
        names(agent().tool_named("app.*")).await.expect("two"),
        ["app.add", "app.place"]
    );
    assert_eq!(names(agent().tool_named("price")).await.expect("one"), ["price"]);
    let twice = agent().tool_named("app.add").tool_named("*");
    assert_eq!(
        names(twice).await.expect("each once"),
        ["app.add", "app.place", "price"]
    );
    for missing in ["search", "search.*", "app"] {
        let error = names(agent().tool_named(missing))
            .await
            .expect_err("there is none");
        assert_eq!((error.kind(), error.run()), (ErrorKind::NotFound, None));
        let text = error.to_string();
        assert!(text.contains("app.add") && text.contains("worker"), "{text}");
    }
}

#[test]
fn a_name_registered_twice_is_an_error() {
    let built = |registry| Runner::builder().registry(registry).build();
    let agents = Registry::new().agent(&agent()).agent(&agent());
    let tools = Registry::new().tool(add {}).tool(add {});
    async fn step(_cx: segue::Cx, n: u64) -> Result<u64> {
        Ok(n)
    }
    let steps = Registry::new().step("one", step).step("one", step);
    let across = Registry::new().agent(&agent()).step("worker", step);
    for (registry, name) in [
        (agents, "worker"),
        (tools, "app.add"),
        (steps, "one"),
        (across, "worker"),
    ] {
        let error = built(registry).err().expect("it is there twice");
        assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
        assert!(
            error
                .to_string()
                .contains(&format!("`{name}` is registered twice")),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_different_tools_of_one_name_are_an_error() {
    let both = agent().tool(add {}).tool_named("app.*");
    let error = told(&both, Registry::new().tool(add {}), &[])
        .await
        .expect_err("which one?");
    assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
    assert!(error.to_string().contains("two tools `app.add`"), "{error}");
}

/// A tool with any schema.
struct Loose(Json);

impl Tool for Loose {
    fn spec(&self) -> segue::ToolSpec {
        segue::ToolSpec::new("loose", "Anything goes.", self.0.clone())
    }

    fn call<'a>(&'a self, _cx: ToolCx, arguments: Json) -> futures_util::future::BoxFuture<'a, Result<Json>> {
        Box::pin(async move { Ok(arguments) })
    }
}

#[tokio::test(start_paused = true)]
async fn where_strict_is_asked_every_schema_has_to_be() {
    let optional = || Loose(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let closed =
        || Loose(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}));
    assert!(
        told(
            &agent().tool(optional()),
            Registry::new(),
            &[("loose", json!({}))]
        )
        .await
        .is_ok()
    );
    let call = [("loose", json!({"a": "x"}))];
    assert!(
        told(&agent().tool(closed()).strict(), Registry::new(), &call)
            .await
            .is_ok()
    );
    let error = told(&agent().tool(optional()).strict(), Registry::new(), &[]).await;
    let error = error.expect_err("`a` may be left out");
    assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
    assert!(
        error.to_string().contains("tool `loose`") && error.to_string().contains("`a`"),
        "{error}"
    );
    let broken = agent().tool(Loose(json!({"type": "objekt"})));
    let error = told(&broken, Registry::new(), &[])
        .await
        .expect_err("that is no schema");
    assert_eq!((error.kind(), error.run()), (ErrorKind::InvalidDefinition, None));
}

/// A tool that counts its calls.
struct Counted(Arc<AtomicU32>);

impl Tool for Counted {
    fn spec(&self) -> segue::ToolSpec {
        segue::ToolSpec::new("count", "Counts.", json!({"type": "object"})).class(ToolClass::Effectful)
    }

    fn call<'a>(
        &'a self,
        _cx: ToolCx,
        _arguments: Json,
    ) -> futures_util::future::BoxFuture<'a, Result<Json>> {
        Box::pin(async move { Ok(json!(self.0.fetch_add(1, Ordering::Relaxed) + 1)) })
    }
}

/// A plan with tool steps `a` and `b` one after the other, and limits for the tool.
fn tool_steps(registry: &Registry, limits: ToolLimits) -> Pipeline<Json, Json> {
    let step = |name: &str, needs: Json| json!({"name": name, "kind": "tool", "needs": needs, "action": {"tool": {"tool": "count", "with": {}}}});
    let plan = json!({
        "version": 1, "name": "steps", "input": {"named": {}},
        "steps": [step("a", json!([])), step("b", json!([{"step": 0, "kind": "data"}]))],
        "output": {"last": [1]},
        "run": {"max_parallel": 64, "failure": "continue"},
        "tools": {"co*": limits},
    });
    let plan = Arc::new(serde_json::from_value(plan).expect("it is a plan"));
    Pipeline::from_plan(&plan, registry).expect("it links")
}

#[tokio::test(start_paused = true)]
async fn a_tool_step_keeps_to_the_policy_of_its_tool() {
    let count = Arc::new(AtomicU32::new(0));
    let registry = Registry::new().tool(Counted(count.clone()));
    let runner = Runner::builder()
        .models(Models::offline())
        .registry(registry.clone())
        .build()
        .expect("a runner");
    let denied = tool_steps(&registry, ToolLimits::new().approval(ToolApproval::Deny));
    let run = runner.start(&denied, json!({})).await.expect("it starts");
    assert_eq!(
        run.done().await.err().expect("it is denied").kind(),
        ErrorKind::ToolDenied
    );

    let asked = tool_steps(&registry, ToolLimits::new());
    let run = runner.start(&asked, json!({})).await.expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it is effectful")
    };
    assert_eq!(question.title, "may step `a` call `count`?");
    run.answer(question.id, json!({"approved": false, "reason": "no"}), "me")
        .await
        .expect("it fits");
    assert_eq!(
        run.done().await.err().expect("it is rejected").kind(),
        ErrorKind::ApprovalRejected
    );

    let run = runner.start(&asked, json!({})).await.expect("it starts");
    let error = run.done().await.err().expect("nobody answers for a day");
    assert_eq!(error.kind(), ErrorKind::ApprovalExpired);
    assert_eq!(count.load(Ordering::Relaxed), 0, "none of them called it");
}

#[tokio::test(start_paused = true)]
async fn whoever_offers_a_tool_sets_limits_that_can_be_narrowed_and_not_widened() {
    let when = |deny: &str, ask: &str| ToolApproval::When {
        deny: (!deny.is_empty()).then(|| deny.to_owned()),
        ask: (!ask.is_empty()).then(|| ask.to_owned()),
    };
    use ToolApproval::{Allow, Ask, Deny};
    // Both tool steps give no argument, so what reads one is about nothing.
    let (yes, no) = ("args | length == 0", "args | length > 0");
    for (offered, wanted, expected) in [
        (None, Some(Allow), Ask),
        (None, Some(when("", no)), Ask),
        (None, Some(when(yes, "")), Deny),
        (Some(Allow), None, Allow),
        (Some(Allow), Some(Allow), Allow),
        (Some(Allow), Some(Ask), Ask),
        (Some(Allow), Some(Deny), Deny),
        (Some(Allow), Some(when("", yes)), Ask),
        (Some(Ask), Some(Allow), Ask),
        (Some(Ask), Some(when(yes, "")), Deny),
        (Some(Ask), Some(when(no, "")), Ask),
        (Some(Deny), Some(Allow), Deny),
        (Some(when(yes, "")), Some(Ask), Deny),
        (Some(when(no, yes)), Some(when(yes, no)), Deny),
        (Some(when(no, yes)), Some(when(no, no)), Ask),
        (Some(when(no, no)), Some(when(no, yes)), Ask),
        (Some(when(no, no)), Some(when(no, no)), Allow),
    ] {
        let limits = |approval: &Option<ToolApproval>| ToolLimits {
            approval: approval.clone(),
            ..ToolLimits::new()
        };
        let registry = Registry::new().tool_with(Counted(Arc::default()), limits(&offered));
        let pipeline = tool_steps(&registry, limits(&wanted));
        let runner = Runner::builder().registry(registry).build().expect("a runner");
        let run = runner.start(&pipeline, json!({})).await.expect("it starts");
        let found = match run.outcome().await {
            Ok(Outcome::Done(_)) => Allow,
            Ok(Outcome::Waiting(_)) => Ask,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ToolDenied, "{error}");
                Deny
            }
        };
        assert_eq!(found, expected, "{offered:?} {wanted:?}");
    }
    let most = |calls| ToolLimits::new().max_calls(calls).approval(Allow);
    for (offered, wanted) in [
        (most(1), most(2)),
        (most(2), most(1)),
        (most(1), ToolLimits::new()),
    ] {
        let registry = Registry::new().tool_with(Counted(Arc::default()), offered);
        let error = tool_steps(&registry, wanted)
            .run(json!({}))
            .registry(registry)
            .await
            .err()
            .expect("`b` is one too many");
        assert_eq!((error.step(), error.kind()), (Some("b"), ErrorKind::Tool));
    }
}

/// A tool that cannot be called.
struct Shut;

impl segue::Tool for Shut {
    fn spec(&self) -> segue::ToolSpec {
        segue::ToolSpec::new("count", "Counts.", json!({"type": "object"}))
    }

    fn available(&self) -> Result<(), Failure> {
        Err(Failure::new(ErrorKind::MissingPrerequisites, "it is shut"))
    }

    fn call<'a>(&'a self, _: ToolCx, _: Json) -> futures_util::future::BoxFuture<'a, Result<Json>> {
        panic!("it is shut")
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_needs_a_tool_that_cannot_be_called_does_not_start() {
    let registry = Registry::new().tool(Shut);
    let by_step = tool_steps(&registry, ToolLimits::new());
    let error = by_step.run(json!({})).registry(registry.clone()).await.err();
    let error = error.expect("a step calls it");
    assert_eq!(
        (error.kind(), error.run()),
        (ErrorKind::MissingPrerequisites, None)
    );

    let agent: Agent<String> = Agent::new("clerk").model("m").tool_named("cou*");
    let model = Scripted::new().rule(Rule::reply("done"));
    let asked = model.clone();
    let asking: Pipeline<String, String> = Pipeline::define("asking", |p, prompt: Out<String>| {
        p.step("ask", agent.as_step(|prompt: String| prompt), prompt)
    })
    .expect("one step is a pipeline");
    let error = asking
        .run("Go.".to_owned())
        .registry(registry)
        .models(Models::offline().with("m", model))
        .await
        .err()
        .expect("an agent may call it");
    assert_eq!(
        (error.kind(), error.run()),
        (ErrorKind::MissingPrerequisites, None)
    );
    assert!(asked.requests().is_empty(), "nothing has run");
}

#[tokio::test(start_paused = true)]
async fn max_calls_of_a_pipeline_counts_the_whole_run() {
    let allow = ToolLimits::new().approval(ToolApproval::Allow);
    let registry = Registry::new().tool_with(Counted(Arc::default()), allow);
    let pipeline = tool_steps(&registry, ToolLimits::new().max_calls(1));
    for _ in 0..2 {
        let error = pipeline
            .run(json!({}))
            .registry(registry.clone())
            .await
            .err()
            .expect("`b` is one too many");
        assert_eq!((error.step(), error.kind()), (Some("b"), ErrorKind::Tool));
        assert!(
            error.to_string().contains("no call left in this run, of 1"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn tools_that_nobody_knows_yet_are_warned_of_and_are_none_of_a_run() {
    let registry = || Registry::new().unverified("files", "pin them");
    let text = "version: 1\nname: p\nsteps: { read: { agent: a, prompt: Go. } }\n\
                agents: { a: { instructions: Read., model: local/extractive, tools: [files.*] } }\n";
    let loaded = segue::file::load_text(text, "p.yaml", &registry()).expect("a warning refuses nothing");
    let warnings = loaded.warnings.list();
    let [fault] = warnings[..] else {
        panic!("{:?}", loaded.warnings);
    };
    assert_eq!(fault.code, segue::fault::Code::Unverified);
    assert_eq!(fault.advice().as_deref(), Some("pin them"));

    let pipeline: Pipeline<Json, Json> =
        Pipeline::from_plan(&loaded.plan, &registry()).expect("its behaviour is found when it runs");
    let runner = Runner::builder().registry(registry()).build().expect("a runner");
    let error = runner
        .start(&pipeline, json!({}))
        .await
        .err()
        .expect("it is not started");
    assert_eq!(
        error.failure().message,
        "agent `a`: what tools `files` has is not known yet, so `files.*` means none"
    );
    assert_eq!(error.failure().hints, ["pin them"]);
}
