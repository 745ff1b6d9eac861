//! Runs the binary and keeps what it said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

/// The variables that hold keys of providers.
const KEYS: [&str; 4] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "OPENROUTER_API_KEY",
];
/// Where nobody answers: the port is reserved, and programs do not listen there.
const NOBODY: &str = "127.0.0.1:1";

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Stdout, which has to be exactly one JSON object.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is no JSON object: {error}\n{self:?}"))
    }

    /// Fails the test unless the exit code is this.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self:#?}");
        self
    }

    /// The events on stdout.
    pub(crate) fn events(&self) -> Vec<Json> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line} is no event: {error}"))
        };
        self.stdout.lines().map(read).collect()
    }
}

/// The folder of the pipelines these tests run.
pub(crate) fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines")
}

/// The binary with these arguments, in the folder of the test pipelines, without terminal or colours.
#[expect(clippy::disallowed_methods, reason = "the tests of a binary start it")]
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segue"));
    command
        .args(arguments)
        .current_dir(pipelines())
        // Runs of these tests leave nothing in the sources.
        .env("SEGUE_STORE", "memory:")
        // Nor do they change what their user trusts.
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        // Nobody's own keys or models count here.
        .env("OLLAMA_HOST", NOBODY)
        .env_remove("SEGUE_OFFLINE")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for key in KEYS {
        command.env_remove(key);
    }
    command
}

/// Runs the binary in the folder of the test pipelines.
pub(crate) fn segue(arguments: &[&str]) -> Said {
    said(command(arguments).output().expect("the binary runs"))
}

/// Runs the binary in another folder.
pub(crate) fn segue_in(folder: &Path, arguments: &[&str]) -> Said {
    said(
        command(arguments)
            .current_dir(folder)
            .output()
            .expect("the binary runs"),
    )
}

/// Runs the binary with this text on stdin.
pub(crate) fn segue_with(stdin: &str, arguments: &[&str]) -> Said {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    std::io::Write::write_all(&mut pipe, stdin.as_bytes()).expect("the binary reads");
    drop(pipe);
    said(child.wait_with_output().expect("the binary ends"))
}

pub(crate) fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("what is printed is UTF-8");
    Said {
        exit: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
