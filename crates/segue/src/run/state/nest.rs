//! Nesting: scopes open and end. A scope is the run itself, a nested pipeline, an inline arm or a fallback; all of them
//! live in the one state of the run, so that usage, cost, deadlines and cancelling need nothing new.

use std::sync::Arc;

use serde_json::Value as Json;

use super::scope::{Scope, Stage};
use super::{RunOutcome, RunState, Unit};
use crate::error::{Cause, ErrorKind, FailedStep, Failure, Spent};
use crate::log::{EventKind, Site};
use crate::plan::{Action, Arm, RouteBy};
use crate::run::op::{Choice, Done, End, Phase, StepCall};
use crate::run::program::Program;
use crate::value::Value;
use crate::view::StepStatus;

impl RunState {
    /// Opens a scope and wakes the steps that need nothing.
    pub(super) fn open(&mut self, program: Arc<Program>, site: Site, input: Value) -> u32 {
        let number = self.scopes.len() as u32;
        let parent = site.parent();
        let mut scope = Scope::new(program.clone(), site, input);
        if let Some(parent) = parent
            && program.borrows
        {
            scope.lent = Some(Arc::new(self.facts_of(parent)));
        }
        self.bound(&mut scope);
        self.scopes.push(scope);
        self.time_scope(number);
        self.take_over(number);
        for step in 0..program.waits.len() as u32 {
            if program.waits[step as usize] == 0 {
                self.scopes[number as usize].slots[step as usize].waits = 1;
                self.met(number, step);
            }
        }
        number
    }

    /// A nested pipeline or an inline arm begins below a unit.
    pub(super) fn enter(&mut self, unit: Unit, arm: &str, input: Value) {
        let program = if unit.step == Unit::FINISH {
            self.scopes[unit.scope as usize]
                .program
                .fallback
                .as_ref()
                .map(|(program, _)| program.clone())
        } else {
            self.scopes[unit.scope as usize].program.child(unit.step, arm)
        };
        let Some(program) = program else {
            let failure = Failure::new(
                ErrorKind::Internal,
                format!("nothing is linked below `{}`", self.path(unit)),
            );
            return self.fail(unit, Arc::new(failure));
        };
        let prefix = match unit.step {
            Unit::FINISH => format!("{}on_failure/", self.scopes[unit.scope as usize].site.prefix()),
            _ => format!("{}/", self.path(unit)),
        };
        let child = self.open(program, Site::below(unit, prefix, arm), input);
        self.slot(unit).more().child = Some(child);
    }

    /// A route has chosen.
    pub(super) fn choose(&mut self, unit: Unit, mut choice: Choice) {
        let program = self.scopes[unit.scope as usize].program.clone();
        let Action::Route { arms, otherwise, .. } = &program.plan.steps[unit.step as usize].action else {
            let failure = Failure::new(ErrorKind::Internal, "a step that is no route chose an arm");
            return self.fail(unit, Arc::new(failure));
        };
        if !arms.contains_key(&choice.arm)
            && let Some(otherwise) = otherwise
        {
            choice.reason = Some(format!("no arm is called `{}`", choice.arm));
            choice.arm.clone_from(otherwise);
        }
        let Some(arm) = arms.get(&choice.arm) else {
            let known: Vec<String> = arms.keys().map(|arm| format!("`{arm}`")).collect();
            let path = self.path(unit);
            let message = format!(
                "route `{path}` has no arm `{}`; its arms are {}",
                choice.arm,
                known.join(", ")
            );
            let mut failure =
                Failure::new(ErrorKind::UnknownRoute, message).hint("add the arm, or an `else` arm");
            failure.step = Some(path);
            return self.fail(unit, Arc::new(failure));
        };
        self.record(
            unit,
            EventKind::RouteChosen {
                arm: choice.arm.clone(),
                by: choice.by.to_string(),
                reason: choice.reason.clone(),
                key: choice.key.clone(),
            },
        );
        let name = choice.arm.clone();
        self.slot(unit).more().choice = Some(choice);
        match arm {
            Arm::Inline(_) => self.enter(unit, &name, Value::null()),
            Arm::Nothing => self.succeed_as(unit, Value::null()),
            Arm::Steps(_) => self.succeed_as(unit, Value::json(Json::String(name))),
        }
    }

