mod names;

use std::collections::BTreeMap;
use std::path::Path;

use super::{Purpose, load_from};
use crate::case::{Answers, Does, Moment, StandIn, Suite, What, Wrong};
use crate::error::ErrorKind;
use crate::file::keys::{self, Table, Takes};
use crate::file::{Named, reader, test_schema, yaml};
use crate::model::Malformed;
use crate::money::usd;

const PIPELINE: &str = "version: 1\nname: p\nsteps: { a: { set: 1 } }\n";

/// Every key of a test file.
const EVERYTHING: &str = "
version: 1
pipeline: p.yaml
tools:
  app.a: { returns: { x: 1 } }
  app.b: [{ fails: broken }, { returns: null }]
inputs: { n: 1, text: { file: in.txt } }
budget: { usd: 0.5, requests: 3 }
seed: 7
cases:
  - name: everything
    inputs: { n: 2 }
    pattern: quick
    key: k-1
    run: all
    answers: { review: { approved: true } }
    approve: [app.a]
    reject: [app.b]
    budget: { requests: 4 }
    faults:
      - { step: a, attempt: 2, item: 1, error: rate_limited }
      - { agent: w, attempt: all, error: bad_json }
      - { step: a, at: recorded, error: kill }
    expect:
      status: succeeded
      fallback: false
      failed: []
      refused: invalid_input
      missing: [a]
      output: { equals: { equals: 1 } }
      error: { kind: budget, step: a, message: { contains: budget } }
      question: { step: a, tool: app.a, title: { not: x } }
      calls: 3
      cost_usd: { min: 0, max: 0.1 }
      tokens: { one_of: [1, 2] }
      artifacts:
        a.md: { contains: x, link: newest }
        b.md: { link: other }
      prompts: { a: { matches: '^x', length: { min: 1, max: 9 } } }
      steps:
        a:
          status: succeeded
          attempts: 1
          items: 2
          failed_items: 0
          arm: x
          skipped: when_false
          reasons: [{ contains: want }]
          stale: false
          output: { schema: integer, that: value > 0, length: 3 }
          calls: 1
          cost_usd: 0
    then:
      - { run: a, expect: { calls: 0 } }
      - { rerun: a, note: again, follow: true, expect: { calls: 1 } }
      - { rerun_stale: true, expect: { calls: 2 } }
";

