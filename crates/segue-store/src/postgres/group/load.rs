//! The first half of a group's transaction: everything it touches is locked, in the one order there is, and read.

use deadpool_postgres::ClientWrapper;
use segue::RunId;
use segue::store::UnitKey;
use tokio_postgres::Row;

use super::need::Need;
use super::rows::{
    nothing, read_account, read_document, read_fresh_account, read_fresh_workspace, read_head, read_hold,
    read_link, read_outcome, read_owner, read_question, read_request, read_run, read_signal, read_workspace,
};
use super::{Group, Known};
use crate::postgres::fault::Fault;
use crate::postgres::pipe::{Answers, Param, Pipe, Slot, params};
use crate::postgres::row::{self, head_columns};
use crate::postgres::text::kept;
use crate::postgres::write::Write;

const LOCK_NAMES: &str = "SELECT pg_advisory_xact_lock(hashtextextended(n.name, 0)) \
    FROM (SELECT current_schema() || name AS name FROM unnest($1::text[]) AS t (name) ORDER BY 1) n";
const LOCK_RUNS: &str = "SELECT l.run, r.pipeline, r.key, l.owner, l.fence, l.entries, l.last_seq, l.status \
    FROM logs l JOIN runs r ON r.id = l.run WHERE l.run = ANY($1) ORDER BY l.run FOR UPDATE OF l";
const LOCK_CLAIMERS: &str = "SELECT id FROM owners WHERE id = ANY($1) ORDER BY id FOR KEY SHARE";
const HEADS: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM runs r JOIN logs l ON l.run = r.id WHERE r.id = ANY($1)"
);
const OWNERS: &str = "SELECT id FROM owners";
const MAKE_WORKSPACES: &str = "INSERT INTO workspaces (pipeline, key) \
    SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING RETURNING pipeline, key";
const LOCK_WORKSPACES: &str = "SELECT w.pipeline, w.key FROM workspaces w WHERE (w.pipeline, w.key) IN \
    (SELECT * FROM unnest($1::text[], $2::text[]) \
     UNION SELECT r.pipeline, r.key FROM runs r WHERE r.id = ANY($3) AND r.key IS NOT NULL) \
    ORDER BY w.pipeline, w.key FOR UPDATE OF w";
const DOCUMENTS: &str = "SELECT pipeline, key, step, run, status, empty, hash, built_on, version, updated, cost, \
    running FROM documents WHERE (pipeline, key) IN \
    (SELECT * FROM unnest($1::text[], $2::text[]) \
     UNION SELECT r.pipeline, r.key FROM runs r WHERE r.id = ANY($3) AND r.key IS NOT NULL) ORDER BY position";
const LOCK_QUESTIONS: &str = "SELECT question, status, asked, deadline, refused FROM questions \
    WHERE id = ANY($1) ORDER BY id FOR UPDATE";
const MAKE_ACCOUNTS: &str = "INSERT INTO accounts (name, period, spent, reserved, uncertain) \
    SELECT name, period, '{0,0,0}', '{0,0,0}', '{0,0,0}' FROM unnest($1::text[], $2::text[]) AS t (name, period) \
    ON CONFLICT DO NOTHING RETURNING name, period, spent, reserved, uncertain";
const LOCK_ACCOUNTS: &str = "SELECT a.name, a.period, a.spent, a.reserved, a.uncertain FROM accounts a \
    WHERE (a.name, a.period) IN \
    (SELECT * FROM unnest($1::text[], $2::text[]) \
     UNION SELECT n.name, n.period FROM holds h, unnest(h.names, h.periods) AS n (name, period) WHERE h.call = ANY($3)) \
    ORDER BY a.name, a.period FOR UPDATE OF a";
const HOLDS: &str = "SELECT call, run, fence, state, amounts, names, periods FROM holds WHERE call = ANY($1)";
const OUTCOMES: &str = "SELECT o.run, o.scope, o.step, o.item FROM unnest($1::text[], $2::bigint[], $3::bigint[], \
    $4::bigint[]) AS n (run, scope, step, item) JOIN outcomes o USING (run, scope, step, item)";
const SIGNALS: &str = "SELECT run, number, wakes FROM signals WHERE run = ANY($1) ORDER BY number";
const REQUESTS: &str = "SELECT key, run, body FROM requests WHERE key = ANY($1)";
const LINKS: &str = "SELECT n.pipeline, n.link, l.version FROM unnest($1::text[], $2::text[]) AS n (pipeline, link) \
    CROSS JOIN LATERAL (SELECT version FROM links WHERE pipeline = n.pipeline AND link = n.link \
        ORDER BY version DESC LIMIT 1) l";
const ENTRIES: &str = "SELECT e.run, e.number, e.after, e.events, e.at, e.body FROM \
    unnest($1::text[], $2::bigint[]) AS n (run, number) JOIN entries e USING (run, number)";

type Reader = for<'a> fn(&mut Group<'a>, &Row) -> Result<(), Fault>;

/// The statements of a group that were put into a pipe, with what reads their rows, in the order in which they are sent.
pub(in crate::postgres) struct Asked(Vec<(Slot, Reader)>);

