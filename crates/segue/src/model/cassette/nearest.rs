//! The recorded request that comes nearest to one that nothing answers, and where the two first differ.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::call::ModelCall;
use crate::fault::quote;
use crate::file::yaml::escape_pointer;
use crate::model::From;
use crate::tool::ToolSpec;

/// More recorded requests than this are not compared.
const MOST_COMPARED: usize = 2_000;
/// How many characters of a text are shown before where it differs.
const LEAD: usize = 12;

/// The nearest recorded request.
pub(super) struct Nearest {
    /// Its place.
    pub(super) at: usize,
    /// Where the request first differs from it.
    pub(super) pointer: String,
    /// The difference in words.
    pub(super) words: String,
}

/// A place where two values differ.
struct Difference {
    pointer: String,
    words: String,
}

pub(super) fn of(
    asked: &Json,
    from: &From,
    model: Option<&str>,
    calls: &[ModelCall],
    tools: &IndexMap<String, ToolSpec>,
) -> Option<Nearest> {
    let distances = calls.iter().take(MOST_COMPARED).enumerate().map(|(at, call)| {
        let mut found = Found::default();
        let recorded = call.canonical(tools);
        differ("", asked, &recorded, &mut found);
        // Another agent is farther than any text: whoever looks wants to see his own conversation.
        let stranger = u64::from(call.agent != from.agent) * 1_000_000 + u64::from(call.step != from.step);
        if let (None, Some(model)) = (&found.first, model)
            && model != call.model
        {
            found.first = Some(Difference {
                pointer: "/model".to_owned(),
                words: format!("asks {}, recorded was {}", quote(model), quote(&call.model)),
            });
        }
        (stranger + found.distance * 4, at, found)
    });
    let (_, at, found) = distances.min_by_key(|(distance, at, _)| (*distance, *at))?;
    let first = found.first?;
    Some(Nearest {
        at,
        words: format!("at `{}` it {}", first.pointer, first.words),
        pointer: first.pointer,
    })
}

#[derive(Default)]
struct Found {
    first: Option<Difference>,
    distance: u64,
}

impl Found {
    fn add(&mut self, pointer: &str, distance: u64, words: impl FnOnce() -> String) {
        self.distance += distance;
        if self.first.is_none() {
            self.first = Some(Difference {
                pointer: pointer.to_owned(),
                words: words(),
            });
        }
    }
}

/// Requests nest no deeper than what they are made from, whose readers set a limit.
fn differ(pointer: &str, asked: &Json, recorded: &Json, found: &mut Found) {
    match (asked, recorded) {
        (a, b) if a == b => {}
        (Json::Object(a), Json::Object(b)) => {
            for (key, value) in a {
                let below = format!("{pointer}/{}", escape_pointer(key));
                match b.get(key) {
                    Some(other) => differ(&below, value, other, found),
                    None => found.add(&below, 1, || {
                        format!("has {}, recorded was nothing", shown(value))
                    }),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                let below = format!("{pointer}/{}", escape_pointer(key));
                found.add(&below, 1, || {
                    format!("has nothing, recorded was {}", shown(value))
                });
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            for (at, (value, other)) in a.iter().zip(b).enumerate() {
                differ(&format!("{pointer}/{at}"), value, other, found);
            }
            if a.len() != b.len() {
                let below = format!("{pointer}/{}", a.len().min(b.len()));
                let apart = a.len().abs_diff(b.len()) as u64;
                found.add(&below, apart * 2, || {
                    format!("has {} entries, recorded were {}", a.len(), b.len())
                });
            }
        }
        (Json::String(a), Json::String(b)) => {
            let (a_rest, b_rest) = rests(a, b);
            found.add(pointer, 1, || {
                format!("has {}, recorded was {}", quote(a_rest), quote(b_rest))
            });
        }
        (a, b) => found.add(pointer, 1, || {
            format!("has {}, recorded was {}", shown(a), shown(b))
        }),
    }
}

/// Two texts from a little before where they differ.
fn rests<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let equal = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let equal: Vec<usize> = equal.map(|(c, _)| c.len_utf8()).collect();
    let before = equal.len().saturating_sub(LEAD);
    let start: usize = equal[..before].iter().sum();
    (&a[start..], &b[start..])
}

fn shown(value: &Json) -> String {
    quote(&value.to_string())
}
