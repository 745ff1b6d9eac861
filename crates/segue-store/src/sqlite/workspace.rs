//! Workspaces: the current results of a key, and who is running which of its steps.

use rusqlite::{OptionalExtension, params};
use segue::store::{Created, Document};
use segue::view::StepStatus;
use segue::{RunId, Time};

use super::row::{self, DocumentBody, Id, int, json};
use super::writing::Writing;

/// The number of a workspace, which exists from then on.
pub(super) fn number(writing: &Writing<'_>, pipeline: i64, key: &str) -> rusqlite::Result<i64> {
    let mut insert =
        writing.statement("INSERT INTO workspaces (pipeline, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    insert.execute(params![pipeline, key])?;
    let mut find = writing.statement("SELECT number FROM workspaces WHERE pipeline = ?1 AND key = ?2")?;
    find.query_row(params![pipeline, key], |row| row.get(0))
}

/// Why a run cannot work in a workspace: another one runs a step it wants, or a result is not the expected one.
pub(super) fn conflict(
    writing: &Writing<'_>,
    pipeline: &str,
    key: &str,
    claims: &[String],
    expects: &[(String, Option<String>)],
) -> rusqlite::Result<Option<Created>> {
    let mut find = writing.statement(
        "SELECT d.running, d.hash FROM documents d JOIN workspaces w ON w.number = d.workspace
             JOIN pipelines p ON p.number = w.pipeline
         WHERE p.name = ?1 AND w.key = ?2 AND d.step = ?3",
    )?;
    Created::conflict(claims, expects, |step| {
        let found = find.query_row(params![pipeline, key, step], |row| {
            let run = row.get::<_, Option<Id>>(0)?;
            Ok((run.map(Into::into), row.get(1)?))
        });
        found.optional().map(Option::unwrap_or_default)
    })
}

/// The run is running these steps.
pub(super) fn claim(
    writing: &Writing<'_>,
    workspace: i64,
    steps: &[String],
    run: RunId,
    at: Time,
) -> rusqlite::Result<()> {
    for step in steps {
        let mut insert = writing.statement(
            "INSERT INTO documents (workspace, step, running, status, version, updated, body)
             VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?5)
             ON CONFLICT (workspace, step) DO UPDATE SET running = excluded.running",
        )?;
        let body = json(&DocumentBody {
            empty: false,
            built_on: Default::default(),
            cost: Default::default(),
        });
        insert.execute(params![workspace, step, Id::from(run), at.micros(), body])?;
    }
    Ok(())
}

/// Results that are current from now on.
pub(super) fn move_documents(
    writing: &Writing<'_>,
    workspace: i64,
    moved: &[Document],
    run: RunId,
) -> rusqlite::Result<()> {
    for document in moved {
        let mut find = writing.statement("SELECT * FROM documents WHERE workspace = ?1 AND step = ?2")?;
        let before = find
            .query_row(params![workspace, document.step], row::document)
            .optional()?;
        let running = before
            .as_ref()
            .and_then(|before| before.running)
            .filter(|by| *by != run);
        let has_result = before
            .as_ref()
            .is_some_and(|before| matches!(before.status, StepStatus::Succeeded | StepStatus::Skipped));
        // A failure does not take away the result there is.
        if document.status == StepStatus::Failed && has_result {
            let mut update =
                writing.statement("UPDATE documents SET running = ?3 WHERE workspace = ?1 AND step = ?2")?;
            update.execute(params![workspace, document.step, running.map(Id::from)])?;
            continue;
        }
        let version = before.map_or(0, |before| before.version) + 1;
        let mut insert = writing.statement(
            "INSERT INTO documents (workspace, step, run, running, status, hash, version, updated, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (workspace, step) DO UPDATE SET run = excluded.run, running = excluded.running,
                 status = excluded.status, hash = excluded.hash, version = excluded.version,
                 updated = excluded.updated, body = excluded.body",
        )?;
        let status = serde_json::to_value(document.status).ok();
        insert.execute(params![
            workspace,
            document.step,
            document.run.map(Id::from),
            running.map(Id::from),
            status.as_ref().and_then(|status| status.as_str()),
            document.hash,
            int(version),
            document.updated.micros(),
            json(&DocumentBody {
                empty: document.empty,
                built_on: document.built_on.clone(),
                cost: document.cost,
            }),
        ])?;
    }
    Ok(())
}

/// Steps that the run does not run any more: these, or all when it is over.
pub(super) fn free(
    writing: &Writing<'_>,
    workspace: i64,
    steps: &[String],
    run: RunId,
    all: bool,
) -> rusqlite::Result<()> {
    if all {
        let mut update =
            writing.statement("UPDATE documents SET running = NULL WHERE workspace = ?1 AND running = ?2")?;
        update.execute(params![workspace, Id::from(run)])?;
        return Ok(());
    }
    for step in steps {
        let mut update = writing.statement(
            "UPDATE documents SET running = NULL WHERE workspace = ?1 AND step = ?2 AND running = ?3",
        )?;
        update.execute(params![workspace, step, Id::from(run)])?;
    }
    Ok(())
}
