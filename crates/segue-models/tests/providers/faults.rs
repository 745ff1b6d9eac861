//! What every fault becomes, in every protocol: its kind, whether it is worth another try, and a message that says what
//! happened and never our key.

use std::pin::pin;

use segue::model::{Model, Response};
use segue::{ErrorKind, Failure, secs};
use segue_models::{Api, Hosted, Provider};
use serde_json::json;

use crate::asking;
use crate::say::{Said, events, pieces, text};
use crate::server::{Act, KEY, Server, Turn, client, named};

/// What a model of this protocol makes of one turn of its server.
async fn after(api: Api, turn: Turn) -> Result<Response, Failure> {
    let server = Server::new([turn]);
    let answered = server.model(api).answer(&asking("Hello?")).await;
    assert_eq!(server.seen().len(), 1, "{api}: it tries once");
    answered
}

async fn failure(api: Api, turn: Turn) -> Failure {
    let failure = after(api, turn).await.expect_err("it is no answer");
    assert!(!format!("{failure:?}").contains(KEY), "{api}: {failure}");
    failure
}

#[tokio::test]
async fn each_status_has_its_kind_and_says_what_the_provider_said() {
    for api in Api::ALL {
        for (status, kind, retryable, is_free) in [
            ("400 Bad Request", ErrorKind::BadRequest, false, true),
            ("401 Unauthorized", ErrorKind::Authentication, false, true),
            ("402 Payment Required", ErrorKind::BadRequest, false, true),
            ("403 Forbidden", ErrorKind::Authentication, false, true),
            ("404 Not Found", ErrorKind::BadRequest, false, true),
            ("408 Request Timeout", ErrorKind::Provider, true, true),
            ("409 Conflict", ErrorKind::Provider, true, true),
            ("422 Unprocessable", ErrorKind::BadRequest, false, true),
            ("425 Too Early", ErrorKind::Provider, true, true),
            ("429 Too Many Requests", ErrorKind::RateLimited, true, true),
            ("500 Internal Server Error", ErrorKind::Provider, true, false),
            ("503 Unavailable", ErrorKind::Provider, true, false),
            ("529 Overloaded", ErrorKind::Provider, true, false),
        ] {
            let body = json!({"error": {"message": "there is a reason", "type": "x"}}).to_string();
            let failure = failure(api, Turn::status(status, &[], &body)).await;
            assert_eq!(
                (failure.kind, failure.retryable),
                (kind, retryable),
                "{api} {status}"
            );
            let code = &status[..3];
            assert_eq!(
                failure.message,
                format!("`{}/m-1` answered {code}: there is a reason", named(api))
            );
            let free = failure.spent.is_some_and(|spent| spent.is_zero());
            assert_eq!(free, is_free, "{api} {status}: {:?}", failure.spent);
        }
    }
}

