//! One call to a model: reserved, let through its gate, made, settled, recorded. Nothing reaches a model in another way.

use serde_json::{Value as Json, json};

use super::cx::{AttemptState, Cx};
use crate::error::{ErrorKind, Failure};
use crate::id::CallId;
use crate::log::{EventKind, KeptCall};
use crate::model::{Answered, Chosen, Request, Response};
use crate::plan::hash_of;
use crate::price::Priced;

mod gate;
mod held;
mod pieces;
mod reserve;

use pieces::Pieces;
use reserve::Wish;

/// Makes one call for an agent, at a position of the step.
///
/// # Errors
/// The model's error, or the refusal of a budget or of the model's gate.
pub(super) async fn call(
    cx: &Cx,
    agent: &str,
    model: &Chosen,
    mut request: Request,
    position: &str,
) -> Result<Response, Failure> {
    let state = cx.state();
    let asked = json!({"model": model.model.name(), "messages": request.messages});
    let key = format!("model {}", hash_of(&asked));
    if let Some(recorded) = cx.recorded(position, &key)? {
        return recorded.and_then(|json| {
            serde_json::from_value(json).map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
        });
    }
    let id = CallId::new(&*state.run.env.ids);
    let priced = price(state, model);
    let wish = Wish {
        cx,
        id,
        agent,
        model,
        priced: &priced,
        position,
    };
    let reserved = match wish.granted(&mut request).await {
        Ok(reserved) => reserved,
        Err(refusal) => {
            cx.keep(position, &key, Err(refusal.clone()));
            return Err(refusal);
        }
    };
    cx.written().await;
    let pass = match gate::passed(cx, id, model, &request).await {
        Ok(pass) => pass,
        Err(refusal) => {
            reserved.refused(&refusal, || KeptCall::of(position, &key, &Err(refusal.clone())));
            cx.remember(position, &key, Err(refusal.clone()));
            return Err(refusal);
        }
    };
    // It may have been told of a halt with that, or while it waited.
    cx.unhalted(id).await;
    crate::fail::point("K3");
    let idempotency_key = hash_of(&json!([
        state.run.id.to_string(),
        state.path(),
        position,
        asked,
        cx.rejected()
    ]));
    request.idempotency_key.clone_from(&idempotency_key);
    let shown = serde_json::to_value(&request).unwrap_or(Json::Null);
    cx.event(EventKind::CallStarted {
        call: id,
        idempotency_key,
        request: shown,
    });
    cx.written().await;
    crate::fail::point("K4");
    let pieces = Pieces::of(state, id);
    request.listener = pieces.listener();
    let mut flight = reserved.sent(priced, &request, pieces);
    let Answered { mut result, recorded } = model.model.answered(&request).await;
    // Before anybody sees it: a key that comes back in an answer or an error goes no further.
    state.run.env.redactor.answer(&mut result);
    if let Some(pass) = pass {
        pass.back(&result);
    }
    if recorded.is_some() {
        flight.was_recorded(model.model.name());
        cx.event(EventKind::CallReplayed {
            position: position.to_owned(),
            source: "cassette".into(),
            call: Some(id),
            recorded,
        });
    }
    crate::fail::point("K6");
    // A failure is kept like an answer: a step that handled it must find it again.
    let given = result.as_ref().map_err(Failure::clone);
    let given = given.map(|response| serde_json::to_value(response).unwrap_or(Json::Null));
    flight.landed(&result, || KeptCall::of(position, &key, &given));
    cx.remember(position, &key, given);
    cx.write_soon();
    if state.run.recorder.is_some() {
        // What is settled in the store is so from here on: whoever waits for that room finds it now.
        state.run.env.budgets.freed.notify_waiters();
    }
    result
}

fn price(state: &AttemptState, model: &Chosen) -> Priced {
    let (provider, name) = model
        .model
        .name()
        .split_once('/')
        .unwrap_or(("", model.model.name()));
    state.run.env.prices.look_up(provider, name)
}

/// Whether a call that failed so never reached a model, where the model does not say what was used.
fn never_sent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Offline | ErrorKind::NoModel | ErrorKind::CassetteMiss | ErrorKind::Network
    )
}
