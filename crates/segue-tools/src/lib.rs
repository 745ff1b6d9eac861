//! Tools from outside behind `segue::Tool`: programs and HTTP services the operator declared, MCP servers, and a fetch that
//! reaches no private address.
//!
//! | module | what it is |
//! |---|---|
//! | [`program`] | a program: JSON in, JSON out, in a process group of its own |
//! | [`http`] | an HTTP service at an address of the operator |
//! | [`mcp`] | MCP servers, over pipes or streamable HTTP: pinned tools, one connection for each |
//! | [`guard`] | the only way to an address that is not the operator's own: judged, looked up once, connected to as judged |
//! | [`fetch`] | the tool `segue.fetch`, on the guard |
//!
//! Nothing here reads a configuration: whoever puts the tools together says what they are, and where secrets are found. Of the
//! environment only what programs are handed on is read, such as `PATH`.

pub mod fetch;
pub mod guard;
pub mod http;
pub mod mcp;
pub mod program;
pub mod secrets;

mod wire;
