//! Pins: what the tools of MCP servers were when somebody accepted them, in a file beside `segue.toml`.
//!
//! It lies with the project and not in `.segue`, which no version control sees: what a model is told of a tool is part of a
//! pipeline, and a change of it is to be read by whoever reads its other changes.

use std::io::{ErrorKind as Io, Write};
use std::path::PathBuf;

use segue_tools::mcp::Pins;

use crate::problem::Problem;
use crate::project::Project;
use crate::saving::Saving;

/// The name of the file.
pub(crate) const FILE: &str = "segue.mcp.json";
/// The largest file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// Where the pins of a project are.
fn path(project: &Project) -> PathBuf {
    project.path(FILE)
}

/// What is pinned in a project; nothing where there is no file.
///
/// # Errors
/// When the file cannot be read, or is not what was written.
pub(crate) fn read(project: &Project) -> Result<Pins, Problem> {
    let path = path(project);
    let shown = path.display();
    let unread = |why: &dyn std::fmt::Display| {
        Problem::usage(format!(
            "the pinned tools in {} cannot be read: {why}",
            segue::fault::quote(&shown.to_string())
        ))
        .hint("take the file back from version control, or remove it and pin again: `segue tools pin`")
    };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == Io::NotFound => return Ok(Pins::default()),
        Err(error) => return Err(unread(&error)),
        Ok(found) if found.len() > MAX_BYTES => {
            return Err(unread(&format!("it has more than {MAX_BYTES} bytes")));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&path).map_err(|error| unread(&error))?;
    Pins::read(&text).map_err(|error| unread(&error))
}

/// Writes what is pinned, as a whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(project: &Project, pins: &Pins) -> Result<(), Problem> {
    let path = path(project);
    let mut saving = Saving::begin(&path, true)?;
    saving
        .write_all(pins.text().as_bytes())
        .map_err(|error| crate::saving::unwritten(&path, &error))?;
    saving.end()
}
