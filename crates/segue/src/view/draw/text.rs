//! A drawing for a terminal: steps from top to bottom with rails for the edges between them.

use std::fmt::Write;

use super::lettering::{cells, cut_to_cells, visible};
use super::palette::look;
use super::rails::{Rail, rails};
use super::sequence::Sequence;
use super::{Drawing, DrawnEdge, DrawnStep, EdgeKind};

/// Columns of a terminal the picture keeps to.
const WIDTH: usize = 100;
/// Above this rails are of no help, and edges are given by name.
const MAX_STEPS_WITH_RAILS: usize = 200;
/// Room for a path; longer ones lose their end.
const MAX_PATH: usize = 32;
/// Room for one remark about a step, so that one long reason does not fill the screen.
const MAX_REMARK: usize = 240;
/// How many names a list of edges spells out.
const MAX_NAMES: usize = 6;

/// The drawing as lines of at most 100 columns.
///
/// A step's shape stands on its lane and every other line is an edge; a graph too big or too wide
/// for that is a list that gives the edges by name.
pub fn text(drawing: &Drawing) -> String {
    let sequence = Sequence::of(drawing);
    let mut sheet = Sheet {
        out: heading(drawing),
        columns: Columns::of(&drawing.boxes),
    };
    let shape = |step: usize| mark(&drawing.boxes[step]);
    let pictured = (drawing.boxes.len() <= MAX_STEPS_WITH_RAILS).then(|| rails(drawing, &sequence, shape));
    match pictured.flatten() {
        Some(lines) => {
            let indent = lines.iter().map(|line| cells(&line.drawing)).max().unwrap_or(0) + 2;
            let remarks = edge_remarks(drawing, &sequence, DrawnEdge::needs_words);
            for line in &lines {
                match line.step {
                    Some(step) => {
                        sheet.step(
                            &line.drawing,
                            &line.below,
                            indent,
                            &drawing.boxes[step],
                            &remarks[step],
                        );
                    }
                    None => sheet.line(&line.drawing),
                }
            }
            sheet.legend(&lines);
        }
        None => {
            let remarks = edge_remarks(drawing, &sequence, |_| true);
            let mut group = None;
            for &step in &sequence.order {
                let drawn = &drawing.boxes[step];
                if drawn.group.as_deref() != group {
                    group = drawn.group.as_deref();
                    sheet.line("");
                    sheet.line(&format!("{}:", group.map_or("top level".to_owned(), visible)));
                }
                sheet.step(&mark(drawn).to_string(), "", 2, drawn, &remarks[step]);
            }
        }
    }
    sheet.out
}

fn heading(drawing: &Drawing) -> String {
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let title = cut_to_cells(&visible(&drawing.title), WIDTH - 30);
    let steps = counted(drawing.boxes.len(), "step");
    let edges = counted(drawing.edges.len(), "edge");
    format!("{title}: {steps}, {edges}\n\n")
}

fn mark(step: &DrawnStep) -> char {
    step.status.as_deref().map_or('●', |status| look(status).shape)
}

/// Widths of the columns right of the rails.
struct Columns {
    path: usize,
    status: usize,
    kind: usize,
}

impl Columns {
    fn of(boxes: &[DrawnStep]) -> Self {
        let widest = |part: fn(&DrawnStep) -> &str, most: usize| {
            boxes
                .iter()
                .map(|step| cells(&visible(part(step))))
                .max()
                .unwrap_or(0)
                .min(most)
        };
        Self {
            path: widest(|step| &step.path, MAX_PATH),
            status: widest(|step| step.status.as_deref().unwrap_or(""), 12),
            kind: widest(|step| &step.kind, 12),
        }
    }
}

struct Sheet {
    out: String,
    columns: Columns,
}

