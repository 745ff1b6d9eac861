//! Listeners: who hears an answer while it is written.

use std::fmt;
use std::sync::Arc;

/// Who hears an answer while it is written. A model that streams says each piece of text; whoever misses one loses
/// nothing, for the answer has all of them.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// let heard = Arc::new(Mutex::new(String::new()));
/// let listener = {
///     let heard = heard.clone();
///     segue::model::Listener::new(move |piece| heard.lock().unwrap().push_str(piece))
/// };
/// listener.hears("hel");
/// listener.hears("lo");
/// assert_eq!(*heard.lock().unwrap(), "hello");
/// ```
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Hears>>);

type Hears = dyn Fn(&str) + Send + Sync;

impl Listener {
    /// Somebody who is told each piece. It is called while the answer is read, so it must not wait.
    pub fn new(hears: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hears)))
    }

    /// The model has written this; empty where it wants a tool called or thinks, and has no text.
    pub fn hears(&self, piece: &str) {
        if let Some(hears) = &self.0 {
            hears(piece);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Listener",
            None => "nobody",
        })
    }
}

/// Who listens is no part of what is asked.
impl PartialEq for Listener {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
