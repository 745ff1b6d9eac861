//! The gate of a model, as a call goes through it: every wait is written down when it begins, and the pass goes with the
//! call until its outcome is known.

use crate::clock::Time;
use crate::error::Failure;
use crate::id::CallId;
use crate::log::EventKind;
use crate::model::{Chosen, Pass, Request, Wait};
use crate::run::cx::Cx;

/// Waits until the call may be sent. The time counts for the attempt that makes it, whose deadline may end the wait.
///
/// # Errors
/// When it is not let through.
pub(super) async fn passed(
    cx: &Cx,
    id: CallId,
    model: &Chosen,
    request: &Request,
) -> Result<Option<Box<dyn Pass>>, Failure> {
    let Some(gate) = model.model.gate() else {
        return Ok(None);
    };
    let clock = cx.state().run.log.clock();
    let told = |wait: Wait| {
        cx.event(EventKind::CallWaiting {
            call: id,
            reason: wait.reason.as_str().into(),
            until: wait.at_least.map(|at_least| later(clock.time(), at_least)),
        });
        cx.write_soon();
    };
    gate.enter(request, &told).await.map(Some)
}

fn later(now: Time, by: std::time::Duration) -> Time {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(now.micros().saturating_add(by))
}
