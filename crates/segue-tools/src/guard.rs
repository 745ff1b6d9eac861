//! The guard: the only way to an address that is not the operator's own configuration. Every address is judged in every
//! spelling, looked up once, judged again by what it led to, and connected to as judged; so is every redirect.
//!
//! [`judge`] is a pure function. [`Guard`] adds the one look-up and the one connection, behind [`Resolve`] and [`Connect`],
//! so that a test can count both. It knows no proxy, follows no redirect by itself, and asks for nothing compressed.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use hyper::http::request::Builder;
use hyper::{Method, StatusCode};
use rustls::ClientConfig;
use segue::fault::quote;
use segue::{ErrorKind, Failure};
use url::Url;

use crate::wire::{Came, Lost, Sent, System, Wire};

mod address;
mod judge;
mod metadata;

pub use crate::wire::{Connect, Resolve};
pub use address::{Class, class_of};
pub use judge::{Judged, Place, Policy, Ports, Reason, Refusal, judge, judge_address};

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// The most bytes of an answer.
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// How long the whole of it may take, redirects included.
const MOST_TIME: Duration = Duration::from_secs(15);

/// Sends requests to addresses of others.
#[derive(Clone)]
pub struct Guard {
    policy: Policy,
    offline: bool,
    resolver: Arc<dyn Resolve>,
    own: fn() -> io::Result<Vec<IpAddr>>,
    wire: Wire,
    most_bytes: usize,
    most_time: Duration,
}

/// A request to an address of others.
#[derive(Debug, Clone)]
pub struct Outgoing {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    types: Option<fn(&str) -> bool>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its type without parameters, in small letters; none where it has none.
    pub media_type: Option<String>,
    /// The character set it names, in small letters.
    pub charset: Option<String>,
    /// Everything it said besides.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
    /// Where it came from, redirects followed.
    pub url: Url,
}

impl Outgoing {
    /// Asks for what is at an address.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            types: None,
        }
    }

    /// Sends something to an address.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(url)
        }
    }

    /// A header. It does not go along to another host.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Failure> {
        let built = Builder::new().header(name, value).body(());
        let built = built.map_err(|error| {
            let message = format!("{} is no header: {error}", quote(name));
            Failure::new(ErrorKind::BadRequest, message)
        })?;
        self.headers.extend(built.headers().clone());
        Ok(self)
    }

    /// Takes answers of these types only: a media type without parameters, in small letters.
    #[must_use]
    pub fn only(mut self, types: fn(&str) -> bool) -> Self {
        self.types = Some(types);
        self
    }
}

impl Guard {
    /// A guard for what an operator allows.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            offline: false,
            resolver: Arc::new(System),
            own: address::own,
            wire: Wire::new(Arc::new(System)),
            most_bytes: MOST_BYTES,
            most_time: MOST_TIME,
        }
    }

    /// Reaches this machine only, where the policy opens it: what is judged good is then refused as `offline`, and no name
    /// is looked up.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Looks names up another way.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Connects another way.
    #[must_use]
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.wire = Wire::new(Arc::new(connector));
        self
    }

    /// Trusts whom this says, rather than whom the machine trusts.
    #[must_use]
    pub fn trusting(mut self, config: Arc<ClientConfig>) -> Self {
        self.wire = self.wire.trusting(config);
        self
    }

    /// The most bytes of an answer; 5 MB without this.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// How long everything may take; 15 s without this.
    #[must_use]
    pub fn most_time(mut self, time: Duration) -> Self {
        self.most_time = time;
        self
    }

    /// Sends a request and follows where it is sent on to.
    ///
    /// # Errors
    /// Kind `url_refused` with the reason, `offline`, or `network` when nobody answers.
    pub async fn send(&self, request: Outgoing) -> Result<Answer, Failure> {
        let asked = request.url.clone();
        match tokio::time::timeout(self.most_time, self.sent(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                let ms = self.most_time.as_millis();
                let late = Refusal::new(Reason::Time, format!("it did not answer within {ms}ms"));
                Err(late.of(&asked).limit("fetch", "ms", ms))
            }
        }
    }

    async fn sent(&self, mut request: Outgoing) -> Result<Answer, Failure> {
        let mut redirects = 0;
        loop {
            let (judged, came) = self.hop(&request).await?;
            let Some(to) = location(&came) else {
                return Ok(answer(judged.url, came));
            };
            redirects += 1;
            if redirects > MOST_REDIRECTS {
                let message = format!("it was sent on more than {MOST_REDIRECTS} times");
                return Err(Refusal::new(Reason::Redirect, message).of(&request.url));
            }
            request = sent_on(request, &judged.url, &to, came.status)?;
        }
    }

    /// One request to one address, the whole guard before it.
    async fn hop(&self, request: &Outgoing) -> Result<(Judged, Came), Failure> {
        let own = (self.own)().map_err(|error| {
            let message = format!("the addresses of this machine are not to be had: {error}");
            Failure::new(ErrorKind::Internal, message)
        })?;
        let refuse = |refusal: Refusal| refusal.of(&request.url);
        let judged = judge(&request.url, &self.policy, &own).map_err(refuse)?;
        let addresses = self.addresses(&request.url, &judged.place, &own).await?;
        let sent = Sent {
            method: request.method.clone(),
            url: judged.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        let wanted = |status: u16, headers: &HeaderMap| wanted(request.types, status, headers);
        let came = self
            .wire
            .exchange(&addresses, judged.port, sent, self.most_bytes, wanted)
            .await;
        match came {
            Ok(came) => Ok((judged, came)),
            Err(lost) => Err(self.lost(&request.url, lost)),
        }
    }

    /// The addresses to connect to, each of them judged.
    async fn addresses(&self, asked: &str, place: &Place, own: &[IpAddr]) -> Result<Vec<IpAddr>, Failure> {
        let offline = || {
            let message = format!(
                "{} is beyond this machine, and `SEGUE_OFFLINE` is set",
                quote(asked)
            );
            Failure::new(ErrorKind::Offline, message).hint("unset `SEGUE_OFFLINE` to reach it")
        };
        let name = match place {
            Place::Literal(address) if self.offline && !address.is_loopback() => return Err(offline()),
            Place::Literal(address) => return Ok(vec![*address]),
            Place::Name(_) if self.offline => return Err(offline()),
            Place::Name(name) => name,
        };
        let found = self.resolver.resolve(name).await.map_err(|error| {
            let message = format!("{} is not found: {error}", quote(name));
            Failure::new(ErrorKind::Network, message)
        })?;
        if found.is_empty() {
            let message = format!("{} has no address", quote(name));
            return Err(Failure::new(ErrorKind::Network, message));
        }
        // One bad address among good ones is how a name gets somebody to the bad one on the second try.
        for address in &found {
            judge_address(*address, &self.policy, own).map_err(|refusal| {
                let message = format!("{} is at {}", quote(name), refusal.message);
                Refusal::new(refusal.reason, message).of(asked)
            })?;
        }
        Ok(found)
    }

    fn lost(&self, asked: &str, lost: Lost) -> Failure {
        let most = self.most_bytes;
        match lost {
            Lost::Connect(why) | Lost::Broken(why) => {
                let message = format!("{} did not answer: {why}", quote(asked));
                Failure::new(ErrorKind::Network, message)
            }
            Lost::TooMuch => {
                let too_much = Refusal::new(Reason::Size, format!("it has more than {most} bytes"));
                too_much.of(asked).limit("fetch", "bytes", most)
            }
            Lost::Unwanted(why) => Refusal::new(Reason::Type, why).of(asked),
        }
    }
}

