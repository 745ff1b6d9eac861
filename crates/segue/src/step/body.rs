//! Bodies: the behaviour of a step, with the type of what it makes erased where its future is boxed, so that an attempt
//! costs one box.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::error::{Result, StepError, Why};
use crate::run::{Cx, Done};
use crate::schema::Schema;
use crate::value::{Data, Value};

/// Behaviour that takes an `In` and makes an `Out`. Cloning copies a pointer.
pub(crate) struct Body<In, Out> {
    call: Arc<dyn Fn(Cx, In) -> Making + Send + Sync>,
    output: PhantomData<fn() -> Out>,
}

/// An output on its way.
pub(crate) type Making = BoxFuture<'static, Result<Done>>;

impl<In, Out> Clone for Body<In, Out> {
    fn clone(&self) -> Self {
        Self {
            call: self.call.clone(),
            output: PhantomData,
        }
    }
}

impl<In, Out: Data> Body<In, Out> {
    /// The body of a function.
    pub(crate) fn of<Fut>(function: impl Fn(Cx, In) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<Out>> + Send + 'static,
    {
        Self {
            call: Arc::new(move |cx, input| function(cx, input).map(done).boxed()),
            output: PhantomData,
        }
    }

    /// Makes the future of one attempt.
    pub(crate) fn call(&self, cx: Cx, input: In) -> Making {
        (self.call)(cx, input)
    }

    /// Makes the future of one attempt, or that of the error of its input.
    pub(crate) fn call_with(&self, cx: Cx, input: Result<In>) -> Making {
        match input {
            Ok(input) => self.call(cx, input),
            Err(error) => ready(Err(error)).boxed(),
        }
    }
}

fn done<Out: Data>(made: Result<Out>) -> Result<Done> {
    match made {
        Ok(output) => Ok(Done::Output(Value::new(output))),
        Err(error) => Err(shaped::<Out>(error)),
    }
}

/// The form of an incomplete output is known from the type of the output: a missing number is asked for as a number.
fn shaped<Out: Data>(error: StepError) -> StepError {
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
