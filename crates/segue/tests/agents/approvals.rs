//! Approvals: a person decides about one exact call, and whatever comes of it is told to the agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use segue::model::Rule;
use segue::plan::{ToolApproval, ToolLimits, ToolOnError};
use segue::{
    Agent, ErrorKind, Outcome, Question, QuestionKind, Result, RunHandle, Scripted, Tool, ToolClass, ToolCx,
    ToolSpec, mins,
};
use serde_json::{Value as Json, json};

use crate::{asking, runner, tool_results};

/// Sends mail, or rather counts how often it would.
struct Send(Arc<AtomicU32>);

impl Tool for Send {
    fn spec(&self) -> ToolSpec {
        let parameters =
            json!({"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]});
        ToolSpec::new("send", "Sends mail.", parameters).class(ToolClass::Effectful)
    }

    fn call<'a>(&'a self, _cx: ToolCx, _arguments: Json) -> BoxFuture<'a, Result<Json>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(json!("sent")) })
    }
}

fn sender(limits: ToolLimits) -> (Agent<String>, Arc<AtomicU32>) {
    let sent = Arc::new(AtomicU32::new(0));
    let agent = Agent::new("clerk")
        .model("m")
        .tool_with(Send(sent.clone()), limits);
    (agent, sent)
}

fn sends(to: &[&str]) -> Scripted {
    let calls = to.iter().map(|to| ("send", json!({"to": to})));
    Scripted::new()
        .rule(Rule::calls(calls).times(1))
        .rule(Rule::reply("done"))
}

async fn waiting(run: &RunHandle<String>) -> Question {
    match run.outcome().await.expect("it rests") {
        Outcome::Waiting(question) => *question,
        Outcome::Done(done) => panic!("nobody was asked: {}", done.output),
    }
}

