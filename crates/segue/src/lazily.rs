//! What is made when somebody first asks for it. A run may never do, and ten thousand of them may be there at once.

use std::ops::Deref;
use std::sync::OnceLock;

/// A `T` that is not there before it is asked for: a pointer until then.
pub(crate) struct Lazily<T>(OnceLock<Box<T>>);

impl<T> Lazily<T> {
    /// What is there; none when nobody has asked for it.
    pub(crate) fn made(&self) -> Option<&T> {
        self.0.get().map(Box::as_ref)
    }
}

impl<T> From<T> for Lazily<T> {
    fn from(made: T) -> Self {
        Self(Box::new(made).into())
    }
}

impl<T> Default for Lazily<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Default> Deref for Lazily<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get_or_init(Box::default)
    }
}
