//! Rows as values, and values as what rows keep. The only place that knows how a head, a question or a document is laid
//! out; a row that makes no sense is damage, never a panic.

use std::fmt::Display;
use std::str::FromStr;

use indexmap::IndexMap;
use segue::log::ChosenModel;
use segue::money::Cost;
use segue::question::{Question, QuestionStatus};
use segue::store::{
    Account, AccountKey, Amounts, Beat, Document, Entry, Head, Hold, HoldState, KeptArtifact, LinkVersion,
    Parent, Signal, SignalKind, Standing,
};
use segue::{Artifact, RunId, RunStatus, StepStatus, Time};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Json};

use super::fault::Fault;
use super::text::{as_was, kept};

/// The part of a head that is written once, beside what is searched for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    definition: Option<String>,
    labels: IndexMap<String, String>,
    note: Option<String>,
    trigger: String,
    parent: Option<Parent>,
    engine: String,
    models: IndexMap<String, ChosenModel>,
}

impl Facts {
    /// Of a head.
    pub(super) fn of(head: &Head) -> Self {
        Self {
            definition: head.definition.clone(),
            labels: head.labels.clone(),
            note: head.note.clone(),
            trigger: head.trigger.clone(),
            parent: head.parent.clone(),
            engine: head.engine.clone(),
            models: head.models.clone(),
        }
    }
}

/// Labels as they are searched.
pub(super) fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> serde_json::Value {
    let pairs = labels.into_iter();
    pairs
        .map(|(name, value)| (kept(name).into_owned(), kept(value).into_owned().into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The columns of [`head`], of `runs r` joined with `logs l`.
macro_rules! head_columns {
    () => {
        "r.id, r.pipeline, r.key, r.plan_hash, r.queued, r.facts, r.standing, r.started, r.ended, r.wakes, \
         l.owner, l.fence, l.last_seq"
    };
}
pub(super) use head_columns;

/// What is known of a run.
pub(super) fn head(row: &Row) -> Result<Head, Fault> {
    let id: RunId = id(row, 0)?;
    let Json(facts): Json<Facts> = get(row, 5)?;
    let Json(mut standing): Json<Standing> = get(row, 6)?;
    standing.started = time(row, 7)?;
    standing.ended = time(row, 8)?;
    standing.wakes = time(row, 9)?;
    Ok(Head {
        id,
        pipeline: text(row, 1)?,
        key: texts(row, 2)?,
        plan_hash: text(row, 3)?,
        queued: Time::from_micros(get(row, 4)?),
        definition: facts.definition,
        labels: facts.labels,
        note: facts.note,
        trigger: facts.trigger,
        parent: facts.parent,
        engine: facts.engine,
        models: facts.models,
        standing,
        owner: some_id(row, 10)?,
        fence: count(row, 11)?,
        last_seq: count(row, 12)?,
    })
}

/// `whether the owner is known, whether calls are halted, runs with a signal`.
pub(super) fn beat(row: &Row) -> Result<Beat, Fault> {
    if !get::<bool>(row, 0)? {
        return Ok(Beat {
            buried: true,
            ..Beat::default()
        });
    }
    let signalled: Vec<&str> = get(row, 2)?;
    Ok(Beat {
        buried: false,
        halted: get(row, 1)?,
        signalled: signalled.into_iter().map(parsed).collect::<Result<_, _>>()?,
    })
}

/// `number, after, events, at, body`.
pub(super) fn entry(row: &Row, from: usize) -> Result<Entry, Fault> {
    Ok(Entry {
        number: count(row, from)?,
        after: count(row, from + 1)?,
        events: count(row, from + 2)?,
        at: Time::from_micros(get(row, from + 3)?),
        body: get(row, from + 4)?,
    })
}

/// `question, status, asked, deadline, refused`.
pub(super) fn question(row: &Row) -> Result<Question, Fault> {
    let Json(mut question): Json<Question> = get(row, 0)?;
    question.status = question_status(&get::<String>(row, 1)?)?;
    question.asked = Time::from_micros(get(row, 2)?);
    question.deadline = time(row, 3)?;
    let refused: Vec<i64> = get(row, 4)?;
    for (refused, at) in question.refused.iter_mut().zip(refused) {
        refused.time = Time::from_micros(at);
    }
    Ok(question)
}

/// `number, run, at, kind`.
pub(super) fn signal(row: &Row) -> Result<Signal, Fault> {
    let Json(kind): Json<SignalKind> = get(row, 3)?;
    Ok(Signal {
        number: count(row, 0)?,
        run: id(row, 1)?,
        at: Time::from_micros(get(row, 2)?),
        kind,
    })
}

/// `step, run, status, empty, hash, built_on, version, updated, cost, running`.
pub(super) fn document(row: &Row, from: usize) -> Result<Document, Fault> {
    let Json(built_on): Json<IndexMap<String, Option<String>>> = get(row, from + 5)?;
    let Json(cost): Json<Cost> = get(row, from + 8)?;
    Ok(Document {
        step: text(row, from)?,
        run: some_id(row, from + 1)?,
        status: step_status(&get::<String>(row, from + 2)?)?,
        empty: get(row, from + 3)?,
        hash: texts(row, from + 4)?,
        built_on,
        version: count(row, from + 6)?,
        updated: Time::from_micros(get(row, from + 7)?),
        cost,
        running: some_id(row, from + 9)?,
    })
}

/// `id, name, step, bytes, sha256, media_type, run, pipeline, at, is_output`.
pub(super) fn artifact(row: &Row) -> Result<KeptArtifact, Fault> {
    Ok(KeptArtifact {
        artifact: bare_artifact(row)?,
        run: id(row, 6)?,
        pipeline: text(row, 7)?,
        at: Time::from_micros(get(row, 8)?),
        is_output: get(row, 9)?,
    })
}

/// `artifact, name, step, bytes, sha256, media_type, run, pipeline, at, link, version`.
pub(super) fn link(row: &Row) -> Result<LinkVersion, Fault> {
    Ok(LinkVersion {
        artifact: bare_artifact(row)?,
        run: id(row, 6)?,
        pipeline: text(row, 7)?,
        at: Time::from_micros(get(row, 8)?),
        link: text(row, 9)?,
        version: count(row, 10)?,
    })
}

fn bare_artifact(row: &Row) -> Result<Artifact, Fault> {
    Ok(Artifact {
        id: id(row, 0)?,
        name: text(row, 1)?,
        step: text(row, 2)?,
        bytes: count(row, 3)?,
        sha256: text(row, 4)?,
        media_type: text(row, 5)?,
    })
}

/// `name, period, spent, reserved, uncertain`.
pub(super) fn account(row: &Row) -> Result<Account, Fault> {
    Ok(Account {
        key: AccountKey {
            name: text(row, 0)?,
            window: text(row, 1)?,
        },
        spent: amounts(row, 2)?,
        reserved: amounts(row, 3)?,
        uncertain: amounts(row, 4)?,
    })
}

/// `call, run, fence, state, amounts`.
pub(super) fn hold(row: &Row) -> Result<Hold, Fault> {
    let state: String = get(row, 3)?;
    Ok(Hold {
        call: id(row, 0)?,
        run: id(row, 1)?,
        fence: count(row, 2)?,
        state: match state.as_str() {
            "reserved" => HoldState::Reserved,
            "uncertain" => HoldState::Uncertain,
            other => return Err(Fault::damaged("the state of a hold", other)),
        },
        amounts: amounts(row, 4)?,
    })
}

/// The word a hold is kept under.
pub(super) fn hold_word(state: HoldState) -> &'static str {
    match state {
        HoldState::Reserved => "reserved",
        HoldState::Uncertain => "uncertain",
    }
}

/// Amounts as they are kept.
pub(super) fn kept_amounts(amounts: &Amounts) -> Vec<i64> {
    amounts.iter().map(|amount| amount.cast_signed()).collect()
}

fn amounts(row: &Row, at: usize) -> Result<Amounts, Fault> {
    let amounts: Vec<i64> = get(row, at)?;
    let amounts: [i64; 3] = amounts
        .try_into()
        .map_err(|amounts: Vec<i64>| Fault::damaged("an amount", format!("{} numbers", amounts.len())))?;
    Ok(amounts.map(i64::cast_unsigned))
}

/// The word a question's status is kept under.
pub(super) fn question_word(status: QuestionStatus) -> &'static str {
    match status {
        QuestionStatus::Open => "open",
        QuestionStatus::Answered => "answered",
        QuestionStatus::Expired => "expired",
        QuestionStatus::Cancelled => "cancelled",
    }
}

fn question_status(word: &str) -> Result<QuestionStatus, Fault> {
    use QuestionStatus as Q;
    let all = [Q::Open, Q::Answered, Q::Expired, Q::Cancelled];
    let found = all.into_iter().find(|status| question_word(*status) == word);
    found.ok_or_else(|| Fault::damaged("the status of a question", word))
}

/// A run's status by its word.
pub(super) fn run_status(word: &str) -> Result<RunStatus, Fault> {
    use RunStatus as R;
    let all = [
        R::Queued,
        R::Running,
        R::Waiting,
        R::Succeeded,
        R::Failed,
        R::Cancelled,
    ];
    let found = all.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| Fault::damaged("the status of a run", word))
}

