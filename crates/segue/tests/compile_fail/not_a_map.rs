//! A map runs over a list.

use segue::{Cx, Out, Pipeline, Result};

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

fn main() {
    let _ = Pipeline::define("wrong", |p, n: Out<u64>| p.map("double", double, n));
}
