//! The first half of a group's transaction: everything it touches is locked, in the one order there is, and read.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::ClientWrapper;
use segue::RunId;
use segue::store::{Account, AccountKey, DocumentKey, UnitKey};
use tokio_postgres::Row;

use super::need::Need;
use super::{Group, Held, Known, Line, Placed, Standings, Workspace};
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
const DOCUMENTS: &str = "SELECT pipeline, key, step, run, status, hash, built_on, version, updated, cost, running \
    FROM documents WHERE (pipeline, key) IN \
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
    let mut asked = Asked(Vec::new());
    let mut put = |sql, is_needed: bool, params: &mut dyn FnMut() -> Vec<Param<'static>>, reader: Reader| {
        if is_needed {
            asked.0.push((pipe.put(sql, params()), reader));
        }
    };
    let names = names(&need);
    put(
        LOCK_NAMES,
        !names.is_empty(),
        &mut || params![names.clone()],
        |_, _| Ok(()),
    );
    let runs = texts(&need.runs);
    put(
        LOCK_RUNS,
        !runs.is_empty(),
        &mut || params![runs.clone()],
        read_run,
    );
    let claimers = texts(&need.claimers);
    put(
        LOCK_CLAIMERS,
        !claimers.is_empty(),
        &mut || params![claimers.clone()],
        |_, _| Ok(()),
    );
    let heads = texts(&need.heads);
    put(
        HEADS,
        !heads.is_empty(),
        &mut || params![heads.clone()],
        |group, row| {
            let head = row::head(row)?;
            group.heads.insert(head.id, head);
            Ok(())
        },
    );
    put(OWNERS, need.owners, &mut || params![], read_owner);

    let (pipelines, keys) = pairs(need.workspaces.iter().map(|named| (&named.pipeline, &named.key)));
    let of = texts(&need.workspaces_of);
    let makes = !pipelines.is_empty();
    let (two, three) = (&mut || params![pipelines.clone(), keys.clone()], &mut || {
        params![pipelines.clone(), keys.clone(), of.clone()]
    });
    put(MAKE_WORKSPACES, makes, two, |group, row| {
        group.workspace(row)?.is_fresh = true;
        Ok(())
    });
    put(LOCK_WORKSPACES, makes || !of.is_empty(), three, |group, row| {
        group.workspace(row).map(drop)
    });
    put(DOCUMENTS, makes || !of.is_empty(), three, read_document);

    let questions = texts(&need.questions);
    put(
        LOCK_QUESTIONS,
        !questions.is_empty(),
        &mut || params![questions.clone()],
        read_question,
    );

    let (accounts, periods) = pairs(need.accounts.iter().map(|named| (&named.name, &named.window)));
    let calls = texts(&need.calls);
    put(
        MAKE_ACCOUNTS,
        !accounts.is_empty(),
        &mut || params![accounts.clone(), periods.clone()],
        |group, row| {
            group.account(row::account(row)?).is_fresh = true;
            Ok(())
        },
    );
    put(
        LOCK_ACCOUNTS,
        !accounts.is_empty() || !calls.is_empty(),
        &mut || params![accounts.clone(), periods.clone(), calls.clone()],
        |group, row| {
            group.account(row::account(row)?);
            Ok(())
        },
    );
    put(
        HOLDS,
        !calls.is_empty(),
        &mut || params![calls.clone()],
        read_hold,
    );

    put(
        OUTCOMES,
        !need.outcomes.is_empty(),
        &mut || units(&need.outcomes),
        read_outcome,
    );
    let signals = texts(&need.signals);
    put(
        SIGNALS,
        !signals.is_empty(),
        &mut || params![signals.clone()],
        read_signal,
    );
    let requests: Vec<String> = need.requests.iter().map(|key| kept(key).into_owned()).collect();
    put(
        REQUESTS,
        !requests.is_empty(),
        &mut || params![requests.clone()],
        |group, row| {
            let request = (row::id(row, 1)?, row::text(row, 2)?);
            group.requests.insert(row::text(row, 0)?, request);
            Ok(())
        },
    );
    let (pipelines, links) = pairs(need.links.iter().copied());
    put(
        LINKS,
        !links.is_empty(),
        &mut || params![pipelines.clone(), links.clone()],
        |group, row| {
            let named = (row::text(row, 0)?, row::text(row, 1)?);
            group.links.insert(named, row::count(row, 2)?);
            Ok(())
        },
    );
    asked
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

    fn workspace(&mut self, row: &Row) -> Result<&mut Workspace, Fault> {
        let named = DocumentKey {
            pipeline: row::text(row, 0)?,
            key: row::text(row, 1)?,
        };
        Ok(self.workspaces.entry(named).or_default())
    }

    fn account(&mut self, account: Account) -> &mut Standings {
        let key = account.key.clone();
        self.accounts.entry(key).or_insert(Standings {
            account,
            is_fresh: false,
            is_changed: false,
        })
    }
}