    fn succeed_as(&mut self, unit: Unit, output: Value) {
        self.made_below(unit, &output);
        self.succeed(unit, output);
    }

    /// Ends the scope's steps when the last one is settled.
    pub(super) fn check_scope(&mut self, scope: u32) {
        let here = &self.scopes[scope as usize];
        let unit = Unit {
            scope,
            step: Unit::SCOPE,
            item: Unit::WHOLE,
        };
        if here.unsettled == 0 && here.stage == Stage::Steps && !self.is_doomed(unit) {
            self.end_steps(scope);
        }
    }

    /// All steps of the scope are settled: its output is made, or its failure.
    pub(super) fn end_steps(&mut self, scope: u32) {
        let here = &self.scopes[scope as usize];
        let program = here.program.clone();
        let failed = here.slots.iter().any(|slot| slot.status == StepStatus::Failed);
        if let Some(gives) = self.gives().filter(|_| scope == 0) {
            return self.end_part(failed, &gives);
        }
        if failed {
            let failure = Arc::new(self.described(scope, Failure::new(ErrorKind::Step, "")));
            self.scopes[scope as usize].failure = Some(failure);
            if program.plan.artifacts.is_empty() {
                self.scope_failed(scope);
            } else {
                self.end_op(scope, Stage::Salvaging);
            }
        } else if program.finish.is_some() {
            self.end_op(scope, Stage::Finishing);
        } else {
            match self.output(scope) {
                Ok(output) => self.conclude(scope, Ok(output)),
                Err(failure) => {
                    self.scopes[scope as usize].failure = Some(failure);
                    self.scope_failed(scope);
                }
            }
        }
    }

    /// The run was asked for some of its steps only: what they give is its output, and there is nothing else at its end.
    fn end_part(&mut self, failed: bool, gives: &[u32]) {
        let result = match failed {
            true => Err(Arc::new(self.described(0, Failure::new(ErrorKind::Step, "")))),
            false => Ok(self.scopes[0].outputs(gives)),
        };
        self.conclude(0, result);
    }

    /// Asks for one of the ops of a scope's end.
    fn end_op(&mut self, scope: u32, stage: Stage) {
        let here = &mut self.scopes[scope as usize];
        here.stage = stage;
        let failure = here.failure.clone();
        let end = here.end();
        end.status = StepStatus::Ready;
        let end = end.more();
        end.phase = match (stage, failure) {
            (Stage::Salvaging, _) => Phase::Salvage,
            (Stage::Falling, Some(failure)) => Phase::Fallback(failure),
            _ => Phase::Finish,
        };
        self.queue(Unit {
            scope,
            step: Unit::FINISH,
            item: Unit::WHOLE,
        });
    }

    pub(super) fn begin_end(&mut self, unit: Unit) -> Option<StepCall> {
        let slot = self.slot(unit);
        if !matches!(slot.status, StepStatus::Ready | StepStatus::Running) {
            return None;
        }
        slot.status = StepStatus::Running;
        slot.live = true;
        slot.attempt += 1;
        let attempt = slot.attempt;
        let phase = slot.more().phase.clone();
        self.goes(unit);
        let inputs = self.inputs(unit, &phase);
        Some(StepCall {
            unit,
            attempt,
            inputs,
            timeout: None,
            before: None,
            phase,
        })
    }

