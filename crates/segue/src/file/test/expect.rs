//! What a case expects, entry by entry.

use crate::case::{Expectation, Of, OfStep};
use crate::error::ErrorKind;
use crate::fault::{Code, quote};
use crate::file::keys::{self, Table};
use crate::file::mention::{Mention, What};
use crate::file::reader::{Reader, Section};
use crate::file::yaml::{Kind, Node};
use crate::matcher::{Condition, Matcher};

/// What the reader of expectations collects.
struct Found<'m> {
    expect: Vec<Expectation>,
    mentions: &'m mut Vec<Mention>,
}

impl<'d> Reader<'_, '_, 'd> {
    pub(super) fn expect(&mut self, of: &Section<'d>, mentions: &mut Vec<Mention>) -> Vec<Expectation> {
        let mut found = Found {
            expect: Vec::new(),
            mentions,
        };
        let Some((key, node)) = of.entry("expect") else {
            return found.expect;
        };
        let Some(section) = self.section(node, &keys::EXPECT, key.span, "`expect`") else {
            return found.expect;
        };
        for (key, of) in [
            ("status", Of::Status),
            ("fallback", Of::Fallback),
            ("failed", Of::Failed),
            ("refused", Of::Refused),
            ("missing", Of::Missing),
            ("output", Of::Output),
            ("calls", Of::Calls),
            ("cost_usd", Of::Cost),
            ("tokens", Of::Tokens),
        ] {
            self.expected(&section, key, "", of, &mut found);
        }
        self.words(&section, "status", keys::RUN_STATUSES);
        self.exact(&section, &["fallback", "failed", "refused", "missing"]);
        self.known_code(&section);
        let of_error = [
            ("kind", Of::ErrorKind),
            ("step", Of::ErrorStep),
            ("message", Of::ErrorMessage),
        ];
        let of_question = [
            ("step", Of::QuestionStep),
            ("tool", Of::QuestionTool),
            ("title", Of::QuestionTitle),
        ];
        self.group(&section, "error", &keys::EXPECT_ERROR, of_error, &mut found);
        self.group(
            &section,
            "question",
            &keys::EXPECT_QUESTION,
            of_question,
            &mut found,
        );
        self.artifacts_expected(&section, &mut found);
        self.prompts(&section, &mut found);
        self.steps_expected(&section, &mut found);
        if found.expect.is_empty() && !self.loader.faults.has_errors() {
            let hint = "a case that expects nothing shows nothing";
            self.report_with(Code::EmptyDefinition, key.span, "nothing is expected", hint);
        }
        found.expect
    }

    /// One expectation, where its key is there.
    fn expected(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        before: &str,
        of: Of,
        found: &mut Found<'_>,
    ) {
        if let Some(node) = section.get(key) {
            self.expects(node, format!("{before}{key}"), of, found);
        }
    }

    fn expects(&mut self, node: &'d Node, path: String, of: Of, found: &mut Found<'_>) {
        let subject = format!("`{path}`");
        if let Some(matcher) = self.matcher(node, &subject) {
            let is_plain = matches!(matcher.0.as_slice(), [Condition::Equals(_)]);
            let plain = (is_plain && self.is_in_one_piece(node)).then_some(node.span);
            found.expect.push(Expectation {
                path,
                of,
                matcher,
                plain,
            });
        }
    }

    /// Whether a value can be taken out and another be put in its place: a scalar on one line, or a list or map in
    /// brackets.
    fn is_in_one_piece(&self, node: &Node) -> bool {
        let text = self.doc.source.text();
        let written = text.get(node.span.range()).unwrap_or_default();
        match &node.kind {
            Kind::Scalar(_) => !written.is_empty() && !written.contains('\n'),
            Kind::Mapping(_) => {
                written.starts_with('{') && written.ends_with('}') && node.get("equals").is_none()
            }
            Kind::Sequence(_) => written.starts_with('[') && written.ends_with(']'),
        }
    }

