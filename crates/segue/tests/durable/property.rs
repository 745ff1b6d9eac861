//! Resumed equals uninterrupted: whatever a pipeline is made of, and at whichever writes its processes are lost one after
//! the other, its run has the outcome, the outputs, the record and the cost of a run that nothing happened to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indexmap::IndexSet;
use proptest::collection::vec;
use proptest::prelude::*;
use segue::audit::Audit;
use segue::store::{RunQuery, Store};
use segue::{
    Agent, Build, Cx, Error, ErrorKind, Event, EventKind, IntoStep, Kept, OnError, Out, Outcome, Pipeline,
    Route, RunHandle, Runner, Settings, StepError, from_fn, millis, mins,
};
use serde_json::{Value as Json, json};

use crate::support::{Remembering, bury_all, dying, memory, paused, with_model};

/// What goes into a step: what it needs, as far as it was made.
type Inputs = Vec<Option<u64>>;

/// How the work of a step, an item or a round goes.
#[derive(Debug, Clone, Copy)]
struct Script {
    /// Tenths of a second before anything else.
    slow: u64,
    /// Calls to a model, in every attempt.
    calls: u64,
    /// Attempts that come to nothing, and whether they say so instead of failing.
    refused: u32,
    again: bool,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Makes,
    Fails,
    Asks,
    /// Makes another number each time: what a pipeline must not do. Never drawn.
    Counts,
}

/// How often something was begun that counts.
static BEGUN: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone)]
enum Body {
    Function,
    Agent,
    Map {
        items: u64,
        keeps: bool,
    },
    MapOf {
        items: u64,
        keeps: bool,
        specs: Vec<Spec>,
    },
    Repeat {
        rounds: u32,
    },
    Route {
        left: bool,
    },
    Nested(Vec<Spec>),
}

#[derive(Debug, Clone)]
struct Spec {
    body: Body,
    script: Script,
    retries: u32,
    /// What a failure for good means.
    fails: Fails,
    /// Earlier steps, counted anew for each.
    needs: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Fails {
    Fail,
    Skip,
    Use,
}

fn script() -> impl Strategy<Value = Script> {
    let then = prop_oneof![6 => Just(Then::Makes), 1 => Just(Then::Fails), 2 => Just(Then::Asks)];
    let refused = prop_oneof![3 => Just(0u32), 2 => 1..3u32];
    (0..3u64, 0..3u64, refused, any::<bool>(), then).prop_map(|(slow, calls, refused, again, then)| Script {
        slow,
        calls,
        refused,
        again,
        then,
    })
}

fn specs(most: usize, below: Option<BoxedStrategy<Vec<Spec>>>) -> BoxedStrategy<Vec<Spec>> {
    let mut bodies = vec![
        Just(Body::Function).boxed(),
        Just(Body::Function).boxed(),
        Just(Body::Agent).boxed(),
        (0..4u64, any::<bool>())
            .prop_map(|(items, keeps)| Body::Map { items, keeps })
            .boxed(),
        (1..4u32).prop_map(|rounds| Body::Repeat { rounds }).boxed(),
        any::<bool>().prop_map(|left| Body::Route { left }).boxed(),
    ];
    if let Some(below) = below {
        bodies.push(below.clone().prop_map(Body::Nested).boxed());
        let map = (0..3u64, any::<bool>(), below);
        bodies.push(
            map.prop_map(|(items, keeps, specs)| Body::MapOf { items, keeps, specs })
                .boxed(),
        );
    }
    let fails = prop_oneof![Just(Fails::Fail), Just(Fails::Skip), Just(Fails::Use)];
    let spec = (
        proptest::strategy::Union::new(bodies),
        script(),
        0..3u32,
        fails,
        vec(any::<usize>(), 0..3),
    );
    let spec = spec.prop_map(|(body, script, retries, fails, needs)| Spec {
        body,
        script,
        retries,
        fails,
        needs,
    });
    vec(spec, 1..=most).boxed()
}

/// A pipeline, and before which write of each process it is lost.
#[derive(Debug, Clone)]
struct Case {
    specs: Vec<Spec>,
    max_parallel: u32,
    losses: Vec<u64>,
}

fn case() -> impl Strategy<Value = Case> {
    let loss = prop_oneof![0..8u64, 0..30u64, 0..90u64];
    (specs(6, Some(specs(2, None))), 1..4u32, vec(loss, 1..4)).prop_map(|(specs, max_parallel, losses)| {
        Case {
            specs,
            max_parallel,
            losses,
        }
    })
}

// ---- the pipeline

#[derive(Clone, Copy, Debug, PartialEq, Route)]
enum Way {
    Left,
    Right,
}

fn writer() -> Agent<String> {
    Agent::<String>::new("writer").model("openai/small")
}

fn sum(inputs: &[Option<u64>]) -> u64 {
    inputs.iter().flatten().sum::<u64>() + 1
}

async fn total(_cx: Cx, inputs: Inputs) -> Result<u64, StepError> {
    Ok(sum(&inputs))
}

impl Script {
    async fn work(self, cx: Cx, mut n: u64) -> Result<u64, StepError> {
        tokio::time::sleep(millis(100 * self.slow)).await;
        for call in 0..self.calls {
            let said = cx.run(&writer(), format!("call {call} of {n}")).await?.output;
            n += said.len() as u64;
        }
        if cx.attempt() <= self.refused {
            return Err(match self.again {
                true => StepError::again("not yet"),
                false => StepError::of(ErrorKind::Network, "no answer"),
            });
        }
        match self.then {
            Then::Makes => Ok(n),
            Then::Fails => Err(StepError::fatal("it cannot be done")),
            Then::Counts => Ok(n + BEGUN.fetch_add(1, Ordering::Relaxed)),
            Then::Asks => Ok(n + cx.ask::<u64>("How much more?").await?),
        }
    }