    pub(super) fn ended_end(&mut self, unit: Unit, end: End) {
        let scope = unit.scope;
        let stage = self.scopes[scope as usize].stage;
        match (stage, end) {
            (Stage::Finishing, End::Did(Done::Output(output))) => self.conclude(scope, Ok(output)),
            (Stage::Falling, End::Did(Done::Enter(input))) => {
                self.scopes[scope as usize].stage = Stage::Fallback;
                self.enter(unit, "", input);
            }
            (Stage::Salvaging, End::Did(_)) => self.scope_failed(scope),
            (stage, end) => {
                let failure = match end {
                    End::Failed(failure) => *failure,
                    _ => Failure::new(
                        ErrorKind::Internal,
                        "the end of a pipeline gave an unexpected result",
                    ),
                };
                let earlier = self.scopes[scope as usize].failure.clone();
                let failure = match earlier {
                    // What failed first stays the failure; what went wrong afterwards is one more cause.
                    Some(earlier) => with_cause(&earlier, &failure),
                    None => self.described(scope, failure),
                };
                self.scopes[scope as usize].failure = Some(Arc::new(failure));
                match stage {
                    Stage::Falling => self.give_up(scope),
                    _ => self.scope_failed(scope),
                }
            }
        }
    }

    /// The scope has failed: its fallback runs if it has one.
    fn scope_failed(&mut self, scope: u32) {
        let here = &self.scopes[scope as usize];
        let refused = |failure: &Failure| {
            let is_budget = |kind| matches!(kind, ErrorKind::Budget | ErrorKind::Unpriced);
            is_budget(failure.kind) || failure.failed_steps.iter().any(|step| is_budget(step.error.kind))
        };
        let by_budget = here.failure.as_deref().is_some_and(refused);
        match (&here.program.fallback, &here.program.plan.on_failure) {
            (Some(_), Some(fallback)) if !by_budget || fallback.after_budget => {
                self.end_op(scope, Stage::Falling);
            }
            _ => self.give_up(scope),
        }
    }

    fn give_up(&mut self, scope: u32) {
        let failure = self.scopes[scope as usize].failure.clone();
        let failure =
            failure.unwrap_or_else(|| Arc::new(self.described(scope, Failure::new(ErrorKind::Internal, ""))));
        self.conclude(scope, Err(failure));
    }

    /// The scope is over.
    pub(super) fn conclude(&mut self, scope: u32, result: Result<Value, Arc<Failure>>) {
        let fallback = self.scopes[scope as usize].stage == Stage::Fallback && result.is_ok();
        self.scopes[scope as usize].stage = Stage::Over;
        self.stop_clock_of_scope(scope);
        let Some(parent) = self.scopes[scope as usize].site.parent() else {
            return self.ends(match result {
                Ok(output) => RunOutcome::Succeeded { output, fallback },
                Err(failure) => RunOutcome::Failed(failure),
            });
        };
        if parent.step == Unit::FINISH {
            return match result {
                Ok(output) => self.conclude(parent.scope, Ok(output)),
                Err(failure) => {
                    let above = &mut self.scopes[parent.scope as usize];
                    if let Some(earlier) = &above.failure {
                        above.failure = Some(Arc::new(with_cause(earlier, &failure)));
                    }
                    self.give_up(parent.scope);
                }
            };
        }
        if self.slot(parent).status != StepStatus::Running {
            return; // ended meanwhile by a deadline or a cancel
        }
        if self.scopes[scope as usize].program.is_call {
            return self.call_over(parent, scope, result);
        }
        match result {
            Ok(output) => self.succeed_as(parent, output),
            Err(failure) => match self.next_arm(parent, &failure) {
                Some(choice) => self.choose(parent, choice),
                None => self.nested_failed(parent, &failure),
            },
        }
    }

    /// The arm after the one that failed, where a route tries its arms in order.
    fn next_arm(&mut self, unit: Unit, failure: &Failure) -> Option<Choice> {
        let program = self.scopes[unit.scope as usize].program.clone();
        let Action::Route {
            by: RouteBy::FirstOf(arms),
            ..
        } = &program.plan.steps[unit.step as usize].action
        else {
            return None;
        };
        let path = self.path(unit);
        let more = self.slot(unit).more();
        let taken = &more.choice.as_ref()?.arm;
        let at = arms.iter().position(|arm| arm == taken)?;
        more.causes.push(Cause {
            kind: Some(failure.kind),
            message: format!("arm `{taken}`: {}", failure.message),
            attempt: None,
            step: Some(format!("{path}/{taken}")),
        });
        let next = arms.get(at + 1)?;
        let reason = Some(format!("arm `{taken}` failed: {}", failure.message));
        Some(Choice {
            arm: next.clone(),
            by: "fallback".into(),
            reason,
            key: None,
        })
    }

