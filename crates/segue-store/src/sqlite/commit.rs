//! A commit: one transition of a run, as writes of the tables it mentions and of no others.

use rusqlite::{ToSql, params};
use segue::store::{Commit, Committed, Standing, StoreError};

use segue::view::StepCounts;
use segue::{Time, Usage};

use super::kept::{Indexed, Known};
use super::row::{Id, Rest, int, json, status_number};
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
    if over {
        writing.kept.outcomes.remove(&commit.run);
    }
    match &commit.standing {
        Some(standing) => {
            let stands = stand(writing, &changed, standing)?;
            let known = writing.known_run(commit.run)?;
            known.indexed = stands.0;
            known.has_text = stands.1;
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
        ", phase = ?30, nanousd = ?31, took = ?32, wakes = ?33"
    } else {
        ""
    };
    format!(
        "UPDATE heads SET fence = ?2, owner = ?3, fallback = ?4, started = ?5, ended = ?6, unpriced_calls = ?7,
             estimated_calls = ?8, uncertain_nanousd = ?9, pending = ?10, ready = ?11, running = ?12, waiting = ?13,
             succeeded = ?14, failed = ?15, skipped = ?16, cancelled = ?17, input_tokens = ?18, output_tokens = ?19,
             cache_read_tokens = ?20, cache_write_tokens = ?21, reasoning_tokens = ?22, audio_tokens = ?23,
             requests = ?24, tool_calls = ?25, model_ms = ?26, tool_ms = ?27, rest = ?28,
             status = ?29{indexed}
         WHERE run = ?1"
    )
}

/// Writes where a run stands; gives what of it is in an index, and whether it has a text.
fn stand(writing: &mut Writing<'_>, known: &Known, standing: &Standing) -> rusqlite::Result<(Indexed, bool)> {
    let Standing {
        step_counts: steps,
        usage,
        cost,
        ..
    } = standing;
    let indexed = Indexed::of(standing);
    let is_indexed = indexed != known.indexed;
    let statement = if is_indexed {
        &mut writing.stand_indexed
    } else {
        &mut writing.stand
    };
    let mut at = 0;
    let mut bind = |value: &dyn ToSql| {
        at += 1;
        statement.raw_bind_parameter(at, value)
    };
    bind(&known.number)?;
    bind(&int(known.fence))?;
    bind(&known.owner.map(Id::from))?;
    bind(&standing.fallback)?;
    bind(&standing.started.map(Time::micros))?;
    bind(&standing.ended.map(Time::micros))?;
    bind(&cost.unpriced_calls)?;
    bind(&cost.estimated_calls)?;
    bind(&cost.uncertain_nanousd.nanos())?;
    for count in counts(steps, usage) {
        bind(&count)?;
    }
    bind(&rest(standing))?;
    bind(&status_number(standing.status))?;
    if is_indexed {
        bind(&indexed.phase)?;
        bind(&indexed.nanousd)?;
        bind(&indexed.took)?;
        bind(&indexed.wakes)?;
    }
    statement.raw_execute()?;
    Ok((indexed, text(writing, known, &standing.text)?))
}

/// The counts of a standing, in the order of their columns.
pub(super) fn counts(steps: &StepCounts, usage: &Usage) -> [i64; 18] {
    [
        steps.pending,
        steps.ready,
        steps.running,
        steps.waiting,
        steps.succeeded,
        steps.failed,
        steps.skipped,
        steps.cancelled,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.audio_tokens,
        usage.requests,
        usage.tool_calls,
        usage.model_ms,
        usage.tool_ms,
    ]
    .map(int)
}

/// What of a standing is rare, where there is something.
pub(super) fn rest(standing: &Standing) -> Option<String> {
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

/// The text of a run that people look for; written only when it is another than before.
fn text(writing: &Writing<'_>, known: &Known, text: &str) -> rusqlite::Result<bool> {
    if text.is_empty() {
        if known.has_text {
            writing
                .statement("DELETE FROM texts WHERE run = ?1")?
                .execute([known.number])?;
        }
        return Ok(false);
    }
    let folded = folded(text);
    let mut write = writing.statement(
        "INSERT INTO texts (run, text, folded) VALUES (?1, ?2, ?3)
         ON CONFLICT (run) DO UPDATE SET text = excluded.text, folded = excluded.folded WHERE text <> excluded.text",
    )?;
    write.execute(params![known.number, text, folded])?;
    Ok(true)
}

/// A text in lower case, where that is another.
pub(super) fn folded(text: &str) -> Option<String> {
    Some(text.to_lowercase()).filter(|folded| folded != text)
}