#[tokio::test]
async fn a_provider_that_says_itself_whether_to_try_again_is_believed() {
    let used_up =
        r#"{"error": {"message": "no", "type": "insufficient_quota", "code": "insufficient_quota"}}"#;
    for api in Api::ALL {
        for (status, header, body, retryable) in [
            ("500 No", "x-should-retry: false", "no", false),
            ("400 Not Yet", "x-should-retry: true", "no", true),
            ("500 No", "x-should-retry: perhaps", "no", true),
            ("429 Slow", "x-other: 1", used_up, false),
        ] {
            let failure = failure(api, Turn::status(status, &[header], body)).await;
            assert_eq!(failure.retryable, retryable, "{api} {status} {header}");
            let hints = failure.hints.concat();
            assert_eq!(
                hints.contains("second model"),
                body == used_up,
                "{api}: {failure}"
            );
        }
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_handed_on() {
    let date = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ndate: Sun, 06 Nov 1994 08:49:07 GMT";
    for api in Api::ALL {
        for (status, header, pause, retryable) in [
            ("429 Slow", "retry-after: 7", Some(7_000), true),
            ("503 Later", "retry-after: 7", Some(7_000), true),
            ("429 Slow", date, Some(30_000), true),
            ("429 Slow", "retry-after-ms: 250", Some(250), true),
            ("429 Slow", "retry-after: -7", None, true),
            ("429 Slow", "retry-after: soon", None, true),
            ("429 Slow", "retry-after: 3600", Some(3_600_000), true),
            ("429 Slow", "retry-after: 86400", Some(86_400_000), false),
            ("400 No", "retry-after: 7", None, false),
        ] {
            let failure = failure(api, Turn::status(status, &[header], "no")).await;
            let got = (failure.retry_after_ms, failure.retryable);
            assert_eq!(got, (pause, retryable), "{api} {status} {header}");
            if pause == Some(86_400_000) {
                assert!(
                    failure.message.contains("asks to wait 86400s, and at most 3600s"),
                    "{failure}"
                );
            }
        }
    }
}

#[tokio::test]
async fn success_with_anything_but_an_answer_is_a_fault_of_the_provider() {
    let html = "<!doctype html><title>Welcome to the portal</title>";
    for api in Api::ALL {
        for (header, body, said) in [
            ("content-type: text/html", html, "Welcome to the portal"),
            ("content-type: application/json", "", "said nothing"),
            ("content-type: application/json", "null", "null"),
            ("content-type: text/event-stream", "null\n", "null"),
            (
                "content-type: application/json",
                r#"{"error": {"message": "out of order"}}"#,
                "gave up with an error: out of order",
            ),
            (
                "content-type: application/json",
                r#"{"id": "x"}"#,
                "{\"id\": \"x\"}",
            ),
            ("content-encoding: gzip", "\u{1f}", "compressed"),
        ] {
            let failure = failure(api, Turn::status("200 OK", &[header], body)).await;
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::Provider, true),
                "{api} {body}"
            );
            assert!(failure.message.contains(said), "{api} {body}: {failure}");
        }
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_an_answer_is_no_answer() {
    let error = |kind: &str| json!({"type": kind, "message": "enough", "code": null});
    for (api, event, kind) in [
        (
            Api::Chat,
            json!({"error": error("server_error")}),
            ErrorKind::Provider,
        ),
        (
            Api::Chat,
            json!({"error": {"message": "enough", "code": 429}}),
            ErrorKind::RateLimited,
        ),
        (
            Api::Chat,
            json!({"error": {"message": "enough", "code": "context_length_exceeded"}}),
            ErrorKind::BadRequest,
        ),
        (
            Api::Responses,
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "enough"}),
            ErrorKind::RateLimited,
        ),
        (
            Api::Responses,
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "enough"}}}),
            ErrorKind::Provider,
        ),
        (
            Api::Responses,
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "bio_policy", "message": "enough"}}}),
            ErrorKind::BadRequest,
        ),
        (
            Api::Responses,
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "image_too_large", "message": "enough"}}}),
            ErrorKind::BadRequest,
        ),
        (
            Api::Anthropic,
            json!({"type": "error", "error": error("billing_error")}),
            ErrorKind::BadRequest,
        ),
        (
            Api::Anthropic,
            json!({"type": "error", "error": error("overloaded_error")}),
            ErrorKind::Provider,
        ),
        (
            Api::Anthropic,
            json!({"type": "error", "error": error("rate_limit_error")}),
            ErrorKind::RateLimited,
        ),
        (
            Api::Anthropic,
            json!({"type": "error", "error": error("authentication_error")}),
            ErrorKind::Authentication,
        ),
        (
            Api::Gemini,
            json!({"error": {"code": 503, "message": "enough", "status": "UNAVAILABLE"}}),
            ErrorKind::Provider,
        ),
        (
            Api::Gemini,
            json!({"error": {"code": 400, "message": "enough", "status": "INVALID_ARGUMENT"}}),
            ErrorKind::BadRequest,
        ),
        (Api::Ollama, json!({"error": "enough"}), ErrorKind::Provider),
    ] {
        let mut all = events(api, &text("half of it"));
        // Until something was said.
        all.truncate(match api {
            Api::Responses => 5,
            Api::Anthropic => 4,
            _ => 2,
        });
        all.push(event);
        let mut pieces = pieces(api, &all);
        // What comes after an error changes nothing.
        pieces.extend(crate::say::pieces(api, &events(api, &text("whole"))));
        let failure = failure(api, Turn::stream(api, &pieces)).await;
        assert_eq!(failure.kind, kind, "{api}: {failure}");
        assert!(
            failure.message.ends_with("gave up with an error: enough"),
            "{api}: {failure}"
        );
        // What was written until then is counted.
        let spent = failure.spent.expect("it says so");
        assert!(
            spent.usage.output_tokens > 0 && spent.cost.estimated_calls == 1,
            "{api}: {spent:?}"
        );
    }
}

