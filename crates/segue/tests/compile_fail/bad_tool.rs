//! A tool is an async function with documentation, a context and arguments that can be read from JSON.

use segue::{Result, ToolCx, tool};

#[tool]
async fn undocumented(_cx: ToolCx, n: u64) -> Result<u64> {
    Ok(n)
}

/// Not asynchronous.
#[tool]
fn blocking(_cx: ToolCx, n: u64) -> Result<u64> {
    Ok(n)
}

/// Borrows what it is given.
#[tool]
async fn borrows(_cx: ToolCx, text: &str) -> Result<usize> {
    Ok(text.len())
}

/// Of no known class.
#[tool(class = harmless)]
async fn classless(_cx: ToolCx, n: u64) -> Result<u64> {
    Ok(n)
}

fn main() {}
