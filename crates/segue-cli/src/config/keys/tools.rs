//! Keys of `[tools.NAME]` and `[fetch]`.

use super::{Key, Takes, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "tools.*.command",
        Takes::Texts,
        None,
        "A program and its arguments; the arguments of a call come as one JSON object on its stdin.",
    ),
    key(
        "tools.*.url",
        Takes::Text,
        None,
        "Address of an HTTP service, `{name}` in whose path or query is an argument.",
    ),
    key(
        "tools.*.method",
        Takes::Words(&["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Some("GET"),
        "How the address is called; arguments without a place in it are the query of a GET, else the JSON body.",
    ),
    key(
        "tools.*.header.*",
        Takes::Text,
        None,
        "A header that is sent along; secret://NAME in it is filled in.",
    ),
    key(
        "tools.*.env.*",
        Takes::Text,
        None,
        "A variable the program sees besides PATH, LANG and those of Segue; secret://NAME in it is filled in.",
    ),
    key(
        "tools.*.description",
        Takes::Text,
        None,
        "What it is for, as a model reads it.",
    ),
    key(
        "tools.*.input",
        Takes::Type,
        None,
        "What it takes, as a type of pipeline files.",
    ),
    key(
        "tools.*.class",
        Takes::Words(&["read_only", "idempotent", "effectful"]),
        None,
        "What calling it twice means; where nothing is said, a crash in a call asks a person.",
    ),
    key(
        "tools.*.timeout",
        Takes::Duration,
        Some("30s"),
        "How long one call may take.",
    ),
    key(
        "tools.*.retries",
        Takes::Count(0, 10),
        Some("0"),
        "How often a call that failed is tried again.",
    ),
    key(
        "tools.*.max_calls",
        Takes::Count(0, 4_294_967_295),
        None,
        "Most calls in a run.",
    ),
    key(
        "tools.*.approval",
        Takes::Words(&["allow", "ask", "deny"]),
        None,
        "Whether a person is asked before a call: where nothing is said, for what is effectful.",
    ),
    key(
        "tools.*.on_error",
        Takes::Words(&["tell", "fail"]),
        Some("tell"),
        "Whether the model reads that a call failed, or its attempt fails with it.",
    ),
    key(
        "fetch.http",
        Takes::Truth,
        Some("false"),
        "Whether http is fetched as well as https.",
    ),
    key(
        "fetch.ports",
        Takes::Counts(1, 65535, "any"),
        None,
        "Ports that are connected to; 80 and 443 where nothing is said.",
    ),
    key(
        "fetch.allow_private",
        Takes::Texts,
        None,
        "Ranges of addresses, such as 10.1.0.0/16, that a fetch may reach although they are not public.",
    ),
];
