//! The measuring processes beside `bench`: built when first needed, found in the same folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Builds all binaries of this package as this one was built; `cargo run` builds only the one it runs.
///
/// # Errors
///
/// When this is no release build, or the build fails.
pub fn build_all() -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "measure a release build: `cargo run --release`"
    );
    let mut cargo = cargo();
    cargo
        .args(["build", "--release", "--quiet", "--bins", "--manifest-path"])
        .arg(manifest("Cargo.toml"));
    if !cfg!(feature = "segue") {
        cargo.arg("--no-default-features");
    }
    let status = cargo.status().context("start cargo")?;
    ensure!(status.success(), "the measuring processes do not build");
    Ok(())
}

/// The binary of this package with this name.
///
/// # Errors
///
/// When it was not built.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()
        .context("find this binary")?
        .with_file_name(name);
    ensure!(path.exists(), "`{}` is missing", path.display());
    Ok(path)
}

/// A folder on the disk that this package is built on, gone with what this gives: the system's folder for temporary files
/// is often no disk at all, where nothing that is durable can be measured.
///
/// # Errors
///
/// When it cannot be made.
#[cfg(feature = "segue")]
pub fn scratch() -> Result<tempfile::TempDir> {
    let beside = std::env::current_exe().context("find this binary")?;
    let folder = beside.parent().context("a binary is in a folder")?;
    tempfile::tempdir_in(folder).context("make a folder for a store")
}

/// Runs the command to its end and returns what it printed to the standard output and to the standard error.
///
/// # Errors
///
/// When it cannot be started or does not succeed.
pub fn output(command: &mut Command) -> Result<(String, String)> {
    let name = command.get_program().to_owned();
    let output = command
        .output()
        .with_context(|| format!("start `{}`", name.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!(
            "`{}` ended with {}: {}",
            name.display(),
            output.status,
            errors.trim()
        );
    }
    Ok((
        String::from_utf8(output.stdout).context("read its output")?,
        errors,
    ))
}

/// The cargo that runs this, or the one on the path.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A file of this package.
pub fn manifest(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}
