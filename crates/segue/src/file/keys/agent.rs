//! Keys of models, agents and tools.

use super::setting::{ASKING, BUDGET_OF, ON_INTERRUPT, RETRIES, RETRY_OF, TIMEOUT};
use super::{HUGE, Key, MANY, Table, Takes, key, required, table};

pub(super) const MODELS: Takes = Takes::AnyOf(&[
    Takes::Text,
    Takes::Section(&MODEL),
    Takes::List(&Takes::AnyOf(&[Takes::Text, Takes::Section(&MODEL)])),
]);

pub(super) const MODEL_SETTINGS: &[Key] = &[
    key(
        "temperature",
        Takes::Number(0.0, 2.0),
        "How freely it samples, 0 to 2.",
    ),
    key(
        "max_tokens",
        Takes::Count(1, MANY),
        "Most output tokens of one call; 4096.",
    ),
    key(
        "top_p",
        Takes::Number(0.0, 1.0),
        "Share of likely tokens it samples from, 0 to 1.",
    ),
    key("seed", Takes::Count(0, HUGE), "For models that take one."),
    key("stop", Takes::List(&Takes::Text), "Texts that end the answer."),
    key(
        "reasoning",
        Takes::Words(&["none", "low", "medium", "high"]),
        "How much it thinks.",
    ),
];

pub(in crate::file) static MODEL: Table = table(
    "a model",
    &[
        &[
            required(
                "use",
                Takes::Text,
                "`provider/model`, `auto/small`, `local/extractive` and so on.",
            ),
            key(
                "file",
                Takes::Path,
                "Rules of `sim/script`, recorded calls of `sim/cassette`.",
            ),
            key(
                "cache",
                Takes::Words(&["none", "auto"]),
                "Whether a provider that has to be asked keeps the beginning of a request; none.",
            ),
        ],
        MODEL_SETTINGS,
    ],
);

pub(in crate::file) static AGENT: Table = table(
    "an agent",
    &[
        &[
            required(
                "instructions",
                Takes::TextOrFile,
                "What it is told before every request.",
            ),
            key("model", MODELS, "Name of a model, or a model."),
            key(
                "description",
                Takes::Text,
                "What it is for, shown to other agents and routers.",
            ),
            key("output", Takes::Type, "Type of its answer; text."),
            key("tools", TOOL_USES, "Tools it may call."),
            key(
                "max_turns",
                Takes::Count(1, 1000),
                "Most model calls of an attempt; 16.",
            ),
            key(
                "max_tool_calls",
                Takes::Count(0, 10_000),
                "Most tool calls of an attempt; 64.",
            ),
            key(
                "repairs",
                Takes::Count(0, 10),
                "How often it is told what was wrong with its output; 2.",
            ),
            key(
                "strict",
                Takes::Boolean,
                "Whether the schemas of its tools and output must be strict.",
            ),
        ],
        MODEL_SETTINGS,
        &[TIMEOUT, RETRIES, RETRY_OF, BUDGET_OF],
        ASKING,
    ],
);

pub(super) const TOOL_USES: Takes = Takes::List(&Takes::AnyOf(&[Takes::Text, Takes::Section(&TOOL_USE)]));

pub(super) const TOOL_LIMITS: &[Key] = &[
    key(
        "max_calls",
        Takes::Count(0, MANY),
        "Most calls: of a run at the top, of an attempt for an agent.",
    ),
    key("timeout", Takes::Duration, "Deadline of one call."),
    key("retries", Takes::Count(0, 10), "More tries after a failure; 0."),
    key("approval", APPROVAL_TAKES, "Whether a call needs a person."),
    key(
        "approval_timeout",
        Takes::Duration,
        "How long a person is waited for; 24h.",
    ),
    key("on_error", TOOL_ON_ERROR_TAKES, "What a failure means; tell."),
    ON_INTERRUPT,
];

pub(super) const APPROVAL_TAKES: Takes = Takes::AnyOf(&[Takes::Words(APPROVALS), Takes::Section(&APPROVAL)]);
pub(super) const TOOL_ON_ERROR_TAKES: Takes =
    Takes::AnyOf(&[Takes::Words(TOOL_ON_ERRORS), Takes::Section(&TOOL_TELL)]);

/// The words `approval` takes.
pub(in crate::file) const APPROVALS: &[&str] = &["allow", "ask", "deny"];
/// The words `on_error` of a tool takes.
pub(in crate::file) const TOOL_ON_ERRORS: &[&str] = &["tell", "fail"];

pub(in crate::file) static TOOL: Table = table("a tool", &[TOOL_LIMITS]);

pub(in crate::file) static TOOL_USE: Table = table(
    "a tool of an agent",
    &[
        &[required(
            "name",
            Takes::Text,
            "Name or glob, `agent:NAME`, or a pipeline: `pipeline:FILE`, `pipeline:FILE#PATTERN`, `pipeline:NAME` of the program.",
        )],
        TOOL_LIMITS,
    ],
);

pub(in crate::file) static APPROVAL: Table = table(
    "`approval`",
    &[&[
        key("deny", Takes::Expression, "True over `args` refuses the call."),
        key("ask", Takes::Expression, "True over `args` asks a person."),
    ]],
);

pub(in crate::file) static TOOL_TELL: Table = table(
    "`on_error`",
    &[&[required("tell", Takes::Text, "What the model reads instead.")]],
);
