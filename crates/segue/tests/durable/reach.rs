//! A run that has begun is taken up by whoever reaches the tools that are left to call of it. Nobody else touches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use segue::store::Store;
use segue::{
    ErrorKind, Failure, Pipeline, QuestionId, Registry, RunId, RunStatus, Runner, StepError, Tool, ToolClass,
    ToolCx, ToolSpec,
};
use serde_json::{Value as Json, json};

use crate::support::{bury_all, memory, output, rests};

const FILE: &str = "version: 1\nname: fetches\nsteps:\n  first: { tool: near.fetch, with: {} }\n  \
    ask: { needs: [first], ask: { title: 'Go on?', form: string } }\n  \
    last: { needs: [ask], tool: far.fetch, with: {} }\n";

/// A tool behind a server that is there or not.
#[derive(Clone)]
struct Fetch {
    name: &'static str,
    is_there: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Fetch {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            is_there: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
        }
    }

    fn is_there(&self, is_there: bool) {
        self.is_there.store(is_there, Ordering::SeqCst);
    }

    /// How often somebody has looked.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Tool for Fetch {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(self.name, "Fetches.", json!({"type": "object"})).class(ToolClass::ReadOnly)
    }

    fn reachable(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            match self.is_there.load(Ordering::SeqCst) {
                true => Ok(()),
                false => Err(Failure::new(
                    ErrorKind::Tool,
                    format!("nobody answers for {}", self.name),
                )),
            }
        })
    }

    fn call<'a>(&'a self, _cx: ToolCx, _arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        Box::pin(async { Ok(json!("fetched")) })
    }
}

/// Two tools that are far away, and a run that has called one of them when its process ends.
async fn interrupted(store: &Arc<dyn Store>) -> (Fetch, Fetch, Runner, RunId, QuestionId) {
    let (near, far) = (Fetch::new("near.fetch"), Fetch::new("far.fetch"));
    let registry = Registry::new().tool(near.clone()).tool(far.clone());
    let loaded =
        segue::file::load_text(FILE, "fetches.yaml", &registry).unwrap_or_else(|faults| panic!("{faults}"));
    let pipeline = Pipeline::from_plan(&loaded.plan, &registry).expect("it links");
    let runner = || {
        let builder = Runner::builder().store_in(store.clone());
        builder.registry(registry.clone()).build().expect("a runner")
    };
    let first = runner();
    let run = first.start(&pipeline, json!({})).await.expect("it starts");
    let question = rests(&run).await;
    bury_all(store).await;
    (near, far, runner(), run.id(), question.id)
}

#[tokio::test(start_paused = true)]
async fn a_run_is_left_as_it_is_until_what_is_left_to_call_is_reached() {
    let store = memory();
    let (near, far, next, id, question) = interrupted(&store).await;
    // Nobody needs this one any more.
    near.is_there(false);
    far.is_there(false);
    next.answer(question, "yes")
        .await
        .expect("it is accepted all the same");
    let before = store.head(id).await.expect("a store").expect("it is there");
    let recovered = next.recover().await.expect("a store");
    assert!(recovered.taken.is_empty());
    let left: Vec<_> = recovered
        .left
        .iter()
        .map(|(run, why)| (*run, why.message.as_str()))
        .collect();
    assert_eq!(left, [(id, "nobody answers for far.fetch")]);
    let refused = next.resume(id).await.err().expect("it does not reach it");
    assert_eq!(refused.failure().message, "nobody answers for far.fetch");
    let after = store.head(id).await.expect("a store").expect("it is there");
    assert_eq!((after.fence, after.last_seq), (before.fence, before.last_seq));

    far.is_there(true);
    let recovered = next.recover().await.expect("a store");
    assert!(recovered.left.is_empty());
    assert_eq!(output(&recovered.taken[0]).await, json!("fetched"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_reaches_can_be_cancelled() {
    let store = memory();
    let (_near, far, next, id, _question) = interrupted(&store).await;
    far.is_there(false);
    let asked = far.asked();
    assert_eq!(next.cancel(id, "ann", None).await.expect("a store"), None);
    assert_eq!(far.asked(), asked, "nobody waits for it to cancel a run");
    let run = next.attach(id).await.expect("it is there");
    assert!(run.outcome().await.is_err(), "it ends");
    assert_eq!(run.view().status(), RunStatus::Cancelled);
}
