//! Every fault code of a file: the smallest file that has it, and where.
//!
//! `¦` marks the place of each expected fault, in order, and is taken out before the file is read. Files that do not
//! begin with `version` are given one, and a name.

use super::smallest::SMALL;
use super::{load, load_files, registry};
use crate::fault::{Code, Faults};
use crate::file::{LoadOptions, Named, load_from};

const MARK: char = '¦';

/// Codes of `segue.toml`, of starting a run, and of parts of the format that are not read.
const ELSEWHERE: &[Code] = &[
    Code::TomlSyntax,
    Code::UnknownParticipant,
    Code::UnknownTarget,
    Code::UnknownSecret,
    Code::NoKey,
    Code::NoTerminal,
    Code::NeverFires,
    Code::BadSchedule,
    Code::EndpointNotAllowed,
    Code::EngineUnsupported,
    Code::CommandNotAllowed,
    Code::InvalidInput,
    Code::MissingPrerequisites,
    Code::UnpinnedModel,
    Code::FrequentSchedule,
];

/// Codes that need more than a line of text; each has a test of its own below.
const LARGE: &[Code] = &[
    Code::NoPrice,
    Code::AliasLimit,
    Code::TooDeep,
    Code::TooLarge,
    Code::BadEncoding,
    Code::SecretLiteral,
    Code::TemplateLimit,
    Code::PathRefused,
];

/// Code, line and column of each fault, in order of place.
pub(super) fn found(faults: &Faults) -> Vec<(Code, u32, u32)> {
    let place = |fault: &&crate::fault::Fault| {
        let place = fault.place.expect("every fault of a file has a place");
        (fault.code, place.line, place.column)
    };
    faults.list().iter().map(place).collect()
}

fn faults_of(text: &str) -> (Faults, String) {
    match load(text) {
        Ok(loaded) => (loaded.warnings, String::new()),
        Err(rejected) => (rejected.faults.clone(), rejected.to_string()),
    }
}