    /// What runs below a unit has failed: one failed attempt of the unit.
    fn nested_failed(&mut self, unit: Unit, failure: &Failure) {
        let path = self.path(unit);
        let mut own = Failure::new(failure.kind, format!("step `{path}`: {}", failure.message));
        own.retryable = failure.retryable;
        own.limit.clone_from(&failure.limit);
        own.reason.clone_from(&failure.reason);
        own.hints.clone_from(&failure.hints);
        own.step = Some(path);
        let more = self.slot(unit).more();
        more.child = None;
        self.attempt_failed(unit, own, None);
    }

    /// The run ends like this as soon as every attempt is back.
    pub(super) fn ends(&mut self, outcome: RunOutcome) {
        self.ready.clear();
        self.ending.get_or_insert(outcome);
    }

    /// Ends the run once nothing runs any more.
    pub(super) fn end_run(&mut self) {
        if self.running > 0 || !self.dooms.is_empty() || self.has_ended {
            return;
        }
        let Some(ending) = self.ending.take() else { return };
        self.has_ended = true;
        self.ending = Some(match ending {
            RunOutcome::Succeeded { .. } => ending,
            RunOutcome::Failed(failure) => {
                RunOutcome::Failed(Arc::new(self.described(0, (*failure).clone())))
            }
            RunOutcome::Cancelled(failure) => {
                RunOutcome::Cancelled(Arc::new(self.described(0, (*failure).clone())))
            }
        });
    }

    /// Adds what was spent to everything above a unit.
    pub(super) fn spent_below(&mut self, unit: Unit, spent: &Spent) {
        let mut scope = unit.scope;
        while let Some(parent) = self.scopes[scope as usize].site.parent() {
            if parent.step < Unit::SCOPE {
                self.slot(parent).more().spent.add(spent);
                if parent.is_item() {
                    self.slot(parent.of_step()).more().spent.add(spent);
                }
            }
            scope = parent.scope;
        }
    }

    /// A failure of a scope, completed by what is known: every failed step in declaration order, partial outputs,
    /// everything spent. A failure without text gets that of the first failed step.
    pub(super) fn described(&self, scope: u32, mut failure: Failure) -> Failure {
        let here = &self.scopes[scope as usize];
        failure.failed_steps.clear();
        for (step, slot) in here.slots.iter().enumerate() {
            let unit = Unit::whole(scope, step as u32);
            let more = slot.more.as_deref();
            match slot.status {
                StepStatus::Failed => {
                    if let Some(error) = more.and_then(|more| more.error.clone()) {
                        failure.failed_steps.push(FailedStep {
                            step: self.path(unit),
                            error,
                        });
                    }
                }
                StepStatus::Succeeded => {
                    let json = slot.output.as_ref().and_then(|output| output.to_json().ok());
                    if let Some(json) = json {
                        failure
                            .partial_outputs
                            .insert(self.path(unit), json.as_ref().clone());
                    }
                }
                _ => {}
            }
        }
        if failure.message.is_empty()
            && let Some(first) = failure.failed_steps.first()
        {
            let error = &first.error;
            failure.kind = error.kind;
            failure.retryable = error.retryable;
            failure.step = Some(first.step.clone());
            failure.attempt = error.attempt;
            failure.limit.clone_from(&error.limit);
            failure.reason.clone_from(&error.reason);
            failure.hints.clone_from(&error.hints);
            failure.causes.clone_from(&error.causes);
            failure.message = match failure.failed_steps.len() {
                1 => error.message.clone(),
                n => format!("{n} steps failed"),
            };
        }
        if scope == 0 {
            failure.spent = Some(self.spent());
        }
        failure
    }
}

/// `earlier` with `later` as one more of its causes.
fn with_cause(earlier: &Failure, later: &Failure) -> Failure {
    let mut failure = earlier.clone();
    failure.causes.push(Cause {
        kind: Some(later.kind),
        message: later.message.clone(),
        attempt: later.attempt,
        step: later.step.clone(),
    });
    failure
}
