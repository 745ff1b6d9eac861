//! Pictures of a plan or a run: the same steps and edges as Mermaid, Graphviz, terminal text or SVG.
//!
//! A plan or a run turns itself into a [`Drawing`], a plain value that knows nothing about either,
//! and one of [`mermaid`], [`dot`], [`text`] and [`svg`] turns that into a document. The command
//! line prints the document and the web interface embeds the same bytes.
//!
//! Nothing here reads a clock, an environment or a hash order, so identical drawings give
//! byte-identical documents. Nothing recurses over the graph. Names and titles are foreign text:
//! characters that could hide or reorder others are spelled out as `\u{…}` in every format, and
//! edges that point nowhere or backwards are drawn or left out, never a reason to panic.

mod card;
mod dot;
mod layout;
mod lettering;
mod mermaid;
mod palette;
mod rails;
mod sequence;
mod svg;
mod text;

pub use dot::dot;
pub use mermaid::mermaid;
pub use palette::stylesheet;
pub use svg::svg;
pub use text::text;

use serde::Serialize;

use super::StepStatus;

/// The shape of a status, one cell wide: the same on a terminal and in every picture.
#[must_use]
pub fn shape(status: StepStatus) -> char {
    palette::look(status.as_str()).shape
}

/// A graph of steps ready to be drawn: boxes in declaration order and the edges between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drawing {
    /// What the picture is of, such as a pipeline's name.
    pub title: String,
    /// The steps, in declaration order; edges name them by index.
    pub boxes: Vec<DrawnStep>,
    /// The edges; one whose end is not an index into `boxes` is left out of every picture.
    pub edges: Vec<DrawnEdge>,
}

/// One step of a [`Drawing`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DrawnStep {
    /// The step's path, unique in the drawing, such as `research/fetch`.
    pub path: String,
    /// What to call the step; the path stands in when it is empty.
    pub title: String,
    /// The kind of step in one word: `function`, `agent`, `tool`, `route`, `handoff`, `map`,
    /// `repeat`, `question`, `pipeline` or `set`.
    pub kind: String,
    /// What the kind alone does not say, such as the agent's name or `for each of …`.
    pub detail: Option<String>,
    /// Path of the expanded nested pipeline around the step.
    pub group: Option<String>,
    /// The step's status in a run; none in a plan.
    pub status: Option<String>,
    /// One line about how it went, such as `1.2 s  $0.0021  2 attempts` or the reason of a skip.
    pub note: Option<String>,
    /// Whether something the step was made from has changed since.
    pub stale: bool,
    /// Whether the output was taken over from an earlier run.
    pub reused: bool,
}

/// One edge of a [`Drawing`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DrawnEdge {
    /// Index of the box the edge leaves.
    pub from: usize,
    /// Index of the box the edge enters.
    pub to: usize,
    /// Why the second step comes after the first.
    pub kind: EdgeKind,
    /// The arm's name, or another word about the edge.
    pub label: Option<String>,
    /// For an arm of a run that has chosen: whether it was the one.
    pub taken: Option<bool>,
}

/// Why one step comes after another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// The second step reads the output of the first.
    #[default]
    Data,
    /// The second step only waits for the first.
    Order,
    /// The second step is shown what the first one said.
    Context,
    /// The first step is a route and the second belongs to one of its arms.
    Arm,
}

impl EdgeKind {
    /// The word for it in plans and pictures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Order => "order",
            Self::Context => "context",
            Self::Arm => "arm",
        }
    }
}

impl DrawnStep {
    /// The title, or the path where there is none.
    fn name(&self) -> &str {
        if self.title.is_empty() {
            &self.path
        } else {
            &self.title
        }
    }

    /// `kind` and `detail` on one line.
    fn kind_line(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} · {detail}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// The marks a step carries beside its status, in a fixed order.
    fn marks(&self) -> impl Iterator<Item = &str> {
        let stale = self.stale.then_some("stale");
        let reused = self.reused.then_some("reused");
        stale.into_iter().chain(reused)
    }

    /// Shape and word of the status, then the marks and the note; empty when there is nothing to say.
    fn status_line(&self) -> String {
        let status = self.status.as_deref();
        let status = status.map(|word| format!("{} {word}", palette::look(word).shape));
        let marks = self.marks().map(str::to_owned);
        let parts: Vec<String> = status.into_iter().chain(marks).chain(self.note.clone()).collect();
        parts.join(" · ")
    }
}

impl DrawnEdge {
    fn is_arm(&self) -> bool {
        self.kind == EdgeKind::Arm
    }

    fn is_taken(&self) -> bool {
        self.taken == Some(true)
    }

    /// What is written on the edge: its label, and for an edge that is not plain data its kind.
    fn caption(&self) -> Option<&str> {
        match (&self.label, self.kind) {
            (Some(label), _) if !label.is_empty() => Some(label),
            (_, EdgeKind::Data) => None,
            (_, kind) => Some(kind.name()),
        }
    }
}

#[cfg(test)]
mod tests;
