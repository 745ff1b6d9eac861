//! What a rule does, as a provider would have done it.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::rule::{Action, Malformed, Rule};
use crate::clock;
use crate::error::{ErrorKind, Failure, Spent};
use crate::model::{BYTES_PER_TOKEN, Finish, Request, Response, ToolCall, tokens_of};
use crate::schema::{Schema, TypeSet};
use crate::usage::Usage;

/// A reply that breaks off inside a string: no JSON, and half of a stream.
const BROKEN: &str = r#"{"answer": "it begins well, and the"#;

/// Longer than any deadline that a reply is waited for under.
const SLOW: Duration = Duration::from_secs(3600);

/// Answers a request that the rule, by its number in the script, was chosen for.
pub(super) async fn by_rule(number: usize, rule: &Rule, request: &Request) -> Result<Response, Failure> {
    let text = match &rule.action {
        Action::Text(text) => as_asked(text, request.output.as_ref()),
        Action::Value(value) => value.to_string(),
        Action::Calls(calls) => {
            let calls = tool_calls(calls, request);
            return Ok(response(rule, request, String::new(), calls));
        }
        Action::Error(ErrorKind::Panicked) => panic!("rule {number} of the script panics"),
        Action::Error(kind) => {
            let message = format!("rule {number} of the script raises `{kind}`");
            return Err(failure(rule, *kind, message));
        }
        Action::Malformed(Malformed::BadJson) => BROKEN.to_owned(),
        Action::Malformed(Malformed::BadSchema) => misfit(request.output.as_ref()).to_string(),
        Action::Malformed(Malformed::Empty) => String::new(),
        Action::Malformed(Malformed::HalfStream) => return Err(half_stream(rule, request)),
        Action::Malformed(Malformed::Slow) => {
            clock::sleep(SLOW).await;
            let message = format!("the reply did not end within {}s", SLOW.as_secs());
            return Err(failure(rule, ErrorKind::Timeout, message));
        }
    };
    Ok(response(rule, request, text, Vec::new()))
}

/// A reply that broke off: what came of it is paid for, and never an answer.
fn half_stream(rule: &Rule, request: &Request) -> Failure {
    let message = format!("the reply broke off after {} bytes: `{BROKEN}`", BROKEN.len());
    let mut failure = failure(rule, ErrorKind::Provider, message);
    let usage = rule.usage.unwrap_or_else(|| counted(request, BROKEN, &[]));
    failure.spent = Some(Spent {
        usage,
        ..Spent::default()
    });
    failure
}

fn failure(rule: &Rule, kind: ErrorKind, message: String) -> Failure {
    let mut failure = Failure::new(kind, message);
    failure.spent = rule.usage.map(|usage| Spent {
        usage,
        ..Spent::default()
    });
    failure.retry_after_ms = rule
        .retry_after
        .map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    failure
}

fn response(rule: &Rule, request: &Request, mut text: String, tool_calls: Vec<ToolCall>) -> Response {
    // As a provider does: what is beyond the most tokens is not written, and not paid.
    let most = u64::from(request.settings.max_tokens.unwrap_or(u32::MAX));
    if rule.usage.is_none() && tool_calls.is_empty() && tokens_of(&text) > most {
        let mut end = usize::try_from(most.saturating_mul(BYTES_PER_TOKEN))
            .unwrap_or(usize::MAX)
            .min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        let usage = Some(counted(request, &text, &[]));
        let finish = Finish::Length;
        return Response {
            text,
            tool_calls,
            finish,
            usage,
            opaque: None,
        };
    }
    let usage = rule.usage.unwrap_or_else(|| counted(request, &text, &tool_calls));
    let finish = if tool_calls.is_empty() {
        Finish::Stop
    } else {
        Finish::ToolCalls
    };
    Response {
        text,
        tool_calls,
        finish,
        usage: Some(usage),
        opaque: None,
    }
}

/// The local count.
fn counted(request: &Request, text: &str, calls: &[ToolCall]) -> Usage {
    let calls = calls
        .iter()
        .map(|call| tokens_of(&call.tool) + tokens_of(&call.arguments.to_string()));
    let output_tokens = tokens_of(text) + calls.sum::<u64>();
    Usage {
        input_tokens: request.input_tokens(),
        output_tokens,
        ..Usage::default()
    }
}

/// Text as the request asks for it: a JSON string where the schema takes text, unless it is fitting JSON already.
fn as_asked(text: &str, schema: Option<&Schema>) -> String {
    let Some(schema) = schema else {
        return text.to_owned();
    };
    let fits = serde_json::from_str(text).is_ok_and(|value: Json| schema.is_valid(&value));
    match !fits && schema.types().contains(TypeSet::STRING) {
        true => Json::from(text).to_string(),
        false => text.to_owned(),
    }
}

/// A value that does not fit; where every value does, null.
fn misfit(schema: Option<&Schema>) -> Json {
    let values = [
        json!({}),
        json!([]),
        json!(""),
        json!(0.5),
        json!({"unasked": true}),
    ];
    let misfit = values
        .into_iter()
        .find(|value| schema.is_some_and(|schema| !schema.is_valid(value)));
    misfit.unwrap_or(Json::Null)
}

/// Calls with ids that no earlier call of the conversation has.
fn tool_calls(calls: &[(String, Json)], request: &Request) -> Vec<ToolCall> {
    let before: usize = request
        .messages
        .iter()
        .map(|message| message.tool_calls.len())
        .sum();
    let numbered = calls.iter().zip(before + 1..);
    let call = |((tool, arguments), number): (&(String, Json), usize)| ToolCall {
        id: format!("call_{number}"),
        tool: tool.clone(),
        arguments: arguments.clone(),
    };
    numbered.map(call).collect()
}
