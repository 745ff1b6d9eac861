//! A model chooses the arm. When it is not to be had, a default does, the run goes on, and the record says which it was.
//!
//! ```sh
//! cargo run --example fallback_router
//! ```

use segue::model::Rule;
use segue::{Agent, Cx, ErrorKind, IntoStep, OnError, Pipeline, Result, Route, Scripted, Value};

#[derive(Clone, Copy, Debug, Route)]
enum Desk {
    Repairs,
    Sales,
    Anybody,
}

async fn repairs(_cx: Cx, letter: String) -> Result<String> {
    Ok(format!("repairs will look at: {letter}"))
}

async fn sales(_cx: Cx, letter: String) -> Result<String> {
    Ok(format!("sales will make an offer for: {letter}"))
}

async fn anybody(_cx: Cx, letter: String) -> Result<String> {
    Ok(format!("a person will read: {letter}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chooser = Agent::<Desk>::new("chooser")
        .instructions("Which desk is this letter for?")
        .model("openai/gpt-4o-mini");

    let letters = Pipeline::define("letters", |p, letter| {
        let desk = p.step(
            "choose",
            chooser
                .as_step(|letter: String| letter)
                .on_error(OnError::Use(Value::new(Desk::Anybody))),
            letter,
        );
        p.route("desk", desk)
            .when(Desk::Repairs, |p| p.step("repairs", repairs, letter))
            .when(Desk::Sales, |p| p.step("sales", sales, letter))
            .when(Desk::Anybody, |p| p.step("anybody", anybody, letter))
            .merge()
    })?;

    // Stands for the hosted model: it answers two letters, and has no key for the third.
    let model = Scripted::new()
        .named("openai/gpt-4o-mini")
        .rule(Rule::reply("repairs").prompt_contains("broken"))
        .rule(Rule::reply("sales").prompt_contains("price"))
        .rule(Rule::error(ErrorKind::Authentication));

    for letter in [
        "my phone is broken",
        "what is the price of ten phones",
        "good morning",
    ] {
        let done = letters
            .run(letter.to_owned())
            .with_model("openai/gpt-4o-mini", model.clone())
            .await?;
        let view = done.view();
        println!("{}", done.output);
        let attempts = view.step("choose").map(|step| step.attempts.as_slice());
        if let Some(error) = attempts.and_then(|attempts| attempts.last()?.error.as_ref()) {
            println!("  the default decided, because: {error}");
        }
    }
    Ok(())
}
