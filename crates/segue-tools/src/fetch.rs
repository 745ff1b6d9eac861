//! `segue.fetch`: reads what is at an address of the public internet, through the guard.

use futures_util::future::{BoxFuture, FutureExt};
use segue::fault::quote;
use segue::{Failure, StepError, Tool, ToolClass, ToolCx, ToolSpec};
use serde_json::{Value as Json, json};

use crate::guard::{Answer, Guard, Outgoing, Reason, Refusal};

/// Its name.
pub const NAME: &str = "segue.fetch";

/// Types that are text, besides `text/…`, `…+json` and `…+xml`.
const TEXTS: &[&str] = &[
    "application/json",
    "application/xml",
    "application/xhtml+xml",
    "application/yaml",
    "application/x-yaml",
    "application/x-ndjson",
    "application/toml",
];

/// The tool `segue.fetch`: takes `{url}`, gives `{status, media_type, text, url}`.
///
/// Whatever the server answers is a result, also a status that says no. What the guard refuses is kind `url_refused`.
///
/// ```
/// use segue::Tool;
/// use segue_tools::{fetch::Fetch, guard::{Guard, Policy}};
///
/// let tool = Fetch::new(Guard::new(Policy::default()));
/// assert_eq!(tool.spec().name, "segue.fetch");
/// ```
#[derive(Clone)]
pub struct Fetch {
    guard: Guard,
    unavailable: Option<Box<Failure>>,
}

impl Fetch {
    /// Fetches through this guard.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        let unavailable = None;
        Self { guard, unavailable }
    }

    /// Cannot be called, for this reason: a run that needs it does not start.
    #[must_use]
    pub fn unavailable(mut self, why: Failure) -> Self {
        self.unavailable = Some(Box::new(why));
        self
    }
}

impl Tool for Fetch {
    fn spec(&self) -> ToolSpec {
        let url =
            json!({"type": "string", "description": "Address of a page, such as https://example.com/."});
        let parameters = json!({
            "type": "object",
            "properties": {"url": url},
            "required": ["url"],
            "additionalProperties": false,
        });
        let description = "Reads the text at an address of the public internet.";
        ToolSpec::new(NAME, description, parameters).class(ToolClass::ReadOnly)
    }

    fn available(&self) -> Result<(), Failure> {
        match &self.unavailable {
            Some(why) => Err((**why).clone()),
            None => Ok(()),
        }
    }

    fn call<'a>(&'a self, _cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            self.available()?;
            let url = arguments.get("url").and_then(Json::as_str).unwrap_or_default();
            let answer = self.guard.send(Outgoing::get(url).only(is_text)).await?;
            let text = text_of(&answer)?;
            Ok(json!({
                "status": answer.status,
                "media_type": answer.media_type,
                "text": text,
                "url": answer.url.as_str(),
            }))
        }
        .boxed()
    }
}

/// Whether a type is one of text.
fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || TEXTS.contains(&media)
}

/// The text of an answer. What is no valid UTF-8 is shown as such, character by character.
fn text_of(answer: &Answer) -> Result<String, Failure> {
    match answer.charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => {
            let text = String::from_utf8_lossy(&answer.body);
            Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
        }
        Some("iso-8859-1" | "latin1") => Ok(answer.body.iter().map(|byte| char::from(*byte)).collect()),
        Some(other) => {
            let message = format!("its character set {} is not read", quote(other));
            Err(Refusal::new(Reason::Type, message).of(answer.url.as_str()))
        }
    }
}
