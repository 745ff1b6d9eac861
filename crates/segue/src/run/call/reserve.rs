//! Reserving: the upper bound of a call is set aside in every budget above it, or in none. A call waits while only calls
//! in flight stand in its way; else its most output tokens are lowered to what fits; else its run waits for a person, or
//! it is refused.
//!
//! The budgets of a run are in the ledger of its process; those that it shares with others are in its store. Both are
//! decided on in one transaction of the store: only there nobody else can reserve or settle in between.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use super::held::Reserved;
use crate::budget::OnExceed;
use crate::budget::ledger::{Answer, Ask, Refusal, RefusalKind, Reservation};
use crate::budget::limit::{Amount, LimitReached};
use crate::clock::{self, Time};
use crate::error::{ErrorKind, Failure, Limit};
use crate::id::CallId;
use crate::lock::lock;
use crate::log::{CallKind, EventKind};
use crate::model::{Chosen, Request};
use crate::price::Priced;
use crate::question::{Ask as Question, QuestionKind};
use crate::run::cx::{AttemptState, Cx};
use crate::run::recorder::Recorder;
use crate::run::shared::{Above, Held, Met, RunShared, SharedBudget};
use crate::schema::Schema;
use crate::store::{Amounts, StoreError};

/// How long a call waits at most before it looks again whether a budget has room that other processes use too.
const LOOK: Duration = clock::millis(200);
/// The pauses before a store that is full or locked is asked again.
const PAUSES: (Duration, Duration) = (clock::millis(50), clock::secs(5));

/// A call that wants to be made.
pub(super) struct Wish<'a> {
    pub(super) cx: &'a Cx,
    pub(super) id: CallId,
    pub(super) agent: &'a str,
    pub(super) model: &'a Chosen,
    pub(super) priced: &'a Priced,
    pub(super) position: &'a str,
}

