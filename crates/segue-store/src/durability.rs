//! Durability: what a store promises of what it has acknowledged. The same two words for every store.

/// What is there after a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Everything that was acknowledged: each transaction is on the disk before anybody is told.
    #[default]
    Full,
    /// Everything but what was acknowledged in the last moments, without any gap in between. In SQLite that is what was
    /// not yet copied from the log into the file; after the death of the process alone everything is there. In
    /// PostgreSQL it is up to three times `wal_writer_delay`, 0.6 seconds if nobody changed that, also when the server
    /// is killed.
    Relaxed,
}
