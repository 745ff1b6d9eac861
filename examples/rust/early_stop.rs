//! A step that cannot go on says what it knows and what is missing. The run stops there, costs nothing while it waits, and
//! goes on from that step when somebody has filled in the rest.
//!
//! ```sh
//! cargo run --example early_stop
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use segue::{Cx, Outcome, Pipeline, Result, Runner, StepError};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Contact {
    name: String,
    email: String,
    city: String,
}

const FACTS: [&str; 3] = ["name", "email", "city"];

/// Reads `name: Ada` and so on, one fact on a line.
async fn read(_cx: Cx, letter: String) -> Result<Contact> {
    let known: BTreeMap<&str, &str> = letter
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(fact, _)| FACTS.contains(fact))
        .collect();
    let missing: Vec<&str> = FACTS
        .into_iter()
        .filter(|fact| !known.contains_key(fact))
        .collect();
    if !missing.is_empty() {
        return Err(StepError::incomplete(known, missing));
    }
    Ok(serde_json::from_value(json!(known))?)
}

async fn book(_cx: Cx, contact: Contact) -> Result<String> {
    let Contact { name, email, city } = contact;
    Ok(format!("{name} ({email}) is expected in {city}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bookings = Pipeline::define("bookings", |p, letter| {
        let contact = p.step("read", read, letter);
        p.step("book", book, contact)
    })?;
    let runner = Runner::builder().build()?;

    let complete = "name: Grace\nemail: grace@example.org\ncity: Leipzig";
    let incomplete = "name: Ada\nI will bring two phones.";
    for letter in [complete, incomplete] {
        let run = runner.start(&bookings, letter.to_owned()).await?;
        match run.outcome().await? {
            Outcome::Done(done) => println!("{}\n", done.output),
            Outcome::Waiting(question) => {
                println!("the run waits at `{}`", question.step);
                println!("  known:   {}", json!(question.known));
                println!("  missing: {}", question.missing.join(", "));

                // An answer that does not fit is refused, and the question stays open.
                if let Err(refused) = run.answer(question.id, json!({"city": "Leipzig"}), "clerk").await {
                    println!("  refused: {refused}");
                }
                run.answer(
                    question.id,
                    json!({"email": "ada@example.org", "city": "Leipzig"}),
                    "clerk",
                )
                .await?;
                println!("{}", run.done().await?.output);
            }
        }
    }
    Ok(())
}
