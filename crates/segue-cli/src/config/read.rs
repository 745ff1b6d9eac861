//! Reading one file of configuration: every fault at once, each with its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::fault::{Code, Fault, Faults, Source, Span, quote};
use segue::file::scalar::{duration_text, size_text};
use segue::file::suggest::Nearest;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value as Toml};

use super::keys::{self, Takes};
use super::{Origin, Setting, Value};
use crate::problem::Problem;

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Who chose a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Whoever gave the command named it.
    Named,
    /// It lies in the project, and came with it.
    Project,
    /// It is the user's own.
    User,
}

/// What one file says.
#[derive(Debug)]
pub(crate) struct Layer {
    path: PathBuf,
    level: Level,
    /// The text that was read: what is judged is what holds, whatever the file becomes meanwhile.
    source: Source,
    /// By key, names that the operator chose included; of the tables of a list, with their number.
    said: BTreeMap<Vec<String>, (Value, u32)>,
    /// Every table it opens, also one in which nothing stands, with its line.
    tables: BTreeMap<Vec<String>, u32>,
}

/// One table with a name of the operator's, or of a list.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    values: BTreeMap<String, Value>,
    /// Where it is.
    pub(crate) origin: Origin,
}

impl Found {
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Option<&[String]> {
        match self.values.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// The texts in a table of this one, by the names the operator gave them.
    pub(crate) fn texts_in<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(move |(path, value)| {
            let name = path.strip_prefix(table)?.strip_prefix('.')?;
            match value {
                Value::Text(text) => Some((name, text.as_str())),
                _ => None,
            }
        })
    }
}

impl Layer {
    /// Reads a file; none when there is none.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(path: &Path, level: Level) -> Result<Option<Self>, Problem> {
        let shown = path.display().to_string();
        let unread = |why: String| {
            let message = format!("configuration file {} cannot be read: {why}", quote(&shown));
            Problem::new(ErrorKind::Usage, message)
        };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error.to_string())),
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(unread(format!("it has more than {MAX_BYTES} bytes")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| unread(error.to_string()))?;
        let source = Source::new(shown.clone(), text);
        let mut reading = Reading {
            source: &source,
            faults: Faults::new(),
            said: BTreeMap::new(),
            tables: BTreeMap::new(),
        };
        reading.file();
        let Reading {
            faults, said, tables, ..
        } = reading;
        if faults.has_errors() {
            return Err(Problem::config(&shown, faults, source));
        }
        let path = path.to_owned();
        Ok(Some(Self {
            path,
            level,
            source,
            said,
            tables,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Everything it says, each with its path and line.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[String], &Value, u32)> {
        self.said
            .iter()
            .map(|(path, (value, line))| (path.as_slice(), value, *line))
    }

    pub(super) fn said(&self, key: &str) -> Option<Setting> {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let (value, line) = self.said.get(&path)?;
        Some(Setting {
            value: value.clone(),
            origin: Origin::File(self.path.clone(), *line),
        })
    }

    /// Where it opens a table.
    pub(super) fn table(&self, name: &str) -> Option<Origin> {
        let line = self.tables.get([name.to_owned()].as_slice())?;
        Some(Origin::File(self.path.clone(), *line))
    }

    /// The tables right under a key. What stands in a table of theirs has a path, such as `env.LEVEL`.
    pub(super) fn named(&self, key: &str) -> BTreeMap<String, Found> {
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        for (path, line) in &self.tables {
            if let [first, name] = path.as_slice()
                && first == key
            {
                let origin = Origin::File(self.path.clone(), *line);
                let values = BTreeMap::new();
                found.insert(name.clone(), Found { values, origin });
            }
        }
        for (path, (value, line)) in &self.said {
            let [first, name, fields @ ..] = path.as_slice() else {
                continue;
            };
            if first != key || fields.is_empty() {
                continue;
            }
            let table = found.entry(name.clone()).or_insert_with(|| Found {
                values: BTreeMap::new(),
                origin: Origin::File(self.path.clone(), *line),
            });
            // Where it is, is where its first key is; its own line counts where it has none.
            if let Origin::File(_, first) = &mut table.origin {
                *first = if table.values.is_empty() {
                    *line
                } else {
                    (*first).min(*line)
                };
            }
            table.values.insert(fields.join("."), value.clone());
        }
        found
    }

    /// The tables of a list, in their order.
    pub(super) fn listed(&self, key: &str) -> Vec<Found> {
        let numbered = self.named(key).into_iter();
        let mut found: Vec<(u32, Found)> = numbered
            .filter_map(|(number, table)| Some((number.parse().ok()?, table)))
            .collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, table)| table).collect()
    }
}

