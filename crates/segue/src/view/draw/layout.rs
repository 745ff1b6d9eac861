//! Where the boxes of an SVG picture stand and which way its edges go.
//!
//! Boxes lie in layers from top to bottom, each one layer below the deepest box it comes after.
//! Within bounds a layered layout with few crossings decides who stands beside whom; beyond them
//! boxes stand in declaration order, which costs next to nothing and needs no stack.

use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};

use super::DrawnEdge;
use super::sequence::Sequence;

/// Up to this many boxes the crossings are minimised; the algorithm is more than quadratic.
pub(super) const MAX_ARRANGED: usize = 400;
/// The same bound with the points counted at which long edges pass a layer.
const MAX_ARRANGED_POINTS: usize = 1_000;
/// Boxes side by side in one row of an unarranged layer.
const MAX_ROW: usize = 40;
/// Free room between boxes side by side.
const BESIDE: f64 = 36.0;
/// Free room between layers, where edges bend.
const BETWEEN: f64 = 60.0;
/// The same where edges carry captions.
const BETWEEN_WITH_CAPTIONS: f64 = 84.0;
/// Width and free room of an edge where it passes a layer.
const PASSAGE: f64 = 8.0;
const BESIDE_PASSAGE: f64 = 12.0;
/// Parts of the graph that hang together go side by side up to this width, then below.
const SHELF: f64 = 1_600.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// A rectangle by its left top corner.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    fn middle(&self) -> f64 {
        self.x + self.width / 2.0
    }
}

/// Boxes and edges with their coordinates, all at or right of and below zero.
pub(super) struct Layout {
    pub areas: Vec<Area>,
    /// For each forward edge, in the order of [`Sequence::forward`]: points between which it bends
    /// (first to second), runs straight (second to third), bends again, and so on.
    pub ways: Vec<Vec<Point>>,
    pub width: f64,
    pub height: f64,
}

/// Places boxes of the given sizes (width, height).
pub(super) fn layout(edges: &[DrawnEdge], sequence: &Sequence, sizes: &[(f64, f64)]) -> Layout {
    let span = |&e: &usize| sequence.rank[edges[e].to] - sequence.rank[edges[e].from];
    let passages: usize = sequence.forward.iter().map(|e| span(e) - 1).sum();
    let is_small = sizes.len() <= MAX_ARRANGED && sizes.len() + passages <= MAX_ARRANGED_POINTS;
    let has_captions = edges.iter().any(|edge| edge.caption().is_some());
    let between = if has_captions {
        BETWEEN_WITH_CAPTIONS
    } else {
        BETWEEN
    };
    let mut layout = if is_small {
        arranged(edges, sequence, sizes, between)
    } else {
        unarranged(edges, sequence, sizes, between)
    };
    layout.spread_ends(edges, sequence);
    layout.width = layout.areas.iter().map(Area::right).fold(0.0, f64::max);
    layout.height = layout.areas.iter().map(Area::bottom).fold(0.0, f64::max);
    layout
}

/// A place in a layer: a box, or a point where an edge passes, which has no height.
#[derive(Clone, Copy)]
struct Place {
    rank: usize,
    size: (f64, f64),
}

impl Place {
    fn is_passage(&self) -> bool {
        self.size.1 == 0.0
    }

    /// Width with half the free room on either side.
    fn room(&self) -> f64 {
        self.size.0 + if self.is_passage() { BESIDE_PASSAGE } else { BESIDE }
    }
}

fn arranged(edges: &[DrawnEdge], sequence: &Sequence, sizes: &[(f64, f64)], between: f64) -> Layout {
    let mut graph = StableDiGraph::<Place, ()>::new();
    for (&size, &rank) in sizes.iter().zip(&sequence.rank) {
        graph.add_node(Place { rank, size });
    }
    // Edges are walked from the last added to the first, so the first declared is added last.
    let mut passages = vec![Vec::new(); sequence.forward.len()];
    for (way, &e) in sequence.forward.iter().enumerate().rev() {
        let (from, to) = (edges[e].from, edges[e].to);
        let mut last = NodeIndex::new(from);
        for rank in sequence.rank[from] + 1..sequence.rank[to] {
            let passage = graph.add_node(Place {
                rank,
                size: (PASSAGE, 0.0),
            });
            graph.add_edge(last, passage, ());
            passages[way].push(passage.index());
            last = passage;
        }
        graph.add_edge(last, NodeIndex::new(to), ());
    }

    let config = Config {
        minimum_length: 1,
        vertex_spacing: 0.0,
        // Every edge spans one layer already, so none are added.
        dummy_vertices: true,
        dummy_size: 1.0,
        ranking_type: RankingType::Up,
        c_minimization: CrossingMinimization::Barycenter,
        transpose: true,
    };
    let size = |_: NodeIndex, place: &Place| (place.room(), place.size.1);
    let parts = rust_sugiyama::from_graph(&graph, &size, &config);

    let places: Vec<Place> = graph.node_weights().copied().collect();
    let parts = parts.into_iter().map(|(part, _, _)| {
        let mut part: Vec<(usize, f64)> = part
            .into_iter()
            .map(|(place, (x, _))| (place.index(), x))
            .collect();
        part.sort_by_key(|(place, _)| *place);
        part
    });
    let areas = shelve(parts.collect(), &places, between);
    let ways = passages.iter().map(|way| {
        let sides = way.iter().map(|&place| areas[place]);
        let between = sides.flat_map(|area| {
            let x = area.middle();
            [Point { x, y: area.y }, Point { x, y: area.bottom() }]
        });
        std::iter::once(Point::default())
            .chain(between)
            .chain([Point::default()])
            .collect()
    });
    let ways = ways.collect();
    Layout {
        ways,
        areas: areas[..sizes.len()].to_vec(),
        width: 0.0,
        height: 0.0,
    }
}

