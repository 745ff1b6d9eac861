//! Keys of test files.

use super::agent::MODELS;
use super::setting::BUDGET_OR_NONE;
use super::{HUGE, Key, MANY, Table, Takes, key, required, table};

const INPUTS: Key = key(
    "inputs",
    Takes::Map(&Takes::Value),
    "Inputs by name; `{file: PATH}` is the text of a file.",
);
const BUDGET: Key = key("budget", BUDGET_OR_NONE, "The total of each run.");

pub(in crate::file) static TEST: Table = table(
    "a test file",
    &[&[
        required("version", Takes::Version, "Version of the format: 1."),
        required("pipeline", Takes::Path, "The pipeline file it is about."),
        key(
            "script",
            Takes::List(&Takes::Section(&RULE)),
            "Rules that say what models answer.",
        ),
        key("cassette", Takes::Path, "Recorded calls that are played."),
        key(
            "models",
            Takes::Map(&MODELS),
            "What names of the pipeline's models mean here.",
        ),
        key(
            "tools",
            Takes::Map(&Takes::AnyOf(&[
                Takes::Section(&STAND_IN),
                Takes::List(&Takes::Section(&STAND_IN)),
            ])),
            "What tools give, in order; a single one for every call.",
        ),
        INPUTS,
        BUDGET,
        key("seed", Takes::Count(0, HUGE), "Where ids and draws begin; 0."),
        required("cases", Takes::List(&Takes::Section(&CASE)), "The cases."),
    ]],
);

/// The file of a `sim/script`.
pub(in crate::file) static SCRIPT: Table = table(
    "a script",
    &[&[
        required("version", Takes::Version, "Version of the format: 1."),
        required(
            "script",
            Takes::List(&Takes::Section(&RULE)),
            "Rules that say what models answer.",
        ),
    ]],
);

pub(in crate::file) static RULE: Table = table(
    "a rule",
    &[&[
        key("agent", Takes::Text, "The agent it answers."),
        key("step", Takes::Text, "The step it answers, by its path."),
        key(
            "prompt",
            MATCHED,
            "What the messages have to be, instructions aside.",
        ),
        key("reply", Takes::Value, "The answer: text, or a value as JSON."),
        key(
            "call",
            Takes::AnyOf(&[Takes::Section(&CALL), Takes::List(&Takes::Section(&CALL))]),
            "The tools to call, all in one turn.",
        ),
        key(
            "error",
            Takes::Text,
            "An error kind, or a malformed reply (`bad_json bad_schema half_stream empty slow`).",
        ),
        key("usage", Takes::Section(&USAGE), "What was used; a local count."),
        key(
            "times",
            Takes::Count(1, MANY),
            "How often it answers, then it is used up; for ever.",
        ),
        key("delay", Takes::Duration, "How long the answer takes."),
        key(
            "retry_after",
            Takes::Duration,
            "The pause that an error asks for.",
        ),
    ]],
);

pub(in crate::file) static CALL: Table = table(
    "a call",
    &[&[
        required("tool", Takes::Text, "The tool to call."),
        key("args", Takes::Map(&Takes::Value), "Its arguments."),
    ]],
);

pub(in crate::file) static USAGE: Table = table(
    "`usage`",
    &[&[
        key("input_tokens", Takes::Count(0, HUGE), "Tokens read."),
        key("output_tokens", Takes::Count(0, HUGE), "Tokens written."),
        key(
            "cache_read_tokens",
            Takes::Count(0, HUGE),
            "Of those read: from a cache.",
        ),
        key(
            "cache_write_tokens",
            Takes::Count(0, HUGE),
            "Of those read: put into one.",
        ),
        key(
            "reasoning_tokens",
            Takes::Count(0, HUGE),
            "Of those written: thoughts.",
        ),
        key("audio_tokens", Takes::Count(0, HUGE), "Tokens of sound."),
    ]],
);

pub(in crate::file) static STAND_IN: Table = table(
    "a stand-in",
    &[&[
        key("returns", Takes::Value, "The value that the tool gives."),
        key("fails", Takes::Text, "The error that the tool fails with."),
    ]],
);

pub(in crate::file) static CASE: Table = table(
    "a case",
    &[&[
        required("name", Takes::Title, "Its name, unique in the file."),
        INPUTS,
        key("pattern", Takes::Name, "The pattern that runs."),
        key("key", Takes::Text, "The workspace it runs in."),
        key("run", Takes::Name, "A step, or `all` that has no result yet."),
        key(
            "answers",
            Takes::Map(&Takes::Value),
            "What is answered to the questions of a step.",
        ),
        key(
            "approve",
            Takes::List(&Takes::Text),
            "Tools whose calls are approved.",
        ),
        key(
            "reject",
            Takes::List(&Takes::Text),
            "Tools whose calls are rejected.",
        ),
        BUDGET,
        key("faults", Takes::List(&Takes::Section(&FAULT)), "What goes wrong."),
        required("expect", Takes::Section(&EXPECT), "What has to be so."),
        key(
            "then",
            Takes::List(&Takes::Section(&ACT)),
            "Further acts on the same store.",
        ),
    ]],
);

pub(in crate::file) static FAULT: Table = table(
    "a fault",
    &[&[
        key("step", Takes::Text, "The step it strikes, by its path."),
        key("agent", Takes::Text, "The agent it strikes."),
        key(
            "attempt",
            Takes::AnyOf(&[Takes::Count(1, MANY), Takes::Words(&["all"])]),
            "Which attempt; 1.",
        ),
        key("item", Takes::Count(0, HUGE), "Which item of a map, from 0."),
        required(
            "error",
            Takes::Text,
            "An error kind, a malformed reply (`bad_json bad_schema half_stream empty slow`) or `kill`.",
        ),
        key(
            "at",
            Takes::Words(MOMENTS),
            "When the process dies; `called` where nothing is said.",
        ),
    ]],
);

