//! One tool of a server, as agents and pipeline files know it.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use segue::plan::{ToolApproval, ToolLimits};
use segue::schema::Schema;
use segue::{ErrorKind, Failure, StepError, Tool, ToolClass, ToolCx, ToolSpec};
use serde_json::Value as Json;

use super::limits::Terms;
use super::pin::Pinned;
use super::server::Server;

/// A tool of an MCP server, under the name `SERVER.TOOL`.
pub struct McpTool {
    server: Arc<Server>,
    name: String,
    pinned: Pinned,
    /// What it gives has to fit this. Read when it is first needed: most verbs call nothing.
    output: OnceLock<Result<Option<Schema>, Failure>>,
    terms: Terms,
    class: Option<ToolClass>,
}

impl McpTool {
    pub(super) fn new(
        server: Arc<Server>,
        name: &str,
        pinned: Pinned,
        terms: Terms,
        class: Option<ToolClass>,
    ) -> Self {
        Self {
            server,
            name: name.to_owned(),
            pinned,
            output: OnceLock::new(),
            terms,
            class,
        }
    }

    fn full(&self) -> String {
        format!("{}.{}", self.server.name(), self.name)
    }

    /// What it has to give, where its server says so.
    fn output(&self) -> Result<Option<&Schema>, Failure> {
        let read = || match &self.pinned.output {
            Json::Null => Ok(None),
            output => Schema::from_json(output.clone()).map(Some).map_err(|flaw| {
                let at = match flaw.pointer.as_str() {
                    "" => String::new(),
                    pointer => format!(" at {pointer}"),
                };
                let message = format!(
                    "the output schema of `{}` is none{at}: {}",
                    self.full(),
                    flaw.message
                );
                let way_out = format!("`allow` in `[mcp.{}]` can leave the tool out", self.server.name());
                Failure::new(ErrorKind::InvalidDefinition, message).hint(way_out)
            }),
        };
        self.output
            .get_or_init(read)
            .as_ref()
            .map(Option::as_ref)
            .map_err(Clone::clone)
    }
}

impl Tool for McpTool {
    /// What is pinned: the server cannot tell a model anything that nobody has accepted.
    fn spec(&self) -> ToolSpec {
        let mut input = self.pinned.input.clone();
        if let Json::Object(schema) = &mut input {
            // Which dialect it is in concerns nobody here, and some providers refuse what they do not know.
            schema.remove("$schema");
        }
        ToolSpec {
            class: self.class,
            ..ToolSpec::new(self.full(), &self.pinned.description, input)
        }
    }

    fn limits(&self) -> ToolLimits {
        ToolLimits {
            approval: match self.terms {
                Terms::Ask => Some(ToolApproval::Ask),
                Terms::Allow => Some(ToolApproval::Allow),
                Terms::ByClass => None,
            },
            timeout: self.server.call_limit(),
            ..ToolLimits::default()
        }
    }

    fn available(&self) -> Result<(), Failure> {
        self.server.permitted()?;
        self.output().map(drop)
    }

    fn reachable(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.available()?;
            self.server.ready(&self.name, &self.pinned).await
        })
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        let key = cx.idempotency_key();
        Box::pin(async move {
            let tool = (&self.pinned, self.output()?);
            let called = self.server.call(&self.name, tool, arguments, key);
            Ok(called.await?)
        })
    }
}
