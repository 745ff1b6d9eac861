//! Ctrl-C and its kin: the run is cancelled, and its record is complete.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value as Json;

use crate::program::command;

/// Sends a signal to a process.
#[expect(clippy::disallowed_methods, reason = "the tests of a binary send it signals")]
pub(crate) fn send(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

#[test]
fn one_signal_cancels_and_waits_for_the_record() {
    for signal in ["-INT", "-TERM"] {
        let mut child = command(&[
            "run",
            "many_ends.yaml",
            "-q",
            "--end",
            "slow",
            "--output",
            "ndjson",
        ])
        .spawn()
        .expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut last = Json::Null;
        for (at, line) in (1..).zip(stdout.lines()) {
            let event: Json = serde_json::from_str(&line.expect("a line")).expect("an event");
            assert_eq!(event["seq"], at, "numbers have no gaps");
            if event["type"] == "call.started" && event["step"] == "wait" {
                send(signal, child.id());
            }
            last = event;
        }
        assert_eq!(last["type"], "run.cancelled", "{signal}");
        assert_eq!(
            child.wait().expect("the binary ends").code(),
            Some(130),
            "{signal}"
        );
    }
}
