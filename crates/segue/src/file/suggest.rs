//! Did-you-mean: the known names nearest to one that does not exist.

use crate::fault::{Fault, quote};

/// The most names suggested at once.
const MAX_SUGGESTED: usize = 3;

/// The most names listed when none is near.
const MAX_LISTED: usize = 12;

/// Shorter names are a prefix of too much.
const MIN_PREFIX_CHARS: usize = 2;

/// What to say about a name that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearest {
    /// The nearest name, if one is near.
    pub suggestion: Option<String>,
    /// A question with the near names, else the list of what exists.
    pub hint: Option<String>,
}

impl Nearest {
    /// Compares `name` with the `known` names of a `kind`, a plural such as "steps".
    pub fn of<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, kind: &str) -> Self {
        let name_chars: Vec<char> = name.chars().collect();
        let mut near: Vec<(usize, &str)> = Vec::new();
        let mut listed: Vec<&str> = Vec::new();
        let mut count = 0;
        for other in known {
            count += 1;
            if listed.len() < MAX_LISTED {
                listed.push(other);
            }
            if let Some(distance) = nearness(&name_chars, other) {
                // After equals, so that of equally near names the one declared first is suggested.
                let at = near.partition_point(|&(nearer, _)| nearer <= distance);
                near.insert(at, (distance, other));
                near.truncate(MAX_SUGGESTED);
            }
        }
        if let Some(&(_, first)) = near.first() {
            let names: Vec<String> = near.iter().map(|(_, name)| quote(name)).collect();
            return Self {
                suggestion: Some(first.to_owned()),
                hint: Some(format!("did you mean {}?", alternatives(&names))),
            };
        }
        let names: Vec<String> = listed.iter().map(|name| quote(name)).collect();
        let hint = match count - listed.len() {
            _ if count == 0 => format!("there are no {kind}"),
            0 => format!("{kind}: {}", names.join(", ")),
            more => format!("{kind}: {} and {more} more", names.join(", ")),
        };
        Self {
            suggestion: None,
            hint: Some(hint),
        }
    }

    /// Adds the suggestion and the hint to a fault.
    pub fn advise(self, mut fault: Fault) -> Fault {
        fault.suggestion = self.suggestion;
        fault.hint = self.hint;
        fault
    }
}

/// "a", "a or b", "a, b or c".
pub(crate) fn alternatives(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// How near two names are, if near enough to be a slip: two edits (one in short names), or one begins with the other.
fn nearness(name: &[char], other: &str) -> Option<usize> {
    let other: Vec<char> = other.chars().collect();
    let shorter = name.len().min(other.len());
    let allowed = if shorter < 4 { 1 } else { 2 };
    let distance = match name.len().abs_diff(other.len()) > allowed {
        true => None,
        false => Some(edit_distance(name, &other)).filter(|&distance| distance <= allowed),
    };
    distance.or_else(|| {
        let begins = shorter >= MIN_PREFIX_CHARS && name[..shorter] == other[..shorter];
        begins.then_some(allowed + name.len().abs_diff(other.len()))
    })
}

/// Insertions, deletions, replacements and swaps of neighbours between two names.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(name: &str, known: &[&str]) -> String {
        Nearest::of(name, known.iter().copied(), "steps")
            .hint
            .expect("always a hint")
    }

    #[test]
    fn near_names_are_suggested() {
        let table: &[(&str, &[&str], &str)] = &[
            ("clasify", &["classify", "extract"], "did you mean `classify`?"),
            ("extarct", &["extract"], "did you mean `extract`?"),
            ("timout", &["timeout", "step_timeout"], "did you mean `timeout`?"),
            ("plna", &["plan", "plant"], "did you mean `plan` or `plant`?"),
            (
                "fetch",
                &["fetch_market", "store"],
                "did you mean `fetch_market`?",
            ),
            ("ab", &["a", "ac", "xy"], "did you mean `a` or `ac`?"),
            (
                "a1",
                &["a2", "a3", "a4", "a5"],
                "did you mean `a2`, `a3` or `a4`?",
            ),
        ];
        for (name, known, expected) in table {
            assert_eq!(hint(name, known), *expected, "{name}");
        }
    }

    #[test]
    fn otherwise_the_known_names_are_listed() {
        assert_eq!(hint("zebra", &["plan", "draft"]), "steps: `plan`, `draft`");
        assert_eq!(hint("cat", &["dig"]), "steps: `dig`");
        assert_eq!(hint("x", &[]), "there are no steps");
        let many: Vec<String> = (0..20).map(|n| format!("n{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(hint("zebra", &many).ends_with("`n11` and 8 more"));
    }

    #[test]
    fn edits_are_counted() {
        let distance = |a: &str, b: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            edit_distance(&chars(a), &chars(b))
        };
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