impl Sheet {
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A step's line, and as many below it as its remarks need.
    fn step(&mut self, rail: &str, below: &str, indent: usize, step: &DrawnStep, edges: &[String]) {
        let columns = &self.columns;
        let mut line = padded(rail, indent) + &padded(&step.path, columns.path);
        for (part, width) in [
            (step.status.as_deref().unwrap_or(""), columns.status),
            (&step.kind, columns.kind),
        ] {
            if width > 0 {
                line += "  ";
                line += &padded(part, width);
            }
        }
        let hanging = indent + 4;
        let mut used = cells(&line);
        for remark in remarks(step).chain(edges.iter().cloned()) {
            let remark = cut_to_cells(&visible(&remark), MAX_REMARK);
            let size = cells(&remark);
            // A remark stays in one piece where a line of its own can hold it.
            if used + 2 + size > WIDTH && hanging + size <= WIDTH {
                self.line(&line);
                line = padded(below, hanging);
                used = hanging;
            }
            if used > hanging {
                line += "  ";
                used += 2;
            }
            for word in remark.split_inclusive(' ') {
                if used + cells(word.trim_end()) > WIDTH {
                    self.line(&line);
                    line = padded(below, hanging);
                    used = hanging;
                }
                let word = cut_to_cells(word, WIDTH - hanging);
                used += cells(&word);
                line += &word;
            }
        }
        self.line(&line);
    }

    /// What the rails that are not plain mean.
    fn legend(&mut self, lines: &[Rail]) {
        let meanings = [('┊', "only waits"), ('╎', "arm"), ('┃', "arm taken")];
        let is_drawn = |rail: char| lines.iter().any(|line| line.drawing.contains(rail));
        let shown = meanings.iter().filter(|(rail, _)| is_drawn(*rail));
        let shown: Vec<String> = shown.map(|(rail, meaning)| format!("{rail} {meaning}")).collect();
        if !shown.is_empty() {
            self.line("");
            self.line(&shown.join("   "));
        }
    }
}

/// What there is to say about a step besides path, status and kind.
fn remarks(step: &DrawnStep) -> impl Iterator<Item = String> {
    let is_news = !step.title.is_empty() && step.title != step.path;
    let title = is_news.then(|| format!("“{}”", step.title));
    let marks = step.marks().map(str::to_owned);
    step.detail
        .clone()
        .into_iter()
        .chain(title)
        .chain(marks)
        .chain(step.note.clone())
}

impl DrawnEdge {
    /// Whether rails alone do not tell what the edge is.
    fn needs_words(&self) -> bool {
        self.is_arm() || self.kind == EdgeKind::Context || self.label.is_some()
    }
}

/// For each step, its incoming edges in words: those that `are_told`, and any that close a cycle.
fn edge_remarks(
    drawing: &Drawing,
    sequence: &Sequence,
    are_told: impl Fn(&DrawnEdge) -> bool,
) -> Vec<Vec<String>> {
    let mut incoming = vec![Vec::new(); drawing.boxes.len()];
    for &e in &sequence.forward {
        let edge = &drawing.edges[e];
        if are_told(edge) {
            incoming[edge.to].push(edge);
        }
    }
    let tell = |edges: Vec<&DrawnEdge>| {
        let told = edges.iter().take(MAX_NAMES).map(|edge| source(drawing, edge));
        let names: Vec<String> = told.collect();
        let more = edges.len().saturating_sub(MAX_NAMES);
        match (edges.len(), more) {
            (0, _) => Vec::new(),
            (_, 0) => vec![format!("← {}", names.join(", "))],
            _ => vec![format!("← {} and {more} more", names.join(", "))],
        }
    };
    let mut remarks: Vec<Vec<String>> = incoming.into_iter().map(tell).collect();
    for &e in &sequence.backward {
        let edge = &drawing.edges[e];
        remarks[edge.to].push(format!("↺ from {}", drawing.boxes[edge.from].path));
    }
    remarks
}

fn source(drawing: &Drawing, edge: &DrawnEdge) -> String {
    let mut words = drawing.boxes[edge.from].path.clone();
    if let Some(caption) = edge.caption() {
        // Writing to a string cannot fail.
        let _ = write!(words, ": {caption}");
    }
    match edge.taken {
        Some(true) => words + " (taken)",
        Some(false) => words + " (not taken)",
        None => words,
    }
}

fn padded(text: &str, width: usize) -> String {
    let text = cut_to_cells(&visible(text), width);
    let blanks = width.saturating_sub(cells(&text));
    text + &" ".repeat(blanks)
}
