//! The address of an HTTP tool: the operator's text, in which arguments have places. An argument is a part of the path or the
//! query and can be nothing else: it chooses no host, ends no segment, and climbs nowhere.

use std::fmt::Write;

use segue::fault::quote;
use segue::{ErrorKind, Failure};
use serde_json::{Map, Value as Json};
use url::{Origin, Url};

/// An address with places for arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A place, and whether it is in the path.
    Place {
        name: String,
        in_path: bool,
    },
}

impl Template {
    /// Reads an address with `{name}` in path and query.
    ///
    /// # Errors
    /// When it is none, or has a place before its path.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            let message = format!("{} is no address of a tool: {why}", quote(text));
            Failure::new(ErrorKind::InvalidDefinition, message)
        };
        let mut parts = Vec::new();
        let mut rest = text;
        let mut before = String::new();
        while let Some(at) = rest.find('{') {
            let end = rest[at..].find('}').ok_or_else(|| wrong("a `{` has no `}`"))? + at;
            let name = &rest[at + 1..end];
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name {
                return Err(wrong("between `{` and `}` stands the name of an argument"));
            }
            before.push_str(&rest[..at]);
            let after_host = before
                .split_once("://")
                .is_some_and(|(_, rest)| rest.contains('/'));
            if !after_host {
                return Err(
                    wrong("an argument has no place before the path").hint("write scheme and host out")
                );
            }
            parts.push(Part::Text(rest[..at].to_owned()));
            parts.push(Part::Place {
                name: name.to_owned(),
                in_path: !before.contains(['?', '#']),
            });
            rest = &rest[end + 1..];
        }
        before.push_str(rest);
        parts.push(Part::Text(rest.to_owned()));
        let url = Url::parse(&before).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it begins with `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it has a user name in it")
                .hint("write `header = { Authorization = \"Basic secret://NAME\" }`"));
        }
        let origin = url.origin();
        Ok(Self { parts, origin })
    }

    /// The arguments it has places for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The address for these arguments, and those it has no place for.
    ///
    /// # Errors
    /// When an argument cannot be where its place is.
    pub(super) fn filled(&self, arguments: &Json) -> Result<(Url, Map<String, Json>), Failure> {
        let mut left = arguments.as_object().cloned().unwrap_or_default();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Place { name, in_path } => {
                    let value = arguments.get(name).unwrap_or(&Json::Null);
                    let value =
                        plain(value).ok_or_else(|| misplaced(name, "is no text, number or truth value"))?;
                    if *in_path && value.is_empty() {
                        return Err(misplaced(name, "is empty, and has its place in a path"));
                    }
                    encode(&value, &mut text);
                }
            }
        }
        for name in self.names() {
            left.remove(name);
        }
        // The parser takes a segment of dots, also an encoded one, as the way up.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let climbs = path.split('/').any(|segment| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == "." || segment == ".."
        });
        let name = self.names().next().unwrap_or_default();
        if climbs {
            return Err(misplaced(name, "leads out of its place in the path"));
        }
        match Url::parse(&text) {
            Ok(url) if url.origin() == self.origin => Ok((url, left)),
            _ => Err(misplaced(name, "gives no address of the tool")),
        }
    }
}

fn misplaced(name: &str, why: &str) -> Failure {
    let mut failure = Failure::new(ErrorKind::Tool, format!("the argument `{name}` {why}"));
    failure.retryable = false;
    failure
}

/// A value as it stands in an address.
pub(super) fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Everything but what means itself everywhere (RFC 3986, 2.3).
fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => {
                // Writing to text does not fail.
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(template: &str, arguments: Json) -> Result<(String, Json), String> {
        let template = Template::read(template).expect("it is one");
        let (url, left) = template.filled(&arguments).map_err(|failure| failure.message)?;
        Ok((url.to_string(), Json::Object(left)))
    }

    #[test]
    fn arguments_stand_in_their_places() {
        let url = "https://crm.internal/customers/{id}/orders?since={since}";
        let found = filled(url, json!({"id": "a b/c?d#e%", "since": 7, "page": 2}));
        let expected = "https://crm.internal/customers/a%20b%2Fc%3Fd%23e%25/orders?since=7";
        assert_eq!(found, Ok((expected.to_owned(), json!({"page": 2}))));
        let plain = filled("http://127.0.0.1:8/x", json!({"a": 1})).expect("it has no places");
        assert_eq!(plain, ("http://127.0.0.1:8/x".to_owned(), json!({"a": 1})));
    }

    #[test]
    fn an_argument_that_would_lead_elsewhere_is_refused() {
        for (value, why) in [
            (json!(".."), "leads out of its place"),
            (json!("."), "leads out of its place"),
            (json!(""), "is empty"),
            (json!(null), "is no text"),
            (json!(["a"]), "is no text"),
        ] {
            let found =
                filled("https://h.example/a/{id}/b", json!({"id": value})).expect_err("it is refused");
            assert!(found.contains(why), "{value}: {found}");
        }
        filled("https://h.example/a/x{id}", json!({"id": ".."})).expect("it is part of a name");
    }

    #[test]
    fn a_template_that_lets_arguments_choose_the_host_is_refused() {
        for text in [
            "https://{host}/x",
            "https://a.{host}/x",
            "{all}",
            "https://h.example/{a",
            "https://h.example/{}",
            "ftp://h.example/x",
            "https://me:pw@h.example/",
            "nothing",
        ] {
            assert!(Template::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_argument_changes_host_or_number_of_segments(value in any::<String>()) {
            let template = Template::read("https://h.example/a/{id}/b?q={q}").expect("it is one");
            if let Ok((url, _)) = template.filled(&json!({"id": value, "q": value})) {
                prop_assert_eq!(url.host_str(), Some("h.example"));
                prop_assert_eq!(url.path_segments().map(Iterator::count), Some(3));
                prop_assert_eq!(url.query_pairs().count(), 1);
                prop_assert_eq!(url.query_pairs().next().map(|(_, value)| value.into_owned()), Some(value));
                prop_assert_eq!(url.fragment(), None);
            }
        }
    }
}
