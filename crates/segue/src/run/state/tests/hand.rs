//! The hand that answers: what each operation of a generated case gives, and a watch that nothing is started twice, too
//! early or in too great a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plans::{ARMS, Body, Case, Script, Spec, Specs, Then};
use super::written::LONG;
use crate::error::{ErrorKind, Failure, Spent};
use crate::log::{EventKind, What};
use crate::money::{Cost, Nanousd};
use crate::plan::Kind;
use crate::question::Ask;
use crate::run::op::{Before, Choice, Done, End, Op, OpResult, Phase, StepCall};
use crate::run::program::Program;
use crate::run::state::{Opened, RunState, Start, Unit};
use crate::schema::Schema;
use crate::usage::Usage;
use crate::value::Value;

/// Something that will give a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pending {
    Attempt(Unit),
    Sleep(Unit),
    Ask(Unit),
}

/// What one attempt costs in a test.
pub(super) fn price() -> Spent {
    let usage = Usage {
        requests: 1,
        ..Usage::default()
    };
    Spent {
        usage,
        cost: Cost::of(Nanousd::from_nanos(7).expect("seven is a small number")),
    }
}

/// A state at the beginning of a case.
pub(super) fn begin(case: &Case, seed: u128) -> RunState {
    let timeout = Some(LONG);
    let start = Start {
        max_parallel: case.max_parallel,
        timeout,
        seed,
        ..Start::default()
    };
    RunState::new(case.program.clone(), Value::json(1.into()), start)
}

/// What is under way, and what has been seen so far.
pub(super) struct Hand {
    specs: Arc<Specs>,
    max_parallel: u32,
    scopes: Vec<(Arc<Program>, Option<Unit>)>,
    /// In the order in which it was started.
    pub(super) pending: Vec<Pending>,
    /// Deadlines that could pass, unless they stand still.
    pub(super) deadlines: Vec<Unit>,
    held: BTreeSet<Unit>,
    calls: BTreeMap<Unit, (u32, Part, bool)>,
    once: BTreeSet<(Unit, u32, Part, u32)>,
    asked: BTreeMap<Unit, (u32, bool)>,
    aborted: BTreeSet<Unit>,
    settled: BTreeSet<Unit>,
    pub(super) attempts: u64,
    /// Attempts of each step of the run's own plan and of what runs below it.
    pub(super) paid: BTreeMap<Unit, u64>,
}

/// Which part of a unit an attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Body,
    When,
    Recover,
    Fallback,
    Finish,
    Salvage,
}

impl Hand {
    pub(super) fn new(case: &Case) -> Self {
        Self {
            specs: case.specs.clone(),
            max_parallel: case.max_parallel,
            scopes: Vec::new(),
            pending: Vec::new(),
            deadlines: Vec::new(),
            held: BTreeSet::new(),
            calls: BTreeMap::new(),
            once: BTreeSet::new(),
            asked: BTreeMap::new(),
            aborted: BTreeSet::new(),
            settled: BTreeSet::new(),
            attempts: 0,
            paid: BTreeMap::new(),
        }
    }

    pub(super) fn opened(&mut self, number: u32, scope: Opened) {
        assert_eq!(self.scopes.len(), number as usize, "scopes are opened in order");
        self.scopes.push((scope.program, scope.site.parent()));
    }

    /// Notes what has settled.
    pub(super) fn noted(&mut self, unit: Unit, what: &What) {
        let settles = match what {
            What::Succeeded(..) => true,
            What::Other(kind) => matches!(
                **kind,
                EventKind::StepFailed { .. }
                    | EventKind::StepSkipped { .. }
                    | EventKind::StepCancelled { .. }
            ),
            _ => false,
        };
        if settles {
            assert!(
                self.settled.insert(unit),
                "{unit:?} has two outcomes; the second is {what:?}"
            );
        }
    }

