//! Models of providers, over HTTP, behind `segue::Model`: hosted ones by key, and servers of one's own.

mod breaker;
mod client;
mod clock;
mod hosted;
mod known;
mod limited;
mod limiter;
mod listing;
mod ollama;
mod provider;
mod resolve;

pub use client::Client;
pub use hosted::Hosted;
pub use known::SIZES;
pub use limited::{Limited, Limiters};
pub use limiter::{Limiter, Limits};
pub use provider::{Api, Provider};
pub use resolve::{Environment, Key, Listed, Providers, Said};
pub use url::Url;
