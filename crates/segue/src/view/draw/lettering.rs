//! Foreign text made safe to show, and how much room it takes.
//!
//! Every format passes titles, paths, labels and notes through [`visible`] before its own escaping.

use std::fmt::Write;

/// `text` with every character that is invisible, or changes how others are shown, as `\u{…}`.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Terminal cells `text` takes: two for East Asian wide characters and emoji, none for combining marks.
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(cell_width).sum()
}

/// `text`, or its beginning and `…`, in at most `limit` cells.
pub(super) fn cut_to_cells(text: &str, limit: usize) -> String {
    cut(text, limit as f64, |c| cell_width(c) as f64, 1.0)
}

/// Width of `text` in ems of a typical sans-serif face, a little generous.
pub(super) fn ems(text: &str) -> f64 {
    text.chars().map(em_width).sum()
}

/// `text`, or its beginning and `…`, in at most `limit` ems.
pub(super) fn cut_to_ems(text: &str, limit: f64) -> String {
    cut(text, limit, em_width, em_width('…'))
}

fn cut(text: &str, limit: f64, width: impl Fn(char) -> f64, ellipsis: f64) -> String {
    if text.chars().map(&width).sum::<f64>() <= limit {
        return text.to_owned();
    }
    let mut used = ellipsis;
    let fits = |c: &char| {
        used += width(*c);
        used <= limit
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

fn cell_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' => 0,
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

fn em_width(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.32,
        ' ' | 'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '/' | '-' | '·' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' | '…' => 0.98,
        'A'..='Z' | '_' | '&' | '$' | '#' | '+' | '=' => 0.72,
        _ => match cell_width(c) {
            0 => 0.0,
            1 => 0.61,
            _ => 1.05,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out() {
        assert_eq!(
            visible("a\u{202e}b\n\u{7}\u{200b}"),
            "a\\u{202e}b\\u{a}\\u{7}\\u{200b}"
        );
        assert_eq!(visible("naïve 日本 👍"), "naïve 日本 👍");
    }

    #[test]
    fn cutting_keeps_within_the_limit() {
        assert_eq!(cut_to_cells("draft", 5), "draft");
        assert_eq!(cut_to_cells("drafting", 5), "draf…");
        assert_eq!(cut_to_cells("日本語です", 6), "日本…");
        assert_eq!(cells(&cut_to_cells("日本語です", 6)), 5);
        assert!(ems(&cut_to_ems("a rather long title indeed", 6.0)) <= 6.0);
    }
}
