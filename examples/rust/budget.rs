//! What a call may cost is set aside before it is made. A call that might not fit its budget is refused, and the error says
//! where, how much was spent, and what was done until then.
//!
//! The model here plays a priced one: it answers from a script, and is charged by the list price of the model it stands for.
//!
//! ```sh
//! cargo run --example budget
//! ```

use segue::model::Rule;
use segue::view::CostLedger;
use segue::{Agent, Budget, IntoStep, Pipeline, Scripted, cents, usd};

const MODEL: &str = "openai/gpt-4o";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let writer = Agent::<String>::new("writer")
        .instructions("Write one chapter.")
        .model(MODEL)
        .max_tokens(500);

    let book = Pipeline::define("book", |p, topic| {
        let chapter = |text: String| format!("Go on after this:\n{text}");
        let first = p.step("first", writer.as_step(chapter), topic);
        let second = p.step("second", writer.as_step(chapter), first);
        p.step("third", writer.as_step(chapter).budget(usd(0.05)), second)
    })?;

    let page = "The centre in Leipzig opened in spring, and the queue was short by noon. ".repeat(14);
    let model = Scripted::new().named(MODEL).rule(Rule::reply(page));

    println!("## without a limit\n");
    let done = book
        .run("Repair centres".to_owned())
        .with_model(MODEL, model.clone())
        .await?;
    print!("{}", CostLedger::of(&done.view()));

    println!("\n## one cent for the whole run\n");
    match book
        .run("Repair centres".to_owned())
        .with_model(MODEL, model.clone())
        .budget(cents(1))
        .await
    {
        Err(error) if error.is_budget() => {
            println!("{error}");
            println!("stopped at `{}`", error.step().unwrap_or_default());
            println!("spent {} of $0.01", error.spent().cost);
            println!("done until then: {}", names(error.partial().keys()));
        }
        other => {
            other?;
        }
    }

    println!("\n## two calls, whatever they cost\n");
    match book
        .run("Repair centres".to_owned())
        .with_model(MODEL, model)
        .budget(Budget::UNLIMITED.requests(2))
        .await
    {
        Err(error) if error.is_budget() => println!("{error}"),
        other => {
            other?;
        }
    }
    Ok(())
}

fn names<'a>(steps: impl Iterator<Item = &'a String>) -> String {
    steps.map(String::as_str).collect::<Vec<_>>().join(", ")
}
