//! Faults: what is said when a provider gives no answer. The one place where what came from outside becomes a message: at
//! most 2 KB of it, and never our key.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use segue::{ErrorKind, Failure, Spent, Usage};
use serde_json::Value as Json;

use crate::pause;
use crate::provider::Provider;
use crate::wire::Broken;

/// The most of an answer that is repeated, in bytes.
const MOST_SHOWN: usize = 2 << 10;

/// Says what went wrong, for one model.
pub(crate) struct Faults<'a> {
    /// `provider/model`.
    pub(crate) name: &'a str,
    pub(crate) provider: &'a Provider,
}

impl Faults<'_> {
    /// An answer with a status that is none of success.
    pub(crate) fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        if status.is_redirection() {
            return self.moved(status, headers);
        }
        let text = String::from_utf8_lossy(body);
        let json = serde_json::from_str::<Json>(&text).unwrap_or(Json::Null);
        let said = self.shown(said_by(&json).unwrap_or(&text));
        let kind = kind_of(status.as_u16());
        let message = format!("`{}` answered {}{said}", self.name, status.as_u16());
        let mut failure = self.hinted(Failure::new(kind, message), status);
        if status.is_client_error() {
            // It was turned away before a model saw it: nothing was used.
            failure.spent = Some(Spent::default());
        }
        // Some providers say themselves what their status does not.
        match headers.get("x-should-retry").and_then(|word| word.to_str().ok()) {
            Some("true") => failure.retryable = true,
            Some("false") => failure.retryable = false,
            _ => {}
        }
        if is_used_up(&json) {
            failure.retryable = false;
            let provider = &self.provider.name;
            failure.hints.push(format!(
                "raise what the account at provider `{provider}` may spend, or give the agent a second model to fall back to"
            ));
        }
        self.paused(failure, headers)
    }

    /// Whether to wait, and for how long.
    fn paused(&self, mut failure: Failure, headers: &HeaderMap) -> Failure {
        let Some(pause) = pause::asked(headers).filter(|_| failure.retryable) else {
            return failure;
        };
        failure.retry_after_ms = Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        if pause > pause::LONGEST {
            failure.retryable = false;
            let asked = pause.as_secs();
            failure.message.push_str(&format!(
                "; it asks to wait {asked}s, and at most {}s are waited",
                pause::LONGEST.as_secs()
            ));
            failure
                .hints
                .push("use another model, or give the agent a second one to fall back to".to_owned());
        }
        failure
    }

    fn hinted(&self, failure: Failure, status: StatusCode) -> Failure {
        let provider = &self.provider.name;
        match (status.as_u16(), &self.provider.key) {
            (401 | 403, None) => failure.hint(format!("set the key of provider `{provider}`")),
            (401 | 403, Some(_)) => failure.hint(format!(
                "check the key of provider `{provider}`, and what it may do"
            )),
            (404, _) => failure.hint(format!(
                "check the name of the model, and `base_url` of provider `{provider}`"
            )),
            _ => failure,
        }
    }

    /// It wants to be asked elsewhere. Not followed: the key would go there too.
    fn moved(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let to = headers
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .unwrap_or("nowhere");
        let to = match self.provider.base_url.join(to) {
            Ok(url) => url.host_str().unwrap_or("nowhere").to_owned(),
            Err(_) => "nowhere".to_owned(),
        };
        let message = format!(
            "`{}` answered {} and sends on to `{}`, which is not followed: the key would go there too",
            self.name,
            status.as_u16(),
            self.masked(&to)
        );
        let mut failure = Failure::new(ErrorKind::BadRequest, message).hint(format!(
            "set `base_url` of provider `{}` to where it is now",
            self.provider.name
        ));
        failure.spent = Some(Spent::default());
        failure
    }

    /// What came with success and is no answer.
    pub(crate) fn broken(&self, broken: &Broken) -> Failure {
        match broken {
            Broken::Reply(did) => {
                Failure::new(ErrorKind::Provider, format!("`{}` {}", self.name, self.cut(did)))
            }
            Broken::Error(error) => {
                let text = error.to_string();
                let said = self.shown(said_by(error).unwrap_or(&text));
                let message = format!("`{}` gave up with an error{said}", self.name);
                Failure::new(kind_of_error(error), message)
            }
        }
    }

    /// What came is no answer at all.
    pub(crate) fn no_answer(&self, what: &str, head: &str) -> Failure {
        let message = format!("`{}` {what}{}", self.name, self.shown(head));
        Failure::new(ErrorKind::Provider, message)
    }

    /// No connection could be made, so that nothing was sent.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let host = self.provider.host();
        let message = format!(
            "`{}`: no connection to `{host}`: {}",
            self.name,
            self.cut(&causes(error))
        );
        Failure::new(ErrorKind::Network, message).hint(format!(
            "check that `{host}` can be reached, and `base_url` of provider `{}`",
            self.provider.name
        ))
    }

    /// The connection broke when the request was sent and no answer had begun.
    pub(crate) fn lost(&self, error: &reqwest::Error) -> Failure {
        let message = format!(
            "`{}`: the connection to `{}` was lost before an answer: {}",
            self.name,
            self.provider.host(),
            self.cut(&causes(error))
        );
        Failure::new(ErrorKind::Network, message)
    }

    /// Nothing came for too long.
    pub(crate) fn silent(&self, limit: &str, after: Duration, what: &str) -> Failure {
        let message = format!("`{}` {what} within {}s", self.name, after.as_secs());
        Failure::new(ErrorKind::Timeout, message).limit(limit, "ms", after.as_millis())
    }

    /// What somebody else said, ready to be added to a message.
    fn shown(&self, text: &str) -> String {
        match text.trim() {
            "" => " and said nothing".to_owned(),
            text => format!(": {}", self.cut(text)),
        }
    }

    /// A text without our key, and short.
    fn cut(&self, text: &str) -> String {
        let mut text = self.masked(text);
        if text.len() > MOST_SHOWN {
            let end = (0..=MOST_SHOWN)
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }

    fn masked(&self, text: &str) -> String {
        match &self.provider.key {
            Some(key) if !key.expose().is_empty() => text.replace(key.expose(), "[key]"),
            _ => text.to_owned(),
        }
    }
}

