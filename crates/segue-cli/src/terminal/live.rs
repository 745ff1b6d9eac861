//! A region at the end of the terminal that is drawn again and again in place.

use console::measure_text_width;

use super::write;

/// Begins and ends a frame that a terminal shows at once, where it knows how to.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// Lines that the next frame replaces. The cursor is hidden until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Widths of the lines on the screen.
    drawn: Vec<usize>,
    is_hidden: bool,
}

impl Live {
    /// Replaces what was drawn before, below lines that stay where they are from now on.
    pub(crate) fn draw(&mut self, above: &[String], lines: &[String], columns: usize) {
        let mut frame = String::from(BEGIN);
        if !self.is_hidden {
            frame.push_str("\u{1b}[?25l");
            self.is_hidden = true;
        }
        self.rewind(&mut frame, columns);
        for line in above.iter().chain(lines) {
            frame.push_str("\u{1b}[2K");
            frame.push_str(line);
            frame.push('\n');
        }
        frame.push_str("\u{1b}[J");
        frame.push_str(END);
        write(&frame);
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
    }

    /// Takes away what was drawn; what follows begins in its place.
    pub(crate) fn clear(&mut self, columns: usize) {
        let mut frame = String::new();
        self.rewind(&mut frame, columns);
        frame.push_str("\u{1b}[J");
        self.show_cursor(&mut frame);
        write(&frame);
        self.drawn.clear();
    }

    /// Leaves what was drawn where it is.
    pub(crate) fn leave(&mut self) {
        let mut frame = String::new();
        self.show_cursor(&mut frame);
        write(&frame);
        self.drawn.clear();
    }

    /// Back to the first line; a terminal that became narrower has broken long lines.
    fn rewind(&self, frame: &mut String, columns: usize) {
        let rows: usize = self
            .drawn
            .iter()
            .map(|width| width.div_ceil(columns.max(1)).max(1))
            .sum();
        if rows > 0 {
            frame.push_str(&format!("\r\u{1b}[{rows}A"));
        }
    }

    fn show_cursor(&mut self, frame: &mut String) {
        if std::mem::take(&mut self.is_hidden) {
            frame.push_str("\u{1b}[?25h");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leave();
    }
}
