//! `--version`: which program this is.

use serde_json::json;

use crate::program::Program;

/// Prints the version; as an object also commit, target and features.
pub(crate) fn print(program: &mut Program) {
    let version = env!("CARGO_PKG_VERSION");
    if program.common.json {
        program.output.object(&json!({
            "schema": "segue.version/1",
            "version": version,
            // Set where a release is built.
            "commit": option_env!("SEGUE_COMMIT"),
            "target": env!("SEGUE_TARGET"),
            "features": [],
        }));
    } else {
        program.output.document(&format!("segue {version}"));
    }
}