async fn start(agent: &Agent<String>, model: &Scripted) -> RunHandle<String> {
    runner(model)
        .start(&asking(agent), "Write to them.".to_owned())
        .await
        .expect("it starts")
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_is_made_once_and_nothing_is_repeated() {
    let (agent, sent) = sender(ToolLimits::new());
    let model = sends(&["a@b.c"]);
    let run = start(&agent, &model).await;
    let question = waiting(&run).await;
    assert_eq!(
        (question.kind, question.title.as_str()),
        (QuestionKind::Approval, "may `clerk` call `send`?")
    );
    let approval = question.approval.expect("it is about a call");
    assert_eq!(
        (approval.tool.as_str(), approval.arguments),
        ("send", json!({"to": "a@b.c"}))
    );
    assert_eq!(sent.load(Ordering::Relaxed), 0, "nothing is sent before");
    let bad = run
        .answer(question.id, "yes", "me")
        .await
        .expect_err("the form wants more");
    assert_eq!(bad.kind(), ErrorKind::InvalidInput);
    run.answer(question.id, json!({"approved": true}), "me")
        .await
        .expect("it fits");
    let done = run.done().await.expect("it goes on");
    assert_eq!((sent.load(Ordering::Relaxed), model.requests().len()), (1, 2));
    assert_eq!((done.usage.requests, done.usage.tool_calls), (2, 1));
    assert_eq!(tool_results(&model, 1), ["sent"]);
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_rejection_is_told_to_the_agent() {
    let (agent, sent) = sender(ToolLimits::new());
    let model = sends(&["a@b.c"]);
    let run = start(&agent, &model).await;
    let question = waiting(&run).await;
    let answer = json!({"approved": false, "reason": "not before Monday"});
    run.answer(question.id, answer, "me").await.expect("it fits");
    run.done().await.expect("the agent goes on without it");
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    assert_eq!(
        tool_results(&model, 1),
        ["error: the call of `send` was rejected: not before Monday"]
    );
    let view = run.view();
    let call = view
        .calls()
        .find(|call| call.tool.is_some())
        .expect("the refusal is in the record");
    assert_eq!(
        call.error.as_ref().expect("it says why").kind,
        ErrorKind::ApprovalRejected
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_attempt_where_the_tool_may_not_fail() {
    let (agent, _) = sender(ToolLimits::new().on_error(ToolOnError::Fail));
    let run = start(&agent, &sends(&["a@b.c"])).await;
    let question = waiting(&run).await;
    run.answer(question.id, json!({"approved": false}), "me")
        .await
        .expect("it fits");
    let error = run.done().await.err().expect("it fails");
    assert_eq!(error.kind(), ErrorKind::ApprovalRejected);
}

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_means_no_and_the_agent_is_told() {
    let (agent, sent) = sender(ToolLimits::new().approval_timeout(mins(10)));
    let model = sends(&["a@b.c"]);
    let run = start(&agent, &model).await;
    let question = waiting(&run).await;
    let deadline = question.deadline.expect("it has one");
    assert_eq!(deadline.since(question.asked), mins(10));
    run.done().await.expect("the agent goes on without it");
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    assert_eq!(
        tool_results(&model, 1),
        ["error: nobody approved the call of `send` in time"]
    );
}

#[tokio::test(start_paused = true)]
async fn each_call_of_a_turn_is_asked_for_and_none_is_made_before_all_are_answered() {
    let (agent, sent) = sender(ToolLimits::new());
    let model = sends(&["a@b.c", "d@e.f"]);
    let run = start(&agent, &model).await;
    let first = waiting(&run).await;
    run.answer(first.id, json!({"approved": true}), "me")
        .await
        .expect("it fits");
    let second = waiting(&run).await;
    assert_eq!(second.approval.expect("a call").arguments, json!({"to": "d@e.f"}));
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    run.answer(
        second.id,
        json!({"approved": false, "reason": "who is that?"}),
        "me",
    )
    .await
    .expect("it fits");
    run.done().await.expect("it goes on");
    assert_eq!(sent.load(Ordering::Relaxed), 1);
    assert_eq!(
        tool_results(&model, 1),
        ["sent", "error: the call of `send` was rejected: who is that?"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_approval_holds_for_its_attempt_only() {
    let (agent, sent) = sender(ToolLimits::new());
    let model = Scripted::new()
        .rule(Rule::call("send", json!({"to": "a@b.c"})).times(1))
        .rule(Rule::error(ErrorKind::Provider).times(1))
        .rule(Rule::call("send", json!({"to": "a@b.c"})).times(1))
        .rule(Rule::reply("done"));
    let run = runner(&model)
        .start(&asking(&agent), "Write.".to_owned())
        .step("ask", segue::Settings::new().retries(1))
        .await
        .expect("it starts");
    for made in 0..2 {
        let question = waiting(&run).await;
        assert_eq!(sent.load(Ordering::Relaxed), made);
        run.answer(question.id, json!({"approved": true}), "me")
            .await
            .expect("it fits");
    }
    run.done().await.expect("the second attempt ends");
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_by_name_by_arguments_or_by_class() {
    let when = || ToolApproval::When {
        deny: Some("args.to == 'all'".into()),
        ask: Some("args.to != 'me'".into()),
    };
    for (approval, to, expected) in [
        (ToolApproval::Allow, "all", Some("sent")),
        (
            ToolApproval::Deny,
            "me",
            Some("error: the policy denies `send` to step `ask`"),
        ),
        (
            when(),
            "all",
            Some("error: the policy denies `send` to step `ask`"),
        ),
        (when(), "me", Some("sent")),
        (when(), "you", None),
        (ToolApproval::Ask, "me", None),
    ] {
        let (agent, _) = sender(ToolLimits::new().approval(approval));
        let model = sends(&[to]);
        let run = start(&agent, &model).await;
        match (run.outcome().await.expect("it rests or ends"), expected) {
            (Outcome::Done(_), Some(told)) => assert_eq!(tool_results(&model, 1), [told]),
            (Outcome::Waiting(question), None) => assert_eq!(question.kind, QuestionKind::Approval),
            (_, expected) => panic!("{to}: expected {expected:?}"),
        }
    }
}
