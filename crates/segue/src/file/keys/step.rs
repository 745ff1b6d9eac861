//! Keys of steps, inline arms and routes.

use super::agent::{MODELS, TOOL_USES};
use super::setting::{
    ARTIFACTS, ASKING, BUDGET_OF, COMPLETE, CONTEXT, ON_ERROR, ON_INTERRUPT, RETRIES, RETRY_OF, STEP_TIMEOUT,
    TIMEOUT,
};
use super::{Key, MANY, MAX_PARALLEL, Table, Takes, key, of, required, table};

/// Keys of every step, whatever it does.
pub(super) const OF_STEPS: &[Key] = &[
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
pub(super) const OF_ACTIONS: &[Key] = &[
    key("title", Takes::Title, "Human name."),
    TIMEOUT,
    STEP_TIMEOUT,
    RETRIES,
    RETRY_OF,
    BUDGET_OF,
    ON_ERROR,
    ON_INTERRUPT,
    ARTIFACTS,
];

pub(super) const AGENT_ACTION: &[Key] = &[
    required("agent", Takes::Name, "The agent that is asked."),
    key("prompt", Takes::TextOrFile, "The request."),
    key(
        "images",
        Takes::Text,
        "Expression: a file or a list of files, shown to the model with the request.",
    ),
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
pub(super) const WITH: Key = key("with", Takes::Map(&Takes::Value), "Its inputs.");
pub(super) const TOOL_ACTION: &[Key] = &[
    required("tool", Takes::Text, "The tool or registered step that is called."),
    WITH,
];
pub(super) const ASK_ACTION: &[Key] = &[required("ask", Takes::Section(&ASK), "A question to a person.")];
pub(super) const ROUTE_ACTION: &[Key] = &[
    required("route", ROUTE_TAKES, "How the arm is chosen."),
    required("to", Takes::Map(&ARM_TAKES), "The arms."),
    key("else", Takes::Text, "The arm for values without one."),
];
pub(super) const PIPELINE_ACTION: &[Key] = &[
    required("pipeline", Takes::Path, "The file of another pipeline."),
    WITH,
];
pub(super) const SET_ACTION: &[Key] = &[required("set", Takes::Value, "A value.")];

/// Any step: what messages and suggestions know.
pub(in crate::file) static STEP: Table = table(
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
pub(in crate::file) static STEPS: &[(&str, Table)] = &[
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
        of(
            &STEP,
            "a route",
            &[OF_ACTIONS, OF_STEPS, ROUTE_ACTION, &[CONTEXT]],
        ),
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
pub(in crate::file) static ARM: Table = table(
    "an arm",
    &[
        OF_ACTIONS,
        AGENT_ACTION,
        &[COMPLETE],
        TOOL_ACTION,
        ASK_ACTION,
        PIPELINE_ACTION,
        SET_ACTION,
    ],
);

/// The inline arms there are, by their action.
pub(in crate::file) static ARMS: &[(&str, Table)] = &[
    (
        "agent",
        of(&ARM, "an agent arm", &[OF_ACTIONS, AGENT_ACTION, &[COMPLETE]]),
    ),
    ("tool", of(&ARM, "a tool arm", &[OF_ACTIONS, TOOL_ACTION])),
    ("ask", of(&ARM, "a question arm", &[OF_ACTIONS, ASK_ACTION])),
    (
        "pipeline",
        of(&ARM, "a pipeline arm", &[OF_ACTIONS, PIPELINE_ACTION]),
    ),
    ("set", of(&ARM, "a `set` arm", &[OF_ACTIONS, SET_ACTION])),
];

pub(super) const ARM_TAKES: Takes =
    Takes::AnyOf(&[Takes::Name, Takes::List(&Takes::Name), Takes::Section(&ARM)]);

pub(super) const ROUTE_TAKES: Takes = Takes::AnyOf(&[
    Takes::Expression,
    Takes::Section(&ROUTE_AGENT),
    Takes::Section(&ROUTE_TOOL),
    Takes::Section(&ROUTE_SPLIT),
    Takes::Section(&ROUTE_FIRST_OF),
]);

pub(in crate::file) static ROUTE_AGENT: Table = table(
    "`route`",
    &[&[
        required("agent", Takes::Name, "The agent that chooses."),
        key("prompt", Takes::TextOrFile, "The request."),
    ]],
);

pub(in crate::file) static ROUTE_TOOL: Table = table(
    "`route`",
    &[&[
        required("tool", Takes::Text, "The tool that returns the name of an arm."),
        WITH,
    ]],
);

pub(in crate::file) static ROUTE_SPLIT: Table = table(
    "`route`",
    &[&[
        required("split", Takes::Map(&Takes::Count(0, MANY)), "Weight of each arm."),
        key("by", Takes::Expression, "What the choice sticks to; the run."),
    ]],
);

pub(in crate::file) static ROUTE_FIRST_OF: Table = table(
    "`route`",
    &[&[required(
        "first_of",
        Takes::List(&Takes::Text),
        "Arms in the order they are tried.",
    )]],
);

pub(in crate::file) static ASK: Table = table(
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
