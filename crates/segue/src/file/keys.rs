//! The keys of the format, section by section: name, what it takes, what it is for.
//!
//! These tables are the only list of keys. The readers look keys up through them, the suggestions for unknown keys come
//! from them, and so does the published JSON Schema; a key that is in none of them does not exist.

mod agent;
mod pattern;
mod setting;
mod step;
mod test;

pub(super) use agent::{AGENT, APPROVAL, APPROVALS, MODEL, TOOL, TOOL_ON_ERRORS, TOOL_TELL, TOOL_USE};
pub(super) use pattern::PATTERN;
pub(super) use setting::{
    ARTIFACT, BACKOFFS, BUDGET, COMPLETE_MARKER, COMPLETE_SAVED, CONTEXT_WINDOW, CONTEXTS, DEFAULTS, MEDIA,
    ON_ERROR_RUN, ON_ERROR_USE, ON_ERRORS, ON_INTERRUPTS, PER_CALL, PER_DAY, RETRY,
};
pub(super) use step::{ARM, ARMS, ASK, ROUTE_AGENT, ROUTE_FIRST_OF, ROUTE_SPLIT, ROUTE_TOOL, STEP, STEPS};
pub(super) use test::{
    ACT, CALL, CASE, EXPECT, EXPECT_ERROR, EXPECT_QUESTION, EXPECT_STEP, FAULT, LENGTH, MATCHER, MOMENTS,
    RULE, RUN_STATUSES, SCRIPT, SKIPS, STAND_IN, STEP_STATUSES, TEST, USAGE,
};

use agent::MODELS;
use setting::{ARTIFACT_OR_FROM, BUDGET_OR_NONE};
use step::WITH;

/// The keys of one kind of section.
#[derive(Debug)]
pub(super) struct Table {
    /// What the section is, as messages say it: "an agent".
    pub what: &'static str,
    /// Its keys, in groups that several kinds of section share.
    pub groups: &'static [&'static [Key]],
    /// The table of all sections of its kind, whose other keys have no meaning here.
    pub wider: Option<&'static Table>,
}

