//! Tools from outside behind `segue::Tool`: programs and HTTP services the operator declared, MCP servers, and a fetch that
//! reaches no private address.

pub mod mcp;
