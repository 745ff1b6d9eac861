//! Inputs: what a person types becomes the values a pipeline declares, and everything that does not fit is said at once.

use std::fs;
use std::io::Read;

use indexmap::IndexMap;
use segue::fault::{Code, Fault, Faults, quote};
use segue::file::suggest::Nearest;
use segue::schema::Schema;
use segue::{ErrorKind, Plan};
use serde_json::{Map, Value as Json};

use crate::flags;
use crate::problem::Problem;

mod upload;

/// The largest file or stdin that is read into an input; it is held in memory and stands in the record of the run.
const MAX_BYTES: u64 = 64 << 20;

/// One thing given, in the order of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    /// Many inputs from one JSON object.
    Object(From),
    /// One input.
    One(String, From),
}

/// Where the text of an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Text(String),
    File(String),
    Stdin,
}

/// Reads the inputs of a run: `--input` arguments and flags of the pipeline's own, each with its place on the command
/// line. A later one wins; objects come before single ones.
///
/// # Errors
/// `usage` for an argument that is none, `invalid_input` with everything that does not fit.
pub(crate) fn read(
    plan: &Plan,
    some_are_enough: bool,
    arguments: Vec<(usize, String)>,
    own: Vec<(usize, String, String)>,
) -> Result<Json, Problem> {
    let mut given = Vec::new();
    for (place, argument) in arguments {
        given.push((place, understand(&argument)?));
    }
    given.extend(
        own.into_iter()
            .map(|(place, name, value)| (place, Given::One(name, From::of(&value)))),
    );
    // Stable: objects first, each kind in the order given.
    given.sort_by_key(|(place, given)| (matches!(given, Given::One(..)), *place));
    let stdins = given.iter().filter(|(_, given)| given.is_stdin()).count();
    if stdins > 1 {
        return Err(Problem::usage(format!(
            "{stdins} inputs want to read stdin, which can be read once"
        )));
    }
    let declared = flags::named(plan);
    let mut reader = Reader {
        declared: &declared,
        values: Map::new(),
        faults: Faults::new(),
    };
    for (_, given) in given {
        match given {
            Given::Object(from) => reader.object(&from)?,
            Given::One(name, from) => reader.one(&name, &from)?,
        }
    }
    if !some_are_enough {
        reader.complete();
    }
    match reader.faults.has_errors() {
        true => Err(Problem::inputs(&plan.name, reader.faults)),
        false => Ok(Json::Object(reader.values)),
    }
}

/// Some of the inputs of a plan: what is not given stays as it is.
///
/// # Errors
/// As [`read`].
pub(crate) fn some(plan: &Plan, arguments: Vec<String>) -> Result<Json, Problem> {
    read(
        plan,
        true,
        arguments.into_iter().enumerate().collect(),
        Vec::new(),
    )
}

/// The fields of an answer, given as inputs are; of those that are not, the defaults. Whether that is all of it is for the
/// form to say.
///
/// # Errors
/// As [`read`].
pub(crate) fn fields(
    declared: &IndexMap<String, Schema>,
    arguments: Vec<String>,
    title: &str,
) -> Result<Json, Problem> {
    let mut reader = Reader {
        declared,
        values: Map::new(),
        faults: Faults::new(),
    };
    for argument in arguments {
        match understand(&argument)? {
            Given::Object(from) => reader.object(&from)?,
            Given::One(name, from) => reader.one(&name, &from)?,
        }
    }
    if reader.faults.has_errors() {
        return Err(Problem::answer(title, reader.faults));
    }
    for (name, schema) in declared {
        let filled = schema.default_value().cloned();
        let filled = filled.or_else(|| schema.may_be_null().then_some(Json::Null));
        if let (false, Some(filled)) = (reader.values.contains_key(name), filled) {
            reader.values.insert(name.clone(), filled);
        }
    }
    Ok(Json::Object(reader.values))
}

