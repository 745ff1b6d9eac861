//! The audience: who wants to hear the answers of models while they are written. A call looks for it when its first piece
//! comes; where nobody listens nothing more is done.
//!
//! Whoever hears cannot slow a run: an ear keeps what its reader has not taken, up to a limit, and loses the rest.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use indexmap::IndexMap;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;

use super::event::EVENT_SCHEMA;
use crate::clock::Time;
use crate::id::{CallId, RunId};
use crate::lock::lock;
use crate::redact::{LiveText, Redactor};

/// The most text, in bytes, that waits for one reader.
const MOST_WAITING: usize = 256 << 10;
/// What a piece that waits takes beside its text.
const EACH: usize = 256;
/// The most calls of which it is known that pieces of them are lost.
const MOST_MISSED: usize = 4096;

/// A piece of an answer that a model is writing. It is in no log: who misses one has all of the text in `call.succeeded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The run.
    pub run: RunId,
    /// When its first word came.
    pub time: Time,
    /// Path of the step, map item or nested step that made the call.
    pub step: String,
    /// The call.
    pub call: CallId,
    /// What was written, without secrets.
    pub text: String,
    /// Whether text before it is lost, because its reader was too slow.
    pub gap: bool,
}

impl Serialize for Delta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Delta", 8)?;
        fields.serialize_field("schema", EVENT_SCHEMA)?;
        fields.serialize_field("run", &self.run)?;
        fields.serialize_field("time", &self.time)?;
        fields.serialize_field("type", "call.delta")?;
        fields.serialize_field("step", &self.step)?;
        fields.serialize_field("call", &self.call)?;
        fields.serialize_field("text", &self.text)?;
        match self.gap {
            true => fields.serialize_field("gap", &true)?,
            false => fields.skip_field("gap")?,
        }
        fields.end()
    }
}

/// Everybody who wants to hear answers of the runs of a process.
#[derive(Default)]
pub(crate) struct Audience {
    count: AtomicUsize,
    ears: Mutex<Vec<Weak<Ear>>>,
}

impl Audience {
    /// Somebody who hears from now on, of all runs until it says of which.
    pub(crate) fn listen(self: &Arc<Self>) -> Listening {
        let ear = Arc::new(Ear::default());
        lock(&self.ears).push(Arc::downgrade(&ear));
        self.count.fetch_add(1, Ordering::AcqRel);
        let audience = self.clone();
        Listening { ear, audience }
    }

    /// Who hears the answer to a call; nobody, most of the time. What is told first passes the redactor.
    pub(crate) fn of(&self, call: impl FnOnce() -> Delta, redactor: &Redactor) -> Option<Telling> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let delta = call();
        let mut ears: Vec<Arc<Ear>> = lock(&self.ears).iter().filter_map(Weak::upgrade).collect();
        ears.retain(|ear| ear.is_of(delta.run));
        let text = Mutex::new(redactor.live());
        (!ears.is_empty()).then_some(Telling { ears, delta, text })
    }
}

/// An answer that is being heard.
pub(crate) struct Telling {
    ears: Vec<Arc<Ear>>,
    delta: Delta,
    text: Mutex<LiveText>,
}

impl Telling {
    /// The model has written this.
    pub(crate) fn piece(&self, piece: &str, now: impl FnOnce() -> Time) {
        let mut text = lock(&self.text);
        let clean = text.push(piece);
        self.tell(clean, text.is_silent(), now);
    }

    /// It writes no more.
    pub(crate) fn end(&self, now: impl FnOnce() -> Time) {
        let rest = lock(&self.text).finish();
        self.tell(rest, false, now);
    }

    fn tell(&self, text: String, is_lost: bool, now: impl FnOnce() -> Time) {
        if text.is_empty() && !is_lost {
            return;
        }
        let time = now();
        for ear in &self.ears {
            ear.hear(&self.delta, &text, time, is_lost);
        }
    }
}

/// Somebody who hears, for as long as this is kept.
pub(crate) struct Listening {
    ear: Arc<Ear>,
    audience: Arc<Audience>,
}

impl Listening {
    /// Hears this run alone from now on, and forgets what it heard of others.
    pub(crate) fn only(&self, run: RunId) {
        if self.ear.run.set(run).is_ok() {
            let mut heard = lock(&self.ear.heard);
            heard.waiting.retain(|_, delta| delta.run == run);
            heard.bytes = heard.waiting.values().map(size).sum();
        }
    }

    /// The next piece of one of these calls.
    pub(crate) async fn next(&self, of: &HashSet<CallId>) -> Delta {
        loop {
            let more = self.ear.more.notified();
            let mut more = std::pin::pin!(more);
            more.as_mut().enable();
            if let Some(delta) = self.heard_of(of) {
                return delta;
            }
            more.await;
        }
    }

    /// What was heard of one of these calls and not taken.
    fn heard_of(&self, of: &HashSet<CallId>) -> Option<Delta> {
        let heard = lock(&self.ear.heard);
        let call = heard.waiting.keys().find(|call| of.contains(*call)).copied();
        drop(heard);
        self.take(call?)
    }

    /// What was heard of a call and not taken.
    pub(crate) fn take(&self, call: CallId) -> Option<Delta> {
        let mut heard = lock(&self.ear.heard);
        let delta = heard.waiting.shift_remove(&call)?;
        heard.bytes -= size(&delta);
        Some(delta)
    }

    /// A call is over, and nothing more of it comes.
    pub(crate) fn forget(&self, call: CallId) {
        lock(&self.ear.heard).missed.remove(&call);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.audience.count.fetch_sub(1, Ordering::AcqRel);
        lock(&self.audience.ears).retain(|ear| ear.as_ptr() != Arc::as_ptr(&self.ear));
    }
}

