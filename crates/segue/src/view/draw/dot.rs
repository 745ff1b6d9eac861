//! A drawing as a Graphviz document.

use std::fmt::Write;

use super::lettering::visible;
use super::palette::{CARD, EDGE, INK, MUTED, TAKEN, look};
use super::{Drawing, DrawnEdge, DrawnStep, EdgeKind};

/// The drawing in the DOT language, for `dot`.
///
/// Boxes are called `s0`, `s1` … by their index; an arm is dashed, the arm taken is thick.
pub fn dot(drawing: &Drawing) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_graph(&mut out, drawing);
    out
}

fn write_graph(out: &mut String, drawing: &Drawing) -> std::fmt::Result {
    let title = quoted([&drawing.title]);
    writeln!(out, "digraph {title} {{")?;
    writeln!(
        out,
        "  graph [label={title}, labelloc=t, fontname=\"sans-serif\", ranksep=0.6];"
    )?;
    writeln!(
        out,
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"{}\", color=\"{}\", fontcolor=\"{}\", fontname=\"sans-serif\", fontsize=11];",
        CARD.light, MUTED.light, INK.light
    )?;
    writeln!(
        out,
        "  edge [color=\"{}\", fontcolor=\"{}\", fontname=\"sans-serif\", fontsize=10];",
        EDGE.light, MUTED.light
    )?;
    write_boxes(out, &drawing.boxes)?;
    let count = drawing.boxes.len();
    for edge in drawing
        .edges
        .iter()
        .filter(|edge| edge.from < count && edge.to < count)
    {
        writeln!(out, "  s{} -> s{}{};", edge.from, edge.to, edge_attributes(edge))?;
    }
    writeln!(out, "}}")
}

fn write_boxes(out: &mut String, boxes: &[DrawnStep]) -> std::fmt::Result {
    let mut group: Option<&str> = None;
    let mut groups = 0;
    for (index, step) in boxes.iter().enumerate() {
        if step.group.as_deref() != group {
            if group.is_some() {
                writeln!(out, "  }}")?;
            }
            group = step.group.as_deref();
            if let Some(name) = group {
                let (label, line) = (quoted([name]), MUTED.light);
                writeln!(
                    out,
                    "  subgraph cluster_{groups} {{ label={label}; style=\"rounded,dashed\"; color=\"{line}\";"
                )?;
                groups += 1;
            }
        }
        let lines = [step.name().to_owned(), step.kind_line(), step.status_line()];
        let label = quoted(lines.iter().filter(|line| !line.is_empty()));
        writeln!(
            out,
            "  s{index} [label={label}, tooltip={}{}];",
            quoted([&step.path]),
            box_attributes(step)
        )?;
    }
    if group.is_some() {
        writeln!(out, "  }}")?;
    }
    Ok(())
}

fn box_attributes(step: &DrawnStep) -> String {
    let mut attributes = String::new();
    match step.kind.as_str() {
        "route" => attributes.push_str(", shape=hexagon, style=filled"),
        "map" | "repeat" | "pipeline" => attributes.push_str(", peripheries=2"),
        _ => {}
    }
    if let Some(status) = &step.status {
        let look = look(status);
        attributes += &format!(", fillcolor=\"{}\", color=\"{}\"", look.tint, look.light);
    }
    if step.stale {
        attributes.push_str(", style=\"rounded,filled,dashed\"");
    }
    attributes
}

fn edge_attributes(edge: &DrawnEdge) -> String {
    let mut attributes = Vec::new();
    if let Some(caption) = edge.caption() {
        attributes.push(format!("label={}", quoted([caption])));
    }
    match edge.kind {
        EdgeKind::Data => {}
        EdgeKind::Order => attributes.push("style=dotted".to_owned()),
        EdgeKind::Context => attributes.push("style=dashed, arrowhead=empty".to_owned()),
        EdgeKind::Arm if edge.is_taken() => {
            attributes.push(format!("style=dashed, penwidth=3, color=\"{}\"", TAKEN.light));
        }
        EdgeKind::Arm => attributes.push("style=dashed".to_owned()),
    }
    if attributes.is_empty() {
        String::new()
    } else {
        format!(" [{}]", attributes.join(", "))
    }
}

/// The lines as one quoted string; `&` would begin an HTML entity, which Graphviz expands.
fn quoted<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> String {
    let escape = |line: S| {
        visible(line.as_ref())
            .replace('&', "&amp;")
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
    };
    let lines: Vec<String> = lines.into_iter().map(escape).collect();
    format!("\"{}\"", lines.join("\\n"))
}
