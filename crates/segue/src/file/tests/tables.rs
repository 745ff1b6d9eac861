//! The tables of keys: everything in them is read, and the published schema says the same as the reader.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::effects::{EVERYTHING, FILES};
use super::{examples, load_files};
use crate::fault::{Code, Faults};
use crate::file::keys::{self, PIPELINE, Table, Takes};
use crate::file::{reader, schema, yaml};

/// Section and key of every table that can be reached from the top of a file.
fn all_keys() -> BTreeSet<(&'static str, &'static str)> {
    let mut keys = BTreeSet::new();
    let mut tables: Vec<&'static Table> = vec![&PIPELINE];
    let mut seen = BTreeSet::new();
    while let Some(table) = tables.pop() {
        if !seen.insert(std::ptr::from_ref(table)) {
            continue;
        }
        let mut open: Vec<&'static Takes> = Vec::new();
        for key in table.keys() {
            keys.insert((table.what, key.name));
            open.push(&key.takes);
        }
        while let Some(takes) = open.pop() {
            match takes {
                Takes::List(inner) | Takes::Map(inner) => open.push(inner),
                Takes::AnyOf(several) => open.extend(several.iter()),
                // Stand for the steps and arms there are.
                Takes::Section(table) if std::ptr::eq(*table, &keys::STEP) => {
                    tables.extend(keys::STEPS.iter().map(|(_, table)| table));
                }
                Takes::Section(table) if std::ptr::eq(*table, &keys::ARM) => {
                    tables.extend(keys::ARMS.iter().map(|(_, table)| table));
                }
                Takes::Section(table) => tables.push(table),
                _ => {}
            }
        }
    }
    keys
}

#[test]
fn every_key_of_the_format_is_read() {
    for text in [
        EVERYTHING,
        super::effects::FALLBACK_CALLED,
        super::patterns::EVERYTHING,
    ] {
        let files: Vec<(&str, &str)> = std::iter::once(("main.yaml", text))
            .chain(FILES.iter().copied())
            .collect();
        if let Err(rejected) = load_files(&files) {
            panic!("{rejected}");
        }
    }
    let all = all_keys();
    let noted = reader::reads::noted();
    // Looked at before anything else, because it says whether these tables are the right ones.
    let version = ("a pipeline", "version");
    let unread: Vec<_> = all
        .iter()
        .filter(|key| !noted.contains(key) && **key != version)
        .collect();
    assert!(unread.is_empty(), "in a table and never read: {unread:?}");
    assert!(all.len() > 150, "{}", all.len());
}

#[test]
fn no_key_is_in_a_section_twice() {
    for table in [&PIPELINE, &keys::AGENT]
        .into_iter()
        .chain(keys::STEPS.iter().map(|(_, table)| table))
    {
        let mut seen = BTreeSet::new();
        for key in table.keys() {
            assert!(seen.insert(key.name), "`{}` of {} twice", key.name, table.what);
            assert!(!key.doc.is_empty());
        }
    }
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let errors = |json: &Json| -> Vec<String> {
        validator
            .iter_errors(json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    };
    let mut texts: Vec<String> = examples()
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a readable file"))
        .collect();
    let everything = [
        EVERYTHING,
        super::effects::FALLBACK_CALLED,
        super::patterns::EVERYTHING,
    ];
    texts.extend(everything.map(str::to_owned));
    for text in texts {
        let doc = yaml::parse(text.as_bytes(), "f").expect("YAML");
        // A script of a model is no pipeline.
        if ["steps", "patterns"]
            .iter()
            .any(|key| doc.root.get(key).is_some())
        {
            assert_eq!(errors(&doc.root.to_json()), [""; 0], "{text}");
        }
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_in_single_sections() {
    let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
    let small = [
        ("timeout: 30", Code::WrongType),
        ("timeout: none", Code::EmptyDefinition),
        ("max_parallel: 0", Code::NumberRange),
        ("max_parallel: '3'", Code::WrongType),
        ("timout: 3s", Code::UnknownKey),
        ("failure: stop", Code::WrongType),
        ("defaults: { retries: 101 }", Code::NumberRange),
        ("budget: { usd: -1 }", Code::NumberRange),
        ("budget: { usd: 1, tokens: 1.5 }", Code::WrongType),
        ("retries: { x: { backoff: slow } }", Code::WrongType),
        ("retries: { x: { delay: 1s30m } }", Code::WrongType),
    ];
    for (line, code) in small {
        let text = format!("version: 1\nname: p\nsteps: {{ a: {{ set: 1 }} }}\n{line}\n");
        let doc = yaml::parse(text.as_bytes(), "f").expect("YAML");
        let refused = load_files(&[("main.yaml", &text)])
            .err()
            .map(|rejected| rejected.faults.clone());
        let codes: Vec<Code> = refused
            .as_ref()
            .map(Faults::list)
            .unwrap_or_default()
            .iter()
            .map(|f| f.code)
            .collect();
        // The one that is taken stands for the form of the table.
        let expected: &[Code] = if code == Code::EmptyDefinition {
            &[]
        } else {
            &[code]
        };
        assert_eq!(codes, expected, "{line}");
        assert_eq!(
            validator.is_valid(&doc.root.to_json()),
            codes.is_empty(),
            "{line}"
        );
    }
}
