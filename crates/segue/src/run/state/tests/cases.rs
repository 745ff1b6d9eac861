//! Cases that are written out: what the random ones found, or would find too rarely.

use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::engine::run;
use super::hand::price;
use super::plans::{self, Case};
use super::written::{LONG, function, program};
use crate::error::{ErrorKind, Failure};
use crate::log::{EventKind, What};
use crate::plan::{Each, FailurePolicy, Kind, RunSettings, Step};
use crate::question::Ask;
use crate::run::op::{Done, End, Op, OpResult};
use crate::run::program::Program;
use crate::run::state::{ROOT, RunOutcome, RunState, Start, Unit};
use crate::schema::Schema;
use crate::settings::{Backoff, OnError, Settings};
use crate::value::Value;

/// The first generated case that sleeps, asks, maps, repeats, routes, nests and falls back.
pub(super) fn every_kind() -> Case {
    let mut runner = TestRunner::deterministic();
    let cases = plans::case(Just(FailurePolicy::Continue));
    let wanted = [
        "Sleep",
        "Ask {",
        "Recover",
        "StepExpanded",
        "RouteChosen",
        "Release",
        "UpstreamFailed",
    ];
    loop {
        let case = cases
            .new_tree(&mut runner)
            .expect("a case can be drawn")
            .current();
        let journal = run(&case, &[], |_| 1).expect("nothing is lost").journal;
        let all: String = journal.ops.concat() + &journal.records.concat();
        if wanted.iter().all(|word| all.contains(word)) && journal.results.len() < 120 {
            return case;
        }
    }
}

/// Drives a program by hand.
struct Driven {
    state: RunState,
    ops: Vec<String>,
}

impl Driven {
    fn new(steps: Vec<Step>, run: RunSettings, start: Start) -> Self {
        Self::of(program(steps, run, None), start)
    }

    fn of(program: Arc<Program>, start: Start) -> Self {
        let state = RunState::new(program, Value::null(), start);
        let mut driven = Self {
            state,
            ops: Vec::new(),
        };
        driven.ready();
        driven
    }

    /// The operations given out since the last time.
    fn ready(&mut self) {
        let mut ops = Vec::new();
        self.state.ready(&mut ops);
        self.state.take_opened(|_, _| {});
        self.ops = ops.iter().map(shown).collect();
    }

    fn apply(&mut self, result: OpResult) -> &[String] {
        self.state.apply(result);
        self.ready();
        &self.ops
    }

    fn ends(&mut self, unit: Unit, end: End) -> &[String] {
        self.apply(OpResult::Attempt {
            unit,
            end,
            spent: Some(Box::new(price())),
        })
    }
}

fn shown(op: &Op) -> String {
    let name = |unit: &Unit| match (unit.step, unit.item) {
        (Unit::SCOPE, _) => "run".to_owned(),
        (step, Unit::WHOLE) if unit.scope > 0 => format!("{}/{step}", unit.scope),
        (step, Unit::WHOLE) => format!("{step}"),
        (step, item) => format!("{step}[{item}]"),
    };
    match op {
        Op::Attempt(call) => format!("attempt {} of {}", call.attempt, name(&call.unit)),
        Op::Sleep { unit, delay } => format!("sleep {} {}ms", name(unit), delay.as_millis()),
        Op::Ask { unit, .. } => format!("ask {}", name(unit)),
        Op::Deadline { unit, .. } => format!("deadline {}", name(unit)),
        Op::Hold(unit) => format!("hold {}", name(unit)),
        Op::Resume(unit) => format!("resume {}", name(unit)),
        Op::Release(unit) => format!("release {}", name(unit)),
        Op::Abort(unit) => format!("abort {}", name(unit)),
    }
}

fn step(at: u32) -> Unit {
    Unit::whole(0, at)
}

fn many(max_parallel: u32) -> Start {
    Start {
        max_parallel,
        ..Start::default()
    }
}

fn failed(retryable: bool) -> End {
    let mut failure = Failure::new(ErrorKind::Step, "no");
    failure.retryable = retryable;
    End::Failed(Box::new(failure))
}

fn made() -> End {
    End::Did(Done::Output(Value::null()))
}

fn asks() -> End {
    End::Waits(Box::new(Ask::new("really?", Schema::of::<bool>())))
}

fn map(settings: Settings) -> Step {
    let each = Each {
        list: None,
        name: "item".into(),
        max_parallel: 8,
        max_items: 10,
    };
    Step {
        each: Some(each),
        kind: Kind::Map,
        ..function("map", settings, &[])
    }
}

