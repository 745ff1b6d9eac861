//! How a run is forgotten, with what only it had.

use rusqlite::{OptionalExtension, params};
use segue::RunId;
use segue::store::StoreError;

use super::row::Id;
use super::trouble::Stop;
use super::writing::Writing;

/// What has the number of a run and goes with it, the run itself last.
const TABLES: [&str; 7] = [
    "DELETE FROM log WHERE run = ?1",
    "DELETE FROM signals WHERE run = ?1",
    "DELETE FROM questions WHERE run = ?1",
    "DELETE FROM held WHERE call IN (SELECT call FROM holds WHERE run = ?1)",
    "DELETE FROM holds WHERE run = ?1",
    "DELETE FROM heads WHERE run = ?1",
    "DELETE FROM runs WHERE number = ?1",
];

pub(super) fn remove(writing: &mut Writing<'_>, run: RunId) -> Result<bool, Stop> {
    let Some(known) = writing.known(run)?.copied() else {
        return Ok(false);
    };
    if !known.over() {
        return Err(StoreError::not_over(run).into());
    }
    let mut find = writing.statement(
        "SELECT w.key, d.step FROM documents d JOIN workspaces w ON w.number = d.workspace
             JOIN pipelines p ON p.number = w.pipeline
         WHERE d.run = ?1 ORDER BY p.name, w.key, d.number LIMIT 1",
    )?;
    let current = find
        .query_row([Id::from(run)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((key, step)) = current {
        let (key, step): (String, String) = (key, step);
        return Err(StoreError::is_current(run, &key, &step).into());
    }
    let number = known.number;
    // Labels are in the order of their names, so each is looked up by what the run has.
    let mut labels = writing.statement("SELECT queued, details FROM runs WHERE number = ?1")?;
    let (queued, details): (i64, String) =
        labels.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let details: super::row::Details = super::row::from_json(&details)?;
    for (name, value) in &details.labels {
        let mut delete = writing
            .statement("DELETE FROM labels WHERE name = ?1 AND value = ?2 AND queued = ?3 AND run = ?4")?;
        delete.execute(params![name, value, queued, number])?;
    }
    let mut artifacts = writing
        .statement("DELETE FROM artifacts WHERE run = ?1 AND id NOT IN (SELECT artifact FROM links)")?;
    artifacts.execute([Id::from(run)])?;
    for table in TABLES {
        writing.statement(table)?.execute([number])?;
    }
    writing.kept.forget_run(run);
    // The numbers of the run and of its entries may be given again.
    writing.kept.last = None;
    writing.kept.signals = None;
    Ok(true)
}
