//! An argument of a tool has a schema, and can be read.

use segue::{Result, ToolCx, tool};

struct Query {
    text: String,
}

/// Searches.
#[tool]
async fn search(_cx: ToolCx, query: Query) -> Result<String> {
    Ok(query.text)
}

fn main() {}
