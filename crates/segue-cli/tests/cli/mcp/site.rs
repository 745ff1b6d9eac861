//! Projects with MCP servers.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::program::Said;
use crate::project::Project;

/// A project whose agent has tools of servers, and whose script says what it calls.
pub(crate) struct Site(pub(crate) Project);

/// The script of a server from npm.
pub(crate) fn from_npm(name: &str) -> String {
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
    script.display().to_string()
}

impl Site {
    /// A project with this configuration, accepted, and an agent that is given `tools` and calls one of them.
    pub(crate) fn new(config: &str, tools: &str, call: &str) -> Self {
        let site = Self::untrusted(config, tools, call);
        site.trust();
        site
    }

    pub(crate) fn untrusted(config: &str, tools: &str, call: &str) -> Self {
        let project = Project::empty();
        project.write("segue.toml", config);
        let pipeline = format!(
            "version: 1\nname: p\nmodels: {{ m: {{ use: sim/script, file: script.yaml }} }}\n\
             agents: {{ worker: {{ instructions: Work., model: m, tools: [{tools}] }} }}\n\
             steps: {{ work: {{ agent: worker, prompt: Go. }} }}\n"
        );
        project.write("p.yaml", &pipeline);
        let script = format!(
            "version: 1\nscript:\n  - {{ times: 1, call: {call} }}\n  \
             - {{ prompt: {{ contains: 'error: ' }}, reply: It went wrong. }}\n  - {{ reply: It is done. }}\n"
        );
        project.write("script.yaml", &script);
        Self(project)
    }

    /// One with our own server, under the name `faults`; `more` is said of it beside its command.
    pub(crate) fn faulty(arguments: &[&str], more: &str, tools: &str, call: &str) -> Self {
        let site = Self::new("", tools, call);
        site.server(arguments, more);
        site.trust();
        site
    }

    /// Our own server from now on, with these arguments.
    pub(crate) fn server(&self, arguments: &[&str], more: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../segue-tools/tests/mcp/server.py");
        let log = self.path("log").display().to_string();
        let fixed = ["python3", script, "--log", &log];
        let command: Vec<&str> = fixed.into_iter().chain(arguments.iter().copied()).collect();
        self.0.write(
            "segue.toml",
            &format!("[mcp.faults]\ncommand = {command:?}\n{more}\n"),
        );
    }

    pub(crate) fn trust(&self) {
        self.0.segue(&["doctor", "--trust", "--yes", "-q"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self) -> Said {
        self.0.segue(&["run", "p.yaml"])
    }

    /// What our own server went through.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn starts(&self) -> usize {
        self.log()
            .iter()
            .filter(|line| line.starts_with("starts "))
            .count()
    }

    /// The tool calls of the newest run.
    pub(crate) fn calls(&self) -> Vec<Json> {
        let shown = self.0.json("calls", &["runs", "show", "last", "--calls"], 0);
        let calls = shown["items"].as_array().expect("calls").clone();
        calls.into_iter().filter(|call| call["kind"] == "tool").collect()
    }
}
