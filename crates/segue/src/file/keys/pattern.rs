//! Keys of patterns.

use super::{NONE, Table, Takes, key, required, table};
use crate::pattern::{MAX_CONCURRENCY, MAX_RETRIES};

pub(in crate::file) static PATTERN: Table = table(
    "a pattern",
    &[&[
        required(
            "steps",
            Takes::List(&Takes::Text),
            "Agents by name, in order; one may come again.",
        ),
        key(
            "strategy",
            Takes::Text,
            "How they work together: sequential, parallel, conditional or one of the program; sequential.",
        ),
        key("description", Takes::Text, "What it is for."),
        key(
            "prompt",
            Takes::Template,
            "What all of them are asked; else the input `prompt`.",
        ),
        key(
            "timeout",
            Takes::Duration,
            "Deadline of the run, 1s to 3600s; 300s.",
        ),
        key(
            "retries",
            Takes::Count(0, MAX_RETRIES as u64),
            "More attempts of each agent's step.",
        ),
        key(
            "concurrency",
            Takes::Count(1, MAX_CONCURRENCY as u64),
            "Agents at work at once; 5.",
        ),
        key(
            "fallback",
            Takes::AnyOf(&[Takes::Name, NONE]),
            "The pattern that runs where this one fails; else `on_failure`.",
        ),
    ]],
);
