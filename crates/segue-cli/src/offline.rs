//! Offline: whether anything beyond this machine may be reached. One place says so for models, tools and everything else.

use std::sync::atomic::{AtomicBool, Ordering};

/// The variable with which an operator says so.
pub(crate) const VARIABLE: &str = "SEGUE_OFFLINE";

/// Whether the verb says so.
static BY_VERB: AtomicBool = AtomicBool::new(false);

/// Nothing beyond loopback is reached from now on, whatever the environment says: `segue test` never does.
pub(crate) fn insist() {
    BY_VERB.store(true, Ordering::Relaxed);
}

/// Whether nothing beyond loopback may be reached: the verb says so, or the operator with `SEGUE_OFFLINE`.
pub(crate) fn is_on() -> bool {
    let said = || std::env::var(VARIABLE).is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    BY_VERB.load(Ordering::Relaxed) || said()
}
