//! The second half of a group's transaction: what has changed is written. What every step writes goes as one statement for
//! the whole group; what is rare as one for each.

use std::fmt::Debug;

use segue::RunId;
use segue::store::{Entry, Standing, UnitKey};
use serde::Serialize;
use tokio_postgres::types::Json;

use super::{Group, Line};
use crate::postgres::pipe::{Param, Pipe, params};
use crate::postgres::row::{Facts, hold_word, kept_amounts, labels, question_word};
use crate::postgres::text::{folded, kept};

const ADD_RUN: &str = "INSERT INTO runs (id, pipeline, key, plan_hash, queued, facts, labels, status, standing, started, \
    ended, wakes, cost, final_cost, duration, search) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const ADD_LOG: &str = "INSERT INTO logs (run, owner, fence, entries, last_seq, status) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const MOVE_LOGS: &str = "UPDATE logs l SET owner = n.owner, fence = n.fence, entries = n.entries, last_seq = n.last_seq, \
    status = n.status FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) \
    AS n (run, owner, fence, entries, last_seq, status) WHERE l.run = n.run";
const MOVE_RUNS: &str = "UPDATE runs r SET status = n.status, standing = n.standing, started = n.started, \
    ended = n.ended, wakes = n.wakes, cost = n.cost, final_cost = n.final_cost, duration = n.duration, \
    search = n.search FROM unnest($1::text[], $2::text[], $3::json[], $4::bigint[], $5::bigint[], $6::bigint[], \
    $7::bigint[], $8::bigint[], $9::bigint[], $10::text[]) \
    AS n (run, status, standing, started, ended, wakes, cost, final_cost, duration, search) WHERE r.id = n.run";
const ADD_ENTRIES: &str = "INSERT INTO entries (run, number, after, events, at, body) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])";
const ADD_OUTCOMES: &str = "INSERT INTO outcomes (run, scope, step, item) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])";
const ADD_PLAN: &str = "INSERT INTO plans (hash, body) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const ADD_REQUEST: &str = "INSERT INTO requests (key, run, body) VALUES ($1, $2, $3)";
const DROP_TAKEN: &str = "DELETE FROM signals WHERE number = ANY($1)";
const DROP_SIGNALS: &str = "DELETE FROM signals WHERE run = ANY($1)";
const ADD_SIGNAL: &str = "INSERT INTO signals (run, at, wakes, kind) VALUES ($1, $2, $3, $4)";
const PUT_QUESTION: &str = "INSERT INTO questions (id, run, status, asked, deadline, refused, question) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
    refused = excluded.refused, question = excluded.question";
const DROP_WORKSPACE: &str = "DELETE FROM workspaces WHERE pipeline = $1 AND key = $2";
const PUT_DOCUMENT: &str = "INSERT INTO documents (pipeline, key, step, run, status, empty, hash, built_on, version, \
    updated, cost, running) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (pipeline, key, step) DO UPDATE SET run = excluded.run, status = excluded.status, \
    empty = excluded.empty, hash = excluded.hash, built_on = excluded.built_on, version = excluded.version, \
    updated = excluded.updated, cost = excluded.cost, running = excluded.running";
const PUT_ARTIFACT: &str = "INSERT INTO artifacts (id, run, pipeline, name, step, bytes, sha256, media_type, at, \
    is_output) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET run = excluded.run, \
    pipeline = excluded.pipeline, name = excluded.name, step = excluded.step, bytes = excluded.bytes, \
    sha256 = excluded.sha256, media_type = excluded.media_type, at = excluded.at, is_output = excluded.is_output";
const ADD_LINK: &str = "INSERT INTO links (pipeline, link, version, artifact, name, step, bytes, sha256, media_type, \
    run, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const MOVE_ACCOUNT: &str = "UPDATE accounts SET spent = $3, reserved = $4, uncertain = $5 \
    WHERE name = $1 AND period = $2";
const DROP_ACCOUNT: &str = "DELETE FROM accounts WHERE name = $1 AND period = $2";
const PUT_HOLD: &str = "INSERT INTO holds (call, run, fence, state, amounts, names, periods) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (call) DO UPDATE SET run = excluded.run, fence = excluded.fence, \
    state = excluded.state, amounts = excluded.amounts, names = excluded.names, periods = excluded.periods";
