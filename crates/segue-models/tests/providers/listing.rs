//! Whether a provider is there and takes the key, in each protocol: asked for its models, which costs nothing.

use std::pin::pin;
use std::sync::Arc;

use segue_models::{Api, Limiters, Providers, Said, Silence};
use serde_json::{Value as Json, json};
use tokio::time::Duration;

use crate::server::{Act, KEY, Server, Turn, named};

static LIMITERS: Limiters = Limiters::new();

/// A provider of the operator's at this server, with a key.
fn providers(server: &Server, api: Api, more: &'static [(&str, &str)]) -> Providers {
    let env = move |name: &str| match name {
        "HOUSE_KEY" => Some(KEY.to_owned()),
        name => more
            .iter()
            .find(|(set, _)| *set == name)
            .map(|(_, value)| (*value).to_owned()),
    };
    let said = Said {
        base_url: Some(server.base(api).parse().expect("an address")),
        api: Some(api),
        key_env: Some("HOUSE_KEY".to_owned()),
        ..Said::default()
    };
    Providers::new(&LIMITERS, Arc::new(env)).provider(named(api), said)
}

fn list(api: Api) -> Json {
    match api {
        Api::Gemini => json!({"models": [{"name": "models/a"}, {"name": "models/b"}]}),
        Api::Ollama => json!({"models": [{"name": "a"}, {"name": "b"}]}),
        _ => json!({"data": [{"id": "a"}, {"id": "b"}]}),
    }
}

/// What comes of asking for its models where the server does this.
async fn asked(api: Api, turn: Turn) -> (Server, Result<Vec<String>, Silence>) {
    let server = Server::new([turn]);
    let asked = providers(&server, api, &[]).ask(named(api)).await;
    (server, asked)
}

#[tokio::test]
async fn a_provider_that_lists_its_models_has_taken_the_key() {
    for (api, path, header, value) in [
        (Api::Chat, "/v1/models", "authorization", format!("Bearer {KEY}")),
        (
            Api::Responses,
            "/v1/models",
            "authorization",
            format!("Bearer {KEY}"),
        ),
        (
            Api::Anthropic,
            "/v1/models?limit=1000",
            "x-api-key",
            KEY.to_owned(),
        ),
        (
            Api::Gemini,
            "/v1beta/models?pageSize=1000",
            "x-goog-api-key",
            KEY.to_owned(),
        ),
        (Api::Ollama, "/api/tags", "authorization", format!("Bearer {KEY}")),
    ] {
        let (server, models) = asked(api, Turn::status("200 OK", &[], &list(api).to_string())).await;
        assert_eq!(models, Ok(vec!["a".to_owned(), "b".to_owned()]), "{api}");
        let seen = server.seen();
        assert_eq!(seen.len(), 1, "{api}");
        assert_eq!(
            (seen[0].path.as_str(), &seen[0].body),
            (path, &Json::Null),
            "{api}"
        );
        assert_eq!(seen[0].headers.get(header), Some(&value), "{api}");
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_from_a_provider_that_is_not_there() {
    for api in Api::ALL {
        for (status, code) in [("401 Unauthorized", 401), ("403 Forbidden", 403)] {
            let (_, models) = asked(api, Turn::status(status, &[], KEY)).await;
            assert_eq!(models, Err(Silence::KeyRefused(code)), "{api}");
        }
        let (_, odd) = asked(api, Turn::status("500 Oh No", &[], KEY)).await;
        assert_eq!(
            odd,
            Err(Silence::Odd("it answers with status 500".to_owned())),
            "{api}"
        );
        let (_, none) = asked(api, Turn::status("404 Not Found", &[], KEY)).await;
        assert_eq!(none, Err(Silence::NoList), "{api}");
        let (_, reset) = asked(api, Turn::of(vec![Act::Reset])).await;
        assert_eq!(
            reset,
            Err(Silence::Unreached("it cannot be reached".to_owned())),
            "{api}"
        );
    }
    let invalid = json!({"error": {"code": 400, "message": KEY, "details": [{"reason": "API_KEY_INVALID"}]}});
    for (body, expected) in [
        (invalid, Silence::KeyRefused(400)),
        (
            json!({"error": {"code": 400}}),
            Silence::Odd("it answers with status 400".to_owned()),
        ),
    ] {
        let (_, models) = asked(
            Api::Gemini,
            Turn::status("400 Bad Request", &[], &body.to_string()),
        )
        .await;
        assert_eq!(models, Err(expected));
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_not_waited_for_long() {
    let server = Server::new([Turn::of(vec![Act::Stall])]);
    let providers = providers(&server, Api::Chat, &[]);
    let mut asked = pin!(providers.ask("openai"));
    tokio::select! {
        ended = &mut asked => panic!("it ended before: {ended:?}"),
        () = server.stalled() => {}
    }
    tokio::time::pause();
    let asked = tokio::time::timeout(Duration::from_secs(6), asked).await;
    assert_eq!(
        asked.expect("its own limit comes first"),
        Err(Silence::Unreached("no answer within 5s".to_owned()))
    );
}

#[tokio::test]
async fn where_the_list_is_open_to_anybody_something_else_tells_whether_the_key_is_taken() {
    let list = || Turn::status("200 OK", &[], &list(Api::Chat).to_string());
    let ask = async |second: Turn| {
        let server = Server::new([list(), second]);
        let said = Said {
            base_url: Some(server.base(Api::Chat).parse().expect("an address")),
            key_env: Some("HOUSE_KEY".to_owned()),
            ..Said::default()
        };
        let providers = providers(&server, Api::Chat, &[]).provider("openrouter", said);
        let asked = providers.ask("openrouter").await;
        assert_eq!(server.seen()[1].path, "/v1/key");
        asked
    };
    assert!(ask(Turn::status("200 OK", &[], "{}")).await.is_ok());
    // A server of the operator's under that name need not have it.
    assert!(ask(Turn::status("404 Not Found", &[], "")).await.is_ok());
    let refused = ask(Turn::status("401 Unauthorized", &[], "")).await;
    assert_eq!(refused, Err(Silence::KeyRefused(401)));
}

#[tokio::test]
async fn offline_nobody_beyond_this_machine_is_asked() {
    let server = Server::new([Turn::status("200 OK", &[], &list(Api::Chat).to_string())]);
    let far = Said {
        base_url: Some("https://api.example.com/v1".parse().expect("an address")),
        key_env: Some("HOUSE_KEY".to_owned()),
        ..Said::default()
    };
    let providers = providers(&server, Api::Chat, &[("SEGUE_OFFLINE", "1")]).provider("far", far);
    assert!(providers.ask("openai").await.is_ok(), "it is on this machine");
    let Err(Silence::NotAsked(why)) = providers.ask("far").await else {
        panic!("it is not on this machine");
    };
    assert!(why.starts_with("offline: SEGUE_OFFLINE is set"), "{why}");
}
