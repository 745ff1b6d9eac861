//! The four levels: pipeline defaults, agent, step, call. Each can set a setting, each above it can switch it off.

use segue::model::Rule;
use segue::{Agent, Budget, Done, Error, ErrorKind, IntoStep, OnError, Out, Pipeline, RetryLayer, Scripted};
use segue::{Settings, Value, secs};

/// Runs one agent step with what the levels say, lowest first.
async fn run(levels: [Settings; 4], model: Scripted) -> Result<Done<String>, Error> {
    let [defaults, agent, step, call] = levels;
    let agent = Agent::<String>::new("writer").model("m").settings(agent);
    let pipeline = Pipeline::define("levels", |p, prompt: Out<String>| {
        p.defaults(defaults);
        let twice = RetryLayer {
            max_attempts: Some(2),
            ..RetryLayer::default()
        };
        p.policy("twice", twice);
        p.step(
            "ask",
            agent.as_step(|prompt: String| prompt).settings(step),
            prompt,
        )
    })
    .expect("a pipeline");
    pipeline
        .run("Go.".to_owned())
        .step("ask", call)
        .with_model("m", model)
        .await
}

fn levels(said: &[(usize, &Settings)]) -> [Settings; 4] {
    let mut levels = <[Settings; 4]>::default();
    for (level, settings) in said {
        levels[*level] = (*settings).clone();
    }
    levels
}

/// Proves a setting at each level, that a level which says nothing inherits it, and that each level above switches it
/// off.
async fn proves(
    on: Settings,
    off: Settings,
    model: fn() -> Scripted,
    works: fn(&Result<Done<String>, Error>) -> bool,
) {
    assert!(!works(&run(levels(&[]), model()).await), "nobody has set it");
    for low in 0..4 {
        assert!(
            works(&run(levels(&[(low, &on)]), model()).await),
            "set at level {low}"
        );
        for high in low + 1..4 {
            let result = run(levels(&[(low, &on), (high, &off)]), model()).await;
            assert!(
                !works(&result),
                "set at level {low}, switched off at level {high}"
            );
            let result = run(levels(&[(low, &off), (high, &on)]), model()).await;
            assert!(works(&result), "off at level {low}, set at level {high}");
        }
    }
}

fn slow() -> Scripted {
    Scripted::new().rule(Rule::reply("late").delay(secs(10)))
}

fn fails_once() -> Scripted {
    Scripted::new()
        .rule(Rule::error(ErrorKind::Provider).times(1))
        .rule(Rule::reply("fine"))
}

fn fails() -> Scripted {
    Scripted::new().rule(Rule::error(ErrorKind::BadRequest))
}

fn late(result: &Result<Done<String>, Error>, limit: &str) -> bool {
    result.as_ref().err().is_some_and(|error| {
        let of_step = &error.failure().failed_steps[0].error;
        error.is_timeout() && of_step.limit.as_ref().is_some_and(|met| met.name == limit)
    })
}

#[tokio::test(start_paused = true)]
async fn timeout() {
    let on = Settings::new().timeout(secs(1));
    proves(on, Settings::new().timeout(None), slow, |result| {
        late(result, "attempt")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn step_timeout() {
    let on = Settings::new().step_timeout(secs(1));
    proves(on, Settings::new().step_timeout(None), slow, |result| {
        late(result, "step")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn retries() {
    let on = Settings::new().retries(1);
    proves(on, Settings::new().retries(0), fails_once, Result::is_ok).await;
}

#[tokio::test(start_paused = true)]
async fn retry() {
    let attempts = |n| {
        Settings::new().retry(RetryLayer {
            max_attempts: Some(n),
            ..RetryLayer::default()
        })
    };
    proves(attempts(2), attempts(1), fails_once, Result::is_ok).await;
}

#[tokio::test(start_paused = true)]
async fn policy() {
    let on = Settings::new().policy("twice");
    assert!(run(levels(&[(0, &on)]), fails_once()).await.is_ok());
    for low in 0..4 {
        assert!(
            run(levels(&[(low, &on)]), fails_once()).await.is_ok(),
            "asked for at level {low}"
        );
        for high in low + 1..4 {
            let off = Settings::new().retries(0);
            let result = run(levels(&[(low, &on), (high, &off)]), fails_once()).await;
            assert!(
                result.is_err(),
                "asked for at level {low}, switched off at level {high}"
            );
            let result = run(levels(&[(low, &off), (high, &on)]), fails_once()).await;
            assert!(
                result.is_ok(),
                "a policy replaces what lower levels say of retries"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn budget() {
    let on = Settings::new().budget(Budget::default().requests(0));
    let model = || Scripted::new().rule(Rule::reply("fine"));
    proves(on, Settings::new().budget(None), model, |result| {
        result.as_ref().err().is_some_and(Error::is_budget)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn on_error() {
    let on = Settings::new().on_error(OnError::Use(Value::new("instead".to_owned())));
    let off = Settings::new().on_error(OnError::Fail);
    proves(on, off, fails, |result| {
        result.as_ref().is_ok_and(|done| done.output == "instead")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_setters_of_an_agent_are_the_agent_level() {
    let ask = |agent: Agent<String>, model: Scripted| async move {
        let pipeline = crate::one(agent.as_step(|prompt: String| prompt));
        pipeline.run("Go.".to_owned()).with_model("m", model).await
    };
    let agent = || Agent::<String>::new("writer").model("m");
    assert!(late(&ask(agent().timeout(secs(1)), slow()).await, "attempt"));
    assert!(ask(agent().retries(1), fails_once()).await.is_ok());
    let refused = ask(agent().budget(Budget::default().requests(0)), fails_once()).await;
    assert!(refused.err().expect("nothing may be spent").is_budget());
    let instead = agent().on_error(OnError::Use(Value::new("instead".to_owned())));
    assert_eq!(
        ask(instead, fails())
            .await
            .expect("a value takes its place")
            .output,
        "instead"
    );
}

#[tokio::test(start_paused = true)]
async fn the_setters_of_a_step_are_the_step_level() {
    let refused = crate::one(crate::fails.on_error(OnError::Use(Value::new(9u64))))
        .run(1)
        .await;
    assert_eq!(refused.expect("a value takes its place").output, 9);
    let ask = |step: fn(segue::AgentAsStep<String, String>) -> Pipeline<String, String>, model: Scripted| async move {
        let agent = Agent::<String>::new("writer").model("m");
        step(agent.as_step(|prompt: String| prompt))
            .run("Go.".to_owned())
            .with_model("m", model)
            .await
    };
    assert!(late(
        &ask(|step| crate::one(step.timeout(secs(1))), slow()).await,
        "attempt"
    ));
    assert!(late(
        &ask(|step| crate::one(step.step_timeout(secs(1))), slow()).await,
        "step"
    ));
    assert!(
        ask(|step| crate::one(step.retries(1)), fails_once())
            .await
            .is_ok()
    );
    let none =
        |step: segue::AgentAsStep<String, String>| crate::one(step.budget(Budget::default().requests(0)));
    assert!(
        ask(none, slow())
            .await
            .err()
            .expect("nothing may be spent")
            .is_budget()
    );
}
