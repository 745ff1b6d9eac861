//! Models of providers, over HTTP, behind `segue::Model`: hosted ones by key, and servers of one's own.
//!
//! A [`Provider`] says who is asked, in which protocol, where, and with which key. [`Hosted`] is one of its models: it sends
//! one request and reads one answer, bounded in time and size, and names what went wrong by the kinds of the contract. It
//! takes nothing from the environment: keys and addresses come from whoever made the provider.
//!
//! [`Providers`] makes them: of what the operator says and of the keys that are set, and says what names such as `auto/small`
//! mean. Each of its models is [`Limited`]: its calls go through the [`Limiter`] of their key, which all runs of a process share.

mod breaker;
mod client;
mod clock;
mod fault;
mod frames;
mod hosted;
mod known;
mod limited;
mod limiter;
mod listing;
mod ollama;
mod pause;
mod provider;
mod reading;
mod resolve;
mod wire;

pub use client::Client;
pub use hosted::Hosted;
pub use known::SIZES;
pub use limited::{Limited, Limiters};
pub use limiter::{Limiter, Limits};
pub use listing::Silence;
pub use provider::{Api, Provider};
pub use resolve::{Environment, Key, Listed, Providers, Said};
pub use url::Url;
