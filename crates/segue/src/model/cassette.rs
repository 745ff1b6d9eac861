//! `sim/cassette`: recorded calls, played back.
//!
//! A cassette is a file that people read in a diff: one entry for each call, with the request as the model saw it, the
//! answer, what it used and what that cost. A request is answered by the entry with an equal request (its messages, its
//! tools, the type it asks for, its settings), whoever sends it and in whatever order; equal requests of a run get their
//! answers in the order in which these were recorded. What nothing answers is a miss, which names the nearest entry and
//! where the two first differ. Nothing here reaches a model: whoever records puts a [`Recording`] in front of one.

mod call;
mod nearest;
mod player;
mod read;
mod record;
mod tape;
mod tools;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;

use crate::fault::{Faults, quote};
use crate::redact::Redactor;
use crate::tool::ToolSpec;

pub use call::{RecordedError, RecordedRequest};
pub(crate) use player::Player;
pub use record::{Change, Recorded, Recording};
pub(crate) use tools::PlayedTool;

use call::{ModelCall, ToolCall};
use tape::Heads;

/// The model name of a cassette.
pub(crate) const NAME: &str = "sim/cassette";

/// The way out of a miss.
pub(crate) const RECORD_IT: &str = "record it: `segue test record FILE`";

/// The form of the file.
const VERSION: i64 = 1;

/// `sim/cassette`: a model that plays recorded calls. Clones share which of them were played.
///
/// What a program has recorded with `segue test record`, or with a [`Recording`], it plays where no model is to be had:
///
/// ```
/// use segue::{Agent, Cassette, Models};
///
/// let recorded = Cassette::from_yaml("version: 1\ncalls: []\n").map_err(|faults| faults.to_string())?;
/// let writer = Agent::<String>::new("writer").model("auto/small").model("recorded");
/// let models = Models::offline().with("recorded", recorded);
/// # let _ = (writer, models);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct Cassette(Arc<Inner>);

struct Inner {
    calls: Vec<ModelCall>,
    tool_calls: Vec<ToolCall>,
    tools: IndexMap<String, ToolSpec>,
    /// The calls with a request, in the order in which they were recorded.
    by_request: HashMap<String, Vec<usize>>,
    tools_by_call: HashMap<String, Vec<usize>>,
    heads: Mutex<Heads>,
    redact: Arc<dyn Redact>,
}

/// What keeps secrets out of a cassette: whatever it replaces is written so, and looked for so.
pub trait Redact: Send + Sync + 'static {
    /// A text without the secrets in it.
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str>;
}

/// Knows no secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Redact for NoSecrets {
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }
}

impl Redact for Redactor {
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Redactor::text(self, text)
    }
}

impl Cassette {
    /// Reads a cassette.
    ///
    /// # Errors
    /// Every fault of the text, each with the number of its call, counted from 1.
    pub fn from_yaml(text: &str) -> Result<Self, Faults> {
        Self::read(text, "cassette", Arc::new(NoSecrets))
    }

    /// Reads a cassette that is shown under a name. Requests are looked for without the secrets in them.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn read(text: &str, name: &str, redact: Arc<dyn Redact>) -> Result<Self, Faults> {
        let read::Read {
            calls,
            tool_calls,
            tools,
        } = read::file(text, name)?;
        Ok(Self::of(calls, tool_calls, tools, redact))
    }

    fn of(
        calls: Vec<ModelCall>,
        tool_calls: Vec<ToolCall>,
        tools: IndexMap<String, ToolSpec>,
        redact: Arc<dyn Redact>,
    ) -> Self {
        let mut by_request: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, call) in calls.iter().enumerate() {
            by_request.entry(call.key(&tools)).or_default().push(at);
        }
        let mut tools_by_call: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, call) in tool_calls.iter().enumerate() {
            tools_by_call.entry(call.key()).or_default().push(at);
        }
        Self(Arc::new(Inner {
            calls,
            tool_calls,
            tools,
            by_request,
            tools_by_call,
            heads: Mutex::default(),
            redact,
        }))
    }

    /// How many model calls it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.calls.len()
    }

    /// Whether it has no calls at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.calls.is_empty() && self.0.tool_calls.is_empty()
    }

    /// Whether a model was asked under this name.
    pub(crate) fn asked(&self, model: &str) -> bool {
        self.0.calls.iter().any(|call| call.model == model)
    }

    /// The tools whose calls were recorded.
    pub(crate) fn tools(&self) -> impl Iterator<Item = PlayedTool> {
        let names = self.0.tool_calls.iter().map(|call| call.tool.as_str());
        let names: std::collections::BTreeSet<&str> = names.collect();
        let specs = names
            .into_iter()
            .filter_map(|name| self.0.tools.get(name).cloned());
        let specs: Vec<ToolSpec> = specs.collect();
        specs.into_iter().map(|spec| PlayedTool::new(self.clone(), spec))
    }
}

impl std::fmt::Debug for Cassette {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cassette of {} calls", self.len())
    }
}

/// A call as messages name it, by its place from 1.
fn named(at: usize, step: &str, agent: &str) -> String {
    format!("call {} (step {}, agent {})", at + 1, quote(step), quote(agent))
}

#[cfg(test)]
mod tests;
