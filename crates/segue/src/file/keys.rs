//! The keys of the format, section by section: name, what it takes, what it is for.
//!
//! These tables are the only list of keys. The readers look keys up through them, the suggestions for unknown keys come
//! from them, and so does the published JSON Schema; a key that is in none of them does not exist.

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
        required(
            "steps",
            Takes::Map(&Takes::Section(&STEP)),
            "Steps by name, in order.",
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

const MODELS: Takes = Takes::AnyOf(&[
    Takes::Text,
    Takes::Section(&MODEL),
    Takes::List(&Takes::AnyOf(&[Takes::Text, Takes::Section(&MODEL)])),
]);

const MODEL_SETTINGS: &[Key] = &[
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

pub(super) static MODEL: Table = table(
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
        ],
        MODEL_SETTINGS,
    ],
);

pub(super) static AGENT: Table = table(
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

const TIMEOUT: Key = key("timeout", Takes::DurationOrNone, "Deadline of one attempt.");
const RETRIES: Key = key("retries", Takes::Count(0, 100), "Attempts after the first; 0.");
const RETRY_OF: Key = key("retry", RETRY_OR_NAME, "Retry policy, or the name of one.");
const BUDGET_OF: Key = key("budget", BUDGET_OR_NONE, "Limit on what all attempts spend.");
const STEP_TIMEOUT: Key = key(
    "step_timeout",
    Takes::DurationOrNone,
    "Deadline of all attempts, waits and items together.",
);
const ON_ERROR: Key = key(
    "on_error",
    ON_ERROR_TAKES,
    "What a failure means after the last attempt.",
);

/// Settings with a meaning wherever an agent is asked.
const ASKING: &[Key] = &[
    key(
        "context",
        CONTEXT_TAKES,
        "What of the results before it the agent sees besides its prompt.",
    ),
    key("complete", COMPLETE_TAKES, "When an answer is complete."),
];

const RETRY_OR_NAME: Takes = Takes::AnyOf(&[Takes::Name, Takes::Section(&RETRY)]);
const BUDGET_OR_NONE: Takes = Takes::AnyOf(&[Takes::Section(&BUDGET), NONE]);
const CONTEXT_TAKES: Takes = Takes::AnyOf(&[Takes::Words(CONTEXTS), Takes::Section(&CONTEXT_WINDOW)]);
const COMPLETE_TAKES: Takes = Takes::AnyOf(&[
    Takes::Words(&["schema"]),
    Takes::Section(&COMPLETE_MARKER),
    Takes::Section(&COMPLETE_SAVED),
]);
const ON_ERROR_TAKES: Takes = Takes::AnyOf(&[
    Takes::Words(ON_ERRORS),
    Takes::Section(&ON_ERROR_USE),
    Takes::Section(&ON_ERROR_RUN),
]);

/// The words `context` takes.
pub(super) const CONTEXTS: &[&str] = &["none", "needs", "all", "summary"];
/// The words `on_error` of a step takes.
pub(super) const ON_ERRORS: &[&str] = &["fail", "skip", "keep"];

pub(super) static CONTEXT_WINDOW: Table = table(
    "`context`",
    &[&[required(
        "window",
        Takes::Count(1, 10_000),
        "How many of the newest results.",
    )]],
);

pub(super) static COMPLETE_MARKER: Table = table(
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

pub(super) static COMPLETE_SAVED: Table = table(
    "`complete`",
    &[&[required(
        "saved",
        Takes::List(&Takes::Text),
        "Artifacts that have to be saved.",
    )]],
);

pub(super) static ON_ERROR_USE: Table = table(
    "`on_error`",
    &[&[required("use", Takes::Value, "The output instead.")]],
);

pub(super) static ON_ERROR_RUN: Table = table(
    "`on_error`",
    &[&[required("run", Takes::Name, "The step that runs instead.")]],
);

pub(super) static RETRY: Table = table(
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
pub(super) const BACKOFFS: &[&str] = &["none", "fixed", "linear", "exponential"];

pub(super) static BUDGET: Table = table(
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

pub(super) static PER_CALL: Table = table(
    "`per_call`",
    &[&[
        key("usd", Takes::Money, "Most dollars."),
        key("tokens", Takes::Count(0, HUGE), "Most tokens."),
    ]],
);

pub(super) static PER_DAY: Table = table(
    "`per_day`",
    &[&[
        key("usd", Takes::Money, "Most dollars."),
        key("tokens", Takes::Count(0, HUGE), "Most tokens."),
        key("requests", Takes::Count(0, HUGE), "Most model calls."),
    ]],
);

pub(super) static DEFAULTS: Table = table(
    "`defaults`",
    &[
        &[key("model", MODELS, "Model of agents that name none.")],
        &[TIMEOUT, STEP_TIMEOUT, RETRIES, RETRY_OF, BUDGET_OF, ON_ERROR],
        ASKING,
    ],
);

const TOOL_USES: Takes = Takes::List(&Takes::AnyOf(&[Takes::Text, Takes::Section(&TOOL_USE)]));

const TOOL_LIMITS: &[Key] = &[
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
];

const APPROVAL_TAKES: Takes = Takes::AnyOf(&[Takes::Words(APPROVALS), Takes::Section(&APPROVAL)]);
const TOOL_ON_ERROR_TAKES: Takes = Takes::AnyOf(&[Takes::Words(TOOL_ON_ERRORS), Takes::Section(&TOOL_TELL)]);

/// The words `approval` takes.
pub(super) const APPROVALS: &[&str] = &["allow", "ask", "deny"];
/// The words `on_error` of a tool takes.
pub(super) const TOOL_ON_ERRORS: &[&str] = &["tell", "fail"];

pub(super) static TOOL: Table = table("a tool", &[TOOL_LIMITS]);

pub(super) static TOOL_USE: Table = table(
    "a tool of an agent",
    &[
        &[required(
            "name",
            Takes::Text,
            "Name or glob, `agent:NAME` or `pipeline:FILE`.",
        )],
        TOOL_LIMITS,
    ],
);

pub(super) static APPROVAL: Table = table(
    "`approval`",
    &[&[
        key("deny", Takes::Expression, "True over `args` refuses the call."),
        key("ask", Takes::Expression, "True over `args` asks a person."),
    ]],
);

pub(super) static TOOL_TELL: Table = table(
    "`on_error`",
    &[&[required("tell", Takes::Text, "What the model reads instead.")]],
);

const ARTIFACTS: Key = key(
    "artifacts",
    Takes::Map(&ARTIFACT_OR_FROM),
    "Files saved with the outcome, by name.",
);
const ARTIFACT_OR_FROM: Takes = Takes::AnyOf(&[Takes::Expression, Takes::Section(&ARTIFACT)]);

pub(super) static ARTIFACT: Table = table(
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
pub(super) const MEDIA: &[&str] = &["text", "markdown", "json", "bytes"];

/// Keys of every step, whatever it does.
const OF_STEPS: &[Key] = &[
    key(
        "needs",
        Takes::List(&Takes::Name),
        "Steps it waits for; references make edges by themselves.",
    ),
    key("when", Takes::Expression, "Boolean: false skips the step."),
    key(
        "for_each",
        Takes::Expression,
        "A list: the step runs once for each element.",
    ),
    key("as", Takes::Name, "Name of the element; `item`."),
    key(
        "max_parallel",
        Takes::Count(1, MAX_PARALLEL),
        "Items running at once; 8.",
    ),
];

/// Keys of everything that has a record of its own: steps and inline arms.
const OF_ACTIONS: &[Key] = &[
    key("title", Takes::Title, "Human name."),
    TIMEOUT,
    STEP_TIMEOUT,
    RETRIES,
    RETRY_OF,
    BUDGET_OF,
    ON_ERROR,
    ARTIFACTS,
];

const AGENT_ACTION: &[Key] = &[
    required("agent", Takes::Name, "The agent that is asked."),
    key("prompt", Takes::TextOrFile, "The request."),
    key(
        "output",
        Takes::Type,
        "Type of the answer, instead of the agent's.",
    ),
    key("model", MODELS, "Model, instead of the agent's."),
    key("tools", TOOL_USES, "Tools, instead of the agent's."),
    key(
        "max_turns",
        Takes::Count(1, 1000),
        "Most model calls of an attempt, instead of the agent's.",
    ),
    key(
        "temperature",
        Takes::Number(0.0, 2.0),
        "How freely it samples, instead of the agent's.",
    ),
    key(
        "max_tokens",
        Takes::Count(1, MANY),
        "Most output tokens of one call, instead of the agent's.",
    ),
];
const WITH: Key = key("with", Takes::Map(&Takes::Value), "Its inputs.");
const TOOL_ACTION: &[Key] = &[
    required("tool", Takes::Text, "The tool or registered step that is called."),
    WITH,
];
const ASK_ACTION: &[Key] = &[required("ask", Takes::Section(&ASK), "A question to a person.")];
const ROUTE_ACTION: &[Key] = &[
    required("route", ROUTE_TAKES, "How the arm is chosen."),
    required("to", Takes::Map(&ARM_TAKES), "The arms."),
    key("else", Takes::Text, "The arm for values without one."),
];
const PIPELINE_ACTION: &[Key] = &[
    required("pipeline", Takes::Path, "The file of another pipeline."),
    WITH,
];
const SET_ACTION: &[Key] = &[required("set", Takes::Value, "A value.")];

/// Any step: what messages and suggestions know.
pub(super) static STEP: Table = table(
    "a step",
    &[
        OF_ACTIONS,
        OF_STEPS,
        AGENT_ACTION,
        ASKING,
        TOOL_ACTION,
        ASK_ACTION,
        ROUTE_ACTION,
        PIPELINE_ACTION,
        SET_ACTION,
    ],
);

/// The steps there are, by their action.
pub(super) static STEPS: &[(&str, Table)] = &[
    (
        "agent",
        of(
            &STEP,
            "an agent step",
            &[OF_ACTIONS, OF_STEPS, AGENT_ACTION, ASKING],
        ),
    ),
    (
        "tool",
        of(&STEP, "a tool step", &[OF_ACTIONS, OF_STEPS, TOOL_ACTION]),
    ),
    (
        "ask",
        of(&STEP, "a question", &[OF_ACTIONS, OF_STEPS, ASK_ACTION]),
    ),
    (
        "route",
        of(&STEP, "a route", &[OF_ACTIONS, OF_STEPS, ROUTE_ACTION, ASKING]),
    ),
    (
        "pipeline",
        of(&STEP, "a pipeline step", &[OF_ACTIONS, OF_STEPS, PIPELINE_ACTION]),
    ),
    (
        "set",
        of(&STEP, "a `set` step", &[OF_ACTIONS, OF_STEPS, SET_ACTION]),
    ),
];

/// Any inline arm.
pub(super) static ARM: Table = table(
    "an arm",
    &[
        OF_ACTIONS,
        AGENT_ACTION,
        ASKING,
        TOOL_ACTION,
        ASK_ACTION,
        PIPELINE_ACTION,
        SET_ACTION,
    ],
);

/// The inline arms there are, by their action.
pub(super) static ARMS: &[(&str, Table)] = &[
    (
        "agent",
        of(&ARM, "an agent arm", &[OF_ACTIONS, AGENT_ACTION, ASKING]),
    ),
    ("tool", of(&ARM, "a tool arm", &[OF_ACTIONS, TOOL_ACTION])),
    ("ask", of(&ARM, "a question arm", &[OF_ACTIONS, ASK_ACTION])),
    (
        "pipeline",
        of(&ARM, "a pipeline arm", &[OF_ACTIONS, PIPELINE_ACTION]),
    ),
    ("set", of(&ARM, "a `set` arm", &[OF_ACTIONS, SET_ACTION])),
];

const ARM_TAKES: Takes = Takes::AnyOf(&[Takes::Name, Takes::List(&Takes::Name), Takes::Section(&ARM)]);

const ROUTE_TAKES: Takes = Takes::AnyOf(&[
    Takes::Expression,
    Takes::Section(&ROUTE_AGENT),
    Takes::Section(&ROUTE_TOOL),
    Takes::Section(&ROUTE_SPLIT),
    Takes::Section(&ROUTE_FIRST_OF),
]);

pub(super) static ROUTE_AGENT: Table = table(
    "`route`",
    &[&[
        required("agent", Takes::Name, "The agent that chooses."),
        key("prompt", Takes::TextOrFile, "The request."),
    ]],
);

pub(super) static ROUTE_TOOL: Table = table(
    "`route`",
    &[&[
        required("tool", Takes::Text, "The tool that returns the name of an arm."),
        WITH,
    ]],
);

pub(super) static ROUTE_SPLIT: Table = table(
    "`route`",
    &[&[
        required("split", Takes::Map(&Takes::Count(0, MANY)), "Weight of each arm."),
        key("by", Takes::Expression, "What the choice sticks to; the run."),
    ]],
);

pub(super) static ROUTE_FIRST_OF: Table = table(
    "`route`",
    &[&[required(
        "first_of",
        Takes::List(&Takes::Text),
        "Arms in the order they are tried.",
    )]],
);

pub(super) static ASK: Table = table(
    "a question",
    &[&[
        required("title", Takes::Title, "One line."),
        key("text", Takes::Template, "More."),
        key("form", Takes::Type, "What an answer looks like."),
        key(
            "given",
            Takes::Expression,
            "The answer, when it is known already.",
        ),
        key("timeout", Takes::Duration, "How long an answer is waited for."),
        key("default", Takes::Value, "The answer after that."),
    ]],
);

pub(super) static FALLBACK: Table = table(
    "`on_failure`",
    &[&[
        key("pipeline", Takes::Path, "The file of the pipeline that runs."),
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
