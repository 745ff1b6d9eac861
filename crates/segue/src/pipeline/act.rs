//! Typed behaviour behind the one untyped seam.

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::wire::Carried;
use crate::error::{Result, StepError};
use crate::run::{Act, Cx, Done, Inputs, Phase};
use crate::step::Body;
use crate::value::{Data, Value};

/// A typed step.
pub(super) struct FunctionAct<In, Out> {
    body: Body<In, Out>,
    take: fn(Carried) -> Result<In>,
}

impl<In, Out> FunctionAct<In, Out> {
    pub(super) fn new(body: Body<In, Out>, take: fn(Carried) -> Result<In>) -> Self {
        Self { body, take }
    }
}

impl<In: Send + 'static, Out: Data> Act for FunctionAct<In, Out> {
    fn act(&self, cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        self.body.call_with(cx, (self.take)(Carried(inputs)))
    }
}

/// A pipeline inside another: what goes in goes in.
pub(crate) struct NestedAct;

impl Act for NestedAct {
    fn act(&self, _cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let input = match inputs {
            Inputs::One(value) => value,
            _ => Value::null(),
        };
        ready(Ok(Done::Enter(input))).boxed()
    }
}
