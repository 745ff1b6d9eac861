//! How long a Rust file may be. A module is one noun, and a noun fits on a few screens.

use std::fs;

use crate::failure::{Failure, Result};
use crate::process::{output, program, root};

/// Most files have 100 to 400 lines; at this many one has become two.
const MAX_LINES: usize = 600;

/// # Errors
///
/// The files over the limit, and how long they are.
pub(crate) fn check() -> Result<()> {
    // Files that are new and not ignored count too: the check is run before the commit.
    let listed = output(program(
        "git",
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ],
    ))?;
    let mut findings = Vec::new();
    for path in listed.split_terminator('\0') {
        // A file that was removed but not yet from git is of no length.
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        findings.extend(finding(path, &text));
    }
    findings.sort();
    findings.dedup();
    Failure::of_all(&format!("files of more than {MAX_LINES} lines"), &findings)
        .map_err(|failure| failure.hint("find the second noun in the file and give it its own"))
}

fn finding(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("`{path}` has {lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_fine() {
        assert_eq!(finding("a.rs", &"x\n".repeat(MAX_LINES)), None);
        assert_eq!(
            finding("a.rs", &"x\n".repeat(MAX_LINES + 1)).as_deref(),
            Some("`a.rs` has 601")
        );
    }
}
