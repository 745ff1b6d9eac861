//! Every program is run as a newcomer runs it, ends with 0, and says what it promises.

use std::env::consts::EXE_EXTENSION;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{FOLDER, stems};

/// Each program, and what it says in this order.
const PROGRAMS: [(&str, &[&str]); 15] = [
    (
        "budget",
        &[
            "## without a limit",
            "## one cent",
            "step `third` reached its budget",
            "done until then: first",
            "## two calls",
            "2 requests",
        ],
    ),
    (
        "document_processor",
        &[
            "documents: 2 steps, 1 edge",
            "extract",
            "classify",
            "Business for $0.00",
        ],
    ),
    (
        "document_router",
        &["write: short (taken)", "write: long (taken)"],
    ),
    (
        "durable",
        &[
            "## a process that is killed",
            "writing under sha256:",
            "## the next one",
            "writing under sha256:",
            "research  succeeded, attempts: 1",
            "write     succeeded, attempts: 2",
            "the run waits: Who gets it?",
            "## whoever comes with the answer",
            "a report from three sources on repair centres, sent to the board",
        ],
    ),
    (
        "early_stop",
        &[
            "Grace (grace@example.org) is expected in Leipzig",
            "the run waits at `read`",
            "known:   {\"name\":\"Ada\"}",
            "missing: email, city",
            "refused:",
            "Ada (ada@example.org) is expected in Leipzig",
        ],
    ),
    (
        "fallback_router",
        &[
            "repairs will look at: my phone is broken",
            "sales will make an offer for: what is the price of ten phones",
            "a person will read: good morning",
            "the default decided, because:",
        ],
    ),
    (
        "map",
        &[
            "https://example.org      11 characters",
            "http://example.org       failed: `http://example.org` is not secure",
            "https://segue.example    13 characters",
            "an empty list gives an empty list: []",
        ],
    ),
    (
        "nested",
        &[
            "newsletter:",
            "digests[0]/summarize",
            "headline/summarize       1 model calls",
            "(digest)",
        ],
    ),
    (
        "parallel",
        &[
            "Marta can expect 108 percent more offers",
            "market",
            "user",
            "together",
            "market → calculate",
        ],
    ),
    ("repeat", &["improve[0]", "improve[7]", "A pipeline is a (0.80)"]),
    (
        "rerun",
        &[
            "stale: []",
            "it would run usual, and take over prices, range, offer",
            "prices  edited      [20,24]",
            "usual   made        22",
            "stale: [range, offer]",
            "usual   taken over  22",
            "our price is 22; others ask 20 to 24",
            "stale: []",
            "## the first run is what it was",
            "our price is 318; others ask 20 to 910",
        ],
    ),
    (
        "patterns",
        &[
            "## line",
            "extractor → summarizer",
            "## side_by_side",
            "\"entities\":[\"Northwind",
            "## maybe",
            "steps['gate'].output",
            "## court",
            "summarizer_2",
        ],
    ),
    (
        "research",
        &[
            "planner     1 calls",
            "researcher  9 calls",
            "reviewer    2 calls",
            "writer      1 calls",
            "review: attempt 1 of 3 was refused: score 0.6 is below 0.8",
            "# Evaluating agents",
            "`latest-report` is report.md",
            "for $0.00",
        ],
    ),
    (
        "tools",
        &[
            "price: The current price of a ticker symbol, in dollars.",
            "\"symbol\"",
            "MSFT costs more than AAPL.",
            "3 model calls, 3 tool calls",
            "✕ price",
        ],
    ),
    (
        "watch",
        &[
            "run.queued",
            "50 % half of it is here",
            "attempt.again",
            "the connection was lost",
            "run.succeeded",
            "the same picture live and later: true",
        ],
    ),
];

#[test]
fn every_program_is_here() {
    let mut named: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
    // Does something only with arguments: a test of its own runs it.
    named.extend(["content", "own_command_line"]);
    named.sort_unstable();
    assert_eq!(
        stems(&Path::new(FOLDER).join("rust"), ".rs")
            .iter()
            .collect::<Vec<_>>(),
        named
    );
}

#[test]
fn every_program_says_what_it_promises() {
    let mut wrong = Vec::new();
    for (name, promised) in PROGRAMS {
        let said = run(name, &[]);
        let mut rest = said.as_str();
        for part in promised {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => {
                    wrong.push(format!(
                        "`{name}` does not say {part:?} at its place; it says:\n{said}"
                    ));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_document_is_another_result() {
    let other = Path::new(FOLDER).join("tests/run_all/match.txt");
    let other = other.to_str().expect("the folder of the examples is text");
    for (name, promised) in [
        ("document_processor", "Sport for $0.00"),
        ("document_router", "write: short (taken)"),
    ] {
        let said = run(name, &[other]);
        assert!(said.contains(promised), "{said}");
        // The last line is the output.
        assert_ne!(
            said.trim_end().lines().last(),
            run(name, &[]).trim_end().lines().last()
        );
    }
}

/// A pipeline file calls a tool that is registered by the program.
#[test]
fn the_command_line_has_the_tools_of_its_program() {
    let file = Path::new(FOLDER).join("own_tool.yaml");
    let file = file.to_str().expect("the folder of the examples is text");
    assert_eq!(
        run("own_command_line", &["run", file, "--symbol", "AAPL"]).trim(),
        "AAPL costs 227.5 dollars"
    );
    let unknown = output("own_command_line", &["run", file, "--symbol", "?"]);
    assert_eq!(unknown.status.code(), Some(1));
}

/// What a program says that ends with 0.
fn run(name: &str, arguments: &[&str]) -> String {
    let output = output(name, arguments);
    let said = String::from_utf8(output.stdout).expect("it says text");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`{name}` ended with {}: {said}\n{complaints}",
        output.status
    );
    said
}

/// Runs a program in the project's folder; of its runs nothing is left there.
pub(crate) fn output(name: &str, arguments: &[&str]) -> Output {
    let mut command = command(name);
    let command = command.args(arguments).current_dir(Path::new(FOLDER).join(".."));
    command
        .env("SEGUE_STORE", "memory:")
        // Whoever has a key or a model server runs the tests without them.
        .env("SEGUE_OFFLINE", "1")
        .output()
        .expect("the program starts")
}

/// A program, as a person runs it.
pub(crate) fn command(name: &str) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "the programs are run as a person runs them"
    )]
    Command::new(program(name))
}

/// The file of a program. `cargo test` builds the programs beside the tests, but not when it is told which test to run.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test lies in `deps` of its profile");
    let program = profile.join("examples").join(name).with_extension(EXE_EXTENSION);
    let source = Path::new(FOLDER).join("rust").join(name).with_extension("rs");
    let [built, written] =
        [&program, &source].map(|file| file.metadata().and_then(|file| file.modified()).ok());
    assert!(
        built >= written,
        "`{name}` is not built: run `cargo test -p segue-examples`"
    );
    program
}
