//! What only hosted models do: they write piece by piece, want something back, and may have been paid when they fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use segue::model::{Model, Request, Response, Role};
use segue::price::{Price, PriceBook};
use segue::{
    Agent, Cost, ErrorKind, Failure, Models, Result, Runner, Spent, ToolCx, Usage, millis, tool, usd,
};
use serde_json::json;

use crate::{asking, calls};

/// Writes its first piece after 300 ms and is done 200 ms later; keeps what it was asked.
#[derive(Clone, Default)]
struct Hosted {
    answers: Arc<Mutex<VecDeque<Result<Response, Failure>>>>,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Hosted {
    fn new(answers: impl IntoIterator<Item = Result<Response, Failure>>) -> Self {
        let hosted = Self::default();
        hosted
            .answers
            .lock()
            .expect("no test panics while it holds this")
            .extend(answers);
        hosted
    }
}

impl Model for Hosted {
    fn name(&self) -> &str {
        "acme/large"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        self.asked
            .lock()
            .expect("no test panics while it holds this")
            .push(request.clone());
        let answer = self
            .answers
            .lock()
            .expect("no test panics while it holds this")
            .pop_front()
            .expect("there is one left");
        Box::pin(async move {
            tokio::time::sleep(millis(300)).await;
            if answer.is_ok() {
                request.listener.hears("do");
            }
            tokio::time::sleep(millis(200)).await;
            request.listener.hears("ne");
            answer
        })
    }
}

fn runner(model: &Hosted) -> Runner {
    let price = Price::per_million(usd(1.0), usd(2.0));
    Runner::builder()
        .models(Models::offline().with("m", model.clone()))
        .prices(PriceBook::new(std::time::UNIX_EPOCH).with_override("acme/large", price))
        .build()
        .expect("nothing is registered twice")
}

/// Does nothing.
#[tool(class = read_only)]
async fn look(_cx: ToolCx) -> Result<String> {
    Ok("seen".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_call_knows_when_its_first_piece_came_and_its_model_gets_back_what_it_wants() {
    let thought = json!({"signed": "thought"});
    let turn = Response {
        opaque: Some(thought.clone()),
        ..calls(&[("1", "look", json!({}))])
    };
    let model = Hosted::new([Ok(turn), Ok(Response::text("done"))]);
    let agent = Agent::<String>::new("worker").model("m").tool(look {});
    let run = runner(&model).start(&asking(&agent), "Look.".to_owned()).await;
    let done = run.expect("it starts").done().await.expect("it ends");
    let view = done.view();
    let firsts: Vec<_> = view.calls().map(|call| call.first_token_ms).collect();
    assert_eq!(firsts, [Some(300), None, Some(300)], "a model, a tool, a model");

    let asked = model.asked.lock().expect("no test panics while it holds this");
    let said = |request: &Request| {
        let said = request
            .messages
            .iter()
            .find(|message| message.role == Role::Assistant);
        said.and_then(|message| message.opaque.clone())
    };
    assert_eq!([said(&asked[0]), said(&asked[1])], [None, Some(thought)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_counted_with_what_it_says_it_used() {
    let used = |usage: Usage, cost: Cost| Some(Spent { usage, cost });
    let tokens = Usage {
        input_tokens: 1_000,
        output_tokens: 500,
        ..Usage::default()
    };
    for (kind, spent, nanos, is_estimated) in [
        // Never sent, turned away, broken off after some of it, broken off and nobody knows how much.
        (ErrorKind::Network, None, 0, false),
        (ErrorKind::RateLimited, Some(Spent::default()), 0, false),
        (
            ErrorKind::Network,
            used(tokens, Cost::default().estimated()),
            2_000_000,
            true,
        ),
        (
            ErrorKind::Provider,
            used(tokens, Cost::default()),
            2_000_000,
            false,
        ),
    ] {
        let mut failure = Failure::new(kind, "no answer");
        failure.spent = spent;
        let model = Hosted::new([Err(failure)]);
        let agent = Agent::<String>::new("worker").model("m");
        let run = runner(&model).start(&asking(&agent), "Go.".to_owned()).await;
        let error = run.expect("it starts").done().await.err().expect("it fails");
        let cost = error.spent().cost;
        assert_eq!(
            (cost.nanousd.nanos(), cost.estimated_calls == 1),
            (nanos, is_estimated),
            "{kind}"
        );
    }
}
