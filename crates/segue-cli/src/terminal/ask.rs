//! Asking: a question of a run becomes lines on the terminal, and what is typed becomes an answer of the form's types.

use std::io::{self, BufRead};

use segue::schema::{Schema, TypeSet};
use segue::{Question, QuestionKind};
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;

use super::Screen;
use super::style::Style;
use super::words;
use crate::project::quoted;

/// Lines typed at the terminal. One thread reads them from the first question on, and ends with the program: a question
/// that is called off leaves no second reader behind.
#[derive(Debug, Default)]
pub(crate) struct Keyboard {
    lines: Option<mpsc::Receiver<String>>,
}

impl Keyboard {
    /// One line; none when stdin has ended.
    pub(crate) async fn line(&mut self, prompt: &str, screen: Screen) -> Option<String> {
        screen.text(prompt);
        let lines = self.lines.get_or_insert_with(|| {
            // One line ahead: what is typed before it is asked for belongs to the next question.
            let (send, receive) = mpsc::channel(1);
            std::thread::spawn(move || {
                for line in io::stdin().lock().lines() {
                    let Ok(line) = line else { break };
                    if send.blocking_send(line).is_err() {
                        break;
                    }
                }
            });
            receive
        });
        lines
            .recv()
            .await
            .map(|line| line.trim_end_matches('\r').to_owned())
    }
}

/// Shows what a question is about: the title, what is known, what is missing.
pub(crate) fn show(question: &Question, screen: Screen) {
    screen.line("");
    for line in about(question, screen.style()) {
        screen.line(&line);
    }
}

/// What a question is about, in lines.
pub(crate) fn about(question: &Question, style: Style) -> Vec<String> {
    let title = words::one_line(&question.title);
    let step = style.dim(&format!("step {}", question.step));
    let mut lines = vec![format!("{} {}  {step}", style.yellow("?"), style.bold(&title))];
    if let Some(text) = question.text.as_deref().filter(|text| !text.is_empty()) {
        lines.push(indented(text));
    }
    if let Some(approval) = &question.approval {
        let arguments = serde_json::to_string_pretty(&approval.arguments).unwrap_or_default();
        if question.text.is_none() {
            lines.push(indented(&arguments));
        }
        lines.push(style.dim(&format!(
            "  tool {}, arguments {}",
            words::one_line(&approval.tool),
            approval.arguments_hash
        )));
    }
    if let Some(limit) = &question.budget {
        let spent = limit.spent.as_deref().unwrap_or("0");
        lines.push(format!(
            "  budget {}: spent {spent} of {} {}",
            words::one_line(&limit.name),
            limit.limit,
            limit.unit
        ));
    }
    for (name, value) in &question.known {
        let name = words::one_line(name);
        lines.push(format!("  known    {name}: {}", words::preview(value)));
    }
    if !question.missing.is_empty() {
        let names: Vec<String> = question
            .missing
            .iter()
            .map(|name| words::one_line(name))
            .collect();
        lines.push(format!("  missing  {}", names.join(", ")));
    }
    if let Some(deadline) = &question.deadline {
        lines.push(style.dim(&format!("  until    {deadline}")));
    }
    lines
}

/// The command line that answers a question.
pub(crate) fn command(question: &Question, store_flag: &str) -> String {
    let said = match question.kind {
        QuestionKind::Budget => " --budget 1.00".to_owned(),
        QuestionKind::Decision => {
            let words = question.form.get("enum").and_then(Json::as_array);
            let words: Vec<&str> = words.into_iter().flatten().filter_map(Json::as_str).collect();
            format!(" --decide {}", words.join("|"))
        }
        QuestionKind::Question | QuestionKind::Approval => values(question),
    };
    format!("segue answer {}{said}{store_flag}", question.id)
}

/// The flags for each value that is asked for.
fn values(question: &Question) -> String {
    let fields = question.form.get("properties").and_then(Json::as_object);
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
        return " --input VALUE".to_owned();
    };
    let required = question.form.get("required").and_then(Json::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let flag = |(name, form): (&String, &Json)| {
        let value = match form.get("type").and_then(Json::as_str) {
            Some("boolean") => "true",
            Some("integer" | "number") => "N",
            _ => "TEXT",
        };
        format!(" --set {}", quoted(&format!("{name}={value}")))
    };
    let said: Vec<String> = fields
        .iter()
        .filter(|(name, _)| is_required(name))
        .map(flag)
        .collect();
    match said.is_empty() {
        true => fields.iter().map(flag).collect(),
        false => said.concat(),
    }
}