    fn group<const N: usize>(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        table: &'static Table,
        parts: [(&'static str, Of); N],
        found: &mut Found<'_>,
    ) {
        let Some(below) = self.section_of(section, key, table) else {
            return;
        };
        for (part, of) in parts {
            self.expected(&below, part, &format!("{key}."), of, found);
        }
        if key == "error"
            && let Some(node) = below.get("kind")
            && let Some(kind) = node.as_str()
        {
            let kinds: Vec<String> = ErrorKind::ALL.iter().map(ToString::to_string).collect();
            if !kinds.iter().any(|known| known == kind) {
                let message = format!("there is no error kind {}", quote(kind));
                let known = kinds.iter().map(String::as_str);
                self.unknown(Code::WrongType, node.span, message, kind, known, "kinds");
            }
        }
    }

    /// The content of an artifact, and the link to it.
    fn artifacts_expected(&mut self, section: &Section<'d>, found: &mut Found<'_>) {
        for (name, node) in self.entries_of(section, "artifacts") {
            self.artifact_name(&name.name, name.span);
            let path = format!("artifacts.{}", name.name);
            let of = Of::Artifact(name.name.to_string());
            let Some((_, link)) = node.entry("link") else {
                self.expects(node, path, of, found);
                continue;
            };
            self.expects(
                link,
                format!("{path}.link"),
                Of::Link(name.name.to_string()),
                found,
            );
            let subject = format!("`{path}`");
            let conditions = self.conditions(node, &subject, &["link"]);
            let conditions = match conditions {
                Some(conditions) if conditions.is_empty() => vec![Condition::There],
                Some(conditions) => conditions,
                None => continue,
            };
            found.expect.push(Expectation {
                path,
                of,
                matcher: Matcher(conditions),
                plain: None,
            });
        }
    }

    fn prompts(&mut self, section: &Section<'d>, found: &mut Found<'_>) {
        for (step, node) in self.entries_of(section, "prompts") {
            found
                .mentions
                .push(self.mention(What::Step, &step.name, step.span));
            let of = Of::Prompts(step.name.to_string());
            self.expects(node, format!("prompts.{}", step.name), of, found);
        }
    }

    fn steps_expected(&mut self, section: &Section<'d>, found: &mut Found<'_>) {
        for (step, node) in self.entries_of(section, "steps") {
            found
                .mentions
                .push(self.mention(What::Step, &step.name, step.span));
            let subject = format!("step {}", quote(&step.name));
            let Some(below) = self.section(node, &keys::EXPECT_STEP, step.span, subject) else {
                continue;
            };
            for (key, field) in [
                ("status", OfStep::Status),
                ("attempts", OfStep::Attempts),
                ("items", OfStep::Items),
                ("failed_items", OfStep::FailedItems),
                ("arm", OfStep::Arm),
                ("skipped", OfStep::Skipped),
                ("stale", OfStep::Stale),
                ("output", OfStep::Output),
                ("calls", OfStep::Calls),
                ("cost_usd", OfStep::Cost),
            ] {
                let of = Of::Step(step.name.to_string(), field);
                self.expected(&below, key, &format!("steps.{}.", step.name), of, found);
            }
            self.words(&below, "status", keys::STEP_STATUSES);
            self.words(&below, "skipped", keys::SKIPS);
            self.exact(&below, &["stale"]);
            self.reasons(&below, &step.name, found);
        }
    }

    /// Each reason has its own matcher.
    fn reasons(&mut self, section: &Section<'d>, step: &str, found: &mut Found<'_>) {
        let Some(items) = section
            .get("reasons")
            .and_then(|node| self.list(node, "`reasons`"))
        else {
            return;
        };
        let each: Vec<Option<Matcher>> = items.iter().map(|item| self.matcher(item, "`reasons`")).collect();
        let each: Vec<Matcher> = each.into_iter().flatten().collect();
        found.expect.push(Expectation {
            path: format!("steps.{step}.reasons"),
            of: Of::Step(step.to_owned(), OfStep::Reasons),
            matcher: Matcher(vec![Condition::Each(each)]),
            plain: None,
        });
    }

    /// A value that is one of a few words.
    fn words(&mut self, section: &Section<'d>, key: &'static str, words: &'static [&'static str]) {
        if section.get(key).is_some() {
            self.read(section, key, |node| crate::file::scalar::choice(node, words));
        }
    }

    /// Values that are compared as they are: a matcher there would be taken for one.
    fn exact(&mut self, section: &Section<'d>, keys: &[&'static str]) {
        for key in keys {
            if let Some(node) = section.get(key).filter(|node| node.as_mapping().is_some()) {
                let message = format!("`{key}` needs a plain value, found a map");
                self.report(Code::WrongType, node.span, message);
            }
        }
    }

    /// A code with which something can be refused.
    fn known_code(&mut self, section: &Section<'d>) {
        let Some(node) = section.get("refused") else {
            return;
        };
        let Some(code) = self.value(node, "`refused`", crate::file::scalar::text) else {
            return;
        };
        let kinds: Vec<String> = ErrorKind::ALL.iter().map(ToString::to_string).collect();
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let mut known: Vec<&str> = codes.chain(kinds.iter().map(String::as_str)).collect();
        // Some words are both.
        known.sort_unstable();
        known.dedup();
        if !known.contains(&code) {
            let message = format!("nothing is refused with the code {}", quote(code));
            self.unknown(Code::WrongType, node.span, message, code, known, "codes");
        }
    }
}
