//! A drawing as an SVG picture for a page or a file.
//!
//! The picture holds no script, no id and no reference to anything outside itself. Each box is a
//! `<g data-step data-status>` for a page to hook on. Light colours are attributes; the dark ones
//! come from [`stylesheet`], so the picture reads where inline styles are not allowed.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result, Write};

use super::card::Card;
use super::layout::{Area, Layout, MAX_ARRANGED, Point, layout};
use super::lettering::{cut_to_ems, ems, visible};
use super::palette::{BORDER, CANVAS, EDGE, INK, LOOKS, MUTED, Paint, TAKEN, stylesheet};
use super::sequence::Sequence;
use super::{Drawing, DrawnEdge, DrawnStep, EdgeKind};

/// From the border of the picture to what is in it.
const MARGIN: f64 = 28.0;
/// Height of the title above the boxes.
const HEAD: f64 = 64.0;
/// How far a backward edge swings out to the right of its boxes.
const SWING: f64 = 46.0;
/// How far the control points of a bend lie from its ends, as a share of its height.
const PULL: f64 = 0.55;
const CAPTION_SIZE: f64 = 11.0;
const FONTS: &str =
    "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','DejaVu Sans',sans-serif";

/// The drawing as an SVG document.
///
/// Up to 400 boxes are laid out with few crossings and frames around expanded pipelines; more of
/// them stand in plain rows by depth.
pub fn svg(drawing: &Drawing) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_picture(&mut out, drawing);
    out
}

fn write_picture(out: &mut String, drawing: &Drawing) -> Result {
    let sequence = Sequence::of(drawing);
    let mut cards: Vec<Card> = drawing.boxes.iter().map(Card::of).collect();
    let sizes: Vec<(f64, f64)> = cards.iter().map(Card::size).collect();
    let layout = layout(&drawing.edges, &sequence, &sizes);
    let frames = frames(&drawing.boxes, &layout);
    for (card, step) in cards.iter_mut().zip(&drawing.boxes) {
        let frame = step.group.as_deref().and_then(|group| frames.get(group));
        if matches!(frame, Some(None)) {
            card.name_group();
        }
    }
    let swing = if sequence.backward.is_empty() { 0.0 } else { SWING };
    let title = cut_to_ems(&visible(&drawing.title), 40.0);
    let summary = summary(&drawing.boxes);
    let head = f64::max(ems(&title) * 18.0, ems(&summary) * 12.0);
    let width = Number(layout.width.max(head) + swing + 2.0 * MARGIN);
    let height = Number(layout.height + HEAD + 2.0 * MARGIN);

    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" xml:space=\"preserve\" font-family=\"{FONTS}\">\n<title>{}</title>\n<style>{}</style>\n",
        xml(&drawing.title),
        stylesheet()
    )?;
    writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\" rx=\"12\" {}/>",
        filled(&CANVAS)
    )?;
    writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{}\" font-size=\"17\" font-weight=\"600\" {}>{}</text><text x=\"{MARGIN}\" y=\"{}\" font-size=\"12\" {}>{}</text>",
        MARGIN + 14.0,
        filled(&INK),
        xml(&title),
        MARGIN + 34.0,
        filled(&MUTED),
        xml(&summary)
    )?;
    // Boxes without any width to spare stand in the middle under a wider title.
    let left = MARGIN + (head - layout.width).max(0.0) / 2.0;
    writeln!(
        out,
        "<g transform=\"translate({} {})\">",
        Number(left),
        Number(MARGIN + HEAD)
    )?;
    for (name, frame) in &frames {
        if let Some(frame) = frame {
            write_frame(out, name, frame)?;
        }
    }
    write_edges(out, drawing, &sequence, &layout)?;
    for (card, area) in cards.iter().zip(&layout.areas) {
        card.write(out, area)?;
    }
    write_captions(out, drawing, &sequence, &layout)?;
    out.push_str("</g>\n</svg>\n");
    Ok(())
}

/// How many steps there are, and how many with each status.
fn summary(boxes: &[DrawnStep]) -> String {
    let steps = format!("{} step{}", boxes.len(), if boxes.len() == 1 { "" } else { "s" });
    let counted = LOOKS.iter().filter_map(|look| {
        let count = boxes
            .iter()
            .filter(|step| step.status.as_deref() == Some(look.word))
            .count();
        (count > 0).then(|| format!("{count} {}", look.word))
    });
    std::iter::once(steps)
        .chain(counted)
        .collect::<Vec<_>>()
        .join(" · ")
}