/// Where an answer sends to.
fn location(came: &Came) -> Option<String> {
    let sends = [301, 302, 303, 307, 308].contains(&came.status);
    let to = came.headers.get(LOCATION).filter(|_| sends)?;
    // What is no text is judged as what it is not: an address.
    Some(String::from_utf8_lossy(to.as_bytes()).into_owned())
}

/// The next request, as it goes to where the last one was sent.
fn sent_on(request: Outgoing, from: &Url, to: &str, status: u16) -> Result<Outgoing, Failure> {
    let refuse = |reason, message: &str| Err(Refusal::new(reason, message).of(to));
    if to
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    {
        return refuse(Reason::Syntax, "it was sent on to something that is no address");
    }
    let Ok(next) = from.join(to) else {
        return refuse(Reason::Syntax, "it was sent on to something that is no address");
    };
    if from.scheme() == "https" && next.scheme() == "http" {
        return refuse(Reason::Redirect, "it was sent on from `https` to `http`");
    }
    let mut request = Outgoing {
        url: next.as_str().to_owned(),
        ..request
    };
    let becomes_get = status == 303 || (request.method == Method::POST && [301, 302].contains(&status));
    if becomes_get {
        request.method = Method::GET;
        request.body = Bytes::new();
    }
    if next.origin() != from.origin() {
        // Any header may be a credential, and so may what is sent.
        request.headers = HeaderMap::new();
        if !request.body.is_empty() {
            return refuse(
                Reason::Redirect,
                "it was sent on to another host with what was sent to the first",
            );
        }
    }
    Ok(request)
}

/// Whether an answer is of a type somebody wants, and as it is.
fn wanted(types: Option<fn(&str) -> bool>, status: u16, headers: &HeaderMap) -> Result<(), String> {
    let sends = [301, 302, 303, 307, 308].contains(&status) && headers.contains_key(LOCATION);
    if sends {
        return Ok(());
    }
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err("it is compressed, which nobody asked for".to_owned());
    }
    let Some(is_wanted) = types else { return Ok(()) };
    let has_none = status == StatusCode::NO_CONTENT.as_u16();
    match media_type(headers) {
        Some((media, _)) if is_wanted(&media) => Ok(()),
        Some((media, _)) => Err(format!(
            "it is {}, which is not among the types that are read",
            quote(&media)
        )),
        None if has_none => Ok(()),
        None => Err("it does not say of what type it is".to_owned()),
    }
}

/// The type of an answer, and the character set it names.
fn media_type(headers: &HeaderMap) -> Option<(String, Option<String>)> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    Some((media, charset))
}

fn answer(url: Url, came: Came) -> Answer {
    let (media_type, charset) = media_type(&came.headers).unzip();
    Answer {
        status: came.status,
        media_type,
        charset: charset.flatten(),
        headers: came.headers,
        body: came.body,
        url,
    }
}
