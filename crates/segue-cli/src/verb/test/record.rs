//! `test record`: the cases of test files with real models, and the cassettes they are played from.

use std::io::Write;
use std::path::Path;

use segue::case::Ending;
use segue::file::Purpose;
use segue::model::cassette::{Cassette, Recorded, Recording};
use serde_json::{Value as Json, json};

use super::files::{self, Opened};
use super::show::Show;
use super::{Tested, runtime};
use crate::arguments::test::RecordArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::saving::Saving;
use crate::terminal::words;
use crate::{clock, servers};

/// Records cassettes; exit 5 when a case is not as expected, 2 when nothing could be recorded.
pub(crate) fn record(arguments: &RecordArgs, program: &mut Program) -> Result<Exit, Problem> {
    let mut recorded = Vec::new();
    let mut left = arguments.budget;
    let (mut all_passed, mut all_good) = (true, true);
    for path in files::named(&arguments.files, program)? {
        let opened = match files::open(&path, Purpose::Record, program)? {
            Ok(opened) => opened,
            Err(rejected) => {
                files::tell(&rejected, program);
                all_good = false;
                continue;
            }
        };
        let Some(cassette) = opened.suite.cassette.clone() else {
            if arguments.files.is_empty() {
                continue;
            }
            let message = format!("{} names no cassette to record", opened.suite.name);
            return Err(Problem::usage(message).hint("add `cassette: NAME.cassette.yaml` to it"));
        };
        if let Err(rejected) = &opened.plan {
            files::tell(rejected, program);
            all_good = false;
            continue;
        }
        let recording = Recording::new(opened.bench.prices.clone(), left, opened.bench.redact.clone());
        let mut show = Show::of(&opened.suite.name, program);
        for tested in cases(&opened, &recording, program)? {
            all_passed &= tested.report.ending == Ending::Passed;
            show.case(&tested, program);
            if tested.report.ending == Ending::Error {
                let message = format!(
                    "{} could not be recorded, and nothing is written",
                    opened.suite.name
                );
                return Err(Problem::usage(message));
            }
        }
        let written = write(&cassette, &opened, &recording)?;
        left = recording.left();
        tell(&cassette, &written, program);
        recorded.push(described(&opened.suite.name, &cassette, &written));
    }
    if recorded.is_empty() && all_good {
        return Err(Problem::usage("no test file here names a cassette to record"));
    }
    if program.common.json {
        program
            .output
            .object(&json!({"schema": "segue.record/1", "files": recorded}));
    }
    Ok(match (all_good, all_passed) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Done,
        (true, false) => Exit::CassetteMiss,
    })
}

/// Runs every case, in real time.
fn cases(opened: &Opened, recording: &Recording, program: &Program) -> Result<Vec<Tested>, Problem> {
    let Ok(loaded) = &opened.plan else {
        return Ok(Vec::new());
    };
    let runtime = runtime(false)?;
    let tested = runtime.block_on(async {
        servers::verify(&loaded.plan, &opened.servers, &opened.project, program.screen).await?;
        let mut tested = Vec::new();
        for case in &opened.suite.cases {
            let began = clock::now();
            let run = opened.suite.run(case, loaded, &opened.bench, Some(recording));
            let report = run.await;
            tested.push(Tested {
                file: opened.suite.name.clone(),
                name: case.name.clone(),
                took: clock::now().since(began),
                report,
                updated: 0,
            });
        }
        servers::close(&opened.servers).await;
        Ok(tested)
    });
    runtime.shutdown_background();
    tested
}

/// Writes the cassette, as a whole or not at all.
fn write(path: &Path, opened: &Opened, recording: &Recording) -> Result<Recorded, Problem> {
    let before = std::fs::read_to_string(path).ok();
    let before = before.and_then(|text| {
        let redact = opened.bench.redact.clone();
        Cassette::read(&text, &path.display().to_string(), redact).ok()
    });
    let recorded = recording.finish(before.as_ref()).map_err(|failure| {
        let problem = Problem::new(failure.kind, failure.message);
        failure.hints.into_iter().fold(problem, Problem::hint)
    })?;
    let unwritten =
        |error: std::io::Error| Problem::usage(format!("{} cannot be written: {error}", path.display()));
    let mut saving = Saving::begin(path, true)?;
    saving.write_all(recorded.text.as_bytes()).map_err(unwritten)?;
    saving.end()?;
    Ok(recorded)
}

fn tell(path: &Path, recorded: &Recorded, program: &mut Program) {
    if program.common.json {
        return;
    }
    let path = words::one_line(&path.display().to_string());
    let mut parts = vec![words::plural(recorded.calls as u64, "call")];
    if recorded.tool_calls > 0 {
        parts.push(words::plural(recorded.tool_calls as u64, "tool call"));
    }
    parts.push(recorded.cost.nanousd.human().to_string());
    program
        .output
        .document(&format!("recorded {path}: {}", parts.join(", ")));
    if recorded.changes.is_empty() {
        program.output.document("  nothing has changed");
    }
    for change in &recorded.changes {
        let sign = match change.change {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        let call = words::one_line(&change.call);
        program
            .output
            .document(&format!("  {sign} {} {call}", change.change));
    }
}

fn described(file: &str, cassette: &Path, recorded: &Recorded) -> Json {
    json!({
        "file": file, "cassette": cassette.display().to_string(),
        "calls": recorded.calls, "tool_calls": recorded.tool_calls, "cost": recorded.cost,
        "changes": recorded.changes,
    })
}