#[test]
fn every_small_file_has_its_faults_at_their_places() {
    let mut wrong = String::new();
    for (codes, marked) in SMALL {
        let full = match marked.trim_start_matches(MARK).starts_with("version") {
            true => (*marked).to_owned(),
            false => format!("version: 1\nname: p\n{marked}"),
        };
        let mut expected = Vec::new();
        let (mut line, mut column) = (1, 1);
        let mut codes = codes.iter();
        for c in full.chars() {
            match c {
                MARK => expected.push((*codes.next().expect("a code for each mark"), line, column)),
                '\n' => (line, column) = (line + 1, 1),
                _ => column += 1,
            }
        }
        assert!(codes.next().is_none(), "a mark for each code: {marked}");
        let (faults, shown) = faults_of(&full.replace(MARK, ""));
        if found(&faults) != expected {
            wrong.push_str(&format!(
                "{marked}\nexpected {expected:?}\nfound    {:?}\n{shown}\n\n",
                found(&faults)
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_code_of_a_file_is_shown_here() {
    let small = SMALL.iter().flat_map(|(codes, _)| codes.iter());
    let shown: Vec<&Code> = small.chain(LARGE).chain(ELSEWHERE).collect();
    for code in Code::ALL {
        assert!(shown.contains(&code), "no file has {code}");
    }
}

#[test]
fn all_faults_come_at_once_in_order_of_place() {
    let text = "version: 1\nname: p\ntimout: 3s\nsteps:\n  a: { set: 1, needs: [x] }\n  b: { agent: none, prompt: '{{ inputs.q }}' }\n  c: {}\n";
    let (faults, _) = faults_of(text);
    let codes: Vec<Code> = found(&faults).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(
        codes,
        [
            Code::UnknownKey,
            Code::UnknownStep,
            Code::UnknownAgent,
            Code::UnknownInput,
            Code::NoAction
        ]
    );
}

#[test]
fn limits_of_text_and_files() {
    let deep = format!(
        "version: 1\nname: p\nsteps: {}1{}\n",
        "[".repeat(70),
        "]".repeat(70)
    );
    let bomb: String = (1..=8)
        .map(|n| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 9].join(", ")))
        .collect();
    let bomb = format!("l0: &l0 [x]\n{bomb}");
    let long = format!(
        "version: 1\nname: p\nsteps: {{ a: {{ set: '{}' }} }}\n",
        "x".repeat(300 << 10)
    );
    let nested = format!(
        "version: 1\nname: p\nsteps: {{ a: {{ set: '{{{{ {}1{} }}}}' }} }}\n",
        "(".repeat(60),
        ")".repeat(60)
    );
    for (code, text) in [
        (Code::TooDeep, deep.as_str()),
        (Code::AliasLimit, &bomb),
        (Code::TooLarge, &long),
        (Code::TemplateLimit, &nested),
    ] {
        let (faults, shown) = faults_of(text);
        assert!(
            found(&faults).iter().any(|(found, ..)| *found == code),
            "{code}: {shown}"
        );
    }
}

#[test]
fn a_named_file_has_to_be_text_of_some_size() {
    let main = "version: 1\nname: p\nsteps: { a: { agent: house, prompt: { file: x.md } } }\n";
    let long = "x".repeat((1 << 20) + 1);
    let rejected = load_files(&[("main.yaml", main), ("x.md", &long)]).expect_err("too long");
    assert_eq!(found(&rejected.faults), [(Code::PathRefused, 3, 45)]);

    struct Latin;
    impl crate::file::Files for Latin {
        fn read(&self, _: &str, path: &str, _: u64) -> Result<Vec<u8>, crate::file::Unreadable> {
            let main = "version: 1\nname: p\nsteps: { a: { agent: house, prompt: { file: x.md } } }\n";
            Ok(if path == "x.md" {
                b"caf\xe9".to_vec()
            } else {
                main.as_bytes().to_vec()
            })
        }
    }
    let rejected = load_from(
        &Latin,
        "main.yaml",
        "main.yaml",
        &registry(),
        LoadOptions::default(),
    );
    let rejected = rejected.expect_err("not UTF-8");
    assert_eq!(found(&rejected.faults), [(Code::BadEncoding, 3, 45)]);
}

#[test]
fn files_that_include_each_other_are_a_cycle() {
    let main = "version: 1\nname: p\nsteps: { a: { pipeline: b.yaml } }\n";
    let b = "version: 1\nname: b\nsteps: { a: { pipeline: main.yaml } }\n";
    let rejected = load_files(&[("main.yaml", main), ("b.yaml", b)]).expect_err("a cycle");
    assert_eq!(found(&rejected.faults), [(Code::Cycle, 3, 25)]);
    assert_eq!(rejected.faults.list()[0].file.as_deref(), Some("b.yaml"));
}

#[test]
fn eight_pipelines_deep_and_no_deeper() {
    let files = |deepest: usize| -> Vec<(String, String)> {
        (0..deepest)
            .map(|n| {
                let name = if n == 0 {
                    "main.yaml".to_owned()
                } else {
                    format!("p{n}.yaml")
                };
                let action = match n + 1 < deepest {
                    true => format!("pipeline: p{}.yaml", n + 1),
                    false => "set: 1".to_owned(),
                };
                (
                    name,
                    format!("version: 1\nname: p{n}\nsteps: {{ a: {{ {action} }} }}\n"),
                )
            })
            .collect()
    };
    let load_all = |files: &[(String, String)]| {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        load_files(&files)
    };
    assert!(load_all(&files(8)).is_ok());
    let rejected = load_all(&files(9)).expect_err("nine");
    assert_eq!(
        found(&rejected.faults).first().map(|found| found.0),
        Some(Code::TooDeep)
    );
}

#[test]
fn a_model_without_a_price_under_a_budget_in_dollars() {
    let text = "version: 1\nname: p\nbudget: { usd: 1 }\nagents: { w: { instructions: Hi., model: openai/house-model } }\nsteps: { a: { agent: w, prompt: x } }\n";
    let files = std::collections::BTreeMap::from([("p.yaml".to_owned(), text.to_owned())]);
    let prices = std::sync::Arc::new(crate::price::PriceBook::new(std::time::SystemTime::UNIX_EPOCH));
    let options = LoadOptions {
        prices: Some(prices),
        ..LoadOptions::default()
    };
    let rejected = load_from(&files, "p.yaml", "p.yaml", &registry(), options).expect_err("no price");
    assert_eq!(
        found(&rejected.faults),
        [(Code::NoPrice, 4, 11), (Code::UnknownModel, 4, 42)]
    );
}

#[test]
fn providers_and_names_of_the_operator_are_known() {
    let text = "version: 1\nname: p\nmodels: { fast: [acme/x, house] }\nagents:\n  v: { instructions: Hi., model: fast }\n  w: { instructions: Hi., model: house }\n  x: { instructions: Hi., model: { use: hoose } }\nsteps: { a: { agent: v, prompt: x }, b: { agent: w, prompt: x }, c: { agent: x, prompt: x } }\n";
    let load = |text: &str, named: Named| {
        let files = std::collections::BTreeMap::from([("p.yaml".to_owned(), text.to_owned())]);
        let options = LoadOptions {
            named,
            ..LoadOptions::default()
        };
        load_from(&files, "p.yaml", "p.yaml", &registry(), options)
    };
    let named = Named {
        providers: vec!["acme".to_owned()],
        models: vec!["house".to_owned()],
    };
    let rejected = load(text, named.clone()).expect_err("one name is wrong");
    assert_eq!(found(&rejected.faults), [(Code::UnknownModel, 7, 41)]);
    let fault = rejected.faults.list()[0].clone();
    assert_eq!(fault.suggestion.as_deref(), Some("house"));
    let loaded = load(&text.replace("hoose", "house"), named).expect("all are known");
    let models = |agent: &str| -> Vec<String> {
        let models = &loaded.plan.agents[agent].models;
        models.iter().map(|model| model.name.clone()).collect()
    };
    assert_eq!(
        (models("v"), models("w")),
        (vec!["acme/x".into(), "house".into()], vec!["house".into()])
    );
    let nobody = load(text, Named::default()).expect_err("nobody named them");
    assert_eq!(nobody.faults.total(), 4);
}