/// What somebody hears.
#[derive(Default)]
struct Ear {
    run: OnceLock<RunId>,
    heard: Mutex<Heard>,
    more: Notify,
}

#[derive(Default)]
struct Heard {
    /// Of each call what was not taken yet, in one piece.
    waiting: IndexMap<CallId, Delta>,
    bytes: usize,
    /// Calls of which something was lost after that.
    missed: HashSet<CallId>,
}

impl Ear {
    fn is_of(&self, run: RunId) -> bool {
        self.run.get().is_none_or(|of| *of == run)
    }

    fn hear(&self, delta: &Delta, text: &str, time: Time, is_lost: bool) {
        if !self.is_of(delta.run) {
            return;
        }
        let heard = &mut *lock(&self.heard);
        let fits = heard.bytes + text.len() + EACH <= MOST_WAITING;
        let has_gap = heard.missed.contains(&delta.call);
        match heard.waiting.get_mut(&delta.call) {
            Some(waiting) if fits && !has_gap && !is_lost => {
                waiting.text.push_str(text);
                heard.bytes += text.len();
            }
            None if fits && !is_lost => {
                heard.missed.remove(&delta.call);
                let delta = Delta {
                    time,
                    text: text.to_owned(),
                    gap: has_gap,
                    ..delta.clone()
                };
                heard.bytes += size(&delta);
                heard.waiting.insert(delta.call, delta);
            }
            // Never a text with a hole in it: what follows is told with the gap, once this was taken.
            _ if heard.missed.len() < MOST_MISSED => _ = heard.missed.insert(delta.call),
            _ => {}
        }
        self.more.notify_waiters();
    }
}

fn size(delta: &Delta) -> usize {
    delta.text.len() + EACH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CountingIds;
    use crate::secret::Secret;

    fn delta(run: RunId, call: CallId) -> Delta {
        Delta {
            run,
            time: Time::from_micros(0),
            step: "draft".to_owned(),
            call,
            text: String::new(),
            gap: false,
        }
    }

    fn now() -> Time {
        Time::from_micros(1)
    }

    #[test]
    fn a_slow_reader_loses_text_and_knows_it() {
        let ids = CountingIds::default();
        let (run, call, other) = (RunId::new(&ids), CallId::new(&ids), CallId::new(&ids));
        let audience = Arc::new(Audience::default());
        let listening = audience.listen();
        let telling = audience
            .of(|| delta(run, call), &Redactor::none())
            .expect("somebody listens");
        let piece = "a word ".repeat(1000);
        for _ in 0..1000 {
            telling.piece(&piece, now);
        }
        let first = listening.take(call).expect("it has heard the beginning");
        assert!(first.text.len() <= MOST_WAITING && first.text.len() > MOST_WAITING / 2);
        assert!(!first.gap && piece.repeat(40).starts_with(&first.text));
        telling.piece("the end", now);
        let end = listening.take(call).expect("it hears again");
        assert_eq!((end.text.as_str(), end.gap), ("the end", true));
        telling.piece(" at last", now);
        assert!(!listening.take(call).expect("it hears").gap, "it is said once");

        // Others are heard as before, each for itself.
        let second = audience
            .of(|| delta(run, other), &Redactor::none())
            .expect("somebody listens");
        second.piece("one ", now);
        telling.piece("!", now);
        second.piece("two", now);
        assert_eq!(
            listening.take(other).map(|delta| delta.text).as_deref(),
            Some("one two")
        );
        assert_eq!(listening.take(call).map(|delta| delta.text).as_deref(), Some("!"));
        assert_eq!(lock(&listening.ear.heard).bytes, 0);
    }

    #[test]
    fn only_who_listens_to_a_run_hears_it_and_nobody_is_asked_where_nobody_does() {
        let ids = CountingIds::default();
        let (run, other, call) = (RunId::new(&ids), RunId::new(&ids), CallId::new(&ids));
        let audience = Arc::new(Audience::default());
        let unasked = || -> Delta { unreachable!("nobody wants to know") };
        assert!(audience.of(unasked, &Redactor::none()).is_none());
        let early = audience.listen();
        let telling = audience.of(|| delta(other, call), &Redactor::none());
        telling.expect("it hears all").piece("of another", now);
        early.only(run);
        assert_eq!(early.take(call), None);
        assert!(audience.of(|| delta(other, call), &Redactor::none()).is_none());
        assert!(audience.of(|| delta(run, call), &Redactor::none()).is_some());
        drop(early);
        assert!(audience.of(unasked, &Redactor::none()).is_none());
    }

    #[test]
    fn a_secret_in_two_pieces_is_heard_by_nobody() {
        let ids = CountingIds::default();
        let (run, call) = (RunId::new(&ids), CallId::new(&ids));
        let audience = Arc::new(Audience::default());
        let listening = audience.listen();
        let redactor = Redactor::new().secret("CRM", &Secret::new("correct horse"));
        let telling = audience.of(|| delta(run, call), &redactor).expect("it listens");
        let mut heard = String::new();
        for piece in ["It is corr", "ect ", "horse, or sk-", "abcdefghij0123456789", "."] {
            telling.piece(piece, now);
            heard.extend(listening.take(call).map(|delta| delta.text));
        }
        telling.end(now);
        heard.extend(listening.take(call).map(|delta| delta.text));
        assert_eq!(heard, "It is [redacted CRM], or [redacted key].");
    }
}
