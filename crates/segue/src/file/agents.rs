//! Agents of a file.

use std::sync::Arc;

use super::keys;
use super::names::Declared;
use super::reader::{Reader, Section};
use super::scalar;
use super::settings::Level;
use super::text::{Owner, place};
use crate::fault::{Code, quote};
use crate::plan::PlannedAgent;
use crate::schema::Schema;

/// The most agents of a file.
const MAX_AGENTS: usize = 1000;

impl<'d> Reader<'_, '_, 'd> {
    /// Reads `agents`.
    pub(super) fn agents(&mut self, top: &Section<'d>) {
        let named = self.named(top, "agents", MAX_AGENTS);
        // All names first: an agent can be a tool of one that is declared before it.
        self.names.faulty_agents = named.iter().map(|(key, _)| key.name.to_string()).collect();
        for (at, (key, node)) in named.into_iter().enumerate() {
            let name = &*key.name;
            if self.loader.known.agent(name).is_some() {
                let message = format!("agent {} is also registered in the program", quote(name));
                self.report_with(
                    Code::DuplicateName,
                    key.span,
                    message,
                    "give one of them another name",
                );
            }
            let Some(section) = self.section(node, &keys::AGENT, key.span, format!("agent {}", quote(name)))
            else {
                continue;
            };
            if let Some(declared) = self.agent(name, &section, Owner::Agent(at as u32)) {
                self.names.faulty_agents.remove(name);
                self.names.agents.insert(name.to_owned(), declared);
            }
        }
    }

    fn agent(&mut self, name: &str, section: &Section<'d>, owner: Owner) -> Option<Declared> {
        let instructions = self.template_or_file(section, "instructions", &place::INSTRUCTIONS, owner);
        let model = match section.entry("model") {
            Some(_) => self.model(section),
            None => {
                if self.names.defaults.model.is_none() {
                    let message = format!("agent {} has no model", quote(name));
                    let hint = "name one with `model`, here or in `defaults`";
                    self.report_with(Code::NoModel, section.at, message, hint);
                }
                self.names.defaults.model.clone()
            }
        };
        let description = self.literal(section, "description").map(str::to_owned);
        let output = self
            .schema_of(section, "output")
            .filter(|schema| !schema.is_plain_text());
        let tools = self.tool_uses(section).unwrap_or_default();
        let max_turns = self.count(section, "max_turns", 1, 1000).unwrap_or(16);
        let max_tool_calls = self.count(section, "max_tool_calls", 0, 10_000).unwrap_or(64);
        let repairs = self.count(section, "repairs", 0, 10).unwrap_or(2);
        let strict = self.read(section, "strict", scalar::boolean).unwrap_or_default();
        let model_settings = self.model_settings(section);
        let settings = self.settings(section, Level::shared(owner));
        let asking = self.asking(section, Level::shared(owner));
        if strict {
            self.check_strict(name, section, output.as_ref());
        }
        let (alias, models) = model?;
        let planned = PlannedAgent {
            name: name.to_owned(),
            description,
            instructions: instructions?,
            template: true,
            alias,
            models,
            output,
            tools,
            max_turns,
            max_tool_calls,
            repairs,
            model_settings,
            settings,
            strict,
            complete: asking.complete.clone().unwrap_or_default(),
        };
        Some(Declared {
            planned: Arc::new(planned),
            asking,
            at: section.at,
        })
    }

    /// Where an agent asks for strict schemas, those of its output and its tools have to be.
    fn check_strict(&mut self, name: &str, section: &Section<'d>, output: Option<&Schema>) {
        if let (Some(output), Some((key, _))) = (output, section.entry("output")) {
            for flaw in output.strict_flaws().into_iter().take(1) {
                let message = format!(
                    "the output of agent {} is not strict: {}",
                    quote(name),
                    flaw.message
                );
                self.report(Code::NotStrict, key.span, message);
            }
        }
        let Some((key, node)) = section.entry("tools") else {
            return;
        };
        for item in node.as_sequence().unwrap_or_default() {
            let Some(glob) = item.as_str().or_else(|| item.get("name")?.as_str()) else {
                continue;
            };
            let tools: Vec<String> = self
                .loader
                .known
                .tools_of(glob)
                .map(|tool| tool.name.clone())
                .collect();
            for tool in tools {
                let schema = self.loader.known.takes(&tool);
                if let Some(flaw) = schema.and_then(|schema| schema.strict_flaws().into_iter().next()) {
                    let message = format!(
                        "the arguments of tool {} are not strict: {}",
                        quote(&tool),
                        flaw.message
                    );
                    self.report(Code::NotStrict, key.span, message);
                }
            }
        }
    }

    /// Notes that an agent is used, and reports one that does not exist.
    pub(super) fn use_agent(&mut self, name: &str, span: crate::fault::Span) -> bool {
        let declared = self.names.agents.contains_key(name) || self.names.faulty_agents.contains(name);
        if declared {
            self.names.used_agents.insert(name.to_owned());
        } else if self.loader.known.agent(name).is_none() {
            let mut known: Vec<String> = self.names.agents.keys().cloned().collect();
            known.extend(self.names.faulty_agents.iter().cloned());
            known.extend(self.loader.known.agents().map(str::to_owned));
            known.sort();
            let message = format!("agent {} does not exist", quote(name));
            self.unknown(
                Code::UnknownAgent,
                span,
                message,
                name,
                known.iter().map(String::as_str),
                "agents",
            );
            return false;
        }
        true
    }

    /// Type of an agent's answer, where the agent is known.
    pub(super) fn answer_of(&self, name: &str) -> Option<Schema> {
        let declared = self.names.agents.get(name).map(|agent| &agent.planned);
        let planned = declared.or_else(|| self.loader.known.agent(name))?;
        Some(planned.output.clone().unwrap_or_else(Schema::string))
    }
}
