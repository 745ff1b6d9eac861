//! People: what a run is told from outside — answers, cancels, raised budgets — checked, accepted once, and handed to
//! whoever works on the run; where nobody does, this process takes it up.

use std::sync::Arc;

use serde_json::Value as Json;

use super::desk::Desk;
use super::resume::{Taken, Turn, resume};
use super::session::{End, Session};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::{QuestionId, RunId};
use crate::log::EventKind;
use crate::question::{Question, QuestionKind, QuestionStatus};
use crate::run::{OpResult, limits_of};
use crate::schema::Schema;
use crate::store::{SignalKind, Signalled};
use crate::value::Value;
use crate::view::RunStatus;

/// Answers a question of a stored run.
///
/// # Errors
/// Kind `invalid_input` with every reason for an answer that does not fit: the question stays open; `not_found`;
/// `conflict` when it is not open any more.
pub(crate) async fn answer(
    desk: &Arc<Desk>,
    question: QuestionId,
    mut answer: Json,
    by: &str,
    via: &str,
) -> Result<(), Error> {
    desk.env.redactor.json(&mut answer);
    let found = desk.store().question(question).await?;
    let found = found.ok_or_else(|| refused(None, no_such_question(question)))?;
    let run = found.run;
    if found.status != QuestionStatus::Open {
        return Err(refused(Some(run), closed(question, found.status)));
    }
    let now = desk.now();
    if let Err((errors, failure)) = check(&found, &answer) {
        let refusal = SignalKind::Refused {
            question,
            by: by.to_owned(),
            errors,
        };
        desk.store().signal(refusal, run, now).await?;
        desk.poke(run);
        return Err(refused(Some(run), failure));
    }
    let signal = SignalKind::Answer {
        question,
        answer,
        by: by.to_owned(),
        via: via.to_owned(),
    };
    match desk.store().signal(signal, run, now).await? {
        Signalled::Sent(_) => {}
        Signalled::Closed(status) => return Err(refused(Some(run), closed(question, status))),
        Signalled::Unknown | Signalled::Over(_) => {
            return Err(refused(Some(run), no_such_question(question)));
        }
    }
    crate::fail::point("K13");
    go_on(desk, run, "answer", Turn::Wanted).await
}

/// Cancels a stored run. Gives how it had ended, if it had: then nothing changes.
///
/// # Errors
/// When there is no such run, or the store cannot be written.
pub(crate) async fn cancel(
    desk: &Arc<Desk>,
    run: RunId,
    by: &str,
    reason: Option<&str>,
) -> Result<Option<RunStatus>, Error> {
    let reason = reason.map(|reason| desk.env.redactor.text(reason));
    let reason = reason.as_deref();
    let signal = SignalKind::Cancel {
        by: by.to_owned(),
        reason: reason.map(str::to_owned),
    };
    match desk.store().signal(signal, run, desk.now()).await? {
        Signalled::Over(status) => Ok(Some(status)),
        Signalled::Unknown | Signalled::Closed(_) => Err(super::read::no_such_run(run)),
        Signalled::Sent(_) => {
            if !desk.poke(run) && matches!(resume(desk, run, "resume", Turn::Free).await?, Taken::NotOurs(_))
            {
                super::unlinked::cancel(desk, run, by, reason).await?;
            }
            Ok(None)
        }
    }
}

/// Replaces the limits of one of the budgets of a stored run: what the limits do not name stays as it was.
///
/// # Errors
/// When the run is over, or the store cannot be written.
pub(crate) async fn raise(
    desk: &Arc<Desk>,
    run: RunId,
    budget: &str,
    limits: Budget,
    by: &str,
) -> Result<(), Error> {
    let signal = SignalKind::Raise {
        budget: budget.to_owned(),
        limits,
        by: by.to_owned(),
    };
    match desk.store().signal(signal, run, desk.now()).await? {
        Signalled::Sent(_) => go_on(desk, run, "budget_raised", Turn::Wanted).await,
        Signalled::Over(status) => {
            let message = format!("run {run} is over ({status}); its budgets do not matter any more");
            Err(refused(Some(run), Failure::new(ErrorKind::Conflict, message)))
        }
        Signalled::Unknown | Signalled::Closed(_) => Err(super::read::no_such_run(run)),
    }
}

