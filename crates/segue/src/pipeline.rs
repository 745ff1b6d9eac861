//! Pipelines in Rust: steps with typed edges, defined once, run many times.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::PlanError;
use crate::fault::{Code, Fault, Faults};
use crate::plan::{
    Action, Each, FailurePolicy, Input, Kind, Need, NeedKind, Output, Plan, PlannedAgent, RunSettings,
    Source, StartMode, Step,
};
use crate::run::{Parts, Program};
use crate::runner::Start;
use crate::schema::Schema;
use crate::settings::{OnError, RetryLayer, Setting, Settings};
use crate::step::{IntoStep, StepDefinition, Use};
use crate::tool::Tool;
use crate::value::Data;

mod act;
mod map;
mod route;
mod wire;

pub use map::{IntoMap, Kept, RepeatBuilder};
pub use route::{Route, RouteBuilder, RouteWith};
pub use wire::{IntoInput, Out};

use act::FunctionAct;
pub(crate) use act::NestedAct;
use wire::Wires;

/// A pipeline from `In` to `Out`. Cheap to clone; a clone is the same pipeline.
pub struct Pipeline<In, Out> {
    pub(crate) inner: Arc<Inner>,
    types: PhantomData<fn(In) -> Out>,
}

/// What a pipeline is besides its types.
pub(crate) struct Inner {
    pub(crate) program: Arc<Program>,
    pub(crate) uses: Vec<(String, Use)>,
    /// Agents of the definition with the tools of the program they were given.
    pub(crate) agents: Vec<DefinedAgent>,
    pub(crate) warnings: Faults,
}

/// An agent of a definition.
#[derive(Clone)]
pub(crate) struct DefinedAgent {
    /// What it is found by: pipelines inside may have other agents of the same name.
    pub(crate) key: String,
    pub(crate) spec: Arc<PlannedAgent>,
    /// The tools of the program it was given.
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    /// The plan of a pipeline file it is used in: limits of tools, and agents it may ask.
    pub(crate) plan: Option<Arc<Plan>>,
}

impl DefinedAgent {
    pub(crate) fn of_plan(
        plan: Option<&Arc<Plan>>,
        spec: Arc<PlannedAgent>,
        tools: Vec<Arc<dyn Tool>>,
    ) -> Self {
        let plan = plan.cloned();
        Self {
            key: crate::run::key_of(plan.as_deref(), &spec),
            spec,
            tools,
            plan,
        }
    }
}

/// A pipeline inside another.
#[derive(Clone)]
pub(crate) struct Nested {
    pub(crate) inner: Arc<Inner>,
}

impl<In, Out> Clone for Pipeline<In, Out> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            types: PhantomData,
        }
    }
}

impl<In: Data, Output: Data> Pipeline<In, Output> {
    /// Defines a pipeline: the closure gets a builder and the handle of the input, adds steps, and returns the handle
    /// of the output. Nothing runs.
    ///
    /// ```
    /// use segue::{Cx, Pipeline, Result};
    ///
    /// async fn double(_cx: Cx, n: u64) -> Result<u64> {
    ///     Ok(n * 2)
    /// }
    ///
    /// async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    ///     Ok(a + b)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pipeline = Pipeline::define("sum", |p, n| {
    ///     let left = p.step("left", double, n);
    ///     let right = p.step("right", double, n);
    ///     p.step("sum", add, (left, right))
    /// })?;
    /// let done = pipeline.run(10).await?;
    /// assert_eq!(done.output, 40);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Every fault of the definition at once.
    pub fn define(
        name: impl Into<String>,
        define: impl FnOnce(&mut Build, Out<In>) -> Out<Output>,
    ) -> Result<Self, PlanError> {
        let mut build = Build::new(name.into());
        let input = Out::new(build.wires.input());
        let output = define(&mut build, input);
        let source = build.wires.source(output.wire());
        let inner = build.finish(source, Schema::of::<In>(), Schema::of::<Output>())?;
        Ok(Self {
            inner: Arc::new(inner),
            types: PhantomData,
        })
    }

    /// Runs the pipeline here: await what it gives. Settings of this run come first: `.budget(cents(10))`.
    pub fn run(&self, input: In) -> Start<In, Output> {
        Start::new(self.clone(), input)
    }
}

impl<In, Output> Pipeline<In, Output> {
    pub(crate) fn of(inner: Inner) -> Self {
        Self::shared(Arc::new(inner))
    }

    pub(crate) fn shared(inner: Arc<Inner>) -> Self {
        let types = PhantomData;
        Self { inner, types }
    }

    /// The checked plan: it can be stored, hashed, compared and drawn.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.inner.program.plan
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.program.plan.name
    }

    /// What is probably not meant, but no fault.
    #[must_use]
    pub fn warnings(&self) -> &Faults {
        &self.inner.warnings
    }
}

/// Tells nested pipelines apart from other steps.
pub struct ViaPipeline;

impl<In: Data, Output: Data> IntoStep<ViaPipeline> for &Pipeline<In, Output> {
    type In = In;
    type Out = Output;

