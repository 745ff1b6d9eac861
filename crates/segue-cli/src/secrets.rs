//! Secrets of this process: what its environment and its operator's configuration keep secret, known to the one redactor
//! that everything passes which enters a run or is printed. A value is read where it is used and nowhere kept as text.

use std::path::Path;
use std::sync::{LazyLock, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use segue::fault::{Code, Fault, Faults, Source, quote};
use segue::file::suggest::Nearest;
use segue::redact::{Redactor, SHORTEST};
use segue::{ErrorKind, Secret};

use crate::config::{Config, Origin, Value};
use crate::problem::Problem;
use crate::project::Project;
use crate::terminal::Screen;
use crate::trust;

/// Variables with keys of providers.
pub(crate) const KEY_VARIABLES: [&str; 4] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "OPENROUTER_API_KEY",
];
/// Variables with secrets of everything else: of a server of ours, of places where things are kept.
const OTHER_VARIABLES: [&str; 4] = [
    "SEGUE_TOKEN",
    "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// What the variables of secrets begin with that the configuration names.
const VARIABLE: &str = "SEGUE_SECRET_";
/// How the configuration names one.
const REFERENCE: &str = "secret://";

/// What stands before a secret in a header.
const SCHEMES: [&str; 5] = ["Bearer", "Basic", "Token", "ApiKey", "Key"];

/// Everything that is secret here, as far as it is known by now.
static KNOWN: LazyLock<RwLock<Redactor>> = LazyLock::new(|| RwLock::new(of_environment()));

/// The redactor of this process.
pub(crate) fn redactor() -> Redactor {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A value is secret from here on.
fn know(name: &str, value: &str) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    *known = known.clone().secret(name, &Secret::new(value));
}

fn of_environment() -> Redactor {
    let mut redactor = Redactor::new();
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let is_secret = KEY_VARIABLES.contains(&&*name)
            || OTHER_VARIABLES.contains(&&*name)
            || name.starts_with(VARIABLE);
        if is_secret {
            redactor = redactor.secret(name.as_ref(), &Secret::new(value.as_ref()));
        }
        if name == "SEGUE_STORE" {
            for password in passwords(&value) {
                redactor = redactor.secret(name.as_ref(), &Secret::new(password));
            }
        }
    }
    redactor
}

/// What a configuration keeps secret, and a store named above it.
pub(crate) fn know_all_of(config: &Config, store: &str, folder: &Path) {
    for password in passwords(store) {
        know("store.url", &password);
    }
    for (path, value, _) in config.layers().flat_map(crate::config::Layer::entries) {
        let (names, Value::Text(text)) = (path.iter().map(String::as_str), value) else {
            continue;
        };
        match names.collect::<Vec<_>>().as_slice() {
            ["store", "url"] => passwords(text).for_each(|password| know("store.url", &password)),
            ["providers", _, "key_env"] => {
                if let Ok(key) = std::env::var(text) {
                    know(text, &key);
                }
            }
            ["tools" | "mcp", _, table @ ("env" | "header"), name] if !is_public(table, name) => {
                let secret = handed(text).into_iter().filter(|value| !is_place(value, folder));
                secret.for_each(|value| know(&path.join("."), &value));
            }
            _ => {}
        }
    }
}

/// Entries that say nothing secret: their values stand in ordinary text, which would be full of holes without them.
fn is_public(table: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match table {
        "header" => name.starts_with("accept") || matches!(&*name, "content-type" | "user-agent"),
        _ => name.starts_with("lc_") || matches!(&*name, "path" | "home" | "lang" | "tz" | "tmpdir"),
    }
}

/// Whether a value only says where something is: a file or folder that is there, or an address with nothing behind its host.
/// What tools give is full of such, and later calls need them as they are.
fn is_place(value: &str, folder: &Path) -> bool {
    let behind = value
        .split_once("://")
        .map(|(_, rest)| rest.trim_end_matches('/'));
    let is_host = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    behind.is_some_and(is_host) || (!value.is_empty() && folder.join(value).exists())
}