#[test]
fn a_step_that_is_late_while_its_next_attempt_has_its_turn_does_not_begin_again() {
    let retried = Settings::new()
        .retries(3)
        .backoff(Backoff::None)
        .step_timeout(LONG);
    let steps = vec![
        function("late", retried.on_error(OnError::Run("instead".into())), &[]),
        function("other", Settings::new(), &[]),
        Step {
            standby: true,
            ..function("instead", Settings::new(), &[])
        },
    ];
    let mut run = Driven::new(steps, RunSettings::default(), many(1));
    assert_eq!(run.ops, ["attempt 1 of 0", "deadline 0"]);
    // Its turn is taken at once, so the next attempt runs when the deadline passes.
    assert_eq!(run.ends(step(0), failed(true)), ["attempt 2 of 0"]);
    assert_eq!(run.apply(OpResult::Deadline(step(0))), ["abort 0"]);
    assert_eq!(run.ends(step(0), End::Aborted), ["attempt 1 of 1"]);
    assert_eq!(run.ends(step(1), made()), ["attempt 1 of 2"]);
    run.ends(step(2), made());
    assert!(matches!(run.state.outcome(), Some(RunOutcome::Succeeded { .. })));
}

#[test]
fn the_deadline_of_a_map_stands_still_while_one_of_its_items_waits_for_a_person() {
    let steps = vec![map(Settings::new().step_timeout(LONG))];
    let start = Start {
        timeout: Some(LONG),
        ..many(8)
    };
    let mut run = Driven::new(steps, RunSettings::default(), start);
    assert_eq!(run.ops, ["deadline run", "attempt 1 of 0", "deadline 0"]);
    run.ends(
        step(0),
        End::Did(Done::Expand(Value::list(vec![Value::null(); 2]))),
    );
    assert_eq!(run.ops, ["attempt 1 of 0[0]", "attempt 1 of 0[1]"]);
    assert_eq!(run.ends(step(0).item(0), asks()), ["hold 0", "ask 0[0]"]);
    assert_eq!(run.ends(step(0).item(1), asks()), ["ask 0[1]", "hold run"]);
    let answer = |item| OpResult::Answered {
        unit: step(0).item(item),
        value: Value::json(true.into()),
        by: "somebody".into(),
    };
    assert_eq!(run.apply(answer(1)), ["resume run", "attempt 1 of 0[1]"]);
    assert_eq!(run.apply(answer(0)), ["resume 0", "attempt 1 of 0[0]"]);
}

#[test]
fn an_item_that_fails_takes_the_questions_and_waits_of_the_others_back() {
    let settings = Settings::new().retries(1).backoff(Backoff::Fixed);
    let mut run = Driven::new(vec![map(settings)], RunSettings::default(), many(8));
    run.ends(
        step(0),
        End::Did(Done::Expand(Value::list(vec![Value::null(); 3]))),
    );
    run.ends(step(0).item(0), asks());
    run.ends(step(0).item(1), failed(true));
    assert!(run.ops[0].starts_with("sleep 0[1]"), "{:?}", run.ops);
    assert_eq!(
        run.ends(step(0).item(2), failed(false)),
        ["release 0[0]", "release 0[1]"]
    );
    assert!(matches!(run.state.outcome(), Some(RunOutcome::Failed(_))));
}

/// A map over two nested pipelines of two steps each, all four of which run: those of its first item are in scope 1.
fn two_pipelines(policy: FailurePolicy) -> Driven {
    let run = RunSettings {
        failure: policy,
        ..RunSettings::default()
    };
    let late = Settings::new().step_timeout(LONG);
    let steps = vec![function("a", late, &[]), function("b", Settings::new(), &[])];
    let steps = program(steps, run, None);
    let map = program(vec![map(Settings::new())], RunSettings::default(), Some(steps));
    let mut run = Driven::of(map, many(8));
    run.ends(
        step(0),
        End::Did(Done::Expand(Value::list(vec![Value::null(); 2]))),
    );
    for item in 0..2 {
        run.ends(step(0).item(item), End::Did(Done::Enter(Value::null())));
    }
    assert!(run.ops.contains(&"attempt 1 of 2/1".to_owned()), "{:?}", run.ops);
    run
}

/// What the map said it used when it failed, which is to be all the run used.
fn used_by_the_map(run: &mut Driven) -> u64 {
    let mut records = Vec::new();
    run.state.take_records(&mut records);
    let of_map = records.iter().filter(|(unit, _)| *unit == step(0));
    let used = of_map.filter_map(|(_, what)| match what {
        What::Other(kind) => match &**kind {
            EventKind::StepFailed { usage, .. } => Some(usage.requests),
            _ => None,
        },
        _ => None,
    });
    let used: Vec<u64> = used.collect();
    assert_eq!(used.len(), 1, "it fails once: {records:?}");
    used[0]
}

#[test]
fn a_map_that_fails_waits_for_what_its_items_were_aborting_already() {
    let mut run = two_pipelines(FailurePolicy::FailFast);
    let inner = Unit::whole;
    assert_eq!(run.ends(inner(1, 0), failed(false)), ["release 1/0", "abort 1/1"]);
    assert_eq!(run.ends(inner(2, 0), failed(false)), ["release 2/0", "abort 2/1"]);
    // The second item has failed, and so will the map; the abort in the first one is still to come back.
    assert!(run.ends(inner(2, 1), End::Aborted).is_empty());
    assert!(run.state.outcome().is_none());
    run.ends(inner(1, 1), End::Aborted);
    assert!(matches!(run.state.outcome(), Some(RunOutcome::Failed(_))));
    assert_eq!(used_by_the_map(&mut run), 7);
}

