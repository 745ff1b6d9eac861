//! Tools that give what was recorded of them.

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde_json::Value as Json;

use super::call::tool_key;
use super::{Cassette, RECORD_IT, record};
use crate::error::{ErrorKind, Failure, StepError};
use crate::fault::quote;
use crate::tool::{Tool, ToolCx, ToolSpec};

/// A tool that gives what was recorded of it: calls with equal arguments in the order in which they were recorded.
pub(crate) struct PlayedTool {
    cassette: Cassette,
    spec: ToolSpec,
}

impl PlayedTool {
    pub(super) fn new(cassette: Cassette, spec: ToolSpec) -> Self {
        Self { cassette, spec }
    }

    fn play(&self, run: &str, arguments: Json) -> Result<Json, Failure> {
        let inner = &self.cassette.0;
        let arguments = record::redacted(&*inner.redact, arguments);
        let key = tool_key(&self.spec.name, &arguments);
        let place = {
            let mut heads = inner
                .heads
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            heads.next(run, &key)
        };
        let found = inner.tools_by_call.get(&key).map_or(&[][..], Vec::as_slice);
        let Some(call) = found.get(place).map(|at| &inner.tool_calls[*at]) else {
            return Err(self.missed(&arguments));
        };
        match (&call.result, &call.error) {
            (_, Some(error)) => Err(error.failure()),
            (result, None) => Ok(result.clone().unwrap_or(Json::Null)),
        }
    }

    fn missed(&self, arguments: &Json) -> Failure {
        let inner = &self.cassette.0;
        let name = &self.spec.name;
        let message = format!(
            "nothing was recorded for a call of tool {} with {}",
            quote(name),
            quote(&arguments.to_string())
        );
        let mut failure = Failure::new(ErrorKind::CassetteMiss, message);
        let of_tool = inner.tool_calls.iter().find(|call| call.tool == *name);
        failure.nearest = of_tool.map(|call| format!("a call with {}", quote(&call.arguments.to_string())));
        failure.first_difference = of_tool.map(|_| "/arguments".to_owned());
        failure.hint(RECORD_IT)
    }
}

impl Tool for PlayedTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        let run = cx.run_id().to_string();
        ready(self.play(&run, arguments).map_err(StepError::from)).boxed()
    }
}
