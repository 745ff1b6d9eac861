//! Looking for damage: what the tables of the store have to hold among each other, asked in one snapshot. Nothing is
//! changed. Only the store's `examine` calls it.

use deadpool_postgres::{ClientWrapper, Pool};

use super::fault::Fault;
use super::row;

/// Findings of one kind that are told; more would say the same.
const MOST: usize = 100;

/// One snapshot for all, and time enough for a store of millions of entries.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout TO '1h'";

/// Each gives one line of text for each finding.
const CHECKS: &[&str] = &[
    // Entries are numbered from 1 without gaps, and as many as the end of the log says.
    "SELECT format('the log of run %s has %s entries up to number %s where its end says %s', \
        l.run, count(e.number), coalesce(max(e.number), 0), l.entries) \
     FROM logs l LEFT JOIN entries e ON e.run = l.run GROUP BY l.run, l.entries \
     HAVING count(e.number) <> l.entries OR coalesce(max(e.number), 0) <> l.entries ORDER BY l.run",
    // Each begins where the one before ended.
    "SELECT format('entry %s of run %s begins after event %s where the one before ends with event %s', \
        number, run, after, ends) \
     FROM (SELECT run, number, after, lag(after + events) OVER (PARTITION BY run ORDER BY number) AS ends \
        FROM entries) e WHERE after <> ends ORDER BY run, number",
    "SELECT format('the last event of run %s is %s where the end of its log says %s', \
        l.run, e.after + e.events, l.last_seq) \
     FROM logs l JOIN entries e ON e.run = l.run AND e.number = l.entries \
     WHERE e.after + e.events <> l.last_seq ORDER BY l.run",
    "SELECT format('run %s has no log', r.id) FROM runs r \
     WHERE NOT EXISTS (SELECT 1 FROM logs l WHERE l.run = r.id) ORDER BY r.id",
    "SELECT format('%s to run %s, which is not there', what, run) FROM ( \
        SELECT 'a log belongs' AS what, run FROM logs UNION SELECT 'entries belong', run FROM entries \
        UNION SELECT 'outcomes belong', run FROM outcomes UNION SELECT 'questions belong', run FROM questions \
        UNION SELECT 'signals belong', run FROM signals \
        UNION SELECT 'a request key belongs', run FROM requests) t \
     WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run) ORDER BY run, what",
    "SELECT format('run %s is %s where the end of its log says %s', r.id, r.status, l.status) \
     FROM runs r JOIN logs l ON l.run = r.id WHERE r.status <> l.status ORDER BY r.id",
    "SELECT format('the plan %s of run %s is not there', r.plan_hash, r.id) FROM runs r \
     WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.hash = r.plan_hash) ORDER BY r.id",
    // Workspaces.
    "SELECT format('the current result of step %s of %s is of run %s, which is not there', d.step, d.key, d.run) \
     FROM documents d WHERE d.run IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = d.run) \
     ORDER BY d.pipeline, d.key, d.step",
    "SELECT format('step %s of %s is held by run %s, which %s', d.step, d.key, d.running, \
        CASE WHEN r.id IS NULL THEN 'is not there' ELSE 'is over' END) \
     FROM documents d LEFT JOIN runs r ON r.id = d.running \
     WHERE d.running IS NOT NULL AND (r.id IS NULL OR r.status IN ('succeeded', 'failed', 'cancelled')) \
     ORDER BY d.pipeline, d.key, d.step",
    "SELECT format('the documents of %s belong to no workspace', d.key) FROM documents d \
     WHERE NOT EXISTS (SELECT 1 FROM workspaces w WHERE w.pipeline = d.pipeline AND w.key = d.key) \
     GROUP BY d.pipeline, d.key ORDER BY d.pipeline, d.key",
    // Versions of a link are numbered from 1 without gaps.
    "SELECT format('link %s of pipeline %s has %s versions up to number %s', link, pipeline, count(*), max(version)) \
     FROM links GROUP BY pipeline, link HAVING count(*) <> max(version) OR min(version) <> 1 ORDER BY pipeline, link",
    // What calls hold against an account is set aside there. More may be: of runs that were removed. A count is kept with
    // its bits, so one beyond half of its range is negative here; a sum stops at the end of the range.
    "SELECT format('account %s of %s has %s of %s set aside where calls hold %s', name, period, kept, amount, held) \
     FROM (SELECT a.name, a.period, n.amount, \
            CASE WHEN k.kept < 0 THEN k.kept + 18446744073709551616 ELSE k.kept END AS kept, \
            least(sum(CASE WHEN h.amounts[n.at] < 0 THEN h.amounts[n.at] + 18446744073709551616 \
                ELSE h.amounts[n.at] END), 18446744073709551615) AS held \
        FROM holds h CROSS JOIN unnest(h.names, h.periods) AS u (name, period) \
        JOIN accounts a ON a.name = u.name AND a.period = u.period \
        CROSS JOIN (VALUES (1, 'nano-dollars'), (2, 'tokens'), (3, 'requests')) AS n (at, amount) \
        CROSS JOIN LATERAL (SELECT (CASE h.state WHEN 'reserved' THEN a.reserved ELSE a.uncertain END)[n.at]::numeric \
            AS kept) k \
        GROUP BY a.name, a.period, h.state, n.amount, k.kept) s \
     WHERE kept < held ORDER BY name, period, amount",
    // The server itself.
    "SELECT format('index %s is not valid', i.indexrelid::regclass) FROM pg_index i \
     JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid ORDER BY 1",
    "SELECT format('the server runs with %s off: what was acknowledged can be lost with the power', name) \
     FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name",
];

/// What is wrong.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn examine(pool: &Pool) -> Result<Vec<String>, Fault> {
    let client = pool.get().await?;
    client.batch_execute(BEGIN).await?;
    let found = check(&client).await;
    // When this fails the connection is gone, and the transaction, which changed nothing, with it.
    let _ = client.batch_execute("ROLLBACK").await;
    found
}

async fn check(client: &ClientWrapper) -> Result<Vec<String>, Fault> {
    let mut findings = Vec::new();
    for sql in CHECKS {
        let rows = client.query(*sql, &[]).await?;
        for row in rows.iter().take(MOST) {
            findings.push(row::text(row, 0)?);
        }
        if rows.len() > MOST {
            findings.push(format!("and {} more like these", rows.len() - MOST));
        }
    }
    Ok(findings)
}
