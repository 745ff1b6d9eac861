//! The query of a list of runs: `status:failed cost>0.1 text:"refund"`.
//!
//! Terms with blanks between them, all of which hold. A term is a field, an operator and a value; a value with blanks
//! stands in double quotes, with `\"` for a quote and `\\` for a backslash in it. Nothing is guessed: an unknown field, an
//! operator that a field does not take and a value that is none are faults, each at its place, all at once.

use segue::fault::{Code, Fault, Faults, Source, Span, quote};
use segue::file::suggest::Nearest;
use segue::store::RunQuery;
use segue::{Nanousd, RunStatus, Time};

use crate::arguments::runs::STATUSES;
use crate::when;

/// What the text is called in faults.
const NAME: &str = "--query";

/// The fields there are, with the operators each takes.
const FIELDS: [(&str, &[&str]); 8] = [
    ("status", &[":"]),
    ("pipeline", &[":"]),
    ("key", &[":"]),
    ("label", &[":"]),
    ("text", &[":"]),
    ("cost", &[">", ">=", "<", "<="]),
    ("since", &[":"]),
    ("until", &[":"]),
];

/// Lays what a text says over a query.
///
/// # Errors
/// Everything that is wrong with it, with the text for whoever shows the places.
pub(super) fn lay(text: &str, query: &mut RunQuery) -> Result<(), (Faults, Source)> {
    let source = Source::new(NAME, text);
    let mut faults = Faults::new();
    let mut at = 0;
    while let Some(found) = next(text, &mut at) {
        let laid = found.and_then(|term| term.meaning()?.lay(query, &term));
        if let Err(wrong) = laid {
            let mut fault = Fault::new(wrong.code, wrong.message).at(NAME, source.place(wrong.span));
            fault.hint = wrong.hint;
            faults.push(fault);
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err((faults, source)),
    }
}

/// What is wrong, and where.
struct Wrong {
    code: Code,
    message: String,
    hint: Option<String>,
    span: Span,
}

impl Wrong {
    fn new(code: Code, message: String, span: Span) -> Self {
        let hint = None;
        Self {
            code,
            message,
            hint,
            span,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A term as it is written.
struct Term<'a> {
    field: &'a str,
    operator: &'a str,
    value: String,
    whole: Span,
    /// Where the value stands.
    of_value: Span,
}

/// A term as it is meant.
enum Meaning {
    Status(Vec<RunStatus>),
    Pipeline(String),
    Key(String),
    Label(String, String),
    Text(String),
    /// Dearer than so many nano-dollars.
    Over(i64),
    /// Cheaper than so many nano-dollars.
    Under(i64),
    Since(Time),
    Until(Time),
}

/// The next term from a place on, which moves behind it.
fn next<'a>(text: &'a str, at: &mut usize) -> Option<Result<Term<'a>, Wrong>> {
    let rest = &text[*at..];
    let start = *at + (rest.len() - rest.trim_start().len());
    *at = start;
    let first = text[start..].chars().next()?;
    if first == '"' {
        let end = value(text, start).map_or(text.len(), |(_, end)| end);
        *at = end;
        let wrong = Wrong::new(
            Code::InvalidInput,
            "a text stands alone, without a field".to_owned(),
            Span::new(start..end),
        );
        return Some(Err(wrong.hint(format!("write `text:{}`", &text[start..end]))));
    }
    let is_field = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let field = until(text, start, |c| !is_field(c));
    let operator = until(text, field, |c| !matches!(c, ':' | '<' | '>' | '=' | '!' | '~'));
    if operator == field {
        let end = until(text, field, char::is_whitespace).max(field);
        *at = end;
        let word = &text[start..end];
        let wrong = Wrong::new(
            Code::InvalidInput,
            format!("{} says nothing of a field", quote(word)),
            Span::new(start..end),
        );
        return Some(Err(
            wrong.hint(format!("write `text:{word}` for runs with that word in them"))
        ));
    }
    match value(text, operator) {
        Some((value, end)) => {
            *at = end;
            Some(Ok(Term {
                field: &text[start..field],
                operator: &text[field..operator],
                value,
                whole: Span::new(start..end),
                of_value: Span::new(operator..end),
            }))
        }
        None => {
            *at = text.len();
            let wrong = Wrong::new(
                Code::InvalidInput,
                "the quote is never closed".to_owned(),
                Span::new(operator..text.len()),
            );
            Some(Err(wrong))
        }
    }
}

/// The end of what goes on until a character is one.
fn until(text: &str, from: usize, is_end: impl Fn(char) -> bool) -> usize {
    text[from..]
        .find(is_end)
        .map_or(text.len(), |length| from + length)
}

/// The value at a place, and where it ends; none for a quote that is never closed.
fn value(text: &str, from: usize) -> Option<(String, usize)> {
    let Some(quoted) = text[from..].strip_prefix('"') else {
        let end = until(text, from, char::is_whitespace);
        return Some((text[from..end].to_owned(), end));
    };
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !is_escaped => {
                // What stands right behind the quote belongs to no term.
                let behind = from + 1 + at + 1;
                let end = until(text, behind, char::is_whitespace);
                value.push_str(&text[behind..end]);
                return Some((value, end));
            }
            '\\' if !is_escaped => {
                is_escaped = true;
                continue;
            }
            '"' | '\\' => value.push(c),
            c => {
                if is_escaped {
                    value.push('\\');
                }
                value.push(c);
            }
        }
        is_escaped = false;
    }
    None
}

