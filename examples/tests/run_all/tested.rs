//! Every test file is run, and passes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue::case::{Bench, Ending, Report, Suite};
use segue::file::Purpose;
use segue::model::cassette::NoSecrets;
use segue::price::PriceBook;
use segue::{Models, Registry};

use crate::{FOLDER, stems};

/// Every test file, with how many cases it has.
const TESTS: [(&str, usize); 6] = [
    ("content/content", 5),
    ("content/recorded", 5),
    ("documents/document_router", 5),
    ("research/recorded", 2),
    ("research/research", 3),
    ("strategist", 2),
];

fn reports(file: &str) -> Vec<(String, Report)> {
    let bench = Bench {
        registry: Registry::new(),
        models: Models::offline(),
        prices: PriceBook::new(std::time::UNIX_EPOCH),
        named: segue::file::Named::default(),
        redact: Arc::new(NoSecrets),
    };
    let path: PathBuf = Path::new(FOLDER).join(format!("{file}.test.yaml"));
    let suite = Suite::load(&path, Purpose::Test).unwrap_or_else(|rejected| panic!("{rejected}"));
    let loaded = suite.plan(&bench).unwrap_or_else(|rejected| panic!("{rejected}"));
    assert!(
        suite.check(&loaded, &bench.registry).is_empty() && suite.is_simulated(&loaded.plan),
        "{file}"
    );
    let of_case = |case: &segue::case::Case| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let report = runtime.block_on(suite.run(case, &loaded, &bench, None));
        runtime.shutdown_background();
        (case.name.clone(), report)
    };
    suite.cases.iter().map(of_case).collect()
}

#[test]
fn every_test_file_is_here() {
    let mut found: Vec<String> = Vec::new();
    for folder in ["", "content/", "documents/", "research/"] {
        let names = stems(&Path::new(FOLDER).join(folder), ".test.yaml");
        found.extend(names.iter().map(|name| format!("{folder}{name}")));
    }
    found.sort();
    assert_eq!(found, TESTS.map(|(file, _)| file));
}

#[test]
fn every_case_passes() {
    for (file, cases) in TESTS {
        let reports = reports(file);
        assert_eq!(reports.len(), cases, "{file}");
        for (name, report) in reports {
            assert_eq!(report.ending, Ending::Passed, "{file}: {name}\n{report:#?}");
        }
    }
}
