//! Random plans: steps of every kind with every way to need, fail, be left out and be stood in for, and a script that
//! says how each of them goes. Nothing here is ever executed: the tests answer the operations themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use proptest::collection::vec;
use proptest::prelude::*;

use super::written::{LONG, Never, bare, plain_step};
use crate::plan::{
    Action, Arm, Each, FailurePolicy, Kind, Membership, Need, NeedKind, OnFailure, Plan, RouteBy,
    RunSettings, Source, Step,
};
use crate::run::{Act, Parts, Program};
use crate::settings::{Backoff, OnError, Settings};
use crate::value::Value;

pub(super) const ARMS: [&str; 3] = ["a", "b", "c"];

/// How a body goes: so many attempts are refused, then this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Script {
    pub(super) refused: u32,
    /// Whether the refused ones ask for another attempt rather than fail.
    pub(super) asks_again: bool,
    pub(super) then: Then,
}

/// How the last attempt of a body ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Then {
    Made,
    Fatal,
    Skips,
    /// Puts a question; its answer completes it, or begins it again, or never comes.
    AsksComplete,
    AsksResume,
    AsksExpires,
}

/// What a step is, besides its script.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Plain,
    /// A list with one script per item.
    Map {
        items: Vec<Script>,
        keep: bool,
        nested: bool,
    },
    /// One script per round; the last ends it.
    Repeat(Vec<Script>),
    /// A choice among arms that are steps; 3 is an arm that is not there.
    Route(usize),
    /// Arms that run in place, tried in order.
    FirstOf(usize),
    Pipeline,
}

/// One step of a generated plan.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) body: Body,
    pub(super) script: Script,
    pub(super) attempts: u32,
    pub(super) needs: Vec<(usize, NeedKind)>,
    pub(super) arm: Option<(usize, &'static str)>,
    pub(super) on_error: Error,
    pub(super) standby: bool,
    /// Names of the plans below: of the nested pipeline, or of each arm.
    pub(super) below: Vec<String>,
}

/// What a final failure means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Error {
    Fail,
    Skip,
    Use,
    Run(usize),
}

/// The specs of all plans of a case, by the plan's name; the run's own is `p0`.
#[derive(Debug, Clone, Default)]
pub(super) struct Specs {
    pub(super) plans: BTreeMap<String, Vec<Spec>>,
    /// The fallback of a plan.
    pub(super) fallback: BTreeMap<String, String>,
}

/// A program and what becomes of it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) program: Arc<Program>,
    pub(super) specs: Arc<Specs>,
    pub(super) max_parallel: u32,
    /// Which of the pending results comes next, each time.
    pub(super) order: Vec<usize>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:#?}\nmax_parallel {}, order {:?}",
            self.specs, self.max_parallel, self.order
        )
    }
}

/// What is drawn for one step, before it has a place in a plan.
#[derive(Debug, Clone)]
struct Drawn {
    kind: u8,
    script: Script,
    attempts: u32,
    needs: Vec<(usize, u8)>,
    arm: (u8, usize),
    on_error: (u8, usize),
    standby: bool,
    choice: usize,
    scripts: Vec<Script>,
    keep: bool,
    below: Vec<Drawn>,
}

fn script() -> impl Strategy<Value = Script> {
    let then = prop_oneof![
        8 => Just(Then::Made),
        2 => Just(Then::Fatal),
        1 => Just(Then::Skips),
        1 => Just(Then::AsksComplete),
        1 => Just(Then::AsksResume),
        1 => Just(Then::AsksExpires),
    ];
    (prop_oneof![6 => Just(0u32), 2 => 1..4u32], any::<bool>(), then).prop_map(
        |(refused, asks_again, then)| Script {
            refused,
            asks_again,
            then,
        },
    )
}

