//! Examining: whether what is stored still holds together. Nothing is changed; each finding is one line.

use std::collections::HashSet;

use rusqlite::Connection;
use segue::RunId;
use segue::store::UnitKey;

use super::outcomes;
use super::row::Id;

/// Findings of one kind that are told; a file with thousands of them is no better described by all.
const MOST: usize = 100;

/// What has to hold of the tables together. Each statement gives a run, or nothing, and a text for each break.
const CHECKS: [(&str, &str); 8] = [
    (
        "its log has a gap",
        "SELECT r.id FROM (SELECT run, count(*) AS entries, min(number) AS first, max(number) AS last FROM log GROUP BY run) l
             JOIN runs r ON r.number = l.run
         WHERE l.first <> 2 OR l.last <> l.entries + 1",
    ),
    (
        "the numbers of its events have a gap",
        "SELECT DISTINCT r.id FROM (SELECT run, after, lag(after + events) OVER (PARTITION BY run ORDER BY number) AS last
             FROM log) l JOIN runs r ON r.number = l.run
         WHERE l.after <> coalesce(l.last, r.events)",
    ),
    ("nothing says where it stands", "SELECT id FROM runs WHERE number NOT IN (SELECT run FROM heads)"),
    (
        "it is over and somebody holds it for running",
        "SELECT DISTINCT r.id FROM documents d JOIN runs r ON r.id = d.running JOIN heads h ON h.run = r.number
         WHERE h.phase <> 0",
    ),
    (
        "it is over and signals wait for it",
        "SELECT DISTINCT r.id FROM signals s JOIN runs r ON r.number = s.run JOIN heads h ON h.run = r.number
         WHERE h.phase <> 0",
    ),
    (
        "its time in the list of statuses is not its own",
        "SELECT r.id FROM runs r JOIN heads h ON h.run = r.number WHERE h.queued <> r.queued",
    ),
    (
        "whether it is over does not fit its status",
        "SELECT r.id FROM runs r JOIN heads h ON h.run = r.number
         WHERE h.phase <> CASE WHEN h.status >= 3 THEN h.status ELSE 0 END",
    ),
    (
        "a result of a workspace is of a run that is not there",
        "SELECT run FROM documents WHERE run IS NOT NULL AND run NOT IN (SELECT id FROM runs)",
    ),
];

/// The same for what belongs to no run.
const OTHERS: [(&str, &str); 2] = [
    (
        "the versions of a link have a gap",
        "SELECT pipeline || '/' || link FROM links GROUP BY pipeline, link HAVING max(version) <> count(*) OR min(version) <> 1",
    ),
    (
        "less is reserved in an account than its calls hold",
        "SELECT a.name || ' ' || a.span FROM accounts a JOIN held d ON d.account = a.number JOIN holds h ON h.call = d.call
         WHERE h.uncertain = 0 AND a.reserved_0 >= 0 AND a.reserved_1 >= 0 AND a.reserved_2 >= 0
         GROUP BY a.number
         HAVING total(h.held_0) > max(a.reserved_0) OR total(h.held_1) > max(a.reserved_1) OR total(h.held_2) > max(a.reserved_2)",
    ),
];

pub(super) fn examine(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            findings.push(format!("the file is damaged: {line}"));
        }
    }
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    let rows = check.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)))?;
    for row in rows.take(MOST) {
        let (table, parent) = row?;
        findings.push(format!(
            "a row of `{table}` refers to one of `{parent}` that is not there"
        ));
    }
    for (what, sql) in CHECKS {
        let mut check = connection.prepare(sql)?;
        for run in check.query_map([], |row| row.get::<_, Id>(0))?.take(MOST) {
            findings.push(format!("run {}: {what}", RunId::from(run?)));
        }
    }
    twice(connection, &mut findings)?;
    for (what, sql) in OTHERS {
        let mut check = connection.prepare(sql)?;
        for name in check.query_map([], |row| row.get::<_, String>(0))?.take(MOST) {
            findings.push(format!("{what}: `{}`", name?));
        }
    }
    Ok(findings)
}

/// Units that have two outcomes, and lists of outcomes that are none.
fn twice(connection: &Connection, findings: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut check = connection.prepare(
        "SELECT id, outcomes, 1 AS entry, number AS run FROM runs WHERE outcomes IS NOT NULL
         UNION ALL
         SELECT r.id, l.outcomes, l.number, l.run FROM runs r JOIN log l ON l.run = r.number WHERE l.outcomes IS NOT NULL
         ORDER BY run, entry",
    )?;
    let mut rows = check.query([])?;
    let (mut of, mut seen) = (None, HashSet::new());
    let most = findings.len() + MOST;
    while let Some(row) = rows.next()? {
        let run = RunId::from(row.get::<_, Id>(0)?);
        if of.replace(run) != Some(run) {
            seen.clear();
        }
        let Ok(units) = outcomes::read(row, 1) else {
            let number: i64 = row.get(2)?;
            findings.push(format!(
                "run {run}: the outcomes of its entry {number} make no sense"
            ));
            continue;
        };
        for UnitKey { scope, step, item } in units {
            if !seen.insert((scope, step, item)) {
                findings.push(format!("run {run}: unit {scope}/{step}/{item} has two outcomes"));
            }
        }
        if findings.len() >= most {
            break;
        }
    }
    Ok(())
}
