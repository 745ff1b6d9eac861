//! Models of providers, over HTTP, behind `segue::Model`: hosted ones by key, and servers of one's own.

mod client;
mod hosted;
mod provider;

pub use client::Client;
pub use hosted::Hosted;
pub use provider::{Api, Provider};