fn drawn(below: BoxedStrategy<Vec<Drawn>>) -> BoxedStrategy<Drawn> {
    let place = (
        vec((any::<usize>(), 0..3u8), 0..4),
        (0..6u8, any::<usize>()),
        (0..8u8, any::<usize>()),
        prop::bool::weighted(0.15),
    );
    let body = (
        0..12u8,
        script(),
        1..4u32,
        any::<usize>(),
        vec(script(), 0..4),
        any::<bool>(),
        below,
    );
    (place, body)
        .prop_map(
            |((needs, arm, on_error, standby), (kind, script, attempts, choice, scripts, keep, below))| {
                Drawn {
                    kind,
                    script,
                    attempts,
                    needs,
                    arm,
                    on_error,
                    standby,
                    choice,
                    scripts,
                    keep,
                    below,
                }
            },
        )
        .boxed()
}

/// A case of up to 30 steps with two levels of nesting.
pub(super) fn case(policy: impl Strategy<Value = FailurePolicy>) -> impl Strategy<Value = Case> {
    let leaves = vec(drawn(Just(Vec::new()).boxed()), 1..4).boxed();
    let nested = vec(drawn(leaves), 1..4).boxed();
    let policies = (
        policy,
        prop_oneof![Just(FailurePolicy::Continue), Just(FailurePolicy::FailFast)],
    );
    let more = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (
        vec(drawn(nested), 1..30),
        policies,
        more,
        1..5u32,
        vec(any::<usize>(), 40..200),
    )
        .prop_map(
            |(steps, (policy, below), (reversed, reads_facts, finishes, falls_back), max_parallel, order)| {
                let mut made = Made {
                    specs: Specs::default(),
                    below,
                    reversed,
                    reads_facts,
                    finishes,
                };
                let fallback = falls_back.then(|| steps[..1].to_vec());
                let program = made.plan(&steps, policy, fallback.as_deref());
                Case {
                    program,
                    specs: Arc::new(made.specs),
                    max_parallel,
                    order,
                }
            },
        )
}

/// Turns what was drawn into plans.
struct Made {
    specs: Specs,
    below: FailurePolicy,
    reversed: bool,
    reads_facts: bool,
    finishes: bool,
}

impl Made {
    fn plan(&mut self, steps: &[Drawn], policy: FailurePolicy, fallback: Option<&[Drawn]>) -> Arc<Program> {
        let name = format!("p{}", self.specs.plans.len());
        self.specs.plans.insert(name.clone(), Vec::new());
        let mut children = Vec::new();
        let mut specs: Vec<Spec> = Vec::new();
        for (at, drawn) in steps.iter().enumerate() {
            let (spec, below) = self.spec(drawn, at, &specs);
            specs.push(spec);
            children.push(below);
        }
        for (at, drawn) in steps.iter().enumerate() {
            specs[at].on_error = on_error(drawn, at, &specs);
        }
        // A file may declare a step before those it needs.
        let count = steps.len();
        if self.reversed {
            specs.reverse();
            children.reverse();
            for spec in &mut specs {
                spec.needs
                    .iter_mut()
                    .for_each(|(need, _)| *need = count - 1 - *need);
                if let Some((route, _)) = &mut spec.arm {
                    *route = count - 1 - *route;
                }
                if let Error::Run(target) = &mut spec.on_error {
                    *target = count - 1 - *target;
                }
            }
        }
        let on_failure = fallback.map(|fallback| {
            let program = self.plan(fallback, self.below, None);
            self.specs
                .fallback
                .insert(name.clone(), program.plan.name.clone());
            program
        });
        let plan = Plan {
            run: RunSettings {
                failure: policy,
                ..RunSettings::default()
            },
            on_failure: on_failure.as_ref().map(|program| {
                let plan = program.plan.clone();
                Box::new(OnFailure {
                    plan,
                    with: None,
                    after_budget: true,
                })
            }),
            ..bare(&name, planned(&specs, &children))
        };
        self.specs.plans.insert(name, specs);
        let never: Arc<dyn Act> = Arc::new(Never);
        let parts = Parts {
            acts: vec![never.clone(); count],
            finish: self.finishes.then(|| never.clone()),
            children,
            fallback: on_failure.map(|program| (program, never)),
            reads_facts: self.reads_facts,
            borrows: false,
        };
        Arc::new(Program::new(Arc::new(plan), parts))
    }

