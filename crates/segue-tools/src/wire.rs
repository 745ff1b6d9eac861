//! The wire: one HTTP/1.1 exchange over a connection to an address somebody has decided on. No proxy, no redirect, no pool,
//! no decompression: each would be a way round that decision.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long one address may take to be connected to; the next one is tried then.
const CONNECT: Duration = Duration::from_secs(5);
/// The most bytes of headers.
const MOST_HEADERS: usize = 64 * 1024;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// Looks a name up, once.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Connects to an address.
pub trait Connect: Send + Sync + 'static {
    /// Connects to this address and no other.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// As the system does both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl Connect for System {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// What goes out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) enum Lost {
    /// No connection, or not to where it was meant to go.
    Connect(String),
    /// It broke.
    Broken(String),
    /// More bytes than allowed.
    TooMuch,
    /// What came first was not wanted.
    Unwanted(String),
}

/// The way out.
#[derive(Clone)]
pub(crate) struct Wire {
    connector: Arc<dyn Connect>,
    tls: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

impl Wire {
    pub(crate) fn new(connector: Arc<dyn Connect>) -> Self {
        let tls = Arc::default();
        Self { connector, tls }
    }

    /// Whom to trust, where it is not whom the system trusts.
    pub(crate) fn trusting(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Arc::new(OnceLock::from(Ok(config)));
        self
    }

    /// One exchange with the first of the addresses that answers. `wanted` looks at what comes before the body.
    pub(crate) async fn exchange(
        &self,
        addresses: &[IpAddr],
        port: u16,
        sent: Sent,
        most: usize,
        wanted: impl Fn(u16, &HeaderMap) -> Result<(), String>,
    ) -> Result<Came, Lost> {
        let stream = self.connected(addresses, port).await?;
        if sent.url.scheme() != "https" {
            return talk(stream, sent, most, wanted).await;
        }
        let name =
            server_name(&sent.url).ok_or_else(|| Lost::Connect("it has no name to be proved".into()))?;
        let config = self
            .tls
            .get_or_init(system_trust)
            .clone()
            .map_err(Lost::Connect)?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        let stream = stream.map_err(|error| Lost::Connect(error.to_string()))?;
        talk(stream, sent, most, wanted).await
    }

    async fn connected(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Lost> {
        let mut wrong = "it has no address".to_owned();
        for address in addresses {
            let address = SocketAddr::new(*address, port);
            match tokio::time::timeout(CONNECT, self.connector.connect(address)).await {
                Err(_) => wrong = format!("{address} does not answer"),
                Ok(Err(error)) => wrong = format!("{address}: {error}"),
                Ok(Ok(stream)) => {
                    let peer = stream
                        .peer_addr()
                        .map_err(|error| Lost::Connect(error.to_string()))?;
                    if (peer.ip(), peer.port()) != (address.ip(), address.port()) {
                        return Err(Lost::Connect(format!("{address} turned out to be {peer}")));
                    }
                    return Ok(stream);
                }
            }
        }
        Err(Lost::Connect(wrong))
    }
}

fn system_trust() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier);
    match config {
        Ok(config) => Ok(Arc::new(config.with_no_client_auth())),
        Err(error) => Err(format!(
            "the certificates of this machine cannot be used: {error}"
        )),
    }
}

fn server_name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(IpAddr::V4(address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(IpAddr::V6(address).into())),
    }
}

/// What an address says after host and port, and how its host is called in a request.
fn request(sent: Sent) -> Result<Request<Full<Bytes>>, Lost> {
    let Sent {
        method,
        url,
        headers,
        body,
    } = sent;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let broken = |error: &dyn std::fmt::Display| Lost::Broken(error.to_string());
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(Full::new(body))
        .map_err(|error| broken(&error))?;
    *request.headers_mut() = headers;
    let host = HeaderValue::try_from(host).map_err(|error| broken(&error))?;
    let own = request.headers_mut();
    own.insert(HOST, host);
    // What is not compressed cannot grow.
    own.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    own.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!(
        "segue/",
        env!("CARGO_PKG_VERSION")
    )));
    Ok(request)
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    sent: Sent,
    most: usize,
    wanted: impl Fn(u16, &HeaderMap) -> Result<(), String>,
) -> Result<Came, Lost> {
    let request = request(sent)?;
    let mut settings = http1::Builder::new();
    settings.max_buf_size(MOST_HEADERS);
    let broken = |error: hyper::Error| Lost::Broken(told(&error));
    let (mut sender, connection) = settings.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        wanted(response.status().as_u16(), response.headers()).map_err(Lost::Unwanted)?;
        read(response, most).await
    };
    driven(connection, exchange).await
}

/// Drives a connection while something is done over it; no task of its own outlives the exchange.
async fn driven<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    let (mut connection, mut exchange) = (pin!(connection), pin!(exchange));
    tokio::select! {
        biased;
        done = &mut exchange => return done,
        _ = &mut connection => {}
    }
    exchange.await
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Came, Lost> {
    let (head, mut body) = response.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > u64::try_from(most).unwrap_or(u64::MAX)) {
        return Err(Lost::TooMuch);
    }
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Lost::Broken(told(&error)))?;
        let Ok(part) = frame.into_data() else { continue };
        if read.len() + part.len() > most {
            return Err(Lost::TooMuch);
        }
        read.extend_from_slice(&part);
    }
    Ok(Came {
        status: head.status.as_u16(),
        headers: head.headers,
        body: read.into(),
    })
}

/// An error with what led to it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
