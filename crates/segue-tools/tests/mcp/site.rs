//! Servers to test with, and calls of their tools as a run makes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use segue::{Cx, Failure, Out, Pipeline, Registry, Runner, from_fn};
use segue_tools::mcp::{Program, Reach, Server};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// The script of a server that `cargo xtask test` has installed from npm.
pub(crate) fn from_npm(name: &str) -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/needs/node_modules");
    let script = modules
        .join("@modelcontextprotocol")
        .join(name)
        .join("dist/index.js");
    assert!(
        script.is_file(),
        "{} is not there; `cargo xtask test --only needs` installs it",
        script.display()
    );
    script
}

/// A server from npm over its pipes.
pub(crate) fn node(server: &str, arguments: &[&str]) -> Program {
    let script = from_npm(server).display().to_string();
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    Program::new("node", [script].into_iter().chain(arguments), Path::new("."))
}

/// A folder with a log of what our own server went through.
pub(crate) struct Faulty {
    pub(crate) folder: TempDir,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Our own server, with these arguments.
    pub(crate) fn program(&self, arguments: &[&str]) -> Program {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp/server.py");
        let log = self.path("log");
        let fixed = [script, "--log", &log].into_iter();
        let arguments: Vec<String> = fixed
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        Program::new("python3", arguments, self.folder.path())
    }

    pub(crate) fn server(&self, arguments: &[&str]) -> Server {
        Server::new("faults", Reach::Program(self.program(arguments)))
    }

    /// The same with its tools pinned as they are.
    pub(crate) async fn pinned(&self, arguments: &[&str]) -> Arc<Server> {
        pinned(|| self.server(arguments)).await
    }

    /// What it went through, line by line.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a line of the log begins like this, and gives it.
    pub(crate) async fn logged(&self, beginning: &str) -> String {
        let logged = async {
            loop {
                if let Some(line) = self.log().into_iter().find(|line| line.starts_with(beginning)) {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        let logged = tokio::time::timeout(LONG, logged).await;
        logged.unwrap_or_else(|_| panic!("no line begins with {beginning}: {:?}", self.log()))
    }
}

/// A server whose tools are pinned as it lists them.
pub(crate) async fn pinned(make: impl Fn() -> Server) -> Arc<Server> {
    let first = make();
    let tools = first.found().await.expect("it lists its tools");
    first.close().await;
    Arc::new(make().pinned(tools))
}

pub(crate) fn registry(server: &Arc<Server>) -> Registry {
    server.tools().fold(Registry::new(), Registry::tool)
}

/// What a call gives that a step of a run makes.
pub(crate) async fn call(server: &Arc<Server>, tool: &str, arguments: Json) -> Result<Json, Failure> {
    let step =
        from_fn(
            |cx: Cx, (tool, arguments): (String, Json)| async move { cx.call::<Json>(tool, arguments).await },
        );
    let pipeline = Pipeline::define("calls", |p, call: Out<(String, Json)>| p.step("call", step, call));
    let pipeline = pipeline.expect("one step is a pipeline");
    let runner = Runner::builder()
        .registry(registry(server))
        .build()
        .expect("a runner");
    let tool = format!("{}.{tool}", server.name());
    let run = runner
        .start(&pipeline, (tool, arguments))
        .await
        .expect("it starts");
    match run.done().await {
        Ok(done) => Ok(done.output),
        Err(error) => Err(Failure::clone(&error.failure().failed_steps.first().map_or_else(
            || Arc::new(error.failure().clone()),
            |failed| failed.error.clone(),
        ))),
    }
}

/// The message of a call that fails.
pub(crate) async fn fails(server: &Arc<Server>, tool: &str) -> String {
    let failure = call(server, tool, json!({})).await.expect_err(tool);
    failure.message
}

/// Whether a process is there.
pub(crate) fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // One that has ended and was not waited for is nobody any more.
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: &str) {
    let gone = async {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(LONG, gone).await;
    assert!(gone.is_ok(), "process {pid} is still there");
}
