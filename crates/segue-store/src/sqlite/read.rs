//! Reading: what a request asks of a connection that only reads. Each is one statement, so one moment.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use segue::question::Question;
use segue::store::{
    Account, ArtifactQuery, Beat, Document, DocumentKey, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion,
    Owner, OwnerId, OwnerSeen, Signal, StoredPlan,
};
use segue::{QuestionId, RunId, Time};

use super::account;
use super::row::{self, HEAD, Id, count, from_json, id_of};

type Result<T> = rusqlite::Result<T>;

/// A number of rows as SQLite takes it.
fn most(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

pub(super) fn owners(connection: &Connection) -> Result<Vec<OwnerSeen>> {
    let mut find = connection.prepare_cached("SELECT * FROM owners ORDER BY id")?;
    let rows = find.query_map([], |row| {
        Ok(OwnerSeen {
            owner: Owner {
                id: id_of(row, "id")?,
                place: from_json(&row.get::<_, String>("place")?)?,
            },
            beats: count(row.get("beats")?),
        })
    })?;
    rows.collect()
}

pub(super) fn news(connection: &Connection, owner: OwnerId) -> Result<Beat> {
    let mut find = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM owners WHERE id = ?1), EXISTS (SELECT 1 FROM halts),
             EXISTS (SELECT 1 FROM signals)",
    )?;
    let (lives, halted, any) = find.query_row([Id::from(owner)], |row| {
        Ok((
            row.get::<_, bool>(0)?,
            row.get::<_, bool>(1)?,
            row.get::<_, bool>(2)?,
        ))
    })?;
    if !lives {
        return Ok(Beat {
            buried: true,
            ..Beat::default()
        });
    }
    let signalled = match any {
        true => signalled(connection, owner)?,
        false => Vec::new(),
    };
    Ok(Beat {
        buried: false,
        halted,
        signalled,
    })
}

/// The runs an owner holds for which a signal waits.
pub(super) fn signalled(connection: &Connection, owner: OwnerId) -> Result<Vec<RunId>> {
    let mut find = connection.prepare_cached(
        "SELECT DISTINCT r.id FROM signals s JOIN heads h ON h.run = s.run JOIN runs r ON r.number = s.run
         WHERE h.owner = ?1 ORDER BY r.id",
    )?;
    find.query_map([Id::from(owner)], |row| id_of(row, "id"))?
        .collect()
}

pub(super) fn unfinished(connection: &Connection, now: Time, most_of_them: usize) -> Result<Vec<Head>> {
    let sql = format!(
        "{HEAD} WHERE r.number IN (
             SELECT run FROM heads h WHERE phase = 0 AND status IN (0, 1)
             UNION ALL
             SELECT run FROM heads h WHERE wakes IS NOT NULL AND wakes <= ?1 AND status = 2
             UNION ALL
             SELECT s.run FROM signals s JOIN heads h ON h.run = s.run WHERE s.wakes = 1 AND h.status = 2)
         AND (h.owner IS NULL OR h.owner NOT IN (SELECT id FROM owners))
         ORDER BY r.number LIMIT ?2"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let rows = find.query_map([now.micros(), most(most_of_them)], row::head)?;
    rows.collect()
}

pub(super) fn plan(connection: &Connection, hash: &str) -> Result<Option<StoredPlan>> {
    let mut find = connection.prepare_cached("SELECT hash, text FROM plans WHERE hash = ?1")?;
    let found = find.query_row([hash], |row| {
        Ok(StoredPlan {
            hash: row.get(0)?,
            text: row.get::<_, String>(1)?.into(),
        })
    });
    found.optional()
}

pub(super) fn head(connection: &Connection, run: RunId) -> Result<Option<Head>> {
    let mut find = connection.prepare_cached(&format!("{HEAD} WHERE r.id = ?1"))?;
    find.query_row([Id::from(run)], row::head).optional()
}

pub(super) fn named(connection: &Connection, prefix: &str, most_of_them: usize) -> Result<Vec<RunId>> {
    let Some((first, last)) = ids_from(prefix) else {
        return Ok(Vec::new());
    };
    let id = |row: &rusqlite::Row<'_>| id_of(row, "id");
    if (first, last) == (0, u128::MAX) {
        let mut find = connection.prepare_cached("SELECT id FROM runs ORDER BY number DESC LIMIT ?1")?;
        return find.query_map([most(most_of_them)], id)?.collect();
    }
    let mut find = connection
        .prepare_cached("SELECT id FROM runs WHERE id BETWEEN ?1 AND ?2 ORDER BY number DESC LIMIT ?3")?;
    let rows = find.query_map(params![Id(first), Id(last), most(most_of_them)], id)?;
    rows.collect()
}