/// Puts everything that locks and reads what these writes touch into the pipe.
pub(in crate::postgres) fn ask(pipe: &mut Pipe<'_>, writes: &[Write]) -> Asked {
    let need = Need::of(writes);
    let mut asked = Vec::new();
    let mut put = |sql, params, reader: Reader| asked.push((pipe.put(sql, params), reader));

    // What is locked, in the one order there is.
    let names = names(&need);
    if !names.is_empty() {
        put(LOCK_NAMES, params![names], nothing);
    }
    if !need.runs.is_empty() {
        put(LOCK_RUNS, params![texts(&need.runs)], read_run);
    }
    if !need.claimers.is_empty() {
        put(LOCK_CLAIMERS, params![texts(&need.claimers)], nothing);
    }
    let (pipelines, keys) = pairs(need.workspaces.iter().map(|named| (&named.pipeline, &named.key)));
    let runs = texts(&need.workspaces_of);
    if !pipelines.is_empty() {
        put(
            MAKE_WORKSPACES,
            params![pipelines.clone(), keys.clone()],
            read_fresh_workspace,
        );
    }
    if !pipelines.is_empty() || !runs.is_empty() {
        put(
            LOCK_WORKSPACES,
            params![pipelines.clone(), keys.clone(), runs.clone()],
            read_workspace,
        );
        put(DOCUMENTS, params![pipelines, keys, runs], read_document);
    }
    if !need.questions.is_empty() {
        put(LOCK_QUESTIONS, params![texts(&need.questions)], read_question);
    }
    let (names, periods) = pairs(need.accounts.iter().map(|named| (&named.name, &named.window)));
    let calls = texts(&need.calls);
    if !names.is_empty() {
        put(
            MAKE_ACCOUNTS,
            params![names.clone(), periods.clone()],
            read_fresh_account,
        );
    }
    if !names.is_empty() || !calls.is_empty() {
        put(
            LOCK_ACCOUNTS,
            params![names, periods, calls.clone()],
            read_account,
        );
    }

    // What those locks protect.
    if !calls.is_empty() {
        put(HOLDS, params![calls], read_hold);
    }
    if !need.heads.is_empty() {
        put(HEADS, params![texts(&need.heads)], read_head);
    }
    if need.owners {
        put(OWNERS, params![], read_owner);
    }
    if !need.outcomes.is_empty() {
        put(OUTCOMES, units(&need.outcomes), read_outcome);
    }
    if !need.signals.is_empty() {
        put(SIGNALS, params![texts(&need.signals)], read_signal);
    }
    if !need.requests.is_empty() {
        let keys: Vec<String> = need.requests.iter().map(|key| kept(key).into_owned()).collect();
        put(REQUESTS, params![keys], read_request);
    }
    let (pipelines, links) = pairs(need.links.iter().copied());
    if !links.is_empty() {
        put(LINKS, params![pipelines, links], read_link);
    }
    Asked(asked)
}

impl<'a> Group<'a> {
    /// What was read.
    ///
    /// # Errors
    /// When a row makes no sense.
    pub(in crate::postgres) fn read(
        asked: Asked,
        answers: &mut Answers,
        halted: bool,
    ) -> Result<Self, Fault> {
        let mut group = Self {
            halted,
            ..Self::default()
        };
        for (slot, reader) in asked.0 {
            for row in answers.take(slot) {
                reader(&mut group, &row)?;
            }
        }
        Ok(group)
    }

    /// Reads the entries that somebody may be repeating. Rare, so it costs a journey only then.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(in crate::postgres) async fn recall(
        &mut self,
        client: &ClientWrapper,
        writes: &[Write],
    ) -> Result<(), Fault> {
        let entries = writes.iter().filter_map(|write| match write {
            Write::Create(new, _) => Some((new.head.id, new.entry.number)),
            Write::Commit(commit, _) => Some((commit.run, commit.entry.number)),
            _ => None,
        });
        let is_there =
            |run: &RunId, number: &u64| self.runs.get(run).is_some_and(|line| *number <= line.entries);
        let (runs, numbers): (Vec<String>, Vec<i64>) = entries
            .filter(|(run, number)| is_there(run, number))
            .map(|(run, number)| (run.to_string(), number.cast_signed()))
            .unzip();
        if runs.is_empty() {
            return Ok(());
        }
        let mut pipe = Pipe::new(client);
        let found = pipe.put(ENTRIES, params![runs, numbers]);
        for row in pipe.run().await?.take(found) {
            let entry = row::entry(&row, 1)?;
            if let Some(line) = self.runs.get_mut(&row::id(&row, 0)?) {
                line.known.insert(entry.number, Known::Stored(entry));
            }
        }
        Ok(())
    }
}

fn texts<'t, T: ToString + 't>(names: impl IntoIterator<Item = &'t T>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

/// What may come to exist only once, and has no row yet that could be locked: runs, keys of requests, and versions of links.
/// Without a lock the slower of two groups would fail as a whole.
fn names(need: &Need<'_>) -> Vec<String> {
    let requests = need.requests.iter().map(|key| format!(" request {}", kept(key)));
    let links = need.links.iter();
    let links = links.map(|(pipeline, link)| format!(" link {} {}", kept(pipeline), kept(link)));
    let runs = need.new_runs.iter().map(|run| format!(" {run}"));
    requests.chain(links).chain(runs).collect()
}

fn pairs<A: AsRef<str>, B: AsRef<str>>(pairs: impl Iterator<Item = (A, B)>) -> (Vec<String>, Vec<String>) {
    pairs
        .map(|(a, b)| (kept(a.as_ref()).into_owned(), kept(b.as_ref()).into_owned()))
        .unzip()
}

fn units(outcomes: &[(RunId, UnitKey)]) -> Vec<Param<'static>> {
    let part = |part: fn(&UnitKey) -> u32| -> Vec<i64> {
        outcomes.iter().map(|(_, unit)| i64::from(part(unit))).collect()
    };
    params![
        outcomes
            .iter()
            .map(|(run, _)| run.to_string())
            .collect::<Vec<String>>(),
        part(|unit| unit.scope),
        part(|unit| unit.step),
        part(|unit| unit.item),
    ]
}
