//! A step is asynchronous, and its context comes first.

use segue::{Out, Pipeline};

fn double(n: u64) -> u64 {
    n * 2
}

fn main() {
    let _ = Pipeline::define("wrong", |p, n: Out<u64>| p.step("double", double, n));
}
