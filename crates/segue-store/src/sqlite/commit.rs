//! A commit: one transition of a run, as writes of the tables it mentions and of no others.

use rusqlite::{Statement, params};
use segue::Time;
use segue::store::{Commit, Committed, Standing, StoreError};

use super::kept::{Indexed, Known};
use super::row::{Id, Rest, counts, int, json, status_number};
use super::trouble::Stop;
use super::writing::Writing;
use super::{account, outcomes, person, saved, workspace};

pub(super) fn commit(writing: &mut Writing<'_>, commit: &Commit) -> Result<Committed, Stop> {
    let run = commit.run;
    let known = writing.known_run(run)?;
    let entry = &commit.entry;
    let is_next = entry.number == known.entries + 1 && entry.after == known.last_seq;
    if known.fence != commit.fence || !is_next {
        let known = *known;
        return again(writing, commit, &known);
    }
    let before = *known;
    outcomes::note(writing, run, before, &commit.outcomes)?;
    let known = writing.known_run(run)?;
    known.entries = entry.number;
    known.last_seq = entry.last();
    let (number, key, was_over) = (before.number, before.workspace, before.over());
    writing.append(number, entry, &commit.outcomes)?;
    if writing.apart {
        writing.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
    }
    person::change(writing, &commit.questions)?;
    if !commit.taken.is_empty() {
        person::take(writing, number, &commit.taken)?;
    }
    for (call, settlement) in &commit.settled {
        account::settle(writing, number, *call, *settlement)?;
    }
    saved::artifacts(writing, &commit.artifacts)?;
    saved::links(writing, &commit.links)?;
    if let Some(key) = key {
        let over = commit
            .standing
            .as_ref()
            .map_or(was_over, |standing| standing.status.is_terminal());
        workspace::move_documents(writing, key, &commit.documents, run)?;
        workspace::free(writing, key, &commit.unclaimed, run, over)?;
    }
    close(writing, commit, number, was_over)
}

/// Where the run stands from now on and whether it is given up; both in one row.
fn close(writing: &mut Writing<'_>, commit: &Commit, number: i64, was_over: bool) -> Result<Committed, Stop> {
    let signals = writing.is_signalled(number)?;
    let halted = writing.is_halted()?;
    if commit.standing.is_none() && !commit.leaves && !was_over {
        // Nearly every commit: nothing changes but the log.
        return Ok(Committed {
            signals,
            left: false,
            halted,
        });
    }
    let known = writing.known_run(commit.run)?;
    let over = match &commit.standing {
        Some(standing) => standing.status.is_terminal(),
        None => was_over,
    };
    let left = commit.leaves && (over || !signals);
    if left {
        known.owner = None;
        known.fence += 1;
    }
    let changed = *known;
    match &commit.standing {
        Some(standing) => {
            let indexed = stand(writing, &changed, standing)?;
            writing.known_run(commit.run)?.indexed = indexed;
        }
        None if left => hold(writing, &changed)?,
        None => {}
    }
    if over && writing.any_signals()? {
        writing
            .statement("DELETE FROM signals WHERE run = ?1")?
            .execute([number])?;
        writing.kept.signals = None;
    }
    if over {
        // Hardly anything follows, and what does finds it in the file: what is remembered grows with the runs that go on,
        // not with all there ever were.
        writing.kept.forget_run(commit.run);
    }
    Ok(Committed {
        signals,
        left,
        halted,
    })
}

/// A commit that is not the next one: sent again because its answer was lost, or refused.
fn again(writing: &mut Writing<'_>, commit: &Commit, known: &Known) -> Result<Committed, Stop> {
    let run = commit.run;
    if !writing.has(known.number, &commit.entry)? {
        return Err(if known.fence == commit.fence {
            StoreError::out_of_order(run, commit.entry.number)
        } else {
            StoreError::lost(run)
        }
        .into());
    }
    let signals = writing.is_signalled(known.number)?;
    let halted = writing.is_halted()?;
    let is_held = known.fence == commit.fence && commit.entry.number == known.entries;
    let mut left = commit.leaves && known.fence != commit.fence;
    if commit.leaves && is_held && (known.over() || !signals) {
        let known = writing.known_run(run)?;
        known.owner = None;
        known.fence += 1;
        let known = *known;
        hold(writing, &known)?;
        left = true;
    }
    Ok(Committed {
        signals,
        left,
        halted,
    })
}

