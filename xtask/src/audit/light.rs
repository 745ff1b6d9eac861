//! A package that others embed does not bring what is heavy to build.

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::process::{cargo, output};

/// A package, and crates that its default features may not depend on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Light {
    package: String,
    /// Names of crates; one that ends in `*` stands for all that begin so.
    without: Vec<String>,
}

/// # Errors
///
/// The crates found in the tree of a package that should be without them.
pub(super) fn check(rules: &[Light]) -> Result<()> {
    for rule in rules {
        // Not `cargo metadata`: there another member's features would count as this package's.
        let package = rule.package.as_str();
        let tree = output(cargo(&[
            "tree",
            "--locked",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))?;
        let findings = findings(rule, &tree);
        Failure::of_all(
            &format!("heavy crates in the dependency tree of `{package}`"),
            &findings,
        )
        .map_err(|failure| {
            failure.hint(format!(
                "`cargo tree -p {package} -i CRATE` shows what brings one"
            ))
        })?;
    }
    Ok(())
}

/// `tree` has one package per line, as `name v1.2.3 …`.
fn findings(rule: &Light, tree: &str) -> Vec<String> {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.dedup();
    let heavy = names
        .into_iter()
        .filter(|name| rule.without.iter().any(|pattern| matches(pattern, name)));
    heavy.map(|name| format!("`{name}`")).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_crates_are_found_by_name_and_by_beginning() {
        let rule = Light {
            package: "app".to_owned(),
            without: vec!["hyper".to_owned(), "aws-lc-*".to_owned()],
        };
        let tree = "app v0.1.0 (/app)\nhyper-util v0.1.0\naws-lc-rs v1.0.0\nhyper v1.0.0 (*)\nhyper v1.0.0\n";
        assert_eq!(findings(&rule, tree), ["`aws-lc-rs`", "`hyper`"]);
        assert!(findings(&rule, "app v0.1.0\nserde v1.0.0\n").is_empty());
    }
}
