//! A step with two parameters is given one.

use segue::{Cx, Out, Pipeline, Result};

async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    Ok(a + b)
}

fn main() {
    let _ = Pipeline::define("wrong", |p, n: Out<u64>| p.step("add", add, n));
}
