//! MCP servers for real: those of npm over pipes and over HTTP, and one of our own that goes wrong in every way.

mod everything;
mod faults;
mod files;
mod http;
mod lifecycle;
mod pinned;
mod site;
