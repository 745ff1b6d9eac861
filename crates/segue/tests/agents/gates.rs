//! Gates: a call that is held back says so and can be let go, and one that is not let through was never sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use segue::budget::StandingBudget;
use segue::model::{CIRCUIT, Gate, Pass, Request, Response, Rule, Told, Wait, WaitReason};
use segue::price::{Price, PriceBook, PriceSource};
use segue::store::{MemoryStore, Store};
use segue::view::{SegmentKind, Timeline};
use segue::{Agent, ErrorKind, Event, EventKind, Failure, Model, Models, Runner, Scripted, Settings, usd};

use crate::asking;

/// A scripted model behind a gate that waits so long, or refuses.
#[derive(Clone)]
struct Gated {
    model: Scripted,
    wait: Option<Wait>,
    refusal: Option<Failure>,
    passes: Passes,
}

/// What became of each call that was let through; none where nobody said.
type Passes = Arc<Mutex<Vec<Option<Result<(), ErrorKind>>>>>;

struct Let {
    passes: Passes,
    at: usize,
}

impl Gated {
    fn new(rule: Rule) -> Self {
        Self {
            model: Scripted::new().named("openai/small").rule(rule),
            wait: None,
            refusal: None,
            passes: Passes::default(),
        }
    }

    fn waits(mut self, reason: WaitReason, secs: u64) -> Self {
        let at_least = Some(Duration::from_secs(secs));
        self.wait = Some(Wait { reason, at_least });
        self
    }

    fn passes(&self) -> Vec<Option<Result<(), ErrorKind>>> {
        self.passes.lock().expect("nobody panics").clone()
    }
}

impl Model for Gated {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        self.model.answer(request)
    }

    fn gate(&self) -> Option<&dyn Gate> {
        Some(self)
    }
}

impl Gate for Gated {
    fn enter<'a>(
        &'a self,
        _request: &'a Request,
        told: Told<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Pass>, Failure>> {
        Box::pin(async move {
            if let Some(wait) = self.wait {
                told(wait);
                tokio::time::sleep(wait.at_least.unwrap_or_default()).await;
            }
            if let Some(refusal) = &self.refusal {
                return Err(refusal.clone());
            }
            let mut passes = self.passes.lock().expect("nobody panics");
            passes.push(None);
            let pass: Box<dyn Pass> = Box::new(Let {
                passes: self.passes.clone(),
                at: passes.len() - 1,
            });
            Ok(pass)
        })
    }
}

impl Pass for Let {
    fn back(self: Box<Self>, result: &Result<Response, Failure>) {
        let result = result.as_ref().map(|_| ()).map_err(|failure| failure.kind);
        self.passes.lock().expect("nobody panics")[self.at] = Some(result);
    }
}

fn priced(models: Models) -> Runner {
    let price = Price::per_million(usd(1.0), usd(2.0));
    let prices = PriceBook::new(std::time::UNIX_EPOCH).with_override("openai/small", price);
    let runner = Runner::builder().models(models).prices(prices);
    runner.build().expect("nothing is registered twice")
}

fn agent() -> Agent<String> {
    Agent::new("writer").model("m")
}

