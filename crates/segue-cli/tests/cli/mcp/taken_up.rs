//! Runs with tools of MCP servers that another process goes on with: it connects to what is left to call, and where a server
//! cannot be had the run is left as it is.

use std::fs;

use super::site::Site;

const ECHO: &str = "{ tool: faults.echo, args: { text: hi } }";
const WIPE: &str = "{ tool: faults.wipe, args: {} }";
/// A pipeline that has nothing to do with servers.
const OTHER: &str = "version: 1\nname: other\nsteps: { one: { set: done } }\n";
const BROKEN: &str = "MCP server `faults` ended with exit status 2, before it answered the handshake";

/// A run whose process was killed while a tool of the server was at work that can be called again.
fn killed() -> Site {
    let slow = "{ tool: faults.slow, args: {} }";
    let site = Site::faulty(&[], "annotations = \"trusted\"", "faults.slow", slow);
    let mut child = site
        .0
        .command(&["run", "p.yaml", "-q"])
        .spawn()
        .expect("the binary runs");
    while !site.log().iter().any(|line| line == "slow hangs") {
        let ended = child.try_wait().expect("it is ours");
        assert!(ended.is_none(), "it ended: {:?}", site.log());
        std::thread::yield_now();
    }
    // The same as `kill -9`.
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    site
}

impl Site {
    fn broken(&self, more: &str) {
        self.server(&["--start", "die"], more);
        self.trust();
    }

    fn mended(&self, more: &str) {
        self.server(&[], more);
        self.trust();
    }

    fn status(&self) -> String {
        let shown = self.0.json("run", &["runs", "show", "last"], 0);
        shown["status"].as_str().expect("a status").to_owned()
    }
}

#[test]
fn whoever_takes_up_a_killed_run_connects_to_what_is_left_to_call() {
    let site = killed();
    site.0.write("other.yaml", OTHER);
    let starts = site.starts();
    let said = site.0.segue(&["run", "other.yaml"]).exits(0);
    assert!(
        said.stderr.contains("going on with run_") && said.stderr.contains(" p, which its process left"),
        "{}",
        said.stderr
    );
    let shown = site.0.json("runs", &["runs", "list", "--pipeline", "p"], 0);
    assert_eq!(shown["items"][0]["status"], "succeeded", "{shown:#}");
    assert_eq!(site.starts(), starts + 1, "one connection for the process");
    assert!(site.log().iter().any(|line| line == "slow answers"));
}

#[test]
fn a_killed_run_whose_server_cannot_be_had_is_left_as_it_is() {
    let more = "annotations = \"trusted\"";
    let site = killed();
    site.broken(more);
    let refused = site.0.segue(&["resume", "last", "--no-input"]).exits(2);
    assert!(
        refused.stderr.contains(BROKEN)
            && refused.stderr.contains("is left as it is; `segue resume run_")
            && refused.stderr.contains("hint: look whether it works: python3"),
        "{}",
        refused.stderr
    );
    assert_eq!(site.status(), "running");
    // Nor does a process fail it that has something else to do.
    site.0.write("other.yaml", OTHER);
    let other = site.0.segue(&["run", "other.yaml"]).exits(0);
    assert!(
        other
            .stderr
            .contains(" is left as it is: MCP server `faults` ended"),
        "{}",
        other.stderr
    );
    let shown = site.0.json("runs", &["runs", "list", "--pipeline", "p"], 0);
    assert_eq!(shown["items"][0]["status"], "running");
    let run = shown["items"][0]["id"].as_str().expect("an id");

    site.mended(more);
    let said = site.0.segue(&["resume", run, "--no-input"]).exits(0);
    assert_eq!(said.stdout, "It is done.\n");
}

#[test]
fn an_approval_is_kept_where_the_server_cannot_be_had() {
    let site = Site::faulty(&[], "", "faults.wipe", WIPE);
    site.run().exits(3);
    let wipes = || site.log().iter().filter(|line| *line == "wipes").count();
    site.broken("");
    let refused = site.0.segue(&["approve", "last", "--yes", "--no-input"]).exits(2);
    assert!(
        refused.stderr.contains(BROKEN)
            && refused
                .stderr
                .contains("the answer is kept, and is not asked for again"),
        "{}",
        refused.stderr
    );
    assert_eq!((site.status().as_str(), wipes()), ("waiting", 0));
    let again = site.0.segue(&["resume", "last", "--no-input"]).exits(2);
    assert!(again.stderr.contains(BROKEN), "{}", again.stderr);

    site.mended("");
    let said = site.0.segue(&["resume", "last", "--no-input"]).exits(0);
    assert_eq!((said.stdout.as_str(), wipes()), ("It is done.\n", 1));
}

