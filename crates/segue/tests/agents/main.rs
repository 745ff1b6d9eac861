//! Agents, end to end: what they are asked, what counts as an answer, what their tools may do, which model they get.

mod answers;
mod approvals;
mod completion;
mod deltas;
mod gates;
mod hosted;
mod models;
mod nested;
mod tools;

use std::collections::VecDeque;
use std::sync::Mutex;

use segue::model::{Finish, Model, Request, Response, Role, ToolCall};
use segue::{Agent, Data, Done, Error, Failure, Models, Out, Pipeline, Registry, Runner, Scripted};

/// A pipeline of one step `ask`, in which the agent is asked what goes in.
fn asking<T: Data>(agent: &Agent<T>) -> Pipeline<String, T> {
    Pipeline::define("asking", |p, prompt: Out<String>| {
        p.step("ask", agent.as_step(|prompt: String| prompt), prompt)
    })
    .expect("one step is a pipeline")
}

/// Asks an agent whose model is `m`.
async fn ask<T: Data>(agent: &Agent<T>, model: &Scripted) -> Result<Done<T>, Error> {
    let run = asking(agent).run("What is it?".to_owned());
    run.with_model("m", model.clone()).await
}

/// Why an agent gave no answer.
async fn refused<T: Data>(agent: &Agent<T>, model: &Scripted) -> Failure {
    let error = ask(agent, model).await.err().expect("there is no answer");
    error.failure().failed_steps[0].error.as_ref().clone()
}

fn runner(model: &Scripted) -> Runner {
    let models = Models::offline().with("m", model.clone());
    Runner::builder()
        .models(models)
        .registry(Registry::new())
        .build()
        .expect("nothing is registered twice")
}

/// What the last message of a request says.
fn last_said(model: &Scripted, request: usize) -> String {
    let requests = model.requests();
    requests[request]
        .messages
        .last()
        .expect("a request has messages")
        .text
        .clone()
}

/// What tools told the model in a request, in order.
fn tool_results(model: &Scripted, request: usize) -> Vec<String> {
    let requests = model.requests();
    let messages = requests[request].messages.iter();
    messages
        .filter(|message| message.role == Role::Tool)
        .map(|message| message.text.clone())
        .collect()
}

/// A model that gives these responses in order, for what a script does not say.
struct Replies(Mutex<VecDeque<Response>>);

impl Replies {
    fn new(responses: impl IntoIterator<Item = Response>) -> Self {
        Self(Mutex::new(responses.into_iter().collect()))
    }
}

impl Model for Replies {
    fn name(&self) -> &str {
        "test/replies"
    }

    fn answer<'a>(
        &'a self,
        _request: &'a Request,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        let next = self
            .0
            .lock()
            .expect("no test panics while it holds this")
            .pop_front();
        Box::pin(async move { Ok(next.expect("there is a reply left")) })
    }
}

fn cut(text: &str) -> Response {
    Response {
        finish: Finish::Length,
        ..Response::text(text)
    }
}

fn calls(calls: &[(&str, &str, serde_json::Value)]) -> Response {
    let call = |(id, tool, arguments): &(&str, &str, serde_json::Value)| ToolCall {
        id: (*id).to_owned(),
        tool: (*tool).to_owned(),
        arguments: arguments.clone(),
    };
    Response {
        tool_calls: calls.iter().map(call).collect(),
        finish: Finish::ToolCalls,
        ..Response::text("")
    }
}

/// Virtual time: what a test measures is exact.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a paused runtime is what is measured"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