/// Sees to it that a run takes up what it was told: whoever works on it hears of it; where nobody does, and this process
/// can, it does.
async fn go_on(desk: &Arc<Desk>, run: RunId, reason: &str, turn: Turn) -> Result<(), Error> {
    if desk.poke(run) {
        return Ok(());
    }
    match resume(desk, run, reason, turn).await? {
        // It was accepted, and whoever can run it takes it up.
        Taken::Up(_) | Taken::Held(_) | Taken::Over | Taken::Asks | Taken::NotOurs(_) => {}
        Taken::NoTurn => desk.queue(run),
    }
    Ok(())
}

/// Answers a question of a run in memory.
///
/// # Errors
/// As [`answer`].
pub(crate) fn answer_here(
    session: &Session,
    question: QuestionId,
    answer: &Json,
    by: &str,
) -> Result<(), Error> {
    let shared = &session.shared;
    let mut answer = answer.clone();
    shared.env.redactor.json(&mut answer);
    let answer = &answer;
    let refuse = |failure| refused(Some(shared.id), failure);
    let open = shared
        .questions
        .list()
        .into_iter()
        .find(|open| open.id == question);
    let limits = match &open {
        Some(open) if open.kind == QuestionKind::Budget => Some((open, limits_of(answer).map_err(refuse)?)),
        _ => None,
    };
    let unit = shared
        .questions
        .accept(shared, question, answer, by)
        .map_err(refuse)?;
    if let Some((open, limits)) = limits {
        shared.raise_for(open, limits, by);
    }
    let event = EventKind::QuestionAnswered {
        question,
        by: by.to_owned(),
        via: None,
        answer: answer.clone(),
    };
    shared.log.note(unit, event);
    session.control.send(OpResult::Answered {
        unit,
        value: Value::json(answer.clone()),
        by: by.to_owned(),
    });
    Ok(())
}

/// Cancels a run in memory; false when it had ended.
pub(crate) fn cancel_here(session: &Session, by: &str, reason: Option<&str>) -> bool {
    if matches!(session.ended(), Some(End::Over(_))) {
        return false;
    }
    session.control.send(OpResult::Cancel {
        by: by.to_owned(),
        reason: reason.map(|reason| session.shared.env.redactor.text(reason).into_owned()),
    });
    true
}

/// Whether an answer fits its question; else every reason why not.
fn check(question: &Question, answer: &Json) -> Result<(), (Vec<String>, Failure)> {
    if question.kind == QuestionKind::Budget {
        return limits_of(answer)
            .map(drop)
            .map_err(|failure| (vec![failure.message.clone()], failure));
    }
    let form = Schema::trusted(question.form.clone());
    let errors: Vec<String> = form.violations(answer).iter().map(ToString::to_string).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the answer to `{}` does not fit:\n  {}",
        question.title,
        errors.join("\n  ")
    );
    let failure = Failure::new(ErrorKind::InvalidInput, message).hint("the question stays open");
    Err((errors, failure))
}

fn no_such_question(question: QuestionId) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("there is no question {question}"))
        .hint("`segue runs show RUN` shows the open ones")
}

fn closed(question: QuestionId, status: QuestionStatus) -> Failure {
    let word = match status {
        QuestionStatus::Open | QuestionStatus::Answered => "has been answered",
        QuestionStatus::Expired => "has expired",
        QuestionStatus::Cancelled => "is not asked any more: its run or its step has ended",
    };
    Failure::new(ErrorKind::Conflict, format!("question {question} {word}"))
}

fn refused(run: Option<RunId>, failure: Failure) -> Error {
    Error::new(run, failure)
}
