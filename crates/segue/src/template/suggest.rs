//! Did-you-mean: the names nearest to a misspelled one.

/// Names suggested at most.
const SUGGESTED: usize = 3;
/// Names listed at most where none is near.
const LISTED: usize = 12;

/// The hint for a name that does not exist, and the one replacement if there is exactly one.
pub(super) fn suggest(wrong: &str, known: &[&str]) -> (Option<String>, Option<String>) {
    let near = nearest(wrong, known);
    match near.as_slice() {
        [] if known.is_empty() => (None, None),
        [] => {
            let more = if known.len() > LISTED { ", …" } else { "" };
            let names: Vec<&str> = known.iter().take(LISTED).copied().collect();
            (Some(format!("known are {}{more}", quoted(&names))), None)
        }
        [one] => (Some(format!("did you mean `{one}`?")), Some((*one).to_owned())),
        several => (
            Some(format!(
                "did you mean {}?",
                several
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            )),
            None,
        ),
    }
}

/// At most three names within edit distance 2 (1 under four letters) or with a common prefix, nearest first.
fn nearest<'n>(wrong: &str, known: &[&'n str]) -> Vec<&'n str> {
    let letters = wrong.chars().count();
    // A longer name cannot be near any that exists, and the distance is quadratic.
    if letters > 64 {
        return Vec::new();
    }
    let reach = if letters < 4 { 1 } else { 2 };
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .filter_map(|name| {
            let distance = edit_distance(wrong, name);
            let prefix = letters >= 3
                && (name.starts_with(wrong) || (name.chars().count() >= 3 && wrong.starts_with(name)));
            (distance <= reach || prefix).then_some((distance, *name))
        })
        .collect();
    near.sort();
    near.into_iter().take(SUGGESTED).map(|(_, name)| name).collect()
}

fn quoted(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        let known = ["default", "join", "length", "lines", "list", "lower"];
        assert_eq!(nearest("lenght", &known), ["length"]);
        assert_eq!(nearest("def", &known), ["default"]);
        assert_eq!(nearest("xyz", &known), [""; 0]);
        assert_eq!(suggest("lenght", &known).1.as_deref(), Some("length"));
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
