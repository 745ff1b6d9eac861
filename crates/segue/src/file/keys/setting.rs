//! Keys of settings that steps, agents and defaults share.

use super::agent::MODELS;
use super::{HUGE, Key, MANY, NONE, Table, Takes, key, required, table};

pub(super) const TIMEOUT: Key = key("timeout", Takes::DurationOrNone, "Deadline of one attempt.");
pub(super) const RETRIES: Key = key("retries", Takes::Count(0, 100), "Attempts after the first; 0.");
pub(super) const RETRY_OF: Key = key("retry", RETRY_OR_NAME, "Retry policy, or the name of one.");
pub(super) const BUDGET_OF: Key = key("budget", BUDGET_OR_NONE, "Limit on what all attempts spend.");
pub(super) const STEP_TIMEOUT: Key = key(
    "step_timeout",
    Takes::DurationOrNone,
    "Deadline of all attempts, waits and items together.",
);
pub(super) const ON_ERROR: Key = key(
    "on_error",
    ON_ERROR_TAKES,
    "What a failure means after the last attempt.",
);

pub(super) const ON_INTERRUPT: Key = key(
    "on_interrupt",
    Takes::Words(ON_INTERRUPTS),
    "What a crash in the middle means.",
);

pub(super) const CONTEXT: Key = key(
    "context",
    CONTEXT_TAKES,
    "What of the results before it the agent sees besides its prompt.",
);
pub(super) const COMPLETE: Key = key("complete", COMPLETE_TAKES, "When an answer is complete.");
/// Settings of asking an agent.
pub(super) const ASKING: &[Key] = &[CONTEXT, COMPLETE];

pub(super) const RETRY_OR_NAME: Takes = Takes::AnyOf(&[Takes::Name, Takes::Section(&RETRY)]);
pub(super) const BUDGET_OR_NONE: Takes = Takes::AnyOf(&[Takes::Section(&BUDGET), NONE]);
pub(super) const CONTEXT_TAKES: Takes =
    Takes::AnyOf(&[Takes::Words(CONTEXTS), Takes::Section(&CONTEXT_WINDOW)]);
pub(super) const COMPLETE_TAKES: Takes = Takes::AnyOf(&[
    Takes::Words(&["schema"]),
    Takes::Section(&COMPLETE_MARKER),
    Takes::Section(&COMPLETE_SAVED),
]);
pub(super) const ON_ERROR_TAKES: Takes = Takes::AnyOf(&[
    Takes::Words(ON_ERRORS),
    Takes::Section(&ON_ERROR_USE),
    Takes::Section(&ON_ERROR_RUN),
]);

/// The words `context` takes.
pub(in crate::file) const CONTEXTS: &[&str] = &["none", "needs", "all", "summary"];
/// The words `on_interrupt` takes.
pub(in crate::file) const ON_INTERRUPTS: &[&str] = &["retry", "ask", "fail"];
/// The words `on_error` of a step takes.
pub(in crate::file) const ON_ERRORS: &[&str] = &["fail", "skip", "keep"];

pub(in crate::file) static CONTEXT_WINDOW: Table = table(
    "`context`",
    &[&[required(
        "window",
        Takes::Count(1, 10_000),
        "How many of the newest results.",
    )]],
);

pub(in crate::file) static COMPLETE_MARKER: Table = table(
    "`complete`",
    &[&[
        required(
            "marker",
            Takes::Text,
            "The last line of a complete answer; it is cut off.",
        ),
        required(
            "nudge",
            Takes::Template,
            "What the agent is told when the marker is missing.",
        ),
        key("max_nudges", Takes::Count(0, 100), "How often; 3."),
    ]],
);

pub(in crate::file) static COMPLETE_SAVED: Table = table(
    "`complete`",
    &[&[required(
        "saved",
        Takes::List(&Takes::Text),
        "Artifacts that have to be saved.",
    )]],
);

pub(in crate::file) static ON_ERROR_USE: Table = table(
    "`on_error`",
    &[&[required("use", Takes::Value, "The output instead.")]],
);

