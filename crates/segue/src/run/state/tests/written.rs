//! Programs that are written out, and the parts that generated ones share with them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::StepError;
use crate::plan::{Action, Input, Kind, Need, NeedKind, Plan, RunSettings, Source, Step};
use crate::run::{Act, Cx, Done, Inputs, Parts, Phase, Program};
use crate::schema::Schema;
use crate::settings::Settings;

/// Behaviour that is never asked for.
pub(super) struct Never;

impl Act for Never {
    fn act(&self, _cx: Cx, _inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        unreachable!("the tests answer every operation themselves")
    }
}

/// A step that needs nothing.
pub(super) fn plain_step(name: String, kind: Kind, action: Action) -> Step {
    Step {
        name,
        title: None,
        kind,
        action,
        needs: Vec::new(),
        arm: None,
        when: None,
        each: None,
        standby: false,
        settings: Settings::new(),
        context: crate::plan::Context::None,
        complete: crate::plan::Complete::Schema,
        artifacts: Vec::new(),
        output_schema: None,
        reads: Vec::new(),
    }
}

/// A plan of these steps whose output is that of the last.
pub(super) fn bare(name: &str, steps: Vec<Step>) -> Plan {
    Plan {
        input: Input::Value(Schema::of::<u64>()),
        ..Plan::bare(name, steps)
    }
}

/// A program of plain steps for the cases that are written out.
pub(super) fn program(steps: Vec<Step>, run: RunSettings, below: Option<Arc<Program>>) -> Arc<Program> {
    let never: Arc<dyn Act> = Arc::new(Never);
    let child = |step: &Step| match (&below, step.kind == Kind::Pipeline || step.each.is_some()) {
        (Some(below), true) => vec![(String::new(), below.clone())],
        _ => Vec::new(),
    };
    let parts = Parts {
        acts: vec![never; steps.len()],
        finish: None,
        children: steps.iter().map(child).collect(),
        fallback: None,
        reads_facts: false,
        borrows: false,
    };
    let plan = Plan {
        run,
        ..bare("written", steps)
    };
    Arc::new(Program::new(Arc::new(plan), parts))
}

/// A function step with settings and needs.
pub(super) fn function(name: &str, settings: Settings, needs: &[u32]) -> Step {
    let action = Action::Function {
        inputs: vec![Source::Input],
        agent: None,
        rounds: None,
        asks: Vec::new(),
    };
    Step {
        settings,
        needs: needs
            .iter()
            .map(|step| Need {
                step: *step,
                kind: NeedKind::Data,
            })
            .collect(),
        ..plain_step(name.to_owned(), Kind::Function, action)
    }
}

/// A wait that no test reaches by itself.
pub(super) const LONG: Duration = Duration::from_secs(3600);
