//! An edge carries one type, and the step takes another.

use segue::{Cx, Out, Pipeline, Result};

async fn count(_cx: Cx, text: String) -> Result<u64> {
    Ok(text.len() as u64)
}

async fn shout(_cx: Cx, text: String) -> Result<String> {
    Ok(text.to_uppercase())
}

fn main() {
    let _ = Pipeline::define("wrong", |p, text: Out<String>| {
        let length = p.step("count", count, text);
        p.step("shout", shout, length)
    });
}
