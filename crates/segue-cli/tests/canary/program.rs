//! The program: whatever it is asked for, it tells the canary, in every form it knows.

use std::pin::Pin;
use std::process::ExitCode;

use segue::artifact::Media;
use segue::model::{Finish, Request, Response, ToolCall};
use segue::{
    Cx, ErrorKind, Failure, Model, Models, Registry, Result, StepError, Tool, ToolClass, ToolCx, ToolSpec,
};
use serde_json::{Value as Json, json};

use crate::search;

/// The variable that says in which file the canary stands; no place where secrets are.
pub(crate) const FILE: &str = "CANARY_FILE";

pub(crate) fn main() -> ExitCode {
    let registry = Registry::new()
        .tool(Teller {
            name: "canary.say",
            how: Ok,
        })
        .tool(Teller {
            name: "canary.tell",
            how: Ok,
        })
        .tool(Teller {
            name: "canary.fail",
            how: |told| Err(failed(&told)),
        })
        .tool(Teller {
            name: "canary.panic",
            how: |told| panic!("{told}"),
        })
        .tool(Teller {
            name: "canary.send",
            how: Ok,
        })
        .step("canary.keep", keep)
        .step("canary.ask", ask)
        .step("canary.again", again);
    segue_cli::main_with(registry, Models::offline().with("ollama/parrot", Parrot))
}

fn canary() -> String {
    let file = std::env::var_os(FILE).expect("it was looked for");
    std::fs::read_to_string(file).expect("the canary")
}

/// The canary in every form.
fn told() -> String {
    let forms = search::forms(&canary()).into_iter();
    let forms = forms.map(|(_, form)| String::from_utf8(form).expect("forms are text"));
    forms.collect::<Vec<_>>().join("\n")
}

fn failed(told: &str) -> StepError {
    StepError::of(ErrorKind::Tool, format!("refused: {told}")).hint(told)
}

struct Parrot;

impl Model for Parrot {
    fn name(&self) -> &str {
        "ollama/parrot"
    }

    fn answer<'a>(
        &'a self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let told = told();
            if request.from.agent == "refused" {
                return Err(Failure::new(
                    ErrorKind::BadRequest,
                    format!("no such key: {told}"),
                ));
            }
            let mut response = Response::text(told.clone());
            if request.messages.len() <= 2 {
                response.finish = Finish::ToolCalls;
                response.tool_calls = vec![ToolCall {
                    id: "1".into(),
                    tool: request
                        .tools
                        .first()
                        .map_or("canary.say", |tool| &tool.name)
                        .into(),
                    arguments: json!({"text": told}),
                }];
            }
            Ok(response)
        })
    }
}

struct Teller {
    name: &'static str,
    how: fn(String) -> Result<String>,
}

impl Tool for Teller {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({"type": "object", "properties": {"text": {"type": "string"}}});
        let class = match self.name {
            "canary.send" => ToolClass::Effectful,
            _ => ToolClass::ReadOnly,
        };
        ToolSpec::new(self.name, "Tells what it should not.", parameters).class(class)
    }

    fn call<'a>(
        &'a self,
        _cx: ToolCx,
        _arguments: Json,
    ) -> Pin<Box<dyn Future<Output = Result<Json, StepError>> + Send + 'a>> {
        Box::pin(async move {
            let told = (self.how)(told())?;
            Ok(match self.name {
                // A cassette is not written with a secret in the name of a field.
                "canary.tell" => json!({"text": told, "list": [canary()]}),
                _ => json!({"text": told, told: true, "list": [canary()]}),
            })
        })
    }
}

/// Leaves it in notes, spans and artifacts, of which one is written byte by byte.
async fn keep(cx: Cx, _given: Json) -> Result<String> {
    let told = told();
    cx.note(&told);
    cx.progress(50, &told);
    cx.span(&told, async { Ok(()) }).await?;
    cx.artifacts().save_text("kept.txt", &told).await?;
    let bytes = [&[0, 0xFF][..], told.as_bytes(), &[0xFE, 0]].concat();
    cx.artifacts().save_bytes("kept.bin", &bytes).await?;
    let mut pieces = cx.artifacts().write("pieces.md", Media::Markdown).await?;
    for piece in bytes.chunks(3) {
        pieces.append(piece).await?;
    }
    pieces.finish().await?;
    let unnamed = cx.artifacts().save_text("kan4ri.txt", "no secret").await;
    unnamed.map(|_| told)
}

async fn ask(cx: Cx, _given: Json) -> Result<String> {
    let told = told();
    let is_right = cx
        .ask::<bool>(&told)
        .text(&told)
        .known(json!({"so far": told}))
        .missing([&told]);
    Ok(format!("{} {told}", is_right.await?))
}

async fn again(_cx: Cx, _given: Json) -> Result<String> {
    Err(StepError::again(told()))
}
