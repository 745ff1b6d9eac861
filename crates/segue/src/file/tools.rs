//! Tools as files name them: limits, and which tools an agent may call.

use std::sync::Arc;

use super::keys;
use super::reader::{Reader, Section};
use super::scalar;
use super::text::{Owner, place};
use super::yaml::Node;
use crate::fault::{Code, Span, quote};
use crate::plan::{PIPELINE, Plan, ToolApproval, ToolLimits, ToolOnError, ToolUse};

/// The most tools of a file or an agent.
const MAX_TOOLS: usize = 1000;

impl<'d> Reader<'_, '_, 'd> {
    /// Reads `tools` at the top: limits by name or glob.
    pub(super) fn tool_limits(&mut self, top: &Section<'d>) {
        let Some((key, node)) = top.entry("tools") else {
            return;
        };
        let Some(entries) = self.entries(node, "`tools`") else {
            return;
        };
        if entries.len() > MAX_TOOLS {
            let message = format!(
                "`tools` has {} entries, at most {MAX_TOOLS} are read",
                entries.len()
            );
            self.report(Code::TooLarge, key.span, message);
        }
        for (name, value) in entries.iter().take(MAX_TOOLS) {
            match name.name.strip_prefix(PIPELINE) {
                Some(reference) if !self.loader.known.is_tool(&name.name) => {
                    self.tool_pipeline(reference, name.span);
                }
                _ => self.known_tool(&name.name, name.span),
            }
            let subject = format!("tool {}", quote(&name.name));
            let Some(section) = self.section(value, &keys::TOOL, name.span, subject) else {
                continue;
            };
            let limits = self.limits(&section);
            self.names.tools.insert(name.name.to_string(), limits);
        }
    }

    /// The tools of an agent or a step.
    pub(super) fn tool_uses(&mut self, section: &Section<'d>) -> Option<Vec<ToolUse>> {
        let (key, node) = section.entry("tools")?;
        let items = self.list(node, "`tools`")?;
        if items.len() > MAX_TOOLS {
            let message = format!(
                "`tools` has {} entries, at most {MAX_TOOLS} are read",
                items.len()
            );
            self.report(Code::TooLarge, key.span, message);
            return None;
        }
        Some(items.iter().filter_map(|item| self.tool_use(item)).collect())
    }

    fn tool_use(&mut self, node: &'d Node) -> Option<ToolUse> {
        let (name, limits) = match node.as_mapping() {
            None => (node, ToolLimits::default()),
            Some(_) => {
                let section = self.section(node, &keys::TOOL_USE, node.span, "a tool of an agent")?;
                let limits = self.limits(&section);
                (section.get("name")?, limits)
            }
        };
        let text = self.value(name, "a tool", scalar::text)?;
        let mut pipeline = None;
        match text.split_once(':') {
            Some(("agent", agent)) => {
                self.use_agent(agent, name.span);
            }
            // One that the program registers is found by its name, as any tool of the program is.
            Some(("pipeline", reference)) if !self.loader.known.is_tool(text) => {
                pipeline = Some(self.tool_pipeline(reference, name.span)?);
            }
            _ => {
                self.known_tool(text, name.span);
            }
        }
        Some(ToolUse {
            name: text.to_owned(),
            pipeline,
            limits,
        })
    }

    /// The plan of a pipeline that is a tool.
    fn tool_pipeline(&mut self, reference: &str, span: Span) -> Option<Arc<Plan>> {
        if let Some(pattern) = reference.strip_prefix('#') {
            // The patterns of a file put its agents to work: they are read after the agents.
            let message = format!(
                "an agent cannot have pattern {} of its own file as a tool",
                quote(pattern)
            );
            let hint = "put the pattern into a file of its own, and name that: `pipeline:other.yaml#NAME`";
            self.report_with(Code::UnknownTool, span, message, hint);
            return None;
        }
        self.nested(reference, span)
    }

    /// Limits of a tool, in a section that can have them.
    fn limits(&mut self, section: &Section<'d>) -> ToolLimits {
        ToolLimits {
            max_calls: self.count(section, "max_calls", 0, u32::MAX),
            timeout: self.read(section, "timeout", scalar::duration),
            retries: self.count(section, "retries", 0, 10),
            approval: self.approval(section),
            approval_timeout: self.read(section, "approval_timeout", scalar::duration),
            on_error: self.tool_on_error(section),
            on_interrupt: self.on_interrupt(section),
        }
    }

    fn approval(&mut self, section: &Section<'d>) -> Option<ToolApproval> {
        let (key, node) = section.entry("approval")?;
        if node.as_mapping().is_some() {
            let subject = format!("`approval` of {}", section.subject);
            let section = self.section(node, &keys::APPROVAL, key.span, subject)?;
            let deny = self.condition(&section, "deny", &place::APPROVAL, Owner::Shared);
            let ask = self.condition(&section, "ask", &place::APPROVAL, Owner::Shared);
            return Some(ToolApproval::When { deny, ask });
        }
        let word = self.value(node, "`approval`", |node| scalar::choice(node, keys::APPROVALS))?;
        Some(match word {
            "ask" => ToolApproval::Ask,
            "deny" => ToolApproval::Deny,
            _ => ToolApproval::Allow,
        })
    }

    fn tool_on_error(&mut self, section: &Section<'d>) -> Option<ToolOnError> {
        let (key, node) = section.entry("on_error")?;
        if node.as_mapping().is_some() {
            let subject = format!("`on_error` of {}", section.subject);
            let section = self.section(node, &keys::TOOL_TELL, key.span, subject)?;
            return Some(ToolOnError::Text(self.literal(&section, "tell")?.to_owned()));
        }
        let word = self.value(node, "`on_error`", |node| {
            scalar::choice(node, keys::TOOL_ON_ERRORS)
        })?;
        Some(if word == "fail" {
            ToolOnError::Fail
        } else {
            ToolOnError::Tell
        })
    }

    /// Reports a tool, or a glob, that means none of the tools an agent can be given.
    fn known_tool(&mut self, name: &str, span: Span) {
        if self.loader.known.is_tool(name) || self.may_be_known_later(name, span) {
            return;
        }
        let message = match name.contains('*') {
            true => format!("no tool is called like {}", quote(name)),
            false => format!("tool {} does not exist", quote(name)),
        };
        let known: Vec<String> = self.loader.known.tools().map(str::to_owned).collect();
        self.unknown(
            Code::UnknownTool,
            span,
            message,
            name,
            known.iter().map(String::as_str),
            "tools",
        );
    }

    /// Warns of a name or glob that nobody can say anything of yet.
    fn may_be_known_later(&mut self, name: &str, span: Span) -> bool {
        let Some((group, way_out)) = self.loader.known.unverified(name) else {
            return false;
        };
        let message = format!(
            "{} cannot be verified: what tools `{group}` has is not known yet",
            quote(name)
        );
        self.report_with(Code::Unverified, span, message, way_out);
        true
    }

    /// Reports something a step cannot call.
    pub(super) fn known_call(&mut self, name: &str, span: Span) {
        if self.loader.known.can_call(name) || self.may_be_known_later(name, span) {
            return;
        }
        let known: Vec<String> = self.loader.known.callable().map(str::to_owned).collect();
        let message = format!("tool {} does not exist", quote(name));
        self.unknown(
            Code::UnknownTool,
            span,
            message,
            name,
            known.iter().map(String::as_str),
            "tools",
        );
    }
}
