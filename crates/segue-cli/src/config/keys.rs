//! The keys of `segue.toml`: the only list there is. What is in none of these tables does not exist.

use serde_json::{Value as Json, json};

use super::Value;
use super::read::value_of;

mod tools;

/// One key of the configuration, with its table.
#[derive(Debug)]
pub(crate) struct Key {
    /// Names from the top, `*` for one that the operator chooses, `[]` for the tables of a list.
    pub(crate) path: &'static str,
    pub(crate) takes: Takes,
    /// As it would be written; none where nothing holds.
    pub(crate) default: Option<&'static str>,
    pub(crate) doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    Text,
    /// A list of texts.
    Texts,
    Words(&'static [&'static str]),
    Count(u64, u64),
    /// Bytes, such as `64KiB`.
    Size,
    Duration,
    /// Dollars, as decimal text.
    Money,
    /// One text, or a list of them.
    TextOrTexts,
    Truth,
    /// Integers between two, or a word.
    Counts(u64, u64, &'static str),
    /// A type, as files write it.
    Type,
}

const fn key(path: &'static str, takes: Takes, default: Option<&'static str>, doc: &'static str) -> Key {
    Key {
        path,
        takes,
        default,
        doc,
    }
}

/// Those of the file as a whole, of stores, prices and budgets.
const KEYS: &[Key] = &[
    key("version", Takes::Count(1, 1), None, "Version of the format: 1."),
    key(
        "store.url",
        Takes::Text,
        Some("sqlite:.segue/store.db"),
        "Where runs are kept: sqlite:PATH, postgres://USER@HOST/DATABASE or memory:.",
    ),
    key(
        "store.durability",
        Takes::Words(&["full", "relaxed"]),
        Some("full"),
        "What outlives a loss of power: everything acknowledged, or everything but the last moments.",
    ),
    key(
        "store.artifacts",
        Takes::Text,
        None,
        "Where bytes are kept: a directory, or s3://bucket/prefix; beside the store.",
    ),
    key(
        "store.retain.runs",
        Takes::Duration,
        None,
        "How long runs that are over are kept; for ever, unless `keep_last` is said.",
    ),
    key(
        "store.retain.keep_last",
        Takes::Count(0, 1_000_000_000),
        None,
        "How many of the newest runs are kept, however old they are; alone, no others are.",
    ),
    key(
        "limits.max_parallel",
        Takes::Count(1, 1000),
        None,
        "Most attempts at once of any run.",
    ),
    key(
        "limits.max_runs",
        Takes::Count(1, 100_000),
        Some("32"),
        "Most runs at once in this process; more are queued.",
    ),
    key(
        "limits.output_inline",
        Takes::Size,
        Some("64KiB"),
        "The longest output that stands in the log; 64 bytes at least.",
    ),
    key(
        "providers.*.base_url",
        Takes::Text,
        None,
        "Where the provider is: what stands before /chat/completions, /responses, /messages, /models/M:generateContent or /api/chat.",
    ),
    key(
        "providers.*.api",
        Takes::Words(&["chat", "responses", "anthropic", "gemini", "ollama"]),
        None,
        "How it is spoken to; the provider's own way, and chat for one that is not known.",
    ),
    key(
        "providers.*.key_env",
        Takes::Text,
        None,
        "The variable of the environment that has its key.",
    ),
    key(
        "providers.*.requests_per_minute",
        Takes::Count(1, 10_000_000),
        None,
        "Most requests with its key in any sixty seconds, of all runs of this process.",
    ),
    key(
        "providers.*.tokens_per_minute",
        Takes::Count(1, 1_000_000_000_000),
        None,
        "Most tokens with its key in any sixty seconds, of all runs of this process.",
    ),
    key(
        "providers.*.max_concurrent",
        Takes::Count(1, 1_000_000),
        None,
        "Most calls with its key under way at once, of all runs of this process.",
    ),
    key(
        "models.*",
        Takes::TextOrTexts,
        None,
        "The models that a name stands for, in fallback order; for auto/small, auto/medium or auto/large, instead of the built-in choice.",
    ),
    key(
        "prices.*.input",
        Takes::Money,
        None,
        "Dollars for a million input tokens.",
    ),
    key(
        "prices.*.output",
        Takes::Money,
        None,
        "Dollars for a million output tokens.",
    ),
    key(
        "prices.*.cache_read",
        Takes::Money,
        None,
        "Dollars for a million input tokens read from the provider's cache.",
    ),
    key(
        "prices.*.cache_write",
        Takes::Money,
        None,
        "Dollars for a million input tokens written to the provider's cache.",
    ),
    key(
        "prices.*.audio",
        Takes::Money,
        None,
        "Dollars for a million tokens of audio; as for text, where it is not said.",
    ),
    key(
        "mcp.*.command",
        Takes::TextOrTexts,
        None,
        "The program of an MCP server and its fixed arguments; a path is one from the folder of the project. No shell reads it.",
    ),
    key(
        "mcp.*.url",
        Takes::Text,
        None,
        "The address of an MCP server that is reached over streamable HTTP; instead of `command`.",
    ),
    key(
        "mcp.*.allow",
        Takes::TextOrTexts,
        None,
        "The tools of it that are offered, by name or glob; nobody is asked about them. Without it all are offered, and a \
         tool that the server calls destructive asks for approval.",
    ),
    key(
        "mcp.*.approve",
        Takes::TextOrTexts,
        None,
        "Further tools that are offered, by name or glob: a person approves each of their calls.",
    ),
    key(
        "mcp.*.env.*",
        Takes::Text,
        None,
        "A variable of the program's environment, besides PATH, HOME, LANG, TMPDIR and SEGUE_OFFLINE; secret://NAME stands \
         for a secret.",
    ),
    key(
        "mcp.*.header.*",
        Takes::Text,
        None,
        "A header of every request to the address; secret://NAME stands for a secret.",
    ),
    key(
        "mcp.*.annotations",
        Takes::Words(&["doubted", "trusted"]),
        Some("doubted"),
        "Whether the server is believed when it says that a tool changes nothing, or nothing more when it is called twice: \
         such a call is repeated after a crash. Where it warns it is always believed.",
    ),
    key(
        "mcp.*.timeout",
        Takes::Duration,
        Some("30s"),
        "How long a call of one of its tools may take; pipeline files can say less.",
    ),
    key(
        "mcp.*.start_timeout",
        Takes::Duration,
        Some("60s"),
        "How long the server may take to start and to list its tools.",
    ),
    key(
        "budget.[].name",
        Takes::Text,
        None,
        "Tells it from other budgets, and names its accounts.",
    ),
    key(
        "budget.[].pipeline",
        Takes::Text,
        None,
        "Only calls of this pipeline, also nested in another.",
    ),
    key(
        "budget.[].label",
        Takes::Text,
        None,
        "Only calls of runs with this label: name=value.",
    ),
    key(
        "budget.[].model",
        Takes::Text,
        None,
        "Only calls to this model: provider/model, or as an agent asks for it.",
    ),
    key("budget.[].agent", Takes::Text, None, "Only calls of this agent."),
    key(
        "budget.[].schedule",
        Takes::Text,
        None,
        "Only calls of runs that this schedule started.",
    ),
    key(
        "budget.[].usd_per_day",
        Takes::Money,
        None,
        "Most dollars in a day.",
    ),
    key(
        "budget.[].tokens_per_day",
        Takes::Count(0, 1_000_000_000_000),
        None,
        "Most tokens in a day, input and output together.",
    ),
    key(
        "budget.[].requests_per_day",
        Takes::Count(0, 1_000_000_000),
        None,
        "Most model calls in a day, free ones included.",
    ),
    key(
        "budget.[].usd_per_month",
        Takes::Money,
        None,
        "Most dollars in a calendar month.",
    ),
    key(
        "budget.[].timezone",
        Takes::Text,
        Some("UTC"),
        "Where its days and months begin, such as Europe/Berlin.",
    ),
    key(
        "budget.[].on_exceed",
        Takes::Words(&["fail", "pause"]),
        Some("fail"),
        "What becomes of a call that does not fit: it fails, or its run waits until somebody raises the limit.",
    ),
    key(
        "patterns.*.steps",
        Takes::Texts,
        None,
        "Agents of the program, in order; one may come again.",
    ),
    key(
        "patterns.*.strategy",
        Takes::Text,
        Some("sequential"),
        "How they work together: sequential, parallel, conditional or one of the program.",
    ),
    key("patterns.*.description", Takes::Text, None, "What it is for."),
    key(
        "patterns.*.timeout",
        Takes::Duration,
        Some("5m"),
        "Deadline of a run, one second to an hour.",
    ),
    key(
        "patterns.*.retries",
        Takes::Count(0, 10),
        None,
        "More attempts of each agent's step; else what the agent says.",
    ),
    key(
        "patterns.*.concurrency",
        Takes::Count(1, 20),
        Some("5"),
        "Agents at work at once.",
    ),
    key(
        "patterns.*.fallback",
        Takes::Text,
        None,
        "The pattern that runs with the same prompt where this one fails.",
    ),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(tools::KEYS)
}

