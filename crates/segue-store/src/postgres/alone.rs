//! Writes that are carried out alone, each in a transaction of its own: those about owners, which come once a second at
//! most, and those that hardly ever come. The transaction itself is the writer's.

use segue::store::{Beat, Owner, StoreError};
use tokio_postgres::types::Json;

use super::fault::Fault;
use super::pipe::{Answers, Pipe, Slot, params};
use super::row;
use super::write::Write;

const ENROLL: &str = "INSERT INTO owners (id, place, beats) VALUES ($1, $2, 0) \
    ON CONFLICT (id) DO UPDATE SET place = excluded.place, beats = 0";
const BEAT: &str = "UPDATE owners SET beats = beats + 1 WHERE id = $1 RETURNING beats";
/// What an owner is told. Asked by everybody all the time, so the plan is not left to a guess about sizes: signals that
/// wait are few, and the owner of each of their runs is found by key.
pub(super) const NEWS: &str = "SELECT EXISTS (SELECT 1 FROM owners WHERE id = $1), \
    EXISTS (SELECT 1 FROM segue_store WHERE halt IS NOT NULL), \
    ARRAY(SELECT s.run FROM (SELECT DISTINCT run FROM signals) s \
        WHERE (SELECT l.owner FROM logs l WHERE l.run = s.run) = $1 ORDER BY s.run)";
const BURY: &str = "DELETE FROM owners WHERE id = $1 AND beats <= $2 RETURNING id";
const LEAVE: &str = "DELETE FROM owners WHERE id = $1";
const EXPIRE: &str = "UPDATE questions SET status = CASE status WHEN 'open' THEN 'expired' ELSE status END \
    WHERE id = $1 RETURNING status";
const HALT: &str = "UPDATE segue_store SET halt = $1, halt_since = $2";
const LOCK_RUN: &str = "SELECT status FROM logs WHERE run = $1 FOR UPDATE";
const CURRENT_IN: &str = "SELECT key, step FROM documents WHERE run = $1 \
    ORDER BY pipeline, key, position LIMIT 1";
const FORGET: [&str; 9] = [
    "DELETE FROM entries WHERE run = $1",
    "DELETE FROM outcomes WHERE run = $1",
    "DELETE FROM requests WHERE run = $1",
    "DELETE FROM questions WHERE run = $1",
    "DELETE FROM signals WHERE run = $1",
    // What its calls held stays counted in the accounts: nobody knows any more what became of it.
    "DELETE FROM holds WHERE run = $1",
    "DELETE FROM artifacts a WHERE run = $1 AND NOT EXISTS (SELECT 1 FROM links l WHERE l.artifact = a.id)",
    "DELETE FROM runs WHERE id = $1",
    "DELETE FROM logs WHERE run = $1",
];

/// Statements of a write, to be read after the pipe has run.
pub(super) struct Asked(Vec<Slot>);

/// Puts what a write does, or has to know first, into the pipe.
pub(super) fn ask(pipe: &mut Pipe<'_>, write: &Write) -> Asked {
    let mut slots = Vec::new();
    match write {
        Write::Enroll(Owner { id, place }, _) => {
            slots.push(pipe.put(ENROLL, params![id.to_string(), Json(place.clone())]));
        }
        Write::Beat(owner, _) => {
            slots.push(pipe.put(BEAT, params![owner.to_string()]));
            slots.push(pipe.put(NEWS, params![owner.to_string()]));
        }
        Write::Bury(owner, beats, _) => {
            let beats = i64::try_from(*beats).unwrap_or(i64::MAX);
            slots.push(pipe.put(BURY, params![owner.to_string(), beats]));
        }
        Write::Leave(owner, _) => slots.push(pipe.put(LEAVE, params![owner.to_string()])),
        Write::Expire(question, _) => slots.push(pipe.put(EXPIRE, params![question.to_string()])),
        Write::Halt(halt, _) => {
            let since = halt.as_ref().map(|halt| halt.since.micros());
            slots.push(pipe.put(HALT, params![halt.clone().map(Json), since]));
        }
        Write::Remove(run, _) => {
            slots.push(pipe.put(LOCK_RUN, params![run.to_string()]));
            slots.push(pipe.put(CURRENT_IN, params![run.to_string()]));
        }
        // Carried out in groups.
        Write::Create(..)
        | Write::Claim(..)
        | Write::Release(..)
        | Write::Commit(..)
        | Write::Signal(..)
        | Write::Reserve(..)
        | Write::Settle(..) => {}
    }
    Asked(slots)
}

/// Works out the answer, and puts what is still to be done into the next pipe.
///
/// # Errors
/// When a row makes no sense.
pub(super) fn decide(
    write: &Write,
    asked: &Asked,
    answers: &mut Answers,
    next: &mut Pipe<'_>,
) -> Result<(), Fault> {
    let mut rows = asked.0.iter().map(|slot| answers.take(*slot));
    let first = rows.next().unwrap_or_default();
    let second = rows.next().unwrap_or_default();
    match write {
        Write::Enroll(_, reply) | Write::Leave(_, reply) | Write::Halt(_, reply) => reply.set(Ok(())),
        Write::Bury(.., reply) => reply.set(Ok(!first.is_empty())),
        Write::Beat(_, reply) if first.is_empty() => reply.set(Ok(Beat {
            buried: true,
            ..Beat::default()
        })),
        Write::Beat(_, reply) => {
            let news = second.first().map(row::beat).transpose()?;
            reply.set(Ok(news.unwrap_or_default()));
        }
        Write::Expire(_, reply) => {
            let status: Option<&str> = first.first().map(|row| row::get(row, 0)).transpose()?;
            reply.set(Ok(status == Some("expired")));
        }
        Write::Remove(run, reply) => {
            let status: Option<&str> = first.first().map(|row| row::get(row, 0)).transpose()?;
            let status = status.map(row::run_status).transpose()?;
            let current = second
                .first()
                .map(|row| -> Result<_, Fault> { Ok((row::text(row, 0)?, row::text(row, 1)?)) });
            reply.set(match (status, current.transpose()?) {
                (None, _) => Ok(false),
                (Some(status), _) if !status.is_terminal() => Err(StoreError::not_over(*run)),
                (Some(_), Some((key, step))) => Err(StoreError::is_current(*run, &key, &step)),
                (Some(_), None) => {
                    for sql in FORGET {
                        next.put(sql, params![run.to_string()]);
                    }
                    Ok(true)
                }
            });
        }
        Write::Create(..)
        | Write::Claim(..)
        | Write::Release(..)
        | Write::Commit(..)
        | Write::Signal(..)
        | Write::Reserve(..)
        | Write::Settle(..) => {}
    }
    Ok(())
}
