//! What a check finds wrong with a definition: one [`Fault`] per finding, collected in [`Faults`].
//!
//! The file parser, the plan checker and Rust pipelines all report through these two types, so the same finding reads
//! the same on a terminal, in JSON and in the web editor. Nothing here reads a file or decides what is wrong.

mod code;
mod render;
mod source;

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

pub use code::Code;
pub use render::Paint;
pub use source::{Place, Source, Span};

/// The most faults reported for one definition; a page of them is read, a thousand are not.
pub const MAX_FAULTS: usize = 100;

/// The most characters of somebody else's text repeated in a message.
const MAX_QUOTED_CHARS: usize = 80;

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The definition cannot become a plan.
    Error,
    /// The definition works, and is probably not what was meant.
    Warning,
}

/// A second place that belongs to a fault, such as the first of two definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where, in the same file as the fault.
    pub place: Place,
    /// What is there, in the words of a message.
    pub message: String,
}

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault it is; stable across releases.
    pub code: Code,
    /// Whether it stops the definition from becoming a plan.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// The file it is in; none for a definition in Rust.
    pub file: Option<String>,
    /// Where in the file, counted from 1.
    pub place: Option<Place>,
    /// JSON pointer of the value or key at fault; empty for the whole definition.
    pub pointer: String,
    /// The step it belongs to.
    pub step: Option<String>,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
    /// The way out, in words.
    pub hint: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

impl Fault {
    /// A fault of the usual severity of its code, not yet at any place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            file: None,
            place: None,
            pointer: String::new(),
            step: None,
            suggestion: None,
            hint: None,
            related: Vec::new(),
        }
    }

    /// Makes it a warning, for findings that only the start of a run can settle.
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Sets file and place.
    pub fn at(mut self, file: impl Into<String>, place: Place) -> Self {
        self.file = Some(file.into());
        self.place = Some(place);
        self
    }

    /// Sets the JSON pointer.
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = pointer.into();
        self
    }

    /// Names the step it belongs to.
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// Sets the name that was probably meant.
    pub fn suggestion(mut self, name: Option<String>) -> Self {
        self.suggestion = name;
        self
    }

    /// Sets the way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a place that belongs to it.
    pub fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related {
            place,
            message: message.into(),
        });
        self
    }

    /// What a person should read after the message: the hint, else the suggestion as a question.
    pub fn advice(&self) -> Option<String> {
        self.hint.clone().or_else(|| {
            let name = self.suggestion.as_deref()?;
            Some(format!("did you mean {}?", quote(name)))
        })
    }

    /// Files in order of name, then by place; what has no place comes first, in the order it was found.
    fn order(&self) -> (Option<&str>, Option<Place>) {
        (self.file.as_deref(), self.place)
    }
}

/// The fault object of `segue.check/1`.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Fault", 9)?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("severity", &self.severity)?;
        object.serialize_field("message", &self.message)?;
        object.serialize_field("file", &self.file)?;
        object.serialize_field("line", &self.place.map(|place| place.line))?;
        object.serialize_field("column", &self.place.map(|place| place.column))?;
        object.serialize_field("pointer", &self.pointer)?;
        object.serialize_field("step", &self.step)?;
        object.serialize_field("suggestion", &self.suggestion)?;
        object.end()
    }
}

/// The faults of one definition: read in order of place, at most [`MAX_FAULTS`] of them, errors kept before warnings.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// In the order found; trimmed to the cap now and then, so memory stays bounded on hostile input.
    found: Vec<Fault>,
    errors: usize,
    warnings: usize,
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; the very same finding at the same place is kept once.
    pub fn push(&mut self, fault: Fault) {
        if self.found.last() == Some(&fault) {
            return;
        }
        match fault.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        self.found.push(fault);
        if self.found.len() >= 2 * MAX_FAULTS {
            self.trim();
        }
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: Faults) {
        let kept_errors = count(&other.found, Severity::Error);
        let kept_warnings = other.found.len() - kept_errors;
        self.errors += other.errors - kept_errors;
        self.warnings += other.warnings - kept_warnings;
        for fault in other.found {
            self.push(fault);
        }
    }

    /// Whether nothing was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether anything stops the definition from becoming a plan.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether enough errors are held already, so that a finder may leave out costly hints.
    pub fn is_full(&self) -> bool {
        self.errors >= MAX_FAULTS
    }

    /// How many were found, those beyond the cap included.
    pub fn total(&self) -> usize {
        self.errors + self.warnings
    }

    /// Turns warnings into errors, as `--strict` asks.
    pub fn promote_warnings(&mut self) {
        for fault in &mut self.found {
            fault.severity = Severity::Error;
        }
        self.errors += std::mem::take(&mut self.warnings);
    }

    /// At most [`MAX_FAULTS`] faults in order of place.
    pub fn list(&self) -> Vec<&Fault> {
        let mut list: Vec<&Fault> = self.found.iter().collect();
        if list.len() > MAX_FAULTS {
            list.sort_by_key(|fault| (fault.severity, fault.order()));
            list.truncate(MAX_FAULTS);
        }
        list.sort_by_key(|fault| fault.order());
        list.dedup();
        list
    }

    fn trim(&mut self) {
        self.found
            .sort_by(|a, b| (a.severity, a.order()).cmp(&(b.severity, b.order())));
        self.found.truncate(MAX_FAULTS);
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        for fault in faults {
            self.push(fault);
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        let mut faults = Self::new();
        faults.push(fault);
        faults
    }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list())
    }
}