    fn into_definition(self) -> StepDefinition<In, Output> {
        let nested = Nested {
            inner: self.inner.clone(),
        };
        let body = crate::step::Body::of(|_, _| {
            std::future::ready(Err(crate::StepError::of(
                crate::ErrorKind::Internal,
                "a nested pipeline is run by the run it is in",
            )))
        });
        StepDefinition {
            kind: Kind::Pipeline,
            nested: Some(nested),
            ..StepDefinition::new(body)
        }
    }
}

impl<In: Data, Output: Data> IntoStep<ViaPipeline> for Pipeline<In, Output> {
    type In = In;
    type Out = Output;

    fn into_definition(self) -> StepDefinition<In, Output> {
        (&self).into_definition()
    }
}

/// A definition in the making.
pub struct Build {
    name: String,
    title: Option<String>,
    description: Option<String>,
    labels: indexmap::IndexMap<String, String>,
    run: RunSettings,
    defaults: Settings,
    policies: indexmap::IndexMap<String, RetryLayer>,
    steps: Vec<Drafted>,
    wires: Wires,
    uses: Vec<(String, Use)>,
    agents: Vec<DefinedAgent>,
    faults: Faults,
    /// The arm that steps belong to at this point of the definition.
    arm: Option<(u32, String)>,
}

/// A step in the making.
pub(crate) struct Drafted {
    step: Step,
    act: Arc<dyn crate::run::Act>,
    nested: Option<Nested>,
}

impl Build {
    fn new(name: String) -> Self {
        Self {
            name,
            title: None,
            description: None,
            labels: indexmap::IndexMap::new(),
            run: RunSettings::default(),
            defaults: Settings::default(),
            policies: indexmap::IndexMap::new(),
            steps: Vec::new(),
            wires: Wires::default(),
            uses: Vec::new(),
            agents: Vec::new(),
            faults: Faults::new(),
            arm: None,
        }
    }

    /// Adds a step under a name. It starts as soon as everything it takes is there; steps that need the same thing run
    /// side by side. The name identifies the step in the log for good.
    pub fn step<M, S, I>(&mut self, name: impl Into<String>, step: S, input: I) -> Out<S::Out>
    where
        S: IntoStep<M>,
        I: IntoInput<S::In>,
    {
        let definition = step.into_definition();
        let wires = input.wires();
        let (action, act): (Action, Arc<dyn crate::run::Act>) = match &definition.nested {
            Some(nested) => {
                let plan = nested.inner.program.plan.clone();
                (
                    Action::Pipeline {
                        plan,
                        with: None,
                        inputs: self.wires.sources(&wires),
                    },
                    Arc::new(NestedAct),
                )
            }
            None => {
                let agent = definition.agent.as_ref().map(|agent| agent.spec.name.clone());
                let inputs = self.wires.sources(&wires);
                let act = FunctionAct::new(definition.body.clone(), I::take);
                (
                    Action::Function {
                        inputs,
                        agent,
                        rounds: None,
                        asks: definition.asked(),
                    },
                    Arc::new(act),
                )
            }
        };
        let at = self.add(name.into(), &wires, action, act, definition, None);
        Out::new(self.wires.step(at))
    }

    /// The human name of the pipeline.
    pub fn title(&mut self, title: impl Into<String>) -> &mut Self {
        self.title = Some(title.into());
        self
    }

    /// What the pipeline is for.
    pub fn description(&mut self, text: impl Into<String>) -> &mut Self {
        self.description = Some(text.into());
        self
    }