    fn succeeds(self, retries: u32) -> bool {
        self.then != Then::Fails && self.refused <= retries
    }
}

impl Spec {
    fn settings<T: segue::Data>(&self, instead: T) -> Settings {
        let settings = Settings::new().retries(self.retries);
        match self.fails {
            Fails::Fail => settings,
            Fails::Skip => settings.on_error(OnError::Skip),
            Fails::Use => settings.on_error(OnError::value(instead)),
        }
    }

    /// The step, with what it takes to make one number of it.
    fn add(&self, p: &mut Build, name: &str, inputs: Vec<Out<Option<u64>>>) -> Out<u64> {
        let script = self.script;
        let function = || from_fn(move |cx: Cx, inputs: Inputs| script.work(cx, sum(&inputs)));
        let item = || from_fn(move |cx: Cx, n: u64| script.work(cx, n));
        let before = format!("{name}_of");
        match &self.body {
            Body::Function => p.step(name, function().settings(self.settings(5u64)), inputs),
            Body::Agent => {
                let writes = writer().as_step(|inputs: Inputs| format!("{inputs:?}"));
                let text = p.step(before, writes, inputs);
                p.step(
                    name,
                    from_fn(async |_cx: Cx, text: String| Ok(text.len() as u64)),
                    text,
                )
            }
            Body::Map { items, keeps } => {
                let list = list(p, before, *items, inputs);
                // Which items are left out when one fails is a matter of time where they run side by side.
                let at_once = if script.succeeds(self.retries) || *keeps {
                    2
                } else {
                    1
                };
                self.map(p, name, item().max_parallel(at_once), *keeps, list)
            }
            Body::MapOf { items, keeps, specs } => {
                let list = list(p, before, *items, inputs);
                let inner = define(&format!("{name}-inner"), specs, None);
                self.map(p, name, inner.max_parallel(1 + u32::from(*keeps)), *keeps, list)
            }
            Body::Repeat { rounds } => {
                let first = p.step(before, total, inputs);
                p.repeat(name, item().settings(self.settings(5u64)), first)
                    .until(|n| n % 5 == 0)
                    .at_most(*rounds)
            }
            Body::Route { left } => {
                let left = *left;
                let way = from_fn(move |_cx: Cx, _: Inputs| async move {
                    Ok(if left { Way::Left } else { Way::Right })
                });
                let way = p.step(before, way, inputs.clone());
                p.route(name, way)
                    .when(Way::Left, |p| {
                        let step = function().settings(self.settings(5u64));
                        p.step(format!("{name}_left"), step, inputs.clone())
                    })
                    .when(Way::Right, |p| {
                        p.step(format!("{name}_right"), total, inputs.clone())
                    })
                    .merge()
            }
            Body::Nested(specs) => {
                let first = p.step(before, total, inputs);
                let inner = define(&format!("{name}-inner"), specs, None);
                p.step(name, inner.settings(self.settings(5u64)), first)
            }
        }
    }