    fn spec(&mut self, drawn: &Drawn, at: usize, before: &[Spec]) -> (Spec, Vec<(String, Arc<Program>)>) {
        let mut needs: Vec<(usize, NeedKind)> = Vec::new();
        for (need, kind) in drawn.needs.iter().filter(|_| at > 0) {
            let kind = [NeedKind::Data, NeedKind::Order, NeedKind::Settled][*kind as usize];
            if !needs.iter().any(|(known, _)| *known == need % at) {
                needs.push((need % at, kind));
            }
        }
        needs.sort_unstable();
        let routes: Vec<usize> = (0..at)
            .filter(|step| matches!(before[*step].body, Body::Route(_)))
            .collect();
        let arm = (drawn.arm.0 < 4 && !routes.is_empty())
            .then(|| (routes[drawn.arm.1 % routes.len()], ARMS[drawn.arm.0 as usize % 3]));
        let mut children = Vec::new();
        let has_below = !drawn.below.is_empty();
        let body = match drawn.kind {
            0 | 1 => Body::Map {
                items: drawn.scripts.clone(),
                keep: drawn.keep,
                nested: false,
            },
            2 if has_below => {
                children.push((String::new(), self.plan(&drawn.below, self.below, None)));
                Body::Map {
                    items: drawn.scripts.clone(),
                    keep: drawn.keep,
                    nested: true,
                }
            }
            3 if !drawn.scripts.is_empty() => Body::Repeat(drawn.scripts.clone()),
            4..=6 => Body::Route(drawn.choice % 4),
            7 if has_below => {
                for (arm, step) in ARMS.iter().zip(&drawn.below) {
                    let program = self.plan(std::slice::from_ref(step), self.below, None);
                    children.push(((*arm).to_owned(), program));
                }
                Body::FirstOf(children.len())
            }
            8 | 9 if has_below => {
                let fallback = drawn.keep.then_some(&drawn.below[..1]);
                children.push((String::new(), self.plan(&drawn.below, self.below, fallback)));
                Body::Pipeline
            }
            _ => Body::Plain,
        };
        let spec = Spec {
            body,
            script: drawn.script,
            attempts: drawn.attempts,
            needs,
            arm,
            on_error: Error::Fail,
            standby: drawn.standby,
            below: children
                .iter()
                .map(|(_, program)| program.plan.name.clone())
                .collect(),
        };
        (spec, children)
    }
}

fn on_error(drawn: &Drawn, at: usize, specs: &[Spec]) -> Error {
    match drawn.on_error.0 {
        _ if matches!(specs[at].body, Body::Map { keep: true, .. }) => Error::Fail,
        0 => Error::Skip,
        1 => Error::Use,
        2 | 3 => {
            let fits = |target: &usize| specs[*target].standby && !waits_in_a_ring(specs, at, *target);
            let targets: Vec<usize> = (at + 1..specs.len()).filter(fits).collect();
            match targets.len() {
                0 => Error::Fail,
                count => Error::Run(targets[drawn.on_error.1 % count]),
            }
        }
        _ => Error::Fail,
    }
}

/// Whether a step could wait for itself if `target` stood in for `caller`: each step has a beginning and an end, and a
/// stand-in begins between those of its callers.
fn waits_in_a_ring(specs: &[Spec], caller: usize, target: usize) -> bool {
    let stands_in = |step: usize| match specs[step].on_error {
        _ if step == caller => Some(target),
        Error::Run(target) => Some(target),
        _ => None,
    };
    let (begin, end) = (|step: usize| 2 * step, |step: usize| 2 * step + 1);
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); 2 * specs.len()];
    for (step, spec) in specs.iter().enumerate() {
        let needs = spec
            .needs
            .iter()
            .map(|(need, _)| *need)
            .chain(spec.arm.map(|(route, _)| route));
        after[begin(step)].extend(needs.filter(|need| stands_in(*need) != Some(step)).map(end));
        after[end(step)].push(begin(step));
        if let Some(target) = stands_in(step) {
            after[end(step)].push(end(target));
            after[begin(target)].push(begin(step));
        }
    }
    let mut seen = vec![false; after.len()];
    let mut open = after[end(target)].clone();
    while let Some(at) = open.pop() {
        if at == end(target) {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&after[at]);
        }
    }
    false
}