/// For each group the frame around its boxes, or none where a box of others would be inside.
fn frames<'a>(boxes: &'a [DrawnStep], layout: &Layout) -> BTreeMap<&'a str, Option<Area>> {
    let names: BTreeMap<&str, ()> = boxes
        .iter()
        .filter_map(|step| Some((step.group.as_deref()?, ())))
        .collect();
    if boxes.len() > MAX_ARRANGED {
        return names.into_keys().map(|name| (name, None)).collect();
    }
    let is_within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let frame = |name: &str| {
        let belongs = |step: &DrawnStep| step.group.as_deref().is_some_and(|group| is_within(group, name));
        let deeper = names
            .keys()
            .filter(|other| **other != name && is_within(other, name))
            .count()
            .min(2);
        let pad = 11.0 + 5.0 * deeper as f64;
        let (members, others): (Vec<_>, Vec<_>) = boxes
            .iter()
            .zip(&layout.areas)
            .partition(|(step, _)| belongs(step));
        let least = |side: fn(&Area) -> f64| {
            members
                .iter()
                .map(|(_, area)| side(area))
                .fold(f64::INFINITY, f64::min)
        };
        let most = |side: fn(&Area) -> f64| members.iter().map(|(_, area)| side(area)).fold(0.0, f64::max);
        let (x, y) = (least(|area| area.x) - pad, least(|area| area.y) - pad - 12.0);
        let (width, height) = (most(Area::right) + pad - x, most(Area::bottom) + pad - y);
        let frame = Area { x, y, width, height };
        let touches = |area: &Area| {
            area.x < frame.right()
                && area.right() > frame.x
                && area.y < frame.bottom()
                && area.bottom() > frame.y
        };
        (!others.iter().any(|(_, area)| touches(area))).then_some(frame)
    };
    names.keys().map(|&name| (name, frame(name))).collect()
}

fn write_frame(out: &mut String, name: &str, frame: &Area) -> Result {
    let Area { x, y, width, height } = *frame;
    let label = cut_to_ems(&visible(name), (width - 24.0) / CAPTION_SIZE);
    writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"14\" fill=\"none\" stroke-dasharray=\"2 4\" stroke-width=\"1.4\" {}/><text x=\"{}\" y=\"{}\" font-size=\"{CAPTION_SIZE}\" {}>{}</text>",
        Number(x),
        Number(y),
        Number(width),
        Number(height),
        stroked(&BORDER),
        Number(x + 12.0),
        Number(y + 15.0),
        filled(&MUTED),
        xml(&label)
    )
}

fn write_edges(out: &mut String, drawing: &Drawing, sequence: &Sequence, layout: &Layout) -> Result {
    // Taken arms last, so that nothing crosses over them.
    let mut ways: Vec<(usize, &Vec<Point>)> = sequence.forward.iter().copied().zip(&layout.ways).collect();
    ways.sort_by_key(|(e, _)| drawing.edges[*e].is_taken());
    for (e, way) in ways {
        let Some(end) = way.last() else { continue };
        let mut path = String::new();
        for (at, point) in way.iter().enumerate() {
            // The line stops short of its end, where the arrow head is.
            let y = if at + 1 == way.len() {
                point.y - 7.0
            } else {
                point.y
            };
            match (at, at % 2) {
                (0, _) => write!(path, "M{} {}", Number(point.x), Number(y))?,
                (_, 0) => write!(path, "V{}", Number(y))?,
                _ => write_bend(&mut path, way[at - 1], Point { x: point.x, y })?,
            }
        }
        let Point { x, y } = *end;
        let head = format!(
            "M{} {}L{} {}L{} {}Z",
            Number(x - 4.5),
            Number(y - 9.0),
            Number(x),
            Number(y - 1.0),
            Number(x + 4.5),
            Number(y - 9.0)
        );
        write_edge(out, drawing, &drawing.edges[e], &path, &head)?;
    }
    for &e in &sequence.backward {
        let edge = &drawing.edges[e];
        let (from, to) = (&layout.areas[edge.from], &layout.areas[edge.to]);
        let (x1, y1) = (from.right(), from.y + from.height * 0.65);
        let (x2, y2) = (to.right(), to.y + to.height * 0.35);
        let out_to = Number(x1.max(x2) + SWING);
        let path = format!(
            "M{} {}C{out_to} {} {out_to} {} {} {}",
            Number(x1),
            Number(y1),
            Number(y1),
            Number(y2),
            Number(x2 + 7.0),
            Number(y2)
        );
        let head = format!(
            "M{} {}L{} {}L{} {}Z",
            Number(x2 + 9.0),
            Number(y2 - 4.5),
            Number(x2 + 1.0),
            Number(y2),
            Number(x2 + 9.0),
            Number(y2 + 4.5)
        );
        write_edge(out, drawing, edge, &path, &head)?;
    }
    Ok(())
}