    fn map<S, M>(&self, p: &mut Build, name: &str, step: S, keeps: bool, list: Out<Vec<u64>>) -> Out<u64>
    where
        S: IntoStep<M, In = u64, Out = u64> + 'static,
        M: 'static,
    {
        let after = format!("{name}_all");
        if keeps {
            let step = step.settings(Settings::new().retries(self.retries));
            let all = p.map(name, step.keep_errors(), list);
            let made = from_fn(async |_cx: Cx, all: Vec<Kept<u64>>| {
                Ok(all.into_iter().filter_map(Kept::ok).sum::<u64>())
            });
            return p.step(after, made, all);
        }
        let all = p.map(name, step.settings(self.settings(vec![5u64])), list);
        let made =
            from_fn(async |_cx: Cx, all: Option<Vec<u64>>| Ok(all.unwrap_or_default().iter().sum::<u64>()));
        p.step(after, made, all.or_none())
    }
}

fn list(p: &mut Build, name: String, items: u64, inputs: Vec<Out<Option<u64>>>) -> Out<Vec<u64>> {
    let list = from_fn(move |_cx: Cx, inputs: Inputs| async move {
        let first = sum(&inputs);
        Ok((first..first + items).collect::<Vec<u64>>())
    });
    p.step(name, list, inputs)
}

fn define(name: &str, specs: &[Spec], max_parallel: Option<u32>) -> Pipeline<u64, u64> {
    let pipeline = Pipeline::define(name, |p, n: Out<u64>| {
        if let Some(attempts) = max_parallel {
            p.max_parallel(attempts);
        }
        let mut made: Vec<Out<u64>> = Vec::new();
        for (at, spec) in specs.iter().enumerate() {
            let needs: BTreeSet<usize> = spec
                .needs
                .iter()
                .filter_map(|need| need.checked_rem(at))
                .collect();
            let needs = needs.into_iter().map(|need| made[need].or_none());
            let inputs = std::iter::once(n.or_none()).chain(needs).collect();
            let out = spec.add(p, &format!("s{at}"), inputs);
            made.push(out);
        }
        let all: Vec<_> = made.into_iter().map(Out::or_none).collect();
        p.step("end", total, all)
    });
    pipeline.unwrap_or_else(|faults| panic!("{faults}"))
}

// ---- the processes

fn runner(model: &Remembering, store: Arc<dyn Store>, pipeline: &Pipeline<u64, u64>) -> Runner {
    let builder = with_model(model).store_in(store).register(pipeline);
    builder.build().expect("a runner")
}

/// Answers every question until the run has ended.
async fn accompany(runner: &Runner, run: &RunHandle<Json>) -> Result<Json, Error> {
    loop {
        match run.outcome().await? {
            Outcome::Done(done) => return Ok(done.output),
            Outcome::Waiting(question) => runner
                .answer(question.id, 7)
                .await
                .expect("a number is an answer"),
        }
    }
}

/// What a process does: takes the run up where it is, or starts it.
async fn go_on(
    runner: &Runner,
    store: &Arc<dyn Store>,
    pipeline: &Pipeline<u64, u64>,
) -> (RunHandle<Json>, Result<Json, Error>) {
    let known = store.runs(RunQuery::newest(2)).await.expect("a page").items;
    assert!(known.len() <= 1, "one request, one run");
    let run = match known.first() {
        Some(head) => {
            runner.recover().await.expect("it recovers");
            runner.attach(head.id).await.expect("it is there")
        }
        None => runner.start(pipeline, 1).await.expect("it starts").untyped(),
    };
    let ended = accompany(runner, &run).await;
    (run, ended)
}

/// What has to be the same, however often the process was lost.
#[derive(Debug, PartialEq)]
struct Ended {
    outcome: String,
    steps: Vec<String>,
    /// What happened, by step.
    events: BTreeMap<String, IndexSet<String>>,
    cost: i64,
    /// Requests with keys of their own, and those that somebody knows the end of.
    requests: usize,
    known: u64,
}

impl Ended {
    fn is(&self, whole: &Self) -> Result<(), TestCaseError> {
        prop_assert_eq!(&self.outcome, &whole.outcome);
        for (steps, others) in self.steps.iter().zip(&whole.steps) {
            prop_assert_eq!(steps, others);
        }
        for step in self.events.keys().chain(whole.events.keys()) {
            prop_assert_eq!(self.events.get(step), whole.events.get(step), "{}", step);
        }
        prop_assert_eq!(self, whole);
        Ok(())
    }
}

async fn run(case: &Case, losses: &[u64]) -> Ended {
    let (store, model) = (memory(), Remembering::default());
    let pipeline = define("any", &case.specs, Some(case.max_parallel));
    for loss in losses {
        let dying = dying(&store, *loss);
        let process = runner(&model, dying, &pipeline);
        // When its process is lost nothing goes on any more, and virtual time runs to the end of this.
        let _ = tokio::time::timeout(mins(10), go_on(&process, &store, &pipeline)).await;
        bury_all(&store).await;
    }
    let last = runner(&model, store.clone(), &pipeline);
    let (run, ended) = go_on(&last, &store, &pipeline).await;
    let audit = Audit::of(store.clone()).deep().all(|_| ()).await;
    assert_eq!(audit.expect("it reads").findings, [], "the record holds together");
    run.refresh().await.expect("it is read");
    let view = run.view();
    let outcome = match ended {
        Ok(output) => format!("made {output}"),
        Err(error) => plain(serde_json::to_value(error.failure()).expect("it is JSON")).to_string(),
    };
    let steps = view.all_steps().map(|step| {
        let route = step.route.as_ref().map(|route| &route.arm);
        let attempts = step
            .attempts
            .last()
            .map(|attempt| (attempt.attempt, attempt.outcome));
        format!(
            "{} {:?} {attempts:?} {:?} {route:?} {:?}",
            step.path,
            step.status,
            step.output_hash.get(),
            step.cost.nanousd
        )
    });
    let (mut events, mut uncertain) = (BTreeMap::<String, IndexSet<String>>::new(), 0);
    for event in run.log().events() {
        uncertain += u64::from(matches!(event.kind, EventKind::CallUncertain { .. }));
        if let Some(meaning) = meaning(&event) {
            let step = event.step.unwrap_or_default();
            events.entry(step).or_default().insert(meaning);
        }
    }
    Ended {
        outcome,
        steps: steps.collect(),
        events,
        cost: view.cost().nanousd.nanos(),
        requests: model.requests().len(),
        known: view.usage().requests - uncertain,
    }
}

/// What an event says about the run rather than about its processes: what is said again after a loss counts once.
fn meaning(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::RunResumed { .. }
        | EventKind::RunWaiting { .. }
        | EventKind::CallReserved { .. }
        | EventKind::CallStarted { .. }
        | EventKind::CallUncertain { .. }
        | EventKind::CallReplayed { .. } => None,
        // It was never sent.
        EventKind::CallFailed { error, .. } if error.kind == ErrorKind::Interrupted => None,
        kind => Some(plain(serde_json::to_value(kind).expect("an event is JSON")).to_string()),
    }
}

