//! Pace: answers that are there at once take the time that one which has to be made would take, so that a viewer sees a
//! run at work.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use segue::Failure;
use segue::model::{Answered, Gate, Memory, Model, Request, Response};

/// Until the first word of an answer.
const THINKING: Duration = Duration::from_millis(350);
/// For each byte of it.
const SPEAKING: Duration = Duration::from_millis(3);
/// No answer takes longer.
const LONGEST: Duration = Duration::from_millis(2200);

/// A model whose answers take their time.
pub(super) struct Paced {
    model: Arc<dyn Model>,
    /// How many times faster than usual.
    speed: f64,
}

impl Paced {
    pub(super) fn new(model: Arc<dyn Model>, speed: f64) -> Self {
        Self { model, speed }
    }
}

/// How long an answer of so many bytes takes.
fn time(bytes: usize, speed: f64) -> Duration {
    let speaking = SPEAKING.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
    THINKING.saturating_add(speaking).min(LONGEST).div_f64(speed)
}

impl Model for Paced {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn answer<'a>(
        &'a self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        Box::pin(async move { self.answered(request).await.result })
    }

    fn answered<'a>(&'a self, request: &'a Request) -> Pin<Box<dyn Future<Output = Answered> + Send + 'a>> {
        Box::pin(async move {
            let answered = self.model.answered(request).await;
            let bytes = answered.result.as_ref().map_or(0, |response| response.text.len());
            tokio::time::sleep(time(bytes, self.speed)).await;
            answered
        })
    }

    fn gate(&self) -> Option<&dyn Gate> {
        self.model.gate()
    }

    fn memory(&self) -> Option<&dyn Memory> {
        self.model.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_answers_take_longer_and_speed_shortens_them() {
        assert_eq!(time(0, 1.0), THINKING);
        assert_eq!(time(100, 1.0), Duration::from_millis(650));
        assert_eq!(time(100, 2.0), Duration::from_millis(325));
        assert_eq!(time(usize::MAX, 1.0), LONGEST);
    }
}
