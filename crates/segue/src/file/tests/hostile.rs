//! Hostile files: large, deep, circular, broken in any place. Each gives a plan or faults with places, and ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::{examples, load, registry};
use crate::fault::{Code, Faults, MAX_FAULTS};
use crate::file::{Files, LoadOptions, Sources, Unreadable, load_from};

fn steps(count: usize, step: impl Fn(usize) -> String) -> String {
    let mut text = "version: 1\nname: p\nsteps:\n".to_owned();
    for at in 0..count {
        let _ = writeln!(text, "  s{at}: {}", step(at));
    }
    text
}

fn codes(faults: &Faults) -> Vec<Code> {
    faults.list().iter().map(|fault| fault.code).collect()
}

#[test]
fn a_ring_of_five_thousand_steps_is_a_cycle() {
    let text = steps(5000, |at| {
        format!("{{ set: 1, needs: [s{}] }}", (at + 4999) % 5000)
    });
    let rejected = load(&text).expect_err("a ring");
    assert_eq!(codes(&rejected.faults), [Code::Cycle]);
    let fault = rejected.faults.list()[0];
    assert!(
        fault.message.contains("`s0`") && fault.message.contains("(4988 more)"),
        "{}",
        fault.message
    );
    assert!(fault.related.len() <= 12);
}

#[test]
fn of_a_large_cycle_and_a_small_one_through_a_step_the_small_one_is_shown() {
    let text = steps(100, |at| match at {
        0 => "{ set: 1, needs: [s99, s1] }".to_owned(),
        at => format!("{{ set: 1, needs: [s{}] }}", at - 1),
    });
    let rejected = load(&text).expect_err("cycles");
    let message = &rejected.faults.list()[0].message;
    assert_eq!(message, "steps wait for each other: `s0` → `s1` → `s0`");
}

#[test]
fn twenty_thousand_steps_are_read_and_one_more_is_not() {
    let line = |count| {
        steps(count, |at| match at {
            0 => "{ set: 1 }".to_owned(),
            at => format!("{{ set: '{{{{ steps.s{}.output }}}}' }}", at - 1),
        })
    };
    assert_eq!(load(&line(20_000)).expect("a long line").plan.steps.len(), 20_000);
    let rejected = load(&line(20_001)).expect_err("one too many");
    assert_eq!(codes(&rejected.faults)[0], Code::TooLarge);
}

#[test]
fn a_join_of_twenty_thousand_steps() {
    let all: Vec<String> = (0..19_999).map(|at| format!("s{at}")).collect();
    let text = steps(20_000, |at| match at {
        19_999 => format!("{{ set: 1, needs: [{}] }}", all.join(", ")),
        at => format!("{{ set: {at} }}"),
    });
    let loaded = load(&text).expect("a wide join");
    assert_eq!(loaded.plan.steps[19_999].needs.len(), 19_999);
}

#[test]
fn thousands_of_faults_are_capped() {
    let text = steps(20_000, |at| {
        format!("{{ set: 1, needs: [x{at}], wehn: '{{{{ steps.y{at}.output }}}}' }}")
    });
    let rejected = load(&text).expect_err("nothing is right");
    assert_eq!(rejected.faults.list().len(), MAX_FAULTS);
    assert_eq!(rejected.faults.total(), 40_000);
}

#[test]
fn wrong_types_everywhere() {
    let values = [
        "null",
        "[]",
        "{}",
        "1",
        "1.5",
        "true",
        "''",
        "'{{'",
        "[[{}]]",
        "{ a: { b: [1] } }",
        "none",
        "~",
    ];
    let keys = [
        "version",
        "name",
        "title",
        "description",
        "labels",
        "inputs",
        "models",
        "agents",
        "tools",
        "retries",
        "defaults",
        "timeout",
        "budget",
        "max_parallel",
        "failure",
        "steps",
        "output",
        "output_schema",
        "artifacts",
        "on_failure",
    ];
    for key in keys {
        for value in values {
            let rest: String = [("version", "1"), ("name", "p"), ("steps", "{ a: { set: 1 } }")]
                .iter()
                .filter(|(other, _)| *other != key)
                .map(|(key, value)| format!("{key}: {value}\n"))
                .collect();
            whole(&format!("{rest}{key}: {value}\n"));
        }
    }
    let of_steps = [
        "needs",
        "when",
        "for_each",
        "as",
        "retries",
        "retry",
        "on_error",
        "artifacts",
        "agent",
        "tool",
        "ask",
        "route",
        "to",
        "pipeline",
        "with",
        "set",
        "prompt",
        "complete",
        "context",
        "model",
        "tools",
        "output",
    ];
    for key in of_steps {
        for action in [
            "agent: house",
            "set: 1",
            "tool: app.fetch",
            "route: x",
            "ask: { title: T }",
        ] {
            for value in values {
                let action = if action.starts_with(&format!("{key}:")) {
                    ""
                } else {
                    action
                };
                whole(&format!(
                    "version: 1\nname: p\nsteps:\n  a:\n    {action}\n    {key}: {value}\n"
                ));
            }
        }
    }
}