/// The key at a path, where a `*` stands for any name.
pub(super) fn find(path: &[&str]) -> Option<&'static Key> {
    all().find(|key| fits(key.path, path))
}

/// The names that can follow a path.
pub(super) fn below(path: &[&str]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in all() {
        let parts: Vec<&str> = key.path.split('.').collect();
        let begins = parts.len() > path.len()
            && parts
                .iter()
                .zip(path)
                .all(|(part, name)| *part == "*" || part == name);
        if begins && !names.contains(&parts[path.len()]) {
            names.push(parts[path.len()]);
        }
    }
    names
}

fn fits(pattern: &str, path: &[&str]) -> bool {
    let mut parts = pattern.split('.');
    path.iter()
        .all(|name| parts.next().is_some_and(|part| part == "*" || part == *name))
        && parts.next().is_none()
}

/// What holds where nobody says anything.
pub(super) fn default(path: &str) -> Option<Value> {
    let key = all().find(|key| key.path == path)?;
    let text = key.default?;
    let value = match (key.takes, text.parse::<i64>()) {
        (Takes::Truth, _) => toml::Value::Boolean(text == "true"),
        (_, Ok(number)) => toml::Value::Integer(number),
        (_, Err(_)) => toml::Value::String(text.to_owned()),
    };
    value_of(key.takes, &value).ok()
}

