//! No crate is built in two versions, unless it is listed with what that waits for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::graph::Graph;

/// A crate that may be there twice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    name: String,
    /// What keeps the versions apart, and what would end it.
    reason: String,
}

/// The versions of one crate, each with those that need it.
type Versions<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// # Errors
///
/// The crates in two versions that are not accepted, and the accepted that are not there twice or give no reason.
pub(super) fn check(accepted: &[Accepted], graph: &Graph) -> Result<()> {
    let duplicates = duplicates(graph);
    let mut findings = Vec::new();
    for (name, versions) in &duplicates {
        if !accepted.iter().any(|accepted| accepted.name == *name) {
            findings.push(describe(name, versions));
        }
    }
    for Accepted { name, reason } in accepted {
        if !duplicates.contains_key(name.as_str()) {
            findings.push(format!(
                "`{name}` is accepted but there in one version at most; remove its entry"
            ));
        }
        if reason.trim().is_empty() {
            findings.push(format!("`{name}` is accepted without a reason"));
        }
    }
    Failure::of_all("crates in more than one version", &findings).map_err(|failure| {
        failure.hint("bring the versions together, or accept one in `xtask/audit.toml` with the reason")
    })
}

fn duplicates(graph: &Graph) -> BTreeMap<&str, Versions<'_>> {
    let mut crates: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for (package, needed_by) in graph.built() {
        crates
            .entry(&package.name)
            .or_default()
            .insert(&package.version, needed_by);
    }
    crates.retain(|_, versions| versions.len() > 1);
    crates
}

fn describe(name: &str, versions: &Versions<'_>) -> String {
    let each = versions.iter().map(|(version, by)| {
        let by: Vec<&str> = by.iter().copied().collect();
        format!("{version} (for {})", by.join(", "))
    });
    format!("`{name}` {}", each.collect::<Vec<_>>().join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::graph;

    fn twice() -> Graph {
        graph(&[
            ("app", "0.1.0", &["a@1.0.0", "b@1.0.0", "dev:syn@3.0.0"]),
            ("a", "1.0.0", &["syn@1.0.0"]),
            ("b", "1.0.0", &["syn@2.0.0"]),
            ("syn", "1.0.0", &[]),
            ("syn", "2.0.0", &[]),
            ("syn", "3.0.0", &[]),
        ])
    }

    fn accepted(name: &str, reason: &str) -> Accepted {
        Accepted {
            name: name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_duplicate_is_named_with_those_that_need_it() {
        let failure = check(&[], &twice()).unwrap_err().to_string();
        assert!(
            failure.contains("\n  `syn` 1.0.0 (for a) and 2.0.0 (for b)\n"),
            "{failure}"
        );
    }

    #[test]
    fn an_accepted_duplicate_passes_with_a_reason() {
        assert_eq!(check(&[accepted("syn", "until b moves on")], &twice()), Ok(()));
        let failure = check(&[accepted("syn", " ")], &twice()).unwrap_err().to_string();
        assert!(
            failure.contains("`syn` is accepted without a reason"),
            "{failure}"
        );
    }

    #[test]
    fn an_entry_that_is_no_longer_needed_fails() {
        let list = [accepted("syn", "until b moves on"), accepted("a", "was once")];
        let failure = check(&list, &twice()).unwrap_err().to_string();
        assert!(
            failure.contains("`a` is accepted but there in one version at most"),
            "{failure}"
        );
    }
}
