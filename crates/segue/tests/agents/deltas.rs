//! Live streams: pieces of answers while models write them, in their place among the events, and in no log.

use futures_util::future::BoxFuture;
use segue::model::{Model, Request, Response};
use segue::redact::Redactor;
use segue::store::MemoryStore;
use segue::{
    Agent, Delta, Failure, Heard, Live, Models, Out, Pipeline, Result, Runner, RunnerBuilder, Secret, ToolCx,
    millis, tool,
};
use serde_json::json;

use crate::{Replies, asking, calls};

/// Writes an answer word by word, one every 10 ms.
struct Writer(&'static [&'static str]);

impl Model for Writer {
    fn name(&self) -> &str {
        "acme/large"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            for piece in self.0 {
                tokio::time::sleep(millis(10)).await;
                request.listener.hears(piece);
            }
            Ok(Response::text(self.0.concat()))
        })
    }
}

fn builder(words: &'static [&'static str]) -> RunnerBuilder {
    Runner::builder().models(Models::offline().with("m", Writer(words)))
}

fn agent(name: &str) -> Agent<String> {
    Agent::new(name).model("m")
}

/// What a live stream tells to its end: the names of events, with pieces as they are.
async fn told(mut live: Live) -> (Vec<String>, Vec<Delta>) {
    let (mut order, mut deltas) = (Vec::new(), Vec::new());
    while let Some(heard) = live.next().await {
        match heard {
            Heard::Event(event) => order.push(event.name()),
            Heard::Delta(delta) => {
                order.push(delta.text.clone());
                deltas.push(delta);
            }
        }
    }
    assert!(live.error().is_none());
    (order, deltas)
}

#[tokio::test(start_paused = true)]
async fn pieces_come_between_the_start_and_the_end_of_their_call_and_are_in_no_log() {
    let words = &["Dear ", "Ada", ", ", "hello."];
    for is_durable in [false, true] {
        let builder = builder(words);
        let runner = match is_durable {
            true => builder.store(MemoryStore::new()),
            false => builder,
        };
        let runner = runner.build().expect("nothing is registered twice");
        let listen = runner.listen();
        let run = runner
            .start(&asking(&agent("writer")), "Write.".to_owned())
            .await
            .expect("it starts");
        let (order, deltas) = told(listen.follow(&run)).await;
        let from = order
            .iter()
            .position(|name| name == "call.started")
            .expect("it calls");
        let expected = ["call.started", "Dear ", "Ada", ", ", "hello.", "call.succeeded"];
        assert_eq!(order[from..from + 6], expected, "{order:?}");
        let call = run.view().calls().next().expect("there is one").id;
        for delta in &deltas {
            assert_eq!(
                (delta.step.as_str(), delta.call, delta.run),
                ("ask", call, run.id())
            );
            assert!(!delta.gap);
        }
        assert_eq!(
            serde_json::to_value(Heard::Delta(deltas[1].clone())).expect("it is JSON"),
            json!({"schema": "segue.event/1", "run": run.id(), "time": deltas[1].time, "type": "call.delta",
                "step": "ask", "call": call, "text": "Ada"})
        );
        let names: Vec<String> = run.log().events().iter().map(segue::Event::name).collect();
        assert!(!names.iter().any(|name| name == "call.delta"), "{names:?}");

        // Whoever comes when it is over hears the events alone.
        let (order, deltas) = told(run.live()).await;
        assert!(deltas.is_empty() && order == names, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_that_write_at_once_are_told_apart() {
    let runner = builder(&["one ", "two ", "three"]).build().expect("it is right");
    let both = Pipeline::define("both", |p, prompt: Out<String>| {
        let left = p.step("left", agent("a").as_step(|prompt: String| prompt), prompt);
        let right = p.step("right", agent("b").as_step(|prompt: String| prompt), prompt);
        p.step(
            "join",
            |_cx: segue::Cx, l: String, r: String| async move { Ok(l + &r) },
            (left, right),
        )
    })
    .expect("it is right");
    let run = runner.start(&both, "Count.".to_owned()).await.expect("it starts");
    let (_, deltas) = told(run.live()).await;
    for step in ["left", "right"] {
        let of = deltas.iter().filter(|delta| delta.step == step);
        let text: Vec<&str> = of.map(|delta| delta.text.as_str()).collect();
        assert_eq!(text, ["one ", "two ", "three"], "{deltas:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_lies_over_pieces_is_told_to_nobody() {
    let redactor = Redactor::new().secret("CRM", &Secret::new("correct horse"));
    let words = &[
        "The word is corr",
        "ect",
        " hor",
        "se",
        ", they say. A corr",
        "idor.",
    ];
    let runner = builder(words).redactor(redactor).build().expect("it is right");
    let run = runner
        .start(&asking(&agent("writer")), "Tell.".to_owned())
        .await
        .expect("it starts");
    let (_, deltas) = told(run.live()).await;
    let text: String = deltas.iter().map(|delta| delta.text.as_str()).collect();
    assert_eq!(text, "The word is [redacted CRM], they say. A corridor.");
    assert_eq!(text, run.done().await.expect("it ends").output);
    assert!(deltas.len() > 2 && deltas[0].text == "The word is ", "{deltas:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_waits_slows_nobody_and_has_it_all_at_the_end() {
    let runner = builder(&["a ", "b ", "c"]).build().expect("it is right");
    let run = runner
        .start(&asking(&agent("writer")), "Go.".to_owned())
        .await
        .expect("it starts");
    let live = run.live();
    let done = run.done().await.expect("it ends");
    assert_eq!(done.usage.model_ms, 30);
    let (_, deltas) = told(live).await;
    assert_eq!(deltas.len(), 1, "what was not taken is one piece");
    assert_eq!((deltas[0].text.as_str(), deltas[0].gap), ("a b c", false));
}

/// Does nothing.
#[tool(class = read_only)]
async fn look(_cx: ToolCx) -> Result<String> {
    Ok("seen".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_model_that_does_not_stream_says_all_at_once_and_wishes_for_tools_are_no_text() {
    let replies = [calls(&[("1", "look", json!({}))]), Response::text("Done.")];
    let models = Models::offline().with("m", Replies::new(replies));
    let runner = Runner::builder().models(models).build().expect("it is right");
    let agent = agent("worker").tool(look {});
    let run = runner
        .start(&asking(&agent), "Look.".to_owned())
        .await
        .expect("it starts");
    let (order, deltas) = told(run.live()).await;
    assert_eq!(deltas.len(), 1, "{deltas:?}");
    let at = order.iter().position(|name| name == "Done.").expect("it is told");
    assert_eq!(order[at + 1], "call.succeeded");
    let firsts: Vec<_> = run.view().calls().map(|call| call.first_token_ms).collect();
    assert_eq!(firsts, [None, None, None]);
}
