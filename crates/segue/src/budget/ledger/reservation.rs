//! What is set aside for a call, and how that ends.

#[cfg(doc)]
use super::Ledger;
use crate::budget::slots::Slot;
use crate::money::Nanousd;
use crate::usage::Usage;

/// What was set aside for a call; ends in [`Ledger::settle`], [`Ledger::release`] or
/// [`Ledger::mark_uncertain`].
///
/// Dropped, it stays reserved: what is not known to be over is not given back.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Reservation {
    pub(super) id: Slot,
    /// The output tokens the call may have.
    pub max_tokens: u64,
    /// The output tokens wished for, where they were cut.
    pub clamped_from: Option<u64>,
    /// The money set aside; none for an unpriced model.
    pub nanousd: Nanousd,
    /// The tokens set aside.
    pub tokens: u64,
}

/// A call whose outcome is unknown; what was reserved for it stays counted in full until
/// [`Ledger::resolve_uncertain`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Uncertain {
    pub(super) id: Slot,
    /// The money that stays counted.
    pub nanousd: Nanousd,
}

/// What came out about a call whose outcome was unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It was made.
    Sent {
        /// What it used.
        usage: Usage,
        /// What it cost.
        cost: Nanousd,
    },
    /// It never reached the provider.
    NeverSent,
}

/// The end of a reservation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// The cost beyond what was reserved.
    pub overrun: Nanousd,
    /// The tokens beyond what was reserved.
    pub overrun_tokens: u64,
}
