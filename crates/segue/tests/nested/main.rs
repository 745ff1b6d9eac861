//! Pipelines inside others: what they say of time and of attempts at once holds within another run too.

mod files;
mod room;
mod time;
mod tools;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use segue::file::{LoadOptions, load_from};
use segue::{Cx, Pipeline, Registry, Result, RunView, Scripted, Step, StepStatus, from_fn, millis};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

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

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Wait {
    ms: u64,
}

/// The registry that files of these tests are loaded with: `wait` waits for so many milliseconds.
fn registry() -> Registry {
    let wait = from_fn(|_cx: Cx, wait: Wait| async move {
        tokio::time::sleep(millis(wait.ms)).await;
        Ok(wait.ms)
    });
    Registry::new().step("wait", wait)
}

/// The first of these files, which may name the others.
fn file(registry: &Registry, files: &[(&str, String)]) -> Pipeline<Json, Json> {
    let first = files[0].0;
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.clone()))
        .collect();
    let loaded = load_from(&files, first, first, registry, LoadOptions::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"));
    Pipeline::from_plan(&loaded.plan, registry).expect("everything it names is there")
}

/// What the tools of a request told the model.
fn told(model: &Scripted, request: usize) -> Vec<String> {
    let requests = model.requests();
    let tools = requests[request]
        .messages
        .iter()
        .filter(|message| message.call.is_some());
    tools.map(|message| message.text.clone()).collect()
}

fn status(view: &RunView, path: &str) -> Option<StepStatus> {
    view.step(path).map(|step| step.status)
}

/// Virtual time: what a test measures is exact.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a paused runtime is what is measured"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
