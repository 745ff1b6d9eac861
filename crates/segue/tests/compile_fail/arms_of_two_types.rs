//! All arms of a route give the same type.

use segue::{Cx, Out, Pipeline, Result, Route};

#[derive(Clone, Copy, Route)]
enum Size {
    Short,
    Long,
}

async fn size(_cx: Cx, _n: u64) -> Result<Size> {
    Ok(Size::Short)
}

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

async fn name(_cx: Cx, n: u64) -> Result<String> {
    Ok(n.to_string())
}

fn main() {
    let _ = Pipeline::define("wrong", |p, n: Out<u64>| {
        let size = p.step("size", size, n);
        p.route("write", size)
            .when(Size::Short, |p| p.step("short", double, n))
            .when(Size::Long, |p| p.step("long", name, n))
            .merge()
    });
}
