//! What a store in one SQLite file keeps when its disk fails and when the power goes.
//!
//! `SEGUE_ROUNDS` says how much is tried: how many moments of a loss of power, and up to which operation each fault is
//! placed. The same number always tries the same.

#![expect(
    clippy::unwrap_used,
    reason = "what helps the tests to set the scene is part of them"
)]

mod faults;
mod loss;
mod scenario;

/// How much is tried.
fn rounds(usual: u64) -> u64 {
    std::env::var("SEGUE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(usual)
}
