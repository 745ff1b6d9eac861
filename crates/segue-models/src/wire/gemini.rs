//! Gemini's `streamGenerateContent`.
//!
//! It has no end of its own: the answer is over when a reason was given and the connection ends well. Calls have no ids, so
//! they get some here. Signed thoughts come with the parts of an answer, which go back as they were.

use reqwest::header::HeaderMap;
use segue::Usage;
use segue::model::{Finish, Message, Role};
use serde_json::{Map, Value as Json, json};

use super::tally::{Tally, sound};
use super::{Asked, Broken, Draft, End, Form, OWN_ID, Reader, Written, as_object, base64_of, object, put};

pub(super) fn write(asked: &Asked<'_>) -> Written {
    let mut body = Map::new();
    let instructions = asked.instructions();
    if !instructions.is_empty() {
        body.insert(
            "systemInstruction".to_owned(),
            json!({"parts": [{"text": instructions}]}),
        );
    }
    body.insert("contents".to_owned(), contents(asked).into());
    body.insert("generationConfig".to_owned(), config(asked).into());
    let tools: Vec<Json> = asked
        .request
        .tools
        .iter()
        .map(|tool| {
            json!({
                "name": asked.names.sent(&tool.name), "description": tool.description,
                "parametersJsonSchema": tool.parameters,
            })
        })
        .collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), json!([{"functionDeclarations": tools}]));
    }
    let model = format!("{}:streamGenerateContent", asked.model);
    let mut url = asked.provider.url(&["models", &model]);
    url.query_pairs_mut().append_pair("alt", "sse");
    Written {
        url,
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn config(asked: &Asked<'_>) -> Map<String, Json> {
    let settings = &asked.settings;
    let mut config = Map::new();
    config.insert("maxOutputTokens".to_owned(), asked.max_tokens().into());
    put(&mut config, "temperature", settings.temperature);
    put(&mut config, "topP", settings.top_p);
    put(&mut config, "seed", settings.seed);
    put(&mut config, "stopSequences", settings.stop.clone());
    put(&mut config, "thinkingConfig", thinking(asked));
    if let (Form::Native, Some(schema)) = (asked.form, &asked.request.output) {
        config.insert("responseMimeType".to_owned(), "application/json".into());
        config.insert("responseJsonSchema".to_owned(), schema.as_json().clone());
    }
    config
}

/// Models up to 2.5 take a budget of tokens, later ones a level.
fn thinking(asked: &Asked<'_>) -> Option<Json> {
    let effort = asked.settings.reasoning.as_deref()?;
    Some(match (thinks_by_budget(asked.model), effort) {
        (true, "none") => json!({"thinkingBudget": 0}),
        (true, "low") => json!({"thinkingBudget": 1024}),
        (true, "medium") => json!({"thinkingBudget": 8192}),
        (true, _) => json!({"thinkingBudget": 24576}),
        (false, level) => json!({"thinkingLevel": level.to_ascii_uppercase()}),
    })
}

/// Whether a model is given tokens to think, none included; later ones cannot be kept from it.
pub(super) fn thinks_by_budget(model: &str) -> bool {
    ["gemini-1", "gemini-2"].iter().any(|old| model.starts_with(old))
}

/// What was said.
fn contents(asked: &Asked<'_>) -> Vec<Json> {
    let content = |(role, parts)| json!({"role": role, "parts": parts});
    asked
        .by_side(|message| said(asked, message))
        .into_iter()
        .map(content)
        .collect()
}

fn said(asked: &Asked<'_>, message: &Message) -> (&'static str, Vec<Json>) {
    let text = (!message.text.is_empty()).then(|| json!({"text": message.text}));
    match message.role {
        Role::System | Role::User => {
            let images = message
                .images
                .iter()
                .map(|image| json!({"inlineData": {"mimeType": image.media_type, "data": base64_of(image)}}));
            ("user", text.into_iter().chain(images).collect())
        }
        Role::Assistant => {
            if let Some(parts) = asked.opaque(message).and_then(Json::as_array) {
                return ("model", parts.clone());
            }
            let calls = message.tool_calls.iter().map(|call| {
                json!({"functionCall": {
                    "name": asked.names.sent(&call.tool), "args": as_object(&call.arguments),
                }})
            });
            ("model", text.into_iter().chain(calls).collect())
        }
        Role::Tool => {
            let name = asked.names.sent(asked.tool_of(message));
            let mut result = json!({"name": name, "response": {"output": message.text}});
            if let Some(id) = message.call.as_deref().filter(|id| !id.starts_with(OWN_ID)) {
                result["id"] = id.into();
            }
            ("user", vec![json!({"functionResponse": result})])
        }
    }
}

/// Reads answers in pieces until the connection ends.
#[derive(Default)]
pub(super) struct GeminiReader {
    /// The parts as they came, and whether one of them is signed.
    parts: Vec<Json>,
    is_signed: bool,
}

impl Reader for GeminiReader {
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken> {
        let event = object(data)?;
        if let Some(usage) = event.get("usageMetadata").filter(|usage| !usage.is_null()) {
            draft.usage = usage_of(usage);
        }
        if let Some(reason) = event["promptFeedback"].get("blockReason").and_then(Json::as_str) {
            draft.refusal = format!("the request was blocked: {reason}");
            (draft.finish, draft.end) = (Some(Finish::Refused), End::Possible);
        }
        let Some(candidate) = event.get("candidates").and_then(|list| list.get(0)) else {
            return Ok(());
        };
        for part in candidate["content"]
            .get("parts")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            self.part(draft, part)?;
        }
        if let Some(reason) = candidate.get("finishReason").filter(|reason| !reason.is_null()) {
            let why = candidate
                .get("finishMessage")
                .and_then(Json::as_str)
                .unwrap_or_default();
            draft.finish = Some(finish(reason, why)?);
            if draft.finish == Some(Finish::Refused) {
                draft.refusal = why.to_owned();
            }
            draft.end = End::Possible;
        }
        if self.is_signed {
            draft.kept = Some(self.parts.clone().into());
        }
        Ok(())
    }
}

