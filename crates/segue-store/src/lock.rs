//! The lock of what several threads change. Its holder never panics half way through a change, so one that a panic has left
//! is as good as any.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock and holds it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
