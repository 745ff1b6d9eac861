//! MCP servers through the binary: from `[mcp.NAME]` to what a run makes of their tools.

mod faults;
mod keys;
mod pins;
mod runs;
mod site;
mod taken_up;
