//! Servers that go wrong under a run: a clear error, and the run goes on as its policy says.

use super::site::Site;

/// A run whose model calls a tool that goes wrong.
fn wrong(tool: &str, more: &str) -> (Site, String) {
    let call = format!("{{ tool: faults.{tool}, args: {{}} }}");
    let site = Site::faulty(&[], more, "faults.*", &call);
    let said = site.run().exits(0);
    assert_eq!(said.stdout, "It went wrong.\n", "the model is told");
    let error = site.calls()[0]["error"].clone();
    assert_eq!(error["kind"], "tool");
    let message = error["message"].as_str().expect("a message").to_owned();
    (site, message)
}

#[test]
fn one_that_dies_at_work_tells_the_model() {
    let (site, message) = wrong("die", "");
    assert_eq!(
        message,
        "MCP server `faults` ended with exit status 3; its stderr ends with: the disk is on fire, while `faults.die` was at work"
    );
    for line in site.log().iter().filter_map(|line| line.strip_prefix("starts ")) {
        assert!(
            !std::path::Path::new("/proc").join(line).exists(),
            "{line} is still there"
        );
    }
}

#[test]
fn one_that_sends_garbage_tells_the_model() {
    let (_, message) = wrong("garbage", "");
    assert!(
        message.contains("no message of the protocol: `DEBUG: connecting to database`"),
        "{message}"
    );
}

#[test]
fn one_that_hangs_is_cut_off_after_the_operators_limit() {
    let (_, message) = wrong("hang", "timeout = \"300ms\"");
    assert_eq!(message, "tool `faults.hang` did not answer within 300ms");
}

#[test]
fn a_policy_of_failing_fails_the_run() {
    let call = "{ tool: faults.die, args: {} }";
    let site = Site::faulty(&[], "", "{ name: faults.die, on_error: fail }", call);
    let said = site.0.json("run", &["run", "p.yaml"], 1);
    assert_eq!(said["error"]["kind"], "tool");
    assert!(
        said["error"]["message"]
            .as_str()
            .is_some_and(|message| message.contains("ended with exit status 3")),
        "{:#}",
        said["error"]
    );
}

#[test]
fn one_of_which_nothing_is_known_has_to_get_ready() {
    let call = "{ tool: faults.echo, args: { text: hi } }";
    for (how, more, message) in [
        (
            "hang",
            "start_timeout = \"300ms\"",
            "MCP server `faults` did not get ready within 300ms",
        ),
        (
            "die",
            "",
            "MCP server `faults` ended with exit status 2, before it answered the handshake",
        ),
        ("garbage", "", "no message of the protocol: `Server is ready!`"),
        ("old", "", "speaks version `1999-01-01` of the protocol"),
    ] {
        let site = Site::faulty(&["--start", how], more, "faults.echo", call);
        let refused = site.0.json("error", &["run", "p.yaml"], 2);
        let said = refused["error"]["message"].as_str().expect("a message");
        assert!(said.contains(message), "{said}");
        assert!(!site.path("segue.mcp.json").exists());
    }
}

#[test]
fn one_whose_tools_are_known_is_missed_when_it_is_called() {
    let call = "{ tool: faults.echo, args: { text: hi } }";
    let site = Site::faulty(&[], "", "faults.echo", call);
    site.run().exits(0);
    for (how, more, message) in [
        (
            "hang",
            "start_timeout = \"300ms\"",
            "MCP server `faults` did not get ready within 300ms",
        ),
        ("die", "", "MCP server `faults` ended with exit status 2"),
    ] {
        site.server(&["--start", how], more);
        site.trust();
        let said = site.run().exits(0);
        assert_eq!(said.stdout, "It went wrong.\n", "the model is told");
        assert!(
            said.stderr.contains(&format!("warning: {message}"))
                && said.stderr.contains("its tools fail until that is mended"),
            "{}",
            said.stderr
        );
        let error = &site.calls()[0]["error"]["message"];
        assert!(
            error.as_str().is_some_and(|error| error.starts_with(message)),
            "{error}"
        );
    }
}
