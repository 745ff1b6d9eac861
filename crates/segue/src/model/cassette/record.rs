//! Recording: models and tools that note what came of each call, and the cassette that is made of that.
//!
//! A request that was recorded before is not made again: the runs of one recording get the same answer to the same
//! request, as they will when it is played. So what is recorded once plays to the end, and is paid once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::call::{ModelCall, RecordedError, RecordedRequest, ToolCall, canonical_of, tool_key};
use super::tape::Heads;
use super::{Cassette, NoSecrets, Redact, VERSION, named, write};
use crate::error::{ErrorKind, Failure, StepError};
use crate::fault::quote;
use crate::model::{Answered, From, Model, Request, Response};
use crate::money::{Cost, Nanousd};
use crate::plan::hash_of;
use crate::price::PriceBook;
use crate::tool::{Tool, ToolCx, ToolSpec};

/// A recording under way. Clones record together.
#[derive(Clone)]
pub struct Recording(Arc<Shared>);

struct Shared {
    prices: PriceBook,
    /// The most that all of it may cost.
    limit: Option<Nanousd>,
    redact: Arc<dyn Redact>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    heads: Heads,
    /// By model and request, then by how often a run had made it before.
    calls: BTreeMap<(String, usize), Slot<ModelCall>>,
    tool_calls: BTreeMap<(String, usize), Slot<ToolCall>>,
    tools: IndexMap<String, ToolSpec>,
    begun: usize,
}

/// A call that was begun, and what came of it once that is known.
struct Slot<T> {
    begun: usize,
    call: Option<T>,
}

/// What became of a call in the new cassette.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `added removed changed`.
    pub change: &'static str,
    /// The call, by its place in the cassette that has it.
    pub call: String,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The cassette as it is to be written.
    pub text: String,
    /// How many model calls are in it.
    pub calls: usize,
    /// How many tool calls are in it.
    pub tool_calls: usize,
    /// What its model calls cost.
    pub cost: Cost,
    /// How it differs from the one before.
    pub changes: Vec<Change>,
}

impl Recording {
    /// Records with these prices; what `redact` replaces is written so. With a limit its runs together may cost no more.
    pub fn new(prices: PriceBook, limit: Option<Nanousd>, redact: Arc<dyn Redact>) -> Self {
        Self(Arc::new(Shared {
            prices,
            limit,
            redact,
            state: Mutex::default(),
        }))
    }

    /// Another case begins: its runs have the ids of those before, and are not the same.
    pub(crate) fn begin(&self) {
        self.state().heads = Heads::default();
    }

    /// What its runs may still cost; none without a limit.
    #[must_use]
    pub fn left(&self) -> Option<Nanousd> {
        let limit = self.0.limit?;
        let state = self.state();
        let made = state.calls.values().filter_map(|slot| slot.call.as_ref());
        let spent: Cost = made.map(ModelCall::cost).sum();
        Some(limit.checked_sub(spent.nanousd).unwrap_or_default())
    }

    /// A model that records what another answers to what is asked under a name.
    pub fn model(&self, asked: &str, model: Arc<dyn Model>) -> impl Model + use<> {
        RecordingModel {
            recording: self.clone(),
            asked: asked.to_owned(),
            model,
        }
    }

    /// A tool that records what another gives.
    pub fn tool(&self, tool: Arc<dyn Tool>) -> impl Tool + use<> {
        RecordingTool {
            recording: self.clone(),
            tool,
        }
    }