const DROP_HOLD: &str = "DELETE FROM holds WHERE call = $1";

impl<'a> Group<'a> {
    /// Puts everything that has changed into the pipe.
    pub(in crate::postgres) fn save<'p>(&'p self, pipe: &mut Pipe<'p>) {
        self.save_runs(pipe);
        self.save_log(pipe);
        self.save_people(pipe);
        self.save_workspaces(pipe);
        self.save_artifacts(pipe);
        self.save_budgets(pipe);
    }

    fn save_runs<'p>(&'p self, pipe: &mut Pipe<'p>) {
        for plan in &self.added.plans {
            pipe.put(ADD_PLAN, params![kept(&plan.hash), kept(&plan.text)]);
        }
        for run in &self.added.runs {
            if let Some(line) = self.runs.get(run) {
                add_run(pipe, *run, line);
            }
        }
        let mut moved = Logs::default();
        let mut standings = Standings::default();
        for (run, line) in self
            .runs
            .iter()
            .filter(|(_, line)| line.is_changed && line.new.is_none())
        {
            moved.push(*run, line);
            if let Some(standing) = line.standing {
                standings.push(*run, standing);
            }
        }
        moved.put(pipe);
        standings.put(pipe);
        for (request, run) in &self.added.requests {
            let key = kept(&request.key);
            pipe.put(ADD_REQUEST, params![key, run.to_string(), kept(&request.body)]);
        }
    }

    fn save_log<'p>(&'p self, pipe: &mut Pipe<'p>) {
        let entries = &self.added.entries;
        if !entries.is_empty() {
            let column = |value: fn(&Entry) -> i64| -> Vec<i64> {
                entries.iter().map(|(_, entry)| value(entry)).collect()
            };
            let runs: Vec<String> = entries.iter().map(|(run, _)| run.to_string()).collect();
            let bodies: Vec<&[u8]> = entries.iter().map(|(_, entry)| entry.body.as_slice()).collect();
            pipe.put(
                ADD_ENTRIES,
                params![
                    runs,
                    column(|entry| entry.number.cast_signed()),
                    column(|entry| entry.after.cast_signed()),
                    column(|entry| entry.events.cast_signed()),
                    column(|entry| entry.at.micros()),
                    bodies,
                ],
            );
        }
        let outcomes = &self.added.outcomes;
        if !outcomes.is_empty() {
            let column = |value: fn(&UnitKey) -> u32| -> Vec<i64> {
                outcomes.iter().map(|(_, unit)| i64::from(value(unit))).collect()
            };
            let runs: Vec<String> = outcomes.iter().map(|(run, _)| run.to_string()).collect();
            pipe.put(
                ADD_OUTCOMES,
                params![
                    runs,
                    column(|unit| unit.scope),
                    column(|unit| unit.step),
                    column(|unit| unit.item),
                ],
            );
        }
    }

    fn save_people<'p>(&'p self, pipe: &mut Pipe<'p>) {
        for asked in self.questions.values().filter(|asked| asked.is_changed) {
            let question = &asked.question;
            let refused: Vec<i64> = question
                .refused
                .iter()
                .map(|refused| refused.time.micros())
                .collect();
            pipe.put(
                PUT_QUESTION,
                params![
                    question.id.to_string(),
                    question.run.to_string(),
                    question_word(question.status),
                    question.asked.micros(),
                    question.deadline.map(segue::Time::micros),
                    refused,
                    Json(question),
                ],
            );
        }
        let taken: Vec<i64> = self
            .added
            .taken
            .iter()
            .map(|number| number.cast_signed())
            .collect();
        if !taken.is_empty() {
            pipe.put(DROP_TAKEN, params![taken]);
        }
        let over: Vec<String> = self.added.over.iter().map(ToString::to_string).collect();
        if !over.is_empty() {
            pipe.put(DROP_SIGNALS, params![over]);
        }
        for sent in &self.added.signals {
            let (run, at) = (sent.run.to_string(), sent.at.micros());
            pipe.put(ADD_SIGNAL, params![run, at, sent.kind.wakes(), Json(sent.kind)]);
        }
    }

    fn save_workspaces<'p>(&'p self, pipe: &mut Pipe<'p>) {
        for (named, workspace) in &self.workspaces {
            if workspace.is_fresh {
                pipe.put(DROP_WORKSPACE, params![kept(&named.pipeline), kept(&named.key)]);
            }
            let changed = workspace.documents.values().filter(|placed| placed.is_changed);
            for document in changed.map(|placed| &placed.document) {
                pipe.put(
                    PUT_DOCUMENT,
                    params![
                        kept(&named.pipeline),
                        kept(&named.key),
                        kept(&document.step),
                        document.run.map(|run| run.to_string()),
                        document.status.as_str(),
                        document.empty,
                        document.hash.as_deref().map(kept),
                        Json(&document.built_on),
                        document.version.cast_signed(),
                        document.updated.micros(),
                        Json(&document.cost),
                        document.running.map(|run| run.to_string()),
                    ],
                );
            }
        }
    }

    fn save_artifacts<'p>(&'p self, pipe: &mut Pipe<'p>) {
        for saved in &self.added.artifacts {
            let artifact = &saved.artifact;
            pipe.put(
                PUT_ARTIFACT,
                params![
                    artifact.id.to_string(),
                    saved.run.to_string(),
                    kept(&saved.pipeline),
                    kept(&artifact.name),
                    kept(&artifact.step),
                    artifact.bytes.cast_signed(),
                    kept(&artifact.sha256),
                    kept(&artifact.media_type),
                    saved.at.micros(),
                    saved.is_output,
                ],
            );
        }
        for (version, link) in &self.added.links {
            let artifact = &link.artifact;
            pipe.put(
                ADD_LINK,
                params![
                    kept(&link.pipeline),
                    kept(&link.link),
                    version.cast_signed(),
                    artifact.id.to_string(),
                    kept(&artifact.name),
                    kept(&artifact.step),
                    artifact.bytes.cast_signed(),
                    kept(&artifact.sha256),
                    kept(&artifact.media_type),
                    link.run.to_string(),
                    link.at.micros(),
                ],
            );
        }
    }

    fn save_budgets<'p>(&'p self, pipe: &mut Pipe<'p>) {
        for (key, known) in &self.accounts {
            let (name, period) = (kept(&key.name), kept(&key.window));
            let account = &known.account;
            if known.is_changed {
                pipe.put(
                    MOVE_ACCOUNT,
                    params![
                        name,
                        period,
                        kept_amounts(&account.spent),
                        kept_amounts(&account.reserved),
                        kept_amounts(&account.uncertain),
                    ],
                );
            } else if known.is_fresh {
                pipe.put(DROP_ACCOUNT, params![name, period]);
            }
        }
        for (call, held) in self.holds.iter().filter(|(_, held)| held.is_changed) {
            let Some(hold) = &held.hold else {
                pipe.put(DROP_HOLD, params![call.to_string()]);
                continue;
            };
            let names: Vec<_> = held.accounts.iter().map(|key| kept(&key.name)).collect();
            let periods: Vec<_> = held.accounts.iter().map(|key| kept(&key.window)).collect();
            pipe.put(
                PUT_HOLD,
                params![
                    call.to_string(),
                    hold.run.to_string(),
                    hold.fence.cast_signed(),
                    hold_word(hold.state),
                    kept_amounts(&hold.amounts),
                    names,
                    periods,
                ],
            );
        }
    }
}

