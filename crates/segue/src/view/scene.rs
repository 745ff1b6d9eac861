//! Runs for tests of views: small plans, and logs written event by event.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;

use crate::clock::Time;
use crate::error::{ErrorKind, Failure, Spent};
use crate::id::{CallId, CountingIds, RunId};
use crate::log::event::CallKind;
use crate::log::{Event, EventKind, Resolution};
use crate::money::{Cost, Nanousd};
use crate::plan::{Action, Complete, Context, Kind, Need, NeedKind, Output, Plan, Step};
use crate::price::Priced;
use crate::question::QuestionKind;
use crate::settings::Settings;
use crate::usage::Usage;
use crate::value::Value;
use crate::view::SkipWhy;

/// A step that reads the outputs of others, given by index.
pub(crate) fn step(name: &str, needs: &[u32]) -> Step {
    Step {
        name: name.to_owned(),
        title: None,
        kind: Kind::Function,
        action: Action::Function {
            inputs: Vec::new(),
            agent: None,
            rounds: None,
            asks: Vec::new(),
        },
        needs: needs
            .iter()
            .map(|step| Need {
                step: *step,
                kind: NeedKind::Data,
            })
            .collect(),
        arm: None,
        when: None,
        each: None,
        standby: false,
        settings: Settings::default(),
        context: Context::default(),
        complete: Complete::default(),
        artifacts: Vec::new(),
        output_schema: None,
        reads: Vec::new(),
    }
}

pub(crate) fn plan(name: &str, steps: Vec<Step>) -> Plan {
    Plan {
        output: Output::Last(Vec::new()),
        ..Plan::bare(name, steps)
    }
}

/// `top`, then `left` and `right`, then `end`.
pub(crate) fn diamond() -> Arc<Plan> {
    Arc::new(plan(
        "diamond",
        vec![
            step("top", &[]),
            step("left", &[0]),
            step("right", &[0]),
            step("end", &[1, 2]),
        ],
    ))
}

/// A log in the making. Time passes in [`Scene::wait`] only.
pub(crate) struct Scene {
    run: RunId,
    ids: CountingIds,
    now: i64,
    events: Vec<Event>,
    spent: Spent,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let ids = CountingIds::default();
        let run = RunId::new(&ids);
        Self {
            run,
            ids,
            now: 1_772_348_400_000_000,
            events: Vec::new(),
            spent: Spent::default(),
        }
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(crate) fn wait(&mut self, ms: i64) -> &mut Self {
        self.now += ms * 1000;
        self
    }

    pub(crate) fn at(&self) -> Time {
        Time::from_micros(self.now)
    }

    /// What the next end of a step or run says was spent.
    pub(crate) fn spent(&mut self, nanousd: Nanousd) -> &mut Self {
        self.spent = Spent {
            usage: Usage::default(),
            cost: Cost::of(nanousd),
        };
        for event in &self.events {
            if let EventKind::CallSucceeded { usage, .. } = &event.kind {
                self.spent.usage += *usage;
            }
        }
        self
    }

    pub(crate) fn push(&mut self, step: Option<&str>, kind: EventKind) -> &mut Self {
        let seq = self.events.len() as u64 + 1;
        let event = Event {
            run: self.run,
            seq,
            time: self.at(),
            step: step.map(str::to_owned),
            kind,
        };
        self.events.push(event);
        self
    }

    pub(crate) fn queued(&mut self, pipeline: &str) -> &mut Self {
        let queued = EventKind::RunQueued {
            pipeline: pipeline.to_owned(),
            plan_hash: "sha256:0".to_owned(),
            inputs: json!({"topic": "tea"}),
            labels: IndexMap::new(),
            trigger: "library".to_owned(),
            models: IndexMap::new(),
            note: None,
            key: None,
            parent: None,
            definition: None,
            request_key: None,
            schedule: None,
        };
        self.push(None, queued).push(
            None,
            EventKind::RunStarted {
                engine: "local".to_owned(),
                owner: None,
                fence: None,
            },
        )
    }

    pub(crate) fn ready(&mut self, step: &str) -> &mut Self {
        self.push(Some(step), EventKind::StepReady {})
    }

    /// The step begins with its first attempt.
    pub(crate) fn started(&mut self, step: &str) -> &mut Self {
        let started = EventKind::StepStarted {
            kind: "function".to_owned(),
            agent: None,
        };
        self.push(Some(step), started).attempt(step, 1)
    }

