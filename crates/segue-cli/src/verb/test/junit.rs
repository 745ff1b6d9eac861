//! The results as JUnit has them, for whoever collects those of many tools.

use std::io::Write;
use std::path::Path;

use segue::case::Ending;

use super::Tested;
use crate::problem::Problem;
use crate::saving::Saving;

/// Writes the file, as a whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, tested: &[Tested]) -> Result<(), Problem> {
    let mut saving = Saving::begin(path, true)?;
    saving
        .write_all(text(tested).as_bytes())
        .map_err(|error| Problem::usage(format!("{} cannot be written: {error}", path.display())))?;
    saving.end()
}

fn text(tested: &[Tested]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let mut rest = tested;
    while let Some(first) = rest.first() {
        let end = rest
            .iter()
            .position(|case| case.file != first.file)
            .unwrap_or(rest.len());
        let (of_file, later) = rest.split_at(end);
        suite(of_file, &first.file, &mut text);
        rest = later;
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(cases: &[Tested], file: &str, text: &mut String) {
    let number = |wanted: &[Ending]| {
        cases
            .iter()
            .filter(|case| wanted.contains(&case.report.ending))
            .count()
    };
    let took: f64 = cases.iter().map(|case| case.took.as_secs_f64()).sum();
    text.push_str(&format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{took:.3}\">\n",
        escaped(file),
        cases.len(),
        number(&[Ending::Failed]),
        number(&[Ending::Missed, Ending::Error]),
    ));
    for case in cases {
        let (name, took) = (escaped(&case.name), case.took.as_secs_f64());
        let head = format!(
            "    <testcase classname=\"{}\" name=\"{name}\" time=\"{took:.3}\"",
            escaped(file)
        );
        let report = &case.report;
        let mut said: Vec<String> = report.errors.clone();
        said.extend(report.miss.as_ref().map(|miss| miss.message.clone()));
        let unmet = report.unmet.iter();
        said.extend(unmet.map(|unmet| format!("{}: want {}, got {}", unmet.expect, unmet.want, unmet.got)));
        let tag = match report.ending {
            Ending::Passed => {
                text.push_str(&format!("{head}/>\n"));
                continue;
            }
            Ending::Failed => "failure",
            Ending::Missed | Ending::Error => "error",
        };
        let first = said.first().map(|first| escaped(first)).unwrap_or_default();
        text.push_str(&format!(
            "{head}>\n      <{tag} message=\"{first}\">{}</{tag}>\n    </testcase>\n",
            escaped(&said.join("\n"))
        ));
    }
    text.push_str("  </testsuite>\n");
}

/// Text that stands in an attribute or between tags. XML has no way at all to say most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push('\t'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                escaped.extend(c.escape_unicode());
            }
            c => escaped.push(c),
        }
    }
    escaped
}
