//! What the tests need beside a Rust toolchain: listed in `needs.toml`, installed only when missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::process::{output, program, root, run};

/// Where what is not a Debian package goes, in the top folder; ignored by git and gone with `cargo clean`.
const FOLDER: &str = "target/needs";

/// The lists of `needs.toml`, by where the packages come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Needs {
    debian: Vec<String>,
    npm: Vec<String>,
    /// By environment: the name of its folder.
    pypi: BTreeMap<String, Vec<String>>,
}

/// # Errors
///
/// A list that cannot be read, or a package that cannot be installed.
pub(crate) fn install() -> Result<()> {
    let path = root().join("xtask/needs.toml");
    let text =
        fs::read_to_string(&path).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    let needs: Needs =
        toml::from_str(&text).map_err(|error| Failure::new(format!("`needs.toml`: {error}")))?;
    install_debian(&missing(&needs.debian, |name| {
        let found = output(program("dpkg-query", &["--show", "--showformat=${Status}", name]));
        found.is_ok_and(|status| status == "install ok installed")
    }))?;
    install_npm(&needs.npm)?;
    for (environment, packages) in &needs.pypi {
        let folder = root().join(FOLDER).join(environment);
        install_pypi(
            &folder,
            &missing(packages, |wanted| is_installed(&folder, wanted)),
        )?;
    }
    Ok(())
}

fn install_debian(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let root_user = output(program("id", &["-u"]))?.trim() == "0";
    let (first, before): (_, &[&str]) = if root_user {
        ("apt-get", &[])
    } else {
        ("sudo", &["apt-get"])
    };
    let install = [before, &["install", "--yes", "--no-install-recommends"], missing].concat();
    run(program(first, &install)).map_err(|failure| {
        failure.hint(format!(
            "install them yourself: apt-get install {}",
            missing.join(" ")
        ))
    })
}

/// All of them when one is missing: `npm` takes away what it is not told of. No package runs anything while it is installed.
fn install_npm(all: &[String]) -> Result<()> {
    let is_there = |wanted: &str| {
        let folder = root()
            .join(FOLDER)
            .join("node_modules")
            .join(without_version(wanted));
        folder.is_dir()
    };
    if missing(all, is_there).is_empty() {
        return Ok(());
    }
    let install = [
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        FOLDER,
    ];
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    run(program("npm", &[&install, names.as_slice()].concat()))
        .map_err(|failure| failure.hint("it needs `npm`, from Node.js 20 or newer"))
}

/// `name@1.2` and `@scope/name@1.2` without what follows the name.
fn without_version(wanted: &str) -> &str {
    match wanted.rfind('@') {
        Some(at @ 1..) => &wanted[..at],
        _ => wanted,
    }
}

fn install_pypi(folder: &Path, missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let folder = folder.display().to_string();
    run(program("python3", &["-m", "venv", &folder]))?;
    run(program(
        &format!("{folder}/bin/pip"),
        &[&["install"], missing].concat(),
    ))
}

/// Whether a package is in an environment, in the wanted version: a list that changes is installed again.
fn is_installed(environment: &Path, wanted: &str) -> bool {
    let Ok(versions) = fs::read_dir(environment.join("lib")) else {
        return false;
    };
    let record = record_of(wanted);
    versions
        .flatten()
        .any(|python| python.path().join("site-packages").join(&record).is_dir())
}

/// The folder in which an installed package says what it is; extras are no part of it.
fn record_of(wanted: &str) -> String {
    let (name, version) = wanted.split_once("==").unwrap_or((wanted, ""));
    let name = name.split('[').next().unwrap_or(name).replace('-', "_");
    format!("{name}-{version}.dist-info")
}

fn missing(names: &[String], installed: impl Fn(&str) -> bool) -> Vec<&str> {
    names
        .iter()
        .map(String::as_str)
        .filter(|name| !installed(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(missing(&names, |name| name == "a"), ["b"]);
        assert!(missing(&names, |_| true).is_empty());
    }

    #[test]
    fn a_package_is_found_by_its_name_and_version_without_extras() {
        assert_eq!(record_of("litellm[proxy]==1.2"), "litellm-1.2.dist-info");
        assert_eq!(record_of("google-genai==3.6.1"), "google_genai-3.6.1.dist-info");
    }

    #[test]
    fn a_version_is_no_part_of_a_name() {
        for (wanted, name) in [("a", "a"), ("a@1.2", "a"), ("@s/a", "@s/a"), ("@s/a@1.2", "@s/a")] {
            assert_eq!(without_version(wanted), name);
        }
    }

    #[test]
    fn the_list_of_this_project_is_read() {
        let text = fs::read_to_string(root().join("xtask/needs.toml")).unwrap();
        toml::from_str::<Needs>(&text).unwrap();
    }
}
