//! A content system that offers its tools to pipeline files: the agents of `content/content.yaml` read, save and publish
//! articles here, and publishing waits for a person.
//!
//! ```sh
//! cargo run --example content -- run examples/content/content.yaml#quick_analysis --content-id 7
//! cargo run --example content -- run examples/content/content.yaml --content-id 7
//! ```
//!
//! It also registers two agents, whose answers are types of the program. The operator puts them to work by name, in
//! `segue.toml`; `cargo run --example content -- run digest --prompt "…"` then runs them as a pipeline:
//!
//! ```toml
//! [patterns.digest]
//! strategy = "parallel"
//! steps = ["digester", "headliner"]
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{LazyLock, Mutex, PoisonError};

use schemars::JsonSchema;
use segue::{Agent, Registry, Result, StepError, ToolCx, tool};
use serde::{Deserialize, Serialize};

/// An article.
#[derive(Clone)]
struct Article {
    text: String,
    is_published: bool,
}

/// The articles there are. A real system keeps them in its database.
static ARTICLES: LazyLock<Mutex<BTreeMap<u64, Article>>> = LazyLock::new(|| {
    let text = "Northwind Devices repairs phones. The centre in Leipzig will be open from Monday.";
    let article = Article {
        text: text.to_owned(),
        is_published: false,
    };
    Mutex::new(BTreeMap::from([(7, article)]))
});

/// Does something with an article.
fn with<T>(content_id: u64, act: impl FnOnce(&mut Article) -> T) -> Result<T> {
    let mut articles = ARTICLES.lock().unwrap_or_else(PoisonError::into_inner);
    match articles.get_mut(&content_id) {
        Some(article) => Ok(act(article)),
        None => Err(StepError::fatal(format!("there is no content {content_id}"))),
    }
}

/// The text of an article.
#[tool(name = "app.get_content_text", class = read_only)]
async fn get_content_text(_cx: ToolCx, content_id: u64) -> Result<String> {
    with(content_id, |article| article.text.clone())
}

/// Keeps a better text of an article.
#[tool(name = "app.save_enhanced_content", class = idempotent)]
async fn save_enhanced_content(_cx: ToolCx, content_id: u64, text: String) -> Result<String> {
    with(content_id, |article| article.text = text)?;
    Ok("saved".to_owned())
}

/// Makes an article visible to everybody.
#[tool(name = "app.publish_to_cms", class = effectful)]
async fn publish_to_cms(_cx: ToolCx, content_id: u64) -> Result<String> {
    let was_published = with(content_id, |article| {
        std::mem::replace(&mut article.is_published, true)
    })?;
    Ok(match was_published {
        true => format!("content {content_id} was published already"),
        false => format!("Published content {content_id} to CMS"),
    })
}

/// What a text is about.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Digest {
    summary: String,
    keywords: Vec<String>,
}

fn main() -> ExitCode {
    let digester = Agent::<Digest>::new("digester")
        .instructions("Summarize the text and name its key terms.")
        .model("local/extractive");
    let headliner = Agent::<String>::new("headliner")
        .instructions("Write a headline.")
        .model("local/extractive");
    segue_cli::main(
        Registry::new()
            .agent(&digester)
            .agent(&headliner)
            .tool(get_content_text {})
            .tool(save_enhanced_content {})
            .tool(publish_to_cms {}),
    )
}