/// When a process can die.
pub(in crate::file) const MOMENTS: &[&str] = &["started", "called", "recorded"];

pub(in crate::file) static ACT: Table = table(
    "an act",
    &[&[
        key("run", Takes::Name, "A step, or `all` that has no result yet."),
        key("rerun", Takes::Name, "A step that runs again."),
        key("note", Takes::Text, "What is wanted of the step that runs again."),
        key(
            "follow",
            Takes::Boolean,
            "Whether all that follows runs again too; false.",
        ),
        key("rerun_stale", Takes::Boolean, "What is stale runs again."),
        required("expect", Takes::Section(&EXPECT), "What has to be so."),
    ]],
);

/// A value that has to be equal, or a map of conditions.
const MATCHED: Takes = Takes::Value;

pub(in crate::file) static EXPECT: Table = table(
    "`expect`",
    &[&[
        key("status", Takes::Words(RUN_STATUSES), "Where the run stands."),
        key(
            "fallback",
            Takes::Boolean,
            "Whether `on_failure` made the output.",
        ),
        key(
            "failed",
            Takes::List(&Takes::Text),
            "The steps that failed, in order.",
        ),
        key(
            "refused",
            Takes::Text,
            "The code with which the start is refused.",
        ),
        key(
            "missing",
            Takes::List(&Takes::Text),
            "The steps whose results are missing.",
        ),
        key("output", MATCHED, "What the pipeline gives."),
        key("error", Takes::Section(&EXPECT_ERROR), "Why the run failed."),
        key(
            "question",
            Takes::Section(&EXPECT_QUESTION),
            "What the run waits for.",
        ),
        key("calls", MATCHED, "How many model calls were made."),
        key("cost_usd", MATCHED, "What they cost, in dollars."),
        key("tokens", MATCHED, "Input and output tokens."),
        key(
            "artifacts",
            Takes::Map(&MATCHED),
            "Files by name: their content, and `link` where one points to them.",
        ),
        key(
            "prompts",
            Takes::Map(&MATCHED),
            "What a step was asked, as one text.",
        ),
        key(
            "steps",
            Takes::Map(&Takes::Section(&EXPECT_STEP)),
            "Steps by their path.",
        ),
    ]],
);

/// Where a run can rest.
pub(in crate::file) const RUN_STATUSES: &[&str] = &["succeeded", "failed", "waiting", "cancelled"];
/// Where a step can stand when its run rests.
pub(in crate::file) const STEP_STATUSES: &[&str] = &[
    "pending",
    "ready",
    "running",
    "waiting",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
];
/// Why a step can be left out.
pub(in crate::file) const SKIPS: &[&str] = &[
    "when_false",
    "arm_not_taken",
    "upstream_failed",
    "upstream_skipped",
    "not_selected",
    "on_error",
];

pub(in crate::file) static EXPECT_STEP: Table = table(
    "an expected step",
    &[&[
        key("status", Takes::Words(STEP_STATUSES), "Where it stands."),
        key("attempts", MATCHED, "How often it was tried."),
        key("items", MATCHED, "How many items it has."),
        key("failed_items", MATCHED, "How many of them failed."),
        key("arm", MATCHED, "The arm it took."),
        key("skipped", Takes::Words(SKIPS), "Why it was left out."),
        key(
            "reasons",
            Takes::List(&MATCHED),
            "Why it was tried again, each time.",
        ),
        key(
            "stale",
            Takes::Boolean,
            "Whether something it was made from has changed.",
        ),
        key("output", MATCHED, "What it gives."),
        key("calls", MATCHED, "How many model calls it made."),
        key("cost_usd", MATCHED, "What they cost, in dollars."),
    ]],
);

pub(in crate::file) static EXPECT_ERROR: Table = table(
    "an expected error",
    &[&[
        key("kind", MATCHED, "Its kind."),
        key("step", MATCHED, "The step it is of."),
        key("message", MATCHED, "What it says."),
    ]],
);

pub(in crate::file) static EXPECT_QUESTION: Table = table(
    "an expected question",
    &[&[
        key("step", MATCHED, "The step that asks."),
        key("tool", MATCHED, "The tool that wants approval."),
        key("title", MATCHED, "Its title."),
    ]],
);

pub(in crate::file) static MATCHER: Table = table(
    "a matcher",
    &[&[
        key("equals", Takes::Value, "The very value."),
        key(
            "contains",
            Takes::Value,
            "Text in text, an element in a list, a key in a map.",
        ),
        key("matches", Takes::Text, "A pattern somewhere in text."),
        key("not", MATCHED, "Not this."),
        key("min", Takes::Number(f64::MIN, f64::MAX), "At least."),
        key("max", Takes::Number(f64::MIN, f64::MAX), "At most."),
        key(
            "length",
            Takes::AnyOf(&[Takes::Count(0, HUGE), Takes::Section(&LENGTH)]),
            "Characters of text, elements of a list.",
        ),
        key("one_of", Takes::List(&Takes::Value), "One of these values."),
        key("schema", Takes::Type, "What fits a type."),
        key("that", Takes::Expression, "An expression over `value`."),
    ]],
);

pub(in crate::file) static LENGTH: Table = table(
    "`length`",
    &[&[
        key("min", Takes::Count(0, HUGE), "At least."),
        key("max", Takes::Count(0, HUGE), "At most."),
    ]],
);