fn add_run<'p>(pipe: &mut Pipe<'p>, run: RunId, line: &'p Line<'_>) {
    let Some(new) = line.new else {
        return;
    };
    let head = &new.head;
    let standing = line.standing.unwrap_or(&head.standing);
    let columns = Columns::of(standing);
    pipe.put(
        ADD_RUN,
        params![
            run.to_string(),
            kept(&head.pipeline),
            head.key.as_deref().map(kept),
            kept(&head.plan_hash),
            head.queued.micros(),
            Json(Facts::of(head)),
            labels(&head.labels),
            standing.status.as_str(),
            Json(standing),
            columns.started,
            columns.ended,
            columns.wakes,
            columns.cost,
            columns.final_cost,
            columns.duration,
            columns.search,
        ],
    );
    let mut log = line.columns();
    pipe.put(ADD_LOG, {
        let mut params: Vec<Param<'p>> = params![run.to_string()];
        params.append(&mut log);
        params
    });
}

impl Line<'_> {
    fn columns<'p>(&self) -> Vec<Param<'p>> {
        params![
            self.owner.map(|owner| owner.to_string()),
            self.fence.cast_signed(),
            self.entries.cast_signed(),
            self.last_seq.cast_signed(),
            self.status.as_str(),
        ]
    }
}