/// Who holds a run and under which fence.
pub(super) fn hold(writing: &Writing<'_>, known: &Known) -> rusqlite::Result<()> {
    let mut hold = writing.statement("UPDATE heads SET fence = ?2, owner = ?3 WHERE run = ?1")?;
    hold.execute(params![known.number, int(known.fence), known.owner.map(Id::from)])?;
    Ok(())
}

/// The statement that writes where a run stands, with or without what is in an index.
pub(super) fn stand_sql(indexed: bool) -> String {
    let indexed = if indexed {
        ", phase = ?12, nanousd = ?13, took = ?14, wakes = ?15"
    } else {
        ""
    };
    format!(
        "UPDATE heads SET fence = ?2, owner = ?3, status = ?4, fallback = ?5, started = ?6, ended = ?7, counts = ?8,
             rest = ?9, text = ?10, folded = ?11{indexed}
         WHERE run = ?1"
    )
}

/// Writes where a run stands; gives what of it is in an index.
fn stand(writing: &mut Writing<'_>, known: &Known, standing: &Standing) -> rusqlite::Result<Indexed> {
    let indexed = Indexed::of(standing);
    let is_indexed = indexed != known.indexed;
    let statement = if is_indexed {
        &mut writing.stand_indexed
    } else {
        &mut writing.stand
    };
    statement.raw_bind_parameter(1, known.number)?;
    statement.raw_bind_parameter(2, int(known.fence))?;
    statement.raw_bind_parameter(3, known.owner.map(Id::from))?;
    bind_standing(statement, standing)?;
    if is_indexed {
        bind_indexed(statement, &indexed)?;
    }
    statement.raw_execute()?;
    Ok(indexed)
}

/// Binds where a run stands to the parameters 4 to 11 of a statement: those of `heads` from `status` to `folded`.
pub(super) fn bind_standing(statement: &mut Statement<'_>, standing: &Standing) -> rusqlite::Result<()> {
    let (text, folded) = text(standing);
    statement.raw_bind_parameter(4, status_number(standing.status))?;
    statement.raw_bind_parameter(5, standing.fallback)?;
    statement.raw_bind_parameter(6, standing.started.map(Time::micros))?;
    statement.raw_bind_parameter(7, standing.ended.map(Time::micros))?;
    statement.raw_bind_parameter(8, counts(standing))?;
    statement.raw_bind_parameter(9, rest(standing))?;
    statement.raw_bind_parameter(10, text)?;
    statement.raw_bind_parameter(11, folded)
}

/// Binds what of that is in an index to the parameters 12 to 15.
pub(super) fn bind_indexed(statement: &mut Statement<'_>, indexed: &Indexed) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(12, indexed.phase)?;
    statement.raw_bind_parameter(13, indexed.nanousd)?;
    statement.raw_bind_parameter(14, indexed.took)?;
    statement.raw_bind_parameter(15, indexed.wakes)
}

/// What of a standing is rare, where there is something.
fn rest(standing: &Standing) -> Option<String> {
    let Standing {
        failed_steps,
        error,
        stale_steps,
        ..
    } = standing;
    let is_plain = failed_steps.is_empty() && error.is_none() && stale_steps.is_empty();
    (!is_plain).then(|| {
        json(&Rest {
            failed_steps: failed_steps.clone(),
            error: error.clone(),
            stale_steps: stale_steps.clone(),
        })
    })
}

/// The text of a run that people look for, and the same in lower case where that is another.
fn text(standing: &Standing) -> (Option<&str>, Option<String>) {
    let text = Some(standing.text.as_str()).filter(|text| !text.is_empty());
    let folded = text.map(str::to_lowercase);
    (text, folded.filter(|folded| *folded != standing.text))
}
