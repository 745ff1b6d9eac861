//! The rails beside the steps of a text picture: one vertical lane per edge that is still under way.
//!
//! A lane opens below the step an edge leaves and closes at the step it enters, so every edge of
//! the graph is one line a reader can follow.

use super::sequence::Sequence;
use super::{Drawing, DrawnEdge, EdgeKind};

/// More lanes than this and the eye no longer follows them.
const MAX_LANES: usize = 16;

/// One line of the picture, left of the text.
pub(super) struct Rail {
    pub drawing: String,
    /// The step whose shape is on this line.
    pub step: Option<usize>,
    /// What goes on below, for lines of text that belong to the step above.
    pub below: String,
}

/// The rails of the whole drawing, from top to bottom; none when it needs too many lanes.
///
/// `shape` gives the one-cell mark of a step.
pub(super) fn rails(
    drawing: &Drawing,
    sequence: &Sequence,
    shape: impl Fn(usize) -> char,
) -> Option<Vec<Rail>> {
    let mut leaving = vec![Vec::new(); drawing.boxes.len()];
    for &e in &sequence.forward {
        leaving[drawing.edges[e].from].push(e);
    }
    for edges in &mut leaving {
        edges.sort_by_key(|&e| (sequence.position[drawing.edges[e].to], e));
    }

    let mut lanes = Lanes {
        edges: &drawing.edges,
        open: Vec::new(),
    };
    let mut lines = Vec::new();
    let mut ended = None;
    for &step in &sequence.order {
        let arriving = lanes.arriving_at(step);
        let lane = arriving.first().copied().unwrap_or_else(|| lanes.first_free(0));
        if arriving.is_empty() && ended == Some(lane) {
            // Without a gap the step would look as if it came after the one above.
            lines.push(lanes.line(None));
        }
        if let [_, others @ ..] = arriving.as_slice()
            && !others.is_empty()
        {
            lines.push(lanes.junction(lane, others, ['┴', '╯']));
            for &other in others {
                lanes.open[other] = None;
            }
        }

        let outgoing = &leaving[step];
        lanes.set(lane, outgoing.first().copied());
        let mut opened = Vec::new();
        for &edge in outgoing.iter().skip(1) {
            let free = lanes.first_free(lane + 1);
            lanes.set(free, Some(edge));
            opened.push(free);
        }
        if lanes.open.len() > MAX_LANES {
            return None;
        }
        lines.push(lanes.step(lane, &opened, step, shape(step)));
        if !opened.is_empty() {
            lines.push(lanes.junction(lane, &opened, ['┬', '╮']));
        }
        ended = outgoing.is_empty().then_some(lane);
    }
    Some(lines)
}

struct Lanes<'a> {
    edges: &'a [DrawnEdge],
    /// The edge in each lane.
    open: Vec<Option<usize>>,
}

impl Lanes<'_> {
    fn arriving_at(&self, step: usize) -> Vec<usize> {
        let arrives = |edge: usize| self.edges[edge].to == step;
        let lanes = self.open.iter().enumerate();
        lanes
            .filter(|(_, edge)| edge.is_some_and(arrives))
            .map(|(lane, _)| lane)
            .collect()
    }

    fn first_free(&self, from: usize) -> usize {
        let is_free = |lane: &usize| self.open.get(*lane).copied().flatten().is_none();
        (from..)
            .find(is_free)
            .expect("lanes beyond the open ones are free")
    }

    fn set(&mut self, lane: usize, edge: Option<usize>) {
        if self.open.len() <= lane {
            self.open.resize(lane + 1, None);
        }
        self.open[lane] = edge;
        while self.open.last() == Some(&None) {
            self.open.pop();
        }
    }

    /// The lanes as they go by, two cells each, except those in `closed`.
    fn row(&self, closed: &[usize]) -> Vec<char> {
        let mut row = Vec::with_capacity(self.open.len() * 2);
        for (lane, edge) in self.open.iter().enumerate() {
            let edge = edge.filter(|_| !closed.contains(&lane));
            row.extend([edge.map_or(' ', |edge| upright(&self.edges[edge])), ' ']);
        }
        row
    }

    fn line(&self, step: Option<usize>) -> Rail {
        let drawing = written(&self.row(&[]));
        Rail {
            below: drawing.clone(),
            drawing,
            step,
        }
    }

    /// A step's own line; the lanes in `opened` only begin on the line below it.
    fn step(&self, lane: usize, opened: &[usize], step: usize, shape: char) -> Rail {
        let mut row = self.row(opened);
        let below = written(&row);
        while row.len() <= lane * 2 {
            row.push(' ');
        }
        row[lane * 2] = shape;
        Rail {
            drawing: written(&row),
            step: Some(step),
            below,
        }
    }

    /// A line on which `lane` meets `others`, all to its right; `corners` are the middle and last one.
    fn junction(&self, lane: usize, others: &[usize], corners: [char; 2]) -> Rail {
        let last = others.last().copied().unwrap_or(lane);
        let mut row = self.row(&[]);
        for (cell, shown) in row.iter_mut().enumerate().take(last * 2).skip(lane * 2 + 1) {
            let beyond = others.iter().filter(|&&other| other * 2 > cell);
            let mut edges = beyond.filter_map(|&other| self.open[other]);
            if *shown == ' ' {
                let all_arms = edges.all(|edge| self.edges[edge].is_arm());
                *shown = if all_arms { '╌' } else { '─' };
            }
        }
        row[lane * 2] = '├';
        for &other in others {
            row[other * 2] = corners[usize::from(other == last)];
        }
        let drawing = written(&row);
        Rail {
            below: drawing.clone(),
            drawing,
            step: None,
        }
    }
}

fn upright(edge: &DrawnEdge) -> char {
    match edge.kind {
        EdgeKind::Data | EdgeKind::Context => '│',
        EdgeKind::Order => '┊',
        EdgeKind::Arm if edge.is_taken() => '┃',
        EdgeKind::Arm => '╎',
    }
}

fn written(row: &[char]) -> String {
    row.iter().collect::<String>().trim_end().to_owned()
}