/// The columns that repeat a part of a standing, because it is searched or is finer than a text of it.
struct Columns {
    started: Option<i64>,
    ended: Option<i64>,
    wakes: Option<i64>,
    cost: i64,
    final_cost: Option<i64>,
    duration: i64,
    search: String,
}

impl Columns {
    fn of(standing: &Standing) -> Self {
        let cost = standing.cost.nanousd.nanos();
        let duration = match (standing.started, standing.ended) {
            (Some(started), Some(ended)) => {
                i64::try_from(ended.since(started).as_micros()).unwrap_or(i64::MAX)
            }
            _ => -1,
        };
        Self {
            started: standing.started.map(segue::Time::micros),
            ended: standing.ended.map(segue::Time::micros),
            wakes: standing.wakes.map(segue::Time::micros),
            cost,
            final_cost: standing.status.is_terminal().then_some(cost),
            duration,
            search: folded(&standing.text),
        }
    }
}

/// Ends of logs, column by column.
#[derive(Default)]
struct Logs {
    runs: Vec<String>,
    owners: Vec<Option<String>>,
    fences: Vec<i64>,
    entries: Vec<i64>,
    last_seqs: Vec<i64>,
    statuses: Vec<&'static str>,
}

impl Logs {
    fn push(&mut self, run: RunId, line: &Line<'_>) {
        self.runs.push(run.to_string());
        self.owners.push(line.owner.map(|owner| owner.to_string()));
        self.fences.push(line.fence.cast_signed());
        self.entries.push(line.entries.cast_signed());
        self.last_seqs.push(line.last_seq.cast_signed());
        self.statuses.push(line.status.as_str());
    }

    fn put(self, pipe: &mut Pipe<'_>) {
        if !self.runs.is_empty() {
            let Self {
                runs,
                owners,
                fences,
                entries,
                last_seqs,
                statuses,
            } = self;
            pipe.put(
                MOVE_LOGS,
                params![runs, owners, fences, entries, last_seqs, statuses],
            );
        }
    }
}

/// Standings, column by column.
#[derive(Default)]
struct Standings<'s> {
    runs: Vec<String>,
    standings: Vec<&'s Standing>,
}

impl<'s> Standings<'s> {
    fn push(&mut self, run: RunId, standing: &'s Standing) {
        self.runs.push(run.to_string());
        self.standings.push(standing);
    }

    fn put(self, pipe: &mut Pipe<'s>) {
        if self.runs.is_empty() {
            return;
        }
        let statuses: Vec<&str> = self
            .standings
            .iter()
            .map(|standing| standing.status.as_str())
            .collect();
        let columns: Vec<Columns> = self
            .standings
            .iter()
            .map(|standing| Columns::of(standing))
            .collect();
        fn column<T>(columns: &[Columns], value: fn(&Columns) -> T) -> Vec<T> {
            columns.iter().map(value).collect()
        }
        pipe.put(
            MOVE_RUNS,
            params![
                self.runs,
                statuses,
                jsons(self.standings),
                column(&columns, |columns| columns.started),
                column(&columns, |columns| columns.ended),
                column(&columns, |columns| columns.wakes),
                column(&columns, |columns| columns.cost),
                column(&columns, |columns| columns.final_cost),
                column(&columns, |columns| columns.duration),
                columns
                    .into_iter()
                    .map(|columns| columns.search)
                    .collect::<Vec<String>>(),
            ],
        );
    }
}

fn jsons<T: Serialize + Debug>(values: Vec<T>) -> Vec<Json<T>> {
    values.into_iter().map(Json).collect()
}