/// Shows what an answer has to hold, where nobody is there to be asked for it.
pub(crate) fn show_form(question: &Question, screen: Screen) {
    for line in form(question) {
        screen.line(&line);
    }
}

/// What an answer has to hold, in lines.
pub(crate) fn form(question: &Question) -> Vec<String> {
    let fields = question.form.get("properties").and_then(Json::as_object);
    let line = |(name, form): (&String, &Json)| {
        let schema = Schema::from_json(form.clone()).unwrap_or_else(|_| Schema::any());
        let what = of_what(&schema, schema.may_be_null());
        format!("  asks for {}{what}", words::one_line(name))
    };
    fields.into_iter().flatten().map(line).collect()
}

/// Asks at the terminal until the text given has the form's types; none when stdin ends.
pub(crate) async fn answer(question: &Question, keys: &mut Keyboard, screen: Screen) -> Option<Json> {
    if question.kind == QuestionKind::Budget {
        let text = keys
            .line("  the new limit, such as 1.00 or none: ", screen)
            .await?;
        return Some(Json::String(text));
    }
    let fields = question.form.get("properties").and_then(Json::as_object);
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
        return value("answer", &question.form, true, keys, screen).await;
    };
    let required: Vec<&str> = question
        .form
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let mut answer = Map::new();
    for (name, form) in fields {
        let is_required = required.contains(&name.as_str());
        match value(name, form, is_required, keys, screen).await? {
            Json::Null if !is_required => {}
            value => {
                answer.insert(name.clone(), value);
            }
        }
    }
    Some(Json::Object(answer))
}

/// One value of a form.
async fn value(
    name: &str,
    form: &Json,
    is_required: bool,
    keys: &mut Keyboard,
    screen: Screen,
) -> Option<Json> {
    let schema = Schema::from_json(form.clone()).unwrap_or_else(|_| Schema::any());
    let may_be_empty = schema.default_value().is_some() || schema.may_be_null() || !is_required;
    let prompt = format!("  {}{}: ", words::one_line(name), of_what(&schema, may_be_empty));
    loop {
        let text = keys.line(&prompt, screen).await?;
        if text.is_empty() && may_be_empty {
            return Some(schema.default_value().cloned().unwrap_or(Json::Null));
        }
        let parsed = match (schema.types(), text.to_lowercase().as_str()) {
            (TypeSet::BOOLEAN, "y" | "yes") => Ok(Json::Bool(true)),
            (TypeSet::BOOLEAN, "n" | "no") => Ok(Json::Bool(false)),
            _ => schema.parse_text(&text),
        };
        let refused = match parsed {
            Ok(value) => match schema.validate(&value) {
                Ok(()) => return Some(value),
                Err(violations) => violations
                    .iter()
                    .map(|violation| violation.message.clone())
                    .collect(),
            },
            Err(why) => vec![why],
        };
        for why in refused {
            let style = screen.style();
            screen.line(&format!("  {} {}", style.red("✗"), words::one_line(&why)));
        }
    }
}

fn of_what(schema: &Schema, may_be_empty: bool) -> String {
    let listed = schema.as_json().get("enum").and_then(Json::as_array);
    let what = match listed {
        Some(listed) => listed.iter().map(words::preview).collect::<Vec<_>>().join(" | "),
        None if schema.types() == TypeSet::BOOLEAN => "y | n".to_owned(),
        None => match schema.description() {
            Some(description) => words::one_line(description),
            None if schema.is_any() => String::new(),
            None => schema.types().to_string(),
        },
    };
    let empty = match (schema.default_value(), may_be_empty) {
        (Some(default), _) => format!("Enter for {}", words::preview(default)),
        (None, true) => "Enter for none".to_owned(),
        (None, false) => String::new(),
    };
    let parts: Vec<String> = [what, empty]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!(" ({})", parts.join("; ")),
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = words::visible(text)
        .lines()
        .map(|line| format!("  {line}"))
        .collect();
    lines.join("\n")
}
