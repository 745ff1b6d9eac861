//! A model of a provider, behind `segue::Model`: one request sent, one answer read, within its bounds.
//!
//! It makes one try; the run makes others. A request that is turned away because its server cannot enforce a schema was no
//! try: it is sent once more with the schema in words or as a tool, and that is remembered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use segue::model::{Request, Response};
use segue::plan::ModelSettings;
use segue::{ErrorKind, Failure, Model};
use tokio::time::timeout;

use crate::client::Client;
use crate::fault::{Faults, estimated};
use crate::provider::{Api, Provider};
use crate::reading::Reading;
use crate::wire::{Asked, Fit, Form, Written};

/// From the request to the first byte of an answer.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// The whole call: many times what the longest answers take.
const CALL: Duration = Duration::from_secs(30 * 60);
/// How long the body of an error is waited for; without it the status says enough.
const ERROR_BODY: Duration = Duration::from_secs(10);
/// The most of an error's body that is read.
const MOST_ERROR: usize = 64 << 10;
/// A model of a provider.
///
/// ```
/// use std::sync::Arc;
/// use segue::Model;
/// use segue_models::{Api, Client, Hosted, Provider};
///
/// let house = Provider::new("house", Api::Chat, "http://127.0.0.1:9001/v1".parse().unwrap());
/// let model = Hosted::new(Client::new(true).unwrap(), Arc::new(house), "large");
/// assert_eq!(model.name(), "house/large");
/// ```
pub struct Hosted {
    name: String,
    model: String,
    client: Client,
    provider: Arc<Provider>,
    /// Schemas that this model was asked to have enforced, and that could only be asked for in words or by tool.
    only_told: Mutex<BTreeSet<String>>,
}

impl Hosted {
    /// The model of that name at a provider.
    #[must_use]
    pub fn new(client: Client, provider: Arc<Provider>, model: &str) -> Self {
        Self {
            name: format!("{}/{model}", provider.name),
            model: model.to_owned(),
            client,
            provider,
            only_told: Mutex::default(),
        }
    }

    fn faults(&self) -> Faults<'_> {
        Faults {
            name: &self.name,
            provider: &self.provider,
        }
    }

    async fn asked(&self, request: &Request) -> Result<Response, Failure> {
        let schema = request.output.as_ref().map(|schema| schema.as_json().to_string());
        let is_told = schema
            .as_ref()
            .is_some_and(|schema| self.only_told().contains(schema));
        let best = Form::of(self.provider.api, &self.model, request);
        let form = match is_told {
            true => best.instead(self.provider.api),
            false => best,
        };
        let refusal = match self.once(request, form, &request.idempotency_key).await {
            Err(refusal) if form.may_be_refused() && refusal.kind == ErrorKind::BadRequest => refusal,
            other => return other,
        };
        // Another request, so another key; whether the form was what it was refused for shows now.
        let key = format!("{}-told", request.idempotency_key);
        match self.once(request, form.instead(self.provider.api), &key).await {
            Err(failure) if failure.kind == ErrorKind::BadRequest => Err(refusal),
            other => {
                if other.is_ok() {
                    self.only_told().extend(schema);
                }
                other
            }
        }
    }

    fn only_told(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.only_told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request in one form and reads the answer.
    async fn once(&self, request: &Request, form: Form, key: &str) -> Result<Response, Failure> {
        let asked = Asked::new(request, &self.provider, &self.model, form);
        let answer = self.sent(asked.written(), key, request).await?;
        let mut reading = Reading::new(self.faults(), request);
        let is_object = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let is_object = is_object.is_some_and(|kind| kind.starts_with("application/json"));
        let body = Box::pin(answer.bytes_stream());
        let ended = match is_object {
            true => reading.whole(body).await,
            false => reading.until_over(body).await,
        };
        match ended {
            Ok(()) => {
                let tokens = reading.draft.tokens();
                asked.answered(reading.draft).map_err(|broken| {
                    estimated(self.faults().broken(&broken), request.input_tokens(), tokens)
                })
            }
            // What was written until then is paid for.
            Err(failure) => {
                let tokens = reading.draft.tokens();
                Err(estimated(failure, request.input_tokens(), tokens))
            }
        }
    }

    /// The answer to a request, when it has begun well.
    async fn sent(
        &self,
        written: Written,
        key: &str,
        request: &Request,
    ) -> Result<reqwest::Response, Failure> {
        let http = self.client.for_url(&written.url)?;
        let mut sending = http
            .post(written.url)
            .headers(written.headers)
            .header(CONTENT_TYPE, "application/json")
            .body(written.body.to_string());
        if let Some((name, value)) = self.signed()? {
            sending = sending.header(name, value);
        }
        if matches!(self.provider.api, Api::Chat | Api::Responses) {
            sending = sending.header("idempotency-key", key);
        }
        let maybe_used = |failure| estimated(failure, request.input_tokens(), 0);
        let answer = match timeout(FIRST_BYTE, sending.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                return Err(self.faults().unreachable(&error));
            }
            Ok(Err(error)) => return Err(maybe_used(self.faults().lost(&error))),
            Err(_) => {
                return Err(maybe_used(self.faults().silent(
                    "idle",
                    FIRST_BYTE,
                    "did not begin to answer",
                )));
            }
        };
        if answer.status().is_success() {
            self.is_plain(&answer)?;
            return Ok(answer);
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = beginning(answer).await;
        Err(self.faults().refused(status, &headers, &body))
    }

    /// Whether an answer is not compressed: none is asked for, so none is unpacked, however small it says it is.
    fn is_plain(&self, answer: &reqwest::Response) -> Result<(), Failure> {
        let encoding = answer.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            let what = "compressed its answer, which was not asked for";
            return Err(self.faults().no_answer(what, "it was not read"));
        }
        Ok(())
    }

    /// The header with the key.
    fn signed(&self) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
        let Some(key) = &self.provider.key else {
            return Ok(None);
        };
        let (name, text) = match self.provider.api {
            Api::Anthropic => (HeaderName::from_static("x-api-key"), key.expose().to_owned()),
            Api::Gemini => (HeaderName::from_static("x-goog-api-key"), key.expose().to_owned()),
            Api::Chat | Api::Responses | Api::Ollama => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            let provider = &self.provider.name;
            Failure::new(
                ErrorKind::Authentication,
                format!("the key of provider `{provider}` has characters that no header can carry"),
            )
            .hint("set it again, without line ends around it")
        })?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

impl Model for Hosted {
    fn name(&self) -> &str {
        &self.name
    }

    fn unsent(&self, settings: &ModelSettings) -> Vec<String> {
        Fit::of(self.provider.api, &self.model, settings).unsent
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        async move {
            match timeout(CALL, self.asked(request)).await {
                Ok(result) => result,
                Err(_) => {
                    let failure = self.faults().silent("call", CALL, "did not end its answer");
                    let most = u64::from(request.settings.max_tokens.unwrap_or(0));
                    Err(estimated(failure, request.input_tokens(), most))
                }
            }
        }
        .boxed()
    }
}

/// The beginning of the body of an error.
async fn beginning(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    // However it ends: what came until then is all there is to show.
    while let Ok(Ok(Some(bytes))) = timeout(ERROR_BODY, answer.chunk()).await {
        body.extend_from_slice(&bytes);
        if body.len() >= MOST_ERROR {
            break;
        }
    }
    body.truncate(MOST_ERROR);
    body
}
