//! One box of an SVG picture: its shape, icons and lines of text.

use std::fmt::{Result, Write};

use super::DrawnStep;
use super::layout::Area;
use super::lettering::{cut_to_ems, ems, visible};
use super::palette::{BORDER, CARD, DIM, EDGE, HATCH, INK, Look, MUTED, STALE, look};
use super::svg::{Number, filled, stroked, xml};

const MIN_WIDTH: f64 = 176.0;
const MAX_WIDTH: f64 = 300.0;
/// From the border to the text, left and right.
const MARGIN: f64 = 16.0;
/// An icon and the gap after it.
const ICON: f64 = 18.0;
const TITLE_SIZE: f64 = 14.0;
const SMALL_SIZE: f64 = 11.5;
/// Semi-bold letters are wider than the estimate for regular ones.
const BOLDER: f64 = 1.08;
/// Between the stripes of a stale card.
const STRIPE: f64 = 9.0;

/// A step with its text cut to size, ready to be written at a place.
pub(super) struct Card<'a> {
    step: &'a DrawnStep,
    look: Option<&'static Look>,
    kind: String,
    title: String,
    status: String,
    note: String,
    width: f64,
    note_has_own_line: bool,
}

impl<'a> Card<'a> {
    pub(super) fn of(step: &'a DrawnStep) -> Self {
        let words: Vec<&str> = step.status.as_deref().into_iter().chain(step.marks()).collect();
        let mut card = Self {
            step,
            look: step.status.as_deref().map(look),
            kind: visible(&step.kind_line()),
            title: visible(step.name()),
            status: visible(&words.join(" · ")),
            note: visible(step.note.as_deref().unwrap_or("")),
            width: 0.0,
            note_has_own_line: false,
        };
        card.fit();
        card
    }

    /// Says on the card which group the step is in, where no frame can show it.
    pub(super) fn name_group(&mut self) {
        if let Some(group) = &self.step.group {
            let kind = visible(&format!("in {group} · {}", self.step.kind_line()));
            let room = self.width - 2.0 * MARGIN - self.inset() - ICON;
            self.kind = cut_to_ems(&kind, room / SMALL_SIZE);
        }
    }

    pub(super) fn size(&self) -> (f64, f64) {
        let second = !self.status.is_empty() || !self.note.is_empty();
        let rows = f64::from(u8::from(second) + u8::from(self.note_has_own_line));
        (self.width, 54.0 + 20.0 * rows)
    }

    fn fit(&mut self) {
        let room = MAX_WIDTH - 2.0 * MARGIN - self.inset();
        self.kind = cut_to_ems(&self.kind, (room - ICON) / SMALL_SIZE);
        self.title = cut_to_ems(&self.title, room / (TITLE_SIZE * BOLDER));
        self.status = cut_to_ems(&self.status, (room - ICON) / (SMALL_SIZE * BOLDER));
        self.note = cut_to_ems(&self.note, room / SMALL_SIZE);
        let note = ems(&self.note) * SMALL_SIZE;
        self.note_has_own_line =
            !self.note.is_empty() && !self.status.is_empty() && self.note_start() + note > room;
        let last = if self.note_has_own_line {
            note
        } else {
            self.note_start() + note
        };
        let lines = [
            ICON + ems(&self.kind) * SMALL_SIZE,
            ems(&self.title) * TITLE_SIZE * BOLDER,
            self.note_start(),
            last,
        ];
        let widest = lines.into_iter().fold(0.0, f64::max);
        self.width = (widest + 2.0 * MARGIN + self.inset())
            .ceil()
            .clamp(MIN_WIDTH, MAX_WIDTH);
    }

    /// The slanted sides of a route leave less room for text.
    fn inset(&self) -> f64 {
        if self.is_route() { 14.0 } else { 0.0 }
    }

    fn is_route(&self) -> bool {
        self.step.kind == "route"
    }

    fn is_dim(&self) -> bool {
        self.step.reused
            || self
                .look
                .is_some_and(|look| matches!(look.word, "skipped" | "cancelled"))
    }

    /// Where the note begins behind the status, from the start of the line.
    fn note_start(&self) -> f64 {
        match (self.status.is_empty(), self.look) {
            (true, _) => 0.0,
            (false, None) => ems(&self.status) * SMALL_SIZE * BOLDER + 10.0,
            (false, Some(_)) => ICON + ems(&self.status) * SMALL_SIZE * BOLDER + 10.0,
        }
    }

    pub(super) fn write(&self, out: &mut String, at: &Area) -> Result {
        let step = self.step;
        write!(out, "<g data-step=\"{}\"", xml(&step.path))?;
        if let Some(status) = &step.status {
            write!(out, " data-status=\"{}\"", xml(status))?;
        }
        if step.stale {
            out.push_str(" data-stale=\"true\"");
        }
        let told = [step.path.clone(), step.kind_line(), step.status_line()];
        let told: Vec<String> = told.into_iter().filter(|line| !line.is_empty()).collect();
        write!(out, "><title>{}</title>", xml(&told.join(" — ")))?;
        self.write_shape(out, at)?;
        self.write_text(out, at)?;
        out.push_str("</g>\n");
        Ok(())
    }

