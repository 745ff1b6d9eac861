use proptest::prelude::*;

use super::super::{Drawing, DrawnEdge, DrawnStep};
use super::*;

fn graph(count: usize, edges: &[(usize, usize)]) -> Drawing {
    let edge = |&(from, to): &(usize, usize)| DrawnEdge {
        from,
        to,
        ..DrawnEdge::default()
    };
    Drawing {
        boxes: vec![DrawnStep::default(); count],
        edges: edges.iter().map(edge).collect(),
        ..Drawing::default()
    }
}

fn placed(count: usize, edges: &[(usize, usize)]) -> Layout {
    let drawing = graph(count, edges);
    let sizes: Vec<(f64, f64)> = (0..count)
        .map(|step| (176.0 + (step % 5) as f64 * 30.0, 54.0))
        .collect();
    layout(&drawing.edges, &Sequence::of(&drawing), &sizes)
}

fn assert_nothing_overlaps(layout: &Layout) {
    for (at, a) in layout.areas.iter().enumerate() {
        assert!(a.x >= 0.0 && a.y >= 0.0, "box {at} lies outside: {a:?}");
        for b in &layout.areas[at + 1..] {
            let apart = a.right() <= b.x || b.right() <= a.x || a.bottom() <= b.y || b.bottom() <= a.y;
            assert!(apart, "{a:?} covers {b:?}");
        }
    }
}

#[test]
fn branches_stand_side_by_side_in_declaration_order() {
    let layout = placed(5, &[(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]);
    let [start, a, b, c, end] = layout.areas.as_slice() else {
        panic!("five boxes have five places")
    };
    assert!(a.right() < b.x && b.right() < c.x);
    assert!(start.bottom() < a.y && a.bottom() < end.y);
    assert_eq!((a.y, b.y), (b.y, c.y));
}

#[test]
fn a_long_edge_passes_beside_the_boxes_of_the_layers_between() {
    let layout = placed(3, &[(0, 1), (1, 2), (0, 2)]);
    let passage = &layout.ways[2];
    assert_eq!(passage.len(), 4);
    let between = layout.areas[1];
    assert!(passage[1].x < between.x || passage[1].x > between.right());
    assert_eq!((passage[1].y, passage[2].y), (between.y, between.bottom()));
}

#[test]
fn unconnected_boxes_fill_several_rows() {
    let layout = placed(30, &[]);
    assert_nothing_overlaps(&layout);
    assert!(layout.width <= SHELF);
    assert!(layout.areas[29].y > layout.areas[0].y);
}

#[test]
fn the_largest_arranged_graphs_need_little_stack() {
    let line: Vec<(usize, usize)> = (1..MAX_ARRANGED).map(|to| (to - 1, to)).collect();
    let fan: Vec<(usize, usize)> = (1..MAX_ARRANGED).map(|to| (0, to)).collect();
    // A quarter of what a thread has by default.
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let draw = move || [line, fan].map(|edges| placed(MAX_ARRANGED, &edges).areas.len());
    let drawn = small.spawn(draw).expect("a thread can start").join();
    assert_eq!(drawn.expect("layout ends"), [MAX_ARRANGED; 2]);
}

#[test]
fn a_graph_beyond_the_bound_stands_in_rows() {
    let fan: Vec<(usize, usize)> = (1..=500).map(|step| (0, step)).collect();
    let layout = placed(501, &fan);
    assert_nothing_overlaps(&layout);
    assert!(layout.areas[1].y < layout.areas[MAX_ROW + 1].y);
}

proptest! {
    #[test]
    fn boxes_never_overlap_and_edges_go_down(
        count in 1_usize..40,
        ends in prop::collection::vec((0_usize..40, 0_usize..40), 0..80),
    ) {
        let edges: Vec<(usize, usize)> = ends.into_iter().map(|(a, b)| (a % count, b % count)).collect();
        let layout = placed(count, &edges);
        assert_nothing_overlaps(&layout);
        let again = placed(count, &edges);
        prop_assert_eq!((&layout.areas, &layout.ways), (&again.areas, &again.ways));
        for way in &layout.ways {
            prop_assert!(way.windows(2).all(|pair| pair[0].y <= pair[1].y), "{way:?}");
        }
    }
}