    /// Takes up an operation, if it is one that may be started now.
    pub(super) fn started(&mut self, op: &Op) {
        match op {
            Op::Attempt(call) => self.attempt(call),
            Op::Sleep { unit, .. } => self.begins(Pending::Sleep(*unit)),
            Op::Ask { unit, count, ask } => {
                self.begins(Pending::Ask(*unit));
                self.asked.insert(*unit, (*count, ask.completes));
            }
            Op::Deadline { unit, .. } => {
                assert!(!self.deadlines.contains(unit), "{unit:?} has two deadlines");
                self.deadlines.push(*unit);
            }
            Op::Release(unit) => {
                let over = [Pending::Sleep(*unit), Pending::Ask(*unit)];
                self.pending.retain(|pending| !over.contains(pending));
                self.deadlines.retain(|deadline| deadline != unit);
                self.held.remove(unit);
            }
            Op::Abort(unit) => {
                assert!(
                    self.pending.contains(&Pending::Attempt(*unit)),
                    "{unit:?} is aborted and does not run"
                );
                assert!(self.aborted.insert(*unit), "{unit:?} is aborted twice");
            }
            Op::Hold(unit) => {
                assert!(self.deadlines.contains(unit), "{unit:?} has no deadline to hold");
                assert!(
                    self.held.insert(*unit),
                    "the deadline of {unit:?} stands still already"
                );
            }
            Op::Resume(unit) => assert!(self.held.remove(unit), "the deadline of {unit:?} runs already"),
        }
    }

    fn begins(&mut self, what: Pending) {
        assert!(!self.pending.contains(&what), "{what:?} is started twice");
        self.pending.push(what);
    }

    fn attempt(&mut self, call: &StepCall) {
        let unit = call.unit;
        let part = match call.phase {
            Phase::Body => Part::Body,
            Phase::When => Part::When,
            Phase::Recover(_) => Part::Recover,
            Phase::Fallback(_) => Part::Fallback,
            Phase::Finish => Part::Finish,
            Phase::Salvage => Part::Salvage,
        };
        self.begins(Pending::Attempt(unit));
        let asked = self.asked.get(&unit).map_or(0, |(count, _)| *count);
        assert!(
            self.once.insert((unit, call.attempt, part, asked)),
            "the same attempt twice: {call:?}"
        );
        assert!(
            !self.settled.contains(&unit),
            "{unit:?} is settled and begins again"
        );
        let running = self
            .pending
            .iter()
            .filter(|pending| matches!(pending, Pending::Attempt(_)))
            .count();
        assert!(
            running <= self.max_parallel as usize,
            "{running} attempts at once"
        );
        if unit.step < Unit::SCOPE {
            let (program, parent) = &self.scopes[unit.scope as usize];
            let planned = &program.plan.steps[unit.step as usize];
            let route = planned.arm.as_ref().map(|member| member.route);
            for need in planned.needs.iter().map(|need| need.step).chain(route) {
                let need = Unit::whole(unit.scope, need);
                let stands_in = planned.standby;
                assert!(
                    self.settled.contains(&need) || stands_in,
                    "{unit:?} begins before {need:?} is settled"
                );
            }
            for above in parent.iter().copied().chain([unit.of_step()]) {
                assert!(
                    !self.settled.contains(&above),
                    "{unit:?} begins below {above:?}, which is settled"
                );
            }
            let items = self.pending.iter().filter(|pending| {
                matches!(pending, Pending::Attempt(item) if item.of_step() == unit.of_step() && item.is_item())
            });
            let most = planned.each.as_ref().map_or(u32::MAX, |each| each.max_parallel);
            let aborted = self
                .aborted
                .iter()
                .filter(|item| item.of_step() == unit.of_step())
                .count();
            assert!(
                items.count() <= most as usize + aborted,
                "more than {most} items of {unit:?} at once"
            );
        }
        let answered = matches!(call.before.as_deref(), Some(Before { answers, .. }) if !answers.is_empty());
        self.calls.insert(unit, (call.attempt, part, answered));
    }

    /// The result of something pending.
    pub(super) fn result(&mut self, pending: Pending) -> OpResult {
        self.pending.retain(|known| *known != pending);
        match pending {
            Pending::Sleep(unit) => OpResult::Slept(unit),
            Pending::Ask(unit) => self.reply(unit),
            Pending::Attempt(unit) => {
                self.attempts += 1;
                // An abort can come when the attempt has just ended by itself.
                let aborted = self.aborted.remove(&unit) && !self.attempts.is_multiple_of(3);
                let end = if aborted { End::Aborted } else { self.end(unit) };
                *self.paid.entry(self.own_step(unit)).or_default() += 1;
                OpResult::Attempt {
                    unit,
                    end,
                    spent: Some(Box::new(price())),
                }
            }
        }
    }

