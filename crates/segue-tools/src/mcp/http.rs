//! The address of a server that is reached over streamable HTTP. The operator chose it, so it is not guarded; offline, only
//! loopback addresses are reached.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use segue::fault::quote;
use segue::{ErrorKind, Failure, Secret};
use url::{Host, Url};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// The largest message that is read, as over pipes.
const MAX_MESSAGE: usize = 16 << 20;

/// Where a server is, and what every request to it carries.
#[derive(Clone)]
pub struct Address {
    url: Url,
    headers: BTreeMap<String, Secret>,
}

impl Address {
    /// The address of a server, such as `https://mcp.example.com/mcp`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("it is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} is not `http` or `https`", quote(url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user or a password in it; a header can carry a secret".to_owned());
        }
        Ok(Self {
            url,
            headers: BTreeMap::new(),
        })
    }

    /// A header of every request.
    ///
    /// # Errors
    /// When it is none; the value is not shown.
    pub fn header(mut self, name: &str, value: Secret) -> Result<Self, String> {
        let header: HeaderName = name
            .parse()
            .map_err(|_| format!("{} is no name of a header", quote(name)))?;
        HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the value of {} is none of a header", quote(name)))?;
        self.headers.insert(header.as_str().to_owned(), value);
        Ok(self)
    }

    /// The address, as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        self.url.to_string()
    }

    /// Whether its requests say who asks.
    pub(super) fn is_authorised(&self) -> bool {
        self.headers.contains_key("authorization")
    }

    /// Whether it is on this machine.
    fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }

    /// A transport to it. Nothing is sent yet.
    ///
    /// # Errors
    /// When it must not be reached.
    pub(super) fn transport(
        &self,
        server: &str,
        is_offline: bool,
    ) -> Result<StreamableHttpClientTransport<reqwest::Client>, Failure> {
        if is_offline && !self.is_loopback() {
            let message = format!(
                "MCP server `{server}` is at {}, and Segue is offline",
                self.shown()
            );
            return Err(Failure::new(ErrorKind::Offline, message)
                .hint("`SEGUE_OFFLINE` lets only this machine be reached"));
        }
        let client = self.client().map_err(|error| {
            let message = format!("MCP server `{server}`: no HTTP client can be made: {error}");
            Failure::new(ErrorKind::Internal, message)
        })?;
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str())
            .custom_headers(self.headers())
            .max_sse_event_size(MAX_MESSAGE)
            .max_json_response_size(MAX_MESSAGE);
        Ok(StreamableHttpClientTransport::with_client(client, config))
    }

    fn client(&self) -> reqwest::Result<reqwest::Client> {
        // Of several that want to be the first, one is.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // The headers are for this address and no other.
            .redirect(reqwest::redirect::Policy::none());
        match self.is_loopback() {
            true => builder.no_proxy().build(),
            false => builder.build(),
        }
    }

    fn headers(&self) -> HashMap<HeaderName, HeaderValue> {
        let header = |(name, value): (&String, &Secret)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name.parse().ok()?, value))
        };
        self.headers.iter().filter_map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        let refused = |url: &str| {
            Address::new(url)
                .err()
                .unwrap_or_else(|| panic!("{url} was taken"))
        };
        assert!(refused("mcp.example.com").contains("no URL"));
        assert!(refused("ftp://example.com/").contains("`ftp` is not"));
        let password = refused("https://ada:hunter2@example.com/mcp");
        assert!(password.contains("a header can carry a secret") && !password.contains("hunter2"));
        let address = Address::new("https://example.com/mcp").expect("it is one");
        let header = |name: &str, value: &str| address.clone().header(name, Secret::new(value)).err();
        assert_eq!(header("Authorization", "Bearer x"), None);
        assert!(header("a b", "x").is_some_and(|why| why.contains("no name of a header")));
        assert!(header("x", "hunter2\n").is_some_and(|why| !why.contains("hunter2")));
    }

    #[tokio::test]
    async fn offline_only_this_machine_is_reached() {
        for (url, is_reached) in [
            ("http://127.0.0.1:9/mcp", true),
            ("http://[::1]:9/mcp", true),
            ("http://localhost:9/mcp", true),
            ("https://example.com/mcp", false),
            ("http://127.0.0.1.example.com/mcp", false),
            ("http://10.0.0.1/mcp", false),
        ] {
            let address = Address::new(url).expect("it is one");
            let transport = address
                .transport("x", true)
                .map(drop)
                .map_err(|failure| failure.kind);
            assert_eq!(
                transport,
                if is_reached {
                    Ok(())
                } else {
                    Err(ErrorKind::Offline)
                },
                "{url}"
            );
            assert!(address.transport("x", false).is_ok(), "{url}");
        }
    }
}