const fn table(what: &'static str, groups: &'static [&'static [Key]]) -> Table {
    Table {
        what,
        groups,
        wider: None,
    }
}

const fn of(wider: &'static Table, what: &'static str, groups: &'static [&'static [Key]]) -> Table {
    Table {
        what,
        groups,
        wider: Some(wider),
    }
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub takes: Takes,
    pub doc: &'static str,
    pub required: bool,
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum Takes {
    /// The number 1.
    Version,
    /// Literal text.
    Text,
    /// A name.
    Name,
    /// A line of visible text.
    Title,
    Boolean,
    /// An integer of this range.
    Count(u64, u64),
    /// A number of this range.
    Number(f64, f64),
    Duration,
    /// A duration or `none`.
    DurationOrNone,
    /// Dollars, as decimal text or a number.
    Money,
    /// One of these words.
    Words(&'static [&'static str]),
    Template,
    Expression,
    /// A template or `{file: PATH}`.
    TextOrFile,
    /// A path beneath the file's folder.
    Path,
    /// A type: a short form or JSON Schema.
    Type,
    /// Any value; strings in it are templates.
    Value,
    List(&'static Takes),
    /// A map from names to these.
    Map(&'static Takes),
    Section(&'static Table),
    /// Any of these.
    AnyOf(&'static [Takes]),
}

impl Table {
    /// All keys, in the order of the format.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// The key of a name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

const fn key(name: &'static str, takes: Takes, doc: &'static str) -> Key {
    Key {
        name,
        takes,
        doc,
        required: false,
    }
}

const fn required(name: &'static str, takes: Takes, doc: &'static str) -> Key {
    Key {
        name,
        takes,
        doc,
        required: true,
    }
}

const NONE: Takes = Takes::Words(&["none"]);
const MANY: u64 = u32::MAX as u64;
/// The largest count that survives every JSON reader.
const HUGE: u64 = i64::MAX as u64;

/// The largest number of attempts at once, of a run or of a map.
pub(super) const MAX_PARALLEL: u64 = 1000;

pub(super) static PIPELINE: Table = table(
    "a pipeline",
    &[&[
        required("version", Takes::Version, "Version of the format: 1."),
        required(
            "name",
            Takes::Name,
            "Identity of the pipeline in stores, links and logs.",
        ),
        key("title", Takes::Title, "Human name."),
        key("description", Takes::Text, "What it is for."),
        key("labels", Takes::Map(&Takes::Text), "Filters, at most 16."),
        key(
            "inputs",
            Takes::Map(&Takes::Type),
            "Inputs by name, each with its type.",
        ),
        key("models", Takes::Map(&MODELS), "Models by name."),
        key("agents", Takes::Map(&Takes::Section(&AGENT)), "Agents by name."),
        key(
            "tools",
            Takes::Map(&Takes::Section(&TOOL)),
            "Limits of tools, by name or glob.",
        ),
        key(
            "retries",
            Takes::Map(&Takes::Section(&RETRY)),
            "Named retry policies.",
        ),
        key(
            "defaults",
            Takes::Section(&DEFAULTS),
            "Lowest level of the settings of all steps.",
        ),
        key(
            "timeout",
            Takes::DurationOrNone,
            "Deadline of the run; waiting for people does not count.",
        ),
        key("budget", BUDGET_OR_NONE, "Total of the run."),
        key(
            "max_parallel",
            Takes::Count(1, MAX_PARALLEL),
            "Attempts running at once; 64.",
        ),
        key(
            "failure",
            Takes::Words(&["continue", "fail_fast"]),
            "What a failed step means for the others.",
        ),
        key(
            "start",
            Takes::Words(&["auto", "manual"]),
            "What runs when nobody names a step: everything, or nothing.",
        ),
        key(
            "key",
            Takes::Expression,
            "Over `inputs`: runs with the same key share one set of results.",
        ),
        key(
            "steps",
            Takes::Map(&Takes::Section(&STEP)),
            "Steps by name, in order.",
        ),
        key(
            "patterns",
            Takes::Map(&Takes::Section(&PATTERN)),
            "Agents put to work in a ready-made way, by name.",
        ),
        key(
            "default_pattern",
            Takes::Name,
            "The pattern that runs where there are no `steps`; the only one.",
        ),
        key("output", OUTPUT, "What the pipeline gives; else its last step."),
        key("output_schema", Takes::Type, "Type of the output."),
        key(
            "artifacts",
            Takes::Map(&ARTIFACT_OR_FROM),
            "Files saved at the end, by name.",
        ),
        key(
            "on_failure",
            Takes::AnyOf(&[Takes::Section(&FALLBACK), NONE]),
            "What runs when the run would fail.",
        ),
    ]],
);

const OUTPUT: Takes = Takes::AnyOf(&[Takes::Expression, Takes::Value]);

pub(super) static FALLBACK: Table = table(
    "`on_failure`",
    &[&[
        key(
            "pipeline",
            Takes::Path,
            "The pipeline that runs: FILE, FILE#PATTERN or #PATTERN.",
        ),
        WITH,
        key("steps", Takes::Map(&Takes::Section(&STEP)), "The steps that run."),
        key("output", Takes::Expression, "What they give."),
        key(
            "also",
            Takes::List(&Takes::Words(&["budget"])),
            "After what else it runs.",
        ),
    ]],
);

/// Words that say how, where or with which key something is reached. Only the operator says that, in `segue.toml`; next
/// to each, the table to write there.
pub(super) const OPERATOR_WORDS: &[(&str, &str)] = &[
    ("command", "[tools.NAME]\ncommand = [\"program\", \"argument\"]"),
    ("args", "[tools.NAME]\ncommand = [\"program\", \"argument\"]"),
    ("env", "[tools.NAME]\nenv = { NAME = \"secret://NAME\" }"),
    ("url", "[tools.NAME]\nurl = \"https://…\""),
    ("header", "[tools.NAME]\nheader = { NAME = \"secret://NAME\" }"),
    ("class", "[tools.NAME]\nclass = \"read_only\""),
    ("base_url", "[providers.NAME]\nbase_url = \"https://…\""),
    ("api_key", "[providers.NAME]\nkey_env = \"NAME\""),
    ("key_env", "[providers.NAME]\nkey_env = \"NAME\""),
    ("providers", "[providers.NAME]\nbase_url = \"https://…\""),
    (
        "prices",
        "[prices.\"provider/model\"]\ninput = \"0.25\"\noutput = \"2.00\"",
    ),
    ("mcp", "[mcp.NAME]\ncommand = [\"program\"]"),
    ("fetch", "[fetch]\nhttp = false"),
    (
        "secrets",
        "[tools.NAME]\nheader = { Authorization = \"Bearer secret://NAME\" }",
    ),
    ("store", "[store]\nurl = \"sqlite:.segue/store.db\""),
    ("server", "[server]\nbind = \"127.0.0.1:7878\""),
    ("limits", "[limits]\nmax_parallel = 64"),
    ("engine", "[engine]\ndefault = \"local\""),
];
