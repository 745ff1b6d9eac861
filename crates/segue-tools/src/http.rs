//! HTTP services as tools: an address the operator wrote, arguments in its places, its query or its body.
//!
//! The address is the operator's own configuration and not judged by the guard; what a model says can only be a part of its
//! path or query. Credentials go to that one host: nobody is followed to another.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use segue::fault::quote;
use segue::plan::ToolLimits;
use segue::schema::Schema;
use segue::{ErrorKind, Failure, StepError, Tool, ToolClass, ToolCx, ToolSpec};
use serde_json::{Map, Value as Json};
use url::{Host, Url};

use crate::secrets::{Lookup, Written};
use crate::wire::{Came, Lost, Resolve, Sent, System, Wire};

mod template;

use template::{Template, plain};

/// The most bytes of an answer.
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// The most redirects that are followed, all on one host.
const MOST_REDIRECTS: usize = 5;
/// How much of an answer that says no is told.
const MOST_TOLD: usize = 2 * 1024;

/// An HTTP service as a tool.
///
/// Arguments that have no place in the address are the query of a `GET`, else the JSON body. The header `Idempotency-Key` is
/// the same for the same call after a crash.
///
/// ```
/// use segue_tools::http::Http;
///
/// let tool = Http::new("crm", "https://crm.internal/customers/{id}")
///     .expect("it is an address")
///     .header("Authorization", "Bearer secret://CRM")
///     .expect("it is a header");
/// assert_eq!(segue::Tool::spec(&tool).name, "crm");
/// ```
pub struct Http {
    spec: ToolSpec,
    limits: ToolLimits,
    url: Template,
    method: Method,
    headers: Vec<(HeaderName, Written)>,
    secrets: Lookup,
    offline: bool,
    unavailable: Option<Box<Failure>>,
    resolver: Arc<dyn Resolve>,
    wire: Wire,
}

impl Http {
    /// A service at an address, `{name}` in whose path or query is an argument.
    ///
    /// # Errors
    /// When it is no address, or leaves the host to an argument.
    pub fn new(name: impl Into<String>, url: &str) -> Result<Self, Failure> {
        let url = Template::read(url)?;
        let properties: Map<String, Json> = url
            .names()
            .map(|name| (name.to_owned(), serde_json::json!({"type": "string"})))
            .collect();
        let required: Vec<&str> = url.names().collect();
        let parameters =
            serde_json::json!({"type": "object", "properties": properties, "required": required});
        Ok(Self {
            spec: ToolSpec::new(name, "", parameters),
            limits: ToolLimits::default(),
            url,
            method: Method::GET,
            headers: Vec::new(),
            secrets: Arc::new(|_| None),
            offline: false,
            unavailable: None,
            resolver: Arc::new(System),
            wire: Wire::new(Arc::new(System)),
        })
    }