fn read_run(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let line = Line {
        pipeline: row::text(row, 1)?,
        key: row::texts(row, 2)?,
        owner: row::some_id(row, 3)?,
        fence: row::count(row, 4)?,
        entries: row::count(row, 5)?,
        last_seq: row::count(row, 6)?,
        status: row::run_status(&row::get::<String>(row, 7)?)?,
        known: HashMap::new(),
        outcomes: HashSet::new(),
        signals: Vec::new(),
        new: None,
        standing: None,
        is_changed: false,
    };
    group.runs.insert(row::id(row, 0)?, line);
    Ok(())
}

fn read_owner(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.owners.insert(row::id(row, 0)?);
    Ok(())
}

fn read_document(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let document = row::document(row, 2)?;
    let workspace = group.workspace(row)?;
    workspace.documents.insert(
        document.step.clone(),
        Placed {
            document,
            is_changed: false,
        },
    );
    Ok(())
}

fn read_question(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let question = row::question(row)?;
    let asked = super::Asked {
        question,
        is_changed: false,
    };
    group.questions.insert(asked.question.id, asked);
    Ok(())
}

fn read_hold(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let hold = row::hold(row)?;
    let names: Vec<String> = row::get(row, 5)?;
    let periods: Vec<String> = row::get(row, 6)?;
    let accounts = names.into_iter().zip(periods).map(|(name, period)| AccountKey {
        name: crate::postgres::text::as_was(name),
        window: crate::postgres::text::as_was(period),
    });
    let held = Held {
        accounts: accounts.collect(),
        hold: Some(hold.clone()),
        is_changed: false,
    };
    group.holds.insert(hold.call, held);
    Ok(())
}

fn read_outcome(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let part = |at| {
        let part = u32::try_from(row::count(row, at)?);
        part.map_err(|error| Fault::damaged("a unit", error))
    };
    let unit = UnitKey {
        scope: part(1)?,
        step: part(2)?,
        item: part(3)?,
    };
    if let Some(line) = group.runs.get_mut(&row::id(row, 0)?) {
        line.outcomes.insert(unit);
    }
    Ok(())
}

fn read_signal(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let signal = (row::count(row, 1)?, row::get(row, 2)?);
    if let Some(line) = group.runs.get_mut(&row::id(row, 0)?) {
        line.signals.push(signal);
    }
    Ok(())
}

fn texts<'t, T: ToString + 't>(names: impl IntoIterator<Item = &'t T>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

/// What may come to exist only once, and has no row yet that could be locked: keys of requests, and versions of links.
/// Without a lock the slower of two groups would fail as a whole.
fn names(need: &Need<'_>) -> Vec<String> {
    let requests = need.requests.iter().map(|key| format!(" request {}", kept(key)));
    let links = need.links.iter();
    let links = links.map(|(pipeline, link)| format!(" link {} {}", kept(pipeline), kept(link)));
    requests.chain(links).collect()
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
