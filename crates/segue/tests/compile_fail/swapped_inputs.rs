//! The inputs of a step are given in the wrong order.

use segue::{Cx, Out, Pipeline, Result};

async fn count(_cx: Cx, text: String) -> Result<u64> {
    Ok(text.len() as u64)
}

async fn cut(_cx: Cx, text: String, length: u64) -> Result<String> {
    Ok(text.chars().take(length as usize).collect())
}

fn main() {
    let _ = Pipeline::define("wrong", |p, text: Out<String>| {
        let length = p.step("count", count, text);
        p.step("cut", cut, (length, text))
    });
}
