//! The store in PostgreSQL, on a real server that this process starts for itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test that is refused what it needs has failed, and a test fails by a panic"
)]

mod answers;
mod damage;
mod groups;
mod like_memory;
mod open;
mod proxy;
mod sample;
mod schema;
mod suite;
mod things;
#[cfg(feature = "postgres-tls")]
mod tls;
mod waits;
mod words;
