//! What the scenarios share: runners on one store, the loss of one, and models that remember what they were asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use segue::model::{Request, Response};
use segue::price::{Price, PriceBook};
use segue::question::Question;
use segue::store::{MemoryStore, Store};
use segue::testing::{Dying, begin_at};
use segue::{Failure, Model, Models, Outcome, Registry, RunHandle, Runner, RunnerBuilder, Time, usd};

/// A model that answers what it was asked with the length of the text, and remembers every request by its key.
#[derive(Clone, Default)]
pub(crate) struct Remembering(Arc<Mutex<BTreeMap<String, u32>>>);

impl Remembering {
    /// Requests that were sent, by idempotency key.
    pub(crate) fn requests(&self) -> BTreeMap<String, u32> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    /// How many requests were sent.
    pub(crate) fn sent(&self) -> u32 {
        self.requests().values().sum()
    }
}

impl Model for Remembering {
    fn name(&self) -> &str {
        "openai/small"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        let key = request.idempotency_key.clone();
        *self
            .0
            .lock()
            .expect("nobody panics with it")
            .entry(key)
            .or_default() += 1;
        let text = request
            .messages
            .last()
            .map(|message| message.text.clone())
            .unwrap_or_default();
        Box::pin(async move {
            tokio::time::sleep(segue::millis(10)).await;
            Ok(Response::text(format!("{} characters", text.len())))
        })
    }
}

/// A model that says which agent it is and the how manieth request that was, and ends as the strategist wants it. It
/// remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Counting(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    /// Agent and prompt of each request.
    told: Vec<(String, String)>,
    /// What an agent says instead, once.
    instead: BTreeMap<String, String>,
}

impl Counting {
    pub(crate) fn sent(&self) -> usize {
        self.told().len()
    }

    pub(crate) fn told(&self) -> Vec<(String, String)> {
        self.0.lock().expect("nobody panics with it").told.clone()
    }

    /// What an agent says the next time.
    pub(crate) fn say(&self, agent: &str, text: &str) {
        let mut said = self.0.lock().expect("nobody panics with it");
        said.instead.insert(agent.to_owned(), text.to_owned());
    }
}

impl Model for Counting {
    fn name(&self) -> &str {
        "openai/small"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        const AGENTS: [(&str, &str); 6] = [
            ("current state", "diagnostic"),
            ("success metrics", "metrics"),
            ("target segments", "segment"),
            ("distribution channels", "channels"),
            ("messaging", "messaging"),
            ("tactical", "tactics"),
        ];
        let instructions = &request.messages[0].text;
        let agent = AGENTS.iter().find(|(words, _)| instructions.contains(words));
        let agent = agent.map_or("agent", |(_, agent)| *agent).to_owned();
        let prompt = request.messages[1..].iter().map(|message| message.text.as_str());
        let prompt = prompt.collect::<Vec<_>>().join("\n");
        let mut said = self.0.lock().expect("nobody panics with it");
        said.told.push((agent.clone(), prompt));
        let text = said.instead.remove(&agent);
        let text = text.unwrap_or_else(|| format!("{agent} {}", said.told.len()));
        Box::pin(async move {
            tokio::time::sleep(segue::millis(10)).await;
            Ok(Response::text(format!("{text}\nAGENT_COMPLETE")))
        })
    }
}

/// A runner builder with that model, at a known price.
pub(crate) fn with_model(model: &Remembering) -> RunnerBuilder {
    with_model_as(model.clone())
}

/// Noon of 2026-03-01, when every runner here begins: what a test does in less than half a day falls into one day.
pub(crate) const NOON: Time = Time::from_micros(1_772_366_400_000_000);

/// A runner builder with a model as `openai/small`, at a known price.
pub(crate) fn with_model_as(model: impl Model) -> RunnerBuilder {
    begin_at(Runner::builder(), NOON)
        .models(Models::offline().with("openai/small", model))
        .prices(
            PriceBook::new(std::time::UNIX_EPOCH)
                .with_override("openai/small", Price::per_million(usd(1.0), usd(2.0))),
        )
        .registry(Registry::new())
}

/// Virtual time: what a test measures is exact.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a paused runtime is what is measured"
)]
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Runs a test in virtual time.
pub(crate) fn paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// A store in memory.
pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// A store whose process is lost before write number `writes`.
pub(crate) fn dying(store: &Arc<dyn Store>, writes: u64) -> Arc<Dying> {
    Arc::new(Dying::after(store.clone(), writes))
}

/// The process of a runner is gone, and everybody knows.
pub(crate) async fn bury_all(store: &Arc<dyn Store>) {
    for seen in store.owners().await.expect("a store") {
        store.bury(seen.owner.id, seen.beats).await.expect("a store");
    }
}

/// The question a run rests with.
pub(crate) async fn rests<T: segue::Data>(run: &RunHandle<T>) -> Question {
    match run.outcome().await.expect("it does not fail") {
        Outcome::Waiting(question) => *question,
        Outcome::Done(_) => panic!("it should wait for an answer"),
    }
}

/// The output of a run.
pub(crate) async fn output<T: segue::Data>(run: &RunHandle<T>) -> T {
    match run.outcome().await.expect("it does not fail") {
        Outcome::Done(done) => done.output,
        Outcome::Waiting(question) => panic!("it waits: {}", question.title),
    }
}