pub(in crate::file) static ON_ERROR_RUN: Table = table(
    "`on_error`",
    &[&[required("run", Takes::Name, "The step that runs instead.")]],
);

pub(in crate::file) static RETRY: Table = table(
    "a retry policy",
    &[&[
        key("max_attempts", Takes::Count(1, 101), "All attempts; 1."),
        key("backoff", Takes::Words(BACKOFFS), "How waits grow; exponential."),
        key("delay", Takes::Duration, "First wait; 1s."),
        key("max_delay", Takes::Duration, "Longest wait; 60s."),
        key(
            "jitter",
            Takes::Boolean,
            "Whether a wait is drawn between zero and its length; true.",
        ),
        key(
            "when",
            Takes::Expression,
            "Boolean over `output`: true asks for another attempt.",
        ),
        key("reason", Takes::Template, "The reason given to that attempt."),
    ]],
);

/// The words `backoff` takes.
pub(in crate::file) const BACKOFFS: &[&str] = &["none", "fixed", "linear", "exponential"];

pub(in crate::file) static BUDGET: Table = table(
    "a budget",
    &[&[
        key("usd", Takes::Money, "Most dollars."),
        key(
            "tokens",
            Takes::Count(0, HUGE),
            "Most tokens, input and output together.",
        ),
        key(
            "requests",
            Takes::Count(0, HUGE),
            "Most model calls, free ones included.",
        ),
        key(
            "per_call",
            Takes::Section(&PER_CALL),
            "Limits on each single call.",
        ),
        key(
            "per_day",
            Takes::Section(&PER_DAY),
            "Limits on all runs of a day; only of a pipeline.",
        ),
        key(
            "on_exceed",
            Takes::Words(&["fail", "pause"]),
            "What becomes of a call that does not fit; fail.",
        ),
        key(
            "allow_unpriced",
            Takes::Boolean,
            "Whether models without a price may be called; false.",
        ),
        key(
            "min_tokens",
            Takes::Count(1, MANY),
            "Fewest output tokens a call is cut to; 256.",
        ),
    ]],
);

pub(in crate::file) static PER_CALL: Table = table(
    "`per_call`",
    &[&[
        key("usd", Takes::Money, "Most dollars."),
        key("tokens", Takes::Count(0, HUGE), "Most tokens."),
    ]],
);

pub(in crate::file) static PER_DAY: Table = table(
    "`per_day`",
    &[&[
        key("usd", Takes::Money, "Most dollars."),
        key("tokens", Takes::Count(0, HUGE), "Most tokens."),
        key("requests", Takes::Count(0, HUGE), "Most model calls."),
    ]],
);

pub(in crate::file) static DEFAULTS: Table = table(
    "`defaults`",
    &[
        &[key("model", MODELS, "Model of agents that name none.")],
        &[
            TIMEOUT,
            STEP_TIMEOUT,
            RETRIES,
            RETRY_OF,
            BUDGET_OF,
            ON_ERROR,
            ON_INTERRUPT,
        ],
        ASKING,
    ],
);

pub(super) const ARTIFACTS: Key = key(
    "artifacts",
    Takes::Map(&ARTIFACT_OR_FROM),
    "Files saved with the outcome, by name.",
);
pub(super) const ARTIFACT_OR_FROM: Takes = Takes::AnyOf(&[Takes::Expression, Takes::Section(&ARTIFACT)]);

pub(in crate::file) static ARTIFACT: Table = table(
    "an artifact",
    &[&[
        required("from", Takes::Expression, "Its content; none saves nothing."),
        key(
            "link",
            Takes::Text,
            "The link that moves to it when the run succeeds.",
        ),
        key(
            "type",
            Takes::Words(MEDIA),
            "What it holds; else what its extension says.",
        ),
    ]],
);

/// The words `type` of an artifact takes.
pub(in crate::file) const MEDIA: &[&str] = &["text", "markdown", "json", "bytes"];
