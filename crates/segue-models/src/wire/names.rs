//! Names of tools, as providers allow them: letters, digits, `_` and `-`, at most 64.

use std::collections::BTreeMap;

use segue::ToolSpec;

/// The longest name of a tool that every provider takes.
const LONGEST: usize = 64;

/// The names of a request's tools, ours and as they are sent.
pub(super) struct Names {
    sent: BTreeMap<String, String>,
    own: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(tools: &[ToolSpec]) -> Self {
        let mut names = Self {
            sent: BTreeMap::new(),
            own: BTreeMap::new(),
        };
        // Names that can be sent as they are keep being so, whatever the others become.
        let (plain, odd): (Vec<_>, Vec<_>) = tools.iter().partition(|tool| plain(&tool.name) == tool.name);
        for tool in plain.into_iter().chain(odd) {
            names.add(&tool.name);
        }
        names
    }

    fn add(&mut self, own: &str) {
        let sent = self.free(&plain(own));
        self.own.insert(sent.clone(), own.to_owned());
        self.sent.insert(own.to_owned(), sent);
    }

    /// A name like this one that no tool has yet.
    pub(super) fn free(&self, like: &str) -> String {
        let mut name = like.to_owned();
        let mut n = 2;
        while self.own.contains_key(&name) {
            let end = format!("_{n}");
            name = format!("{}{end}", &like[..like.len().min(LONGEST - end.len())]);
            n += 1;
        }
        name
    }

    /// How a tool is called at the provider.
    pub(super) fn sent(&self, own: &str) -> String {
        self.sent.get(own).cloned().unwrap_or_else(|| plain(own))
    }

    /// Which tool a provider's name means; an unknown one stays as it is, for the run to say so.
    pub(super) fn own(&self, sent: &str) -> String {
        self.own.get(sent).cloned().unwrap_or_else(|| sent.to_owned())
    }
}

/// A name of allowed characters; all ASCII.
fn plain(name: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(allowed).take(LONGEST).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_is_sent_as_one_a_provider_takes_and_found_again() {
        let long = "x".repeat(80);
        let own = [
            "files.read",
            "files_read",
            "files:read",
            "agent:writer",
            &long,
            &format!("{long}y"),
        ];
        let tools = own.map(|name| ToolSpec::new(name, "", json!({})));
        let names = Names::of(&tools);
        let sent = own.map(|name| names.sent(name));
        assert_eq!(
            sent[..4],
            ["files_read_2", "files_read", "files_read_3", "agent_writer"]
        );
        for (own, sent) in own.iter().zip(&sent) {
            assert!(sent.len() <= LONGEST && plain(sent) == *sent, "{sent}");
            assert_eq!(names.own(sent), **own);
        }
        assert_eq!(names.own("nothing"), "nothing");
        assert_eq!(names.sent("no.more"), "no_more");
    }
}
