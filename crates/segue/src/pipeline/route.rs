//! Routes in Rust: an enum chooses which steps run.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use indexmap::IndexMap;

use super::{Build, Out};
use crate::error::{Result, StepError};
use crate::fault::{Code, Fault};
use crate::plan::{Action, Arm, Kind, RouteBy, Source};
use crate::run::{Act, Choice, Cx, Done, Inputs, Phase};
use crate::step::{Body, StepDefinition, unfit};
use crate::value::{Data, Value};

/// A choice between named arms. Derived for enums without fields: `#[derive(Clone, Copy, Route)]`.
pub trait Route: Data {
    /// The names of all arms, in declaration order.
    const ARMS: &'static [&'static str];

    /// The name of the arm this is.
    fn arm(&self) -> &'static str;

    /// The arm of this name.
    fn from_arm(name: &str) -> Option<Self>;

    /// All arms, in declaration order.
    fn all() -> Vec<Self>;
}

impl Build {
    /// Chooses between arms by a value that is there already. Every arm of `R` gets its steps with `when`; then
    /// `merge` gives the output of whichever was taken.
    pub fn route<R: Route>(&mut self, name: impl Into<String>, choice: Out<R>) -> RouteBuilder<'_, R> {
        let name = name.into();
        let wire = choice.wire();
        let source = self.wires.source(wire);
        let action = Action::Route {
            by: RouteBy::Value(source),
            arms: IndexMap::new(),
            otherwise: None,
        };
        let mut definition = StepDefinition::new(Body::<R, R>::of(|_, _| {
            ready(Err(StepError::of(
                crate::ErrorKind::Internal,
                "a route has no body",
            )))
        }));
        definition.kind = Kind::Route;
        let act: Arc<dyn Act> = Arc::new(ChooseAct::<R>(PhantomData));
        let at = self.add(name.clone(), &[wire], action, act, definition, None);
        self.steps[at as usize].step.output_schema = None;
        RouteBuilder {
            build: self,
            name,
            at,
            choice: PhantomData,
        }
    }
}

/// A route in the making, before its first arm.
pub struct RouteBuilder<'b, R> {
    build: &'b mut Build,
    name: String,
    at: u32,
    choice: PhantomData<fn() -> R>,
}

impl<'b, R: Route> RouteBuilder<'b, R> {
    /// The steps of an arm; its output is what the closure returns.
    pub fn when<T: Data>(self, arm: R, define: impl FnOnce(&mut Build) -> Out<T>) -> RouteWith<'b, R, T> {
        RouteWith {
            route: self,
            outputs: Vec::new(),
        }
        .when(arm, define)
    }
}

/// A route in the making whose arms give a `T`.
pub struct RouteWith<'b, R, T> {
    route: RouteBuilder<'b, R>,
    outputs: Vec<(&'static str, Out<T>)>,
}

impl<R: Route, T: Data> RouteWith<'_, R, T> {
    /// The steps of another arm; its output is what the closure returns.
    #[must_use]
    pub fn when(mut self, arm: R, define: impl FnOnce(&mut Build) -> Out<T>) -> Self {
        let name = arm.arm();
        let RouteBuilder {
            build,
            name: route,
            at,
            ..
        } = &mut self.route;
        if self.outputs.iter().any(|(known, _)| *known == name) {
            let message = format!("route `{route}` has two arms for `{name}`");
            build
                .faults
                .push(Fault::new(Code::DuplicateName, message).step(route.clone()));
        }
        let first = build.steps.len() as u32;
        let outer = build.arm.replace((*at, name.to_owned()));
        let output = define(build);
        build.arm = outer;
        let members: Vec<u32> = (first..build.steps.len() as u32)
            .filter(|step| {
                build.steps[*step as usize]
                    .step
                    .arm
                    .as_ref()
                    .is_some_and(|arm| arm.route == *at)
            })
            .collect();
        if let Action::Route { arms, .. } = &mut build.steps[*at as usize].step.action {
            arms.insert(name.to_owned(), Arm::Steps(members));
        }
        self.outputs.push((name, output));
        self
    }

    /// The output of whichever arm was taken.
    pub fn merge(self) -> Out<T> {
        let RouteBuilder { build, name, .. } = self.route;
        for arm in R::ARMS {
            if !self.outputs.iter().any(|(known, _)| known == arm) {
                let message = format!("route `{name}` has no arm for `{arm}`");
                build
                    .faults
                    .push(Fault::new(Code::MissingArm, message).step(name.clone()));
            }
        }
        let sources: Vec<Source> = self
            .outputs
            .iter()
            .map(|(_, out)| build.wires.source(out.wire()))
            .collect();
        Out::new(build.wires.add(Source::First(sources)))
    }
}

struct ChooseAct<R>(PhantomData<fn() -> R>);

impl<R: Route> Act for ChooseAct<R> {
    fn act(&self, _cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let value = match inputs {
            Inputs::One(value) => value,
            _ => Value::null(),
        };
        let chosen = value.take::<R>().map_err(|error| unfit(&error)).map(|choice| {
            let arm = choice.arm().to_owned();
            Done::Choose(Box::new(Choice {
                arm,
                by: "value".into(),
                reason: None,
                key: None,
            }))
        });
        ready(chosen).boxed()
    }
}
