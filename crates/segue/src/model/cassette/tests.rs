use std::borrow::Cow;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde_json::json;

use super::player::Player;
use super::{Cassette, NoSecrets, Recorded, Recording, Redact};
use crate::error::{ErrorKind, Failure};
use crate::model::{Answered, From, Listener, Memory, Message, Model, Request, Role, Rule, Scripted};
use crate::money::{Cost, usd};
use crate::plan::ModelSettings;
use crate::price::{Price, PriceBook};
use crate::schema::Schema;
use crate::tool::ToolSpec;
use crate::usage::Usage;

fn request(run: &str, step: &str, text: &str) -> Request {
    Request {
        messages: vec![
            Message::new(Role::System, "Write."),
            Message::new(Role::User, text),
        ],
        output: Some(Schema::from_json(json!({"type": "string"})).expect("a schema")),
        tools: vec![ToolSpec::new("look", "Looks.", json!({"type": "object"}))],
        settings: ModelSettings {
            temperature: Some(0.2),
            max_tokens: Some(100),
            ..ModelSettings::default()
        },
        idempotency_key: "key".into(),
        from: From {
            run: run.into(),
            step: step.into(),
            agent: "writer".into(),
            attempt: 1,
            after: None,
        },
        listener: Listener::default(),
    }
}

fn prices() -> PriceBook {
    PriceBook::new(UNIX_EPOCH).with_override("openai/small", Price::per_million(usd(1.0), usd(2.0)))
}

fn script() -> Scripted {
    let usage = Usage {
        input_tokens: 1000,
        output_tokens: 500,
        ..Usage::default()
    };
    Scripted::new()
        .rule(
            Rule::reply("first\nand more")
                .prompt_contains("a")
                .usage(usage)
                .times(1),
        )
        .rule(Rule::reply("second").prompt_contains("a").usage(usage))
        .rule(Rule::error(ErrorKind::RateLimited).prompt_contains("b"))
        .rule(Rule::reply("other").usage(usage))
        .named("openai/small")
}

async fn ask(model: &impl Model, request: &Request) -> Result<String, Failure> {
    model.answered(request).await.result.map(|response| response.text)
}

/// Records these requests with the script.
async fn recorded(
    redact: impl Redact,
    requests: &[Request],
    before: Option<&Cassette>,
) -> Result<Recorded, Failure> {
    let recording = Recording::new(prices(), None, Arc::new(redact));
    let model = recording.model("smart/one", Arc::new(script()));
    for request in requests {
        let _ = model.answered(request).await;
    }
    recording.finish(before)
}

#[tokio::test]
async fn what_is_recorded_plays_by_request_and_equal_ones_in_order() {
    let requests = [
        request("run 1", "draft", "a"),
        request("run 1", "draft", "a"),
        request("run 1", "each[10]", "c"),
        request("run 1", "each[9]", "d"),
        request("run 1", "draft", "b"),
    ];
    let recorded = recorded(NoSecrets, &requests, None).await.expect("a cassette");
    assert_eq!(recorded.calls, 5);
    // (1000 × $1 + 500 × $2) / 1,000,000, four times; the error used nothing that it says.
    assert_eq!(recorded.cost.nanousd, usd(0.008));
    let steps: Vec<&str> = recorded
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("  - step: "))
        .collect();
    assert_eq!(
        steps,
        ["draft", "draft", "draft", "\"each[9]\"", "\"each[10]\""],
        "{}",
        recorded.text
    );

    let cassette = Cassette::from_yaml(&recorded.text).expect("it reads back");
    let player = Player::of(cassette.clone(), "smart/one");
    // In another order, in two runs at once, with other most tokens: each run begins anew.
    let mut clamped = request("run 3", "draft", "a");
    clamped.settings.max_tokens = Some(7);
    for (request, expected) in [
        (request("run 2", "other", "d"), "other"),
        (request("run 2", "draft", "a"), "\"first\\nand more\""),
        (clamped, "\"first\\nand more\""),
        (request("run 2", "draft", "a"), "\"second\""),
    ] {
        let said = ask(&player, &request).await.expect("it was recorded");
        assert!(said == expected || said == format!("\"{expected}\""), "{said}");
    }
    let answered = player.answered(&request("run 4", "draft", "a")).await;
    assert_eq!(answered.recorded, Some(Cost::of(usd(0.002))));
    assert_eq!(
        answered
            .result
            .map(|response| response.usage.map(|usage| usage.input_tokens)),
        Ok(Some(1000))
    );
    let failed = ask(&player, &request("run 4", "draft", "b"))
        .await
        .expect_err("it failed then");
    assert_eq!(failed.kind, ErrorKind::RateLimited);
    assert!(failed.retryable);
    // A run that goes on asks by its own name the model that a name stood for when it began.
    let recording = Recording::new(prices(), None, Arc::new(NoSecrets));
    let named = || Arc::new(script().named("smart/one"));
    for (asked, text) in [("auto/large", "a"), ("smart/one", "d")] {
        let model = recording.model(asked, named());
        ask(&model, &request("run 1", "draft", text))
            .await
            .expect("an answer");
    }
    let text = recording.finish(None).expect("a cassette").text;
    let resumed = Cassette::from_yaml(&text).expect("it reads");
    for (asked, text, is_played) in [
        ("auto/large", "a", true),
        ("auto/large", "d", true),
        ("smart/one", "a", false),
        ("auto/small", "d", false),
    ] {
        let player = Player::of(resumed.clone(), asked);
        let played = ask(&player, &request("run 6", "draft", text)).await;
        assert_eq!(played.is_ok(), is_played, "{asked} {text}");
    }
    // Another model was not asked; whoever names none takes what fits.
    let stranger = Player::of(cassette.clone(), "smart/two");
    assert_eq!(
        ask(&stranger, &request("run 5", "draft", "a"))
            .await
            .expect_err("a miss")
            .first_difference
            .as_deref(),
        Some("/model")
    );
    assert!(ask(&cassette, &request("run 5", "draft", "a")).await.is_ok());
}

