//! The house: the models and tools that the pipelines of the harness work with. Each does what a service would do, says so
//! in the ledger of effects, and gives the same answer to the same question.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segue::model::{Request, Response};
use segue::plan::{ToolApproval, ToolLimits};
use segue::testing::fail;
use segue::{
    ErrorKind, Failure, Model, Models, Registry, Result, StepError, Tool, ToolClass, ToolCx, ToolSpec, Usage,
};
use serde_json::{Value as Json, json};

use crate::effects::Effects;

/// The variable that says how long a service takes for half of its work, in milliseconds.
pub const LATENCY: &str = "SEGUE_CRASH_LATENCY_MS";
/// How long it takes where nothing is said.
const SOON: u64 = 3;
/// The step whose first attempt the model refuses.
const FLAKY: &str = "flaky";
/// An output that is kept beside the log.
const PAGES: usize = 90_000;

/// The model of the house.
pub const MODEL: &str = "ollama/house";
/// The tool that must not be called twice.
pub const MAIL: &str = "house.mail";
/// What one of its calls costs, in dollars per million tokens in and out.
pub const PRICES: (&str, &str) = ("10", "100");

/// Everything that is known by name.
#[must_use]
pub fn registry(effects: &Effects) -> Registry {
    let tool = |name, class| House {
        effects: effects.clone(),
        name,
        class,
    };
    Registry::new()
        .tool(tool("house.look", ToolClass::ReadOnly))
        .tool(tool("house.note", ToolClass::Idempotent))
        // What it does must not be done twice, which is shown best where nobody has to allow it.
        .tool_with(tool(MAIL, ToolClass::Effectful), ToolLimits::new().approval(ToolApproval::Allow))
        .tool(tool("house.pages", ToolClass::ReadOnly))
}

/// The models.
#[must_use]
pub fn models(effects: &Effects) -> Models {
    Models::offline().with(MODEL, Small(effects.clone()))
}

struct Small(Effects);

impl Model for Small {
    fn name(&self) -> &str {
        MODEL
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        async move {
            let key = &request.idempotency_key;
            self.0
                .begin(key, &format!("{} {}", request.from.run, request.from.step));
            half().await;
            // Half of the answer is here.
            fail::point("K5");
            half().await;
            self.0.end(key);
            if request.from.step == FLAKY && request.from.attempt == 1 {
                let mut failure = Failure::new(ErrorKind::Provider, "overloaded");
                failure.retryable = true;
                return Err(failure);
            }
            let asked: Vec<&str> = request.messages.iter().map(|said| said.text.as_str()).collect();
            let mut response = Response::text(format!("answer {:016x}", hash(&asked)));
            response.usage = Some(Usage {
                input_tokens: 100,
                output_tokens: 20,
                ..Usage::default()
            });
            Ok(response)
        }
        .boxed()
    }
}

struct House {
    effects: Effects,
    name: &'static str,
    class: ToolClass,
}

impl Tool for House {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({
            "type": "object",
            "properties": {"about": {"type": "string"}},
            "required": ["about"],
        });
        ToolSpec::new(self.name, "Does something in the house.", parameters).class(self.class)
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let key = cx.idempotency_key();
            self.effects
                .begin(&key, &format!("{} {}", self.name, cx.run_id()));
            half().await;
            self.effects.end(&key);
            let text = format!("{} {:016x}", self.name, hash(&arguments.to_string()));
            Ok(match self.name {
                "house.pages" => json!(text.repeat(PAGES / text.len() + 1)),
                _ => json!(text),
            })
        }
        .boxed()
    }
}

/// Half of the time a service takes.
async fn half() {
    let said = std::env::var(LATENCY).ok().and_then(|text| text.parse().ok());
    tokio::time::sleep(Duration::from_millis(said.unwrap_or(SOON))).await;
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
