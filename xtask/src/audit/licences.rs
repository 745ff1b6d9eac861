//! Every dependency can be used under a licence of the list.

use spdx::{Expression, Licensee, ParseMode};

use crate::failure::{Failure, Result};
use crate::graph::{Graph, Package};

/// # Errors
///
/// The dependencies whose licence is missing, unreadable or not on the list, and entries of the list that are no licence.
pub(super) fn check(allowed: &[String], graph: &Graph) -> Result<()> {
    let allowed = allowed
        .iter()
        .map(|name| licensee(name))
        .collect::<Result<Vec<_>>>()?;
    let outside = graph.packages.iter().filter(|package| package.source.is_some());
    let findings: Vec<String> = outside.filter_map(|package| finding(package, &allowed)).collect();
    Failure::of_all(
        "dependencies that cannot be used under an allowed licence",
        &findings,
    )
    .map_err(|failure| failure.hint("allowed licences are listed in `xtask/audit.toml`"))
}

fn licensee(name: &str) -> Result<Licensee> {
    Licensee::parse(name)
        .map_err(|error| Failure::new(format!("`{name}` in `xtask/audit.toml`: {}", error.reason)))
}

fn finding(package: &Package, allowed: &[Licensee]) -> Option<String> {
    let Package { name, version, .. } = package;
    let Some(said) = &package.license else {
        return Some(format!("`{name}` {version} names no licence"));
    };
    // Old manifests write `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    let expression = match Expression::parse_mode(said, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("`{name}` {version} is under `{said}`: {}", error.reason)),
    };
    let usable = expression.evaluate(|asked| allowed.iter().any(|licence| licence.satisfies(asked)));
    (!usable).then(|| format!("`{name}` {version} is under `{said}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::graph;

    fn findings(licence: Option<&str>) -> String {
        let mut graph = graph(&[("dep", "1.0.0", &[])]);
        graph.packages[0].license = licence.map(str::to_owned);
        let allowed = [
            "MIT",
            "Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "Unicode-3.0",
        ]
        .map(str::to_owned);
        check(&allowed, &graph).map_or_else(|failure| failure.to_string(), |()| String::new())
    }

    #[test]
    fn an_expression_is_met_by_the_list() {
        for usable in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
        ] {
            assert_eq!(findings(Some(usable)), "", "{usable}");
        }
    }

    #[test]
    fn an_expression_that_is_not_met_is_named() {
        for (licence, said) in [
            (Some("GPL-3.0-only"), "`dep` 1.0.0 is under `GPL-3.0-only`"),
            (
                Some("MIT AND GPL-3.0-only"),
                "`dep` 1.0.0 is under `MIT AND GPL-3.0-only`",
            ),
            (
                Some("MIT WITH LLVM-exception"),
                "`dep` 1.0.0 is under `MIT WITH LLVM-exception`",
            ),
            (Some("as you like"), "`dep` 1.0.0 is under `as you like`: "),
            (None, "`dep` 1.0.0 names no licence"),
        ] {
            assert!(findings(licence).contains(said), "{}", findings(licence));
        }
    }

    #[test]
    fn a_package_of_the_workspace_is_not_a_dependency() {
        let mut graph = graph(&[("app", "0.1.0", &[])]);
        graph.packages[0].license = None;
        graph.packages[0].source = None;
        assert_eq!(check(&[], &graph), Ok(()));
    }
}
