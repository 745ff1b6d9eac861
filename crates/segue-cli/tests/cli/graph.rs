//! `graph`: pictures, the same bytes every time.

use crate::program::segue;

#[test]
fn each_format_is_drawn_and_is_the_same_twice() {
    for (format, part) in [
        ("text", "many_ends: 9 steps"),
        ("svg", "<svg"),
        ("mermaid", "flowchart"),
        ("dot", "digraph"),
    ] {
        let draw = || {
            segue(&["graph", "many_ends.yaml", "--format", format])
                .exits(0)
                .stdout
        };
        let drawn = draw();
        assert!(drawn.contains(part), "{format}\n{drawn}");
        assert_eq!(drawn, draw(), "{format}");
        let object = segue(&["graph", "many_ends.yaml", "--format", format, "--json"])
            .exits(0)
            .json();
        assert_eq!(object["format"], format);
        assert_eq!(object["text"].as_str().map(str::trim_end), Some(drawn.trim_end()));
    }
}

#[test]
fn expand_shows_what_is_nested() {
    let router = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/templates/document-router/document_router.yaml"
    );
    let plain = segue(&["graph", router]).exits(0).stdout;
    let expanded = segue(&["graph", router, "--expand"]).exits(0).stdout;
    assert!(
        !plain.contains("pick/complex/extract") && expanded.contains("pick/complex/extract"),
        "{expanded}"
    );
}
