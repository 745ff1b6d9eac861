//! Limits, end to end: runs that share a key wait for each other and say so, and runs that do not share one do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segue::model::{Request, Response, Rule};
use segue::{
    Agent, Done, ErrorKind, Event, EventKind, Failure, Model, Models, Out, Pipeline, RunHandle, Runner,
    Scripted, Settings, secs,
};
use segue_models::{Api, Limited, Limiter, Limiters, Limits, Provider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// One step that asks model `m` once.
fn pipeline() -> Pipeline<String, String> {
    let agent = Agent::<String>::new("writer").model("m");
    Pipeline::define("asks", |p, prompt: Out<String>| {
        p.step("ask", agent.as_step(|prompt: String| prompt), prompt)
    })
    .expect("one step is a pipeline")
}

async fn start(model: impl Model) -> RunHandle<String> {
    let runner = Runner::builder().models(Models::offline().with("m", model));
    let runner = runner.build().expect("nothing is registered twice");
    let launch = runner.start(&pipeline(), "Go.".to_owned());
    launch
        .step("ask", Settings::new().retries(1))
        .await
        .expect("it starts")
}

fn scripted(limiter: &Limiter, rules: impl IntoIterator<Item = Rule>) -> Limited<Scripted> {
    let script = Scripted::new().named("openai/small");
    Limited::new(rules.into_iter().fold(script, Scripted::rule), limiter.clone())
}

fn waits(events: &[Event]) -> Vec<(String, u64)> {
    let waits = events.iter().filter_map(|event| match &event.kind {
        EventKind::CallWaiting { reason, until, .. } => {
            let at_least = until.map_or(0, |until| until.since(event.time).as_secs());
            Some((reason.clone(), at_least))
        }
        _ => None,
    });
    waits.collect()
}

fn waited(done: &Done<String>) -> u64 {
    done.view()
        .step("ask")
        .expect("there is one step")
        .wait_ms
        .rate_limit
}

#[tokio::test(start_paused = true)]
async fn runs_with_one_key_share_its_minute_and_the_record_says_so() {
    let limits = Limits {
        requests_per_minute: Some(1),
        ..Limits::default()
    };
    let (shared, other) = (Limiter::new("openai", limits), Limiter::new("openai", limits));
    let first = start(scripted(&shared, [Rule::reply("one")])).await;
    let first = first.done().await.expect("it has the minute to itself");
    let second = start(scripted(&shared, [Rule::reply("two")])).await;
    let third = start(scripted(&other, [Rule::reply("three")])).await;
    let third = third.done().await.expect("its key is another");
    assert_eq!((waited(&first), waited(&third)), (0, 0));
    let done = second.done().await.expect("its turn comes");
    assert_eq!((done.output.as_str(), waited(&done)), ("two", 60_000));
    assert_eq!(waits(&second.log().events()), [("rate_limit".to_owned(), 60)]);
}

#[tokio::test(start_paused = true)]
async fn a_429_of_one_run_holds_the_others_with_its_key() {
    let shared = Limiter::new("openai", Limits::default());
    let limited = Rule::error(ErrorKind::RateLimited).retry_after(secs(9)).times(1);
    let first = start(scripted(&shared, [limited, Rule::reply("one")])).await;
    // It has heard the 429, and waits for its next attempt.
    let mut events = first.events();
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::AttemptFailed { .. }) {
            break;
        }
    }
    let second = start(scripted(&shared, [Rule::reply("two")])).await;
    let done = second.done().await.expect("the rest is over");
    assert_eq!(waits(&second.log().events()), [("retry_after".to_owned(), 9)]);
    assert_eq!(waited(&done), 9_000);
    let done = first.done().await.expect("its second attempt succeeds");
    assert_eq!(done.view().step("ask").expect("one step").attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_is_refused_once_and_not_for_every_step() {
    let shared = Limiter::new("openai", Limits::default());
    let model = Scripted::new()
        .named("openai/small")
        .rule(Rule::error(ErrorKind::Authentication));
    let limited = || Limited::new(model.clone(), shared.clone());
    let kind = |failed: Result<Done<String>, segue::Error>| failed.err().map(|error| error.kind());
    assert_eq!(
        kind(start(limited()).await.done().await),
        Some(ErrorKind::Authentication)
    );
    let next = start(limited()).await;
    assert_eq!(kind(next.done().await), Some(ErrorKind::Authentication));
    assert_eq!(model.requests().len(), 1, "the second was never sent");
    let other = start(scripted(&shared, [Rule::reply("other")])).await;
    assert_eq!(
        kind(other.done().await),
        Some(ErrorKind::Authentication),
        "it is the same model"
    );
    let named = Scripted::new().named("openai/large").rule(Rule::reply("large"));
    let other = start(Limited::new(named, shared.clone())).await;
    assert!(other.done().await.is_ok(), "the key may be good for another");
    tokio::time::sleep(secs(30)).await;
    assert!(start(limited()).await.done().await.is_err());
    assert_eq!(model.requests().len(), 2, "it is tried again");
}

/// A model that sends its prompt to a server on this machine, and answers with what comes back.
struct Near {
    address: String,
}

impl Model for Near {
    fn name(&self) -> &str {
        "near/model"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        async move {
            let lost = |error: std::io::Error| Failure::new(ErrorKind::Network, error.to_string());
            let mut stream = TcpStream::connect(&self.address).await.map_err(lost)?;
            let prompt = request
                .messages
                .last()
                .map_or("", |message| message.text.as_str());
            stream.write_all(prompt.as_bytes()).await.map_err(lost)?;
            stream.shutdown().await.map_err(lost)?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.map_err(lost)?;
            Ok(Response::text(text))
        }
        .boxed()
    }
}

/// Answers each connection once so many are there at the same time, and counts the most there ever were.
fn server(together: usize) -> (String, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    listener.set_nonblocking(true).expect("a socket");
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime")
            .block_on(serve(listener, together, seen));
    });
    (address, most)
}

async fn serve(listener: std::net::TcpListener, together: usize, most: Arc<AtomicUsize>) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    let here = Arc::new(AtomicUsize::new(0));
    let barrier = Arc::new(Barrier::new(together));
    let mut answering = tokio::task::JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (here, most, barrier) = (here.clone(), most.clone(), barrier.clone());
        answering.spawn(async move {
            most.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let mut prompt = String::new();
            stream.read_to_string(&mut prompt).await.expect("it is text");
            barrier.wait().await;
            here.fetch_sub(1, Ordering::SeqCst);
            stream.write_all(b"ok").await.expect("it reads");
        });
    }
}

#[tokio::test]
async fn two_keys_are_at_work_at_once_and_one_key_is_not() {
    let limits = Limits {
        max_concurrent: Some(1),
        ..Limits::default()
    };
    let limiters = Limiters::new();
    let near = |address: &str, key: &str| {
        let url = format!("http://{address}").parse().expect("an address");
        let provider = Provider::new("near", Api::Chat, url).key(segue::Secret::new(key));
        let model = Near {
            address: address.to_owned(),
        };
        Limited::new(model, limiters.of(&provider, limits))
    };
    // The server answers nobody before both are there.
    let (address, most) = server(2);
    let (a, b) = (start(near(&address, "a")).await, start(near(&address, "b")).await);
    let (a_done, b_done) = tokio::join!(a.done(), b.done());
    assert_eq!(
        (a_done.expect("a").output, b_done.expect("b").output),
        ("ok".into(), "ok".into())
    );
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let (address, most) = server(1);
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(start(near(&address, "c")).await);
    }
    for run in runs {
        run.done().await.expect("its turn comes");
    }
    assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time");
}