/// One line per fault, as a Rust pipeline shows them.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bullets())
    }
}

impl std::error::Error for Faults {}

/// Somebody else's text in backticks: at most 80 characters, control and bidi characters escaped.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("`");
    for (at, c) in text.chars().enumerate() {
        if at == MAX_QUOTED_CHARS {
            quoted.push('…');
            break;
        }
        push_visible(&mut quoted, c);
    }
    quoted.push('`');
    quoted
}

/// Appends a character, as `\u{…}` where a terminal would act on it instead of showing it.
fn push_visible(text: &mut String, c: char) {
    if is_invisible(c) {
        text.extend(c.escape_unicode());
    } else {
        text.push(c);
    }
}

/// Control characters, line separators, and the marks that reorder text.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn count(faults: &[Fault], severity: Severity) -> usize {
    faults.iter().filter(|fault| fault.severity == severity).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32) -> Place {
        Place { line, column, len: 1 }
    }

    fn fault(code: Code, line: u32) -> Fault {
        Fault::new(code, format!("fault in line {line}")).at("a.yaml", place(line, 1))
    }

    #[test]
    fn faults_are_listed_by_place() {
        let mut faults = Faults::new();
        faults.extend([
            fault(Code::UnknownStep, 9),
            fault(Code::UnusedInput, 2),
            fault(Code::Cycle, 4),
        ]);
        let lines: Vec<_> = faults.list().iter().map(|f| f.place.map(|p| p.line)).collect();
        assert_eq!(lines, [Some(2), Some(4), Some(9)]);
        assert!(faults.has_errors());
    }

    #[test]
    fn the_cap_keeps_errors_and_the_first_places() {
        let mut faults = Faults::new();
        faults.extend((1..=1000).map(|line| fault(Code::UnusedInput, line)));
        assert!(!faults.has_errors());
        faults.extend((1..=1000).rev().map(|line| fault(Code::Cycle, line)));
        let list = faults.list();
        assert_eq!(list.len(), MAX_FAULTS);
        assert!(list.iter().all(|f| f.severity == Severity::Error));
        assert_eq!(list[99].place, Some(place(100, 1)));
        assert_eq!(faults.total(), 2000);
    }

    #[test]
    fn appending_keeps_the_true_count() {
        let mut many = Faults::new();
        many.extend((1..=500).map(|line| fault(Code::Cycle, line)));
        let mut faults = Faults::from(fault(Code::UnusedInput, 1));
        faults.append(many);
        assert_eq!(faults.total(), 501);
    }

    #[test]
    fn strict_makes_warnings_errors() {
        let mut faults = Faults::from(fault(Code::UnusedInput, 1));
        assert!(!faults.has_errors());
        faults.promote_warnings();
        assert!(faults.has_errors());
        assert_eq!(faults.list()[0].severity, Severity::Error);
    }

    #[test]
    fn json_has_the_keys_of_a_fault_object() {
        let fault = Fault::new(Code::UnknownStep, "step `plna` does not exist")
            .at("r.yaml", place(12, 9))
            .pointer("/steps/draft/needs/0")
            .step("draft")
            .suggestion(Some("plan".into()));
        assert_eq!(
            serde_json::to_string(&Faults::from(fault)).expect("strings and numbers serialise"),
            concat!(
                r#"[{"code":"unknown_step","severity":"error","message":"step `plna` does not exist","file":"r.yaml","#,
                r#""line":12,"column":9,"pointer":"/steps/draft/needs/0","step":"draft","suggestion":"plan"}]"#
            )
        );
    }

    #[test]
    fn quoted_text_is_short_and_cannot_drive_a_terminal() {
        assert_eq!(quote("a\u{1b}[2J\u{202e}"), "`a\\u{1b}[2J\\u{202e}`");
        assert_eq!(quote(&"x".repeat(500)).chars().count(), 83);
    }
}
