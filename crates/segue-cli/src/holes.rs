//! Holes: a prompt before its run, filled as far as the inputs go. What a step will say first is left as ‹a hole›.

use serde_json::{Map, Value as Json};

/// A template as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The text with its holes.
    pub(crate) text: String,
    /// What stands in the holes, each once.
    pub(crate) waiting_for: Vec<String>,
    /// Whether statements are left that only a run evaluates.
    pub(crate) has_statements: bool,
}

impl Filled {
    /// Whether this is the text, letter for letter.
    pub(crate) fn is_exact(&self) -> bool {
        self.waiting_for.is_empty() && !self.has_statements
    }
}

/// Fills a template with inputs. Only `{{ inputs.NAME }}` is filled; every other expression is a hole.
pub(crate) fn fill(template: &str, inputs: &Map<String, Json>) -> Filled {
    let mut filled = Filled::default();
    let mut rest = of_pattern(template, inputs);
    while let Some(at) = rest.find("{") {
        let (before, tag) = rest.split_at(at);
        filled.text.push_str(before);
        let close = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                filled.text.push('{');
                rest = &tag[1..];
                continue;
            }
        };
        let Some(end) = tag.find(close) else {
            filled.text.push_str(tag);
            return filled;
        };
        let inside = tag[2..end].trim_matches('-').trim();
        match close {
            "}}" => filled.expression(inside, inputs),
            "%}" => {
                filled.has_statements = true;
                filled.text.push_str(&tag[..end + 2]);
            }
            _ => {}
        }
        rest = &tag[end + 2..];
    }
    filled.text.push_str(rest);
    filled
}

/// Of the prompt of a pattern, what holds with these inputs: the caller's or its own.
fn of_pattern<'t>(template: &'t str, inputs: &Map<String, Json>) -> &'t str {
    let parts = template
        .strip_prefix("{% if inputs.prompt is none %}")
        .and_then(|rest| rest.strip_suffix("{% else %}{{ inputs.prompt }}{% endif %}"));
    match (parts, inputs.get("prompt")) {
        (Some(own), None | Some(Json::Null)) => own,
        (Some(_), Some(_)) => "{{ inputs.prompt }}",
        (None, _) => template,
    }
}

impl Filled {
    fn expression(&mut self, expression: &str, inputs: &Map<String, Json>) {
        let known = expression
            .strip_prefix("inputs.")
            .and_then(|name| inputs.get(name));
        match known {
            Some(Json::String(text)) => self.text.push_str(text),
            Some(value @ (Json::Number(_) | Json::Bool(_))) => self.text.push_str(&value.to_string()),
            _ => {
                self.text.push_str(&format!("‹{expression}›"));
                if !self.waiting_for.iter().any(|known| known == expression) {
                    self.waiting_for.push(expression.to_owned());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> Filled {
        let inputs = json!({"topic": "tides", "limit": 3});
        fill(template, inputs.as_object().expect("an object"))
    }

    #[test]
    fn what_is_known_is_filled_and_the_rest_are_holes() {
        let plan = filled(
            "Plan {{ inputs.topic }} in {{inputs.limit}}: {{ steps.plan.output }} {{ steps.plan.output }}",
        );
        assert_eq!(
            plan.text,
            "Plan tides in 3: ‹steps.plan.output› ‹steps.plan.output›"
        );
        assert_eq!(plan.waiting_for, ["steps.plan.output"]);
        assert!(!plan.is_exact());
        assert!(filled("Plan {{ inputs.topic }} {a brace}").is_exact());
    }

    #[test]
    fn statements_are_left_for_the_run() {
        let loop_ = filled("{% for x in inputs.list %}{{ x }}{% endfor %}{# no #}");
        assert_eq!(loop_.text, "{% for x in inputs.list %}‹x›{% endfor %}");
        assert!(!loop_.is_exact());
    }

    #[test]
    fn text_that_is_no_template_stays_as_it_is() {
        for text in ["", "{", "{{", "{{ open", "}} {%", "é{é"] {
            assert_eq!(filled(text).text, text);
        }
    }

    #[test]
    fn the_prompt_of_a_pattern_is_its_own_or_the_callers() {
        let prompt =
            "{% if inputs.prompt is none %}Look at {{ inputs.id }}{% else %}{{ inputs.prompt }}{% endif %}";
        let filled = |inputs: Json| fill(prompt, inputs.as_object().expect("an object"));
        let own = filled(json!({"id": 7, "prompt": null}));
        assert_eq!((own.text.as_str(), own.is_exact()), ("Look at 7", true));
        assert_eq!(filled(json!({})).text, "Look at ‹inputs.id›");
        assert_eq!(filled(json!({"prompt": "This."})).text, "This.");
    }
}