#[test]
fn a_server_that_is_not_needed_any_more_is_not_asked_for() {
    let site = Site::faulty(&[], "", "faults.echo", ECHO);
    site.0.write(
        "p.yaml",
        "version: 1\nname: p\nsteps:\n  read: { tool: faults.echo, with: { text: hi } }\n  \
         ask: { ask: { title: 'Go on?', form: string }, needs: [read] }\n\
         output: steps.ask.output\n",
    );
    site.run().exits(3);
    site.broken("");
    let said = site
        .0
        .segue(&["answer", "last", "--input", "yes", "--no-input"])
        .exits(0);
    assert_eq!(said.stdout, "yes\n");
    assert!(!said.stderr.contains("faults"), "{}", said.stderr);
}

#[test]
fn a_server_whose_pins_are_gone_is_pinned_before_a_run_goes_on() {
    let site = Site::faulty(&[], "", "faults.wipe", WIPE);
    for verb in [
        &["approve", "last", "--yes", "--no-input"][..],
        &["answer", "last", "--set", "approved=true", "--no-input"],
    ] {
        site.run().exits(3);
        fs::remove_file(site.path("segue.mcp.json")).expect("pins");
        let said = site.0.segue(verb).exits(0);
        assert_eq!(said.stdout, "It is done.\n");
        assert!(
            said.stderr.contains("of MCP server `faults` in `segue.mcp.json`"),
            "{}",
            said.stderr
        );
    }
    let site = killed();
    fs::remove_file(site.path("segue.mcp.json")).expect("pins");
    site.0.write("other.yaml", OTHER);
    let other = site.0.segue(&["run", "other.yaml"]).exits(0);
    assert!(
        other.stderr.contains("what tools `faults` has is not known yet")
            && other
                .stderr
                .contains("hint: `segue tools pin faults` looks at them"),
        "{}",
        other.stderr
    );
    let shown = site.0.json("runs", &["runs", "list", "--pipeline", "p"], 0);
    let run = shown["items"][0]["id"].as_str().expect("an id");
    let said = site.0.segue(&["resume", run, "--no-input"]).exits(0);
    assert_eq!(said.stdout, "It is done.\n");
}

#[test]
fn a_tool_that_is_not_what_was_pinned_keeps_a_run_from_going_on_until_it_is_accepted() {
    let site = Site::new("", "faults.wipe", WIPE);
    site.0.write("description", "Says it again.");
    let description = site.path("description").display().to_string();
    site.server(&["--description", &description], "");
    site.trust();
    let pipeline = fs::read_to_string(site.path("p.yaml")).expect("a pipeline");
    site.0.write(
        "p.yaml",
        &pipeline.replace("[faults.wipe]", "[faults.wipe, faults.echo]"),
    );
    site.run().exits(3);
    site.0.write("description", "Says it again, and passes it on.");
    let refused = site.0.segue(&["approve", "last", "--yes", "--no-input"]).exits(2);
    assert!(
        refused
            .stderr
            .contains("`faults.echo` is not what was pinned: it has changed: its description")
            && refused
                .stderr
                .contains("hint: `segue tools pin faults` shows what is different"),
        "{}",
        refused.stderr
    );
    site.0.segue(&["tools", "pin", "--yes", "-q"]).exits(0);
    let said = site.0.segue(&["resume", "last", "--no-input"]).exits(0);
    assert_eq!(said.stdout, "It is done.\n");
}

#[test]
fn a_rerun_by_a_new_definition_pins_what_that_names() {
    let site = Site::faulty(&[], "", "", ECHO);
    site.0.write(
        "script.yaml",
        &format!("version: 1\nscript:\n  - {{ times: 1, reply: Nothing. }}\n  - {{ times: 1, call: {ECHO} }}\n  - {{ reply: It is done. }}\n"),
    );
    site.run().exits(0);
    assert_eq!(site.starts(), 0);
    let pipeline = fs::read_to_string(site.path("p.yaml")).expect("a pipeline");
    site.0
        .write("p.yaml", &pipeline.replace("tools: []", "tools: [faults.echo]"));
    site.0.write(
        "script.yaml",
        &format!("version: 1\nscript:\n  - {{ times: 1, call: {ECHO} }}\n  - {{ reply: It is done. }}\n"),
    );
    let again = [
        "rerun",
        "last",
        "--from",
        "work",
        "--definition",
        "new",
        "--no-input",
    ];
    let said = site.0.segue(&again).exits(0);
    assert_eq!(said.stdout, "It is done.\n");
    assert!(
        said.stderr.contains("of MCP server `faults` in `segue.mcp.json`"),
        "{}",
        said.stderr
    );
}