    /// The cassette of what was recorded, beside the one there was before.
    ///
    /// # Errors
    /// When there is nothing to write, a secret is left in it, or it could not be read again.
    pub fn finish(&self, before: Option<&Cassette>) -> Result<Recorded, Failure> {
        let redact = &*self.0.redact;
        let state = self.state();
        let mut calls: Vec<(usize, &ModelCall)> = state.calls.values().filter_map(Slot::done).collect();
        let mut tool_calls: Vec<(usize, &ToolCall)> =
            state.tool_calls.values().filter_map(Slot::done).collect();
        calls.sort_by_key(|(begun, call)| in_order(&call.step, *begun));
        tool_calls.sort_by_key(|(begun, call)| in_order(&call.step, *begun));
        if calls.is_empty() && tool_calls.is_empty() {
            let message = "no call was made, so there is nothing to record";
            return Err(Failure::new(ErrorKind::Usage, message));
        }
        let calls: Vec<&ModelCall> = calls.into_iter().map(|(_, call)| call).collect();
        let tool_calls: Vec<&ToolCall> = tool_calls.into_iter().map(|(_, call)| call).collect();
        let cost = calls.iter().map(|call| call.cost()).sum();
        let text = text(&calls, &tool_calls, &state.tools, redact);
        if *redact.text(&text) != *text {
            let message = "a secret would be written into the cassette, so it is not written";
            return Err(Failure::new(ErrorKind::Usage, message)
                .hint("it is in a name or a key, where it cannot be masked; take it out of what is sent"));
        }
        let now = Cassette::read(&text, "cassette", Arc::new(NoSecrets)).map_err(|faults| {
            let message = format!("what was recorded cannot be played: {faults}");
            Failure::new(ErrorKind::TooLarge, message)
        })?;
        Ok(Recorded {
            calls: now.0.calls.len(),
            tool_calls: now.0.tool_calls.len(),
            cost,
            changes: changes(before, &now),
            text,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs between two writes that belong together.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    fn done(&self) -> Option<(usize, &T)> {
        Some((self.begun, self.call.as_ref()?))
    }
}

/// Calls of one step stand together, those of its items by their number: in whatever order they came, the file is the
/// same.
fn in_order(step: &str, begun: usize) -> (String, Vec<u64>, usize) {
    let mut name = String::new();
    let mut numbers = Vec::new();
    for part in step.split('[') {
        match part.split_once(']') {
            Some((number, rest)) => {
                numbers.push(number.parse().unwrap_or(u64::MAX));
                name.push_str("[]");
                name.push_str(rest);
            }
            None => name.push_str(part),
        }
    }
    (name, numbers, begun)
}

fn text(
    calls: &[&ModelCall],
    tool_calls: &[&ToolCall],
    tools: &IndexMap<String, ToolSpec>,
    redact: &dyn Redact,
) -> String {
    let named = |spec: &ToolSpec| {
        let mut json = json!(spec);
        if let Json::Object(fields) = &mut json {
            fields.remove("name");
        }
        json
    };
    let tools: serde_json::Map<String, Json> = tools
        .iter()
        .map(|(name, spec)| (name.clone(), named(spec)))
        .collect();
    let mut whole = json!({"version": VERSION});
    if let Json::Object(fields) = &mut whole {
        for (key, value) in [
            ("calls", json!(calls)),
            ("tool_calls", json!(tool_calls)),
            ("tools", Json::Object(tools)),
        ] {
            let is_empty = matches!(&value, Json::Array(items) if items.is_empty())
                || matches!(&value, Json::Object(fields) if fields.is_empty());
            if !is_empty {
                fields.insert(key.to_owned(), redacted(redact, value));
            }
        }
    }
    write::document(&whole)
}

/// A value without the secrets in its texts.
pub(super) fn redacted(redact: &dyn Redact, value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(redact.text(&text).into_owned()),
        Json::Array(items) => items.into_iter().map(|item| redacted(redact, item)).collect(),
        Json::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, redacted(redact, value)))
            .collect(),
        other => other,
    }
}

/// How two cassettes differ, call by call.
fn changes(before: Option<&Cassette>, now: &Cassette) -> Vec<Change> {
    let mut changes = Vec::new();
    let old = before.map(entries).unwrap_or_default();
    let new = entries(now);
    for (key, (name, outcome)) in &new {
        match old.get(key) {
            None => changes.push((name, "added")),
            Some((_, other)) if other != outcome => changes.push((name, "changed")),
            Some(_) => {}
        }
    }
    changes.extend(
        old.iter()
            .filter(|(key, _)| !new.contains_key(*key))
            .map(|(_, (name, _))| (name, "removed")),
    );
    let change = |(call, change): (&String, &'static str)| Change {
        change,
        call: call.clone(),
    };
    changes.into_iter().map(change).collect()
}

/// Every call by what it has to be asked, with its name and its outcome.
fn entries(cassette: &Cassette) -> IndexMap<(String, usize), (String, Json)> {
    let inner = &cassette.0;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut place = |key: String| {
        let at = seen.entry(key.clone()).or_default();
        *at += 1;
        (key, *at)
    };
    let mut entries = IndexMap::new();
    for (at, call) in inner.calls.iter().enumerate() {
        let key = format!("{} {}", call.model, call.key(&inner.tools));
        let outcome = json!([call.response, call.error, call.answered_by]);
        entries.insert(place(key), (named(at, &call.step, &call.agent), outcome));
    }
    for (at, call) in inner.tool_calls.iter().enumerate() {
        let name = format!(
            "tool call {} ({} at step {})",
            at + 1,
            quote(&call.tool),
            quote(&call.step)
        );
        entries.insert(place(call.key()), (name, json!([call.result, call.error])));
    }
    entries
}

struct RecordingModel {
    recording: Recording,
    asked: String,
    model: Arc<dyn Model>,
}

