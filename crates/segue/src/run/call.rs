//! One call to a model: reserved, made, settled, recorded. Nothing reaches a model in another way.

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::cx::{AttemptState, Cx};
use super::shared::{Met, day_name};
use crate::budget::ledger::{Ask, Decision, RefusalKind, Reservation};
use crate::budget::limit::Amount;
use crate::budget::{Budget, OnExceed};
use crate::clock;
use crate::error::{ErrorKind, Failure, Limit, Spent};
use crate::id::CallId;
use crate::log::{CallKind, EventKind};
use crate::model::{Chosen, Request, Response, tokens_of};
use crate::money::{Cost, Nanousd};
use crate::plan::hash_of;
use crate::price::{PriceSource, Priced};
use crate::question::{Ask as Question, QuestionKind};
use crate::schema::Schema;
use crate::usage::Usage;

/// A token count beyond this is no token count.
const MOST_TOKENS: u64 = 10_000_000;

/// Makes one call for an agent, at a position of the step.
///
/// # Errors
/// The model's error, or the refusal of a budget.
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
    let reserved = match reserve(cx, &mut request, &priced, position, id, agent, model).await {
        Ok(reserved) => reserved,
        Err(refusal) => {
            cx.keep(position, &key, Err(refusal.clone()));
            return Err(refusal);
        }
    };
    cx.written().await;
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
    state.sent();
    let mut flight = Flight {
        state,
        id,
        reserved: Some(reserved),
        began: clock::now(),
        priced,
        request: &request,
    };
    let result = model.model.answer(&request).await;
    crate::fail::point("K6");
    flight.landed(&result);
    // A failure is kept like an answer: a step that handled it must find it again.
    let kept = result.as_ref().map_err(Failure::clone);
    cx.keep(
        position,
        &key,
        kept.map(|response| serde_json::to_value(response).unwrap_or(Json::Null)),
    );
    cx.write_soon();
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

/// Reserves the upper bound of the call against every budget above it; waits while only calls in flight stand in the
/// way; lowers the most output tokens to what fits; pauses or refuses otherwise.
async fn reserve(
    cx: &Cx,
    request: &mut Request,
    priced: &Priced,
    position: &str,
    id: CallId,
    agent: &str,
    model: &Chosen,
) -> Result<Reservation, Failure> {
    let state = cx.state();
    let run = &state.run;
    let accounts = run.accounts(state.unit);
    let daily = daily(state);
    let most = u64::from(request.settings.max_tokens.unwrap_or(4096));
    let ask = Ask::new(priced.price, request.input_tokens(), most);
    let mut names: Vec<String> = accounts.iter().map(|(_, name, _)| name.clone()).collect();
    names.extend(daily.iter().map(|(pipeline, ..)| day_name(pipeline)));
    let mut told = false;
    loop {
        let freed = run.env.budgets.freed.notified();
        let mut freed = std::pin::pin!(freed);
        freed.as_mut().enable();
        let day = daily
            .as_ref()
            .map(|(pipeline, day, budget)| (pipeline.as_str(), *day, *budget));
        let note = |met: Met<'_>| {
            cx.event(match met {
                Met::Budget(name, budget) => EventKind::BudgetOpened {
                    name: name.to_owned(),
                    budget: *budget,
                },
                Met::Granted(reserved) => EventKind::CallReserved {
                    call: id,
                    kind: CallKind::Model,
                    model: Some(model.model.name().to_owned()),
                    tool: None,
                    agent: Some(agent.to_owned()),
                    attempt: state.attempt,
                    position: position.to_owned(),
                    reserved_nanousd: reserved.nanousd,
                    reserved_tokens: reserved.tokens,
                    budgets: names.clone(),
                    max_tokens_clamped_to: clamped_to(reserved),
                },
            });
        };
        match run.env.budgets.reserve(run.id, &accounts, day, &ask, note)? {
            Decision::Granted(reserved) => {
                if let Some(clamped) = clamped_to(&reserved) {
                    request.settings.max_tokens = Some(clamped);
                }
                return Ok(reserved);
            }
            Decision::Wait { .. } => {
                if !told {
                    told = true;
                    cx.event(EventKind::CallWaiting {
                        call: id,
                        reason: "budget".into(),
                    });
                }
                freed.await;
            }
            Decision::Refused(refusal) => {
                let path = state.path();
                let limit = limit(&refusal.limit);
                let failure = match refusal.kind {
                    RefusalKind::Unpriced => Failure::new(
                        ErrorKind::Unpriced,
                        format!(
                            "step `{path}`: model `{}` has no known price, and budget `{}` is in dollars",
                            model.chosen, limit.name
                        ),
                    )
                    .hint(
                        "give its price, or allow it with `allow_unpriced` and a limit in tokens or requests",
                    ),
                    RefusalKind::Budget => Failure::new(
                        ErrorKind::Budget,
                        format!(
                            "step `{path}` reached its budget on attempt {}: {}",
                            state.attempt, refusal.limit
                        ),
                    )
                    .hint("raise the budget, for this run with `--budget`"),
                };
                let mut failure = failure;
                failure.limit = Some(limit.clone());
                failure.step = Some(path);
                failure.attempt = Some(state.attempt);
                if refusal.on_exceed == OnExceed::Pause {
                    let mut ask = Question::new(
                        format!("budget `{}` is used up; raise it?", limit.name),
                        Schema::trusted(
                            json!({"type": "string", "minLength": 1, "description": "the new limits, for example `1.00`"}),
                        ),
                    );
                    ask.text = Some(failure.message.clone());
                    ask.kind = QuestionKind::Budget;
                    ask.budget = Some(limit);
                    return cx.suspend(ask).await;
                }
                cx.event(EventKind::CallRefused {
                    call: id,
                    error: Box::new(failure.clone()),
                });
                return Err(failure);
            }
        }
    }
}

