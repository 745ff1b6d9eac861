//! The checks, in the order that finds most faults soonest, and the loop that runs them.
//!
//! Plain `cargo test` on purpose: a fresh machine has it. Clippy goes before the tests, so that a fault of types is found
//! without generating code, and the documentation after, from the same checked dependencies.

use std::process::Command;

use crate::arguments::Selection;
use crate::failure::{Failure, Result};
use crate::process::{cargo, run as run_program, timed};
use crate::{audit, needs, size};

/// One check and how a person is told about it.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    run: fn() -> Result<()>,
}

/// All checks; the cheap ones first.
pub(crate) const CHECKS: [Check; 8] = [
    Check {
        name: "needs",
        about: "what the tests need is installed (`needs.toml`)",
        run: needs::install,
    },
    Check {
        name: "fmt",
        about: "the code is formatted",
        run: fmt,
    },
    Check {
        name: "size",
        about: "no Rust file has grown too long to read",
        run: size::check,
    },
    Check {
        name: "licences",
        about: "dependencies: licences, duplicates, weight (`audit.toml`)",
        run: audit::check,
    },
    Check {
        name: "clippy",
        about: "no warnings",
        run: clippy,
    },
    Check {
        name: "test",
        about: "unit, integration and documentation tests",
        run: test,
    },
    Check {
        name: "build",
        about: "the binary as it is shipped, without what only tests need",
        run: build,
    },
    Check {
        name: "docs",
        about: "the documentation builds without warnings",
        run: docs,
    },
];

/// Runs the selected checks and stops at the first that fails.
///
/// # Errors
///
/// What that check found, with how to run it alone; or that nothing is selected.
pub(crate) fn run(selection: &Selection) -> Result<()> {
    let selected: Vec<Check> = CHECKS
        .into_iter()
        .filter(|check| selection.has(check.name))
        .collect();
    if selected.is_empty() {
        return Err(Failure::new("no check is left to run"));
    }
    let mut total = 0.0;
    for Check { name, about, run } in selected {
        eprintln!("==> {name}: {about}");
        let (result, seconds) = timed(run);
        result.map_err(|failure| {
            failure.hint(format!(
                "check `{name}` failed after {seconds:.1} s; run it alone with `cargo xtask test --only {name}`"
            ))
        })?;
        eprintln!("    {name} passed in {seconds:.1} s");
        total += seconds;
    }
    eprintln!("all passed in {total:.1} s");
    Ok(())
}

fn fmt() -> Result<()> {
    run_program(cargo(&["fmt", "--all", "--check"]))
        .map_err(|_| Failure::new("the code is not formatted").hint("`cargo fmt --all` formats it"))
}

/// What no default feature builds and would go bad unseen.
const FEATURES: &str = "segue-store/postgres-tls,segue-crash/harness";

/// The kill loop, with what it is told.
///
/// # Errors
///
/// What it found.
pub(crate) fn crash(words: &[String]) -> Result<()> {
    needs::install()?;
    let build = [
        "build",
        "-p",
        "segue-crash",
        "--features",
        "harness",
        "--bins",
        "--locked",
    ];
    run_program(cargo(&build))?;
    let run = [
        "run",
        "-p",
        "segue-crash",
        "--features",
        "harness",
        "--bin",
        "segue-crash",
        "--quiet",
        "--",
    ];
    let words = words.iter().map(String::as_str);
    run_program(cargo(&run.into_iter().chain(words).collect::<Vec<_>>()))
}

fn clippy() -> Result<()> {
    run_program(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        FEATURES,
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn test() -> Result<()> {
    run_program(cargo(&[
        "test",
        "--workspace",
        "--features",
        FEATURES,
        "--locked",
    ]))
}

fn build() -> Result<()> {
    run_program(cargo(&["build", "-p", "segue-cli", "--locked"]))
}

fn docs() -> Result<()> {
    let mut doc: Command = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run_program(doc)
}