/// Without what is another in every run or process.
fn plain(mut json: Json) -> Json {
    const OTHERS: [&str; 12] = [
        "id",
        "run",
        "call",
        "asked",
        "owner",
        "fence",
        "plan_hash",
        "idempotency_key",
        "requests",
        "retry_in_ms",
        "uncertain_nanousd",
        "answered_by",
    ];
    match &mut json {
        Json::Object(fields) => {
            fields.retain(|name, value| !OTHERS.contains(&name.as_str()) && !value.is_null() && *value != 0);
            fields.values_mut().for_each(|value| *value = plain(value.take()));
            // An event names its question by its id.
            if fields.get("question").is_some_and(Json::is_string) {
                fields.insert("question".into(), json!(null));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|value| *value = plain(value.take())),
        _ => {}
    }
    json
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn a_run_whose_processes_are_lost_is_the_run_nobody_disturbs(case in case()) {
        paused(async {
            let whole = run(&case, &[]).await;
            let lost = run(&case, &case.losses).await;
            lost.is(&whole)
        })?;
    }
}

/// The check finds what it is for: a step that a loss makes another of.
#[test]
fn a_step_that_is_another_when_it_is_repeated_is_found() {
    let counts = Spec {
        body: Body::Function,
        script: Script {
            slow: 1,
            calls: 1,
            refused: 0,
            again: false,
            then: Then::Counts,
        },
        retries: 0,
        fails: Fails::Fail,
        needs: Vec::new(),
    };
    let then = Spec {
        script: Script {
            then: Then::Makes,
            ..counts.script
        },
        ..counts.clone()
    };
    let case = |loss| Case {
        specs: vec![counts.clone(), then.clone()],
        max_parallel: 1,
        losses: vec![loss],
    };
    let found = |loss: &u64| {
        let case = case(*loss);
        BEGUN.store(0, Ordering::Relaxed);
        let whole = paused(run(&case, &[]));
        BEGUN.store(0, Ordering::Relaxed);
        paused(run(&case, &case.losses)).is(&whole).is_err()
    };
    let found: Vec<u64> = (0..30).filter(found).collect();
    assert!(!found.is_empty() && found.len() < 25, "{found:?}");
}
