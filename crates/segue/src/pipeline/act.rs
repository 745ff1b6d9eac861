//! Typed behaviour behind the one untyped seam: the only place where types are erased.

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::wire::Carried;
use crate::error::{Result, StepError, Why};
use crate::run::{Act, Cx, Done, Inputs, Phase};
use crate::schema::Schema;
use crate::step::TypedBody;
use crate::value::{Data, Value};

/// A typed step.
pub(super) struct FunctionAct<In, Out> {
    body: TypedBody<In, Out>,
    take: fn(Carried) -> Result<In>,
}

impl<In, Out> FunctionAct<In, Out> {
    pub(super) fn new(body: TypedBody<In, Out>, take: fn(Carried) -> Result<In>) -> Self {
        Self { body, take }
    }
}

impl<In: Send + 'static, Out: Data> Act for FunctionAct<In, Out> {
    fn act(&self, cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let input = match (self.take)(Carried(inputs)) {
            Ok(input) => input,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let body = (self.body)(cx, input);
        async move {
            match body.await {
                Ok(output) => Ok(Done::Output(Value::new(output))),
                Err(error) => Err(shaped::<Out>(error)),
            }
        }
        .boxed()
    }
}

/// The form of an incomplete output is known from the type of the output: a missing number is asked for as a number.
pub(super) fn shaped<Out: Data>(error: StepError) -> StepError {
    match error.into_why() {
        Why::Waits(mut ask) if ask.completes => {
            ask.form = Schema::of::<Out>().only(&ask.missing).unwrap_or(ask.form);
            (*ask).into()
        }
        Why::Waits(ask) => (*ask).into(),
        Why::Failed(failure) => failure.into(),
        Why::Again { reason } => StepError::again(reason),
    }
}

/// A pipeline inside another: what goes in goes in.
pub(super) struct NestedAct;

impl Act for NestedAct {
    fn act(&self, _cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let input = match inputs {
            Inputs::One(value) => value,
            _ => Value::null(),
        };
        ready(Ok(Done::Enter(input))).boxed()
    }
}
