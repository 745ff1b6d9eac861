//! A server: what the operator says of it, and the one connection that this process has to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use segue::schema::Schema;
use segue::{ErrorKind, Failure};
use serde_json::Value as Json;

use super::connection::{Connection, Tools, Trouble, Unmade};
use super::http::Address;
use super::limits::Offered;
use super::pin::{Change, Pinned};
use super::process::Program;
use super::reply::{self, Unusable};
use super::start::{self, Starts};
use super::tool::McpTool;

/// How long a server may take to start and to say what it has, where nothing else is said. Package runners fetch first.
const START: Duration = Duration::from_secs(60);

/// How a server is reached.
#[derive(Clone)]
pub enum Reach {
    /// A program, over its pipes.
    Program(Program),
    /// A service, over streamable HTTP.
    Address(Address),
}

/// A server the operator has named.
///
/// One for each process: its tools share its connection. It is started when it is first needed, started again when it has
/// ended, not for ever, and closed by [`Server::close`]. One that is dropped instead is killed.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use segue_tools::mcp::{Offered, Program, Reach, Server};
///
/// let program = Program::new("mcp-files", ["--root".to_owned(), "./data".to_owned()], Path::new("."));
/// let offered = Offered::all().allow(["read_*".to_owned()]).approve(["write_*".to_owned()]);
/// let server = Arc::new(Server::new("files", Reach::Program(program)).offering(offered));
/// // Nothing was started, and nobody has accepted any tool of it yet.
/// assert!(!server.is_pinned());
/// assert_eq!(server.tools().count(), 0);
/// ```
pub struct Server {
    name: String,
    reach: Reach,
    offered: Offered,
    start: Duration,
    call: Option<Duration>,
    is_offline: bool,
    /// Why it must not be reached.
    refused: Option<Failure>,
    pinned: Option<BTreeMap<String, Pinned>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The connection there is, or is being made; or why there was none.
    connecting: Option<Shared<BoxFuture<'static, Connected>>>,
    starts: Starts,
}

type Connected = Result<Arc<Connection>, Failure>;

impl Server {
    /// A server that offers everything it has. Nothing is started.
    #[must_use]
    pub fn new(name: impl Into<String>, reach: Reach) -> Self {
        Self {
            name: name.into(),
            reach,
            offered: Offered::all(),
            start: START,
            call: None,
            is_offline: false,
            refused: None,
            pinned: None,
            state: Mutex::default(),
        }
    }

    /// Which of its tools are offered, and on what terms.
    #[must_use]
    pub fn offering(mut self, offered: Offered) -> Self {
        self.offered = offered;
        self
    }

