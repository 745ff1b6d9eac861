//! Models of providers, over HTTP, behind `segue::Model`: hosted ones by key, and servers of one's own.
//!
//! A [`Provider`] says who is asked, in which protocol, where, and with which key. [`Hosted`] is one of its models: it sends
//! one request and reads one answer, bounded in time and size, and names what went wrong by the kinds of the contract. It
//! takes nothing from the environment: keys and addresses come from whoever made the provider.

mod client;
mod fault;
mod frames;
mod hosted;
mod pause;
mod provider;
mod reading;
mod wire;

pub use client::Client;
pub use hosted::Hosted;
pub use provider::{Api, Provider};
