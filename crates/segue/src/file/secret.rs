//! Secrets that were written into a file: found by the way providers begin their keys, and masked wherever the file is
//! shown again.

use std::ops::Range;

use crate::fault::Faults;
use crate::redact::pattern;

/// Where secrets stand in a text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    pattern::keys(text)
}

/// The text with `*` in place of these ranges, line by line, so that every other character keeps its place.
pub(super) fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        blanked.push_str(&text[at..range.start]);
        let stars = text[range.clone()]
            .chars()
            .map(|c| if matches!(c, '\n' | '\r') { c } else { '*' });
        blanked.extend(stars);
        at = range.end;
    }
    blanked.push_str(&text[at..]);
    blanked
}

/// The faults with these secrets left out of their words.
pub(super) fn masked(faults: &Faults, secrets: &[String]) -> Faults {
    let mask = |text: &mut String| {
        for secret in secrets {
            // A message quotes at most the beginning of a long text.
            let shown: String = secret.chars().take(12).collect();
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "***");
            } else if let Some(at) = text.find(&shown) {
                let end = text[at..]
                    .find(|c| !is_key_char(c))
                    .map_or(text.len(), |end| at + end);
                text.replace_range(at..end, "***");
            }
        }
    };
    let mut kept = Faults::new();
    for fault in faults.list() {
        let mut fault = fault.clone();
        mask(&mut fault.message);
        mask(&mut fault.pointer);
        for text in [&mut fault.hint, &mut fault.suggestion, &mut fault.step]
            .into_iter()
            .flatten()
        {
            mask(text);
        }
        for related in &mut fault.related {
            mask(&mut related.message);
        }
        kept.push(fault);
    }
    kept
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_words_are_not() {
        let key = format!("sk-proj-{}", "a1B2".repeat(8));
        let text = format!("model: x\nprompt: use {key}, please\n");
        let found = find(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(&text[found[0].clone()], key);
        assert_eq!(blank(&text, &found), text.replace(&key, &"*".repeat(key.len())));
        for text in [
            "task-1234567890abcdefghijklmn",
            "sk-short1",
            "sk-only-words-joined-by-hyphens",
            "AKIA",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn private_keys_are_found_over_lines() {
        let text =
            "k: |\n  -----BEGIN RSA PRIVATE KEY-----\n  MIIEow\n  AbC\n  -----END RSA PRIVATE KEY-----\n";
        let found = find(text);
        assert_eq!(found.len(), 1);
        let blanked = blank(text, &found);
        assert!(!blanked.contains("MIIEow"), "{blanked}");
        assert_eq!(blanked.lines().count(), text.lines().count());
    }
}
