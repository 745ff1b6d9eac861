//! What the operator lets through of a server's tools, and on what terms.

use segue::ToolClass;

use super::pin::Pinned;

/// Which tools of a server are offered, and which of them a person has to approve.
///
/// Without `allow`, all of them are. What `approve` names is offered too, and each of its calls is asked about, whatever a
/// pipeline file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    allow: Option<Vec<String>>,
    approve: Vec<String>,
    trusts_hints: bool,
}

/// On what terms a tool is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terms {
    /// A person approves each call.
    Ask,
    /// The operator has named it: nobody is asked, even where the server says that it is destructive.
    Allow,
    /// As its class says.
    ByClass,
}

impl Offered {
    /// Everything a server has, as far as nothing else is said.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only the tools that these names and globs mean, and those that are to be approved.
    #[must_use]
    pub fn allow(mut self, globs: impl IntoIterator<Item = String>) -> Self {
        self.allow = Some(globs.into_iter().collect());
        self
    }

    /// The tools that these names and globs mean are called when a person has approved the call.
    #[must_use]
    pub fn approve(mut self, globs: impl IntoIterator<Item = String>) -> Self {
        self.approve = globs.into_iter().collect();
        self
    }

    /// Believes what the server says of the effects of its tools also where that makes things looser: that a tool changes
    /// nothing, or that a second call changes nothing more. Such a call is made again after a crash, and nobody is asked.
    #[must_use]
    pub fn trusts_hints(mut self) -> Self {
        self.trusts_hints = true;
        self
    }

    /// The globs that mean none of these names.
    pub fn meaningless<'a>(&'a self, names: &[&str]) -> Vec<&'a str> {
        let globs = self.allow.iter().flatten().chain(&self.approve);
        let means_none = |glob: &&str| !names.iter().any(|name| segue::means_tool(glob, name));
        globs.map(String::as_str).filter(means_none).collect()
    }

    /// On what terms a tool is offered; none where it is not.
    pub(super) fn terms(&self, name: &str) -> Option<Terms> {
        let means = |globs: &[String]| globs.iter().any(|glob| segue::means_tool(glob, name));
        if means(&self.approve) {
            return Some(Terms::Ask);
        }
        match &self.allow {
            Some(globs) => means(globs).then_some(Terms::Allow),
            None => Some(Terms::ByClass),
        }
    }

    /// What calling a tool twice means. A server is believed where it warns; where it reassures, only if it is trusted.
    pub(super) fn class(&self, pinned: &Pinned) -> Option<ToolClass> {
        let says = |hint| pinned.hint(hint) == Some(true);
        if says("destructiveHint") && !says("readOnlyHint") {
            return Some(ToolClass::Effectful);
        }
        let reassures = match (says("readOnlyHint"), says("idempotentHint")) {
            (true, _) => Some(ToolClass::ReadOnly),
            (false, true) => Some(ToolClass::Idempotent),
            (false, false) => None,
        };
        reassures.filter(|_| self.trusts_hints)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn globs(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|&glob| glob.to_owned()).collect()
    }

    #[test]
    fn what_is_offered_and_on_what_terms() {
        let all = Offered::all();
        assert_eq!(all.terms("read_file"), Some(Terms::ByClass));
        let some = Offered::all().allow(globs(&["read_*", "list"]));
        assert_eq!(some.terms("read_file"), Some(Terms::Allow));
        assert_eq!(some.terms("list"), Some(Terms::Allow));
        assert_eq!(some.terms("write_file"), None);
        let asked = some.approve(globs(&["write_*", "read_secret"]));
        assert_eq!(asked.terms("write_file"), Some(Terms::Ask));
        assert_eq!(
            asked.terms("read_secret"),
            Some(Terms::Ask),
            "the stricter word counts"
        );
        assert_eq!(asked.terms("read_file"), Some(Terms::Allow));
        assert_eq!(asked.terms("move"), None);
        let only_asked = Offered::all().approve(globs(&["write_*"]));
        assert_eq!(only_asked.terms("read_file"), Some(Terms::ByClass));
        assert_eq!(Offered::all().allow(globs(&[])).terms("read_file"), None);
    }

    #[test]
    fn a_glob_that_means_nothing_is_found() {
        let offered = Offered::all()
            .allow(globs(&["read_*", "lst"]))
            .approve(globs(&["wrtie_*"]));
        assert_eq!(
            offered.meaningless(&["read_file", "write_file"]),
            ["lst", "wrtie_*"]
        );
    }

    #[test]
    fn hints_make_things_stricter_and_looser_only_when_they_are_trusted() {
        let pinned = |annotations| Pinned {
            hash: String::new(),
            tool: "x".into(),
            description: String::new(),
            input: json!({}),
            output: serde_json::Value::Null,
            annotations,
        };
        let (doubted, trusted) = (Offered::all(), Offered::all().trusts_hints());
        for (annotations, by_default, when_trusted) in [
            (json!(null), None, None),
            (json!({"readOnlyHint": true}), None, Some(ToolClass::ReadOnly)),
            (json!({"idempotentHint": true}), None, Some(ToolClass::Idempotent)),
            (
                json!({"destructiveHint": true}),
                Some(ToolClass::Effectful),
                Some(ToolClass::Effectful),
            ),
            (
                json!({"destructiveHint": true, "idempotentHint": true}),
                Some(ToolClass::Effectful),
                Some(ToolClass::Effectful),
            ),
            (
                json!({"destructiveHint": true, "readOnlyHint": true}),
                None,
                Some(ToolClass::ReadOnly),
            ),
            (json!({"destructiveHint": "yes"}), None, None),
        ] {
            let pinned = pinned(annotations);
            assert_eq!(doubted.class(&pinned), by_default, "{pinned:?}");
            assert_eq!(trusted.class(&pinned), when_trusted, "{pinned:?}");
        }
    }
}