    fn write_shape(&self, out: &mut String, at: &Area) -> Result {
        let surface = if self.is_dim() { &DIM } else { &CARD };
        let (line, colour, width) = match self.look {
            Some(look) if matches!(look.word, "running" | "waiting" | "failed") => {
                (format!("seg-{}-line", look.word), look.light, 2.0)
            }
            _ => (format!("{}-line", BORDER.class), BORDER.light, 1.2),
        };
        let mut paint = format!(
            "class=\"{} {line}\" fill=\"{}\" stroke=\"{colour}\" stroke-width=\"{width}\"",
            surface.class, surface.light
        );
        if self.is_dim() && !self.step.reused {
            paint.push_str(" stroke-dasharray=\"4 3\"");
        }
        if matches!(self.step.kind.as_str(), "map" | "repeat") {
            for lower in [8.0, 4.0] {
                write_rounded(out, at, lower, &paint)?;
            }
        }
        if self.is_route() {
            let (left, top, right, bottom) = (
                Number(at.x),
                Number(at.y),
                Number(at.right()),
                Number(at.bottom()),
            );
            let (from, to) = (Number(at.x + 14.0), Number(at.right() - 14.0));
            let middle = Number(at.y + at.height / 2.0);
            write!(
                out,
                "<path d=\"M{from} {top}H{to}L{right} {middle}L{to} {bottom}H{from}L{left} {middle}Z\" stroke-linejoin=\"round\" {paint}/>"
            )?;
        } else {
            write_rounded(out, at, 0.0, &paint)?;
        }
        if self.step.stale {
            self.write_hatch(out, at)?;
        }
        if self.step.kind == "pipeline" {
            let inner = Area {
                x: at.x + 3.5,
                y: at.y + 3.5,
                width: at.width - 7.0,
                height: at.height - 7.0,
            };
            write_rounded(
                out,
                &inner,
                0.0,
                &format!("fill=\"none\" {} stroke-width=\"0.8\"", stroked(&BORDER)),
            )?;
        }
        if let (Some(look), false) = (self.look, self.is_route()) {
            let (x, y, height) = (Number(at.x + 6.0), Number(at.y + 11.0), Number(at.height - 22.0));
            let Look { word, light, .. } = look;
            write!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"3.5\" height=\"{height}\" rx=\"1.8\" class=\"seg-{word}\" fill=\"{light}\"/>"
            )?;
        }
        Ok(())
    }

    /// Slanted stripes cut to the card by hand: a pattern would need an id, and ids clash when
    /// several pictures share a page.
    fn write_hatch(&self, out: &mut String, at: &Area) -> Result {
        let inset = if self.is_route() { 14.0 } else { 4.0 };
        let (left, right) = (at.x + inset, at.right() - inset);
        let (top, bottom) = (at.y + 3.0, at.bottom() - 3.0);
        let height = bottom - top;
        out.push_str("<path d=\"");
        let mut foot = left + STRIPE / 2.0;
        while foot < right + height {
            // A stripe runs from (foot, top) down to the left at 45 degrees.
            let (x1, y1) = if foot <= right {
                (foot, top)
            } else {
                (right, top + foot - right)
            };
            let lower = foot - height;
            let (x2, y2) = if lower >= left {
                (lower, bottom)
            } else {
                (left, top + foot - left)
            };
            write!(
                out,
                "M{} {}L{} {}",
                Number(x1),
                Number(y1),
                Number(x2),
                Number(y2)
            )?;
            foot += STRIPE;
        }
        write!(out, "\" fill=\"none\" stroke-width=\"3\" {}/>", stroked(&HATCH))
    }

    fn write_text(&self, out: &mut String, at: &Area) -> Result {
        let x = at.x + MARGIN + self.inset() / 2.0;
        write!(
            out,
            "<path transform=\"translate({} {})\" d=\"{}\" fill=\"none\" stroke-width=\"1.3\" stroke-linecap=\"round\" stroke-linejoin=\"round\" {}/>",
            Number(x),
            Number(at.y + 10.0),
            kind_icon(&self.step.kind),
            stroked(&EDGE),
        )?;
        let small = format!("font-size=\"{SMALL_SIZE}\"");
        write_line(
            out,
            (x + ICON, at.y + 20.0),
            &self.kind,
            &format!("{small} {}", filled(&MUTED)),
        )?;
        let ink = if self.is_dim() { &MUTED } else { &INK };
        let title = format!("font-size=\"{TITLE_SIZE}\" font-weight=\"600\" {}", filled(ink));
        write_line(out, (x, at.y + 40.0), &self.title, &title)?;

        let baseline = at.y + 62.0;
        if !self.status.is_empty() {
            let paint = match self.look {
                Some(look) => format!("class=\"seg-{}\" fill=\"{}\"", look.word, look.light),
                None => filled(&STALE).to_string(),
            };
            let mut start = x;
            if let Some(look) = self.look {
                write_status_icon(out, (x, baseline - 10.0), look)?;
                start += ICON;
            }
            write_line(
                out,
                (start, baseline),
                &self.status,
                &format!("{small} font-weight=\"600\" {paint}"),
            )?;
        }
        let place = if self.note_has_own_line {
            (x, baseline + 20.0)
        } else {
            (x + self.note_start(), baseline)
        };
        write_line(out, place, &self.note, &format!("{small} {}", filled(&MUTED)))
    }
}