/// One value of a type: the text itself, or that of `@FILE` or of stdin as `@-`.
///
/// # Errors
/// When it is no value of the type.
pub(crate) fn value(argument: &str, schema: &Schema) -> Result<Json, Problem> {
    let text = text(argument)?;
    let parsed = match schema.is_any() {
        // Nothing says what it is: JSON, or else text.
        true => Ok(serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.clone()))),
        false => schema
            .parse_text(&text)
            .or_else(|why| schema.parse_text(text.trim_end()).map_err(|_| why)),
    };
    parsed.map_err(|why| Problem::new(ErrorKind::InvalidInput, format!("{}: {why}", quote(argument))))
}

/// Text: itself, or that of `@FILE` or of stdin as `@-`.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn text(argument: &str) -> Result<String, Problem> {
    From::of(argument).text()
}

fn understand(argument: &str) -> Result<Given, Problem> {
    if argument == "-" {
        return Ok(Given::Object(From::Stdin));
    }
    if let Some(path) = argument.strip_prefix('@') {
        return Ok(Given::Object(match path {
            "-" => From::Stdin,
            path => From::File(path.to_owned()),
        }));
    }
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Given::One(name.to_owned(), From::of(value))),
        _ => Err(Problem::usage(format!("{} is not an input", quote(argument)))
            .hint("write `--input name=value`, `--input name=@FILE` or `--input @FILE.json`")),
    }
}

impl Given {
    fn is_stdin(&self) -> bool {
        matches!(self, Given::Object(From::Stdin) | Given::One(_, From::Stdin))
    }
}

impl From {
    fn of(value: &str) -> Self {
        match value.strip_prefix('@') {
            None => Self::Text(value.to_owned()),
            Some("-") => Self::Stdin,
            Some(rest) if rest.starts_with('@') => Self::Text(rest.to_owned()),
            Some(path) => Self::File(path.to_owned()),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, Problem> {
        let (shown, read) = match self {
            Self::Text(text) => return Ok(text.clone().into_bytes()),
            Self::File(path) => (quote(path), fs::File::open(path).and_then(all_of)),
            Self::Stdin => ("stdin".to_owned(), all_of(std::io::stdin().lock())),
        };
        let problem = |message| Err(Problem::new(ErrorKind::InvalidInput, message));
        match read {
            Ok(bytes) if bytes.len() as u64 > MAX_BYTES => problem(format!(
                "{shown} has more than {} MB, the most an input may have",
                MAX_BYTES >> 20
            )),
            Ok(bytes) => Ok(bytes),
            Err(error) => problem(format!("cannot read {shown}: {error}")),
        }
    }

    fn text(&self) -> Result<String, Problem> {
        String::from_utf8(self.bytes()?).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let shown = match self {
                Self::File(path) => quote(path),
                _ => "stdin".to_owned(),
            };
            Problem::new(
                ErrorKind::InvalidInput,
                format!("{shown} is not UTF-8 text at byte {at}"),
            )
            .hint("declare the input as `file` to take other files")
        })
    }
}

fn all_of(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Reader<'a> {
    declared: &'a IndexMap<String, Schema>,
    values: Map<String, Json>,
    faults: Faults,
}

