//! JSON as YAML that people read: maps and lists as blocks, text of several lines as it is.

use serde_json::Value as Json;

use crate::file::yaml::{Resolved, Scalar, Style};

/// Writes a map as a YAML document.
pub(super) fn document(value: &Json) -> String {
    let mut text = String::new();
    if let Json::Object(fields) = value {
        for (key, value) in fields {
            entry(key, value, 0, &mut text);
        }
    }
    text
}

/// `key: value` at a depth, with its line end. What nests here was read or made under the limit of the reader.
fn entry(key: &str, value: &Json, depth: usize, text: &mut String) {
    indent(depth, text);
    text.push_str(&scalar(key));
    text.push(':');
    below(value, depth, text);
}

/// What follows a key or a dash, up to the end of the line or of the block.
fn below(value: &Json, depth: usize, text: &mut String) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            for (key, value) in fields {
                entry(key, value, depth + 1, text);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            text.push('\n');
            for value in items {
                item(value, depth + 1, text);
            }
        }
        Json::String(string) if is_block(string) => block(string, depth + 1, text),
        Json::String(string) => {
            text.push(' ');
            text.push_str(&scalar(string));
            text.push('\n');
        }
        other => {
            text.push(' ');
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

/// `- value`. The first key of a map stands on the line of the dash.
fn item(value: &Json, depth: usize, text: &mut String) {
    indent(depth, text);
    text.push('-');
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (at, (key, value)) in fields.iter().enumerate() {
                if at == 0 {
                    text.push(' ');
                    text.push_str(&scalar(key));
                    text.push(':');
                    below(value, depth + 1, text);
                } else {
                    entry(key, value, depth + 1, text);
                }
            }
        }
        other => below(other, depth, text),
    }
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// Whether a text can stand line by line after `|`.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    let plain = |c: char| c == '\n' || !crate::fault::is_invisible(c) && c != '\u{85}';
    lines.contains('\n')
        && !lines.ends_with('\n')
        && !lines.starts_with([' ', '\n', '\t'])
        && text.chars().all(plain)
        && lines
            .lines()
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

fn block(string: &str, depth: usize, text: &mut String) {
    text.push_str(if string.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in string.lines() {
        if !line.is_empty() {
            indent(depth, text);
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// A text on one line: as it is where nothing else can be meant, else in quotes.
fn scalar(string: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | ' ');
    let is_plain = string.starts_with(|c: char| c.is_ascii_alphabetic())
        && string.chars().all(inner)
        && !string.ends_with(' ')
        && string.len() <= 200;
    let plain = Scalar {
        text: string.into(),
        style: Style::Plain,
    };
    if is_plain && plain.resolve() == Resolved::Str(string) {
        return string.to_owned();
    }
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if crate::fault::is_invisible(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::file::yaml;

    fn back(value: &Json) -> Json {
        let text = document(value);
        match yaml::parse(text.as_bytes(), "t") {
            Ok(doc) => doc.root.to_json(),
            Err(faults) => panic!("{faults}\n{text}"),
        }
    }

    #[test]
    fn text_of_several_lines_stands_line_by_line() {
        let value = json!({"text": "# Title\n\n  - a: b\n", "list": [{"a": 1, "b": ["x", "true"]}, [], {}]});
        let expected = "text: |\n  # Title\n\n    - a: b\nlist:\n  - a: 1\n    b:\n      - x\n      - \"true\"\n  - []\n  - {}\n";
        assert_eq!(document(&value), expected);
        assert_eq!(back(&value), value);
    }

    fn json_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[ -~\n\t\u{0}-\u{1f}äöü\u{85}\u{2028}\u{feff}😀#:|>'\"-]{0,24}".prop_map(Json::from),
            "( ?[a-z:#-]{0,6}\n?){0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::vec(("[ -~]{1,8}", inner), 0..5)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(value in json_value()) {
            let value = json!({"value": value});
            prop_assert_eq!(back(&value), value);
        }
    }
}
