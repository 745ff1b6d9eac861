//! Every setting has an effect, every level can set it, and every higher level can switch it off again.

mod levels;
mod run;
mod table;
mod waits;

use std::time::Duration;

use segue::{Cx, Data, IntoStep, Out, Pipeline, Result, Step, StepError};

/// A step that takes so long.
struct Takes(Duration);

impl Step for Takes {
    type In = u64;
    type Out = u64;

    async fn run(&self, _cx: Cx, n: u64) -> Result<u64> {
        tokio::time::sleep(self.0).await;
        Ok(n)
    }
}

/// A step that fails for good.
async fn fails(_cx: Cx, _n: u64) -> Result<u64> {
    Err(StepError::fatal("no"))
}

/// A pipeline of one step `work`.
fn one<M, S>(step: S) -> Pipeline<S::In, S::Out>
where
    S: IntoStep<M>,
    S::In: Data,
{
    Pipeline::define("one", |p, input: Out<S::In>| p.step("work", step, input))
        .expect("one step is a pipeline")
}

/// Virtual time: what a test measures is exact.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a paused runtime is what is measured"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
