//! The schema of the store: which version it is of, made where it is missing, brought up to date where it is older, and
//! left alone where it is newer or somebody else's. Only `connect` calls it.
//!
//! A migration is one transaction, together with a copy of everything as it was before, in a schema beside. So whatever
//! interrupts it, there is the old schema or the new one, and with the new one there is the copy.

use deadpool_postgres::ClientWrapper;
use segue::store::{StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};

use super::fault::Fault;

/// What leads from each version to the next; the first one leads from nothing to version 1.
pub(super) const STEPS: &[&str] = &[include_str!("schema/1.sql")];

/// The version this code reads and writes.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// What the first column of `segue_store` says.
const PRODUCT: &str = "segue";

/// The oldest server whose statements these are: 12 is the first that can be told to keep its plans, and is itself no
/// longer maintained.
const OLDEST_SERVER: i32 = 130_000;

/// What is there.
enum Found {
    Nothing {
        schema_exists: bool,
    },
    Version(i32),
    /// Tables of something else.
    Foreign(Vec<String>),
}

/// Sees to it that the schema is of the version these steps lead to.
///
/// # Errors
/// Refused, with nothing written, when it is of a newer version or belongs to something else; and whatever went wrong on
/// the way, with everything as it was.
pub(super) async fn prepare(
    client: &ClientWrapper,
    schema: &str,
    name: &str,
    steps: &[&str],
) -> Result<(), Fault> {
    check_server(client, name).await?;
    if is_ready(look(client, schema).await?, schema, name, steps)? {
        return Ok(());
    }
    client.batch_execute("BEGIN").await?;
    match migrate(client, schema, name, steps).await {
        Ok(()) => Ok(client.batch_execute("COMMIT").await?),
        Err(fault) => {
            // When this fails too the connection is gone, and with it the transaction.
            let _ = client.batch_execute("ROLLBACK").await;
            Err(fault)
        }
    }
}

async fn migrate(client: &ClientWrapper, schema: &str, name: &str, steps: &[&str]) -> Result<(), Fault> {
    // Copying a large store takes a while, and so does waiting for another process that does.
    client
        .batch_execute("SET LOCAL lock_timeout TO '10min'; SET LOCAL statement_timeout TO 0;")
        .await?;
    client
        .execute("SELECT pg_advisory_xact_lock($1)", &[&lock_of(schema)])
        .await?;
    // Another process may have done it meanwhile.
    let found = look(client, schema).await?;
    let from = match &found {
        Found::Version(version) => *version,
        Found::Nothing { .. } | Found::Foreign(_) => 0,
    };
    let is_new = matches!(found, Found::Nothing { .. });
    if matches!(found, Found::Nothing { schema_exists: false }) {
        client
            .batch_execute(&format!("CREATE SCHEMA \"{schema}\""))
            .await?;
    }
    if is_ready(found, schema, name, steps)? {
        return Ok(());
    }
    if !is_new {
        back_up(client, schema, from).await?;
    }
    for step in steps.iter().skip(usize::try_from(from).unwrap_or(0)) {
        client.batch_execute(step).await?;
    }
    let version = version_of(steps);
    client
        .execute(
            "INSERT INTO segue_store (product, version) VALUES ($1, $2) \
             ON CONFLICT (product) DO UPDATE SET version = $2, migrated = now()",
            &[&PRODUCT, &version],
        )
        .await?;
    Ok(())
}

/// Whether nothing has to be done.
fn is_ready(found: Found, schema: &str, name: &str, steps: &[&str]) -> Result<bool, StoreError> {
    let version = version_of(steps);
    match found {
        Found::Nothing { .. } => Ok(false),
        Found::Version(found) if found == version => Ok(true),
        Found::Version(found) if found < version => Ok(false),
        Found::Version(found) => Err(newer(schema, name, found, version)),
        Found::Foreign(tables) => Err(foreign(schema, name, &tables)),
    }
}

async fn check_server(client: &ClientWrapper, name: &str) -> Result<(), Fault> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding')",
            &[],
        )
        .await?;
    let (version, encoding): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if version < OLDEST_SERVER {
        let message = format!(
            "{name} is PostgreSQL {}; Segue needs {} or newer",
            version / 10_000,
            OLDEST_SERVER / 10_000
        );
        return Err(StoreError::new(StoreErrorKind::Refused, message).into());
    }
    if encoding != "UTF8" {
        let message = format!("{name} keeps text as {encoding}, which cannot hold every text");
        return Err(StoreError::new(StoreErrorKind::Refused, message)
            .hint("create a database for it with `createdb --encoding UTF8 --template template0`")
            .into());
    }
    Ok(())
}

