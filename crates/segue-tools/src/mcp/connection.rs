//! One connection to a server, from the handshake to its end. All runs of the process share it; their calls go side by side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientConfig, Implementation, ProtocolVersion, RequestMetaObject,
};
use rmcp::service::{
    ClientInitializeError, NotificationContext, Peer, RoleClient, RunningService, ServiceError, serve_client,
};
use rmcp::transport::IntoTransport;
use rmcp::transport::streamable_http_client::{AuthRequiredError, InsufficientScopeError};
use segue::fault::quote;
use serde_json::{Map, Value as Json};

use super::name::NameTaken;
use super::pin::{Pinned, listed};
use super::pipe::{Ended, Pipe};
use super::process::{Group, Program, Tail};

/// Where a call carries what tells a repetition of it from another call.
const IDEMPOTENCY_KEY: &str = "segue/idempotencyKey";

/// A connection to a server that has answered the handshake.
pub(super) struct Connection {
    peer: Peer<RoleClient>,
    service: Mutex<Option<RunningService<RoleClient, Client>>>,
    /// Why it has ended; over HTTP nobody says.
    ended: Option<Ended>,
    behind: Option<Behind>,
    /// Set when the server says that its tools are others now.
    is_stale: Arc<AtomicBool>,
    /// Set when something could not be sent.
    is_broken: AtomicBool,
    tools: Mutex<Arc<Tools>>,
}

/// The program behind a connection over pipes.
pub(super) struct Behind {
    group: Arc<Group>,
    said: Arc<Tail>,
}

/// The tools of a server, by the names they go by.
pub(super) type Tools = BTreeMap<String, Pinned>;

/// Why there is no connection, as the end of a sentence that begins with the server.
#[derive(Debug)]
pub(super) struct Unmade {
    pub(super) why: String,
    /// Whether it wants to be told who asks.
    pub(super) wants_authorisation: bool,
}

impl From<String> for Unmade {
    fn from(why: String) -> Self {
        Self {
            why,
            wants_authorisation: false,
        }
    }
}

/// What went wrong, as the end of a sentence that begins with the server.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is gone, and whatever it was doing with it.
    Gone(String),
    /// It has answered, and will not do it.
    Refused(String),
}

/// What a server sees of us: a client that offers nothing. No roots, no sampling, no elicitation: a tool has no say in
/// what a model or a person is asked.
#[derive(Clone)]
struct Client {
    is_stale: Arc<AtomicBool>,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        info.client_info = Implementation::new("segue", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.is_stale.store(true, Ordering::Release);
    }
}

impl Connection {
    /// Starts a program and shakes hands with it.
    pub(super) async fn to_program(program: &Program) -> Result<Self, Unmade> {
        let (process, stdin, stdout) = program.start().map_err(|error| {
            let place = quote(&program.shown());
            Unmade::from(format!("could not be started ({place}): {error}"))
        })?;
        let behind = Behind {
            group: process.group(),
            said: process.said(),
        };
        let is_stale = Arc::default();
        let (pipe, ended) = Pipe::new(process, stdin, stdout, Arc::clone(&is_stale));
        Self::with(pipe, is_stale, Some(ended), Some(behind)).await
    }

