//! Names of tools: a server calls its tools as it likes, the format of pipelines does not.

use std::collections::BTreeMap;

/// The longest part of a name, as for steps and agents.
const LONGEST: usize = 64;

/// The name a tool of a server goes by in Segue: its own where that is one (`read_file`), else the nearest (`readFile`
/// becomes `read_file`, `repos/get` becomes `repos_get`). None where nothing of it can be kept.
///
/// ```
/// use segue_tools::mcp::offered_name;
/// assert_eq!(offered_name("read-file").as_deref(), Some("read-file"));
/// assert_eq!(offered_name("readFile").as_deref(), Some("read_file"));
/// assert_eq!(offered_name("42"), None);
/// ```
#[must_use]
pub fn offered_name(own: &str) -> Option<String> {
    let mut name = String::with_capacity(own.len() + 4);
    let mut was_small = false;
    for c in own.chars() {
        match c {
            'a'..='z' | '0'..='9' | '-' | '_' => name.push(c),
            'A'..='Z' => {
                if was_small {
                    name.push('_');
                }
                name.push(c.to_ascii_lowercase());
            }
            _ => name.push('_'),
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    (begins && name.len() <= LONGEST).then_some(name)
}

/// Two tools of a server that would go by one name, or one that can go by none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameTaken {
    /// The name of the server's that nothing can be made of.
    None(String),
    /// The two names of the server's that become the same.
    Both(String, String),
}

/// Gives the tools of a server their names, in the order of these.
///
/// # Errors
/// The first name that cannot be given.
pub(super) fn named<T>(
    tools: impl IntoIterator<Item = T>,
    own: impl Fn(&T) -> &str,
) -> Result<BTreeMap<String, T>, NameTaken> {
    let mut named = BTreeMap::new();
    for tool in tools {
        let name = offered_name(own(&tool)).ok_or_else(|| NameTaken::None(own(&tool).to_owned()))?;
        if let Some(first) = named.get(&name) {
            return Err(NameTaken::Both(own(first).to_owned(), own(&tool).to_owned()));
        }
        named.insert(name, tool);
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_stay_and_others_become_the_nearest() {
        for (own, name) in [
            ("echo", "echo"),
            ("get-sum", "get-sum"),
            ("read_text_file", "read_text_file"),
            ("readTextFile", "read_text_file"),
            ("HTTPGet", "httpget"),
            ("repos/get", "repos_get"),
            ("a.b", "a_b"),
            ("v2Fetch", "v2_fetch"),
        ] {
            assert_eq!(offered_name(own).as_deref(), Some(name), "{own}");
        }
        for own in ["", "_x", "2fa", "日本", &"a".repeat(65)] {
            assert_eq!(offered_name(own), None, "{own}");
        }
    }

    #[test]
    fn two_tools_of_one_name_are_refused() {
        let both = named(["readFile", "read_file"], |name| name);
        assert_eq!(both, Err(NameTaken::Both("readFile".into(), "read_file".into())));
        assert_eq!(named(["!"], |name| name), Err(NameTaken::None("!".into())));
        assert_eq!(named(["b", "a"], |name| name).map(|named| named.len()), Ok(2));
    }
}