    pub(crate) fn attempt(&mut self, step: &str, attempt: u32) -> &mut Self {
        self.push(Some(step), EventKind::AttemptStarted { attempt })
    }

    pub(crate) fn succeeded(&mut self, step: &str, attempt: u32, output: &str) -> &mut Self {
        let Spent { usage, cost } = std::mem::take(&mut self.spent);
        let done = EventKind::AttemptSucceeded {
            attempt,
            usage: Usage::default(),
            cost: Cost::default(),
        };
        let output = Value::json(output.into());
        self.push(Some(step), done).push(
            Some(step),
            EventKind::StepSucceeded {
                output,
                output_ref: None,
                usage,
                cost,
            },
        )
    }

    /// The step from beginning to end, in so many milliseconds.
    pub(crate) fn runs(&mut self, step: &str, ms: i64) -> &mut Self {
        self.ready(step).started(step).wait(ms).succeeded(step, 1, step)
    }

    pub(crate) fn fails(
        &mut self,
        step: &str,
        attempt: u32,
        what: Resolution,
        retry_in_ms: Option<u64>,
    ) -> &mut Self {
        let failed = EventKind::AttemptFailed {
            attempt,
            error: Box::new(Failure::new(ErrorKind::Provider, "no answer")),
            resolution: what,
            retry_in_ms,
            usage: Usage::default(),
            cost: Cost::default(),
        };
        self.push(Some(step), failed)
    }

    pub(crate) fn failed(&mut self, step: &str) -> &mut Self {
        let Spent { usage, cost } = std::mem::take(&mut self.spent);
        let error = Arc::new(Failure::new(ErrorKind::Provider, "no answer"));
        self.push(
            Some(step),
            EventKind::StepFailed {
                error,
                on_error: "fail".to_owned(),
                usage,
                cost,
            },
        )
    }

    pub(crate) fn skipped(&mut self, step: &str) -> &mut Self {
        let text = "its `when` was false".to_owned();
        self.push(
            Some(step),
            EventKind::StepSkipped {
                reason: SkipWhy::WhenFalse,
                because: Vec::new(),
                text,
            },
        )
    }

    pub(crate) fn waits(&mut self, step: &str) -> &mut Self {
        self.push(
            Some(step),
            EventKind::StepWaiting {
                reason: QuestionKind::Question,
            },
        )
    }

    pub(crate) fn resumed(&mut self, step: &str) -> &mut Self {
        self.push(
            Some(step),
            EventKind::RunResumed {
                reason: "answer".to_owned(),
                by: Some("ann".to_owned()),
                owner: None,
                fence: None,
            },
        )
    }

    pub(crate) fn chosen(&mut self, route: &str, arm: &str) -> &mut Self {
        let (arm, by) = (arm.to_owned(), "value".to_owned());
        self.push(
            Some(route),
            EventKind::RouteChosen {
                arm,
                by,
                reason: None,
                key: None,
            },
        )
    }

    /// A model call of ten tokens in and five out.
    pub(crate) fn call(&mut self, step: &str, attempt: u32, cost: Nanousd) -> &mut Self {
        let call = CallId::new(&self.ids);
        let usage = Usage {
            input_tokens: 10,
            output_tokens: 5,
            requests: 1,
            ..Usage::default()
        };
        self.reserved(step, attempt, call).push(
            Some(step),
            EventKind::CallStarted {
                call,
                idempotency_key: "key".to_owned(),
                request: json!({"messages": []}),
            },
        );
        let succeeded = EventKind::CallSucceeded {
            call,
            usage,
            cost: Cost::of(cost),
            price: Some(Priced::UNPRICED.record()),
            finish_reason: Some("stop".to_owned()),
            response: json!({"text": "hello"}),
            estimated: false,
            first_token_ms: Some(1),
        };
        self.push(Some(step), succeeded)
    }

    pub(crate) fn call_id(&self) -> CallId {
        CallId::new(&self.ids)
    }

    pub(crate) fn reserved(&mut self, step: &str, attempt: u32, call: CallId) -> &mut Self {
        let reserved = EventKind::CallReserved {
            call,
            kind: CallKind::Model,
            model: Some("sim/echo".to_owned()),
            tool: None,
            agent: Some("writer".to_owned()),
            attempt,
            position: "0".to_owned(),
            reserved_nanousd: crate::money::cents(4),
            reserved_tokens: 4000,
            budgets: Vec::new(),
            max_tokens_clamped_to: None,
        };
        self.push(Some(step), reserved)
    }
}