fn planned(specs: &[Spec], children: &[Vec<(String, Arc<Program>)>]) -> Vec<Step> {
    let members = |route: usize, arm: &str| -> Vec<u32> {
        let is_member = |spec: &Spec| spec.arm.is_some_and(|(of, name)| of == route && name == arm);
        (0..specs.len())
            .filter(|step| is_member(&specs[*step]))
            .map(|step| step as u32)
            .collect()
    };
    let step = |(at, spec): (usize, &Spec)| {
        let mut settings = Settings::new().retries(spec.attempts - 1).backoff(match at % 3 {
            0 => Backoff::None,
            1 => Backoff::Fixed,
            _ => Backoff::Exponential,
        });
        settings = settings.step_timeout(LONG);
        settings = match spec.on_error {
            Error::Fail => settings,
            Error::Skip => settings.on_error(OnError::Skip),
            Error::Use => settings.on_error(OnError::Use(Value::null())),
            Error::Run(target) => settings.on_error(OnError::Run(format!("s{target}"))),
        };
        let below = |arm: usize| children[at][arm].1.plan.clone();
        let pipeline = || Action::Pipeline {
            plan: below(0),
            with: None,
            inputs: vec![Source::Input],
        };
        let plain = |rounds| Action::Function {
            inputs: vec![Source::Input],
            agent: None,
            rounds,
            asks: Vec::new(),
        };
        let mut each = None;
        let (kind, action) = match &spec.body {
            Body::Plain => (Kind::Function, plain(None)),
            Body::Repeat(rounds) => (Kind::Repeat, plain(Some(rounds.len() as u32))),
            Body::Map { keep, nested, .. } => {
                if *keep {
                    settings = settings.on_error(OnError::Keep);
                }
                each = Some(Each {
                    list: None,
                    name: "item".into(),
                    max_parallel: 2,
                    max_items: 3,
                });
                (Kind::Map, if *nested { pipeline() } else { plain(None) })
            }
            Body::Pipeline => (Kind::Pipeline, pipeline()),
            Body::Route(_) => {
                let by = RouteBy::Value(Source::Input);
                let arms = ARMS
                    .iter()
                    .map(|arm| ((*arm).to_owned(), Arm::Steps(members(at, arm))))
                    .collect();
                (
                    Kind::Route,
                    Action::Route {
                        by,
                        arms,
                        otherwise: None,
                    },
                )
            }
            Body::FirstOf(count) => {
                let names: Vec<String> = ARMS[..*count].iter().map(|arm| (*arm).to_owned()).collect();
                let inline = |arm: usize| Arm::Inline(Box::new(below(arm).steps[0].clone()));
                let arms: IndexMap<String, Arm> = names
                    .iter()
                    .cloned()
                    .enumerate()
                    .map(|(at, name)| (name, inline(at)))
                    .collect();
                (
                    Kind::Route,
                    Action::Route {
                        by: RouteBy::FirstOf(names),
                        arms,
                        otherwise: None,
                    },
                )
            }
        };
        Step {
            each,
            needs: spec
                .needs
                .iter()
                .map(|(step, kind)| Need {
                    step: *step as u32,
                    kind: *kind,
                })
                .collect(),
            arm: spec.arm.map(|(route, arm)| Membership {
                route: route as u32,
                arm: arm.to_owned(),
            }),
            standby: spec.standby,
            settings,
            ..plain_step(format!("s{at}"), kind, action)
        }
    };
    specs.iter().enumerate().map(step).collect()
}
