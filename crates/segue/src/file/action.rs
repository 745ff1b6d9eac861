//! What a step does: an agent, a tool, a question, another pipeline, a value. Routes are read in [`route`](super::route).

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::keys;
use super::reader::{Reader, Section};
use super::route::Drawn;
use super::scalar;
use super::steps::{Fit, Graph};
use super::text::{Owner, place};
use super::yaml::{Kind as NodeKind, Node, Resolved};
use crate::fault::{Code, Span, quote};
use crate::plan::{Action, AgentOver, AgentStep, AskStep, Input, Kind, ModelSettings, Plan};
use crate::schema::Schema;
use crate::template::Template;

/// What an action came to be.
pub(super) struct Acted<'d> {
    pub kind: Kind,
    pub action: Action,
    /// Type of its output, where it is known.
    pub gives: Option<Schema>,
    pub fits: Vec<Fit<'d>>,
    pub route: Option<Drawn<'d>>,
}

impl<'d> Acted<'d> {
    pub(super) fn new(kind: Kind, action: Action, gives: Option<Schema>) -> Self {
        Self {
            kind,
            action,
            gives,
            fits: Vec::new(),
            route: None,
        }
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// Reads the action of a step or, without a graph, of an inline arm.
    pub(super) fn action(
        &mut self,
        section: &Section<'d>,
        owner: Owner,
        action: &str,
        graph: Option<&Graph<'d>>,
    ) -> Option<Acted<'d>> {
        match action {
            "agent" => self.agent_step(section, owner),
            "tool" => {
                let (tool, with, fits) = self.call(section, owner)?;
                let gives = self.loader.known.gives(&tool);
                Some(Acted {
                    fits,
                    ..Acted::new(Kind::Tool, Action::Tool { tool, with }, gives)
                })
            }
            "ask" => self.ask(section, owner),
            "route" => self.route(section, owner, graph?),
            "pipeline" => self.pipeline_step(section, owner),
            _ => {
                let node = section.get("set")?;
                let value = self.templates(node, &place::SET, owner);
                Some(Acted::new(Kind::Set, Action::Set(value), shape(node)))
            }
        }
    }