/// The values that a tool or a server is handed by an entry of its environment or a header: all that is written there, and
/// what is behind the name of a scheme (`Bearer`, `Basic`). What it names as `secret://NAME` is known anyway.
fn handed(text: &str) -> Vec<String> {
    let names = named(text);
    let mut values = Vec::new();
    let mut at = 0;
    for (start, name) in &names {
        values.push(text[at..*start].trim().to_owned());
        at = start + REFERENCE.len() + name.len();
    }
    values.push(text[at..].trim().to_owned());
    let is_scheme = |word: &str| SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
    if let (true, Some((scheme, given))) = (names.is_empty(), text.trim().split_once(' '))
        && is_scheme(scheme)
    {
        let given = given.trim();
        values.push(given.to_owned());
        if scheme.eq_ignore_ascii_case("basic")
            && let Ok(pair) = STANDARD.decode(given)
        {
            let pair = String::from_utf8_lossy(&pair).into_owned();
            values.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            values.push(pair);
        }
    }
    values
}

/// The password of an address, as it is written and as it is meant.
fn passwords(url: &str) -> impl Iterator<Item = String> {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    let is_named = password.contains(REFERENCE);
    let written = (!password.is_empty() && !is_named).then(|| password.to_owned());
    let meant = written.as_deref().map(decoded).filter(|meant| meant != password);
    written.into_iter().chain(meant)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = std::str::from_utf8(after.get(..2).unwrap_or_default());
        let byte = code.ok().and_then(|code| u8::from_str_radix(code, 16).ok());
        (rest, _) = match byte.filter(|_| *first == b'%') {
            Some(byte) => (&after[2..], bytes.push(byte)),
            None => (after, bytes.push(*first)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The names of secrets that a text of the configuration has, each with where it stands.
pub(crate) fn named(text: &str) -> Vec<(usize, &str)> {
    let found = text.match_indices(REFERENCE);
    found
        .map(|(at, _)| {
            let rest = &text[at + REFERENCE.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            (at, &rest[..end.unwrap_or(rest.len())])
        })
        .collect()
}

/// A secret by its name, where it is set. A line end behind it, as files have it, is none of it.
pub(crate) fn secret(name: &str) -> Option<Secret> {
    let value = std::env::var(variable(name)).ok()?;
    let value = value.trim_end_matches(['\r', '\n']);
    (!value.is_empty()).then(|| Secret::new(value))
}

/// The variable a secret is in.
pub(crate) fn variable(name: &str) -> String {
    format!("{VARIABLE}{name}")
}

/// The names of all secrets that are set.
fn all() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| {
        let name = name.into_string().ok()?;
        Some(name.strip_prefix(VARIABLE)?.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

impl Project {
    /// A text of the configuration with the secrets that it names, each as `written` writes it there: `str::to_owned` for
    /// a header, [`in_address`] within an address.
    ///
    /// # Errors
    /// A secret that is not set, or that a file names which is not trusted.
    pub(crate) fn expand(
        &self,
        origin: &Origin,
        entry: &str,
        text: &str,
        written: fn(&str) -> String,
    ) -> Result<Secret, Problem> {
        let mut expanded = String::with_capacity(text.len());
        let mut at = 0;
        for (start, name) in named(text) {
            self.trusts(origin, entry)?;
            let value = secret(name).ok_or_else(|| self.unknown(origin, entry, name))?;
            expanded.push_str(&text[at..start]);
            expanded.push_str(&written(value.expose()));
            at = start + REFERENCE.len() + name.len();
        }
        expanded.push_str(&text[at..]);
        Ok(Secret::new(expanded))
    }

    fn unknown(&self, origin: &Origin, entry: &str, name: &str) -> Problem {
        let message = format!("`{entry}` names the secret {}, which is not set", quote(name));
        let way = format!("set the environment variable `{}`", variable(name));
        let names = all();
        let nearest = Nearest::of(name, names.iter().map(String::as_str), "secrets");
        let fault = Fault::new(Code::UnknownSecret, message.clone()).pointer(trust::pointer(entry));
        let fault = fault.suggestion(nearest.suggestion);
        let problem = match self.layer_of(origin) {
            Some((layer, line)) => {
                let name = layer.source().name().to_owned();
                let source = Source::new(name.clone(), layer.source().text());
                let fault = fault.at(name, trust::place(&source, line));
                Problem::placed(format!("{message} ({origin})"), Faults::from(fault), source)
            }
            None => Problem::new(ErrorKind::Usage, format!("{message} ({origin})")),
        };
        problem.hint(way)
    }
}

/// A value as it stands within an address.
pub(crate) fn in_address(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// Says that what a person gave has a secret in it, and will not be kept with it.
pub(crate) fn warn_of(what: &str, given: &serde_json::Value, screen: Screen) {
    let mut clean = given.clone();
    if redactor().json(&mut clean) {
        let style = screen.style();
        screen.line(&format!(
            "{} a secret stands in {what}; the run goes on without it, since it would be kept with the run",
            style.yellow("warning:")
        ));
    }
}

/// A secret that is set or named, and what there is to say about it.
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) length: Option<usize>,
    /// Whether its value would be found in what is printed or kept.
    pub(crate) is_redacted: bool,
}

/// Every secret that is set or that a configuration names.
pub(crate) fn kept(config: &Config) -> Vec<Kept> {
    let mut names = all();
    for (_, value, _) in config.layers().flat_map(crate::config::Layer::entries) {
        if let Value::Text(text) = value {
            names.extend(named(text).into_iter().map(|(_, name)| name.to_owned()));
        }
    }
    names.sort();
    names.dedup();
    let kept = |name: String| {
        let value = secret(&name);
        let value = value.as_ref().map(Secret::expose);
        Kept {
            length: value.map(|value| value.chars().count()),
            is_redacted: value.is_none_or(|value| value.trim_end().len() >= SHORTEST),
            name,
        }
    };
    names.into_iter().map(kept).collect()
}

/// Keeps a panic of a step or tool from telling a secret to the terminal: it is told like everything else.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("a payload that is no text");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("<unnamed>");
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
            _ => String::new(),
        };
        let text = format!("thread '{thread}' panicked at {place}:\n{said}\n{trace}");
        crate::terminal::write(&text);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_an_address_is_known_as_written_and_as_meant() {
        let of = |url: &str| passwords(url).collect::<Vec<_>>();
        assert_eq!(of("postgres://ada:s%40same@db/runs"), ["s%40same", "s@same"]);
        assert_eq!(of("postgres://ada:open:sesame@db/runs"), ["open:sesame"]);
        for url in [
            "postgres://ada@db/runs",
            "sqlite:x@y",
            "postgres://a:secret://DB@db/r",
        ] {
            assert!(of(url).is_empty(), "{url}");
        }
    }

    #[test]
    fn what_a_tool_is_handed_is_known_with_and_without_its_scheme() {
        assert_eq!(handed("correct horse battery"), ["correct horse battery"]);
        assert_eq!(handed("Bearer tok-1"), ["Bearer tok-1", "tok-1"]);
        assert_eq!(
            handed("Basic YWRhOm9wZW4gc2VzYW1l"),
            [
                "Basic YWRhOm9wZW4gc2VzYW1l",
                "YWRhOm9wZW4gc2VzYW1l",
                "open sesame",
                "ada:open sesame"
            ]
        );
        assert_eq!(handed("id=ada-42;key=secret://CRM"), ["id=ada-42;key=", ""]);
        assert_eq!(handed("tok-1"), ["tok-1"]);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("documents")).expect("a folder");
        for (value, expected) in [
            ("./documents", true),
            ("https://api.example.com:8443/", true),
            ("http://[::1]:9000", true),
            ("./document", false),
            ("https://hooks.example.com/T1/B2/x3", false),
            ("https://ada:sesame@example.com", false),
            ("https://example.com?key=sesame", false),
            ("open sesame", false),
        ] {
            assert_eq!(is_place(value, folder.path()), expected, "{value}");
        }
        for (table, name, expected) in [
            ("header", "Accept-Language", true),
            ("header", "Content-Type", true),
            ("header", "X-Api-Key", false),
            ("env", "LC_ALL", true),
            ("env", "PATH", true),
            ("env", "TOKEN", false),
        ] {
            assert_eq!(is_public(table, name), expected, "{table} {name}");
        }
    }

    #[test]
    fn names_end_where_a_name_ends() {
        assert_eq!(named("Bearer secret://CRM"), [(7, "CRM")]);
        assert_eq!(named("secret://A_1:secret://B@x"), [(0, "A_1"), (13, "B")]);
        assert!(named("CRM").is_empty());
        assert_eq!(in_address("a b/ä"), "a%20b%2F%C3%A4");
        assert_eq!(decoded("a%20b%2F%C3%A4%"), "a b/ä%");
    }
}