impl Reader<'_> {
    fn object(&mut self, from: &From) -> Result<(), Problem> {
        let text = from.text()?;
        let shown = match from {
            From::File(path) => quote(path),
            _ => "stdin".to_owned(),
        };
        let refuse = |message: String| {
            Problem::new(ErrorKind::InvalidInput, message).hint("it should hold one JSON object of inputs")
        };
        match serde_json::from_str(&text) {
            Ok(Json::Object(values)) => {
                for (name, value) in values {
                    if self.knows(&name) {
                        self.values.insert(name, value);
                    }
                }
                Ok(())
            }
            Ok(_) => Err(refuse(format!("{shown} holds no JSON object"))),
            Err(error) => Err(refuse(format!("{shown} is not JSON: {error}"))),
        }
    }

    fn one(&mut self, name: &str, from: &From) -> Result<(), Problem> {
        if !self.knows(name) {
            return Ok(());
        }
        let schema = &self.declared[name];
        if schema.is_file() {
            self.values.insert(name.to_owned(), file(from)?);
            return Ok(());
        }
        let text = from.text()?;
        // A text keeps its last newline; a number in a file should not be refused for one.
        let parsed = match (from, schema.parse_text(&text)) {
            (From::Text(_), parsed) => parsed,
            (_, Ok(Json::String(text))) if schema.as_json().get("enum").is_none() => Ok(Json::String(text)),
            _ => schema.parse_text(text.trim_end()),
        };
        match parsed {
            Ok(value) => {
                self.values.insert(name.to_owned(), value);
            }
            Err(why) => {
                // Known to be wrong: not to be called missing as well.
                self.values.insert(name.to_owned(), Json::Null);
                self.wrong(name, "", &why);
            }
        }
        Ok(())
    }

    fn knows(&mut self, name: &str) -> bool {
        if self.declared.contains_key(name) {
            return true;
        }
        let fault = Fault::new(
            Code::UnknownInput,
            format!("input {} does not exist", quote(name)),
        )
        .pointer(format!("/{name}"));
        let nearest = Nearest::of(name, self.declared.keys().map(String::as_str), "inputs");
        self.faults.push(nearest.advise(fault));
        false
    }

    /// Fills in defaults, and says what is missing and what the types refuse.
    fn complete(&mut self) {
        let declared = self.declared;
        for (name, schema) in declared {
            let wrong = format!("/{name}");
            if self.faults.list().iter().any(|fault| fault.pointer == wrong) {
                continue;
            }
            let Some(value) = self.values.get(name) else {
                if schema.default_value().is_none() && !schema.may_be_null() {
                    let mut fault = Fault::new(Code::InvalidInput, format!("input `{name}` is missing"))
                        .pointer(wrong)
                        .hint(format!("give it with `--input {name}=…`"));
                    if let Some(description) = schema.description() {
                        fault.message = format!("input `{name}` is missing: {description}");
                    }
                    self.faults.push(fault);
                }
                continue;
            };
            for violation in schema.validate(value).err().into_iter().flatten() {
                self.wrong(name, &violation.pointer, &violation.message);
            }
        }
    }

    fn wrong(&mut self, name: &str, pointer: &str, why: &str) {
        let message = format!("`inputs.{name}{}`: {why}", pointer.replace('/', "."));
        self.faults
            .push(Fault::new(Code::InvalidInput, message).pointer(format!("/{name}{pointer}")));
    }
}

/// A `file` input: `@FILE`, or just its path.
fn file(from: &From) -> Result<Json, Problem> {
    let from = match from {
        From::Text(path) => From::File(path.clone()),
        from => from.clone(),
    };
    let name = match &from {
        From::File(path) => path.as_str(),
        _ => "stdin",
    };
    Ok(upload::file(name, from.bytes()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_says_where_its_text_is() {
        let one = |from| Given::One("k".to_owned(), from);
        for (argument, expected) in [
            ("k=v", one(From::Text("v".into()))),
            ("k=", one(From::Text(String::new()))),
            ("k=a=b", one(From::Text("a=b".into()))),
            ("k=@f.txt", one(From::File("f.txt".into()))),
            ("k=@-", one(From::Stdin)),
            ("k=@@home", one(From::Text("@home".into()))),
            ("k=@@@x", one(From::Text("@@x".into()))),
            ("@f.json", Given::Object(From::File("f.json".into()))),
            ("-", Given::Object(From::Stdin)),
            ("@-", Given::Object(From::Stdin)),
        ] {
            assert_eq!(understand(argument).ok(), Some(expected), "{argument}");
        }
        assert!(understand("k").is_err());
        assert!(understand("=v").is_err());
    }
}