    /// What it is for, as a model reads it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.spec.description = description.into();
        self
    }

    /// What it takes: a schema of an object, in which every place of the address is required.
    ///
    /// # Errors
    /// When a place of the address is not.
    pub fn input(mut self, input: &Schema) -> Result<Self, Failure> {
        let required = input.as_json().get("required").and_then(Json::as_array);
        let is_required =
            |name: &str| required.is_some_and(|required| required.iter().any(|known| known == name));
        if let Some(missing) = self.url.names().find(|name| !is_required(name)) {
            let message = format!("the address has a place for `{missing}`, which `input` does not require");
            return Err(Failure::new(ErrorKind::InvalidDefinition, message)
                .hint(format!("write `input = {{ {missing} = \"string\" }}`")));
        }
        self.spec.parameters = input.as_json().clone();
        Ok(self)
    }

    /// The method; `GET` without this.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn method(mut self, method: &str) -> Result<Self, Failure> {
        self.method = Method::from_bytes(method.as_bytes()).map_err(|_| {
            let message = format!("{} is no method", quote(method));
            Failure::new(ErrorKind::InvalidDefinition, message)
        })?;
        Ok(self)
    }

    /// A header; `secret://NAME` in it is filled in when it is sent.
    ///
    /// # Errors
    /// When its name cannot be one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Failure> {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let message = format!("{} is no name of a header", quote(name));
            Failure::new(ErrorKind::InvalidDefinition, message)
        })?;
        self.headers.push((header, Written::new(value)));
        Ok(self)
    }

    /// What calling it twice means.
    #[must_use]
    pub fn class(mut self, class: ToolClass) -> Self {
        self.spec.class = Some(class);
        self
    }

    /// Limits that files can narrow and not widen.
    #[must_use]
    pub fn limits(mut self, limits: ToolLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where secrets are found; without this there are none.
    #[must_use]
    pub fn secrets(mut self, secrets: Lookup) -> Self {
        self.secrets = secrets;
        self
    }

    /// Reaches this machine only.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Cannot be called, for this reason: a run that needs it does not start.
    #[must_use]
    pub fn unavailable(mut self, why: Failure) -> Self {
        self.unavailable = Some(Box::new(why));
        self
    }

    async fn answer(&self, cx: &ToolCx, arguments: &Json) -> Result<Json, Failure> {
        let (mut url, left) = self.url.filled(arguments)?;
        let mut headers = self.filled_headers()?;
        let key = HeaderValue::try_from(cx.idempotency_key());
        headers.extend(
            key.ok()
                .map(|key| (HeaderName::from_static("idempotency-key"), key)),
        );
        let mut body = Bytes::new();
        if self.method == Method::GET {
            ask(&mut url, &left);
        } else if !left.is_empty() || self.method != Method::DELETE {
            body = Json::Object(left).to_string().into();
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
        }
        let mut redirects = 0;
        loop {
            let sent = Sent {
                method: self.method.clone(),
                url: url.clone(),
                headers: headers.clone(),
                body: body.clone(),
            };
            let came = self.sent(sent).await?;
            match self.sent_on(&url, &came)? {
                Some(next) if redirects < MOST_REDIRECTS => url = next,
                Some(_) => return Err(self.failed("it was sent on too often", false)),
                None => return self.result(&came),
            }
            redirects += 1;
        }
    }

    fn filled_headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
        for (name, value) in &self.headers {
            let value = value.filled(&*self.secrets)?;
            // What is in it is not shown, whatever is wrong with it.
            let mut value = HeaderValue::try_from(value.expose())
                .map_err(|_| self.failed(&format!("the value of header `{name}` cannot be sent"), false))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    async fn sent(&self, sent: Sent) -> Result<Came, Failure> {
        let port = sent.url.port_or_known_default().unwrap_or_default();
        let addresses = self.addresses(&sent.url).await?;
        let any = |_: u16, _: &HeaderMap| Ok(());
        let came = self.wire.exchange(&addresses, port, sent, MOST_BYTES, any).await;
        came.map_err(|lost| match lost {
            Lost::Connect(why) | Lost::Broken(why) | Lost::Unwanted(why) => {
                let message = format!("tool `{}` is not reached: {why}", self.spec.name);
                Failure::new(ErrorKind::Network, message).hint(self.where_it_is())
            }
            Lost::TooMuch => self
                .failed(&format!("it answered with more than {MOST_BYTES} bytes"), false)
                .limit("output", "bytes", MOST_BYTES)
                .hint("ask the service for less, or for a part at a time"),
        })
    }

    async fn addresses(&self, url: &Url) -> Result<Vec<IpAddr>, Failure> {
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return self.allowed(vec![address.into()]),
            Some(Host::Ipv6(address)) => return self.allowed(vec![address.into()]),
            Some(Host::Domain(name)) => name,
            None => return Err(self.failed("its address has no host", false)),
        };
        // A look-up goes beyond this machine too; this name alone needs none.
        if self.offline && name != "localhost" {
            return self.allowed(Vec::new());
        }
        let found = self.resolver.resolve(name).await.map_err(|error| {
            let message = format!(
                "tool `{}` is not reached: {} is not found: {error}",
                self.spec.name,
                quote(name)
            );
            Failure::new(ErrorKind::Network, message).hint(self.where_it_is())
        })?;
        self.allowed(found)
    }

    fn where_it_is(&self) -> String {
        format!(
            "check `url` of `[tools.{}]`, and that the service runs",
            self.spec.name
        )
    }

    fn allowed(&self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
        let is_here = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
        if !self.offline || is_here {
            return Ok(addresses);
        }
        let message = format!(
            "tool `{}` is beyond this machine, and `SEGUE_OFFLINE` is set",
            self.spec.name
        );
        Err(Failure::new(ErrorKind::Offline, message)
            .hint("unset `SEGUE_OFFLINE`, or let the tool's `url` be on loopback"))
    }

    /// Where a `GET` goes on; nobody else is sent on, and nobody to another host.
    fn sent_on(&self, from: &Url, came: &Came) -> Result<Option<Url>, Failure> {
        if !(300..400).contains(&came.status) || self.method != Method::GET {
            return Ok(None);
        }
        let to = came.headers.get(LOCATION).and_then(|to| to.to_str().ok());
        let Some(next) = to.and_then(|to| from.join(to).ok()) else {
            return Ok(None);
        };
        if next.origin() != from.origin() {
            let message = format!(
                "it sends on to another host, {}",
                quote(&next.origin().ascii_serialization())
            );
            return Err(self.failed(&message, false).hint(
                "its credentials stay with the host of its `url`; write that host there if it is meant",
            ));
        }
        Ok(Some(next))
    }

    fn result(&self, came: &Came) -> Result<Json, Failure> {
        if !(200..300).contains(&came.status) {
            let said = excerpt(&came.body);
            let retryable = came.status >= 500 || [408, 425, 429].contains(&came.status);
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said}")
            };
            return Err(self.failed(&format!("the answer is {}{said}", came.status), retryable));
        }
        if came.body.is_empty() {
            return Ok(Json::Null);
        }
        let media = came
            .headers
            .get(CONTENT_TYPE)
            .and_then(|media| media.to_str().ok());
        let media = media.unwrap_or_default().split(';').next().unwrap_or_default();
        let media = media.trim().to_ascii_lowercase();
        if media == "application/json" || media.ends_with("+json") {
            return serde_json::from_slice(&came.body).map_err(|error| {
                self.failed(
                    &format!("the answer says that it is JSON and is not: {error}"),
                    true,
                )
            });
        }
        match std::str::from_utf8(&came.body) {
            Ok(text) => Ok(Json::String(text.to_owned())),
            Err(_) => Err(self.failed("the answer is no text", false)),
        }
    }

    fn failed(&self, why: &str, retryable: bool) -> Failure {
        let mut failure = Failure::new(
            ErrorKind::Tool,
            format!("tool `{}` failed: {why}", self.spec.name),
        );
        failure.retryable = retryable;
        failure
    }
}

/// Puts arguments into a query. What is null is left out; a list or a map is JSON.
fn ask(url: &mut Url, left: &Map<String, Json>) {
    let given: Vec<(&String, String)> = left
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name, plain(value).unwrap_or_else(|| value.to_string())))
        .collect();
    if !given.is_empty() {
        url.query_pairs_mut().extend_pairs(given);
    }
}

/// The beginning of what an answer says.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MOST_TOLD)]);
    text.trim().to_owned()
}

impl Tool for Http {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn limits(&self) -> ToolLimits {
        self.limits.clone()
    }

    fn available(&self) -> Result<(), Failure> {
        match &self.unavailable {
            Some(why) => Err((**why).clone()),
            None => Ok(()),
        }
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            self.available()?;
            Ok(self.answer(&cx, &arguments).await?)
        }
        .boxed()
    }
}