/// An answer with text and a tool call.
fn rich() -> Said {
    Said {
        text: "héllo",
        calls: vec![("id-1", "add", json!({"n": 1}))],
        ..Said::default()
    }
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_never_one() {
    for api in Api::ALL {
        let whole = pieces(api, &events(api, &rich())).concat();
        let end = match api {
            // All that comes after the reason is whitespace, which says nothing.
            Api::Gemini => whole.rfind("\n\n").unwrap(),
            _ => whole.len() - 1,
        };
        let end = if api == Api::Ollama {
            end
        } else {
            end.min(whole.len() - 1)
        };
        // At every 13th byte, in the middle of characters too, and at the last ones; ended well or not.
        let cuts = (0..end).filter(|at| at % 13 == 0 || *at + 3 > end);
        for at in cuts {
            let bytes = &whole.as_bytes()[..at];
            let turn = if at % 2 == 0 {
                Turn::cut(api, &[bytes])
            } else {
                Turn::stream(api, &[bytes])
            };
            let failure = failure(api, turn).await;
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::Provider, true),
                "{api} at {at}: {failure}"
            );
        }
        assert!(after(api, Turn::stream(api, &[&whole])).await.is_ok(), "{api}");
        // The last event is whole, and the connection still ends as none should: only Gemini has no other end.
        let cut = after(api, Turn::cut(api, &[&whole])).await;
        assert_eq!(cut.is_ok(), api != Api::Gemini, "{api}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_or_no_events_are_told_apart() {
    for api in Api::ALL {
        let start = match api {
            Api::Ollama => "",
            _ => "data: ",
        };
        for (line, said) in [
            (b"\xff\xfe".to_vec(), "not UTF-8"),
            (b"{\"choices\": [".to_vec(), "not JSON"),
            (b"[1]".to_vec(), ""),
            (b"17".to_vec(), ""),
            ([b"[".repeat(100_000)].concat(), "not JSON"),
        ] {
            let event = [start.as_bytes(), &line, b"\n\n"].concat();
            let failure = failure(api, Turn::stream(api, &[event])).await;
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::Provider, true),
                "{api}"
            );
            assert!(failure.message.contains(said), "{api}: {failure}");
            assert!(failure.message.len() < 2_300, "{api}: {}", failure.message.len());
        }
    }
}

#[tokio::test]
async fn the_key_and_long_bodies_are_not_repeated() {
    for api in Api::ALL {
        let said = format!("your key {KEY} is wrong; {}", "x".repeat(10_000));
        for body in [json!({"error": {"message": said}}).to_string(), said] {
            let failure = failure(api, Turn::status("401 No", &[], &body)).await;
            assert!(
                failure.message.contains("your key [key] is wrong"),
                "{api}: {failure}"
            );
            assert!(failure.message.len() < 2_200, "{api}: {}", failure.message.len());
        }
        let to = format!("location: https://elsewhere.example/?key={KEY}");
        let failure = failure(api, Turn::status("307 Temporary Redirect", &[&to], "")).await;
        assert_eq!((failure.kind, failure.retryable), (ErrorKind::BadRequest, false));
        assert!(
            failure
                .message
                .contains("sends on to `elsewhere.example`, which is not followed"),
            "{failure}"
        );
        let unknown = failure_of_event(api, KEY).await;
        assert!(!unknown.message.contains(KEY), "{api}: {unknown}");
    }
}

/// An event that is none and has this in it.
async fn failure_of_event(api: Api, text: &str) -> Failure {
    let line = format!(
        "{}not json {text}\n\n",
        if api == Api::Ollama { "" } else { "data: " }
    );
    failure(api, Turn::stream(api, &[line])).await
}