#[tokio::test]
async fn a_miss_names_the_nearest_call_and_the_first_difference() {
    let long = "the long beginning that both share, and then one";
    let requests = [request("run 1", "plan", "x"), request("run 1", "draft", long)];
    let recorded = recorded(NoSecrets, &requests, None).await.expect("a cassette");
    let player = Player::of(
        Cassette::from_yaml(&recorded.text).expect("it reads"),
        "smart/one",
    );
    let other = request(
        "run 2",
        "draft",
        "the long beginning that both share, and then two",
    );
    let missed = ask(&player, &other).await.expect_err("a miss");
    assert_eq!(missed.kind, ErrorKind::CassetteMiss);
    assert_eq!(missed.first_difference.as_deref(), Some("/messages/1/text"));
    assert_eq!(
        missed.nearest.as_deref(),
        Some("call 1 (step `draft`, agent `writer`)")
    );
    assert_eq!(
        missed.message,
        "nothing was recorded for a request of agent `writer` at step `draft`; the nearest is call 1 (step `draft`, \
         agent `writer`): at `/messages/1/text` it has `e, and then two`, recorded was `e, and then one`"
    );
    // Each part of a request counts.
    let mut hotter = request("run 2", "draft", long);
    hotter.settings.temperature = Some(0.9);
    let mut untyped = request("run 2", "draft", long);
    untyped.output = None;
    let mut toolless = request("run 2", "draft", long);
    toolless.tools.clear();
    let mut longer = request("run 2", "draft", long);
    longer.messages.push(Message::new(Role::User, "more"));
    for (request, pointer) in [
        (hotter, "/settings/temperature"),
        (untyped, "/output"),
        (toolless, "/tools/0"),
        (longer, "/messages/2"),
    ] {
        let missed = ask(&player, &request).await.expect_err("a miss");
        assert_eq!(missed.first_difference.as_deref(), Some(pointer));
    }
    // A second time in one run was never recorded.
    let again = request("run 3", "draft", long);
    assert!(ask(&player, &again).await.is_ok());
    let missed = ask(&player, &again).await.expect_err("once only");
    assert!(
        missed
            .message
            .contains("for the 2. time in this run that was recorded 1 time"),
        "{}",
        missed.message
    );
    // Whoever takes the run up tells what was asked.
    player.forget("run 3");
    assert!(ask(&player, &again).await.is_ok());
    player.forget("run 3");
    player.recall(&again);
    assert!(ask(&player, &again).await.is_err());
}

