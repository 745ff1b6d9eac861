//! Live streams: the events of a run, and beside them pieces of the answers that models are writing.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;

use super::audience::{Audience, Delta, Listening};
use super::event::{Event, EventKind};
use super::events::Events;
use crate::error::Error;
use crate::id::{CallId, RunId};

/// What a live stream tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is looked at once and gone; events are the rule"
)]
pub enum Heard {
    /// Something happened, and is in the log.
    Event(Event),
    /// A model has written something.
    Delta(Delta),
}

/// The events of a run as they come, with pieces of answers while models write them.
///
/// Pieces come between the start and the end of their call. Only those of calls that are made in this process are heard,
/// from the time on at which somebody listens; a model that does not write piece by piece says all at once. Those of one
/// call together are its text, unless one says that there is a gap: a reader who is slow loses pieces, and never slows the
/// run.
///
/// ```
/// use segue::log::Heard;
/// use segue::{Agent, Models, Outcome, Pipeline, Runner, Scripted};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let writer = Agent::<String>::new("writer").model("m");
/// let pipeline = Pipeline::define("letter", |p, about| {
///     p.step("write", writer.as_step(|about: String| about), about)
/// })?;
/// let script = Scripted::from_yaml("version: 1\nscript: [{ reply: Dear Ada }]")?;
/// let runner = Runner::builder().models(Models::offline().with("m", script)).build()?;
///
/// let listening = runner.listen();
/// let run = runner.start(&pipeline, "a visit".to_owned()).await?;
/// let mut live = listening.follow(&run);
/// let mut text = String::new();
/// while let Some(heard) = live.next().await {
///     if let Heard::Delta(delta) = heard {
///         text.push_str(&delta.text);
///     }
/// }
/// assert_eq!(text, "Dear Ada");
/// # Ok(())
/// # }
/// ```
pub struct Live {
    reading: Reading,
    listening: Listening,
    /// An event that has come, while pieces that came before it are told.
    event: Option<Event>,
    /// Calls that have started and have not ended, as far as events were told.
    open: HashSet<CallId>,
    error: Option<Error>,
}

/// The next event being waited for. It goes on being waited for while pieces come.
type Reading = Pin<Box<dyn Future<Output = (Events, Option<Event>)> + Send>>;

fn read(mut events: Events) -> Reading {
    Box::pin(async move {
        let event = events.next().await;
        (events, event)
    })
}

impl Live {
    pub(crate) fn new(events: Events, listening: Listening) -> Self {
        Self {
            reading: read(events),
            listening,
            event: None,
            open: HashSet::new(),
            error: None,
        }
    }

    pub(crate) fn of(run: RunId, events: Events, audience: &Arc<Audience>) -> Self {
        let listening = audience.listen();
        listening.only(run);
        Self::new(events, listening)
    }

    /// The next event or piece; none when the run is over. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(event) = self.event.take() {
                if let Some(call) = ended(&event.kind) {
                    if let Some(delta) = self.listening.take(call) {
                        self.event = Some(event);
                        return Some(Heard::Delta(delta));
                    }
                    self.open.remove(&call);
                    self.listening.forget(call);
                }
                if let EventKind::CallStarted { call, .. } = &event.kind {
                    self.open.insert(*call);
                }
                return Some(Heard::Event(event));
            }
            if self.error.is_some() {
                return None;
            }
            tokio::select! {
                biased;
                (events, event) = &mut self.reading => {
                    let is_over = event.is_none();
                    self.error = events.error().cloned();
                    self.event = event;
                    self.reading = read(events);
                    if is_over {
                        return None;
                    }
                }
                delta = self.listening.next(&self.open) => return Some(Heard::Delta(delta)),
            }
        }
    }

    /// Why nothing more is told, when that is not because the run is over.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

/// The call that is over with this event.
fn ended(kind: &EventKind) -> Option<CallId> {
    match kind {
        EventKind::CallSucceeded { call, .. }
        | EventKind::CallFailed { call, .. }
        | EventKind::CallUncertain { call, .. } => Some(*call),
        _ => None,
    }
}