fn step_status(word: &str) -> Result<StepStatus, Fault> {
    use StepStatus as S;
    let all = [
        S::Pending,
        S::Ready,
        S::Running,
        S::Waiting,
        S::Succeeded,
        S::Failed,
        S::Skipped,
        S::Cancelled,
    ];
    let found = all.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| Fault::damaged("the status of a step", word))
}

/// A column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Fault> {
    row.try_get(at).map_err(|error| {
        let column = row.columns().get(at).map_or("a column", |column| column.name());
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Fault::damaged(&format!("column `{column}`"), why)
    })
}

/// A column with the name of something.
pub(super) fn id<T: FromStr<Err: Display>>(row: &Row, at: usize) -> Result<T, Fault> {
    parsed(get(row, at)?)
}

/// A column with the name of something, or nothing.
pub(super) fn some_id<T: FromStr<Err: Display>>(row: &Row, at: usize) -> Result<Option<T>, Fault> {
    let text: Option<&str> = get(row, at)?;
    text.map(parsed).transpose()
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| Fault::damaged("an id", error))
}

/// A column with a count.
pub(super) fn count(row: &Row, at: usize) -> Result<u64, Fault> {
    Ok(get::<i64>(row, at)?.cast_unsigned())
}

/// A column with a text.
pub(super) fn text(row: &Row, at: usize) -> Result<String, Fault> {
    Ok(as_was(get(row, at)?))
}

/// A column with a text, or nothing.
pub(super) fn texts(row: &Row, at: usize) -> Result<Option<String>, Fault> {
    Ok(get::<Option<String>>(row, at)?.map(as_was))
}

fn time(row: &Row, at: usize) -> Result<Option<Time>, Fault> {
    Ok(get::<Option<i64>>(row, at)?.map(Time::from_micros))
}
