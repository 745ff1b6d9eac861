use proptest::prelude::*;

use super::*;

fn step(path: &str, kind: &str) -> DrawnStep {
    DrawnStep {
        path: path.to_owned(),
        kind: kind.to_owned(),
        ..DrawnStep::default()
    }
}

fn data(from: usize, to: usize) -> DrawnEdge {
    DrawnEdge {
        from,
        to,
        ..DrawnEdge::default()
    }
}

fn arm(from: usize, to: usize, label: &str, taken: Option<bool>) -> DrawnEdge {
    DrawnEdge {
        from,
        to,
        kind: EdgeKind::Arm,
        label: Some(label.to_owned()),
        taken,
    }
}

fn graph(count: usize, ends: impl IntoIterator<Item = (usize, usize)>) -> Drawing {
    Drawing {
        title: "graph".to_owned(),
        boxes: (0..count)
            .map(|at| step(&format!("step-{at}"), "function"))
            .collect(),
        edges: ends.into_iter().map(|(from, to)| data(from, to)).collect(),
    }
}

/// A run whose route has chosen the first of two arms.
fn routed() -> Drawing {
    let mut boxes = vec![
        step("load", "tool"),
        step("pick", "route"),
        step("quick", "agent"),
        step("deep", "agent"),
        step("answer", "function"),
    ];
    for (drawn, status) in boxes
        .iter_mut()
        .zip(["succeeded", "succeeded", "failed", "skipped", "pending"])
    {
        drawn.status = Some(status.to_owned());
    }
    boxes[2].detail = Some("writer".to_owned());
    boxes[2].note = Some("1.2 s  $0.0021".to_owned());
    boxes[2].stale = true;
    boxes[3].note = Some("arm not taken".to_owned());
    let edges = vec![
        data(0, 1),
        arm(1, 2, "short", Some(true)),
        arm(1, 3, "long", Some(false)),
        data(2, 4),
        data(3, 4),
    ];
    Drawing {
        title: "routed".to_owned(),
        boxes,
        edges,
    }
}