impl<'a> Wish<'a> {
    /// Reserves the upper bound of the call; lowers its most output tokens where that makes it fit.
    ///
    /// # Errors
    /// The refusal of a budget.
    pub(super) async fn granted(&self, request: &mut Request) -> Result<Reserved<'a>, Failure> {
        let state = self.state();
        let above = state.run.above(state.unit);
        let most = u64::from(request.settings.max_tokens.unwrap_or(4096));
        let ask = Ask::new(self.priced.price, request.input_tokens(), most);
        let (held, clamped) = self.held(&above, &ask).await?;
        if let Some(clamped) = clamped {
            request.settings.max_tokens = Some(clamped);
        }
        Ok(Reserved::new(state, self.id, held))
    }

    fn state(&self) -> &'a AttemptState {
        self.cx.state()
    }

    async fn held(&self, above: &Above, ask: &Ask) -> Result<(Held, Option<u32>), Failure> {
        let run = &self.state().run;
        let mut told = false;
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        let mut asking = None;
        loop {
            self.cx.unhalted(self.id).await;
            let mut freed = pin!(run.env.budgets.freed.notified());
            freed.as_mut().enable();
            // Anew each time: a call that waits past midnight falls into the next day.
            let shared = above.shared(run, self.agent, self.model);
            let answer = match &run.recorder {
                Some(recorder) if !shared.is_empty() => {
                    let asking = asking.get_or_insert_with(|| Asking::new(run, recorder, self.id));
                    self.ask_store(asking, above, &shared, ask).await?
                }
                _ => run.env.budgets.reserve(run.id, &above.own, &shared, ask, |met| {
                    self.note(above, &shared, met);
                })?,
            };
            match answer {
                Answer::Granted(held) => {
                    let clamped = clamped_to(&held.reservation);
                    return Ok((held, clamped));
                }
                Answer::Wait { beside } => {
                    if !told {
                        told = true;
                        self.cx.event(EventKind::CallWaiting {
                            call: self.id,
                            reason: "budget".into(),
                            until: None,
                        });
                    }
                    let blocking = beside.and_then(|at| shared.get(at));
                    match (blocking, &run.recorder) {
                        // Nobody can settle anything of these budgets but this process.
                        (None, _) | (_, None) => {
                            turn = None;
                            freed.await;
                        }
                        (Some(_), Some(_)) if turn.is_some() => {
                            let _ = clock::within(Some(LOOK), freed).await;
                        }
                        // A thousand calls that wait do not all ask the store whenever one comes back.
                        (Some(budget), Some(_)) => turn = Some(run.env.budgets.turn(&budget.key.name).await),
                    }
                }
                Answer::Refused(refusal) => return self.refused(&shared, refusal).await,
            }
        }
    }

    /// Asks the run's own budgets, and then these and the store's together.
    async fn ask_store(
        &self,
        asking: &mut Asking<'_>,
        above: &Above,
        shared: &[SharedBudget],
        ask: &Ask,
    ) -> Result<Answer<Held>, Failure> {
        let run = &self.state().run;
        let note = |met: Met<'_>| self.note(above, shared, met);
        match run.env.budgets.look(run.id, &above.own, shared, ask, note)? {
            Answer::Granted(()) => {}
            Answer::Wait { beside } => return Ok(Answer::Wait { beside }),
            Answer::Refused(refusal) => return Ok(Answer::Refused(refusal)),
        }
        let answer = asking.answer(above, shared, ask).await?;
        if let Answer::Granted(held) = &answer {
            self.note(above, shared, Met::Granted(&held.reservation));
        }
        Ok(answer)
    }

    /// Writes down what happens while the call is reserved.
    fn note(&self, above: &Above, shared: &[SharedBudget], met: Met<'_>) {
        let own = above.own.iter().map(|(_, name, _)| name);
        let shared = shared.iter().map(|budget| &budget.key.name);
        self.cx.event(match met {
            Met::Budget { name, budget, window } => EventKind::BudgetOpened {
                name: name.to_owned(),
                budget: *budget,
                window: window.map(str::to_owned),
            },
            Met::Granted(reserved) => EventKind::CallReserved {
                call: self.id,
                kind: CallKind::Model,
                model: Some(self.model.model.name().to_owned()),
                tool: None,
                agent: Some(self.agent.to_owned()),
                attempt: self.state().attempt,
                position: self.position.to_owned(),
                reserved_nanousd: reserved.nanousd,
                reserved_tokens: reserved.tokens,
                budgets: own.chain(shared).cloned().collect(),
                max_tokens_clamped_to: clamped_to(reserved),
            },
        });
    }

    /// Waits for a person to raise the budget, where it says so.
    ///
    /// # Errors
    /// The refusal, where it does not.
    async fn refused<T>(&self, shared: &[SharedBudget], refusal: Refusal) -> Result<T, Failure> {
        let (state, path) = (self.state(), self.state().path());
        // A limit on single calls is named after its budget, and does not begin anew.
        let resets = shared.iter().find(|budget| budget.key.name == refusal.limit.name);
        let resets = resets.map(|budget| budget.resets);
        let limit = limit(&refusal.limit);
        let mut failure = match refusal.kind {
            RefusalKind::Unpriced => Failure::new(
                ErrorKind::Unpriced,
                format!(
                    "step `{path}`: model `{}` has no known price, and budget `{}` is in dollars",
                    self.model.chosen, limit.name
                ),
            )
            .hint("give its price, or allow it with `allow_unpriced` and a limit in tokens or requests"),
            RefusalKind::Budget => Failure::new(
                ErrorKind::Budget,
                format!(
                    "step `{path}` reached its budget on attempt {}: {}",
                    state.attempt, refusal.limit
                ),
            )
            .hint(match resets {
                None => "raise the budget, for this run with `--budget`".to_owned(),
                Some(at) => {
                    format!(
                        "runs share this budget: it begins anew at {at}; wait, or raise it where it is set"
                    )
                }
            }),
        };
        failure.limit = Some(limit.clone());
        failure.step = Some(path);
        failure.attempt = Some(state.attempt);
        if refusal.on_exceed == OnExceed::Pause {
            return self.cx.suspend(raise(limit, &failure.message, resets)).await;
        }
        self.cx.event(EventKind::CallRefused {
            call: self.id,
            error: Box::new(failure.clone()),
        });
        Err(failure)
    }
}

/// The question whether a budget is to be raised.
fn raise(limit: Limit, why: &str, resets: Option<Time>) -> Question {
    let form = json!({"type": "string", "minLength": 1, "description": "the new limits, for example `1.00`"});
    let mut ask = Question::new(
        format!("budget `{}` is used up; raise it?", limit.name),
        Schema::trusted(form),
    );
    ask.text = Some(match resets {
        None => why.to_owned(),
        Some(at) => format!(
            "{why}\nRuns share this budget. It begins anew at {at}; a higher limit holds for this run alone."
        ),
    });
    ask.kind = QuestionKind::Budget;
    ask.budget = Some(limit);
    ask
}