/// What a failed call used, by our own count.
pub(crate) fn estimated(mut failure: Failure, input_tokens: u64, output_tokens: u64) -> Failure {
    let usage = Usage {
        input_tokens,
        output_tokens,
        ..Usage::default()
    };
    let cost = segue::Cost::default().estimated();
    failure.spent = Some(Spent { usage, cost });
    failure
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Authentication,
        429 => ErrorKind::RateLimited,
        408 | 409 | 425 | 500.. => ErrorKind::Provider,
        _ => ErrorKind::BadRequest,
    }
}

/// The kind of an error that came with success. Its typed fields say so; its text never does.
fn kind_of_error(error: &Json) -> ErrorKind {
    let field = |name: &str| error.get(name);
    for word in ["type", "code", "status"]
        .map(|name| field(name).and_then(Json::as_str))
        .into_iter()
        .flatten()
    {
        return match word {
            "rate_limit_error"
            | "rate_limit_exceeded"
            | "RESOURCE_EXHAUSTED"
            | "too_many_requests"
            | "insufficient_quota" => ErrorKind::RateLimited,
            "authentication_error"
            | "permission_error"
            | "invalid_api_key"
            | "UNAUTHENTICATED"
            | "PERMISSION_DENIED" => ErrorKind::Authentication,
            "invalid_request_error"
            | "not_found_error"
            | "request_too_large"
            | "invalid_prompt"
            | "context_length_exceeded"
            | "billing_error"
            | "data_residency_mismatch"
            | "bio_policy"
            | "misalignment_policy_violation"
            | "INVALID_ARGUMENT"
            | "NOT_FOUND"
            | "FAILED_PRECONDITION" => ErrorKind::BadRequest,
            // Whatever is wrong with an image, it is so again: `invalid_image_url`, `image_too_large` …
            word if word.contains("image") => ErrorKind::BadRequest,
            _ => continue,
        };
    }
    match field("code").and_then(Json::as_u64) {
        Some(code @ 400..=599) => kind_of(code as u16),
        _ => ErrorKind::Provider,
    }
}

/// Whether there is nothing left to spend, which another try does not change.
fn is_used_up(json: &Json) -> bool {
    ["code", "type"]
        .iter()
        .any(|field| json["error"][field] == "insufficient_quota")
}

/// The text of an error object, wherever its provider puts it.
fn said_by(json: &Json) -> Option<&str> {
    let error = match json {
        // Gemini wraps an error in a list where events were asked for.
        Json::Array(items) => items.first()?,
        other => other,
    };
    let inner = error
        .get("error")
        .filter(|inner| !inner.is_null())
        .unwrap_or(error);
    match inner {
        Json::String(text) => Some(text),
        _ => inner.get("message").and_then(Json::as_str),
    }
}

/// An error with what led to it; the address is left out, for it may hold a key.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&more);
        }
        next = cause.source();
    }
    if text.is_empty() {
        "it says nothing more".to_owned()
    } else {
        text
    }
}
