//! Tools from outside, against real programs and real sockets on this machine.

mod fetch;
mod guard;
mod http;
mod judged;
mod program;
mod server;
mod tls;

use segue::{Cx, ErrorKind, Failure, Out, Pipeline, Registry, Result, Tool};
use serde_json::{Value as Json, json};

/// Calls a tool by name, as a step does.
async fn step(cx: Cx, call: Json) -> Result<Json> {
    let name = call["tool"].as_str().unwrap_or_default().to_owned();
    cx.call(name, call["arguments"].clone()).await
}

/// Calls a tool in a run of its own, with which it goes.
async fn call(tool: impl Tool, arguments: Json) -> Result<Json, Failure> {
    let name = tool.spec().name;
    call_of(&Registry::new().tool(tool), &name, arguments).await
}

/// Calls a registered tool in a run of its own.
async fn call_of(registry: &Registry, name: &str, arguments: Json) -> Result<Json, Failure> {
    let pipeline: Pipeline<Json, Json> =
        Pipeline::define("calls", |p, input: Out<Json>| p.step("call", step, input)).expect("a pipeline");
    let run = pipeline
        .run(json!({"tool": name, "arguments": arguments}))
        .registry(registry.clone())
        .await;
    match run {
        Ok(done) => Ok(done.output),
        Err(error) => Err(error.failure().clone()),
    }
}

/// The reason of a refusal.
fn reason(failure: &Failure) -> &str {
    assert_eq!(failure.kind, ErrorKind::UrlRefused, "{failure:?}");
    failure.reason.as_deref().expect("a refusal has a reason")
}