fn write_rounded(out: &mut String, at: &Area, lower: f64, paint: &str) -> Result {
    write!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"9\" {paint}/>",
        Number(at.x + lower),
        Number(at.y + lower),
        Number(at.width),
        Number(at.height)
    )
}

fn write_line(out: &mut String, (x, y): (f64, f64), text: &str, paint: &str) -> Result {
    if text.is_empty() {
        return Ok(());
    }
    write!(
        out,
        "<text x=\"{}\" y=\"{}\" {paint}>{}</text>",
        Number(x),
        Number(y),
        xml(text)
    )
}

fn write_status_icon(out: &mut String, (x, y): (f64, f64), look: &Look) -> Result {
    let Look { word, light, .. } = look;
    let (outline, solid) = status_icon(word);
    write!(out, "<g transform=\"translate({} {})\">", Number(x), Number(y))?;
    if !outline.is_empty() {
        write!(
            out,
            "<path d=\"{outline}\" fill=\"none\" stroke-width=\"1.8\" stroke-linecap=\"round\" stroke-linejoin=\"round\" class=\"seg-{word}-line\" stroke=\"{light}\"/>"
        )?;
    }
    if !solid.is_empty() {
        write!(out, "<path d=\"{solid}\" class=\"seg-{word}\" fill=\"{light}\"/>")?;
    }
    out.push_str("</g>");
    Ok(())
}

/// Path data of a status, 12 by 12: what is outlined and what is solid.
fn status_icon(word: &str) -> (&'static str, &'static str) {
    const RING: &str = "M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 1 1 0-9.6";
    match word {
        "ready" => ("M1.5 6H10M6.5 2.5L10 6L6.5 9.5", ""),
        "running" => (RING, "M6 1.2a4.8 4.8 0 0 1 0 9.6z"),
        "waiting" => ("", "M2.2 1.5h2.8v9h-2.8zM7 1.5h2.8v9h-2.8z"),
        "succeeded" => ("M1.5 6.5L4.6 9.8L10.5 2.4", ""),
        "failed" => ("M2 2L10 10M10 2L2 10", ""),
        "skipped" => (
            "M6 1.2a4.8 4.8 0 1 1 0 9.6a4.8 4.8 0 1 1 0-9.6M2.8 9.2L9.2 2.8",
            "",
        ),
        "cancelled" => ("", "M1.8 1.8h8.4v8.4h-8.4z"),
        _ => (RING, ""),
    }
}

/// Path data of a kind, 12 by 12, to be outlined.
fn kind_icon(kind: &str) -> &'static str {
    match kind {
        "function" => "M9 1.6C7 1 6.3 2.3 6 4L5 9C4.6 10.9 3.6 11.2 2.4 10.5M3.6 5H8.4",
        "agent" => {
            "M6 1.2a2.4 2.4 0 1 1 0 4.8a2.4 2.4 0 1 1 0-4.8M1.5 11c.4-2.4 2.2-3.4 4.5-3.4s4.1 1 4.5 3.4"
        }
        "tool" => {
            "M10.6 3.2L8.8 5L7 3.2L8.8 1.4A3.1 3.1 0 0 0 4.7 5.3L1.3 8.7L3.3 10.7L6.7 7.3A3.1 3.1 0 0 0 10.6 3.2Z"
        }
        "route" => "M6 11V7.5M6 7.5L2 2M6 7.5L10 2M2 4.6V2H4.6M10 4.6V2H7.4",
        "handoff" => "M1 4H9M6.8 1.8L9 4L6.8 6.2M11 8.6H3M5.2 6.4L3 8.6L5.2 10.8",
        "map" => "M1.2 1.2h6.6v6.6h-6.6zM10.8 4.2v6.6H4.2",
        "repeat" => "M10.4 6.4a4.4 4.4 0 1 1-1.3-3.5M9.6 .6V3.4H6.8",
        "question" => "M3.6 4.2C3.6 2.4 4.7 1.5 6 1.5S8.4 2.4 8.4 3.9C8.4 5.8 6 5.7 6 7.8M6 10.4V10.5",
        "pipeline" => "M1 1.5h4.4v3.4H1zM6.6 7h4.4v3.4H6.6zM3.2 4.9V8.7H6.6",
        "set" => "M1.5 4.2H10.5M1.5 7.8H10.5",
        _ => "M6 2a4 4 0 1 1 0 8a4 4 0 1 1 0-8",
    }
}
