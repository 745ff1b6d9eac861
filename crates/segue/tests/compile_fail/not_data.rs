//! What travels along an edge can be cloned, written, read and described.

use segue::{Cx, Out, Pipeline, Result};

struct Report {
    _text: String,
}

async fn write(_cx: Cx, text: String) -> Result<Report> {
    Ok(Report { _text: text })
}

fn main() {
    let _ = Pipeline::define("wrong", |p, text: Out<String>| p.step("write", write, text));
}