    fn agent_step(&mut self, section: &Section<'d>, owner: Owner) -> Option<Acted<'d>> {
        let agent = self.agent_name(section);
        let prompt = self.template_or_file(section, "prompt", &place::PROMPT, owner);
        let images = section
            .has("images")
            .then(|| self.expression(section, "images", &place::IMAGES, owner))
            .flatten();
        let over = AgentOver {
            output: self.schema_of(section, "output"),
            models: self.model(section).map(|(_, models)| models),
            tools: self.tool_uses(section),
            max_turns: self.count(section, "max_turns", 1, 1000),
            settings: ModelSettings {
                temperature: self.read(section, "temperature", |node| scalar::number(node, 0.0..=2.0)),
                max_tokens: self.count(section, "max_tokens", 1, u32::MAX),
                ..ModelSettings::default()
            },
        };
        let agent = agent?.to_owned();
        let gives = over.output.clone().or_else(|| self.answer_of(&agent));
        Some(Acted::new(
            Kind::Agent,
            Action::Agent(AgentStep {
                agent,
                prompt,
                images,
                over,
            }),
            gives,
        ))
    }

    /// The agent under `agent`, if it exists.
    pub(super) fn agent_name(&mut self, section: &Section<'d>) -> Option<&'d str> {
        let node = section.get("agent")?;
        let name = self.value(node, "`agent`", scalar::text)?;
        self.use_agent(name, node.span).then_some(name)
    }

    /// `tool` and `with`: a tool or a registered step, and its arguments.
    pub(super) fn call(
        &mut self,
        section: &Section<'d>,
        owner: Owner,
    ) -> Option<(String, Json, Vec<Fit<'d>>)> {
        let node = section.get("tool")?;
        let tool = self.value(node, "`tool`", scalar::text)?;
        self.known_call(tool, node.span);
        let takes = self.loader.known.takes(tool);
        let with = section.entry("with").map(|(_, with)| with);
        let mut arguments = Json::Object(Map::new());
        let mut fits = Vec::new();
        if let Some(with) = with {
            self.entries(with, "`with`")?;
            arguments = self.templates(with, &place::WITH, owner);
        }
        match (with, takes) {
            (Some(node), Some(takes)) => fits.push(Fit {
                node,
                takes,
                what: format!("tool {}", quote(tool)),
            }),
            (None, Some(takes)) if !takes.is_valid(&arguments) => {
                let message = format!("tool {} takes arguments, and `with` is not there", quote(tool));
                self.report(Code::SchemaMismatch, node.span, message);
            }
            _ => {}
        }
        Some((tool.to_owned(), arguments, fits))
    }

    fn ask(&mut self, section: &Section<'d>, owner: Owner) -> Option<Acted<'d>> {
        let section = self.section_of(section, "ask", &keys::ASK)?;
        let title = self.title(&section);
        let form = match section.get("form") {
            Some(_) => self.schema_of(&section, "form"),
            None => Some(Schema::trusted(json!({
                "type": "object",
                "properties": {"approved": {"type": "boolean"}, "note": {"type": ["string", "null"]}},
                "required": ["approved", "note"],
                "additionalProperties": false,
            }))),
        };
        let text = self.template(&section, "text", &place::ASK, owner);
        let given = self.expression(&section, "given", &place::ASK, owner);
        let timeout = self.read(&section, "timeout", scalar::duration);
        let default = section.get("default").map(|node| (node, node.to_json()));
        let form = form?;
        if let Some((node, value)) = &default {
            if let Some(violation) = form.violations(value).first() {
                let message = format!("`default` is no answer: {}", violation.message);
                self.report(
                    Code::SchemaMismatch,
                    node.nearest(&violation.pointer).span,
                    message,
                );
            }
            if let (None, Some((key, _))) = (section.get("timeout"), section.entry("default")) {
                let message = "`default` has a meaning only beside `timeout`";
                self.report(Code::UnknownKey, key.span, message);
            }
        }
        let gives = Some(form.clone());
        let default = default.map(|(_, value)| value);
        let asked = AskStep {
            title: title?,
            text,
            form,
            given,
            timeout,
            default,
        };
        Some(Acted::new(Kind::Question, Action::Ask(asked), gives))
    }

    fn pipeline_step(&mut self, section: &Section<'d>, owner: Owner) -> Option<Acted<'d>> {
        let (plan, with, fits) = self.called_pipeline(section, &place::WITH, owner)?;
        let gives = plan.output_schema.clone();
        let action = Action::Pipeline {
            plan,
            with: Some(with),
            inputs: Vec::new(),
        };
        Some(Acted {
            fits,
            ..Acted::new(Kind::Pipeline, action, gives)
        })
    }

    /// `pipeline` and `with`: another file or a pattern, and its inputs.
    pub(super) fn called_pipeline(
        &mut self,
        section: &Section<'d>,
        place: &'static super::text::Place,
        owner: Owner,
    ) -> Option<(Arc<Plan>, Json, Vec<Fit<'d>>)> {
        let node = section.get("pipeline")?;
        let with = match section.get("with") {
            Some(with) => {
                self.entries(with, "`with`")?;
                Some((with, self.templates(with, place, owner)))
            }
            None => None,
        };
        let path = self.value(node, "`pipeline`", scalar::text)?;
        let plan = self.nested(path, node.span)?;
        let fits = self.inputs_of(&plan, path, section, with.as_ref().map(|(node, _)| *node));
        Some((
            plan,
            with.map_or_else(|| Json::Object(Map::new()), |(_, with)| with),
            fits,
        ))
    }

    /// Checks that a pipeline is given the inputs it takes, by name.
    fn inputs_of(
        &mut self,
        plan: &Plan,
        path: &str,
        section: &Section<'d>,
        with: Option<&'d Node>,
    ) -> Vec<Fit<'d>> {
        let Input::Named(inputs) = &plan.input else {
            return Vec::new();
        };
        let entries = with.and_then(Node::as_mapping).unwrap_or_default();
        let mut fits = Vec::new();
        for (key, node) in entries {
            match inputs.get(&*key.name) {
                Some(takes) => {
                    let what = format!("input {} of {}", quote(&key.name), quote(path));
                    fits.push(Fit {
                        node,
                        takes: takes.clone(),
                        what,
                    });
                }
                None => {
                    let message = format!("{} has no input {}", quote(path), quote(&key.name));
                    let known = inputs.keys().map(String::as_str);
                    self.unknown(Code::UnknownInput, key.span, message, &key.name, known, "inputs");
                }
            }
        }
        let missing = inputs.iter().filter(|(name, schema)| {
            let given = entries.iter().any(|(key, _)| *key.name == ***name);
            !given && schema.default_value().is_none() && !schema.may_be_null()
        });
        let span = section
            .entry("with")
            .or(section.entry("pipeline"))
            .map_or(section.at, |(key, _)| key.span);
        for (name, _) in missing {
            let message = format!("{} is not given its input {}", quote(path), quote(name));
            self.report_with(Code::MissingKey, span, message, format!("add `{name}` to `with`"));
        }
        fits
    }

    /// The plan of another file, or of a pattern of another file or of this one.
    pub(super) fn nested(&mut self, written: &str, span: Span) -> Option<Arc<Plan>> {
        let (path, pattern) = match written.split_once('#') {
            Some((path, pattern)) => (path, Some(pattern)),
            None => (written, None),
        };
        if path.is_empty()
            && let Some(pattern) = pattern
        {
            let is_known = self.known_pattern(pattern, span);
            let declared = self.names.patterns.get(pattern).filter(|_| is_known)?;
            return declared.as_ref().map(|declared| declared.plan.clone());
        }
        let read = match self.loader.nested(self.folder, path) {
            Ok(read) => read?,
            Err((code, why)) => {
                self.report(code, span, format!("pipeline {} {why}", quote(path)));
                return None;
            }
        };
        let Some(pattern) = pattern else {
            if read.plan.is_none() {
                let patterns: Vec<String> = read
                    .patterns
                    .keys()
                    .map(|name| quote(&format!("{path}#{name}")))
                    .collect();
                let message = format!("{} does not say which of its patterns runs", quote(path));
                self.report_with(
                    Code::UnknownPattern,
                    span,
                    message,
                    format!("name one: {}", patterns.join(", ")),
                );
            }
            return read.plan;
        };
        let plan = read.patterns.get(pattern).cloned();
        if plan.is_none() {
            let message = format!("{} has no pattern {}", quote(path), quote(pattern));
            let known = read.patterns.keys().map(String::as_str);
            self.unknown(Code::UnknownPattern, span, message, pattern, known, "patterns");
        }
        plan
    }
}

/// What is certain about the type of a value with templates in it, without looking at what they name.
pub(super) fn shape(node: &Node) -> Option<Schema> {
    Some(Schema::trusted(shape_json(node)))
}

fn shape_json(node: &Node) -> Json {
    match &node.kind {
        NodeKind::Mapping(entries) => {
            let properties: Map<String, Json> = entries
                .iter()
                .map(|(key, value)| (key.name.to_string(), shape_json(value)))
                .collect();
            let required: Vec<&str> = entries.iter().map(|(key, _)| &*key.name).collect();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        }
        NodeKind::Sequence(_) => json!({"type": "array"}),
        NodeKind::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => json!({"type": "null"}),
            Resolved::Bool(_) => json!({"type": "boolean"}),
            Resolved::Int(_) => json!({"type": "integer"}),
            Resolved::Float(_) | Resolved::Unfit(_) => json!({"type": "number"}),
            Resolved::Str(text) => match Template::parse(text) {
                Ok(template) if template.is_literal() => json!({"const": text}),
                Ok(template) if !template.is_value() => json!({"type": "string"}),
                _ => json!({}),
            },
        },
    }
}