struct Reading<'s> {
    source: &'s Source,
    faults: Faults,
    said: BTreeMap<Vec<String>, (Value, u32)>,
    tables: BTreeMap<Vec<String>, u32>,
}

impl Reading<'_> {
    fn file(&mut self) {
        match DeTable::parse(self.source.text()) {
            Ok(table) => self.table(table.get_ref(), &mut Vec::new(), &mut Vec::new()),
            Err(error) => {
                let span = error.span().map_or(Span::default(), Span::new);
                let message = error.message().trim_end().to_owned();
                self.fault(Fault::new(Code::TomlSyntax, message), span);
            }
        }
    }

    /// `at` is where the table is, `known` the same as the keys have it.
    fn table(&mut self, table: &DeTable<'_>, at: &mut Vec<String>, known: &mut Vec<String>) {
        for (name, value) in table {
            let span = Span::new(name.span());
            at.push(name.get_ref().to_string());
            known.push(name.get_ref().to_string());
            self.entry(span, value, at, known);
            at.pop();
            known.pop();
        }
    }

    fn entry(
        &mut self,
        name: Span,
        value: &Spanned<DeValue<'_>>,
        at: &mut Vec<String>,
        known: &mut Vec<String>,
    ) {
        let path: Vec<&str> = known.iter().map(String::as_str).collect();
        if let Some(key) = keys::find(&path) {
            let plain = plain(value.get_ref());
            match plain
                .ok_or_else(|| needs(key.takes))
                .and_then(|plain| value_of(key.takes, &plain))
            {
                Ok(value) => {
                    let line = self.source.place(name).line;
                    self.said.insert(at.clone(), (value, line));
                }
                Err((code, needs)) => {
                    let message = format!("`{}` {needs}", at.join("."));
                    self.fault(Fault::new(code, message), Span::new(value.span()));
                }
            }
            return;
        }
        let below = keys::below(&path);
        match value.get_ref() {
            DeValue::Table(table) if !below.is_empty() && below != ["[]"] => {
                self.tables.insert(at.clone(), self.source.place(name).line);
                self.table(table, at, known);
            }
            DeValue::Array(tables) if below == ["[]"] => {
                for (number, table) in tables.iter().enumerate() {
                    let DeValue::Table(table) = table.get_ref() else {
                        let message = format!("`{}` is a list of tables", at.join("."));
                        self.fault(Fault::new(Code::WrongType, message), Span::new(value.span()));
                        return;
                    };
                    at.push(number.to_string());
                    known.push("[]".to_owned());
                    self.table(table, at, known);
                    at.pop();
                    known.pop();
                }
            }
            _ if !below.is_empty() => {
                let form = if below == ["[]"] {
                    format!("[[{}]]", at.join("."))
                } else {
                    format!("[{}]", at.join("."))
                };
                let message = format!("`{}` is a table", at.join("."));
                let fault =
                    Fault::new(Code::WrongType, message).hint(format!("write `{form}` and its keys below"));
                self.fault(fault, Span::new(value.span()));
            }
            _ => self.unknown(name, at, known),
        }
    }

    fn unknown(&mut self, span: Span, at: &[String], known: &[String]) {
        let (name, around) = (
            at.last().map(String::as_str).unwrap_or_default(),
            &at[..at.len() - 1],
        );
        let path: Vec<&str> = known[..known.len() - 1].iter().map(String::as_str).collect();
        let names: Vec<&str> = keys::below(&path)
            .into_iter()
            .filter(|name| *name != "*")
            .collect();
        let place = if around.is_empty() {
            "the file".to_owned()
        } else {
            format!("`[{}]`", around.join("."))
        };
        let fault = Fault::new(Code::UnknownKey, format!("{place} has no key {}", quote(name)));
        let nearest = Nearest::of(name, names, "keys");
        let fault = fault.suggestion(nearest.suggestion);
        let fault = match nearest.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
        self.fault(fault, span);
    }

    fn fault(&mut self, fault: Fault, span: Span) {
        self.faults
            .push(fault.at(self.source.name(), self.source.place(span)));
    }
}

