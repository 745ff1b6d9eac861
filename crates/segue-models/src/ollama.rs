//! The model server on this machine: whether it answers, and which models are installed there.
//!
//! Asked when a name needs it and not before, in a thread of its own, because names are resolved where nobody can wait for
//! long: on loopback a server that is not there refuses at once. What it said holds for a while.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;
use url::Url;

use crate::clock;

/// How long it has to answer: on this machine, and elsewhere.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// How long what it said holds.
const FRESH: Duration = Duration::from_secs(30);
/// The most of an answer that is read.
const MOST: u64 = 1 << 20;
/// Families of models that answer nothing: they turn text into vectors.
const EMBEDDING: &str = "bert";

/// A model server.
pub(crate) struct Server {
    base: Url,
    seen: Mutex<Option<(Instant, Seen)>>,
}

/// What was found there.
pub(crate) type Seen = Result<Arc<Vec<Installed>>, Missing>;

/// Why nothing is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nobody answers.
    Server,
    /// Somebody does, and does not say what is installed.
    List,
}

/// A model that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) name: String,
    bytes: u64,
    is_embedding: bool,
}

impl Server {
    pub(crate) fn at(base: Url) -> Self {
        Self {
            base,
            seen: Mutex::new(None),
        }
    }

    /// What is installed there, smallest first.
    pub(crate) fn models(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if let Some((_, seen)) = seen.as_ref().filter(|(at, _)| now < *at + FRESH) {
            return seen.clone();
        }
        let found = self.ask();
        *seen = Some((now, found.clone()));
        found
    }

    fn ask(&self) -> Seen {
        if self.base.scheme() != "http" {
            // Somebody set it up with a certificate: it is there, and its models are asked for by name.
            return Err(Missing::List);
        }
        let patience = if is_near(&self.base) {
            PATIENCE.0
        } else {
            PATIENCE.1
        };
        let (said, heard) = mpsc::channel();
        let base = self.base.clone();
        let asking = std::thread::Builder::new().spawn(move || {
            // Whoever asked may have lost patience.
            let _ = said.send(tags(&base, patience));
        });
        asking.map_err(|_| Missing::Server)?;
        let body = heard
            .recv_timeout(patience)
            .ok()
            .flatten()
            .ok_or(Missing::Server)?;
        installed(&body).map(Arc::new).ok_or(Missing::List)
    }
}

impl Installed {
    /// Whether a name means it: with its tag, or without for the latest.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix(":latest") == Some(name)
    }
}

/// Of what is installed and answers, the one that a size means: the smallest, the one in the middle, the largest.
pub(crate) fn of_size(models: &[Installed], size: usize) -> Option<&Installed> {
    let answering: Vec<&Installed> = models.iter().filter(|model| !model.is_embedding).collect();
    let last = answering.len().checked_sub(1)?;
    answering.get([0, last / 2, last][size.min(2)]).copied()
}

/// What the server says is installed, as it says it; an empty text where it says something else.
fn tags(base: &Url, patience: Duration) -> Option<String> {
    let (host, port) = (base.host_str()?, base.port_or_known_default()?);
    let addresses = base.socket_addrs(|| None).ok()?;
    let mut stream = addresses
        .into_iter()
        .find_map(|address| TcpStream::connect_timeout(&address, patience).ok())?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    let path = format!("{}/api/tags", base.path().trim_end_matches('/'));
    // An answer to HTTP/1.0 ends with the connection, and has no pieces to put together.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_good = head.split_whitespace().nth(1) == Some("200");
    Some(if is_good { body.to_owned() } else { String::new() })
}

/// The models of a list as Ollama has it.
fn installed(body: &str) -> Option<Vec<Installed>> {
    let said: Json = serde_json::from_str(body).ok()?;
    let mut models: Vec<Installed> = said["models"]
        .as_array()?
        .iter()
        .filter_map(|model| {
            Some(Installed {
                name: model["name"].as_str()?.to_owned(),
                bytes: model["size"].as_u64().unwrap_or(0),
                is_embedding: model["details"]["family"]
                    .as_str()
                    .is_some_and(|family| family.contains(EMBEDDING)),
            })
        })
        .collect();
    models.sort_by(|a, b| (a.bytes, &a.name).cmp(&(b.bytes, &b.name)));
    Some(models)
}

fn is_near(base: &Url) -> bool {
    crate::client::is_loopback(base)
}

/// The address that `OLLAMA_HOST` means: host, port or both; where a server listens on every address, this machine.
pub(crate) fn address(text: &str) -> Option<Url> {
    let text = text.trim().trim_end_matches('/');
    let text = match text.contains("://") {
        true => text.to_owned(),
        false if text.starts_with(':') => format!("http://127.0.0.1{text}"),
        false => format!("http://{text}"),
    };
    let mut url: Url = text.parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    if matches!(url.host_str()?, "0.0.0.0" | "[::]") {
        url.set_host(Some("127.0.0.1")).ok()?;
    }
    // Ollama has a port of its own, unless an address with a scheme says otherwise.
    if url.port().is_none() && url.scheme() == "http" {
        url.set_port(Some(11434)).ok()?;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_means_an_address() {
        for (text, expected) in [
            ("127.0.0.1:11500", Some("http://127.0.0.1:11500/")),
            ("0.0.0.0", Some("http://127.0.0.1:11434/")),
            (":8080", Some("http://127.0.0.1:8080/")),
            ("box.lan", Some("http://box.lan:11434/")),
            ("https://models.example/", Some("https://models.example/")),
            ("ftp://box", None),
            ("", None),
        ] {
            assert_eq!(address(text).map(String::from).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_those_of_what_is_installed_and_answers() {
        let body = r#"{"models": [
            {"name": "large:70b", "size": 40000}, {"name": "small:latest", "size": 900},
            {"name": "nomic", "size": 10, "details": {"family": "nomic-bert"}}, {"name": "middle", "size": 5000}]}"#;
        let models = installed(body).expect("a list");
        let names = [0, 1, 2].map(|size| of_size(&models, size).map(|model| model.name.as_str()));
        assert_eq!(names, [Some("small:latest"), Some("middle"), Some("large:70b")]);
        assert!(models[1].is("small") && models[1].is("small:latest") && !models[3].is("large"));
        assert_eq!(of_size(&[], 0), None);
        assert!(installed("").is_none() && installed("{}").is_none());
    }
}
