//! What a provider says it has: asked on purpose only, by `segue models ls --probe` and `segue doctor`. Nobody pays for it,
//! and whoever answers has taken the key.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};
use serde_json::Value as Json;

use crate::client::Client;
use crate::known;
use crate::provider::{Api, Provider};
use crate::wire::ANTHROPIC_VERSION;

/// How long a provider has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most of a list that is read, in bytes.
const MOST: usize = 4 << 20;
/// The most models of one page, of all that have pages; nobody has more.
const PAGE: &str = "1000";

/// Why a provider did not say which models it has; never with anything of a key or of an answer in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Nobody asked it: it has no key, it may not be reached, or only this machine may be.
    NotAsked(String),
    /// It was asked, and does not take the key; the HTTP status.
    KeyRefused(u16),
    /// Nobody answered in time, or nobody at all.
    Unreached(String),
    /// It has no list of models: what it thinks of the key, only a call could tell.
    NoList,
    /// It answered with something else than a list of models.
    Odd(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::NotAsked(why) | Silence::Unreached(why) | Silence::Odd(why) => f.write_str(why),
            Silence::NoList => f.write_str("it has no list of models"),
            Silence::KeyRefused(status) => write!(f, "it refuses the key (status {status})"),
        }
    }
}

impl std::error::Error for Silence {}

/// The models of a provider, by its own names.
///
/// # Errors
/// Why it did not say.
pub(crate) async fn models(client: &Client, provider: &Provider) -> Result<Vec<String>, Silence> {
    match tokio::time::timeout(PATIENCE, ask(client, provider)).await {
        Ok(models) => models,
        Err(_) => Err(Silence::Unreached(format!(
            "no answer within {}s",
            PATIENCE.as_secs()
        ))),
    }
}

async fn ask(client: &Client, provider: &Provider) -> Result<Vec<String>, Silence> {
    let (list, page): (&[&str], _) = match provider.api {
        Api::Ollama => (&["api", "tags"], None),
        Api::Anthropic => (&["models"], Some("limit")),
        Api::Gemini => (&["models"], Some("pageSize")),
        Api::Chat | Api::Responses => (&["models"], None),
    };
    let said = get(client, provider, list, page).await?;
    let names = names(provider.api, &said);
    let names = names.ok_or_else(|| Silence::Odd("its answer is no list of models".to_owned()))?;
    // Where the list is open to anybody it says nothing of the key.
    let guarded = known::find(&provider.name).and_then(|known| known.guarded);
    if let (Some(guarded), Some(_)) = (guarded, &provider.key)
        && let Err(refused @ Silence::KeyRefused(_)) = get(client, provider, &[guarded], None).await
    {
        return Err(refused);
    }
    Ok(names)
}

/// What a provider says at a place below its address; where that has pages, how much of it is one is called `page`.
async fn get(
    client: &Client,
    provider: &Provider,
    below: &[&str],
    page: Option<&str>,
) -> Result<Json, Silence> {
    let mut url = provider.url(below);
    if let Some(page) = page {
        url.query_pairs_mut().append_pair(page, PAGE);
    }
    let http = client
        .for_url(&url)
        .map_err(|failure| Silence::NotAsked(failure.message))?;
    let mut request = http.get(url);
    if let Some(key) = &provider.key {
        let value = HeaderValue::from_str(key.expose());
        if value.is_err() {
            let why = "its key cannot be sent: it has characters that no header can have";
            return Err(Silence::NotAsked(why.to_owned()));
        }
        request = match provider.api {
            Api::Anthropic => request
                .header("x-api-key", key.expose())
                .header("anthropic-version", ANTHROPIC_VERSION),
            Api::Gemini => request.header("x-goog-api-key", key.expose()),
            Api::Chat | Api::Responses | Api::Ollama => request.bearer_auth(key.expose()),
        };
    }
    // An error of the client may have the address in it, and that a key.
    let answer = request.send().await;
    let answer = answer.map_err(|_| Silence::Unreached("it cannot be reached".to_owned()))?;
    let status = answer.status();
    match status {
        StatusCode::OK => body(answer).await,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Silence::KeyRefused(status.as_u16())),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            Err(Silence::NoList)
        }
        // Gemini calls a key it does not know a bad request.
        StatusCode::BAD_REQUEST
            if provider.api == Api::Gemini && body(answer).await.is_ok_and(|said| is_of_key(&said)) =>
        {
            Err(Silence::KeyRefused(status.as_u16()))
        }
        status => Err(Silence::Odd(format!(
            "it answers with status {}",
            status.as_u16()
        ))),
    }
}

