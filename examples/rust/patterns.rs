//! Registered agents, put to work by name: one after another, side by side, only if the first says so, and in a way that
//! the program defines itself.

use schemars::JsonSchema;
use segue::{Agent, Arrangement, Pattern, Registry};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Entities {
    entities: Vec<String>,
}

/// All but the last answer side by side; the last one is given what they said.
fn jury(agents: usize) -> Result<Arrangement, String> {
    if agents < 2 {
        return Err("needs two agents or more".into());
    }
    let mut jury = Arrangement::new();
    let voices: Vec<_> = (0..agents - 1).map(|agent| jury.ask(agent, &[])).collect();
    let verdict = jury.ask(agents - 1, &voices);
    Ok(jury.gives(verdict))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let extractor = Agent::<Entities>::new("extractor")
        .instructions("Extract key entities from text.")
        .model("local/extractive");
    let summarizer = Agent::<String>::new("summarizer")
        .instructions("Summarize text concisely.")
        .model("local/extractive");
    let gate = Agent::<bool>::new("gate")
        .instructions("Is this worth a summary?")
        .model("sim/schema");
    let registry = Registry::new()
        .agent(&extractor)
        .agent(&summarizer)
        .agent(&gate)
        .strategy("jury", jury);

    let prompt = json!({"prompt": "Northwind Devices opens a repair centre in Leipzig on Monday. Bring your receipt."});
    let patterns = [
        Pattern::sequential("line", ["extractor", "summarizer"]),
        Pattern::parallel("side_by_side", ["summarizer", "extractor"]),
        Pattern::conditional("maybe", ["gate", "summarizer"]).retries(1),
        Pattern::new("court", "jury", ["extractor", "summarizer", "summarizer"]),
    ];
    for pattern in patterns {
        let pipeline = pattern.pipeline(&registry)?;
        let done = pipeline.run(prompt.clone()).await?;
        println!("## {}", pattern.name());
        for step in &pipeline.plan().steps {
            let needs = step
                .needs
                .iter()
                .map(|need| pipeline.plan().steps[need.step as usize].name.as_str());
            let needs: Vec<&str> = needs.collect();
            let when = step.when.as_deref().map(|when| format!(" if {when}"));
            println!("{} → {}{}", needs.join(" "), step.name, when.unwrap_or_default());
        }
        println!("{}\n", done.output);
    }
    Ok(())
}