#[tokio::test]
async fn headers_have_a_cap() {
    let huge = format!("x-huge: {}", "x".repeat(1 << 20));
    let failure = failure(Api::Chat, Turn::status("200 OK", &[&huge], "")).await;
    assert!(failure.retryable, "{failure}");
}

#[tokio::test]
async fn a_connection_that_is_refused_or_lost_is_one_of_the_network() {
    let api = Api::Chat;
    // Nobody listens where a server has just stopped.
    let server = Server::new([]);
    let provider = server.provider(api);
    drop(server);
    let model = Hosted::new(client(), provider.into(), "m-1");
    let refused = model.answer(&asking("Hello?")).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.retryable),
        (ErrorKind::Network, true),
        "{refused}"
    );
    assert!(
        refused.spent.is_none() && refused.message.contains("no connection to `127.0.0.1:"),
        "{refused}"
    );
    // It was sent, and may have been answered: counted, and not free.
    let lost = failure(api, Turn::of(vec![Act::Reset])).await;
    assert_eq!((lost.kind, lost.retryable), (ErrorKind::Network, true), "{lost}");
    let spent = lost.spent.expect("it says so");
    assert!(spent.usage.input_tokens > 0 && spent.cost.estimated_calls == 1);
    // An answer had begun: that is a broken one.
    let begun = pieces(api, &events(api, &text("hello")))[..2].to_vec();
    let broken = failure(api, Turn::cut(api, &begun).then(Act::Reset)).await;
    assert_eq!(broken.kind, ErrorKind::Provider, "{broken}");
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_said_before_anything_is_sent() {
    let server = Server::new([]);
    let provider = server.provider(Api::Chat).key(segue::Secret::new("sk-\n-x"));
    let model = Hosted::new(client(), provider.into(), "m-1");
    let failure = model.answer(&asking("Hello?")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Authentication);
    assert!(
        server.seen().is_empty() && !failure.message.contains("sk-"),
        "{failure}"
    );
}

#[tokio::test]
async fn offline_nothing_leaves_the_machine() {
    let far = Provider::new("far", Api::Chat, "https://api.example.com/v1".parse().unwrap());
    let model = Hosted::new(client(), far.into(), "m-1");
    let failure = model.answer(&asking("Hello?")).await.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (ErrorKind::Offline, false));
    assert!(failure.message.contains("`api.example.com`"), "{failure}");
}

/// What comes of a server that falls silent after these acts; time is virtual from when it does.
async fn silence(api: Api, turn: Turn) -> Failure {
    let server = Server::new([turn.then(Act::Stall)]);
    let model = server.model(api);
    let request = asking("Hello?");
    let mut call = pin!(model.answer(&request));
    tokio::select! {
        ended = &mut call => panic!("{api}: it ended before: {ended:?}"),
        () = server.stalled() => {}
    }
    tokio::time::pause();
    let failure = tokio::time::timeout(secs(61), call)
        .await
        .expect("its own limit comes first");
    tokio::time::resume();
    failure.expect_err("it is no answer")
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_given_up_on() {
    for api in Api::ALL {
        let begun = pieces(api, &events(api, &text("hello there")))[..2].to_vec();
        for (turn, said) in [
            (Turn::of(Vec::new()), "did not begin to answer within 60s"),
            (Turn::cut(api, &[""; 0]), "said nothing more within 60s"),
            (Turn::cut(api, &begun), "said nothing more within 60s"),
        ] {
            let failure = silence(api, turn).await;
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::Timeout, true),
                "{api}"
            );
            assert!(failure.message.ends_with(said), "{api}: {failure}");
            let limit = failure.limit.expect("it names its limit");
            assert_eq!(
                (limit.name.as_str(), limit.unit.as_str(), limit.limit.as_str()),
                ("idle", "ms", "60000")
            );
            assert!(
                failure.spent.is_some_and(|spent| spent.usage.input_tokens > 0),
                "{api}"
            );
        }
    }
}

#[tokio::test]
async fn text_that_sounds_like_an_error_is_text() {
    for api in Api::ALL {
        let said = "error: 429 {\"error\": {\"message\": \"no\"}} [DONE] data: x";
        let response = after(api, Turn::stream(api, &pieces(api, &events(api, &text(said)))))
            .await
            .unwrap();
        assert_eq!(response.text, said, "{api}");
    }
}