/// A value without its place.
fn plain(value: &DeValue<'_>) -> Option<Toml> {
    match value {
        DeValue::String(text) => Some(Toml::String(text.to_string())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix())
                .ok()
                .map(Toml::Integer)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok().map(Toml::Float),
        DeValue::Boolean(truth) => Some(Toml::Boolean(*truth)),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| plain(item.get_ref()));
            items.collect::<Option<_>>().map(Toml::Array)
        }
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), plain(value.get_ref())?)));
            entries.collect::<Option<_>>().map(Toml::Table)
        }
        DeValue::Datetime(_) => None,
    }
}

/// A value of the file as JSON.
fn json(value: &Toml) -> Option<Json> {
    Some(match value {
        Toml::String(text) => Json::String(text.clone()),
        Toml::Integer(number) => (*number).into(),
        Toml::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Toml::Boolean(truth) => (*truth).into(),
        Toml::Array(items) => items.iter().map(json).collect::<Option<_>>()?,
        Toml::Table(table) => {
            let entries = table
                .iter()
                .map(|(name, value)| Some((name.clone(), json(value)?)));
            Json::Object(entries.collect::<Option<_>>()?)
        }
        Toml::Datetime(_) => return None,
    })
}

type Wrong = (Code, String);

fn needs(takes: Takes) -> Wrong {
    let what = match takes {
        Takes::Text => "needs text".to_owned(),
        Takes::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            format!("needs {}", words.join(" or "))
        }
        Takes::Count(least, most) => format!("needs an integer from {least} to {most}"),
        Takes::Size => "needs a size such as `\"64KiB\"`".to_owned(),
        Takes::Duration => "needs a duration such as `\"90d\"`".to_owned(),
        Takes::Money => "needs dollars as text, such as `\"0.25\"`".to_owned(),
        Takes::TextOrTexts => "needs text, or a list of texts".to_owned(),
        Takes::Truth => "needs `true` or `false`".to_owned(),
        Takes::Texts => "needs a list of texts, such as `[\"a\", \"b\"]`".to_owned(),
        Takes::Counts(least, most, word) => {
            format!("needs a list of integers from {least} to {most}, or `\"{word}\"`")
        }
        Takes::Type => "needs a type, such as `{ text = \"string\" }`".to_owned(),
    };
    (Code::WrongType, what)
}