impl Term<'_> {
    fn meaning(&self) -> Result<Meaning, Wrong> {
        let Some((_, operators)) = FIELDS.iter().find(|(name, _)| *name == self.field) else {
            let names = FIELDS.iter().map(|(name, _)| *name);
            let message = match self.field {
                "" => format!("{} has no field before it", quote(self.operator)),
                field => format!("there is no field {}", quote(field)),
            };
            let mut wrong = Wrong::new(Code::UnknownField, message, self.whole);
            wrong.hint = Nearest::of(self.field, names, "fields").hint;
            return Err(wrong);
        };
        if !operators.contains(&self.operator) {
            let message = format!("`{}` does not take {}", self.field, quote(self.operator));
            let example = match self.field {
                "cost" => "write `cost>0.10` or `cost<=2`".to_owned(),
                field => format!("write `{field}:…`"),
            };
            return Err(Wrong::new(Code::InvalidInput, message, self.whole).hint(example));
        }
        if self.value.is_empty() {
            let message = format!("`{}{}` has no value", self.field, self.operator);
            return Err(Wrong::new(Code::InvalidInput, message, self.whole));
        }
        let value = self.value.clone();
        Ok(match self.field {
            "status" => Meaning::Status(self.statuses()?),
            "pipeline" => Meaning::Pipeline(value),
            "key" => Meaning::Key(value),
            "label" => match value.split_once('=') {
                Some((name, value)) if !name.is_empty() => Meaning::Label(name.to_owned(), value.to_owned()),
                _ => {
                    let message = format!("{} is not a label", quote(&value));
                    return Err(self.bad_value(message, Some("write `label:name=value`".to_owned())));
                }
            },
            "text" => Meaning::Text(value),
            "cost" => self.cost()?,
            "since" => Meaning::Since(self.moment()?),
            _ => Meaning::Until(self.moment()?),
        })
    }

    fn statuses(&self) -> Result<Vec<RunStatus>, Wrong> {
        let status = |word: &str| {
            let found = STATUSES.into_iter().find(|status| status.as_str() == word);
            found.ok_or_else(|| {
                let words = STATUSES.iter().map(|status| status.as_str());
                let hint = Nearest::of(word, words, "statuses").hint;
                self.bad_value(format!("there is no status {}", quote(word)), hint)
            })
        };
        self.value.split(',').map(status).collect()
    }

    fn cost(&self) -> Result<Meaning, Wrong> {
        let amount = Nanousd::parse_dollars(&self.value);
        let amount = amount.map_err(|error| self.bad_value(error.to_string(), None))?;
        let nanos = amount.nanos();
        Ok(match self.operator {
            ">" => Meaning::Over(nanos),
            // Amounts are whole nano-dollars.
            ">=" => Meaning::Over(nanos.saturating_sub(1)),
            "<" => Meaning::Under(nanos),
            _ => Meaning::Under(nanos.saturating_add(1)),
        })
    }

    fn moment(&self) -> Result<Time, Wrong> {
        when::back_or_at(&self.value).map_err(|why| self.bad_value(why.message, why.hint))
    }

    fn bad_value(&self, message: String, hint: Option<String>) -> Wrong {
        Wrong {
            code: Code::InvalidInput,
            message,
            hint,
            span: self.of_value,
        }
    }
}