#[test]
fn names_in_any_script() {
    for name in [
        "日本",
        "é",
        "a b",
        "a\u{202e}b",
        "🦀",
        "a\u{0}b",
        "A",
        "1",
        "",
        "true",
    ] {
        let text = format!("version: 1\nname: p\nsteps: {{ {name:?}: {{ set: 1, needs: [{name:?}] }} }}\n");
        whole(&text);
    }
}

/// Loads a file, and checks that every fault has a place in it.
fn whole(text: &str) {
    let files = BTreeMap::from([("main.yaml".to_owned(), text.to_owned())]);
    loads(&files, "main.yaml", text);
}

fn loads(files: &dyn Files, path: &str, text: &str) {
    let (faults, sources) = match load_from(files, path, path, &registry(), LoadOptions::default()) {
        Ok(loaded) => (loaded.warnings, loaded.sources),
        Err(rejected) => {
            assert!(rejected.faults.has_errors(), "refused for nothing: {text}");
            (rejected.faults, rejected.sources)
        }
    };
    placed(&faults, &sources, text);
}

fn placed(faults: &Faults, sources: &Sources, text: &str) {
    for fault in faults.list() {
        let place = fault
            .place
            .unwrap_or_else(|| panic!("no place: {fault:?}\n{text}"));
        let Some(source) = sources.of(fault) else {
            // A file that is no text cannot be shown.
            assert!(
                matches!(fault.code, Code::BadEncoding | Code::TooLarge | Code::FileMissing),
                "{fault:?}"
            );
            continue;
        };
        let line = source
            .line(place.line)
            .unwrap_or_else(|| panic!("no such line: {fault:?}\n{text}"));
        assert!(
            place.column as usize <= line.chars().count() + 1,
            "beyond its line: {fault:?}\n{text}"
        );
    }
}

/// The folder of an example with another text in place of its main file.
struct Changed<'a> {
    folder: &'a std::path::Path,
    name: &'a str,
    bytes: &'a [u8],
}

impl Files for Changed<'_> {
    fn read(&self, folder: &str, path: &str, _: u64) -> Result<Vec<u8>, Unreadable> {
        match (folder, path) == ("", self.name) {
            true => Ok(self.bytes.to_vec()),
            false => std::fs::read(self.folder.join(folder).join(path)).map_err(|_| Unreadable::Missing),
        }
    }
}

/// One change of a text: at a place, so much taken out, this put in.
fn change() -> impl Strategy<Value = (usize, usize, String)> {
    let put = prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just(": ".to_owned()),
        Just("{{ ".to_owned()),
        Just(" }}".to_owned()),
        Just("- ".to_owned()),
        Just("[".to_owned()),
        Just("}".to_owned()),
        Just("*a".to_owned()),
        Just("&a ".to_owned()),
        Just("'".to_owned()),
        Just("steps.".to_owned()),
        Just("none".to_owned()),
        Just("é日\u{202e}".to_owned()),
        "[a-z_]{1,6}",
        "\\PC{1,4}",
    ];
    (any::<prop::sample::Index>(), 0usize..12, put)
        .prop_map(|(at, taken, put)| (at.index(1 << 16), taken, put))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_an_example_gives_a_plan_or_faults_in_their_places(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut texts: Vec<(std::path::PathBuf, String)> = examples()
            .into_iter()
            .map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a readable file")))
            .collect();
        texts.push(("everything/main.yaml".into(), super::effects::EVERYTHING.to_owned()));
        let (path, mut text) = texts.swap_remove(which.index(texts.len()));
        for (at, taken, put) in changes {
            let at = text.floor_char_boundary(at % (text.len() + 1));
            let end = text.floor_char_boundary((at + taken).min(text.len()));
            text.replace_range(at..end.max(at), &put);
        }
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let folder = path.parent().expect("a folder");
        loads(&Changed { folder, name, bytes: text.as_bytes() }, name, &text);
    }
}
