//! The canary: one value, put into every place where a secret can be, and told again by a model, tools, steps and panics.
//! Afterwards every file the program left and everything it said is searched for it, in every form.
//!
//! This binary is both: the program, a command line with a model and tools that cannot keep a secret, and the tests, which
//! start it. That is why it has a `main` of its own.

mod program;
mod search;
mod service;
mod site;

use std::process::ExitCode;

use search::{Found, Sink};
use site::{HEADERS, PLACES, Place, Site};

/// A value whose forms all differ from it.
const CANARY: &str = "kan4ri/7+\"&Vögel=zwölf ~ 91";
/// The same for what a header can carry.
const IN_HEADERS: &str = "kan4ri/7+\"&birds=twelve ~ 91";
/// Where nobody looks for a secret: what is put there has to be found everywhere, or the search finds nothing at all.
const NOWHERE: Place = Place {
    name: "a variable that is no secret",
    put: |command, value| {
        command.env("CANARY_ELSEWHERE", value);
    },
};

fn main() -> ExitCode {
    if std::env::var_os(program::FILE).is_some() {
        return program::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: [(&str, fn()); 3] = [
        (
            "the_search_finds_what_is_not_redacted",
            the_search_finds_what_is_not_redacted,
        ),
        ("no_secret_is_found_anywhere", no_secret_is_found_anywhere),
        (
            "what_people_give_is_kept_without_secrets",
            what_people_give_is_kept_without_secrets,
        ),
    ];
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, test) in tests
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())))
    {
        let is_ok = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        failed += usize::from(!is_ok);
    }
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The planted fault: a value the redactor does not know.
fn the_search_finds_what_is_not_redacted() {
    let site = Site::new(CANARY);
    let found = site.lived_in(&NOWHERE).recorded(&NOWHERE).found();
    for sink in [
        Sink::Stdout,
        Sink::Stderr,
        Sink::Store,
        Sink::Artifact,
        Sink::Archive,
        Sink::Cassette,
    ] {
        assert!(
            found.iter().any(|found| found.sink == sink),
            "nothing was found in {sink:?}"
        );
    }
    let forms: std::collections::BTreeSet<&str> = found.iter().map(|found| found.form).collect();
    for form in ["as it is", "percent-encoded", "hexadecimal", "base64", "as JSON"] {
        assert!(forms.contains(form), "not found {form}: {forms:?}");
    }
}

fn no_secret_is_found_anywhere() {
    let places = PLACES.iter().map(|place| (CANARY, place));
    let headers = HEADERS.iter().map(|place| (IN_HEADERS, place));
    for (at, (canary, place)) in places.chain(headers).enumerate() {
        let site = Site::new(canary);
        // Where it stands makes no difference to what is done with it later.
        let found = match at {
            0 => site.lived_in(place).recorded(place).found(),
            _ => site.visited(place).recorded(place).found(),
        };
        assert!(found.is_empty(), "{}: {}", place.name, told(&found));
        assert!(
            site.said_redacted(),
            "{}: nothing was redacted, so nothing was told",
            place.name
        );
    }
}

/// The same value, given by a person where it is no business of the run.
fn what_people_give_is_kept_without_secrets() {
    let site = Site::new(CANARY);
    let said = site.given_by_people(&PLACES[0]);
    let found = said.found();
    assert!(found.is_empty(), "{}", told(&found));
    assert!(said.warned(), "nobody was told that it is left out");
}

fn told(found: &[Found]) -> String {
    let lines: Vec<String> = found.iter().take(8).map(ToString::to_string).collect();
    format!("{} places\n{}", found.len(), lines.join("\n"))
}