/// The smallest and the largest id of a run that begins like this text; none when there can be none.
fn ids_from(prefix: &str) -> Option<(u128, u128)> {
    const DIGITS: usize = 26;
    let name = RunId::from_bits(0).to_string();
    let word = &name[..name.len() - DIGITS];
    if word.starts_with(prefix) {
        return Some((0, u128::MAX));
    }
    let digits = prefix.strip_prefix(word)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if digits.len() > DIGITS || !digits.bytes().all(is_digit) {
        return None;
    }
    let filled = |fill: &str| format!("{prefix}{}", fill.repeat(DIGITS - digits.len())).parse::<RunId>();
    // The largest text of digits is beyond the largest id.
    let first = filled("0").ok()?.bits();
    let last = filled("z").map_or(u128::MAX, RunId::bits);
    Some((first, last))
}

pub(super) fn log(
    connection: &Connection,
    run: RunId,
    after: u64,
    most_of_them: usize,
) -> Result<Vec<Entry>> {
    let mut find = connection.prepare_cached(
        "SELECT 1 AS number, 0 AS after, events, at, body FROM runs WHERE id = ?1 AND ?2 < 1
         UNION ALL
         SELECT number, after, events, at, body FROM log
         WHERE run = (SELECT number FROM runs WHERE id = ?1) AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = find.query_map(params![Id::from(run), after, most(most_of_them)], row::entry)?;
    rows.collect()
}

pub(super) fn signals(connection: &Connection, run: RunId) -> Result<Vec<Signal>> {
    let mut find = connection.prepare_cached(
        "SELECT s.*, r.id FROM signals s JOIN runs r ON r.number = s.run WHERE r.id = ?1 ORDER BY s.number",
    )?;
    find.query_map([Id::from(run)], row::signal)?.collect()
}

pub(super) fn question(connection: &Connection, id: QuestionId) -> Result<Option<Question>> {
    let mut find = connection.prepare_cached("SELECT body FROM questions WHERE id = ?1")?;
    let found = find.query_row([Id::from(id)], |row| from_json(&row.get::<_, String>(0)?));
    found.optional()
}

pub(super) fn questions(
    connection: &Connection,
    run: Option<RunId>,
    most_of_them: usize,
) -> Result<Vec<Question>> {
    let read = |row: &rusqlite::Row<'_>| from_json(&row.get::<_, String>(0)?);
    let limit = most(most_of_them);
    match run {
        None => {
            let mut find = connection
                .prepare_cached("SELECT body FROM questions WHERE status = 0 ORDER BY number LIMIT ?1")?;
            find.query_map([limit], read)?.collect()
        }
        Some(run) => {
            let mut find = connection.prepare_cached(
                "SELECT body FROM questions
                 WHERE status = 0 AND run = (SELECT number FROM runs WHERE id = ?1) ORDER BY number LIMIT ?2",
            )?;
            find.query_map(params![Id::from(run), limit], read)?.collect()
        }
    }
}

pub(super) fn documents(connection: &Connection, pipeline: &str, key: &str) -> Result<Vec<Document>> {
    let mut find = connection.prepare_cached(
        "SELECT d.* FROM documents d JOIN workspaces w ON w.number = d.workspace
             JOIN pipelines p ON p.number = w.pipeline
         WHERE p.name = ?1 AND w.key = ?2 AND (d.run IS NOT NULL OR d.running IS NOT NULL) ORDER BY d.number",
    )?;
    find.query_map([pipeline, key], row::document)?.collect()
}

pub(super) fn workspaces(connection: &Connection, key: Option<&str>) -> Result<Vec<DocumentKey>> {
    let mut find = connection.prepare_cached(
        "SELECT p.name, w.key FROM workspaces w JOIN pipelines p ON p.number = w.pipeline
         WHERE ?1 IS NULL OR w.key = ?1 ORDER BY p.name, w.key",
    )?;
    let rows = find.query_map([key], |row| {
        Ok(DocumentKey {
            pipeline: row.get(0)?,
            key: row.get(1)?,
        })
    })?;
    rows.collect()
}

pub(super) fn artifacts(connection: &Connection, query: &ArtifactQuery) -> Result<Vec<KeptArtifact>> {
    let mut sql = String::from("SELECT * FROM artifacts WHERE is_output = 0");
    let mut values: Vec<Value> = Vec::new();
    let mut only = |condition: &str, value: Value| {
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(run) = query.run {
        only(" AND run = ?", Value::Blob(run.bits().to_be_bytes().to_vec()));
    }
    if let Some(pipeline) = &query.pipeline {
        only(" AND pipeline = ?", Value::Text(pipeline.clone()));
    }
    if let Some(name) = &query.name {
        only(" AND name = ?", Value::Text(name.clone()));
    }
    let limit = if query.limit == 0 {
        i64::MAX
    } else {
        most(query.limit)
    };
    only(" ORDER BY number LIMIT ?", Value::Integer(limit));
    let mut find = connection.prepare_cached(&sql)?;
    find.query_map(params_from_iter(values), row::artifact)?.collect()
}

pub(super) fn link(connection: &Connection, pipeline: &str, link: &str) -> Result<Vec<LinkVersion>> {
    let mut find = connection
        .prepare_cached("SELECT * FROM links WHERE pipeline = ?1 AND link = ?2 ORDER BY version DESC")?;
    find.query_map([pipeline, link], row::link)?.collect()
}

/// All hashes that anything refers to, read in pieces, so that no transaction that reads is long.
pub(super) fn referenced(connection: &Connection) -> Result<BTreeSet<String>> {
    const PIECE: usize = 10_000;
    let mut all = BTreeSet::new();
    let mut after = 0i64;
    loop {
        let mut find = connection.prepare_cached(
            "SELECT number, sha256 FROM artifacts WHERE number > ?1 ORDER BY number LIMIT ?2",
        )?;
        let rows = find.query_map([after, most(PIECE)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })?;
        let mut found = 0;
        for row in rows {
            let (number, hash) = row?;
            all.insert(hash);
            after = number;
            found += 1;
        }
        if found < PIECE {
            break;
        }
    }
    let mut find = connection.prepare_cached("SELECT DISTINCT sha256 FROM links")?;
    for hash in find.query_map([], |row| row.get(0))? {
        all.insert(hash?);
    }
    Ok(all)
}

pub(super) fn holds(connection: &Connection, run: RunId) -> Result<Vec<Hold>> {
    let mut find = connection.prepare_cached(
        "SELECT h.*, r.id FROM holds h JOIN runs r ON r.number = h.run WHERE r.id = ?1 ORDER BY h.call",
    )?;
    find.query_map([Id::from(run)], account::hold)?.collect()
}

pub(super) fn accounts(
    connection: &Connection,
    name: Option<&str>,
    most_of_them: usize,
) -> Result<Vec<Account>> {
    let mut find = connection.prepare_cached(
        "SELECT * FROM accounts WHERE ?1 IS NULL OR name = ?1 ORDER BY span DESC, name LIMIT ?2",
    )?;
    find.query_map(params![name, most(most_of_them)], account::account)?
        .collect()
}

pub(super) fn halted(connection: &Connection) -> Result<Option<Halt>> {
    let mut find = connection.prepare_cached("SELECT halt FROM halts")?;
    find.query_row([], |row| from_json(&row.get::<_, String>(0)?))
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_a_range_of_ids() {
        assert_eq!(ids_from(""), Some((0, u128::MAX)));
        assert_eq!(ids_from("run_"), Some((0, u128::MAX)));
        let id = RunId::from_bits(u128::MAX / 3);
        let text = id.to_string();
        assert_eq!(ids_from(&text), Some((id.bits(), id.bits())));
        for length in 5..text.len() {
            let (first, last) = ids_from(&text[..length]).unwrap();
            assert!((first..=last).contains(&id.bits()));
            assert!(RunId::from_bits(first).to_string().starts_with(&text[..length]));
            assert!(RunId::from_bits(last).to_string().starts_with(&text[..length]));
        }
        for none in ["q_", "run_A", "run_%", "run_zzz", &format!("{text}0")] {
            assert_eq!(ids_from(none), None, "{none}");
        }
        let top = RunId::from_bits(u128::MAX).to_string();
        assert_eq!(ids_from(&top[..6]).unwrap().1, u128::MAX);
    }
}
