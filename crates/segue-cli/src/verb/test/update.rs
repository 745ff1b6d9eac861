//! Updating: what there is, written in the place of plain values that were expected. The rest of the file stays as it is,
//! byte for byte.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use segue::case::{Ending, Suite};
use segue::file::yaml;
use serde_json::Value as Json;

use super::Tested;
use crate::problem::Problem;
use crate::saving::Saving;

/// Writes the values of the cases of a file. A case that has nothing else against it has passed.
///
/// # Errors
/// When the file cannot be written, or has changed meanwhile.
pub(crate) fn write(suite: &Suite, tested: &mut [Tested]) -> Result<(), Problem> {
    let path = Path::new(&suite.name);
    let unread =
        |error: std::io::Error| Problem::usage(format!("{} cannot be read: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(unread)?;
    // Places are counted without the mark that some editors begin files with.
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let Ok(mut text) = String::from_utf8(bytes[mark..].to_vec()) else {
        return Err(Problem::usage(format!("{} is not UTF-8", path.display())));
    };
    if text != suite.text() {
        return Err(Problem::usage(format!(
            "{} has changed meanwhile",
            path.display()
        )));
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for case in tested
        .iter_mut()
        .filter(|case| case.report.ending == Ending::Failed)
    {
        let before = case.report.unmet.len();
        case.report
            .unmet
            .retain(|unmet| match (&unmet.plain, &unmet.got) {
                (Some(span), got) if !got.is_null() => {
                    let written = text.get(span.range()).unwrap_or_default();
                    edits.push((span.range(), anew(written, got)));
                    false
                }
                _ => true,
            });
        case.updated = before - case.report.unmet.len();
        if case.report.unmet.is_empty() {
            case.report.ending = Ending::Passed;
        }
    }
    if edits.is_empty() {
        return Ok(());
    }
    edits.sort_by_key(|(range, _)| range.start);
    for (range, value) in edits.iter().rev() {
        text.replace_range(range.clone(), value);
    }
    if let Err(faults) = yaml::parse(text.as_bytes(), &suite.name) {
        let message = format!("{} would not be YAML any more: {faults}", path.display());
        return Err(Problem::new(segue::ErrorKind::Internal, message));
    }
    let unwritten =
        |error: std::io::Error| Problem::usage(format!("{} cannot be written: {error}", path.display()));
    let mut saving = Saving::begin(path, true)?;
    saving.write_all(&bytes[..mark]).map_err(unwritten)?;
    saving.write_all(text.as_bytes()).map_err(unwritten)?;
    saving.end()
}

/// A value as the file has it: a plain word stays one, everything else is JSON.
fn anew(written: &str, value: &Json) -> String {
    let was_plain = written.starts_with(|c: char| c.is_ascii_alphabetic());
    match value {
        Json::String(text) if was_plain && is_word(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Whether a text can stand without quotes, also between brackets.
fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let is_other = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off"
    );
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner) && !is_other
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::anew;

    #[test]
    fn words_stay_plain_and_the_rest_is_json() {
        for (written, value, expected) in [
            ("simple", json!("complex"), "complex"),
            ("\"simple\"", json!("complex"), "\"complex\""),
            ("simple", json!("two words"), "\"two words\""),
            ("simple", json!("true"), "\"true\""),
            ("1", json!(2.5), "2.5"),
            ("[]", json!(["a", {"b": 1}]), "[\"a\",{\"b\":1}]"),
        ] {
            assert_eq!(anew(written, &value), expected);
        }
    }
}