    /// Shakes hands over a transport.
    pub(super) async fn over<T, E, A>(transport: T) -> Result<Self, Unmade>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        Self::with(transport, Arc::default(), None, None).await
    }

    async fn with<T, E, A>(
        transport: T,
        is_stale: Arc<AtomicBool>,
        ended: Option<Ended>,
        behind: Option<Behind>,
    ) -> Result<Self, Unmade>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let client = Client {
            is_stale: is_stale.clone(),
        };
        let service = match serve_client(client, transport).await {
            Ok(service) => service,
            Err(error) => {
                if let Some(challenge) = error.auth_challenge() {
                    return Err(Unmade {
                        why: unauthorised(challenge),
                        wants_authorisation: true,
                    });
                }
                let ended = ended.as_ref().and_then(|ended| ended.borrow().clone());
                return Err(with_tail(unwelcome(error, ended), behind.as_ref()).into());
            }
        };
        let connection = Self {
            peer: service.peer().clone(),
            service: Mutex::new(Some(service)),
            ended,
            behind,
            is_stale,
            is_broken: AtomicBool::new(false),
            tools: Mutex::default(),
        };
        connection.speaks_our_language()?;
        let listed = connection.list().await;
        listed.map_err(|trouble| Unmade::from(trouble.into_text()))?;
        Ok(connection)
    }

    fn speaks_our_language(&self) -> Result<(), String> {
        let info = self.peer.peer_info();
        let version = info
            .as_ref()
            .map(|info| info.protocol_version.as_str())
            .unwrap_or_default();
        let known = ProtocolVersion::KNOWN_VERSIONS;
        if known.iter().any(|known| known.as_str() == version) {
            return Ok(());
        }
        let known: Vec<&str> = known.iter().map(ProtocolVersion::as_str).collect();
        Err(format!(
            "speaks version {} of the protocol; Segue speaks {}",
            quote(version),
            known.join(", ")
        ))
    }

    /// Whether another call can go over it.
    pub(super) fn is_alive(&self) -> bool {
        let has_ended = self.ended.as_ref().is_some_and(|ended| ended.borrow().is_some());
        !has_ended && !self.is_broken.load(Ordering::Acquire) && !self.peer.is_transport_closed()
    }

    /// The tools that the server has now.
    pub(super) async fn tools(&self) -> Result<Arc<Tools>, Trouble> {
        if self.is_stale.swap(false, Ordering::AcqRel)
            && let Err(trouble) = self.list().await
        {
            self.is_stale.store(true, Ordering::Release);
            return Err(trouble);
        }
        Ok(self.tools.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn list(&self) -> Result<(), Trouble> {
        let tools = match self.peer.list_all_tools().await {
            Ok(tools) => tools,
            Err(error) => return Err(self.trouble(error).await),
        };
        let tools = listed(tools).map_err(|taken| Trouble::Refused(unnamed(&taken)))?;
        *self.tools.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(tools);
        Ok(())
    }

    /// Makes a call. The server is told when nobody waits for the answer any more.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Json,
        key: String,
    ) -> Result<CallToolResult, Trouble> {
        let mut meta = RequestMetaObject::new();
        meta.insert(IDEMPOTENCY_KEY.to_owned(), Json::String(key));
        let arguments = match arguments {
            Json::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let mut call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        call.meta = Some(meta);
        match self.peer.call_tool(call).await {
            Ok(result) => Ok(result),
            Err(error) => Err(self.trouble(error).await),
        }
    }

    async fn trouble(&self, error: ServiceError) -> Trouble {
        let gone = |what: String| Trouble::Gone(with_tail(what, self.behind.as_ref()));
        match error {
            ServiceError::McpError(error) => Trouble::Refused(format!(
                "answered with error {}: {}",
                error.code.0,
                quote(&error.message)
            )),
            ServiceError::TransportSend(error) => {
                self.is_broken.store(true, Ordering::Release);
                match (self.ended.is_some(), challenge(&*error.error)) {
                    (true, _) => gone(self.why().await),
                    (false, Some(challenge)) => gone(unauthorised(challenge)),
                    (false, None) => gone(format!("cannot be reached: {}", with_causes(&*error.error))),
                }
            }
            ServiceError::TransportClosed | ServiceError::Cancelled { .. } => {
                self.is_broken.store(true, Ordering::Release);
                gone(self.why().await)
            }
            _ => Trouble::Refused("answered with something that is no answer to it".to_owned()),
        }
    }

    async fn why(&self) -> String {
        let unknown = || "closed the connection".to_owned();
        let Some(mut ended) = self.ended.clone() else {
            return unknown();
        };
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_else(unknown),
            Err(_) => unknown(),
        }
    }

    /// Ends it: what runs is let end by itself, for a while.
    pub(super) async fn close(&self) {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(service) = service {
            // A task that panicked has ended too.
            let _ = service.cancel().await;
        }
    }

    /// Ends it at once, and whatever the program behind it has started.
    pub(super) fn kill(&self) {
        if let Some(behind) = &self.behind {
            behind.group.kill();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Trouble {
    pub(super) fn into_text(self) -> String {
        match self {
            Trouble::Gone(text) | Trouble::Refused(text) => text,
        }
    }
}

/// What a service wants to be told, where it says so.
fn challenge<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(required) = error.downcast_ref::<AuthRequiredError>() {
            return Some(&required.www_authenticate_header);
        }
        if let Some(more) = error.downcast_ref::<InsufficientScopeError>() {
            return Some(&more.www_authenticate_header);
        }
        next = error.source();
    }
    None
}

fn unauthorised(challenge: &str) -> String {
    format!("wants authorisation: {}", quote(challenge))
}

/// Why there was no handshake.
fn unwelcome(error: ClientInitializeError, ended: Option<String>) -> String {
    match (error, ended) {
        (_, Some(ended)) => format!("{ended}, before it answered the handshake"),
        (ClientInitializeError::JsonRpcError(error), None) => {
            format!(
                "refused the handshake with error {}: {}",
                error.code.0,
                quote(&error.message)
            )
        }
        (ClientInitializeError::TransportError { error, .. }, None) => {
            format!("cannot be reached: {}", with_causes(&*error.error))
        }
        (ClientInitializeError::ConnectionClosed(_), None) => {
            "closed the connection, before it answered the handshake".to_owned()
        }
        (_, None) => "answered the handshake with something that is no answer to it".to_owned(),
    }
}

fn unnamed(taken: &NameTaken) -> String {
    match taken {
        NameTaken::None(own) => format!("has a tool {}, of which no name can be made", quote(own)),
        NameTaken::Both(first, second) => {
            format!(
                "has tools {} and {}, which would go by one name",
                quote(first),
                quote(second)
            )
        }
    }
}

fn with_tail(what: String, behind: Option<&Behind>) -> String {
    match behind.and_then(|behind| behind.said.text()) {
        Some(said) => format!("{what}; its stderr ends with: {said}"),
        None => what,
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
