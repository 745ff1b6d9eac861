//! People: signals to runs, and questions.

use rusqlite::{OptionalExtension, params};
use segue::question::{Question, QuestionStatus, RefusedAnswer};
use segue::store::{Halt, QuestionChange, SignalKind, Signalled};
use segue::{QuestionId, RunId, RunStatus, Time};

use super::row::{Id, from_json, int, json};
use super::trouble::Stop;
use super::writing::Writing;

pub(super) fn signal(
    writing: &mut Writing<'_>,
    kind: &SignalKind,
    run: RunId,
    at: Time,
) -> Result<Signalled, Stop> {
    let Some(known) = writing.known(run)?.copied() else {
        return Ok(Signalled::Unknown);
    };
    let status = status_of(known.indexed.phase);
    match kind {
        SignalKind::Answer {
            question, answer, by, ..
        } => {
            let (mut question, number) = match open(writing, *question, run, known.over().then_some(status))?
            {
                Ok(open) => open,
                Err(told) => return Ok(told),
            };
            question.status = QuestionStatus::Answered;
            question.answer = Some(answer.clone());
            question.answered_by = Some(by.clone());
            write(writing, number, &question)?;
        }
        SignalKind::Refused { question, by, errors } => {
            let (mut question, number) = match open(writing, *question, run, known.over().then_some(status))?
            {
                Ok(open) => open,
                Err(told) => return Ok(told),
            };
            question.refused.push(RefusedAnswer {
                time: at,
                by: by.clone(),
                errors: errors.clone(),
            });
            write(writing, number, &question)?;
        }
        SignalKind::Cancel { .. } | SignalKind::Raise { .. } if known.over() => {
            return Ok(Signalled::Over(status));
        }
        SignalKind::Cancel { .. } | SignalKind::Raise { .. } => {}
    }
    let mut insert =
        writing.statement("INSERT INTO signals (run, at, wakes, kind) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![known.number, at.micros(), kind.wakes(), json(kind)])?;
    writing.kept.signals = Some(true);
    let holder = match known.owner {
        Some(owner) if writing.lives(owner)? => Some(owner),
        _ => None,
    };
    Ok(Signalled::Sent(holder))
}

/// An open question of a run and its number, or what whoever wants to answer it is told.
fn open(
    writing: &Writing<'_>,
    id: QuestionId,
    run: RunId,
    over: Option<RunStatus>,
) -> Result<Result<(Question, i64), Signalled>, Stop> {
    let Some((question, number)) = find(writing, id)?.filter(|(question, _)| question.run == run) else {
        return Ok(Err(Signalled::Unknown));
    };
    if question.status != QuestionStatus::Open {
        return Ok(Err(Signalled::Closed(question.status)));
    }
    Ok(match over {
        Some(status) => Err(Signalled::Over(status)),
        None => Ok((question, number)),
    })
}

fn find(writing: &Writing<'_>, id: QuestionId) -> rusqlite::Result<Option<(Question, i64)>> {
    let mut find = writing.statement("SELECT number, body FROM questions WHERE id = ?1")?;
    let found = find.query_row([Id::from(id)], |row| {
        Ok((from_json(&row.get::<_, String>(1)?)?, row.get(0)?))
    });
    found.optional()
}

fn write(writing: &Writing<'_>, number: i64, question: &Question) -> rusqlite::Result<()> {
    let mut update = writing.statement("UPDATE questions SET status = ?2, body = ?3 WHERE number = ?1")?;
    update.execute(params![number, status_number(question.status), json(question)])?;
    Ok(())
}

/// Questions put and closed.
pub(super) fn change(writing: &mut Writing<'_>, changes: &[QuestionChange]) -> Result<(), Stop> {
    for change in changes {
        match change {
            QuestionChange::Asked(question) => {
                let of = writing.known(question.run)?.map(|known| known.number);
                let mut insert = writing.statement(
                    "INSERT INTO questions (id, run, status, body)
                     VALUES (?1, coalesce(?2, (SELECT number FROM runs WHERE id = ?3)), ?4, ?5) ON CONFLICT DO NOTHING",
                )?;
                insert.execute(params![
                    Id::from(question.id),
                    of,
                    Id::from(question.run),
                    status_number(question.status),
                    json(question),
                ])?;
            }
            QuestionChange::Closed(id, status) => {
                let found = find(writing, *id)?;
                if let Some((mut question, number)) = found
                    && question.status == QuestionStatus::Open
                {
                    question.status = *status;
                    write(writing, number, &question)?;
                }
            }
        }
    }
    Ok(())
}

pub(super) fn expire(writing: &mut Writing<'_>, id: QuestionId) -> Result<bool, Stop> {
    let Some((mut question, number)) = find(writing, id)? else {
        return Ok(false);
    };
    if question.status == QuestionStatus::Open {
        question.status = QuestionStatus::Expired;
        write(writing, number, &question)?;
    }
    Ok(question.status == QuestionStatus::Expired)
}

/// Signals that their run has taken up.
pub(super) fn take(writing: &mut Writing<'_>, run: i64, taken: &[u64]) -> rusqlite::Result<()> {
    let mut delete = writing.statement("DELETE FROM signals WHERE number = ?1 AND run = ?2")?;
    for number in taken {
        delete.execute([int(*number), run])?;
    }
    writing.kept.signals = None;
    Ok(())
}

pub(super) fn halt(writing: &mut Writing<'_>, halt: Option<&Halt>) -> Result<(), Stop> {
    match halt {
        Some(halt) => {
            let mut insert = writing.statement("INSERT OR REPLACE INTO halts (one, halt) VALUES (1, ?1)")?;
            insert.execute([json(halt)])?;
        }
        None => {
            writing.statement("DELETE FROM halts")?.execute([])?;
        }
    }
    writing.kept.halted = Some(halt.is_some());
    Ok(())
}

fn status_number(status: QuestionStatus) -> i64 {
    match status {
        QuestionStatus::Open => 0,
        QuestionStatus::Answered => 1,
        QuestionStatus::Expired => 2,
        QuestionStatus::Cancelled => 3,
    }
}

fn status_of(number: i64) -> RunStatus {
    match number {
        0 => RunStatus::Queued,
        1 => RunStatus::Running,
        2 => RunStatus::Waiting,
        3 => RunStatus::Succeeded,
        4 => RunStatus::Failed,
        _ => RunStatus::Cancelled,
    }
}