type Format = (&'static str, fn(&Drawing) -> String);

const FORMATS: [Format; 4] = [("mermaid", mermaid), ("dot", dot), ("text", text), ("svg", svg)];

#[test]
fn text_shows_a_diamond_with_its_rails() {
    let picture = text(&graph(4, [(0, 1), (0, 2), (1, 3), (2, 3)]));
    let expected = "\
graph: 4 steps, 4 edges

●    step-0  function
├─╮
● │  step-1  function
│ ●  step-2  function
├─╯
●    step-3  function
";
    assert_eq!(picture, expected);
}

#[test]
fn text_tells_arms_statuses_and_notes() {
    let expected = "\
routed: 5 steps, 5 edges

✓    load    succeeded  tool
✓    pick    succeeded  route
├╌╮
✗ ╎  quick   failed     agent     writer  stale  1.2 s  $0.0021  ← pick: short (taken)
│ ⊘  deep    skipped    agent     arm not taken  ← pick: long (not taken)
├─╯
○    answer  pending    function

╎ arm
";
    assert_eq!(text(&routed()), expected);
}

#[test]
fn text_separates_steps_that_only_look_connected() {
    let picture = text(&graph(2, []));
    assert!(picture.contains("●  step-0  function\n\n●  step-1"), "{picture}");
}

#[test]
fn text_of_a_big_graph_names_its_edges() {
    let fan_in = graph(301, (0..300).map(|from| (from, 300)));
    let picture = text(&fan_in);
    assert!(
        picture.contains("← step-0, step-1, step-2, step-3, step-4, step-5 and 294 more"),
        "{picture}"
    );
}

#[test]
fn mermaid_shows_arms_and_statuses() {
    let chart = mermaid(&routed());
    assert!(chart.contains("flowchart TD\n"));
    assert!(chart.contains("  s1 ==>|\"short\"| s2\n"), "{chart}");
    assert!(chart.contains("  s1 -.->|\"long\"| s3\n"), "{chart}");
    assert!(chart.contains("  class s0,s1 succeeded\n"), "{chart}");
    assert!(chart.contains("  class s2 stale\n"), "{chart}");
    assert!(
        chart.contains("quick<br/>agent · writer<br/>✗ failed · stale · 1.2 s  $0.0021\""),
        "{chart}"
    );
}

#[test]
fn mermaid_labels_hold_no_markup() {
    let mut drawing = graph(1, []);
    drawing.boxes[0].title = "`a` \"b\" [c] {d} <e> & #f; 1. g\n*h* %%".to_owned();
    let chart = mermaid(&drawing);
    let label = chart
        .lines()
        .find(|line| line.starts_with("  s0["))
        .expect("the box has a line");
    let label = label
        .trim_start_matches("  s0[\"")
        .trim_end_matches("\"]")
        .replace("<br/>", "");
    assert!(
        !label.contains(['`', '"', '[', ']', '{', '}', '<', '>', '&', '*', '%']),
        "{label}"
    );
    assert!(label.contains("#35;f#59; 1#46; g#92;u#123;a#125;"), "{label}");
}

#[test]
fn dot_shows_arms_and_statuses() {
    let document = dot(&routed());
    assert!(
        document.contains("s1 -> s2 [label=\"short\", style=dashed, penwidth=3"),
        "{document}"
    );
    assert!(
        document.contains("s1 -> s3 [label=\"long\", style=dashed];"),
        "{document}"
    );
    assert!(document.contains("✗ failed · stale · 1.2 s"), "{document}");
}

#[test]
fn svg_offers_hooks_and_shows_arms() {
    let picture = svg(&routed());
    let document = roxmltree::Document::parse(&picture).expect("the picture is XML");
    let hook = |name: &str, value: &str| {
        document
            .descendants()
            .find(|element| element.attribute(name) == Some(value))
    };
    let quick = hook("data-step", "quick").expect("each box has its path");
    assert_eq!(quick.attribute("data-status"), Some("failed"));
    assert_eq!(quick.attribute("data-stale"), Some("true"));
    assert!(
        quick
            .descendants()
            .any(|element| element.attribute("class") == Some("seg-hatch-line"))
    );

    let line = |taken: &str| {
        let edge = hook("data-taken", taken).expect("both arms are drawn");
        edge.first_element_child().expect("an edge has a line")
    };
    assert_eq!(line("true").attribute("stroke-width"), Some("3.4"));
    assert_eq!(line("false").attribute("stroke-width"), Some("1.6"));
    assert!(line("false").has_attribute("stroke-dasharray"));

    let texts: Vec<&str> = document
        .descendants()
        .filter(|e| e.has_tag_name("text"))
        .filter_map(|e| e.text())
        .collect();
    for shown in [
        "✓ short",
        "long",
        "failed · stale",
        "arm not taken",
        "1.2 s  $0.0021",
    ] {
        assert!(texts.contains(&shown), "{shown} is not in {texts:?}");
    }
}

#[test]
fn svg_stands_alone() {
    let picture = svg(&routed());
    for foreign in ["<script", "href", "url(", " id=", " style=", "@import"] {
        assert!(!picture.contains(foreign), "{foreign}");
    }
    assert_eq!(picture.matches("http").count(), 1, "only the namespace");
    assert!(picture.contains("role=\"img\"") && picture.contains("<title>routed</title>"));
    assert!(picture.contains(&stylesheet()));
}

#[test]
fn svg_frames_an_expanded_pipeline() {
    let mut drawing = graph(4, [(0, 1), (1, 2), (2, 3)]);
    for inner in &mut drawing.boxes[1..3] {
        inner.group = Some("sub".to_owned());
    }
    assert!(svg(&drawing).contains(">sub</text>"));
    assert!(mermaid(&drawing).contains("subgraph g0[\"sub\"]"));
    assert!(dot(&drawing).contains("subgraph cluster_0 { label=\"sub\""));

    // A stranger between the members: no frame, and the cards say it instead.
    drawing.boxes[1].group = None;
    drawing.boxes[3].group = Some("sub".to_owned());
    drawing.edges.reverse();
    drawing.boxes[0].group = Some("sub".to_owned());
    let picture = svg(&drawing);
    assert!(picture.contains("in sub · function</text>") && !picture.contains(">sub</text>"));
}

#[test]
fn edges_to_nowhere_and_cycles_are_no_fault() {
    let mut drawing = graph(3, [(0, 1), (1, 2), (2, 0), (1, 1)]);
    drawing.edges.push(data(0, 99));
    for (name, draw) in FORMATS {
        let document = draw(&drawing);
        assert!(!document.contains("99"), "{name}");
    }
    assert!(text(&drawing).contains("↺ from step-2"));
}

#[test]
fn an_empty_drawing_is_a_document_in_every_format() {
    for (name, draw) in FORMATS {
        assert!(!draw(&Drawing::default()).is_empty(), "{name}");
    }
}

#[test]
fn ten_thousand_steps_are_drawn() {
    const MANY: usize = 10_000;
    let line = graph(MANY, (1..MANY).map(|to| (to - 1, to)));
    let fan = graph(MANY, (1..MANY).map(|to| (0, to)));
    for drawing in [line, fan] {
        for (name, draw) in FORMATS {
            let document = draw(&drawing);
            assert!(document.contains(&format!("step-{}", MANY - 1)), "{name}");
        }
    }
}

fn hostile_text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\"",
        "\\",
        "<",
        ">",
        "&",
        "'",
        "]",
        "[",
        "`",
        "\n",
        "\r\n",
        "\0",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{2066}",
        "\u{ffff}",
        "\u{fffe}",
        "]]>",
        "-->",
        "--",
        "%%",
        "#",
        ";",
        "{{",
        "}}",
        "|",
        "end",
        "<script>",
        "日本",
        "é",
        "\\\"",
    ]);
    let piece = prop_oneof![
        nasty.prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[a-z ]{0,9}"
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn hostile_drawing() -> impl Strategy<Value = Drawing> {
    let status = prop::option::of(prop_oneof![
        prop::sample::select(palette::LOOKS.map(|look| look.word).to_vec()).prop_map(str::to_owned),
        hostile_text(),
    ]);
    let texts = (hostile_text(), hostile_text(), hostile_text());
    let more = (
        prop::option::of(hostile_text()),
        prop::option::of(hostile_text()),
        prop::option::of(hostile_text()),
    );
    let drawn = (texts, more, status, any::<bool>(), any::<bool>()).prop_map(
        |((path, title, kind), (detail, group, note), status, stale, reused)| DrawnStep {
            path,
            title,
            kind,
            detail,
            group,
            status,
            note,
            stale,
            reused,
        },
    );
    let kind = prop::sample::select(vec![
        EdgeKind::Data,
        EdgeKind::Order,
        EdgeKind::Context,
        EdgeKind::Arm,
    ]);
    let edge = (
        0_usize..9,
        0_usize..9,
        kind,
        prop::option::of(hostile_text()),
        any::<Option<bool>>(),
    )
        .prop_map(|(from, to, kind, label, taken)| DrawnEdge {
            from,
            to,
            kind,
            label,
            taken,
        });
    (
        hostile_text(),
        prop::collection::vec(drawn, 0..8),
        prop::collection::vec(edge, 0..12),
    )
        .prop_map(|(title, boxes, edges)| Drawing { title, boxes, edges })
}

/// Whether every quoted string of a DOT line ends on it.
fn quotes_are_closed(line: &str) -> bool {
    let mut inside = false;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' if inside => drop(characters.next()),
            '"' => inside = !inside,
            _ => {}
        }
    }
    !inside
}

proptest! {
    #[test]
    fn hostile_text_stays_text(drawing in hostile_drawing()) {
        let picture = svg(&drawing);
        let document = roxmltree::Document::parse(&picture);
        prop_assert!(document.is_ok(), "{:?}\n{picture}", document.err());
        let document = document.expect("just checked");
        let boxes = document.descendants().filter(|element| element.has_attribute("data-step"));
        prop_assert_eq!(boxes.count(), drawing.boxes.len());
        prop_assert!(!document.descendants().any(|element| element.has_tag_name("script")));

        for line in dot(&drawing).lines() {
            prop_assert!(quotes_are_closed(line), "{line}");
        }
        for line in mermaid(&drawing).lines().skip(3) {
            prop_assert!(line.matches('"').count().is_multiple_of(2), "{line}");
        }
        for line in text(&drawing).lines() {
            prop_assert!(lettering::cells(line) <= 100, "{} cells: {line}", lettering::cells(line));
        }
        for (name, draw) in FORMATS {
            let document = draw(&drawing);
            let shown = document.replace('\n', "");
            prop_assert_eq!(lettering::visible(&shown), shown, "{}", name);
            prop_assert_eq!(draw(&drawing.clone()), document, "{}", name);
        }
    }
}