/// What a value is to a key.
///
/// # Errors
/// What the key needs instead.
pub(super) fn value_of(takes: Takes, value: &Toml) -> Result<Value, Wrong> {
    let wrong = || needs(takes);
    match (takes, value) {
        (Takes::Text, Toml::String(text)) => Ok(Value::Text(text.clone())),
        (Takes::Words(words), Toml::String(text)) if words.contains(&text.as_str()) => {
            Ok(Value::Text(text.clone()))
        }
        (Takes::Count(least, most), Toml::Integer(number)) => match u64::try_from(*number) {
            Ok(count) if (least..=most).contains(&count) => Ok(Value::Count(count)),
            _ => Err((Code::NumberRange, needs(takes).1)),
        },
        (Takes::Size, Toml::String(text)) => size_text(text).map(Value::Size).map_err(|_| wrong()),
        (Takes::Duration, Toml::String(text)) => {
            duration_text(text).map(Value::Duration).map_err(|_| wrong())
        }
        (Takes::Truth, Toml::Boolean(truth)) => Ok(Value::Truth(*truth)),
        (Takes::Texts, Toml::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Value::Texts).ok_or_else(wrong)
        }
        (Takes::Counts(_, _, word), Toml::String(text)) if text == word => Ok(Value::Text(text.clone())),
        (Takes::Counts(least, most, _), Toml::Array(items)) => {
            let counts = items.iter().map(|item| u64::try_from(item.as_integer()?).ok());
            match counts.collect::<Option<Vec<_>>>() {
                Some(counts) if counts.iter().all(|count| (least..=most).contains(count)) => {
                    Ok(Value::Counts(counts))
                }
                Some(_) => Err((Code::NumberRange, needs(takes).1)),
                None => Err(wrong()),
            }
        }
        (Takes::Type, value) => json(value).map(Value::Type).ok_or_else(wrong),
        (Takes::Money, Toml::String(text)) => text.parse().map(Value::Money).map_err(|_| wrong()),
        (Takes::TextOrTexts, Toml::String(text)) => Ok(Value::Texts(vec![text.clone()])),
        (Takes::TextOrTexts, Toml::Array(values)) if !values.is_empty() => {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Value::Texts).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Layer, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("segue.toml");
        std::fs::write(&path, text).expect("a file");
        Layer::read(&path, Level::Project)
            .map(|layer| layer.expect("it is there"))
            .map_err(|problem| problem.document().to_string())
    }

    #[test]
    fn what_it_says_is_found_with_its_line() {
        let layer = read("version = 1\n[store]\nurl = \"memory:\"\nretain = { runs = \"90d\", keep_last = 1_000 }\n[prices.\"a/b\"]\ninput = \"0.25\"\n").expect("it is good");
        let said = layer.said("store.url").expect("it is said");
        assert_eq!(said.value, Value::Text("memory:".into()));
        assert!(matches!(said.origin, Origin::File(_, 3)), "{:?}", said.origin);
        assert_eq!(
            layer.said("store.retain.keep_last").map(|said| said.value),
            Some(Value::Count(1000))
        );
        assert_eq!(layer.said("limits.max_runs"), None);
        let prices = layer.named("prices");
        assert_eq!(
            prices["a/b"].value("input"),
            Some(&Value::Money(segue::money::cents(25)))
        );
    }

    #[test]
    fn every_fault_is_named_with_its_place_and_the_way_out() {
        for (text, parts) in [
            (
                "[store]\nulr = \"x\"\n",
                &["`[store]` has no key `ulr`", "url", "\"line\":2"][..],
            ),
            ("[stores]\n", &["the file has no key `stores`", "store"]),
            (
                "version = 2\n",
                &["`version` needs an integer from 1 to 1", "number_range"],
            ),
            (
                "[store]\ndurability = \"some\"\n",
                &["`store.durability` needs", "relaxed"],
            ),
            (
                "[limits]\nmax_runs = \"x\"\n",
                &["`limits.max_runs` needs an integer"],
            ),
            ("[limits]\noutput_inline = 64\n", &["needs a size such as"]),
            ("[prices.\"a/b\"]\ninput = 0.25\n", &["needs dollars as text"]),
            (
                "[models]\nhouse = []\n",
                &["`models.house` needs text, or a list"],
            ),
            (
                "[models]\nhouse = [\"a/b\", 1]\n",
                &["`models.house` needs text, or a list"],
            ),
            (
                "[mcp.a]\ncommand = []\n",
                &["`mcp.a.command` needs text, or a list"],
            ),
            (
                "[mcp.a]\nallow = [\"b\", 1]\n",
                &["`mcp.a.allow` needs text, or a list"],
            ),
            ("[mcp.a]\nenv = \"b\"\n", &["`mcp.a.env` is a table"]),
            ("store = 1\n", &["`store` is a table"]),
            ("[store\n", &["toml_syntax"]),
            ("[store]\nurl = \"a\"\nurl = \"b\"\n", &["toml_syntax"]),
        ] {
            let problem = read(text).expect_err(text);
            for part in parts {
                assert!(problem.contains(part), "{part} is not in {problem}");
            }
        }
        let both = read("[store]\nulr = \"x\"\n[limit]\n").expect_err("two faults");
        assert!(both.contains("ulr") && both.contains("limit"), "{both}");
    }
}
