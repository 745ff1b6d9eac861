//! A drawing as a Mermaid flow chart, to paste into Markdown.

use std::fmt::Write;

use super::lettering::visible;
use super::palette::{INK, LOOKS, look};
use super::{Drawing, DrawnEdge, DrawnStep, EdgeKind};

/// The drawing as a Mermaid document (`flowchart TD`).
///
/// Boxes are called `s0`, `s1` … by their index; an arm is dashed, the arm taken is thick.
pub fn mermaid(drawing: &Drawing) -> String {
    let mut out = Chart::default();
    out.line(format_args!("---"));
    out.line(format_args!("title: \"{}\"", yaml(&drawing.title)));
    out.line(format_args!("---"));
    out.line(format_args!("flowchart TD"));
    out.boxes(&drawing.boxes);
    out.edges(drawing);
    out.classes(&drawing.boxes);
    out.0
}

#[derive(Default)]
struct Chart(String);

impl Chart {
    fn line(&mut self, line: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn boxes(&mut self, boxes: &[DrawnStep]) {
        let mut group: Option<&str> = None;
        let mut groups = 0;
        for (index, step) in boxes.iter().enumerate() {
            if step.group.as_deref() != group {
                if group.is_some() {
                    self.line(format_args!("  end"));
                }
                group = step.group.as_deref();
                if let Some(name) = group {
                    self.line(format_args!("  subgraph g{groups}[\"{}\"]", label(name)));
                    groups += 1;
                }
            }
            let lines = [step.name().to_owned(), step.kind_line(), step.status_line()];
            let text: Vec<String> = lines
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| label(line))
                .collect();
            let (open, close) = shape(&step.kind);
            self.line(format_args!("  s{index}{open}\"{}\"{close}", text.join("<br/>")));
        }
        if group.is_some() {
            self.line(format_args!("  end"));
        }
    }

    fn edges(&mut self, drawing: &Drawing) {
        let count = drawing.boxes.len();
        let drawn = drawing
            .edges
            .iter()
            .filter(|edge| edge.from < count && edge.to < count);
        for (number, edge) in drawn.enumerate() {
            let caption = edge.caption().map(|text| format!("|\"{}\"|", label(text)));
            let (from, to) = (edge.from, edge.to);
            self.line(format_args!(
                "  s{from} {}{} s{to}",
                arrow(edge),
                caption.unwrap_or_default()
            ));
            if let Some(style) = line_style(edge) {
                self.line(format_args!("  linkStyle {number} {style}"));
            }
        }
    }

    fn classes(&mut self, boxes: &[DrawnStep]) {
        for status in &LOOKS {
            let with_status = |step: &DrawnStep| {
                step.status
                    .as_deref()
                    .is_some_and(|word| look(word).word == status.word)
            };
            let members = members(boxes, with_status);
            if !members.is_empty() {
                let (word, tint, line, ink) = (status.word, status.tint, status.light, INK.light);
                self.line(format_args!(
                    "  classDef {word} fill:{tint},stroke:{line},color:{ink}"
                ));
                self.line(format_args!("  class {members} {word}"));
            }
        }
        let stale = members(boxes, |step| step.stale);
        if !stale.is_empty() {
            self.line(format_args!(
                "  classDef stale stroke-width:2px,stroke-dasharray:3 3"
            ));
            self.line(format_args!("  class {stale} stale"));
        }
    }
}

fn members(boxes: &[DrawnStep], belongs: impl Fn(&DrawnStep) -> bool) -> String {
    let ids = boxes.iter().enumerate().filter(|(_, step)| belongs(step));
    let ids: Vec<String> = ids.map(|(index, _)| format!("s{index}")).collect();
    ids.join(",")
}

fn shape(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "route" => ("{{", "}}"),
        "pipeline" | "map" | "repeat" => ("[[", "]]"),
        "question" => ("([", "])"),
        _ => ("[", "]"),
    }
}

fn arrow(edge: &DrawnEdge) -> &'static str {
    match edge.kind {
        EdgeKind::Arm if edge.is_taken() => "==>",
        EdgeKind::Arm => "-.->",
        EdgeKind::Data | EdgeKind::Order | EdgeKind::Context => "-->",
    }
}

/// What the arrow alone cannot show.
fn line_style(edge: &DrawnEdge) -> Option<&'static str> {
    match (edge.kind, edge.taken) {
        (EdgeKind::Arm, Some(true)) => Some("stroke-dasharray:8 4"),
        (EdgeKind::Arm, Some(false)) => Some("opacity:0.5"),
        (EdgeKind::Order, _) => Some("stroke-dasharray:1 4"),
        (EdgeKind::Context, _) => Some("stroke-dasharray:8 3 2 3"),
        _ => None,
    }
}

/// A label's text: everything that Mermaid, Markdown or HTML may read as markup is an entity.
fn label(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // A number or dash and a blank would begin a Markdown list.
        let begins_list = matches!(c, '.' | '-') && rest.peek().is_none_or(|next| *next == ' ');
        let is_plain =
            c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | ',' | ':' | '/' | '-' | '_' | '$' | '=');
        if !c.is_ascii() || (is_plain && !begins_list) {
            out.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

fn yaml(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('"', "\\\"")
}