#[test]
fn a_map_that_fails_waits_for_a_step_below_it_that_was_late() {
    let mut run = two_pipelines(FailurePolicy::Continue);
    let inner = Unit::whole;
    assert_eq!(run.apply(OpResult::Deadline(inner(1, 0))), ["abort 1/0"]);
    run.ends(inner(2, 0), failed(false));
    assert_eq!(run.ends(inner(2, 1), failed(false)), ["abort 1/1"]);
    run.ends(inner(1, 1), End::Aborted);
    assert!(run.state.outcome().is_none());
    run.ends(inner(1, 0), End::Aborted);
    assert!(matches!(run.state.outcome(), Some(RunOutcome::Failed(_))));
    assert_eq!(used_by_the_map(&mut run), 7);
}

#[test]
fn an_incomplete_round_of_a_repeat_is_completed_and_the_next_one_begins() {
    let mut rounds = function("rounds", Settings::new(), &[]);
    rounds.kind = Kind::Repeat;
    if let crate::plan::Action::Function { rounds, .. } = &mut rounds.action {
        *rounds = Some(2);
    }
    let mut run = Driven::new(vec![rounds], RunSettings::default(), many(1));
    let ask = Ask::incomplete(serde_json::json!({"a": 1}), vec!["b".into()]);
    assert_eq!(run.ends(step(0).item(0), End::Waits(Box::new(ask))), ["ask 0[0]"]);
    let value = Value::json(serde_json::json!({"b": 2}));
    let answered = OpResult::Answered {
        unit: step(0).item(0),
        value,
        by: "somebody".into(),
    };
    assert_eq!(run.apply(answered), ["attempt 1 of 0[1]"]);
}

#[test]
fn a_cancel_ends_the_run_when_the_last_attempt_is_back_and_nothing_resurrects_it() {
    let late = Settings::new()
        .step_timeout(LONG)
        .on_error(OnError::Use(Value::null()));
    let steps = vec![
        function("late", late, &[]),
        function("after", Settings::new(), &[0]),
    ];
    let mut run = Driven::new(steps, RunSettings::default(), many(2));
    assert_eq!(run.apply(OpResult::Deadline(step(0))), ["abort 0"]);
    let cancel = OpResult::Cancel {
        by: "somebody".into(),
        reason: None,
    };
    assert!(
        run.apply(cancel).is_empty(),
        "the attempt is being aborted already"
    );
    assert!(run.state.outcome().is_none());
    assert!(run.ends(step(0), End::Aborted).is_empty());
    let Some(RunOutcome::Cancelled(failure)) = run.state.outcome() else {
        panic!("the run was cancelled: {:?}", run.state.outcome());
    };
    assert_eq!(failure.spent.map(|spent| spent.usage.requests), Some(1));
    let mut records = Vec::new();
    run.state.take_records(&mut records);
    let of_late = records.iter().rfind(|(unit, _)| *unit == step(0));
    assert!(matches!(of_late, Some((_, What::Other(_)))), "{of_late:?}");
    assert!(
        !records
            .iter()
            .any(|(_, what)| matches!(what, What::Succeeded(..))),
        "{records:?}"
    );
}

#[test]
fn settings_of_the_call_that_name_no_reserve_fail_the_step() {
    let steps = vec![
        function("a", Settings::new(), &[]),
        function("b", Settings::new(), &[0]),
    ];
    let plan = program(steps, RunSettings::default(), None);
    let over = plan
        .plan
        .resolve(0, Some(&Settings::new().on_error(OnError::Run("b".into()))));
    let start = Start {
        overrides: [(0, over)].into_iter().collect(),
        ..many(1)
    };
    let mut state = RunState::new(plan, Value::null(), start);
    state.ready(&mut Vec::new());
    state.apply(OpResult::Attempt {
        unit: step(0),
        end: failed(false),
        spent: None,
    });
    assert!(
        matches!(state.outcome(), Some(RunOutcome::Failed(_))),
        "{:?}",
        state.outcome()
    );
}

#[test]
fn the_deadline_of_the_run_goes_on_when_a_waiting_step_is_late_elsewhere() {
    let start = Start {
        timeout: Some(Duration::from_secs(9)),
        ..many(2)
    };
    let steps = vec![function("asks", Settings::new(), &[])];
    let mut run = Driven::new(steps, RunSettings::default(), start);
    assert_eq!(run.ends(step(0), asks()), ["ask 0", "hold run"]);
    assert_eq!(run.apply(OpResult::Expired(step(0))), ["resume run"]);
    assert!(matches!(run.state.outcome(), Some(RunOutcome::Failed(_))));
    assert!(run.apply(OpResult::Deadline(ROOT)).is_empty());
}