async fn look(client: &ClientWrapper, schema: &str) -> Result<Found, Fault> {
    if !exists(client, schema).await? {
        return Ok(Found::Nothing { schema_exists: false });
    }
    let tables = tables(client, schema, "rpvmf").await?;
    if tables.is_empty() {
        return Ok(Found::Nothing { schema_exists: true });
    }
    if !tables.iter().any(|table| table == "segue_store") {
        return Ok(Found::Foreign(tables));
    }
    let rows = client
        .query(
            "SELECT to_json(s)::text FROM segue_store s WHERE to_json(s)->>'product' = $1",
            &[&PRODUCT],
        )
        .await?;
    let version = rows.first().map(|row| row.try_get::<_, String>(0)).transpose()?;
    let version = version.and_then(|row| serde_json::from_str::<serde_json::Value>(&row).ok());
    let version = version.and_then(|row| row["version"].as_i64());
    match version.and_then(|version| i32::try_from(version).ok()) {
        Some(version) if version > 0 => Ok(Found::Version(version)),
        _ => Ok(Found::Foreign(tables)),
    }
}

/// Copies all tables into a schema beside. Nobody writes meanwhile: every writer begins by reading `segue_store`.
async fn back_up(client: &ClientWrapper, schema: &str, version: i32) -> Result<(), Fault> {
    client
        .batch_execute("LOCK TABLE segue_store IN ACCESS EXCLUSIVE MODE")
        .await?;
    let backup = format!("{schema}_backup_v{version}");
    if exists(client, &backup).await? {
        let message =
            format!("there is a schema `{backup}` already, where the backup before the migration goes");
        return Err(StoreError::new(StoreErrorKind::Refused, message)
            .hint("it is the backup of an earlier migration; rename or drop it")
            .into());
    }
    client
        .batch_execute(&format!("CREATE SCHEMA \"{backup}\""))
        .await?;
    for table in tables(client, schema, "r").await? {
        let table = table.replace('"', "\"\"");
        client
            .batch_execute(&format!(
                "LOCK TABLE \"{table}\" IN ACCESS EXCLUSIVE MODE; \
                 CREATE TABLE \"{backup}\".\"{table}\" AS TABLE \"{schema}\".\"{table}\""
            ))
            .await?;
    }
    Ok(())
}

/// Whether there is such a schema. Asked of the catalogue itself: the functions for names answer from what this session
/// remembers, and waiting for a lock on a number does not make it look again.
async fn exists(client: &ClientWrapper, schema: &str) -> Result<bool, Fault> {
    let rows = client
        .query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])
        .await?;
    Ok(!rows.is_empty())
}

/// What can be read like a table there, of these kinds.
async fn tables(client: &ClientWrapper, schema: &str, kinds: &str) -> Result<Vec<String>, Fault> {
    let rows = client
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND strpos($2, c.relkind::text) > 0 ORDER BY c.relname",
            &[&schema, &kinds],
        )
        .await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

fn version_of(steps: &[&str]) -> i32 {
    i32::try_from(steps.len()).expect("there are few versions")
}

/// The lock that those who create or migrate a schema hold, so that two that start together do not collide.
fn lock_of(schema: &str) -> i64 {
    let digest = Sha256::digest(format!("segue schema {schema}"));
    let (first, _) = digest.split_at(8);
    first.iter().fold(0, |lock, byte| (lock << 8) | i64::from(*byte))
}

/// The error for a store that was written by a newer version of this code.
pub(super) fn newer(schema: &str, name: &str, found: i32, version: i32) -> StoreError {
    let message = format!(
        "schema `{schema}` of {name} is of version {found}; this version of Segue reads up to {version}"
    );
    StoreError::new(StoreErrorKind::Refused, message)
        .hint("use the version of Segue that wrote it, or a newer one; nothing was changed")
}

fn foreign(schema: &str, name: &str, tables: &[String]) -> StoreError {
    let shown: Vec<String> = tables.iter().take(3).map(|table| format!("`{table}`")).collect();
    let more = match tables.len() {
        0..=3 => String::new(),
        count => format!(" and {} more", count - 3),
    };
    let message = format!(
        "schema `{schema}` of {name} is not one of Segue: it has the tables {}{more}",
        shown.join(", ")
    );
    StoreError::new(StoreErrorKind::Refused, message).hint("choose another schema; nothing was changed")
}

#[cfg(test)]
mod tests;
