//! Whatever enters a run's record: outputs, answers of models, results of tools, errors, questions, events.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Redactor;
use crate::error::{Failure, Result};
use crate::log::EventKind;
use crate::model::Response;
use crate::question::Ask;
use crate::run::{Done, End};
use crate::schema::Schema;
use crate::settings::Call;
use crate::value::Value;

/// How much of a long text is looked through at once.
const PIECE: usize = 256 * 1024;

impl Redactor {
    /// A value without secrets: the very value, typed as it is, where it has none. One that has some goes on as JSON.
    pub(crate) fn value(&self, value: Value) -> Value {
        // What is kept beside the log was clean when it was kept.
        if !self.is_on() || value.is_elsewhere() {
            return value;
        }
        if !self.finds_in(&value) {
            return value;
        }
        let Ok(json) = value.to_json() else {
            return value;
        };
        let mut json = json.as_ref().clone();
        match self.json(&mut json) {
            true => Value::json(json),
            false => value,
        }
    }

    /// Whether there is a secret in the text of a value; that of a long one is looked through as it is written.
    fn finds_in(&self, value: &Value) -> bool {
        match value.text_within(PIECE) {
            Ok(Some(text)) => self.finds(text.get().as_bytes()),
            // A value that cannot be written fails where it is written.
            Err(_) => false,
            Ok(None) => {
                let mut stream = self.stream();
                let written = value.write(PIECE, |piece| {
                    stream.push(piece);
                    Ok(())
                });
                written.is_ok() && stream.has_found()
            }
        }
    }

    /// How an attempt ended.
    pub(crate) fn end(&self, end: End) -> End {
        if !self.is_on() {
            return end;
        }
        match end {
            End::Did(done) => End::Did(self.done(done)),
            End::Failed(mut failure) => {
                self.failure(&mut failure);
                End::Failed(failure)
            }
            End::Again { mut reason, previous } => {
                self.string(&mut reason);
                let previous = previous.map(|previous| self.value(previous));
                End::Again { reason, previous }
            }
            End::Waits(mut ask) => {
                self.ask(&mut ask);
                End::Waits(ask)
            }
            End::Calls(mut called) => {
                for call in &mut called.calls {
                    call.input = self.value(call.input.clone());
                }
                End::Calls(called)
            }
            End::Aborted => End::Aborted,
        }
    }

    fn done(&self, done: Done) -> Done {
        match done {
            Done::Output(output) => Done::Output(self.value(output)),
            Done::Expand(list) => Done::Expand(self.value(list)),
            Done::Enter(input) => Done::Enter(self.value(input)),
            Done::Round { output, last } => Done::Round {
                output: self.value(output),
                last,
            },
            Done::Choose(mut choice) => {
                for text in [&mut choice.reason, &mut choice.key].into_iter().flatten() {
                    self.string(text);
                }
                Done::Choose(choice)
            }
            Done::Admit | Done::Skip => done,
        }
    }

    pub(crate) fn failure(&self, failure: &mut Failure) {
        self.string(&mut failure.message);
        for text in failure.hints.iter_mut().chain(&mut failure.missing) {
            self.string(text);
        }
        for cause in &mut failure.causes {
            self.string(&mut cause.message);
        }
        for output in failure.partial_outputs.values_mut() {
            self.json(output);
        }
        if let Some(faults) = &mut failure.faults {
            self.json(faults);
        }
    }

    /// What a recorded call gave.
    pub(crate) fn result(&self, result: &mut Result<Json, Failure>) {
        match result {
            Ok(value) => _ = self.json(value),
            Err(failure) if self.is_on() => self.failure(failure),
            Err(_) => {}
        }
    }

    /// What a model answered.
    pub(crate) fn answer(&self, answer: &mut Result<Response, Failure>) {
        if !self.is_on() {
            return;
        }
        match answer {
            Ok(response) => {
                self.string(&mut response.text);
                for call in &mut response.tool_calls {
                    self.json(&mut call.arguments);
                }
            }
            Err(failure) => self.failure(failure),
        }
    }

    fn ask(&self, ask: &mut Ask) {
        self.string(&mut ask.title);
        for text in ask.text.iter_mut().chain(&mut ask.missing) {
            self.string(text);
        }
        let mut form = ask.form.as_json().clone();
        if self.json(&mut form) {
            ask.form = Schema::trusted(form);
        }
        for known in ask.known.values_mut().chain(&mut ask.default) {
            self.json(known);
        }
        if let Some(approval) = &mut ask.approval {
            self.json(&mut approval.arguments);
        }
    }

    /// What a step tells. Everything else that is told was looked through where it came in.
    pub(crate) fn event(&self, kind: &mut EventKind) {
        match kind {
            EventKind::StepNote { text, .. } | EventKind::SpanOpened { name: text, .. } => {
                _ = self.string(text);
            }
            EventKind::CallStarted { request, .. } => _ = self.json(request),
            EventKind::CallRefused { error, .. } | EventKind::CallFailed { error, .. } if self.is_on() => {
                self.failure(error);
            }
            _ => {}
        }
    }

    /// What the call of a run says about it; what it is found by stays.
    pub(crate) fn call<'a>(&self, call: &'a Call) -> Cow<'a, Call> {
        let texts = call.labels.values().chain(&call.note).chain(&call.definition);
        if !texts.into_iter().any(|text| self.finds(text.as_bytes())) {
            return Cow::Borrowed(call);
        }
        let mut call = call.clone();
        for text in call
            .labels
            .values_mut()
            .chain(&mut call.note)
            .chain(&mut call.definition)
        {
            self.string(text);
        }
        Cow::Owned(call)
    }
}