/// What most output tokens were lowered to, if they were.
fn clamped_to(reserved: &Reservation) -> Option<u32> {
    reserved
        .clamped_from
        .and_then(|_| u32::try_from(reserved.max_tokens).ok())
}

/// The budget over all runs of the pipeline in a day, with the day in UTC.
fn daily(state: &AttemptState) -> Option<(String, i64, Budget)> {
    let scope = state.run.log.scope(0)?;
    let budget = scope.plan.run.budget?.daily()?;
    let day = state.run.log.clock().time().micros().div_euclid(86_400_000_000);
    Some((scope.plan.name.clone(), day, budget))
}

fn limit(reached: &crate::budget::limit::LimitReached) -> Limit {
    Limit {
        name: reached.name.clone(),
        unit: serde_json::to_value(reached.unit)
            .ok()
            .and_then(|unit| unit.as_str().map(str::to_owned))
            .unwrap_or_default(),
        limit: figure(reached.limit),
        spent: Some(figure(reached.spent)),
        reserved: Some(figure(reached.reserved)),
        needed: reached.needed.map(figure),
    }
}

/// The bare figure of an amount; its unit stands beside it.
fn figure(amount: Amount) -> String {
    match amount {
        Amount::Usd(money) => money.to_string(),
        Amount::Tokens(count) | Amount::Requests(count) => count.to_string(),
    }
}

/// A call that was sent. When it is dropped before it lands its outcome is unknown, and its reservation stays counted.
struct Flight<'a> {
    state: &'a AttemptState,
    id: CallId,
    reserved: Option<Reservation>,
    began: Instant,
    priced: Priced,
    request: &'a Request,
}

impl Flight<'_> {
    fn landed(&mut self, result: &Result<Response, Failure>) {
        let Some(reserved) = self.reserved.take() else {
            return;
        };
        let (mut usage, estimated) = match result {
            Ok(response) => self.usage(response),
            // A failed call is counted with what was sent, unless it never got there.
            Err(failure) if never_sent(failure.kind) => (Usage::default(), false),
            Err(Failure {
                spent: Some(spent), ..
            }) => (spent.usage, false),
            Err(_) => (
                Usage {
                    input_tokens: self.request.input_tokens(),
                    ..Usage::default()
                },
                true,
            ),
        };
        usage.requests = 1;
        usage.model_ms = clock::millis_since(self.began);
        let mut cost = match &self.priced.price {
            Some(price) => Cost::of(price.cost_of(&usage).unwrap_or(reserved.nanousd)),
            None => Cost::unpriced(),
        };
        if estimated {
            cost = cost.estimated();
        }
        self.state.add(&Spent { usage, cost });
        let event = match result {
            Ok(response) => EventKind::CallSucceeded {
                call: self.id,
                usage,
                cost,
                price: Some(source(self.priced.source).to_owned()),
                finish_reason: Some(response.finish.to_string()),
                response: json!({"text": response.text, "tool_calls": response.tool_calls}),
                estimated,
            },
            Err(failure) => EventKind::CallFailed {
                call: self.id,
                error: Box::new(failure.clone()),
                usage,
                cost,
            },
        };
        let run = &self.state.run;
        let note = || run.log.note(self.state.unit, event);
        run.env.budgets.settle(reserved, &usage, cost.nanousd, note);
    }

    /// What the model says it used, when that can be; else an upper bound of our own.
    fn usage(&self, response: &Response) -> (Usage, bool) {
        if let Some(usage) = response.usage
            && usage.input_tokens <= MOST_TOKENS
            && usage.output_tokens <= MOST_TOKENS
        {
            return (usage, false);
        }
        let usage = Usage {
            input_tokens: self.request.input_tokens(),
            output_tokens: tokens_of(&response.text).max(1),
            ..Usage::default()
        };
        (usage, true)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.state.came_back();
        let Some(reserved) = self.reserved.take() else {
            return;
        };
        let run = &self.state.run;
        let mut uncertain = Nanousd::ZERO;
        run.env.budgets.uncertain(reserved, |held_nanousd| {
            uncertain = held_nanousd;
            let call = self.id;
            run.log
                .note(self.state.unit, EventKind::CallUncertain { call, held_nanousd });
        });
        let usage = Usage {
            input_tokens: self.request.input_tokens(),
            requests: 1,
            ..Usage::default()
        };
        let cost = Cost::uncertain(uncertain);
        self.state.add(&Spent { usage, cost });
    }
}

fn never_sent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Offline | ErrorKind::NoModel | ErrorKind::CassetteMiss | ErrorKind::Network
    )
}

fn source(source: PriceSource) -> &'static str {
    match source {
        PriceSource::List => "list",
        PriceSource::Override => "override",
        PriceSource::Local => "local",
        PriceSource::Unpriced => "unpriced",
        PriceSource::Recorded => "recorded",
    }
}