fn kinds(events: &[Event]) -> Vec<String> {
    let calls = events.iter().filter_map(|event| match &event.kind {
        EventKind::CallReserved { .. } => Some("reserved".to_owned()),
        EventKind::CallWaiting { reason, .. } => Some(reason.clone()),
        EventKind::CallStarted { .. } => Some("started".to_owned()),
        EventKind::CallSucceeded { .. } => Some("succeeded".to_owned()),
        EventKind::CallFailed { .. } => Some("failed".to_owned()),
        _ => None,
    });
    calls.collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_held_back_is_recorded_with_its_reason_and_until_when() {
    let model = Gated::new(Rule::reply("hello")).waits(WaitReason::RetryAfter, 7);
    let run = priced(Models::offline().with("m", model.clone()))
        .start(&asking(&agent()), "What?".to_owned())
        .await
        .expect("it starts");
    let done = run.done().await.expect("it is let through");
    assert_eq!(done.output, "hello");
    let events = run.log().events();
    assert_eq!(
        kinds(&events),
        ["reserved", "retry_after", "started", "succeeded"]
    );
    let waits = events.iter().find_map(|event| match &event.kind {
        EventKind::CallWaiting { until, .. } => Some(until.map(|until| until.since(event.time))),
        _ => None,
    });
    assert_eq!(waits, Some(Some(Duration::from_secs(7))));
    let view = done.view();
    let step = view.step("ask").expect("there is one step");
    assert_eq!(step.wait_ms.rate_limit, 7000);
    let call = view.calls().next().expect("there is one call");
    assert_eq!(call.wait_ms, 7000);
    let price = call.price.expect("its price is recorded");
    assert_eq!(
        (price.source, price.input, price.output),
        (PriceSource::Override, Some(usd(1.0)), Some(usd(2.0)))
    );
    let row = &Timeline::of(&view).rows[0];
    let segments: Vec<SegmentKind> = row.segments.iter().map(|segment| segment.kind).collect();
    let attempt = SegmentKind::Attempt;
    assert!(
        segments.ends_with(&[attempt, SegmentKind::RateLimit, attempt]),
        "{segments:?}"
    );
    assert_eq!(model.passes(), [Some(Ok(()))]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_counts_against_the_deadline_and_gives_back_what_was_reserved() {
    let model = Gated::new(Rule::reply("hello")).waits(WaitReason::RateLimit, 60);
    let pipeline = asking(&agent());
    let run = priced(Models::offline().with("m", model.clone()))
        .start(&pipeline, "What?".to_owned())
        .step("ask", Settings::new().timeout(Duration::from_secs(5)))
        .budget(usd(1.0))
        .await
        .expect("it starts");
    let error = run.done().await.err().expect("it waits too long");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(model.model.requests().len(), 0, "nothing was sent");
    assert!(model.passes().is_empty());
    assert_eq!(kinds(&run.log().events()), ["reserved", "rate_limit", "failed"]);
    let budget = &run.budgets()[0];
    assert!(error.spent().is_zero(), "{:?}", error.spent());
    assert_eq!(
        (budget.spent.to_string(), budget.reserved.to_string()),
        ("$0.00".to_owned(), "$0.00".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_let_through_was_never_sent_and_the_next_model_is_asked() {
    let mut first = Gated::new(Rule::reply("never"));
    let refusal = Failure::new(ErrorKind::Provider, "openai fails again and again");
    first.refusal = Some(refusal.limit(CIRCUIT, "failures", 10));
    let second = Scripted::new().named("openai/small").rule(Rule::reply("second"));
    let agent = Agent::<String>::new("writer").model("m").model("n");
    let models = Models::offline().with("m", first.clone()).with("n", second);
    let run = priced(models)
        .start(&asking(&agent), "What?".to_owned())
        .step("ask", Settings::new().retries(5))
        .await
        .expect("it starts");
    let done = run.done().await.expect("the second answers");
    assert_eq!((done.output.as_str(), done.usage.requests), ("second", 1));
    assert_eq!((first.model.requests().len(), first.passes().len()), (0, 0));
    let view = done.view();
    let calls: Vec<_> = view.calls().collect();
    let error = calls[0].error.as_ref().expect("it was not let through");
    assert_eq!(
        (error.kind, calls[0].started, calls[0].usage.requests),
        (ErrorKind::Provider, None, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_hears_what_became_of_each_call_and_what_the_attempt_before_failed_with() {
    let model = Gated::new(Rule::error(ErrorKind::Provider).times(1));
    let script = Scripted::new()
        .named("openai/small")
        .rule(Rule::error(ErrorKind::Provider).times(1))
        .rule(Rule::reply("hello"));
    let model = Gated {
        model: script,
        ..model
    };
    let done = asking(&agent())
        .run("What?".to_owned())
        .step("ask", Settings::new().retries(2))
        .with_model("m", model.clone())
        .await
        .expect("the second attempt succeeds");
    assert_eq!(done.output, "hello");
    assert_eq!(model.passes(), [Some(Err(ErrorKind::Provider)), Some(Ok(()))]);
    let after: Vec<Option<ErrorKind>> = model
        .model
        .requests()
        .iter()
        .map(|request| request.from.after)
        .collect();
    assert_eq!(after, [None, Some(ErrorKind::Provider)]);
}

#[tokio::test(start_paused = true)]
async fn what_runs_share_is_given_back_whether_a_call_leaves_the_line_or_is_not_let_through() {
    let waits = Gated::new(Rule::reply("never")).waits(WaitReason::RateLimit, 60);
    let mut refuses = Gated::new(Rule::reply("never"));
    refuses.refusal = Some(Failure::new(ErrorKind::Authentication, "refused just now"));
    for (model, kind) in [(waits, ErrorKind::Timeout), (refuses, ErrorKind::Authentication)] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let price = Price::per_million(usd(1.0), usd(2.0));
        let prices = PriceBook::new(std::time::UNIX_EPOCH).with_override("openai/small", price);
        let runner = Runner::builder()
            .models(Models::offline().with("m", model))
            .prices(prices)
            .store_in(store.clone())
            .standing_budget(StandingBudget::new("all").usd_per_day(usd(5.0)))
            .build()
            .expect("nothing is registered twice");
        let run = runner
            .start(&asking(&agent()), "What?".to_owned())
            .step("ask", Settings::new().timeout(Duration::from_secs(5)))
            .await
            .expect("it starts");
        let error = run.done().await.err().expect("nothing was sent");
        assert_eq!(error.kind(), kind);
        runner.close().await.expect("everything is written");
        let accounts = store.accounts(None, 10).await.expect("a store");
        assert_eq!(accounts.len(), 1, "it was set aside there");
        let account = &accounts[0];
        assert_eq!(
            [account.spent, account.reserved, account.uncertain],
            [[0; 3]; 3],
            "{kind}"
        );
    }
}