impl Meaning {
    /// Says it to a query, in which it has to be new.
    fn lay(self, query: &mut RunQuery, term: &Term<'_>) -> Result<(), Wrong> {
        fn put<T>(slot: &mut Option<T>, value: T) -> bool {
            let is_new = slot.is_none();
            slot.get_or_insert(value);
            is_new
        }
        let is_new = match self {
            Meaning::Status(statuses) => {
                let is_new = query.status.is_empty();
                query.status.extend(statuses);
                is_new
            }
            Meaning::Pipeline(name) => put(&mut query.pipeline, name),
            Meaning::Key(key) => put(&mut query.key, key),
            Meaning::Label(name, value) => query.labels.insert(name, value).is_none(),
            Meaning::Text(text) => {
                query.texts.push(text);
                true
            }
            Meaning::Over(nanos) => put(&mut query.cost_over, nanos),
            Meaning::Under(nanos) => put(&mut query.cost_under, nanos),
            Meaning::Since(time) => put(&mut query.from, time),
            Meaning::Until(time) => put(&mut query.to, time),
        };
        if is_new {
            return Ok(());
        }
        let message = format!("`{}` is said twice", term.field);
        let hint = match term.field {
            "status" => "one of several: `status:failed,waiting`",
            _ => "all terms and flags hold, so one of them is enough",
        };
        Err(Wrong::new(Code::Conflict, message, term.whole).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use segue::fault::Paint;

    use super::*;

    fn meant(text: &str) -> RunQuery {
        let mut query = RunQuery::newest(20);
        if let Err((faults, source)) = lay(text, &mut query) {
            let source = |name: &str| (name == NAME).then_some(&source);
            panic!("{}", faults.render(source, Paint::Plain));
        }
        query
    }

    /// Messages with their columns.
    fn refused(text: &str) -> Vec<String> {
        let mut query = RunQuery::newest(20);
        let (faults, _) = lay(text, &mut query).expect_err(text);
        let place = |fault: &Fault| fault.place.map_or(0, |place| place.column);
        faults
            .list()
            .into_iter()
            .map(|fault| format!("{}: {}", place(fault), fault.message))
            .collect()
    }

    #[test]
    fn terms_all_hold() {
        let query = meant(
            "  status:failed,waiting cost>0.1  cost<=2 text:\"refund \\\"now\\\"\" text:late pipeline:p key:k label:a=b=c ",
        );
        assert_eq!(query.status, [RunStatus::Failed, RunStatus::Waiting]);
        assert_eq!(
            (query.cost_over, query.cost_under),
            (Some(100_000_000), Some(2_000_000_001))
        );
        assert_eq!(query.texts, ["refund \"now\"", "late"]);
        assert_eq!(
            (query.pipeline.as_deref(), query.key.as_deref()),
            (Some("p"), Some("k"))
        );
        assert_eq!(query.labels.get("a").map(String::as_str), Some("b=c"));
        assert_eq!(meant(""), RunQuery::newest(20));
        assert_eq!(meant("cost>=$0.10").cost_over, Some(99_999_999));
        assert_eq!(
            meant("until:2026-03-01").to,
            Some(Time::from_micros(1_772_323_200_000_000))
        );
        assert_eq!(meant("text:a\\b text:\"c\\d\"").texts, ["a\\b", "c\\d"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("staus:failed", vec!["1: there is no field `staus`"]),
            ("status:faild", vec!["8: there is no status `faild`"]),
            ("status:failed,x", vec!["8: there is no status `x`"]),
            ("status>failed", vec!["1: `status` does not take `>`"]),
            ("cost:1", vec!["1: `cost` does not take `:`"]),
            ("cost=1", vec!["1: `cost` does not take `=`"]),
            ("cost<>1", vec!["1: `cost` does not take `<>`"]),
            ("cost>", vec!["1: `cost>` has no value"]),
            ("text:", vec!["1: `text:` has no value"]),
            ("refund", vec!["1: `refund` says nothing of a field"]),
            (
                "status:failed refund",
                vec!["15: `refund` says nothing of a field"],
            ),
            ("\"a b\"", vec!["1: a text stands alone, without a field"]),
            (":failed", vec!["1: `:` has no field before it"]),
            ("text:\"open", vec!["6: the quote is never closed"]),
            ("label:alone", vec!["7: `alone` is not a label"]),
            ("since:soon", vec!["7: `soon` is neither a duration nor a time"]),
            ("status:failed status:waiting", vec!["15: `status` is said twice"]),
            ("label:a=1 label:a=2", vec!["11: `label` is said twice"]),
            (
                "staus:x cost>a é:1",
                vec![
                    "1: there is no field `staus`",
                    "14: `a` is not an amount of dollars; write it like `0.50`, without sign or exponent",
                    "16: there is no field `é`",
                ],
            ),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_any_text_is_read() {
        let mut query = RunQuery::newest(1);
        let (faults, source) = lay("sttus:failed", &mut query).expect_err("no such field");
        let shown = faults.render(|name| (name == NAME).then_some(&source), Paint::Plain);
        assert!(
            shown.contains("hint: did you mean `status`?") && shown.contains("--query:1:1"),
            "{shown}"
        );
        for text in [
            "\"",
            "\\",
            "a:\"\\",
            "💥",
            "💥:💥",
            ">",
            "a:\u{1b}",
            "text:\"a\"b",
            "::",
            "\u{a0}x",
        ] {
            let _ = lay(text, &mut RunQuery::newest(1));
        }
    }
}