/// Puts the parts beside each other, and below when the shelf is full. Each part is its places with
/// the middle of each; a passage's area fills its layer from top to bottom.
fn shelve(mut parts: Vec<Vec<(usize, f64)>>, places: &[Place], between: f64) -> Vec<Area> {
    parts.sort_by_key(|part| part.first().map(|(place, _)| *place));
    let mut areas = vec![Area::default(); places.len()];
    let (mut left, mut top, mut deepest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for part in parts {
        let edge = |sign: f64| {
            part.iter()
                .map(move |&(place, x)| x + sign * places[place].size.0 / 2.0)
        };
        let start = edge(-1.0).fold(f64::INFINITY, f64::min);
        let width = edge(1.0).fold(f64::NEG_INFINITY, f64::max) - start;
        if left > 0.0 && left + width > SHELF {
            (left, top) = (0.0, deepest + between);
        }
        let layers = part
            .iter()
            .map(|&(place, _)| places[place].rank + 1)
            .max()
            .unwrap_or(0);
        let mut heights = vec![0.0_f64; layers];
        for &(place, _) in &part {
            let height = &mut heights[places[place].rank];
            *height = height.max(places[place].size.1);
        }
        let mut tops = Vec::with_capacity(layers);
        let mut y = top;
        for height in &heights {
            tops.push(y);
            y += height + between;
        }
        deepest = deepest.max(y - between);
        for &(place, x) in &part {
            let Place { rank, size } = places[place];
            let height = if places[place].is_passage() {
                heights[rank]
            } else {
                size.1
            };
            let x = left + x - start - size.0 / 2.0;
            areas[place] = Area {
                x,
                y: tops[rank],
                width: size.0,
                height,
            };
        }
        left += width + BESIDE * 1.5;
    }
    areas
}

fn unarranged(edges: &[DrawnEdge], sequence: &Sequence, sizes: &[(f64, f64)], between: f64) -> Layout {
    let depth = sequence.rank.iter().map(|rank| rank + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); depth];
    for (step, &rank) in sequence.rank.iter().enumerate() {
        layers[rank].push(step);
    }
    let row_width = |row: &[usize]| row.iter().map(|&step| sizes[step].0 + BESIDE).sum::<f64>() - BESIDE;
    let widest = layers
        .iter()
        .flat_map(|layer| layer.chunks(MAX_ROW))
        .map(row_width)
        .fold(0.0, f64::max);
    let mut areas = vec![Area::default(); sizes.len()];
    let mut top = 0.0;
    for row in layers.iter().flat_map(|layer| layer.chunks(MAX_ROW)) {
        let mut left = (widest - row_width(row)) / 2.0;
        let mut tallest = 0.0_f64;
        for &step in row {
            let (width, height) = sizes[step];
            areas[step] = Area {
                x: left,
                y: top,
                width,
                height,
            };
            left += width + BESIDE;
            tallest = tallest.max(height);
        }
        top += tallest + between;
    }
    let ways = sequence.forward.iter().map(|&e| {
        let (from, to) = (areas[edges[e].from], areas[edges[e].to]);
        vec![
            Point {
                x: from.middle(),
                y: 0.0,
            },
            Point {
                x: to.middle(),
                y: 0.0,
            },
        ]
    });
    Layout {
        ways: ways.collect(),
        areas,
        width: 0.0,
        height: 0.0,
    }
}

impl Layout {
    /// Spreads the ends of edges over the borders of their boxes, in the order of where they go.
    fn spread_ends(&mut self, edges: &[DrawnEdge], sequence: &Sequence) {
        let mut leaving = vec![Vec::new(); self.areas.len()];
        let mut entering = vec![Vec::new(); self.areas.len()];
        for (way, &e) in sequence.forward.iter().enumerate() {
            let (from, to) = (edges[e].from, edges[e].to);
            let points = &self.ways[way];
            let (first, last) = match points.as_slice() {
                [_, first, .., last, _] => (first.x, last.x),
                _ => (self.areas[to].middle(), self.areas[from].middle()),
            };
            leaving[from].push((way, first));
            entering[to].push((way, last));
        }
        for (step, area) in self.areas.iter().enumerate() {
            for (way, x) in spread(area, &mut leaving[step]) {
                if let Some(point) = self.ways[way].first_mut() {
                    *point = Point { x, y: area.bottom() };
                }
            }
            for (way, x) in spread(area, &mut entering[step]) {
                if let Some(point) = self.ways[way].last_mut() {
                    *point = Point { x, y: area.y };
                }
            }
        }
    }
}

fn spread<'a>(area: &Area, ends: &'a mut [(usize, f64)]) -> impl Iterator<Item = (usize, f64)> + 'a {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let gaps = ends.len().saturating_sub(1) as f64;
    let gap = f64::min(26.0, (area.width - 56.0) / gaps.max(1.0));
    let first = area.middle() - gap * gaps / 2.0;
    ends.iter()
        .enumerate()
        .map(move |(place, &(way, _))| (way, first + gap * place as f64))
}

#[cfg(test)]
mod tests;