fn read(text: &str, purpose: Purpose) -> Result<Suite, Vec<String>> {
    let files: BTreeMap<String, String> = [
        ("t.test.yaml", text),
        ("p.yaml", PIPELINE),
        ("in.txt", "hello"),
        ("good.cassette.yaml", "version: 1\ncalls: []\n"),
        ("bad.cassette.yaml", "version: 1\ncalls: 5\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let read = load_from(
        &files,
        "t.test.yaml",
        "t.test.yaml",
        Path::new(""),
        (purpose, &Named::default()),
    );
    read.map_err(|rejected| {
        let faults = rejected.faults.list();
        let line = |fault: &&crate::fault::Fault| {
            let place = fault.place.map_or((0, 0), |place| (place.line, place.column));
            let advice = fault
                .advice()
                .map(|advice| format!(" ({advice})"))
                .unwrap_or_default();
            format!("{}:{} {} {}{advice}", place.0, place.1, fault.code, fault.message)
        };
        faults.iter().map(line).collect()
    })
}

/// The faults of a test file with this top, and a case with these keys.
fn faults(top: &str, case: &str) -> Vec<String> {
    let text = format!("version: 1\npipeline: p.yaml\n{top}\ncases:\n  - name: one\n    {case}\n");
    read(&text, Purpose::Test).err().unwrap_or_default()
}

#[test]
fn every_key_is_read_and_means_what_it_says() {
    let suite = read(EVERYTHING, Purpose::Test).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert!(matches!(suite.answers, Answers::Schema));
    assert_eq!(suite.seed, 7);
    assert_eq!(suite.pipeline, Path::new("p.yaml"));
    assert_eq!(
        suite.tools["app.b"],
        [
            StandIn::Fails("broken".into()),
            StandIn::Returns(serde_json::Value::Null)
        ]
    );
    let case = &suite.cases[0];
    assert_eq!(case.inputs["n"], 2);
    assert_eq!(case.inputs["text"], "hello");
    let budget = case.budget.expect("a budget");
    assert_eq!((budget.usd, budget.requests), (Some(usd(0.5)), Some(4)));
    assert_eq!(case.run, Some(What::All));
    assert_eq!(
        (case.pattern.as_deref(), case.key.as_deref()),
        (Some("quick"), Some("k-1"))
    );
    assert_eq!(
        (case.approve[0].as_str(), case.reject[0].as_str()),
        ("app.a", "app.b")
    );
    assert_eq!(case.answers["review"]["approved"], true);
    let wrong: Vec<Wrong> = case.faults.iter().map(|fault| fault.what).collect();
    assert_eq!(
        wrong,
        [
            Wrong::Error(ErrorKind::RateLimited),
            Wrong::Malformed(Malformed::BadJson),
            Wrong::Kill(Moment::Recorded)
        ]
    );
    let attempts: Vec<Option<u32>> = case.faults.iter().map(|fault| fault.attempt).collect();
    assert_eq!(attempts, [Some(2), None, Some(1)]);
    assert_eq!(case.faults[0].item, Some(1));
    assert_eq!(case.faults[1].agent.as_deref(), Some("w"));
    let paths: Vec<&str> = case
        .expect
        .iter()
        .map(|expectation| expectation.path.as_str())
        .collect();
    assert_eq!(paths.len(), 31, "{paths:?}");
    // Only what stands there as it is can be written anew.
    let plain = case
        .expect
        .iter()
        .filter(|expectation| expectation.plain.is_some());
    let plain: Vec<&str> = plain.map(|expectation| expectation.path.as_str()).collect();
    assert!(
        plain.contains(&"calls") && plain.contains(&"failed") && !plain.contains(&"cost_usd"),
        "{plain:?}"
    );
    assert!(!plain.contains(&"output"), "{plain:?}");
    assert!(matches!(case.then[0].does, Does::Run(What::Step(_))));
    assert!(
        matches!(&case.then[1].does, Does::Rerun { follow: true, note: Some(note), .. } if note == "again")
    );
    assert!(matches!(case.then[2].does, Does::RerunStale));
}

#[test]
fn no_key_of_the_tables_is_left_unread() {
    read(EVERYTHING, Purpose::Test).unwrap_or_else(|faults| panic!("{faults:#?}"));
    for who in [
        "script: [{ agent: w, step: a, prompt: { that: value }, call: [{ tool: t, args: { x: 1 } }], times: 1, delay: 1s, \
         usage: { input_tokens: 1, output_tokens: 1, cache_read_tokens: 1, cache_write_tokens: 1, reasoning_tokens: 1, \
         audio_tokens: 1 } }, { error: timeout, times: 1, retry_after: 1s }, { reply: x }]",
        "cassette: good.cassette.yaml",
        "models: { a: { use: sim/schema, seed: 1 } }",
    ] {
        assert_eq!(faults(who, "expect: { calls: 0 }"), [""; 0]);
    }
    let noted = reader::reads::noted();
    let mut tables: Vec<&'static Table> = vec![&keys::TEST];
    let mut unread = Vec::new();
    while let Some(table) = tables.pop() {
        let mut open: Vec<&'static Takes> = Vec::new();
        for key in table.keys() {
            open.push(&key.takes);
            // Models and budgets are shown to be read by the tests of pipeline files.
            let is_shared = std::ptr::eq(table, &keys::MODEL) || std::ptr::eq(table, &keys::BUDGET);
            if !is_shared && key.name != "version" && !noted.contains(&(table.what, key.name)) {
                unread.push((table.what, key.name));
            }
        }
        while let Some(takes) = open.pop() {
            match takes {
                Takes::List(inner) | Takes::Map(inner) => open.push(inner),
                Takes::AnyOf(several) => open.extend(several.iter()),
                Takes::Section(table)
                    if !std::ptr::eq(*table, &keys::PER_CALL) && !std::ptr::eq(*table, &keys::PER_DAY) =>
                {
                    tables.push(table);
                }
                _ => {}
            }
        }
    }
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_an_unknown_key() {
    let schema = jsonschema::validator_for(&test_schema()).expect("a schema");
    let json = |text: &str| yaml::parse(text.as_bytes(), "t").expect("YAML").root.to_json();
    let errors: Vec<String> = schema
        .iter_errors(&json(EVERYTHING))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, [""; 0]);
    for (right, wrong) in [
        ("seed: 7", "sed: 7"),
        ("status: succeeded", "status: done"),
        ("{ fails: broken }", "{ fails: 5 }"),
        ("at: recorded", "at: once"),
        ("attempt: all", "attempt: none"),
        ("rerun_stale: true", "rerun_stale: yes"),
    ] {
        let text = EVERYTHING.replace(right, wrong);
        assert!(!schema.is_valid(&json(&text)), "{wrong}");
        assert!(read(&text, Purpose::Test).is_err(), "{wrong}");
    }
}

#[test]
fn faults_have_their_place_and_the_way_out() {
    let good = "expect: { calls: 0 }";
    let wrong = std::cell::RefCell::new(Vec::new());
    let compare = |found: Vec<String>, expected: &str, what: &str| {
        if found != [expected] {
            wrong.borrow_mut().push(format!(
                "{what}
  found {found:?}
  not   [{expected:?}]"
            ));
        }
    };
    let at = |top: &str, expected: &str| compare(faults(top, good), expected, top);
    at(
        "sed: 1",
        "3:1 unknown_key unknown key `sed` in the test file (did you mean `seed`?)",
    );
    at(
        "script: [{ reply: x }]\nmodels: { a: sim/schema }",
        "4:1 conflict both `script` and `models` say who answers (leave one of them out)",
    );
    at(
        "script: [{ promt: x, reply: y }]",
        "3:12 unknown_key unknown key `promt` in rule 1 (did you mean `prompt`?)",
    );
    at(
        "cassette: none.yaml",
        "3:11 file_missing file `none.yaml` does not exist (record it: `segue test record FILE`)",
    );
    at(
        "cassette: ../c.yaml",
        "3:11 path_refused file `../c.yaml` leaves the folder of this file",
    );
    at(
        "cassette: bad.cassette.yaml",
        "2:8 wrong_type `calls` needs a list, found the number 5",
    );
    at(
        "tools: { a: {} }",
        "3:10 no_action the stand-in of `a` has neither `returns` nor `fails` (write `{ returns: VALUE }`)",
    );
    at(
        "tools: { a: { returns: 1, fails: x } }",
        "3:27 two_actions the stand-in of `a` has both `returns` and `fails` (write a list for several calls)",
    );
    at(
        "tools: { a: [] }",
        "3:13 empty_definition the stand-in of `a` gives nothing",
    );
    at(
        "inputs: { x: { file: none.txt } }",
        "3:22 file_missing file `none.txt` does not exist",
    );
    at(
        "budget: { dollars: 1 }",
        "3:11 unknown_key unknown key `dollars` in `budget` of the test file (keys: `usd`, `tokens`, `requests`, `per_call`, `per_day`, `on_exceed`, `allow_unpriced`, `min_tokens`)",
    );
    let of = |case: &str, expected: &str| compare(faults("", case), expected, case);
    of(
        "inputs: {}",
        "5:5 missing_key a case has no `expect` (what has to be so)",
    );
    of(
        "expect: {}",
        "6:5 empty_definition nothing is expected (a case that expects nothing shows nothing)",
    );
    of(
        "expect: { stats: x }",
        "6:15 unknown_key unknown key `stats` in `expect` (did you mean `status` or `steps`?)",
    );
    of(
        "expect: { status: done }",
        "6:23 wrong_type `status` needs `succeeded`, `failed`, `waiting` or `cancelled`, found the text `done`",
    );
    of(
        "expect: { fallback: { not: true } }",
        "6:25 wrong_type `fallback` needs a plain value, found a map",
    );
    of(
        "expect: { refused: invalid_inputs }",
        "6:24 wrong_type nothing is refused with the code `invalid_inputs` (did you mean `invalid_input`?)",
    );
    of(
        "expect: { error: { kind: budgets } }",
        "6:30 wrong_type there is no error kind `budgets` (did you mean `budget`?)",
    );
    of(
        "expect: { output: { contain: x, min: 1 } }",
        "6:25 unknown_key unknown key `contain` among the conditions of `output` (did you mean `contains`?)",
    );
    of(
        "expect: { output: { matches: 'a(' } }",
        "6:34 bad_pattern `matches` of `output` is no pattern: unclosed group",
    );
    of(
        "expect: { output: { that: 'valu > 1' } }",
        "6:32 unknown_reference `valu` is not in scope here (here: `value`)",
    );
    of(
        "expect: { output: { that: 'value >' } }",
        "6:38 template_syntax unexpected end of input, expected expression",
    );
    of(
        "expect: { output: { schema: strin } }",
        "6:33 bad_schema `schema` of `output`: there is no type `strin` (did you mean `string`?)",
    );
    of(
        "faults: [{ error: timeout }]\n    expect: { calls: 0 }",
        "6:16 missing_key a fault says whom it strikes (write `step: NAME` or `agent: NAME`)",
    );
    of(
        "faults: [{ step: a, error: timeouts }]\n    expect: { calls: 0 }",
        "6:32 wrong_type `error` needs an error kind, a malformed reply or `kill`, found `timeouts` (did you mean `timeout`?)",
    );
    of(
        "faults: [{ step: a, at: called, error: timeout }]\n    expect: { calls: 0 }",
        "6:25 conflict `at` says when a process dies, and this fault is an error (write `error: kill`, or leave it out)",
    );
    of(
        "faults: [{ step: a, attempt: 0, error: timeout }]\n    expect: { calls: 0 }",
        "6:34 number_range `attempt` needs an integer from 1 to 4294967295, found 0",
    );
    of(
        "approve: [t]\n    reject: [t]\n    expect: { calls: 0 }",
        "5:5 conflict tool `t` is both approved and rejected",
    );
    of(
        "expect: { calls: 0 }\n    then: [{ expect: { calls: 0 } }]",
        "7:14 no_action an act has neither `run` nor `rerun` nor `rerun_stale` (each act is one of them)",
    );
    of(
        "expect: { calls: 0 }\n    then: [{ run: a, rerun: a, expect: { calls: 0 } }]",
        "7:14 two_actions an act has `run` and `rerun` (each act is one of them)",
    );
    of(
        "expect: { calls: 0 }\n    then: [{ run: a, note: x, expect: { calls: 0 } }]",
        "7:14 conflict `note` and `follow` belong to `rerun`",
    );
    of(
        "expect: { calls: 0 }\n    then: [{ rerun_stale: false, expect: { calls: 0 } }]",
        "7:27 wrong_type `rerun_stale` needs the boolean true (leave the act out instead)",
    );
    of(
        "expect: { calls: 0 }\n  - name: one\n    expect: { calls: 0 }",
        "7:11 duplicate_name there are two cases `one`",
    );
    assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n"));
    let pipeline = read(
        "version: 1\npipeline: q.yaml\ncases: [{ name: a, expect: { calls: 0 } }]",
        Purpose::Test,
    );
    assert_eq!(
        pipeline.err(),
        Some(vec![
            "2:11 file_missing file `q.yaml` does not exist (paths are relative to the folder of this file)"
                .to_owned()
        ])
    );
    assert_eq!(
        read("version: 2\n", Purpose::Test)
            .err()
            .map(|faults| faults.len()),
        Some(1)
    );
}

#[test]
fn a_cassette_may_be_missing_or_broken_before_it_is_recorded() {
    let text = "version: 1\npipeline: p.yaml\ncassette: new.yaml\ncases: [{ name: a, expect: { calls: 0 } }]";
    assert!(read(text, Purpose::Test).is_err());
    let suite = read(text, Purpose::Record).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(matches!(suite.answers, Answers::Cassette(None)));
    let broken = text.replace("new.yaml", "bad.cassette.yaml");
    assert!(read(&broken, Purpose::Test).is_err());
    assert!(read(&broken, Purpose::Record).is_ok());
    assert_eq!(suite.cassette.as_deref(), Some(Path::new("new.yaml")));
}