impl GeminiReader {
    fn part(&mut self, draft: &mut Draft, part: &Json) -> Result<(), Broken> {
        let text = part.get("text").and_then(Json::as_str).unwrap_or_default();
        let signature = part
            .get("thoughtSignature")
            .and_then(Json::as_str)
            .unwrap_or_default();
        draft.unseen += signature.len();
        if part.get("thought") == Some(&Json::Bool(true)) {
            // A summary of its thoughts, for people; it does not want it back.
            draft.unseen += text.len();
            return Ok(());
        }
        self.is_signed |= !signature.is_empty();
        self.parts.push(part.clone());
        draft.text.push_str(text);
        if let Some(call) = part.get("functionCall").filter(|call| call.is_object()) {
            let field = |name: &str| call.get(name).and_then(Json::as_str).unwrap_or_default();
            draft.whole_call(
                field("id"),
                field("name"),
                call.get("args").unwrap_or(&Json::Null),
            )?;
        }
        Ok(())
    }
}

fn finish(reason: &Json, why: &str) -> Result<Finish, Broken> {
    let words = reason.as_str().unwrap_or_default();
    match words {
        "STOP" => Ok(Finish::Stop),
        "MAX_TOKENS" | "CONTINUATION" => Ok(Finish::Length),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ok(Finish::Refused),
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "MALFORMED_RESPONSE" | "OTHER" => {
            let why = match why {
                "" => String::new(),
                why => format!(": {why}"),
            };
            Err(Broken::Reply(format!("ended its answer with {words}{why}")))
        }
        _ => Err(Broken::Reply(format!(
            "ended its answer for an unknown reason: {reason}"
        ))),
    }
}

/// Thoughts and the results of its own tools are counted beside the others here.
fn usage_of(usage: &Json) -> Option<Usage> {
    let tally = Tally(usage);
    let thoughts = tally.or_zero(&["thoughtsTokenCount"])?;
    sound(Usage {
        input_tokens: tally.count(&["promptTokenCount"])? + tally.or_zero(&["toolUsePromptTokenCount"])?,
        // Left out where nothing was written.
        output_tokens: tally.or_zero(&["candidatesTokenCount"])? + thoughts,
        cache_read_tokens: tally.or_zero(&["cachedContentTokenCount"])?,
        reasoning_tokens: thoughts,
        audio_tokens: audio(usage, "promptTokensDetails")? + audio(usage, "candidatesTokensDetails")?,
        ..Usage::default()
    })
}

fn audio(usage: &Json, details: &str) -> Option<u64> {
    let parts = usage.get(details).and_then(Json::as_array).into_iter().flatten();
    let audio = parts.filter(|part| part.get("modality").is_some_and(|kind| kind == "AUDIO"));
    audio.map(|part| Tally(part).or_zero(&["tokenCount"])).sum()
}
