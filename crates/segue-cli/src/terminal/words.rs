//! Words: numbers, durations and other people's text as they are printed.

use std::time::Duration;

use segue::Usage;
use segue::money::Cost;
use serde_json::Value as Json;

/// Characters of an output that are shown in passing.
const MAX_PREVIEW_CHARS: usize = 100;

/// A duration in the two largest units that say enough.
pub(crate) fn duration(duration: Duration) -> String {
    let (ms, secs) = (duration.as_millis(), duration.as_secs());
    match secs {
        0 => format!("{ms} ms"),
        1..60 => format!("{secs}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

/// A duration that is still growing: in tenths of a second, so that it does not flicker.
pub(crate) fn elapsed(so_far: Duration) -> String {
    match so_far.as_secs() {
        0 => format!("0.{} s", so_far.as_millis() / 100),
        _ => duration(so_far),
    }
}

/// A count with thousands apart.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// Tokens in few cells.
pub(crate) fn tokens(usage: &Usage) -> String {
    match usage.total_tokens() {
        0 => String::new(),
        tokens @ 0..10_000 => format!("{} tok", count(tokens)),
        tokens @ 0..1_000_000 => format!("{}.{}k tok", tokens / 1000, tokens % 1000 / 100),
        tokens => format!("{}.{}M tok", tokens / 1_000_000, tokens % 1_000_000 / 100_000),
    }
}

/// Tokens in a column that says so.
pub(crate) fn bare_tokens(usage: &Usage) -> String {
    tokens(usage).trim_end_matches(" tok").to_owned()
}

/// A length in bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 1_000_000 && unit + 1 < UNITS.len() {
        whole /= 1000;
        unit += 1;
    }
    match whole / 1000 {
        thousands @ 0..100 => format!("{thousands}.{} {}", whole % 1000 / 100, UNITS[unit]),
        thousands => format!("{thousands} {}", UNITS[unit]),
    }
}

/// How long ago something was; days are the largest unit.
pub(crate) fn ago(since: Duration) -> String {
    match since.as_secs() {
        0..5 => "just now".to_owned(),
        secs @ 5..60 => format!("{secs} s ago"),
        secs @ 60..3600 => format!("{} min ago", secs / 60),
        secs @ 3600..86_400 => format!("{} h ago", secs / 3600),
        secs => format!("{} ago", plural(secs / 86_400, "day")),
    }
}

/// What was spent; nothing where no call was made.
pub(crate) fn dollars(usage: &Usage, cost: &Cost) -> String {
    match usage.requests == 0 && cost.is_zero() {
        true => String::new(),
        false => cost.nanousd.human().to_string(),
    }
}

/// Somebody else's text on one line: what a terminal would act on is spelled out.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c => push_visible(&mut shown, c),
        }
    }
    shown
}

/// Somebody else's text that keeps its lines.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c => push_visible(&mut shown, c),
        }
    }
    shown
}

/// A value in passing: short text as it is, the size of what is large.
pub(crate) fn preview(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::String(text) => {
            let line = text
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            one_line(
                &line
                    .trim_start_matches('#')
                    .chars()
                    .take(MAX_PREVIEW_CHARS)
                    .collect::<String>(),
            )
        }
        Json::Array(list) => plural(list.len() as u64, "item"),
        Json::Object(fields) => {
            let parts = fields.iter().take(4).map(|(name, value)| match value {
                Json::Array(list) => format!("{} {}", count(list.len() as u64), one_line(name)),
                Json::Object(_) => one_line(name),
                Json::String(text) if text.chars().count() > 24 || text.contains('\n') => one_line(name),
                value => format!("{}: {}", one_line(name), preview(value)),
            });
            let shown = parts.collect::<Vec<_>>().join(", ");
            if fields.len() > 4 {
                format!("{shown}, …")
            } else {
                shown
            }
        }
        value => value.to_string(),
    }
}

fn push_visible(shown: &mut String, c: char) {
    let is_hidden = c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    match is_hidden {
        true => shown.extend(c.escape_unicode()),
        false => shown.push(c),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_short() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1250, "1.2 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn lengths_have_the_unit_that_says_enough() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (4_149, "4.1 kB"),
            (99_999, "99.9 kB"),
            (123_456, "123 kB"),
            (1_000_000, "1.0 MB"),
            (5_300_000_000, "5.3 GB"),
            (u64::MAX, "18446 PB"),
        ] {
            assert_eq!(super::bytes(bytes), text);
        }
    }

    #[test]
    fn times_ago_are_round() {
        for (secs, text) in [
            (0, "just now"),
            (59, "59 s ago"),
            (3599, "59 min ago"),
            (7200, "2 h ago"),
            (86_400, "1 day ago"),
            (8_640_000, "100 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn text_of_others_cannot_drive_a_terminal() {
        assert_eq!(one_line(" a\u{1b}[2J\nb\u{202e} "), "a\\u{1b}[2J b\\u{202e}");
        assert_eq!(visible("a\nb\u{7}"), "a\nb\\u{7}");
    }

    #[test]
    fn a_preview_is_one_short_line() {
        for (value, text) in [
            (json!("business"), "business"),
            (json!("\n\nfirst\nsecond"), "first"),
            (json!({"entities": ["a", "b"]}), "2 entities"),
            (json!({"score": 0.6, "note": "x"}), "score: 0.6, note: x"),
            (json!([1, 2]), "2 items"),
            (json!(null), "nothing"),
        ] {
            assert_eq!(preview(&value), text);
        }
    }
}
