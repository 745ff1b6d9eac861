//! Maps and repeats in Rust.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::act::NestedAct;
use super::{Build, Out};
use crate::error::{Failure, Result, StepError};
use crate::plan::{Action, Each, Kind};
use crate::run::{Act, Cx, Done, Inputs, Phase};
use crate::settings::{OnError, Setting};
use crate::step::{Body, IntoStep, KeepErrors, StepDefinition, unfit};
use crate::value::{Data, Value};

/// Items of a map at once, where nothing says otherwise.
const MAX_PARALLEL: u32 = 8;
/// Most items of a map, where nothing says otherwise.
const MAX_ITEMS: u32 = 10_000;

/// What ends a repeat.
type Condition<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// The result of one item of a map that keeps errors: what it made, or why it failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Kept<T> {
    /// The item failed.
    Failed {
        /// Why.
        #[schemars(with = "serde_json::Value")]
        error: Box<Failure>,
    },
    /// What the item made.
    Made(T),
}

impl<T> Kept<T> {
    /// What the item made, if it did not fail.
    pub fn ok(self) -> Option<T> {
        match self {
            Kept::Made(value) => Some(value),
            Kept::Failed { .. } => None,
        }
    }

    /// Why the item failed, if it did.
    pub fn error(&self) -> Option<&Failure> {
        match self {
            Kept::Made(_) => None,
            Kept::Failed { error } => Some(error),
        }
    }
}

/// Anything that can be run over a list.
pub trait IntoMap<M> {
    /// One element.
    type In: Data;
    /// What becomes of one element.
    type Item: Data;
    /// The step.
    #[doc(hidden)]
    type Step: Data;
    /// The step, and whether failed items are kept.
    #[doc(hidden)]
    fn into_map(self) -> (StepDefinition<Self::In, Self::Step>, bool);
    /// What becomes of the output of an item.
    #[doc(hidden)]
    fn item(value: Value) -> std::result::Result<Self::Item, serde_json::Error>;
}

impl<S: IntoStep<M, In: Data>, M> IntoMap<M> for S {
    type In = S::In;
    type Item = S::Out;
    type Step = S::Out;

    fn into_map(self) -> (StepDefinition<S::In, S::Out>, bool) {
        (self.into_definition(), false)
    }

    fn item(value: Value) -> std::result::Result<S::Out, serde_json::Error> {
        value.take()
    }
}

/// Tells maps that keep errors apart from others.
pub struct ViaKeep<M>(PhantomData<M>);

impl<S: IntoStep<M, In: Data>, M> IntoMap<ViaKeep<M>> for KeepErrors<S, M> {
    type In = S::In;
    type Item = Kept<S::Out>;
    type Step = S::Out;

    fn into_map(self) -> (StepDefinition<S::In, S::Out>, bool) {
        (self.step.into_definition(), true)
    }

    fn item(value: Value) -> std::result::Result<Kept<S::Out>, serde_json::Error> {
        match value.get::<S::Out>() {
            Some(_) => value.take().map(Kept::Made),
            None => value.take(),
        }
    }
}

impl Build {
    /// Runs a step over each element of a list, side by side and bounded. The output is a list in the same order; an
    /// empty list gives an empty list.
    pub fn map<M, S>(&mut self, name: impl Into<String>, step: S, list: Out<Vec<S::In>>) -> Out<Vec<S::Item>>
    where
        S: IntoMap<M> + 'static,
        M: 'static,
    {
        let (mut definition, keep) = step.into_map();
        if keep {
            definition.settings.on_error = Setting::Is(OnError::Keep);
        }
        let wires = [list.wire()];
        let each = Each {
            list: None,
            name: "item".into(),
            max_parallel: definition.max_parallel.unwrap_or(MAX_PARALLEL),
            max_items: MAX_ITEMS,
        };
        let inputs = self.wires.sources(&wires);
        let agent = definition.agent.as_ref().map(|agent| agent.spec.name.clone());
        let nested = definition.nested.clone();
        let action = match nested {
            Some(nested) => Action::Pipeline {
                plan: nested.inner.program.plan.clone(),
                with: None,
                inputs,
            },
            None => Action::Function {
                inputs,
                agent,
                rounds: None,
                asks: definition.asked(),
            },
        };
        let act: Arc<dyn Act> = Arc::new(MapAct::<S, M> {
            body: definition.body.clone(),
            nested: definition.nested.is_some(),
            marker: PhantomData,
        });
        let at = self.add(name.into(), &wires, action, act, definition, Some(each));
        Out::new(self.wires.step(at))
    }