/// What most output tokens were lowered to, if they were.
fn clamped_to(reserved: &Reservation) -> Option<u32> {
    reserved
        .clamped_from
        .and_then(|_| u32::try_from(reserved.max_tokens).ok())
}

fn limit(reached: &LimitReached) -> Limit {
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

/// A call about which a store is being asked. When it is dropped before it knows the answer, whatever was or will be set
/// aside for it is given back: the call is never sent.
struct Asking<'a> {
    run: &'a Arc<RunShared>,
    recorder: &'a Arc<Recorder>,
    id: CallId,
    decided: Arc<Mutex<Decided>>,
    /// Whether the store may hold something for it.
    is_open: bool,
}

/// What was decided inside the store.
#[derive(Default)]
struct Decided {
    answer: Option<Result<Answer<Held>, Failure>>,
    /// Nobody wants to know any more.
    is_gone: bool,
}

impl<'a> Asking<'a> {
    fn new(run: &'a Arc<RunShared>, recorder: &'a Arc<Recorder>, id: CallId) -> Self {
        Self {
            run,
            recorder,
            id,
            decided: Arc::default(),
            is_open: false,
        }
    }

    /// What the store and the run's own budgets say together. Does not return when the run cannot be written any more.
    async fn answer(
        &mut self,
        above: &Above,
        shared: &[SharedBudget],
        ask: &Ask,
    ) -> Result<Answer<Held>, Failure> {
        let (mut pause, longest) = PAUSES;
        loop {
            self.is_open = true;
            let error = match self.reserve(above, shared, ask).await {
                Ok(amounts) => {
                    self.is_open = false;
                    return self.answered(amounts.is_some()).await;
                }
                Err(error) => error,
            };
            if !error.is_passing() {
                // What was decided goes with the call: the run can be written no more.
                self.recorder.stop(error);
                return std::future::pending().await;
            }
            // Whether the store holds something now, only it knows; what was decided stays until it says so.
            clock::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// What was decided last, now that the store has said whether it holds something for the call.
    async fn answered(&self, is_held: bool) -> Result<Answer<Held>, Failure> {
        let decided = lock(&self.decided).answer.take();
        let held = match (is_held, decided) {
            (true, Some(Ok(Answer::Granted(held)))) => held,
            (false, Some(Ok(Answer::Granted(held)))) => {
                // Granted, and not held after all: as if nobody had asked.
                self.run.env.budgets.release(held, || ());
                return Ok(Answer::Wait { beside: Some(0) });
            }
            (false, Some(other)) => return other,
            (is_held, _) => {
                if is_held {
                    self.recorder.give_back(self.id);
                }
                let store = self.recorder.store().name();
                let message = format!("store `{store}` answered for a call about which it asked nobody");
                return Err(Failure::new(ErrorKind::Internal, message));
            }
        };
        if self.recorder.holds(self.id) {
            return Ok(Answer::Granted(held));
        }
        // The run is over. Only what outlives its attempt can still ask.
        self.run.env.budgets.release(held, || ());
        self.recorder.give_back(self.id);
        std::future::pending().await
    }

    fn reserve(
        &self,
        above: &Above,
        shared: &[SharedBudget],
        ask: &Ask,
    ) -> impl Future<Output = Result<Option<Amounts>, StoreError>> + use<> {
        let keys = shared.iter().map(|budget| budget.key.clone()).collect();
        let (decided, run, ask) = (self.decided.clone(), self.run.clone(), *ask);
        let (own, shared) = (above.own.clone(), shared.to_vec());
        let decide = move |standing: &[crate::store::Account]| {
            let decided = &mut *lock(&decided);
            if decided.is_gone {
                return None;
            }
            if let Some(Ok(Answer::Granted(earlier))) = decided.answer.take() {
                // The store was asked before, and what was decided then came to nothing.
                run.env.budgets.release(earlier, || ());
            }
            let answer = run.env.budgets.decide(run.id, &own, &shared, standing, &ask);
            let amounts = match &answer {
                Ok(Answer::Granted(held)) => Some(held.amounts()),
                _ => None,
            };
            decided.answer = Some(answer);
            amounts
        };
        self.recorder.reserve(self.id, keys, Box::new(decide))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let decided = {
            let decided = &mut *lock(&self.decided);
            decided.is_gone = true;
            decided.answer.take()
        };
        self.recorder.give_back(self.id);
        if let Some(Ok(Answer::Granted(held))) = decided {
            self.run.env.budgets.release(held, || ());
        }
        self.run.env.budgets.freed.notify_waiters();
    }
}
