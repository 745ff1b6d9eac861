//! What the dependencies are held to: their licences, no crate twice, and a library that stays light to embed.
//!
//! The rules are data, in `audit.toml`. An exception there carries its reason, and one that is no longer needed fails.

mod duplicates;
mod licences;
mod light;

use std::fs;

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::graph::Graph;
use crate::process::{output, program, root};

/// The rules of `audit.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Audit {
    licences: Vec<String>,
    #[serde(default)]
    light: Vec<light::Light>,
    #[serde(default)]
    duplicates: Vec<duplicates::Accepted>,
}

/// # Errors
///
/// All that one of the three rules finds.
pub(crate) fn check() -> Result<()> {
    let audit = Audit::read()?;
    // Licences hold on every platform and for every feature; what is built twice or is heavy is asked of this one.
    licences::check(&audit.licences, &Graph::read(&["--all-features"])?)?;
    duplicates::check(&audit.duplicates, &Graph::read(&["--filter-platform", &host()?])?)?;
    light::check(&audit.light)
}

impl Audit {
    fn read() -> Result<Self> {
        let path = root().join("xtask/audit.toml");
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| Failure::new(format!("`audit.toml`: {error}")))
    }
}

/// The platform of this machine, as rustc calls it.
fn host() -> Result<String> {
    let version = output(program("rustc", &["--version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::new("`rustc --version --verbose` names no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_this_project_are_read() {
        let audit = Audit::read().unwrap();
        assert!(!audit.licences.is_empty() && !audit.light.is_empty());
    }
}