/// A curve that leaves and arrives upright; a straight line where the points are above each other.
fn write_bend(path: &mut String, from: Point, to: Point) -> Result {
    if (from.x - to.x).abs() < 0.05 {
        return write!(path, "V{}", Number(to.y));
    }
    let pull = (to.y - from.y) * PULL;
    write!(
        path,
        "C{} {} {} {} {} {}",
        Number(from.x),
        Number(from.y + pull),
        Number(to.x),
        Number(to.y - pull),
        Number(to.x),
        Number(to.y)
    )
}

/// The point of a bend at `t` between zero and one.
fn on_bend(from: Point, to: Point, t: f64) -> Point {
    let s = 1.0 - t;
    let along = 3.0 * s * s * t * PULL + 3.0 * s * t * t * (1.0 - PULL) + t * t * t;
    let across = t * t * (3.0 - 2.0 * t);
    Point {
        x: from.x + (to.x - from.x) * across,
        y: from.y + (to.y - from.y) * along,
    }
}

fn write_edge(out: &mut String, drawing: &Drawing, edge: &DrawnEdge, path: &str, head: &str) -> Result {
    let paint = if edge.is_taken() { &TAKEN } else { &EDGE };
    let style = match (edge.kind, edge.taken) {
        (EdgeKind::Arm, Some(true)) => " stroke-width=\"3.4\" stroke-dasharray=\"10 4\"",
        (EdgeKind::Arm, _) => " stroke-width=\"1.6\" stroke-dasharray=\"6 4\"",
        (EdgeKind::Data, _) => " stroke-width=\"1.6\"",
        (EdgeKind::Order, _) => " stroke-width=\"2\" stroke-linecap=\"round\" stroke-dasharray=\"0.1 5\"",
        (EdgeKind::Context, _) => " stroke-width=\"1.6\" stroke-dasharray=\"9 3 2 3\"",
    };
    let name = |step: usize| xml(&drawing.boxes[step].path).to_string();
    write!(
        out,
        "<g data-edge=\"{}\" data-from=\"{}\" data-to=\"{}\"",
        edge.kind.name(),
        name(edge.from),
        name(edge.to)
    )?;
    if let Some(taken) = edge.taken {
        write!(out, " data-taken=\"{taken}\"")?;
    }
    writeln!(
        out,
        "><path d=\"{path}\" fill=\"none\"{style} {}/><path d=\"{head}\" {}/></g>",
        stroked(paint),
        filled(paint)
    )
}

fn write_captions(out: &mut String, drawing: &Drawing, sequence: &Sequence, layout: &Layout) -> Result {
    for (&e, way) in sequence.forward.iter().zip(&layout.ways) {
        let edge = &drawing.edges[e];
        let (Some(caption), [from, to, ..]) = (edge.caption(), way.as_slice()) else {
            continue;
        };
        let caption = match edge.taken {
            Some(true) => format!("✓ {caption}"),
            _ => caption.to_owned(),
        };
        let caption = cut_to_ems(&visible(&caption), 12.0);
        // Nearer to the end than to the start, where the arms of a route have drawn apart.
        let Point { x, y } = on_bend(*from, *to, 0.7);
        let width = ems(&caption) * CAPTION_SIZE + 12.0;
        let (paint, weight) = if edge.is_taken() {
            (&TAKEN, 600)
        } else {
            (&MUTED, 400)
        };
        writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"17\" rx=\"8.5\" {}/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"{CAPTION_SIZE}\" font-weight=\"{weight}\" {}>{}</text>",
            Number(x - width / 2.0),
            Number(y - 8.5),
            Number(width),
            filled(&CANVAS),
            Number(x),
            Number(y + 4.0),
            filled(paint),
            xml(&caption)
        )?;
    }
    Ok(())
}

/// A coordinate with at most one decimal, so that equal pictures have equal bytes.
pub(super) struct Number(pub f64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        // Adding zero turns a negative zero into a plain one.
        let tenths = (self.0 * 10.0).round() + 0.0;
        write!(f, "{}", tenths / 10.0)
    }
}

/// Fill attributes of a colour that follows the theme.
pub(super) fn filled(paint: &Paint) -> impl Display {
    format!("class=\"{}\" fill=\"{}\"", paint.class, paint.light)
}

/// Stroke attributes of a colour that follows the theme.
pub(super) fn stroked(paint: &Paint) -> impl Display {
    format!("class=\"{}-line\" stroke=\"{}\"", paint.class, paint.light)
}

/// `text` for element content and quoted attributes.
pub(super) fn xml(text: &str) -> impl Display {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
