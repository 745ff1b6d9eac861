//! One tool of a server, as agents and pipeline files know it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use segue::plan::{ToolApproval, ToolLimits};
use segue::{Failure, StepError, Tool, ToolClass, ToolCx, ToolSpec};
use serde_json::Value as Json;

use super::limits::Terms;
use super::pin::Pinned;
use super::server::Server;

/// A tool of an MCP server, under the name `SERVER.TOOL`.
pub struct McpTool {
    server: Arc<Server>,
    name: String,
    pinned: Pinned,
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
            terms,
            class,
        }
    }
}

impl Tool for McpTool {
    /// What is pinned: the server cannot tell a model anything that nobody has accepted.
    fn spec(&self) -> ToolSpec {
        let name = format!("{}.{}", self.server.name(), self.name);
        let mut input = self.pinned.input.clone();
        if let Json::Object(schema) = &mut input {
            // Which dialect it is in concerns nobody here, and some providers refuse what they do not know.
            schema.remove("$schema");
        }
        ToolSpec {
            class: self.class,
            ..ToolSpec::new(name, &self.pinned.description, input)
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
        self.server.permitted()
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        let key = cx.idempotency_key();
        Box::pin(async move {
            let called = self.server.call(&self.name, &self.pinned, arguments, key);
            Ok(called.await?)
        })
    }
}
