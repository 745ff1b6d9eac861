//! Calls of pipelines as tools: an attempt has called some and is over for now; each runs below the unit as a step of its
//! own, and when all of them are over the attempt goes on with what they gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{RunState, Unit};
use crate::clock::Time;
use crate::error::{ErrorKind, Failure};
use crate::log::Site;
use crate::plan::Action;
use crate::run::op::{Called, Calls, PipelineCall};
use crate::value::Value;
use crate::view::StepStatus;

/// Pipelines within pipelines, called as tools: agents and pipelines that are found by name may call each other.
const MAX_DEPTH: usize = 8;

/// The pipelines that a unit has called.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// How many of each name, in all attempts: what they are recorded as has to be told apart.
    named: BTreeMap<String, u32>,
    /// Those that the attempt waits for.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    position: String,
    scope: Option<u32>,
    began: Time,
    result: Option<Result<Value, Arc<Failure>>>,
}

impl Below {
    /// The scopes of the calls that the attempt waits for.
    pub(super) fn scopes(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().filter_map(|open| open.scope)
    }

    /// Nobody waits for them any more.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }
}

impl RunState {
    /// The unit's attempt has called pipelines, and waits for them.
    pub(super) fn call(&mut self, unit: Unit, calls: Calls) {
        self.time_attempt(unit, calls.left);
        let first = self.below(unit).open.len();
        self.below(unit).open.extend(calls.calls.iter().map(|call| Open {
            position: call.position.clone(),
            scope: None,
            began: call.began,
            result: None,
        }));
        for (at, call) in calls.calls.into_iter().enumerate() {
            self.open_call(unit, first + at, call);
        }
        self.calls_over(unit);
    }

    fn open_call(&mut self, unit: Unit, at: usize, call: PipelineCall) {
        if let Err(failure) = self.is_deep(unit) {
            self.below(unit).open[at].result = Some(Err(Arc::new(failure)));
            return;
        }
        let Some(called) = self.start.callable.get(&call.pipeline) else {
            let message = format!("nothing is linked to `{}`", call.tool);
            let failure = Failure::new(ErrorKind::Internal, message);
            self.below(unit).open[at].result = Some(Err(Arc::new(failure)));
            return;
        };
        let name = self.name_of_call(unit, called.plan.called_as().to_owned());
        let program = called.as_call(name.clone(), call.timeout, call.retries);
        let prefix = format!("{}/", self.path(unit));
        self.below(unit).open[at].scope = Some(self.scopes.len() as u32);
        self.open(Arc::new(program), Site::below(unit, prefix, name), call.input);
    }

    /// A call is recorded as the pipeline is called; a second one, and one that could be taken for an arm, with a number.
    fn name_of_call(&mut self, unit: Unit, name: String) -> String {
        let program = self.scopes[unit.scope as usize].program.clone();
        let action = program
            .plan
            .steps
            .get(unit.step as usize)
            .map(|step| &step.action);
        let is_arm = matches!(action, Some(Action::Route { arms, .. }) if arms.contains_key(&name));
        let count = self
            .below(unit)
            .named
            .entry(name.clone())
            .or_insert(u32::from(is_arm));
        *count += 1;
        match *count {
            1 => name,
            n => format!("{name}_{n}"),
        }
    }

    /// # Errors
    /// When too many calls are around the unit already.
    fn is_deep(&self, unit: Unit) -> Result<(), Failure> {
        let mut around = 0;
        let mut at = Some(unit);
        while let Some(unit) = at {
            let scope = &self.scopes[unit.scope as usize];
            around += usize::from(scope.program.is_call);
            at = scope.site.parent();
        }
        if around < MAX_DEPTH {
            return Ok(());
        }
        let message = format!("pipelines that call each other as tools more than {MAX_DEPTH} levels deep");
        let failure = Failure::new(ErrorKind::TooLarge, message);
        Err(failure.hint(
            "take the tool away from one of their agents, so that they do not call each other in a circle",
        ))
    }

    /// A pipeline that the unit has called is over.
    pub(super) fn call_over(&mut self, unit: Unit, scope: u32, result: Result<Value, Arc<Failure>>) {
        let result = result.map_err(|failure| Arc::new(of_call(&failure)));
        let mut open = self.below(unit).open.iter_mut();
        if let Some(open) = open.find(|open| open.scope == Some(scope)) {
            open.result = Some(result);
        }
        self.calls_over(unit);
    }

    /// The attempt goes on when all are over.
    fn calls_over(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        if slot.status != StepStatus::Running || slot.live {
            return;
        }
        let below = self.below(unit);
        if below.open.iter().any(|open| open.result.is_none()) {
            return;
        }
        let over = std::mem::take(&mut below.open);
        let more = self.slot(unit).more();
        let before = Arc::make_mut(more.before.get_or_insert_default());
        for Open {
            position,
            began,
            result,
            ..
        } in over
        {
            if let Some(result) = result {
                before.called.insert(position, Called { began, result });
            }
        }
        more.resumes = true;
        self.queue(unit);
    }

    fn below(&mut self, unit: Unit) -> &mut Below {
        self.slot(unit).more().below.get_or_insert_default()
    }
}

/// What a failure of a pipeline is to whoever called it.
fn of_call(failure: &Failure) -> Failure {
    let mut own = Failure::new(failure.kind, failure.message.clone());
    own.retryable = failure.retryable;
    own.limit.clone_from(&failure.limit);
    own.reason.clone_from(&failure.reason);
    own.hints.clone_from(&failure.hints);
    own
}