    /// Runs a step over its own output, until a condition holds or it has run often enough. The output of the last
    /// round is the output.
    pub fn repeat<M, T, S>(&mut self, name: impl Into<String>, step: S, first: Out<T>) -> RepeatBuilder<'_, T>
    where
        S: IntoStep<M, In = T, Out = T>,
        T: Data,
    {
        let definition = step.into_definition();
        RepeatBuilder {
            build: self,
            name: name.into(),
            definition,
            first,
            until: None,
        }
    }
}

/// The behaviour of a map: of the whole (it gives the items) and of one item.
struct MapAct<S: IntoMap<M>, M> {
    body: Body<S::In, S::Step>,
    nested: bool,
    marker: PhantomData<fn() -> M>,
}

impl<S: IntoMap<M>, M> Act for MapAct<S, M> {
    fn act(&self, cx: Cx, inputs: Inputs, phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let Inputs::One(value) = inputs else {
            return ready(Ok(Done::Expand(Value::list(Vec::new())))).boxed();
        };
        if cx.index().is_none() {
            let list = value.take::<Vec<S::In>>().map_err(|error| unfit(&error));
            return ready(
                list.map(|list| Done::Expand(Value::list(list.into_iter().map(Value::new).collect()))),
            )
            .boxed();
        }
        if self.nested {
            return NestedAct.act(cx, Inputs::One(value), phase);
        }
        self.body
            .call_with(cx, value.take().map_err(|error| unfit(&error)))
    }

    fn gather(&self, items: Vec<Value>) -> Value {
        let typed: std::result::Result<Vec<S::Item>, _> = items.iter().cloned().map(S::item).collect();
        match typed {
            Ok(items) => Value::new(items),
            // What does not fit its type here is an error where somebody takes it.
            Err(_) => Value::list(items),
        }
    }
}

/// A repeat in the making; `at_most` ends it.
pub struct RepeatBuilder<'b, T> {
    build: &'b mut Build,
    name: String,
    definition: StepDefinition<T, T>,
    first: Out<T>,
    until: Option<Condition<T>>,
}

impl<T: Data> RepeatBuilder<'_, T> {
    /// Ends the repeat when this is true of what a round made.
    #[must_use]
    pub fn until(mut self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.until = Some(Arc::new(condition));
        self
    }

    /// Most rounds. When the condition never held, the output of the last round is the output.
    pub fn at_most(self, rounds: u32) -> Out<T> {
        let RepeatBuilder {
            build,
            name,
            mut definition,
            first,
            until,
        } = self;
        definition.kind = Kind::Repeat;
        let wires = [first.wire()];
        let inputs = build.wires.sources(&wires);
        let agent = definition.agent.as_ref().map(|agent| agent.spec.name.clone());
        let action = Action::Function {
            inputs,
            agent,
            rounds: Some(rounds.max(1)),
            asks: definition.asked(),
        };
        let act: Arc<dyn Act> = Arc::new(RoundAct {
            body: definition.body.clone(),
            until,
        });
        let at = build.add(name, &wires, action, act, definition, None);
        Out::new(build.wires.step(at))
    }
}

struct RoundAct<T> {
    body: Body<T, T>,
    until: Option<Condition<T>>,
}

impl<T: Data> Act for RoundAct<T> {
    fn act(&self, cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let input = match inputs {
            Inputs::One(value) => value.take::<T>().map_err(|error| unfit(&error)),
            _ => Err(StepError::of(
                crate::ErrorKind::Internal,
                "a round takes one value",
            )),
        };
        let body = self.body.call_with(cx, input);
        let until = self.until.clone();
        async move {
            let done = body.await?;
            Ok(match done {
                Done::Output(output) => {
                    let last = until.is_some_and(|until| output.get::<T>().is_some_and(|made| until(made)));
                    Done::Round { output, last }
                }
                other => other,
            })
        }
        .boxed()
    }
}
