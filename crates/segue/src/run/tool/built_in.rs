//! Built-in tools: an agent that is given them saves and reads the run's artifacts, and reads the results its step needs.

use std::sync::{Arc, LazyLock};

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value as Json, json};

use crate::artifact::Media;
use crate::error::{ErrorKind, Failure, StepError};
use crate::tool::{Tool, ToolClass, ToolCx, ToolSpec};

/// How their names begin.
pub(in crate::run) const PREFIX: &str = "segue.";

/// Every built-in tool.
static ALL: LazyLock<[Arc<dyn Tool>; 3]> =
    LazyLock::new(|| [Arc::new(SaveArtifact), Arc::new(ReadArtifact), Arc::new(ReadStep)]);

pub(in crate::run) fn all() -> &'static [Arc<dyn Tool>] {
    &*ALL
}

/// More than this is not given to a model, whatever it asks for.
const MOST_READ: u64 = 16 * 1024 * 1024;

struct SaveArtifact;
struct ReadArtifact;
struct ReadStep;

impl Tool for SaveArtifact {
    fn spec(&self) -> ToolSpec {
        let name = text("File name, for example report.md.");
        let content = text("The whole content.");
        let parameters = object(json!({"name": name, "content": content}), &["name", "content"]);
        ToolSpec::new(
            "segue.save_artifact",
            "Saves a file. The same name again replaces it.",
            parameters,
        )
        .class(ToolClass::Idempotent)
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let (name, content) = (field(&arguments, "name"), field(&arguments, "content"));
            let media = match Media::of_name(name) {
                Media::Bytes => Media::Text,
                media => media,
            };
            let saved = cx.artifacts().save_as(name, media, content.as_bytes()).await?;
            Ok(Json::String(format!("saved `{name}`, {} bytes", saved.bytes)))
        }
        .boxed()
    }
}

impl Tool for ReadArtifact {
    fn spec(&self) -> ToolSpec {
        let parameters = object(json!({"name": text("File name.")}), &["name"]);
        ToolSpec::new(
            "segue.read_artifact",
            "Reads a file saved in this run.",
            parameters,
        )
        .class(ToolClass::ReadOnly)
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let name = field(&arguments, "name");
            let saved = cx.shared().saved.find(name);
            let saved = saved.ok_or_else(|| not_found(format!("no artifact `{name}` was saved")))?;
            let bytes = cx.shared().blobs().load(&saved.sha256, MOST_READ).await;
            let bytes = bytes.map_err(Failure::from)?.unwrap_or_default();
            match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(Json::String(text.to_owned())),
                Err(_) => Err(StepError::fatal(format!("artifact `{name}` is no text"))),
            }
        }
        .boxed()
    }
}

impl Tool for ReadStep {
    fn spec(&self) -> ToolSpec {
        let parameters = object(json!({"step": text("Name of the step.")}), &["step"]);
        ToolSpec::new(
            "segue.read_step",
            "Reads the result of a step that this one needs.",
            parameters,
        )
        .class(ToolClass::ReadOnly)
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let step = field(&arguments, "step");
            let output = cx.needed(step).ok_or_else(|| {
                not_found(format!(
                    "step `{}` needs no step `{step}` with a result",
                    cx.path()
                ))
            })?;
            Ok(output.to_json()?.as_ref().clone())
        }
        .boxed()
    }
}

fn text(description: &str) -> Json {
    json!({"type": "string", "description": description})
}

fn object(properties: Json, required: &[&str]) -> Json {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A field that the schema has required.
fn field<'a>(arguments: &'a Json, name: &str) -> &'a str {
    arguments.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn not_found(message: String) -> StepError {
    Failure::new(ErrorKind::NotFound, message).into()
}