    /// A label for filters.
    pub fn label(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// The lowest level of settings of all steps.
    pub fn defaults(&mut self, settings: Settings) -> &mut Self {
        self.defaults.lay(&settings);
        self
    }

    /// A named retry policy. The name `default` applies where nothing else does, the name of a step to that step.
    pub fn policy(&mut self, name: impl Into<String>, policy: RetryLayer) -> &mut Self {
        self.policies.insert(name.into(), policy);
        self
    }

    /// The total of a run.
    pub fn budget(&mut self, budget: impl Into<Budget>) -> &mut Self {
        self.run.budget = Some(budget.into());
        self
    }

    /// The deadline of a run; waiting for people does not count.
    pub fn timeout(&mut self, limit: std::time::Duration) -> &mut Self {
        self.run.timeout = Some(limit);
        self
    }

    /// Most attempts at once; 64 where nothing says otherwise.
    pub fn max_parallel(&mut self, attempts: u32) -> &mut Self {
        self.run.max_parallel = attempts.max(1);
        self
    }

    /// What a failed step means for steps that do not depend on it.
    pub fn failure(&mut self, policy: FailurePolicy) -> &mut Self {
        self.run.failure = policy;
        self
    }

    // ---- for routes, maps and repeats

    fn add<In, T>(
        &mut self,
        name: String,
        wires: &[u32],
        action: Action,
        act: Arc<dyn crate::run::Act>,
        definition: StepDefinition<In, T>,
        each: Option<Each>,
    ) -> u32
    where
        T: Data,
    {
        let at = self.steps.len() as u32;
        let mut read = Vec::new();
        for wire in wires {
            Program::first_steps(&self.wires.source(*wire), &mut read);
        }
        read.sort_unstable();
        read.dedup();
        let needs = read
            .into_iter()
            .map(|step| Need {
                step,
                kind: NeedKind::Data,
            })
            .collect();
        self.uses
            .extend(definition.uses.iter().map(|used| (name.clone(), *used)));
        for agent in definition.agent.into_iter().chain(definition.asks) {
            match self
                .agents
                .iter()
                .find(|known| known.spec.name == agent.spec.name)
            {
                Some(known) if known.spec != agent.spec => {
                    let message = format!("agent `{}` is defined twice, and differently", agent.spec.name);
                    self.faults
                        .push(Fault::new(Code::DuplicateName, message).step(name.clone()));
                }
                Some(_) => {}
                None => self.agents.push(agent),
            }
        }
        let kind = if each.is_some() {
            Kind::Map
        } else {
            definition.kind
        };
        let arm = self.arm.as_ref().map(|(route, arm)| crate::plan::Membership {
            route: *route,
            arm: arm.clone(),
        });
        self.steps.push(Drafted {
            step: Step {
                name,
                title: definition.title,
                kind,
                action,
                needs,
                arm,
                when: None,
                each,
                standby: false,
                settings: definition.settings,
                context: crate::plan::Context::None,
                complete: crate::plan::Complete::Schema,
                artifacts: Vec::new(),
                output_schema: Some(Schema::of::<T>()),
                reads: Vec::new(),
            },
            act,
            nested: definition.nested,
        });
        at
    }

    /// A step that stands in for another when that fails never starts by itself.
    fn keep_stand_ins_in_reserve(&mut self) {
        let levels = |step: &Step| {
            let own = [&self.defaults, &step.settings];
            own.into_iter().rev().find_map(|level| match &level.on_error {
                Setting::Is(on_error) => Some(on_error.clone()),
                Setting::Off => Some(OnError::Fail),
                Setting::Inherit => None,
            })
        };
        let mut targets = Vec::new();
        for drafted in &self.steps {
            if let Some(OnError::Run(target)) = levels(&drafted.step) {
                targets.push((drafted.step.name.clone(), target));
            }
        }
        for (step, target) in targets {
            match self.steps.iter_mut().find(|drafted| drafted.step.name == target) {
                Some(drafted) => drafted.step.standby = true,
                None => {
                    let message =
                        format!("step `{step}` is to be replaced by `{target}`, and there is no such step");
                    self.faults
                        .push(Fault::new(Code::UnknownStep, message).step(step));
                }
            }
        }
    }

    fn finish(mut self, output: Source, input: Schema, output_schema: Schema) -> Result<Inner, PlanError> {
        if self.steps.is_empty() {
            let message = format!("pipeline `{}` has no steps", self.name);
            self.faults.push(Fault::new(Code::EmptyDefinition, message));
        }
        self.keep_stand_ins_in_reserve();
        let mut acts = Vec::with_capacity(self.steps.len());
        let mut children = Vec::with_capacity(self.steps.len());
        let mut steps = Vec::with_capacity(self.steps.len());
        let mut inside = Vec::new();
        for drafted in self.steps {
            children.push(match &drafted.nested {
                Some(nested) => vec![(String::new(), nested.inner.program.clone())],
                None => Vec::new(),
            });
            if let Some(nested) = drafted.nested {
                self.uses.extend(nested.inner.uses.iter().cloned());
                inside.extend(nested.inner.agents.iter().cloned());
            }
            acts.push(drafted.act);
            steps.push(drafted.step);
        }
        // What a pipeline uses is used by whoever calls it as a tool, too.
        for agent in &self.agents {
            let called = agent.tools.iter().filter_map(|tool| tool.pipeline());
            self.uses
                .extend(called.flat_map(|pipeline| pipeline.0.uses.clone()));
        }
        let agents = self
            .agents
            .iter()
            .map(|agent| (agent.spec.name.clone(), agent.spec.clone()))
            .collect();
        self.agents.extend(inside);
        let plan = Plan {
            version: 1,
            name: self.name,
            title: self.title,
            description: self.description,
            labels: self.labels,
            input: Input::Value(input),
            key: None,
            start: StartMode::Auto,
            steps,
            output: Output::From(output),
            output_schema: Some(output_schema),
            run: self.run,
            defaults: self.defaults,
            policies: self.policies,
            models: indexmap::IndexMap::new(),
            agents,
            tools: indexmap::IndexMap::new(),
            artifacts: Vec::new(),
            on_failure: None,
            pattern: None,
        };
        crate::plan::check::check(&plan, &mut self.faults);
        if self.faults.has_errors() {
            return Err(PlanError::new(plan.name, self.faults));
        }
        let parts = Parts {
            acts,
            finish: None,
            children,
            fallback: None,
            reads_facts: false,
            borrows: false,
        };
        let program = Arc::new(Program::new(Arc::new(plan), parts));
        Ok(Inner {
            program,
            uses: self.uses,
            agents: self.agents,
            warnings: self.faults,
        })
    }
}