#[tokio::test]
async fn a_request_is_recorded_once_however_many_runs_make_it() {
    let recording = Recording::new(prices(), None, Arc::new(NoSecrets));
    let model = recording.model("smart/one", Arc::new(script()));
    let first = ask(&model, &request("run 1", "draft", "a")).await;
    // A second run gets what the first one got, and pays nothing for it.
    let Answered { result, recorded } = model.answered(&request("run 2", "draft", "a")).await;
    assert_eq!(result.map(|response| response.text), first);
    assert_eq!(recorded, Some(Cost::of(usd(0.002))));
    assert_eq!(recording.finish(None).expect("a cassette").calls, 1);
}

#[tokio::test]
async fn what_changed_is_named() {
    let before = recorded(
        NoSecrets,
        &[request("1", "draft", "a"), request("1", "plan", "c")],
        None,
    )
    .await
    .expect("a cassette");
    let words = |recorded: &Recorded| -> Vec<String> {
        let changes = recorded.changes.iter();
        changes
            .map(|change| format!("{} {}", change.change, change.call))
            .collect()
    };
    assert_eq!(words(&before).len(), 2);
    let edited = before.text.replace("and more", "and less");
    let before = Cassette::from_yaml(&edited).expect("it reads");
    let after = recorded(
        NoSecrets,
        &[request("1", "draft", "a"), request("1", "last", "d")],
        Some(&before),
    )
    .await
    .expect("a cassette");
    assert_eq!(
        words(&after),
        [
            "changed call 1 (step `draft`, agent `writer`)",
            "added call 2 (step `last`, agent `writer`)",
            "removed call 2 (step `plan`, agent `writer`)",
        ]
    );
    assert!(
        recorded(NoSecrets, &[], None).await.is_err(),
        "there is nothing to write"
    );
}

struct Masks;

impl Redact for Masks {
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match text.contains("hunter2") {
            true => Cow::Owned(text.replace("hunter2", "[secret]")),
            false => Cow::Borrowed(text),
        }
    }
}

#[tokio::test]
async fn no_secret_is_written_and_a_request_with_one_still_plays() {
    let with_secret = request("run 1", "draft", "the password is hunter2");
    let recorded_text = recorded(Masks, std::slice::from_ref(&with_secret), None)
        .await
        .expect("a cassette")
        .text;
    assert!(!recorded_text.contains("hunter2"), "{recorded_text}");
    let cassette = Cassette::read(&recorded_text, "c", Arc::new(Masks)).expect("it reads");
    assert!(
        ask(&Player::of(cassette, "smart/one"), &with_secret)
            .await
            .is_ok()
    );
    // In a key it cannot be masked: nothing is written.
    let mut keyed = request("run 1", "draft", "c");
    keyed.output =
        Some(Schema::from_json(json!({"properties": {"hunter2": {"type": "string"}}})).expect("a schema"));
    let refused = recorded(Masks, &[keyed], None)
        .await
        .expect_err("a secret is left");
    assert_eq!(refused.kind, ErrorKind::Usage);
    assert!(refused.message.contains("secret"));
}

#[test]
fn faults_of_a_cassette_have_their_places() {
    let call = "{step: a, agent: b, model: m, answered_by: m, request: {messages: []}";
    let faults = |text: &str| {
        let faults = Cassette::from_yaml(text).expect_err("it has faults");
        let shown = faults.list().into_iter().map(|fault| {
            let place = fault.place.map_or((0, 0), |place| (place.line, place.column));
            format!("{}:{} {} {}", place.0, place.1, fault.code, fault.message)
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        faults(&format!("version: 2\ncals: []\ncalls:\n  - {call}, respons: 1}}\n")),
        [
            "1:10 unknown_version version the number 2 of a cassette is not read here".to_owned(),
            "2:1 unknown_key unknown key `cals` in a cassette".to_owned(),
            "4:6 wrong_type call 1 is none: unknown field `respons`, expected one of `step`, `agent`, `model`, \
             `answered_by`, `request`, `response`, `error`, `cost_usd`"
                .to_owned(),
        ]
    );
    assert_eq!(
        faults(&format!("version: 1\ncalls:\n  - {call}}}\n")),
        ["1:1 conflict call 1 needs either `response` or `error`"]
    );
    assert_eq!(
        faults("calls: 1"),
        [
            "1:1 missing_key the cassette needs the key `version`",
            "1:8 wrong_type `calls` needs a list, found the number 1",
        ]
    );
}
