//! The order in which steps are drawn, and how deep each one lies.
//!
//! Used by the pictures that place steps themselves (text and SVG). It never fails: edges of a
//! cycle that cannot be kept in order are set apart as backward edges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Drawing, DrawnEdge};

/// A topological order of a drawing's boxes; among boxes that are free, declaration order wins.
pub(super) struct Sequence {
    /// Box indices, each after everything its forward edges come from.
    pub order: Vec<usize>,
    /// Position of each box in `order`.
    pub position: Vec<usize>,
    /// Number of forward edges on the longest way from a box without any before it.
    pub rank: Vec<usize>,
    /// Indices of the edges that go down the order.
    pub forward: Vec<usize>,
    /// Indices of the edges that close a cycle or lead a box to itself.
    pub backward: Vec<usize>,
}

impl Sequence {
    pub(super) fn of(drawing: &Drawing) -> Self {
        let count = drawing.boxes.len();
        let edges = &drawing.edges;
        let is_drawn = |edge: &DrawnEdge| edge.from < count && edge.to < count;
        let drawn: Vec<usize> = (0..edges.len()).filter(|&e| is_drawn(&edges[e])).collect();

        let mut leaving = vec![Vec::new(); count];
        let mut waiting_for = vec![0_usize; count];
        for &e in &drawn {
            leaving[edges[e].from].push(e);
            waiting_for[edges[e].to] += 1;
        }

        let order = order(edges, &leaving, waiting_for);
        let mut position = vec![0; count];
        for (place, &step) in order.iter().enumerate() {
            position[step] = place;
        }
        let goes_down = |&e: &usize| position[edges[e].from] < position[edges[e].to];
        let (forward, backward): (Vec<usize>, Vec<usize>) = drawn.into_iter().partition(goes_down);

        let mut rank = vec![0; count];
        for &step in &order {
            let deeper = rank[step] + 1;
            for &e in leaving[step].iter().filter(|&e| goes_down(e)) {
                let below = &mut rank[edges[e].to];
                *below = deeper.max(*below);
            }
        }
        Self {
            order,
            position,
            rank,
            forward,
            backward,
        }
    }
}

fn order(edges: &[DrawnEdge], leaving: &[Vec<usize>], mut waiting_for: Vec<usize>) -> Vec<usize> {
    let count = leaving.len();
    let mut order = Vec::with_capacity(count);
    let mut placed = vec![false; count];
    let mut free: BinaryHeap<Reverse<usize>> = (0..count)
        .filter(|&step| waiting_for[step] == 0)
        .map(Reverse)
        .collect();
    let mut first_unplaced = 0;
    while order.len() < count {
        // With nothing free the rest hangs on a cycle: the earliest declared box breaks it.
        let step = free.pop().map_or_else(
            || {
                while placed[first_unplaced] {
                    first_unplaced += 1;
                }
                first_unplaced
            },
            |Reverse(step)| step,
        );
        if placed[step] {
            continue;
        }
        placed[step] = true;
        order.push(step);
        for &e in &leaving[step] {
            let to = edges[e].to;
            waiting_for[to] -= 1;
            if waiting_for[to] == 0 && !placed[to] {
                free.push(Reverse(to));
            }
        }
    }
    order
}
