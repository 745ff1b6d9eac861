//! The dependency graph, as `cargo metadata` writes it: only the parts that the audit looks at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::process::{cargo, output};

/// Every package that a build of the workspace may need.
#[derive(Debug, Deserialize)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<Id>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// `None` for a package of this workspace.
    pub(crate) source: Option<String>,
    id: Id,
}

/// What cargo calls a package id; opaque.
type Id = String;

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Needing>,
}

#[derive(Debug, Deserialize)]
struct Needing {
    id: Id,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: Id,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// `None` for a normal dependency, else `build` or `dev`.
    kind: Option<String>,
}

impl Graph {
    /// Runs `cargo metadata` with `options`, from the lock file as it is.
    ///
    /// # Errors
    ///
    /// When cargo fails, as it does when the lock file does not fit the manifests.
    pub(crate) fn read(options: &[&str]) -> Result<Self> {
        let arguments = [&["metadata", "--locked", "--format-version", "1"], options].concat();
        Self::parse(&output(cargo(&arguments))?)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Failure::new(format!("the output of `cargo metadata`: {error}")))
    }

    /// What is built for the members, tests aside: each package, with the names of those that need it directly.
    pub(crate) fn built(&self) -> Vec<(&Package, BTreeSet<&str>)> {
        let packages: BTreeMap<&str, &Package> = self
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package))
            .collect();
        let edges: BTreeMap<&str, &[Edge]> = self
            .resolve
            .nodes
            .iter()
            .map(|needing| (needing.id.as_str(), needing.deps.as_slice()))
            .collect();

        let mut needed_by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut open: Vec<&str> = self.workspace_members.iter().map(Id::as_str).collect();
        for &member in &open {
            needed_by.entry(member).or_default();
        }
        while let Some(id) = open.pop() {
            let name = packages.get(id).map_or(id, |package| package.name.as_str());
            let built = edges
                .get(id)
                .into_iter()
                .copied()
                .flatten()
                .filter(|edge| edge.is_built());
            for edge in built {
                if !needed_by.contains_key(edge.pkg.as_str()) {
                    open.push(&edge.pkg);
                }
                needed_by.entry(&edge.pkg).or_default().insert(name);
            }
        }
        needed_by
            .into_iter()
            .filter_map(|(id, by)| Some((*packages.get(id)?, by)))
            .collect()
    }
}

impl Edge {
    fn is_built(&self) -> bool {
        self.dep_kinds
            .iter()
            .any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph of `(package, version, needs)`, where a need starting with `dev:` is only for tests. The first is the member.
    pub(crate) fn graph(packages: &[(&str, &str, &[&str])]) -> Graph {
        let package = |(name, version, _): &(&str, &str, &[&str])| Package {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            license: Some("MIT".to_owned()),
            source: Some("registry".to_owned()),
            id: format!("{name}@{version}"),
        };
        let edge = |need: &&str| {
            let (kind, pkg) = match need.strip_prefix("dev:") {
                Some(pkg) => (Some("dev".to_owned()), pkg),
                None => (None, *need),
            };
            Edge {
                pkg: pkg.to_owned(),
                dep_kinds: vec![Kind { kind }],
            }
        };
        let all: Vec<Package> = packages.iter().map(package).collect();
        let nodes = packages
            .iter()
            .map(|(name, version, needs)| Needing {
                id: format!("{name}@{version}"),
                deps: needs.iter().map(edge).collect(),
            })
            .collect();
        Graph {
            workspace_members: vec![all[0].id.clone()],
            packages: all,
            resolve: Resolve { nodes },
        }
    }

    #[test]
    fn what_only_tests_need_is_not_built() {
        let graph = graph(&[
            ("app", "0.1.0", &["a@1.0.0", "dev:b@1.0.0"]),
            ("a", "1.0.0", &["c@1.0.0"]),
            ("b", "1.0.0", &["d@1.0.0"]),
            ("c", "1.0.0", &["a@1.0.0"]),
            ("d", "1.0.0", &[]),
        ]);
        let built: Vec<_> = graph
            .built()
            .into_iter()
            .map(|(package, by)| (package.name.as_str(), by))
            .collect();
        assert_eq!(
            built,
            [
                ("a", BTreeSet::from(["app", "c"])),
                ("app", BTreeSet::new()),
                ("c", BTreeSet::from(["a"]))
            ]
        );
    }
}