/// Whether an error of Gemini's is about the key.
fn is_of_key(said: &Json) -> bool {
    let details = said["error"]["details"].as_array();
    let mut details = details.into_iter().flatten();
    details.any(|detail| detail["reason"] == "API_KEY_INVALID")
}

async fn body(mut answer: Response) -> Result<Json, Silence> {
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|_| Silence::Unreached("its answer ends too early".to_owned()))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > MOST {
            return Err(Silence::Odd("its list is too long".to_owned()));
        }
    }
    serde_json::from_slice(&body).map_err(|_| Silence::Odd("its answer is no JSON".to_owned()))
}

fn names(api: Api, said: &Json) -> Option<Vec<String>> {
    let (list, field) = match api {
        Api::Chat | Api::Responses | Api::Anthropic => ("data", "id"),
        Api::Gemini | Api::Ollama => ("models", "name"),
    };
    let names = said[list]
        .as_array()?
        .iter()
        .filter(|model| model["lifecycle"] != "retired")
        .filter_map(|model| model[field].as_str());
    let names = names.map(|name| name.strip_prefix("models/").unwrap_or(name).to_owned());
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use segue::Secret;

    use super::*;

    /// What a provider with this way of speaking is sent, and what comes of its answer.
    async fn asked(api: Api, answer: &str) -> (String, Result<Vec<String>, Silence>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("it has one"));
        let provider =
            Provider::new("house", api, url.parse().expect("an address")).key(Secret::new("sk-canary"));
        let client = Client::new(false).expect("a client");
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("it comes");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read_buf(&mut request).await.expect("it sends");
                assert!(read > 0, "the request has an end");
            }
            stream.write_all(answer.as_bytes()).await.expect("it reads");
            String::from_utf8(request)
                .expect("a request is text")
                .to_ascii_lowercase()
        };
        tokio::join!(serve, models(&client, &provider))
    }

    fn ok(body: &Json) -> String {
        let body = body.to_string();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn each_is_asked_in_its_own_way() {
        let listed = ok(&json!({"data": [{"id": "a"}, {"id": "b"}]}));
        let (sent, models) = asked(Api::Chat, &listed).await;
        assert!(
            sent.starts_with("get /v1/models http") && sent.contains("authorization: bearer sk-canary"),
            "{sent}"
        );
        assert_eq!(models, Ok(vec!["a".to_owned(), "b".to_owned()]));
        let aged =
            ok(&json!({"data": [{"id": "a", "lifecycle": "retired"}, {"id": "b", "lifecycle": "active"}]}));
        let (sent, models) = asked(Api::Anthropic, &aged).await;
        assert!(
            sent.contains("x-api-key: sk-canary") && sent.contains("anthropic-version: 2026-10-21"),
            "{sent}"
        );
        assert!(sent.starts_with("get /v1/models?limit=1000 http"), "{sent}");
        assert_eq!(models, Ok(vec!["b".to_owned()]));
        let named = ok(&json!({"models": [{"name": "models/g"}]}));
        let (sent, models) = asked(Api::Gemini, &named).await;
        assert!(sent.contains("x-goog-api-key: sk-canary"), "{sent}");
        assert!(sent.starts_with("get /v1/models?pagesize=1000 http"), "{sent}");
        assert_eq!(models, Ok(vec!["g".to_owned()]));
        let (sent, _) = asked(Api::Ollama, &named).await;
        assert!(sent.starts_with("get /v1/api/tags http"), "{sent}");
    }

    #[tokio::test]
    async fn why_it_does_not_say_has_nothing_of_the_key_in_it() {
        for (answer, why) in [
            (
                "HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\nsk-canary".to_owned(),
                "refuses the key",
            ),
            (
                "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned(),
                "status 500",
            ),
            (ok(&json!({"error": "sk-canary"})), "no list of models"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n<p>".to_owned(),
                "no JSON",
            ),
            (String::new(), "cannot be reached"),
        ] {
            let (_, models) = asked(Api::Chat, &answer).await;
            let said = models.expect_err(why).to_string();
            assert!(said.contains(why) && !said.contains("canary"), "{said}");
        }
    }
}
