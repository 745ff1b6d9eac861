//! That each key of `[mcp.NAME]` has its effect. `command`, `url`, `timeout` and `start_timeout` have theirs in the tests
//! beside this one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value as Json;

use super::site::Site;
use crate::program::said;

#[test]
fn allow_and_approve_say_what_is_offered_and_who_is_asked() {
    let wipe = "{ tool: faults.wipe, args: {} }";
    // The server calls it destructive, so a person is asked, unless the operator has named it.
    for (more, exit) in [
        ("", 3),
        ("allow = [\"wi*\"]", 0),
        ("allow = [\"*\"]\napprove = \"wipe\"", 3),
    ] {
        let site = Site::faulty(&[], more, "faults.wipe", wipe);
        site.run().exits(exit);
        let wipes = site.log().iter().filter(|line| *line == "wipes").count();
        assert_eq!(wipes, usize::from(exit == 0), "{more}");
    }
    let site = Site::faulty(&[], "allow = [\"echo\"]", "faults.wipe", wipe);
    let unknown = site.run().exits(2);
    assert!(
        unknown.stderr.contains("error[unknown_tool]"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_glob_that_means_no_tool_is_a_mistake() {
    let echo = "{ tool: faults.echo, args: { text: hi } }";
    let site = Site::faulty(&[], "", "faults.echo", echo);
    site.run().exits(0);
    site.server(&[], "approve = [\"wiep\"]");
    site.trust();
    let refused = site.0.segue(&["check", "p.yaml"]).exits(2);
    assert!(
        refused.stderr.contains("MCP server `faults` has no tool `wiep`") && refused.stderr.contains("wipe"),
        "{}",
        refused.stderr
    );
    // What the server has may be others by now.
    site.0.segue(&["tools", "pin", "--yes"]).exits(0);
}

#[test]
fn env_is_what_the_program_sees_and_secrets_are_filled_in_and_never_shown() {
    let site = Site::faulty(
        &[],
        "env = { PLAIN = \"seen\", TOKEN = \"token secret://CANARY\" }",
        "faults.env",
        "{ tool: faults.env, args: {} }",
    );
    let run = |secret: Option<&str>| {
        let mut command = site.0.command(&["run", "p.yaml", "--json"]);
        command
            .env("SEGUE_SECRET_OTHER", "other-canary")
            .env("OPENAI_API_KEY", "key-canary");
        if let Some(secret) = secret {
            command.env("SEGUE_SECRET_CANARY", secret);
        }
        said(command.output().expect("the binary runs"))
    };
    let unset = run(None).exits(2);
    assert!(
        unset
            .stderr
            .contains("secret `CANARY` of MCP server `faults` is not set")
            && unset.stderr.contains("set `SEGUE_SECRET_CANARY`"),
        "{}",
        unset.stderr
    );
    let set = run(Some("mcp-canary")).exits(0);
    assert!(!set.stderr.contains("mcp-canary"), "{}", set.stderr);
    let env = site.calls()[0]["response"].as_str().expect("a text").to_owned();
    let env: Json = serde_json::from_str(&env).expect("JSON");
    assert_eq!(env["PLAIN"], "seen");
    assert!(
        env["TOKEN"]
            .as_str()
            .is_some_and(|token| token.starts_with("token ")),
        "{}",
        env["TOKEN"]
    );
    for name in [
        "SEGUE_SECRET_OTHER",
        "SEGUE_SECRET_CANARY",
        "OPENAI_API_KEY",
        "XDG_STATE_HOME",
    ] {
        assert!(env.get(name).is_none(), "it sees {name}");
    }
    let pins = std::fs::read_to_string(site.path("segue.mcp.json")).expect("pins");
    assert!(!pins.contains("mcp-canary"));
}

#[test]
fn header_is_sent_with_every_request_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let config = format!(
        "[mcp.web]\nurl = \"http://127.0.0.1:{port}/mcp\"\nheader = {{ Authorization = \"Bearer secret://CANARY\" }}\n"
    );
    let site = Site::new(&config, "web.search", "{ tool: web.search, args: {} }");
    let mut command = site.0.command(&["run", "p.yaml", "--json"]);
    let child = command
        .env("SEGUE_SECRET_CANARY", "mcp-canary")
        .stdout(Stdio::piped())
        .spawn();
    let child = child.expect("the binary runs");
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut request = Vec::new();
    let mut some = [0; 1024];
    while !request.ends_with(b"}") {
        let read = stream.read(&mut some).expect("a request");
        request.extend_from_slice(&some[..read]);
    }
    stream
        .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    drop((stream, listener));
    let request = String::from_utf8_lossy(&request).to_lowercase();
    assert!(request.contains("authorization: bearer mcp-canary"), "{request}");
    let said = said(child.wait_with_output().expect("the binary ends")).exits(2);
    assert!(
        said.stderr.contains("MCP server `web` cannot be reached"),
        "{}",
        said.stderr
    );
    assert!(
        !said.stderr.contains("mcp-canary") && !said.stdout.contains("mcp-canary"),
        "{said:?}"
    );
}

/// What becomes of a call of a tool that the server says changes nothing, when the process dies while it is at work.
fn interrupted(more: &str) -> (i32, Vec<String>) {
    let site = Site::faulty(&[], more, "faults.slow", "{ tool: faults.slow, args: {} }");
    let mut child = site
        .0
        .command(&["run", "p.yaml", "-q"])
        .spawn()
        .expect("the binary runs");
    let slow = |site: &Site| -> Vec<String> {
        site.log()
            .into_iter()
            .filter(|line| line.starts_with("slow "))
            .collect()
    };
    while slow(&site).is_empty() {
        assert!(
            child.try_wait().expect("it is ours").is_none(),
            "it ended: {:?}",
            site.log()
        );
        std::thread::yield_now();
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let said = site.0.segue(&["resume", "last", "--no-input"]);
    (said.exit.expect("it ends"), slow(&site))
}

#[test]
fn annotations_are_believed_where_they_reassure_only_when_they_are_trusted() {
    assert_eq!(
        interrupted(""),
        (3, vec!["slow hangs".to_owned()]),
        "a person decides"
    );
    let trusted = interrupted("annotations = \"trusted\"");
    assert_eq!(
        trusted,
        (0, vec!["slow hangs".to_owned(), "slow answers".to_owned()]),
        "it is repeated"
    );
}

#[test]
fn what_makes_no_server_is_said_with_its_place() {
    for (config, message) in [
        (
            "[mcp.files]\nallow = \"*\"\n",
            "nothing says how MCP server `files` is reached",
        ),
        (
            "[mcp.files]\ncommand = \"a\"\nurl = \"http://b/\"\n",
            "MCP server `files` has both `command` and `url`",
        ),
        (
            "[mcp.Files]\ncommand = \"a\"\n",
            "no MCP server can be called `Files`",
        ),
        (
            "[mcp.segue]\ncommand = \"a\"\n",
            "no MCP server can be called `segue`",
        ),
        (
            "[mcp.files]\nurl = \"nowhere\"\n",
            "`mcp.files.url`: it is no URL",
        ),
        (
            "[mcp.files]\nurl = \"http://a/\"\nenv = { A = \"b\" }\n",
            "`mcp.files.env` has no meaning without `command`",
        ),
        (
            "[mcp.files]\ncommand = \"a\"\nheader = { A = \"b\" }\n",
            "`mcp.files.header` has no meaning without `url`",
        ),
        (
            "[mcp.files]\nurl = \"http://a/\"\nheader = { \"a b\" = \"b\" }\n",
            "`mcp.files.header`: `a b` is no name of a header",
        ),
    ] {
        let site = Site::new(config, "files.*", "{ tool: files.x, args: {} }");
        let refused = site.0.segue(&["check", "p.yaml"]).exits(2);
        assert!(refused.stderr.contains(message), "{config}\n{}", refused.stderr);
        assert!(
            refused.stderr.contains("segue.toml:2)"),
            "{config}\n{}",
            refused.stderr
        );
    }
    let site = Site::new(
        "[mcp.files]\ncomand = \"a\"\n",
        "files.*",
        "{ tool: files.x, args: {} }",
    );
    let unknown = site.0.segue(&["check", "p.yaml"]).exits(2);
    assert!(
        unknown.stderr.contains("`[mcp.files]` has no key `comand`") && unknown.stderr.contains("command"),
        "{}",
        unknown.stderr
    );
}
