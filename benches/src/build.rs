//! W12: how long a cold release build takes, and how large the binary is.
//!
//! Builds into an empty folder, with everything already downloaded. The binary is measured when the workspace has one.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::program;

/// A package that was built from nothing.
#[derive(Debug, Clone, Copy)]
pub struct Built {
    /// From the start of cargo to its end.
    pub taken: Duration,
    /// Bytes of what was asked for: the binary, or the library's `.rlib`.
    pub bytes: u64,
}

/// Builds the library alone, with its default features.
///
/// # Errors
///
/// When it does not build.
pub fn library() -> Result<Built> {
    package("segue", "libsegue.rlib")
}

/// Builds the binary, when the workspace has it.
///
/// # Errors
///
/// When it does not build.
pub fn binary() -> Result<Option<Built>> {
    if program::manifest("../crates/segue-cli/Cargo.toml").exists() {
        package("segue-cli", "segue").map(Some)
    } else {
        Ok(None)
    }
}

fn package(name: &str, file: &str) -> Result<Built> {
    let folder = std::env::temp_dir().join(format!("segue-cold-build-{}", std::process::id()));
    ensure!(
        !folder.exists(),
        "`{}` is in the way of a cold build",
        folder.display()
    );
    let built = cold(name, file, &folder);
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove `{}`", folder.display()))?;
    built
}

fn cold(name: &str, file: &str, folder: &Path) -> Result<Built> {
    let workspace = program::manifest("../Cargo.toml");
    let fetched = program::cargo()
        .args(["fetch", "--quiet", "--manifest-path"])
        .arg(&workspace)
        .status()?;
    ensure!(
        fetched.success(),
        "the dependencies of the workspace cannot be fetched"
    );
    let mut cargo = program::cargo();
    cargo
        .args([
            "build",
            "--release",
            "--offline",
            "--package",
            name,
            "--manifest-path",
        ])
        .arg(&workspace);
    cargo
        .arg("--target-dir")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let status = cargo.status().context("start cargo")?;
    let taken = began.elapsed();
    ensure!(status.success(), "package `{name}` does not build");
    let path = folder.join("release").join(file);
    let bytes = path
        .metadata()
        .with_context(|| format!("look at `{}`", path.display()))?
        .len();
    Ok(Built { taken, bytes })
}