    /// How long it may take to start and to say what it has; 60 s where nothing is said.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.start = limit;
        self
    }

    /// How long a call of one of its tools may take; pipeline files can say less.
    #[must_use]
    pub fn call_within(mut self, limit: Duration) -> Self {
        self.call = Some(limit);
        self
    }

    /// Only servers on this machine are reached.
    #[must_use]
    pub fn offline(mut self, is_offline: bool) -> Self {
        self.is_offline = is_offline;
        self
    }

    /// It is neither started nor reached; whoever needs it is told why.
    #[must_use]
    pub fn refused(mut self, why: Failure) -> Self {
        self.refused = Some(why);
        self
    }

    /// Its tools as they were accepted. Without, it has none.
    #[must_use]
    pub fn pinned(mut self, tools: BTreeMap<String, Pinned>) -> Self {
        self.pinned = Some(tools);
        self
    }

    /// The name the operator gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is: a program or an address.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.reach {
            Reach::Program(program) => program.shown(),
            Reach::Address(address) => address.shown(),
        }
    }

    /// Whether its tools are known.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Whether it may be reached at all.
    ///
    /// # Errors
    /// Why not.
    pub fn permitted(&self) -> Result<(), Failure> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// The tools it offers, as they are pinned. Nothing is started.
    pub fn tools(self: &Arc<Self>) -> impl Iterator<Item = McpTool> {
        let offered = self.pinned.iter().flatten().filter_map(|(name, pinned)| {
            let terms = self.offered.terms(name)?;
            Some(McpTool::new(
                self.clone(),
                name,
                pinned.clone(),
                terms,
                self.offered.class(pinned),
            ))
        });
        offered.collect::<Vec<_>>().into_iter()
    }

    /// How long a call of one of its tools may take, where that was said.
    pub(super) fn call_limit(&self) -> Option<Duration> {
        self.call
    }

    /// The names of its pinned tools, whether they are offered or not.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.pinned.iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Whether the operator lets a tool of this name through.
    #[must_use]
    pub fn offers(&self, name: &str) -> bool {
        self.offered.terms(name).is_some()
    }

    /// The names and globs of what is offered that mean none of its pinned tools.
    #[must_use]
    pub fn meaningless(&self) -> Vec<&str> {
        match &self.pinned {
            Some(pinned) => {
                let names: Vec<&str> = pinned.keys().map(String::as_str).collect();
                self.offered.meaningless(&names)
            }
            None => Vec::new(),
        }
    }

    /// The tools it has now, whatever is pinned; connects to it.
    ///
    /// # Errors
    /// When it cannot be reached, or does not say.
    pub async fn found(&self) -> Result<BTreeMap<String, Pinned>, Failure> {
        let connection = self.connection().await?;
        let tools = connection
            .tools()
            .await
            .map_err(|trouble| self.failed(&trouble.into_text()))?;
        Ok(Tools::clone(&tools))
    }

    /// How the tools it offers differ now from those that are pinned; connects to it.
    ///
    /// # Errors
    /// When it cannot be reached, or does not say.
    pub async fn changes(&self) -> Result<BTreeMap<String, Change>, Failure> {
        let found = self.found().await?;
        let none = BTreeMap::new();
        let mut changes = Change::between(self.pinned.as_ref().unwrap_or(&none), &found);
        changes.retain(|name, _| self.offers(name));
        Ok(changes)
    }

    /// Connects, and looks whether a tool is what was pinned. A server that could not be had a moment ago is not tried again
    /// at once: runs that need it are looked at several times a second.
    pub(super) async fn ready(&self, name: &str, pinned: &Pinned) -> Result<(), Failure> {
        let lately = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let last = state.connecting.as_ref().and_then(Shared::peek);
            let failed = last.and_then(|connected| connected.as_ref().err());
            failed.filter(|_| state.starts.is_recent(start::now())).cloned()
        };
        if let Some(failure) = lately {
            return Err(failure);
        }
        let connection = self.connection().await?;
        let tools = connection
            .tools()
            .await
            .map_err(|trouble| self.failed(&trouble.into_text()))?;
        match Change::of(pinned, tools.get(name)) {
            Some(change) => Err(self.not_as_pinned(name, &change)),
            None => Ok(()),
        }
    }

    /// Calls a tool, if it is what was pinned. What it gives has to be what the pin says it gives.
    pub(super) async fn call(
        &self,
        name: &str,
        (pinned, output): (&Pinned, Option<&Schema>),
        arguments: Json,
        key: String,
    ) -> Result<Json, Failure> {
        let connection = self.connection().await?;
        let full = format!("{}.{name}", self.name);
        let at_work = |trouble: Trouble| match trouble {
            Trouble::Gone(why) => self
                .failed(&format!("{why}, while `{full}` was at work"))
                .hint(format!("look whether it works: {}", self.place())),
            Trouble::Refused(why) => self.failed(&format!("{why}, when `{full}` was called")),
        };
        let tools = connection.tools().await.map_err(at_work)?;
        if let Some(change) = Change::of(pinned, tools.get(name)) {
            return Err(self.not_as_pinned(name, &change));
        }
        let result = connection
            .call(&pinned.tool, arguments, key)
            .await
            .map_err(at_work)?;
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .starts
            .works();
        reply::read(result, output).map_err(|unusable| match unusable {
            Unusable::Failed(why) => Failure::new(ErrorKind::Tool, format!("`{full}` failed: {why}")),
            Unusable::Unlike(why) => self
                .failed(&format!(
                    "gave for `{full}` what does not fit its output schema: {why}"
                ))
                .hint("the server does not keep to what it says itself; whoever makes it can mend that"),
        })
    }

    /// That a tool is not what was pinned, and what to do about it.
    #[must_use]
    pub fn not_as_pinned(&self, name: &str, change: &Change) -> Failure {
        let message = format!("`{}.{name}` is not what was pinned: it {change}", self.name);
        Failure::new(ErrorKind::DefinitionChanged, message).hint(format!(
            "`segue tools pin {}` shows what is different, and accepts it",
            self.name
        ))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(ErrorKind::Tool, format!("MCP server `{}` {what}", self.name))
    }

    /// The connection, made when there is none. Whoever waits for it makes it: nobody holds it up by going away.
    async fn connection(&self) -> Connected {
        self.permitted()?;
        let connecting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &state.connecting {
                Some(connecting) if is_good(connecting) => connecting.clone(),
                _ => {
                    state.starts.begin(start::now()).map_err(|(times, left)| {
                        let message = format!("was started {times} times in a row and never answered a call");
                        self.failed(&message)
                            .hint(format!("it is started again in {}s", left.as_secs().max(1)))
                    })?;
                    let connecting = self.connect().shared();
                    state.connecting = Some(connecting.clone());
                    connecting
                }
            }
        };
        connecting.await
    }

    /// Whether it is told who asks.
    fn is_authorised(&self) -> bool {
        match &self.reach {
            Reach::Program(_) => false,
            Reach::Address(address) => address.is_authorised(),
        }
    }

    fn connect(&self) -> BoxFuture<'static, Connected> {
        let (name, reach, limit, is_offline) =
            (self.name.clone(), self.reach.clone(), self.start, self.is_offline);
        let open = async move {
            match reach {
                Reach::Program(program) => Ok(Connection::to_program(&program).await),
                Reach::Address(address) => {
                    let transport = address.transport(&name, is_offline)?;
                    Ok(Connection::over(transport).await)
                }
            }
        };
        let (name, place, authorised) = (self.name.clone(), self.place(), self.is_authorised());
        async move {
            let unmade = match tokio::time::timeout(limit, open).await {
                Ok(Ok(Ok(connection))) => return Ok(Arc::new(connection)),
                Ok(Err(failure)) => return Err(failure),
                Ok(Ok(Err(unmade))) => unmade,
                Err(_) => Unmade::from(format!("did not get ready within {}ms", limit.as_millis())),
            };
            let failure = Failure::new(ErrorKind::Tool, format!("MCP server `{name}` {}", unmade.why));
            Err(failure.hint(match (unmade.wants_authorisation, authorised) {
                (false, _) => format!("look whether it works: {place}"),
                (true, true) => format!("it does not take the `Authorization` that `[mcp.{name}]` sends"),
                (true, false) => format!(
                    "give it a bearer token: `header = {{ Authorization = \"Bearer secret://NAME\" }}` in `[mcp.{name}]`, \
                     and the token in `SEGUE_SECRET_NAME`"
                ),
            }))
        }
        .boxed()
    }

    /// Closes the connection, and ends the program it has started. A later call starts it again.
    pub async fn close(&self) {
        if let Some(connection) = self.take() {
            connection.close().await;
        }
    }

    /// The same at once: the program has no time to end by itself.
    pub fn kill(&self) {
        if let Some(connection) = self.take() {
            connection.kill();
        }
    }

    /// The connection there is. One that is still being made goes with whoever waits for it.
    fn take(&self) -> Option<Arc<Connection>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.connecting.take()?.peek().cloned()?.ok()
    }
}

/// Whether a connection is there or on its way.
fn is_good(connecting: &Shared<BoxFuture<'static, Connected>>) -> bool {
    match connecting.peek() {
        None => true,
        Some(Ok(connection)) => connection.is_alive(),
        Some(Err(_)) => false,
    }
}
