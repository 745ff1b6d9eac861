//! What the scenarios share: a pipeline and a test file in a folder of their own, and what came of each case.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use segue::case::{Bench, Ending, Report, Suite};
use segue::file::Purpose;
use segue::model::cassette::{NoSecrets, Recording};
use segue::price::{Price, PriceBook};
use segue::{Models, Registry, usd};

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("segue-cases-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let folder = Self(path);
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file");
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the program offers: nothing but prices.
pub(crate) fn bench() -> Bench {
    let prices = PriceBook::new(UNIX_EPOCH)
        .with_override("sim/script", Price::per_million(usd(1.0), usd(2.0)))
        .with_override("local/extractive", Price::per_million(usd(1.0), usd(2.0)));
    Bench {
        registry: Registry::new(),
        models: Models::offline(),
        prices,
        named: segue::file::Named::default(),
        redact: Arc::new(NoSecrets),
    }
}

/// Runs every case of `t.test.yaml` in a folder, each on a paused runtime of its own.
pub(crate) fn run_in(folder: &Folder, bench: &Bench) -> Vec<Report> {
    let suite = match Suite::load(&folder.path().join("t.test.yaml"), Purpose::Test) {
        Ok(suite) => suite,
        Err(rejected) => panic!("{rejected}"),
    };
    let loaded = match suite.plan(bench) {
        Ok(loaded) => loaded,
        Err(rejected) => panic!("{rejected}"),
    };
    let faults = suite.check(&loaded, &bench.registry);
    assert!(faults.is_empty(), "{}", suite.rejected(faults));
    let reports = suite.cases.iter().map(|case| {
        let runtime = runtime(suite.is_simulated(&loaded.plan));
        let report = runtime.block_on(suite.run(case, &loaded, bench, None));
        runtime.shutdown_background();
        report
    });
    reports.collect()
}

/// Records the cassette of `t.test.yaml` in a folder, and gives what came of its cases.
pub(crate) fn record_in(folder: &Folder, bench: &Bench, recording: &Recording) -> Vec<Report> {
    let suite = match Suite::load(&folder.path().join("t.test.yaml"), Purpose::Record) {
        Ok(suite) => suite,
        Err(rejected) => panic!("{rejected}"),
    };
    let loaded = suite.plan(bench).expect("a pipeline");
    let reports = suite.cases.iter().map(|case| {
        let runtime = runtime(true);
        runtime.block_on(suite.run(case, &loaded, bench, Some(recording)))
    });
    reports.collect()
}

fn runtime(is_paused: bool) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(is_paused)
        .build()
        .expect("a runtime")
}

/// Runs one case of a pipeline, with this before its cases.
pub(crate) fn one(pipeline: &str, top: &str, case: &str) -> Report {
    let test = format!("version: 1\npipeline: p.yaml\n{top}\ncases:\n  - name: one\n    {case}\n");
    let folder = Folder::with(&[("p.yaml", pipeline), ("t.test.yaml", &test)]);
    run_in(&folder, &bench()).remove(0)
}

/// Fails the test unless everything is as the case expects.
#[track_caller]
pub(crate) fn passes(pipeline: &str, top: &str, case: &str) {
    let report = one(pipeline, top, case);
    assert_eq!(report.ending, Ending::Passed, "{case}\n{report:#?}");
}

/// Fails the test unless exactly these expectations are unmet.
#[track_caller]
pub(crate) fn fails(pipeline: &str, top: &str, case: &str, unmet: &[&str]) {
    let report = one(pipeline, top, case);
    assert_eq!(report.ending, Ending::Failed, "{case}\n{report:#?}");
    let found: Vec<&str> = report.unmet.iter().map(|unmet| unmet.expect.as_str()).collect();
    assert_eq!(found, unmet, "{case}\n{report:#?}");
}
