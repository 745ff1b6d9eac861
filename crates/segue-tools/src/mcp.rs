//! MCP servers as tools: a program that speaks the Model Context Protocol over its pipes, or a service that speaks it over
//! streamable HTTP.
//!
//! A [`Server`] is what the operator names: how it is reached, which of its tools are offered, which of them a person has to
//! approve. Its tools are known from its [`Pins`]: the names, descriptions and schemas that were reviewed once and are kept
//! beside the project. Nothing is started to know them. The first call starts the server; every later call of every run in
//! the process goes over the same connection. What the server says of a tool is held against the pin before the tool is
//! called, and a tool that is not what was pinned is not called.
//!
//! A server is not trusted: it cannot give itself approval, read the environment, ask for a model or for a person, make its
//! lines as long as it likes, or leave processes behind.

mod connection;
mod http;
mod limits;
mod name;
mod pin;
mod pipe;
mod process;
mod reply;
mod server;
mod start;
mod tool;

pub use http::Address;
pub use limits::Offered;
pub use name::{NameTaken, offered_name};
pub use pin::{Change, Pinned, Pins, PinsError};
pub use process::Program;
pub use server::{Reach, Server};
pub use tool::McpTool;
