//! `test`: the cases of test files, always offline, and what of them is not as expected.

use std::time::Duration;

use segue::case::{Bench, Case, Ending, Report, Suite};
use segue::fault::Fault;
use segue::file::Loaded;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::arguments::test::{TestAct, TestArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::{clock, offline};

mod files;
mod junit;
mod record;
mod show;
mod update;

use files::Opened;
use show::Show;

/// What came of a case.
pub(crate) struct Tested {
    file: String,
    name: String,
    took: Duration,
    report: Report,
    /// How many expected values were written anew.
    updated: usize,
}

/// Runs test files; exit 5 when a case is not as expected, 2 when a file has faults.
pub(crate) fn test(arguments: &TestArgs, program: &mut Program) -> Result<Exit, Problem> {
    if let Some(TestAct::Record(record)) = &arguments.act {
        return record::record(record, program);
    }
    offline::insist();
    let mut tested: Vec<Tested> = Vec::new();
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let began = clock::now();
    for path in files::named(&arguments.files, program)? {
        let opened = match files::open(&path, segue::file::Purpose::Test, program)? {
            Ok(opened) => opened,
            Err(rejected) => {
                faults.extend(files::tell(&rejected, program));
                continue;
            }
        };
        let before = tested.len();
        let chosen = |case: &&Case| arguments.case.as_deref().is_none_or(|glob| case.is_named(glob));
        let mut show = Show::of(&opened.suite.name, program);
        for case in opened.suite.cases.iter().filter(chosen) {
            tested.push(one(&opened, case)?);
            if !arguments.update {
                show.case(&tested[tested.len() - 1], program);
            }
        }
        if arguments.update {
            update::write(&opened.suite, &mut tested[before..])?;
            tested[before..].iter().for_each(|case| show.case(case, program));
        }
        let mut reports = tested[before..].iter().map(|case| &case.report);
        let is_whole = arguments.case.is_none() && reports.all(|report| report.ending == Ending::Passed);
        if is_whole && opened.plan.is_ok() {
            let unused = opened
                .suite
                .unused(tested[before..].iter().map(|case| &case.report));
            warnings.extend(files::warn(&opened.suite, unused, program));
        }
        // A pipeline with faults that a case expects is as it should be.
        if let Err(rejected) = &opened.plan
            && tested[before..]
                .iter()
                .any(|case| case.report.ending == Ending::Error)
        {
            faults.extend(files::tell(rejected, program));
        }
    }
    if tested.is_empty() && faults.is_empty() {
        let glob = arguments.case.as_deref().unwrap_or("*");
        return Err(Problem::usage(format!("no case is named like `{glob}`")));
    }
    if let Some(path) = &arguments.junit {
        junit::write(path, &tested)?;
    }
    if program.common.json {
        program.output.object(&document(&tested, &faults, &warnings));
    } else {
        show::summary(&tested, clock::now().since(began), program);
    }
    let all_passed = tested.iter().all(|case| case.report.ending == Ending::Passed);
    Ok(match (faults.is_empty(), all_passed) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Done,
        (true, false) => Exit::CassetteMiss,
    })
}

/// Runs one case, in virtual time where nothing real is asked.
fn one(opened: &Opened, case: &Case) -> Result<Tested, Problem> {
    let began = clock::now();
    let report = match &opened.plan {
        Ok(loaded) => {
            let runtime = runtime(opened.suite.is_simulated(&loaded.plan))?;
            let report = runtime.block_on(run(&opened.suite, case, loaded, &opened.bench));
            // What a lost process has left waits for ever.
            runtime.shutdown_background();
            report
        }
        Err(rejected) => {
            let codes = rejected
                .faults
                .list()
                .into_iter()
                .map(|fault| fault.code.to_string());
            opened.suite.refused(case, &codes.collect::<Vec<_>>())
        }
    };
    Ok(Tested {
        file: opened.suite.name.clone(),
        name: case.name.clone(),
        took: clock::now().since(began),
        report,
        updated: 0,
    })
}

async fn run(suite: &Suite, case: &Case, loaded: &Loaded, bench: &Bench) -> Report {
    suite.run(case, loaded, bench, None).await
}

/// The runtime of one case.
fn runtime(is_simulated: bool) -> Result<Runtime, Problem> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(is_simulated)
        .build()
        .map_err(|error| Problem::new(segue::ErrorKind::Internal, format!("cannot start: {error}")))
}

/// How many cases ended so.
fn count(tested: &[Tested], ending: Ending) -> usize {
    tested.iter().filter(|case| case.report.ending == ending).count()
}

/// The object of `--json`, `segue.test/1`.
fn document(tested: &[Tested], faults: &[Fault], warnings: &[Fault]) -> impl Serialize {
    let cases = tested.iter().map(|case| {
        let report = &case.report;
        json!({
            "file": case.file, "name": case.name, "outcome": report.ending,
            "duration_ms": u64::try_from(case.took.as_millis()).unwrap_or(u64::MAX),
            "run": report.run, "failures": report.unmet, "miss": report.miss, "errors": report.errors,
            "updated": case.updated,
        })
    });
    json!({
        "schema": "segue.test/1",
        "passed": count(tested, Ending::Passed), "failed": count(tested, Ending::Failed),
        "missed": count(tested, Ending::Missed), "errors": count(tested, Ending::Error),
        "cases": cases.collect::<Vec<_>>(), "faults": faults, "warnings": warnings,
    })
}
