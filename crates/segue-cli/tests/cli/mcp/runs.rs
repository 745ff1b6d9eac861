//! Runs with real servers: from npm, over pipes and HTTP.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::site::{Site, from_npm};

/// A configuration with `server-filesystem` on a folder of the project.
fn files(more: &str) -> String {
    let script = from_npm("server-filesystem");
    format!("[mcp.files]\ncommand = [\"node\", {script:?}, \"./data\"]\n{more}\n")
}

fn site(more: &str, tools: &str, call: &str) -> Site {
    let site = Site::new(&files(more), tools, call);
    fs::create_dir(site.path("data")).expect("a folder");
    fs::write(site.path("data/a.txt"), "forty-two").expect("a file");
    site
}

#[test]
fn a_file_is_read() {
    let call = "{ tool: files.read_text_file, args: { path: a.txt } }";
    let site = site("allow = [\"read_*\"]", "files.*", call);
    let unverified = site.0.json("check", &["check", "p.yaml"], 0);
    assert_eq!(
        unverified["pipelines"][0]["faults"][0]["code"], "unverified",
        "{unverified:#}"
    );
    let planned = site.0.segue(&["plan", "p.yaml"]).exits(0);
    assert!(!planned.stderr.contains("pinned"), "{}", planned.stderr);
    assert!(
        !site.path("segue.mcp.json").exists(),
        "neither connects to anything"
    );

    let first = site.run().exits(0);
    assert_eq!(first.stdout, "It is done.\n");
    assert!(
        first
            .stderr
            .contains("pinned 14 tools of MCP server `files` in `segue.mcp.json`"),
        "{}",
        first.stderr
    );
    assert!(!first.stderr.contains("warning"), "{}", first.stderr);
    let calls = site.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["tool"], "files.read_text_file");
    assert!(
        calls[0]["response"].to_string().contains("forty-two"),
        "{:#}",
        calls[0]
    );

    let second = site.run().exits(0);
    assert!(!second.stderr.contains("pinned"), "{}", second.stderr);
    let verified = site.0.json("check", &["check", "p.yaml"], 0);
    assert_eq!(verified["pipelines"][0]["faults"], serde_json::json!([]));
}

#[test]
fn names_and_globs_that_mean_no_tool_are_found_by_the_check_once_they_are_known() {
    let call = "{ tool: files.read_text_file, args: { path: a.txt } }";
    for (tools, message, hint) in [
        (
            "files.read_txt_file",
            "tool `files.read_txt_file` does not exist",
            "files.read_text_file",
        ),
        (
            "files.fetch_*",
            "no tool is called like `files.fetch_*`",
            "files.read_text_file",
        ),
        (
            "files.move_file",
            "tool `files.move_file` does not exist",
            "files.",
        ),
        ("search.*", "no tool is called like `search.*`", "files."),
    ] {
        let site = site("allow = [\"read_text_file\", \"list_directory\"]", tools, call);
        let is_elsewhere = tools.starts_with("search");
        if !is_elsewhere {
            site.0.segue(&["check", "p.yaml"]).exits(0);
            let run = site.run().exits(2);
            assert!(
                run.stderr.contains("error[unknown_tool]")
                    && run.stderr.contains(message)
                    && run.stderr.contains(hint),
                "{}",
                run.stderr
            );
        }
        let check = site.0.json("check", &["check", "p.yaml"], 2);
        let fault = &check["pipelines"][0]["faults"][0];
        assert_eq!(
            (&fault["code"], &fault["message"]),
            (&"unknown_tool".into(), &message.into())
        );
    }
}

#[test]
fn what_has_to_be_approved_waits_for_a_person_whatever_the_file_says() {
    let call = "{ tool: files.write_file, args: { path: b.txt, content: written } }";
    let tools = "{ name: files.write_file, approval: allow }";
    let site = site("approve = [\"write_*\"]", tools, call);
    site.run().exits(3);
    assert!(!site.path("data/b.txt").exists());
    let waits = site.0.json("run", &["runs", "show", "last"], 0);
    let approval = &waits["questions"][0]["approval"];
    assert_eq!(approval["tool"], "files.write_file");
    assert_eq!(approval["arguments"]["content"], "written");
    let said = site
        .0
        .segue(&["answer", "last", "--set", "approved=true"])
        .exits(0);
    assert_eq!(said.stdout, "It is done.\n");
    assert_eq!(
        fs::read_to_string(site.path("data/b.txt")).expect("a file"),
        "written"
    );
    assert_eq!(
        site.calls()
            .iter()
            .filter(|call| call["status"] == "succeeded")
            .count(),
        1
    );

    fs::remove_file(site.path("data/b.txt")).expect("a file");
    site.run().exits(3);
    let said = site
        .0
        .segue(&[
            "answer",
            "last",
            "--set",
            "approved=false",
            "--set",
            "reason=not today",
        ])
        .exits(0);
    assert_eq!(said.stdout, "It went wrong.\n", "the model is told");
    assert!(!site.path("data/b.txt").exists());
}

#[test]
fn a_tool_of_a_server_is_called_by_a_step() {
    let site = site(
        "allow = [\"read_text_file\"]",
        "files.*",
        "{ tool: files.read_text_file, args: {} }",
    );
    let pipeline = "version: 1\nname: p\ninputs: { path: { type: string, default: a.txt } }\n\
                    steps: { read: { tool: files.read_text_file, with: { path: '{{ inputs.path }}' } } }\n";
    site.0.write("p.yaml", pipeline);
    let said = site.run().exits(0);
    assert!(said.stdout.contains("forty-two"), "{}", said.stdout);
    // Its arguments are checked like any others, now that what it takes is known.
    site.0
        .write("p.yaml", &pipeline.replace("path: '{{ inputs.path }}'", "pth: x"));
    let check = site.0.json("check", &["check", "p.yaml"], 2);
    let fault = &check["pipelines"][0]["faults"][0];
    assert_eq!(
        fault["message"],
        "tool `files.read_text_file` needs `path`, which is not given"
    );
}

/// A server from npm that listens on a port of this machine.
struct Listening {
    child: Child,
    port: u16,
}

impl Listening {
    #[expect(clippy::disallowed_methods, reason = "the test starts the server")]
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port").port();
        let mut child = Command::new("node")
            .arg(from_npm("server-everything"))
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node is there");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut lines = stderr.lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("listening on port")),
            "it never listened on {port}"
        );
        Self { child, port }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_is_reached_over_http_and_offline_only_on_this_machine() {
    let listening = Listening::start();
    let call = "{ tool: all.echo, args: { message: hello } }";
    let config = |host: &str| format!("[mcp.all]\nurl = \"http://{host}:{}/mcp\"\n", listening.port);
    let site = Site::new(&config("127.0.0.1"), "all.echo", call);
    let said = site
        .0
        .command(&["run", "p.yaml"])
        .env("SEGUE_OFFLINE", "1")
        .output();
    let said = crate::program::said(said.expect("the binary runs")).exits(0);
    assert_eq!(said.stdout, "It is done.\n");
    assert_eq!(site.calls()[0]["response"], "Echo: hello");

    site.0.write("segue.toml", &config("mcp.example.com"));
    site.trust();
    let said = site
        .0
        .command(&["run", "p.yaml", "--json"])
        .env("SEGUE_OFFLINE", "1")
        .output();
    let said = crate::program::said(said.expect("the binary runs")).exits(2);
    assert_eq!(said.json()["error"]["kind"], "offline");
    assert!(said.stderr.contains("and Segue is offline"), "{}", said.stderr);
}
