//! Pipeline files, end to end: what the words of a file do when it runs.

use std::sync::Arc;

use segue::file::load_text;
use segue::{
    Done, Error, ErrorKind, Event, EventKind, Models, Outcome, Pipeline, Registry, Rule, Runner, Scripted,
    StepStatus,
};
use serde_json::{Value as Json, json};

fn pipeline(text: &str) -> Pipeline<Json, Json> {
    let registry = Registry::new();
    let loaded = load_text(text, "test.yaml", &registry).unwrap_or_else(|rejected| panic!("{rejected}"));
    Pipeline::from_plan(&loaded.plan, &registry).expect("everything it names is there")
}

async fn run(text: &str, inputs: Json, script: Scripted) -> Result<Done<Json>, Error> {
    pipeline(text)
        .run(inputs)
        .models(Models::offline().with("openai/test", script))
        .await
}

fn reply(text: &str) -> Scripted {
    Scripted::new().rule(Rule::reply(text))
}

const AGENT: &str = "
version: 1
name: test
inputs: { n: { type: integer, default: 1 } }
agents: { a: { model: openai/test, instructions: Answer. } }
";

fn kinds(events: &[Event], step: &str) -> Vec<String> {
    events
        .iter()
        .filter(|event| event.step.as_deref() == Some(step))
        .map(Event::name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_condition_is_false_never_starts() {
    let text = format!(
        "{AGENT}steps: {{ a: {{ agent: a, prompt: x, when: inputs.n > 1 }} }}\noutput: steps.a.output or 'none'\n"
    );
    let done = run(&text, json!({"n": 1}), reply("yes")).await.expect("it runs");
    assert_eq!(done.output, "none");
    assert_eq!(kinds(&done.log().events(), "a"), ["step.ready", "step.skipped"]);
    let done = run(&text, json!({"n": 2}), reply("yes")).await.expect("it runs");
    assert_eq!(done.output, "yes");
    assert_eq!(done.view().step("a").map(|step| step.attempts.len()), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_is_no_boolean_fails_the_step() {
    let text = "version: 1\nname: test\ninputs: { x: any }\nsteps: { a: { set: 1, when: inputs.x } }\n";
    let error = run(text, json!({"x": "text"}), reply(""))
        .await
        .err()
        .expect("text is no condition");
    assert_eq!(error.kind(), ErrorKind::KindMismatch);
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_choice_fails_takes_its_fallback() {
    let text = format!(
        "{AGENT}steps:
  pick:
    route: {{ agent: a, prompt: which? }}
    on_error: {{ use: second }}
    to: {{ first: {{ set: 1 }}, second: {{ set: 2 }} }}
"
    );
    let failing = Scripted::new().rule(Rule::error(ErrorKind::Authentication));
    let done = run(&text, json!({}), failing).await.expect("the file decides");
    assert_eq!(done.output, 2);
    let view = done.view();
    assert_eq!(view.routes()[0].by, "fallback");
    let done = run(&text, json!({}), reply("first"))
        .await
        .expect("the model decides");
    assert_eq!(done.output, 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_tries_its_arms_in_order() {
    let text = format!(
        "{AGENT}steps:
  pick:
    route: {{ first_of: [cheap, good] }}
    to:
      cheap: {{ agent: a, prompt: cheap }}
      good: {{ agent: a, prompt: good }}
"
    );
    let script = Scripted::new()
        .rule(Rule::error(ErrorKind::Authentication).prompt_contains("cheap"))
        .rule(Rule::reply("fine").prompt_contains("good"));
    let done = run(&text, json!({}), script)
        .await
        .expect("the second arm is fine");
    assert_eq!(done.output, "fine");
    let arms: Vec<String> = done
        .view()
        .routes()
        .iter()
        .map(|route| route.arm.clone())
        .collect();
    assert_eq!(arms, ["cheap", "good"]);
    assert_eq!(
        done.view().step("pick/cheap").map(|step| step.status),
        Some(StepStatus::Failed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_in_two_arms_runs_for_both() {
    let text = "
version: 1
name: test
inputs: { arm: { enum: [a, b, c] } }
steps:
  pick: { route: inputs.arm, to: { a: [one, both], b: both, c: none } }
  one: { set: 1 }
  both: { set: 2 }
output: { one: '{{ steps.one.output }}', both: '{{ steps.both.output }}' }
";
    for (arm, one, both) in [
        ("a", json!(1), json!(2)),
        ("b", Json::Null, json!(2)),
        ("c", Json::Null, Json::Null),
    ] {
        let done = run(text, json!({"arm": arm}), reply("")).await.expect("it runs");
        assert_eq!(done.output, json!({"one": one, "both": both}), "arm {arm}");
    }
}

#[tokio::test(start_paused = true)]
async fn context_shows_needs_or_every_ancestor() {
    let steps = |context: &str| {
        format!(
            "{AGENT}steps:
  one: {{ title: First, set: alpha }}
  two: {{ title: Second, set: '{{{{ steps.one.output }}}} beta' }}
  last: {{ agent: a, needs: [two], context: {context} }}
output: steps.last.output
"
        )
    };
    for (context, first) in [("needs", false), ("all", true)] {
        let script = reply("ok");
        run(&steps(context), json!({}), script.clone())
            .await
            .expect("it runs");
        let prompt = script.prompts("last").join("\n");
        assert!(prompt.contains("## Second\nalpha beta"), "{prompt}");
        assert_eq!(prompt.contains("## First\nalpha"), first, "{context}: {prompt}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_map_keeps_the_errors_of_its_items() {
    let text = format!(
        "{AGENT}steps:
  each: {{ for_each: '[1, 2, 3]', as: n, on_error: keep, agent: a, prompt: 'item {{{{ n }}}}' }}
output:
  items: '{{{{ steps.each.items | length }}}}'
  kept: '{{{{ steps.each.output[1].error.kind }}}}'
"
    );
    let script = Scripted::new()
        .rule(Rule::error(ErrorKind::RateLimited).prompt_contains("item 2"))
        .rule(Rule::reply("fine"));
    let done = run(&text, json!({}), script).await.expect("it runs");
    assert_eq!(done.output, json!({"items": 3, "kept": "rate_limited"}));
}

#[tokio::test(start_paused = true)]
async fn retry_when_asks_again_with_a_reason() {
    let text = "
version: 1
name: test
agents: { a: { model: openai/test, instructions: Answer., output: { score: number } } }
steps:
  review:
    agent: a
    prompt: go
    retry: { max_attempts: 3, backoff: none, when: output.score < 0.8, reason: 'score {{ output.score }}, want 0.8' }
";
    let script = Scripted::new()
        .rule(Rule::json(json!({"score": 0.5})).times(1))
        .rule(Rule::json(json!({"score": 0.9})));
    let done = run(text, json!({}), script.clone())
        .await
        .expect("the second is good enough");
    assert_eq!(done.output, json!({"score": 0.9}));
    assert!(script.prompts("review")[1].contains("score 0.5, want 0.8"));
    let never = Scripted::new().rule(Rule::json(json!({"score": 0.1})));
    let error = run(text, json!({}), never).await.err().expect("it never is");
    assert!(error.is_exhausted());
    assert_eq!(error.failure().failed_steps[0].error.causes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_gives_the_output_and_keeps_what_failed() {
    let text = format!(
        "{AGENT}steps:
  a: {{ agent: a, prompt: x }}
on_failure:
  steps: {{ sorry: {{ set: '{{{{ error.kind }}}}: {{{{ error.failed | join(\",\") }}}}' }} }}
  output: steps.sorry.output
"
    );
    let done = run(
        &text,
        json!({}),
        Scripted::new().rule(Rule::error(ErrorKind::BadRequest)),
    )
    .await
    .expect("mended");
    assert!(done.fallback);
    assert_eq!(done.output, "bad_request: a");
    assert_eq!(done.view().failed_steps().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_of_a_file_is_given_or_asked() {
    let text = "
version: 1
name: test
inputs: { known: { type: 'object|null', default: null } }
steps:
  contact: { ask: { title: How can we reach you?, form: { email: string }, given: inputs.known } }
output: steps.contact.output.email
";
    let text = text.replace("type: 'object|null'", "type: [object, 'null']");
    let done = run(&text, json!({"known": {"email": "a@b.c"}}), reply(""))
        .await
        .expect("it is given");
    assert_eq!(done.output, "a@b.c");
    let runner = Runner::builder().build().expect("a runner");
    let run = runner
        .start(&pipeline(&text), json!({}))
        .await
        .expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    assert!(run.answer(question.id, json!({"mail": "x"}), "me").await.is_err());
    run.answer(question.id, json!({"email": "d@e.f"}), "me")
        .await
        .expect("it fits");
    assert_eq!(run.done().await.expect("it goes on").output, "d@e.f");
}

#[tokio::test(start_paused = true)]
async fn inputs_are_checked_all_at_once_before_anything_runs() {
    let text = "version: 1\nname: test\ninputs: { count: integer, topic: string }\nsteps: { a: { set: '{{ inputs.count }} {{ inputs.topic }}' } }\n";
    let error = run(text, json!({"count": "3", "topc": 1}), reply(""))
        .await
        .err()
        .expect("nothing fits");
    assert!(error.is_invalid_input());
    for part in [
        "inputs.count",
        "inputs.topc",
        "did you mean `topic`",
        "inputs.topic`: it is missing",
    ] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_sticks_to_its_key() {
    let text = "
version: 1
name: test
inputs: { user: string }
steps:
  pick: { route: { split: { a: 50, b: 50 }, by: inputs.user }, to: { a: { set: a }, b: { set: b } } }
";
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let user = user.to_string();
        let first = run(text, json!({"user": user}), reply(""))
            .await
            .expect("it runs")
            .output;
        assert_eq!(
            run(text, json!({"user": user}), reply(""))
                .await
                .expect("it runs")
                .output,
            first
        );
        seen.insert(first.to_string());
    }
    assert_eq!(seen.len(), 2, "twenty users fall on both arms");
}

#[tokio::test(start_paused = true)]
async fn model_text_is_never_a_template() {
    let text = format!(
        "{AGENT}steps: {{ a: {{ agent: a, prompt: x }}, b: {{ set: 'said {{{{ steps.a.output }}}}' }} }}\n"
    );
    let done = run(&text, json!({}), reply("{{ 7*7 }}")).await.expect("it runs");
    assert_eq!(done.output, "said {{ 7*7 }}");
}

#[tokio::test(start_paused = true)]
async fn artifacts_are_saved_and_a_link_moves_only_on_success() {
    let text = format!(
        "{AGENT}steps:
  draft: {{ set: '# Report' }}
  check: {{ agent: a, prompt: x, needs: [draft] }}
artifacts: {{ report.md: {{ from: steps.draft.output, link: latest }} }}
output: steps.check.output
"
    );
    let done = run(&text, json!({}), reply("ok")).await.expect("it runs");
    assert_eq!(
        done.artifact("report.md").await.expect("it is read").as_deref(),
        Some("# Report".as_bytes())
    );
    let linked = |events: &[Event]| {
        events
            .iter()
            .any(|event| matches!(event.kind, EventKind::ArtifactLinked { .. }))
    };
    let saved = |events: &[Event]| {
        events
            .iter()
            .any(|event| matches!(event.kind, EventKind::ArtifactSaved { .. }))
    };
    assert!(linked(&done.log().events()));
    let failing = Models::offline().with(
        "openai/test",
        Scripted::new().rule(Rule::error(ErrorKind::BadRequest)),
    );
    let runner = Runner::builder().models(failing).build().expect("a runner");
    let run = runner
        .start(&pipeline(&text), json!({}))
        .await
        .expect("it starts");
    assert!(run.done().await.is_err());
    let events: Arc<[Event]> = run.log().events().into();
    assert!(
        saved(&events) && !linked(&events),
        "what is done is saved, and nothing is linked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_is_told_of_a_refused_answer_and_not_of_a_lost_connection() {
    let text = format!("{AGENT}steps: {{ a: {{ agent: a, prompt: go, retries: 1 }} }}\n");
    for (kind, told) in [(ErrorKind::IncompleteResponse, true), (ErrorKind::Network, false)] {
        let script = Scripted::new()
            .rule(Rule::error(kind).times(1))
            .rule(Rule::reply("fine"));
        run(&text, json!({}), script.clone())
            .await
            .expect("the second attempt is fine");
        let prompts = script.prompts("a");
        assert_eq!(prompts.len(), 2);
        assert_eq!(prompts[1].contains("was refused"), told, "{kind}: {}", prompts[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn inputs_of_a_nested_pipeline_are_completed_and_checked_like_those_of_a_run() {
    let inner = "version: 1\nname: inner\ninputs: { n: { type: integer, default: 7, maximum: 9 }, note: string|null }\n\
         steps: { a: { set: '{{ inputs.n }} {{ inputs.note or 0 }}' } }\n";
    let main = |with: &str| {
        format!(
            "version: 1\nname: main\ninputs: {{ n: any }}\nsteps: {{ s: {{ pipeline: inner.yaml{with} }} }}\noutput: steps.s.output ~ inputs.n\n"
        )
    };
    let run = |with: &str| {
        let files = std::collections::BTreeMap::from([
            ("main.yaml".to_owned(), main(with)),
            ("inner.yaml".to_owned(), inner.to_owned()),
        ]);
        let registry = Registry::new();
        let options = segue::file::LoadOptions::default();
        let loaded = segue::file::load_from(&files, "main.yaml", "main.yaml", &registry, options)
            .unwrap_or_else(|rejected| panic!("{rejected}"));
        Pipeline::from_plan(&loaded.plan, &registry)
            .expect("everything it names is there")
            .run(json!({"n": 99}))
    };
    let done = run("").await.expect("the defaults hold");
    assert_eq!(done.output, "7 099");
    let error = run(", with: { n: '{{ inputs.n }}' }")
        .await
        .err()
        .expect("99 is above 9");
    assert!(error.to_string().contains("`inputs.n`"), "{error}");
    let failed = &error.failure().failed_steps[0];
    assert_eq!(
        (failed.step.as_str(), failed.error.kind),
        ("s", ErrorKind::InvalidInput)
    );
}
