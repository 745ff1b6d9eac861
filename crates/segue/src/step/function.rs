//! Functions as steps: the context first, then one parameter per incoming edge.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::FutureExt;

use super::{Body, IntoStep, StepDefinition};
use crate::error::{ErrorKind, Result, StepError};
use crate::run::Cx;
use crate::value::Data;

/// Tells functions apart by their parameters.
pub struct ViaFn<P>(PhantomData<P>);

macro_rules! functions {
    ($input:ty, $pattern:pat, $($name:ident $value:ident),*) => {
        impl<Func, Fut, Out, $($name),*> IntoStep<ViaFn<($($name,)*)>> for Func
        where
            Func: Fn(Cx, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Out>> + Send + 'static,
            Out: Data,
            $($name: Send + 'static,)*
        {
            type In = $input;
            type Out = Out;

            fn into_definition(self) -> StepDefinition<Self::In, Out> {
                StepDefinition::new(Body::of(move |cx, $pattern| self(cx, $($value),*)))
            }
        }
    };
}

functions!((), (),);
functions!(A, a, A a);
functions!((A, B), (a, b), A a, B b);
functions!((A, B, C), (a, b, c), A a, B b, C c);
functions!((A, B, C, D), (a, b, c, d), A a, B b, C c, D d);
functions!((A, B, C, D, E), (a, b, c, d, e), A a, B b, C c, D d, E e);
functions!((A, B, C, D, E, F), (a, b, c, d, e, f), A a, B b, C c, D d, E e, F f);

/// A closure as a step.
pub struct FromFn<F>(F);

/// Tells closures apart by their parameters.
pub struct ViaFromFn<P>(PhantomData<P>);

/// A closure as a step: `from_fn(|_cx, report: Report| async move { Ok(report.size()) })`.
///
/// A closure that returns a future is a step by itself; this says so at the call site, and helps the compiler to find
/// the types of its parameters.
pub fn from_fn<F, In, Fut, Out>(function: F) -> FromFn<F>
where
    F: Fn(Cx, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
{
    FromFn(function)
}

impl<F, In, Fut, Out> IntoStep<ViaFromFn<(In,)>> for FromFn<F>
where
    F: Fn(Cx, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: Send + 'static,
    Out: Data,
{
    type In = In;
    type Out = Out;

    fn into_definition(self) -> StepDefinition<In, Out> {
        let function = self.0;
        StepDefinition::new(Body::of(function))
    }
}

/// A synchronous function as a step. It runs on the pool for blocking work, so that it holds up nothing else.
///
/// It cannot be aborted: when its attempt ends early it goes on by itself, and what it gives is thrown away.
pub fn blocking<F, In, Out>(
    function: F,
) -> FromFn<impl Fn(Cx, In) -> futures_util::future::BoxFuture<'static, Result<Out>> + Send + Sync + 'static>
where
    F: Fn(Cx, In) -> Result<Out> + Send + Sync + 'static,
    In: Send + 'static,
    Out: Send + 'static,
{
    let function = Arc::new(function);
    FromFn(move |cx: Cx, input: In| {
        let function = function.clone();
        async move {
            match tokio::task::spawn_blocking(move || function(cx, input)).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    // Caught where every panic of a step is.
                    Ok(payload) => std::panic::resume_unwind(payload),
                    Err(_) => Err(StepError::of(
                        ErrorKind::Cancelled,
                        "the pool for blocking work is shutting down",
                    )),
                },
            }
        }
        .boxed()
    })
}
