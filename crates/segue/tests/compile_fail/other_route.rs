//! The arms of a route belong to one enum.

use segue::{Cx, Out, Pipeline, Result, Route};

#[derive(Clone, Copy, Route)]
enum Size {
    Short,
    Long,
}

#[derive(Clone, Copy, Route)]
enum Colour {
    Red,
}

async fn size(_cx: Cx, n: u64) -> Result<Size> {
    Ok(if n < 10 { Size::Short } else { Size::Long })
}

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

fn main() {
    let _ = Pipeline::define("wrong", |p, n: Out<u64>| {
        let size = p.step("size", size, n);
        p.route("write", size)
            .when(Size::Short, |p| p.step("short", double, n))
            .when(Colour::Red, |p| p.step("red", double, n))
            .merge()
    });
}