    /// A deadline that runs passes.
    pub(super) fn late(&mut self, chosen: usize) -> Option<OpResult> {
        let running: Vec<Unit> = self
            .deadlines
            .iter()
            .filter(|unit| !self.held.contains(unit))
            .copied()
            .collect();
        let unit = running[chosen.checked_rem(running.len())?];
        self.deadlines.retain(|deadline| *deadline != unit);
        Some(OpResult::Deadline(unit))
    }

    /// The step of the run's own plan that a unit is or runs below.
    fn own_step(&self, unit: Unit) -> Unit {
        let mut at = unit;
        while let Some(above) = self.scopes[at.scope as usize].1 {
            at = above;
        }
        at.of_step()
    }

    fn spec(&self, unit: Unit) -> &Spec {
        let plan = &self.scopes[unit.scope as usize].0.plan.name;
        &self.specs.plans[plan][unit.step as usize]
    }

    fn script(&self, unit: Unit) -> Script {
        let spec = self.spec(unit);
        match &spec.body {
            Body::Map { items, .. } | Body::Repeat(items) if unit.is_item() => items[unit.item as usize],
            _ => spec.script,
        }
    }

    fn reply(&self, unit: Unit) -> OpResult {
        if self.script(unit).then == Then::AsksExpires {
            return OpResult::Expired(unit);
        }
        let value = Value::json(serde_json::json!({"missing": 2}));
        OpResult::Answered {
            unit,
            value,
            by: "somebody".into(),
        }
    }

    fn end(&self, unit: Unit) -> End {
        let (attempt, part, answered) = self.calls[&unit];
        let output = || Value::json(serde_json::json!([unit.scope, unit.step, unit.item]));
        match part {
            Part::Body => {}
            Part::When => return End::Did(Done::Admit),
            Part::Fallback => return End::Did(Done::Enter(Value::null())),
            Part::Recover | Part::Finish | Part::Salvage => return End::Did(Done::Output(output())),
        }
        let (spec, script) = (self.spec(unit), self.script(unit));
        let kind = self.scopes[unit.scope as usize].0.plan.steps[unit.step as usize].kind;
        let is_whole = !unit.is_item() && kind != Kind::Function;
        if is_whole && script.then == Then::Skips {
            return End::Did(Done::Skip);
        }
        if is_whole && script.then == Then::Fatal {
            return fatal();
        }
        let choose = |arm: &str| {
            let choice = Choice {
                arm: arm.into(),
                by: "value".into(),
                reason: None,
                key: None,
            };
            End::Did(Done::Choose(Box::new(choice)))
        };
        match &spec.body {
            Body::Map { items, .. } if is_whole => {
                End::Did(Done::Expand(Value::list(vec![Value::null(); items.len()])))
            }
            Body::Map { nested: true, .. } | Body::Pipeline => End::Did(Done::Enter(Value::null())),
            Body::Route(arm) => choose(ARMS.get(*arm).unwrap_or(&"nowhere")),
            Body::FirstOf(_) => choose(ARMS[0]),
            _ if attempt <= script.refused => match script.asks_again {
                true => End::Again {
                    reason: format!("attempt {attempt}"),
                    previous: None,
                },
                false => End::Failed(Box::new(Failure::new(ErrorKind::Network, "no answer"))),
            },
            Body::Repeat(rounds) => match body(script.then, answered, output) {
                End::Did(_) => {
                    let last = unit.item as usize + 1 == rounds.len();
                    End::Did(Done::Round {
                        output: output(),
                        last,
                    })
                }
                other => other,
            },
            _ => match body(script.then, answered, output) {
                // Only a whole step has a condition.
                End::Did(Done::Skip) if unit.is_item() => End::Did(Done::Output(output())),
                end => end,
            },
        }
    }
}

fn fatal() -> End {
    let mut failure = Failure::new(ErrorKind::Step, "no");
    failure.retryable = false;
    End::Failed(Box::new(failure))
}

fn body(then: Then, answered: bool, output: impl Fn() -> Value) -> End {
    match then {
        Then::Made => End::Did(Done::Output(output())),
        Then::Fatal => fatal(),
        Then::Skips => End::Did(Done::Skip),
        Then::AsksResume if answered => End::Did(Done::Output(output())),
        Then::AsksComplete => End::Waits(Box::new(Ask::incomplete(
            serde_json::json!({"known": 1}),
            vec!["missing".to_owned()],
        ))),
        Then::AsksResume | Then::AsksExpires => {
            End::Waits(Box::new(Ask::new("really?", Schema::of::<bool>())))
        }
    }
}