impl RecordingModel {
    /// What was recorded already, or where to put it.
    fn look(&self, request: &Request) -> Result<Answered, (String, usize)> {
        let canonical = redacted(&*self.recording.0.redact, canonical_of(request));
        let key = format!("{} {}", self.asked, hash_of(&canonical));
        let mut state = self.recording.state();
        let place = state.heads.next(&request.from.run, &key);
        let slot = (key, place);
        if let Some(call) = state.calls.get(&slot).and_then(|slot| slot.call.as_ref()) {
            return Ok(Answered {
                result: call.outcome(),
                recorded: Some(call.cost()),
            });
        }
        for spec in &request.tools {
            state
                .tools
                .entry(spec.name.clone())
                .or_insert_with(|| spec.clone());
        }
        state.begun += 1;
        let begun = state.begun;
        state.calls.insert(slot.clone(), Slot { begun, call: None });
        Err(slot)
    }

    fn keep(&self, slot: &(String, usize), request: &Request, answered: &Answered) {
        let From { step, agent, .. } = &request.from;
        let mut settings = request.settings.clone();
        settings.max_tokens = None;
        let call = ModelCall {
            step: step.clone(),
            agent: agent.clone(),
            model: self.asked.clone(),
            answered_by: self.model.name().to_owned(),
            request: RecordedRequest {
                messages: request.messages.clone(),
                output: request.output.as_ref().map(|schema| schema.as_json().clone()),
                tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
                settings,
            },
            response: answered.result.as_ref().ok().cloned(),
            error: answered.result.as_ref().err().map(RecordedError::of),
            cost_usd: self.cost(answered),
        };
        if let Some(slot) = self.recording.state().calls.get_mut(slot) {
            slot.call = Some(call);
        }
    }

    fn cost(&self, answered: &Answered) -> Option<Nanousd> {
        let name = self.model.name();
        let (provider, model) = name.split_once('/').unwrap_or(("", name));
        let price = self.recording.0.prices.look_up(provider, model).price?;
        let usage = match &answered.result {
            Ok(response) => response.usage?,
            Err(failure) => failure.spent.as_ref().map(|spent| spent.usage)?,
        };
        price.cost_of(&usage).ok()
    }
}

impl Model for RecordingModel {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        self.answered(request).map(|answered| answered.result).boxed()
    }

    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        async move {
            let slot = match self.look(request) {
                Ok(answered) => return answered,
                Err(slot) => slot,
            };
            let answered = self.model.answered(request).await;
            self.keep(&slot, request, &answered);
            answered
        }
        .boxed()
    }

    fn gate(&self) -> Option<&dyn crate::model::Gate> {
        self.model.gate()
    }

    fn unsent(&self, settings: &crate::plan::ModelSettings) -> Vec<String> {
        self.model.unsent(settings)
    }

    fn memory(&self) -> Option<&dyn crate::model::Memory> {
        self.model.memory()
    }
}

struct RecordingTool {
    recording: Recording,
    tool: Arc<dyn Tool>,
}

impl Tool for RecordingTool {
    fn spec(&self) -> ToolSpec {
        self.tool.spec()
    }

    fn limits(&self) -> crate::plan::ToolLimits {
        self.tool.limits()
    }

    fn available(&self) -> Result<(), Failure> {
        self.tool.available()
    }

    fn reachable(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.tool.reachable()
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let (run, step) = (cx.run_id().to_string(), cx.path());
            let spec = self.tool.spec();
            let key = tool_key(
                &spec.name,
                &redacted(&*self.recording.0.redact, arguments.clone()),
            );
            let slot = {
                let mut state = self.recording.state();
                let place = state.heads.next(&run, &key);
                let slot = (key, place);
                if let Some(call) = state.tool_calls.get(&slot).and_then(|slot| slot.call.as_ref()) {
                    return match &call.error {
                        Some(error) => Err(error.failure().into()),
                        None => Ok(call.result.clone().unwrap_or(Json::Null)),
                    };
                }
                state
                    .tools
                    .entry(spec.name.clone())
                    .or_insert_with(|| spec.clone());
                state.begun += 1;
                let begun = state.begun;
                state.tool_calls.insert(slot.clone(), Slot { begun, call: None });
                slot
            };
            let given = self.tool.call(cx, arguments.clone()).await;
            // A tool that asks a person, or for another try, has not been called yet.
            let error = match &given {
                Ok(_) => None,
                Err(error) => match error.failure() {
                    Some(failure) => Some(RecordedError::of(failure)),
                    None => return given,
                },
            };
            let call = ToolCall {
                step,
                tool: spec.name,
                arguments,
                result: given.as_ref().ok().cloned(),
                error,
            };
            if let Some(slot) = self.recording.state().tool_calls.get_mut(&slot) {
                slot.call = Some(call);
            }
            given
        }
        .boxed()
    }
}
