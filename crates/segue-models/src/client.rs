//! The HTTP client all providers share: one pool of connections, TLS by ring, no proxy from the environment, and no
//! redirect followed, because the key would travel with it.
//!
//! Made when it is first used: a process that asks no hosted model reads no certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls_platform_verifier::BuilderVerifierExt;
use segue::{ErrorKind, Failure};
use url::{Host, Url};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// The most bytes of headers of an answer over HTTP/2; over HTTP/1.1 hyper has its own cap, of about 400 KB.
const MOST_HEADERS: u32 = 64 << 10;

/// What requests are sent with. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    offline: bool,
    http: OnceLock<Result<reqwest::Client, String>>,
}

impl Client {
    /// A client; where `offline`, it reaches loopback addresses only.
    ///
    /// # Errors
    /// None today: what can fail is done when the first request is sent, and is that request's error.
    pub fn new(offline: bool) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Inner {
            offline,
            http: OnceLock::new(),
        })))
    }

    /// What sends a request to this address.
    ///
    /// # Errors
    /// Kind `offline` before anything is sent or resolved; `internal` when there can be no client at all.
    pub(crate) fn for_url(&self, url: &Url) -> Result<&reqwest::Client, Failure> {
        if self.0.offline && !is_loopback(url) {
            let host = url.host_str().unwrap_or("no host");
            let message = format!("`{host}` is not on this machine, and SEGUE_OFFLINE is set");
            return Err(Failure::new(ErrorKind::Offline, message)
                .hint("unset SEGUE_OFFLINE, or use a model on loopback, `local/extractive` or a cassette"));
        }
        let http = self
            .0
            .http
            .get_or_init(|| build().map_err(|error| error.to_string()));
        http.as_ref().map_err(|error| {
            Failure::new(
                ErrorKind::Internal,
                format!("no HTTP client can be made: {error}"),
            )
        })
    }
}

fn build() -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .user_agent(concat!("segue/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .http2_max_header_list_size(MOST_HEADERS)
        // The name never leaves the machine, whatever a resolver makes of it.
        .resolve_to_addrs(
            "localhost",
            &[
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ],
        )
        .build()
        .map_err(Into::into)
}

/// TLS with ring, whatever else the process uses. On a machine without certificates nothing is trusted, so that servers
/// without TLS can still be asked.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = || {
        rustls::ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()
    };
    let mut config = match versions()?.with_platform_verifier() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(_) => versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether an address is on this machine, said without asking anybody.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped().map(IpAddr::V4);
            mapped.unwrap_or(IpAddr::V6(address)).is_loopback()
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_only_loopback_is_reached() {
        let client = Client::new(true).unwrap();
        for near in [
            "http://127.0.0.1:1/v1",
            "http://127.9.9.9/",
            "http://[::1]:1/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:11434",
        ] {
            assert!(client.for_url(&near.parse().unwrap()).is_ok(), "{near}");
        }
        for far in [
            "https://api.openai.com/v1",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://[2606:4700::1]/",
        ] {
            let failure = client.for_url(&far.parse().unwrap()).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Offline, "{far}");
        }
        let open = Client::new(false).unwrap();
        assert!(
            open.for_url(&"https://api.openai.com/v1".parse().unwrap())
                .is_ok()
        );
    }
}
