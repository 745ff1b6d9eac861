//! Attempts inside a step: a part of an imperative pipeline that is tried again for a reason.

use super::cx::Cx;
use crate::error::{Cause, ErrorKind, Failure, Result, StepError, Why};

/// Attempts inside a step. Made by [`Cx::retry`].
pub struct Retrying {
    cx: Cx,
    label: String,
    attempts: u32,
}

/// One attempt inside a step.
#[derive(Debug, Clone)]
pub struct Attempt {
    number: u32,
    reason: Option<String>,
}

impl Attempt {
    /// From 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Why the attempt before was refused; none in the first.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Asks for another attempt.
    pub fn again(&self, reason: impl Into<String>) -> StepError {
        StepError::again(reason)
    }
}

impl Retrying {
    pub(super) fn new(cx: Cx, label: &str) -> Self {
        Self {
            cx,
            label: label.to_owned(),
            attempts: 3,
        }
    }

    /// All attempts; 3 where nothing says otherwise.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Runs attempts until one succeeds, fails fatally, or none is left.
    ///
    /// # Errors
    /// A fatal error as it is; kind `exhausted` with every reason when no attempt is left and the last asked for another.
    // Not `AsyncFn`: nothing can say yet that the future of one is `Send`, which every step has to be.
    pub async fn run<T, F, Fut>(self, body: F) -> Result<T>
    where
        F: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let Retrying { cx, label, attempts } = self;
        let mut causes: Vec<Cause> = Vec::new();
        let mut reason = None;
        for number in 1..=attempts {
            let error = match body(Attempt {
                number,
                reason: reason.clone(),
            })
            .await
            {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let (kind, message, failure) = match error.into_why() {
                Why::Waits(ask) => return Err(StepError::from(*ask)),
                Why::Failed(failure) if !failure.retryable => return Err(failure.into()),
                Why::Failed(failure) => (Some(failure.kind), failure.message.clone(), Some(failure)),
                Why::Again { reason } => (None, reason, None),
            };
            cx.note(format!(
                "{label}: attempt {number} of {attempts} was refused: {message}"
            ));
            causes.push(Cause {
                kind,
                message: message.clone(),
                attempt: Some(number),
                step: Some(cx.path()),
            });
            if number == attempts {
                let mut failure = failure.unwrap_or_else(|| {
                    let message =
                        format!("`{label}` used all {attempts} attempts; the last was refused: {message}");
                    Failure::new(ErrorKind::Exhausted, message)
                });
                failure.retryable = false;
                failure.causes = causes;
                return Err(failure.into());
            }
            reason = Some(message);
        }
        Err(StepError::of(ErrorKind::Internal, "no attempt was made"))
    }
}