/// The JSON Schema of the file.
pub(crate) fn schema() -> Json {
    let mut root = object();
    for key in all() {
        let mut at = &mut root;
        let parts: Vec<&str> = key.path.split('.').collect();
        for (depth, part) in parts.iter().enumerate() {
            let slot = match *part {
                "*" => &mut at["additionalProperties"],
                "[]" => &mut at["items"],
                part => &mut at["properties"][part],
            };
            if depth + 1 == parts.len() {
                *slot = leaf(key);
                break;
            }
            if !slot.is_object() {
                *slot = match parts[depth + 1] {
                    "[]" => json!({"type": "array"}),
                    _ => object(),
                };
            }
            at = slot;
        }
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("segue.toml");
    root
}

fn object() -> Json {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

fn leaf(key: &Key) -> Json {
    let mut schema = match key.takes {
        Takes::Text => json!({"type": "string"}),
        Takes::Words(words) => json!({"enum": words}),
        Takes::Count(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Takes::Size => json!({"type": "string", "pattern": "^[0-9]+ ?([KMG]i?)?B$"}),
        Takes::Duration => json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}),
        Takes::Money => json!({"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,9})?$"}),
        Takes::TextOrTexts => json!({"anyOf": [
            {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]}),
        Takes::Truth => json!({"type": "boolean"}),
        Takes::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Takes::Counts(least, most, word) => json!({
            "anyOf": [
                {"const": word},
                {"type": "array", "items": {"type": "integer", "minimum": least, "maximum": most}},
            ],
        }),
        Takes::Type => json!({"type": ["object", "string", "array"]}),
    };
    schema["description"] = json!(key.doc);
    if let Some(default) = key.default {
        schema["default"] = serde_json::from_str(default)
            .ok()
            .filter(|value: &Json| value.is_i64() || value.is_boolean())
            .unwrap_or_else(|| json!(default));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in all() {
            assert_eq!(key.default.is_some(), default(key.path).is_some(), "{}", key.path);
        }
    }
}
