//! Hosted models against a scripted provider: what is sent, what is read, and what every fault becomes, in each protocol.

mod answers;
mod faults;
mod forms;
mod kept;
mod listing;
mod litellm;
mod official;
mod pipeline;
mod requests;
mod say;
mod server;

use segue::model::{From, Listener, Message, Request, Role};
use segue::plan::ModelSettings;

/// A request with instructions and one question.
fn asking(text: &str) -> Request {
    Request {
        messages: vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, text),
        ],
        output: None,
        tools: Vec::new(),
        settings: ModelSettings {
            max_tokens: Some(1000),
            ..ModelSettings::default()
        },
        idempotency_key: "key-1".to_owned(),
        from: From::default(),
        listener: Listener::default(),
    }
}
