//! Rows: how values of the library become columns, and columns values. Reading is total: a stored value that makes no
//! sense is an error, never a panic.

use std::fmt;

use indexmap::IndexMap;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Row};
use segue::log::ChosenModel;
use segue::money::{Cost, Nanousd};
use segue::store::{Document, Entry, Head, KeptArtifact, LinkVersion, OwnerId, Parent, Signal, Standing};
use segue::view::StepCounts;
use segue::{Artifact, ArtifactId, CallId, ErrorKind, QuestionId, RunId, RunStatus, Time, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::schema::STATUSES;

/// An id as 16 bytes, the most significant first, so that ids sort as they do everywhere else.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.to_be_bytes().to_vec()))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| FromSqlError::InvalidBlobSize {
            expected_size: 16,
            blob_size: bytes.len(),
        })?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl From<$id> for Id {
            fn from(id: $id) -> Self {
                Self(id.bits())
            }
        }

        impl From<Id> for $id {
            fn from(id: Id) -> Self {
                Self::from_bits(id.0)
            }
        }
    )*};
}

ids! { RunId CallId QuestionId ArtifactId OwnerId }

/// A count as the bits of an integer; nothing here calculates with it.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the bits are kept, and read back by `count`"
)]
pub(super) fn int(count: u64) -> i64 {
    count as i64
}

/// The count behind an integer.
#[expect(clippy::cast_sign_loss, reason = "the bits were kept by `int`")]
pub(super) fn count(int: i64) -> u64 {
    int as u64
}

pub(super) fn id_of<T: From<Id>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    Ok(row.get::<_, Id>(column)?.into())
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Time> {
    Ok(Time::from_micros(row.get(column)?))
}

fn maybe_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_micros))
}

pub(super) fn count_of(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(count(row.get(column)?))
}

/// A stored value that no version of this crate wrote.
pub(super) fn nonsense(what: &'static str) -> Error {
    #[derive(Debug)]
    struct Nonsense(&'static str);

    impl fmt::Display for Nonsense {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a stored {} makes no sense", self.0)
        }
    }

    impl std::error::Error for Nonsense {}

    Error::FromSqlConversionFailure(0, Type::Null, Box::new(Nonsense(what)))
}

/// A value as JSON. Everything that is kept so can be.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("maps of the library have text as keys")
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

pub(super) fn status_number(status: RunStatus) -> i64 {
    let word = status.as_str();
    let found = STATUSES.iter().zip(0..).find(|(known, _)| **known == word);
    found.expect("all words are listed").1
}

fn status(number: i64) -> rusqlite::Result<RunStatus> {
    match number {
        0 => Ok(RunStatus::Queued),
        1 => Ok(RunStatus::Running),
        2 => Ok(RunStatus::Waiting),
        3 => Ok(RunStatus::Succeeded),
        4 => Ok(RunStatus::Failed),
        5 => Ok(RunStatus::Cancelled),
        _ => Err(nonsense("status")),
    }
}

/// What never changes of a head and is not searched for.
#[derive(Deserialize)]
pub(super) struct Details {
    #[serde(default)]
    pub(super) definition: Option<String>,
    #[serde(default)]
    pub(super) labels: IndexMap<String, String>,
    #[serde(default)]
    pub(super) note: Option<String>,
    pub(super) trigger: String,
    #[serde(default)]
    pub(super) parent: Option<Parent>,
    pub(super) engine: String,
    #[serde(default)]
    pub(super) models: IndexMap<String, ChosenModel>,
}

/// The same, to be written.
#[derive(Serialize)]
pub(super) struct DetailsOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) definition: Option<&'a str>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) labels: &'a IndexMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'a str>,
    pub(super) trigger: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<&'a Parent>,
    pub(super) engine: &'a str,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) models: &'a IndexMap<String, ChosenModel>,
}

/// What of a standing is rare.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Rest {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failed_steps: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<(ErrorKind, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) stale_steps: Vec<String>,
}

/// The columns and tables of a head; `WHERE` and what follows is the caller's.
pub(super) const HEAD: &str = "SELECT r.id, p.name AS pipeline, pl.hash AS plan_hash, w.key, r.details, h.*,
        coalesce(l.after + l.events, r.events) AS last_seq
    FROM runs r
    JOIN heads h ON h.run = r.number
    JOIN pipelines p ON p.number = r.pipeline
    JOIN plans pl ON pl.number = r.plan
    LEFT JOIN workspaces w ON w.number = r.workspace
    LEFT JOIN log l ON l.position = (SELECT position FROM log WHERE run = r.number ORDER BY number DESC LIMIT 1)";

/// A head from a row of [`HEAD`].
pub(super) fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let details: Details = from_json(row.get_ref("details")?.as_str().map_err(|_| nonsense("head"))?)?;
    Ok(Head {
        id: id_of(row, "id")?,
        pipeline: row.get("pipeline")?,
        plan_hash: row.get("plan_hash")?,
        definition: details.definition,
        key: row.get("key")?,
        labels: details.labels,
        note: details.note,
        trigger: details.trigger,
        parent: details.parent,
        engine: details.engine,
        models: details.models,
        queued: time(row, "queued")?,
        standing: standing(row)?,
        owner: row.get::<_, Option<Id>>("owner")?.map(OwnerId::from),
        fence: count_of(row, "fence")?,
        last_seq: count_of(row, "last_seq")?,
    })
}

/// Everything that is counted of a standing, in the order in which it is kept; zeros at the end are left out.
pub(super) fn counts(standing: &Standing) -> String {
    let Standing {
        step_counts: steps,
        usage,
        cost,
        ..
    } = standing;
    let all = [
        int(steps.pending),
        int(steps.ready),
        int(steps.running),
        int(steps.waiting),
        int(steps.succeeded),
        int(steps.failed),
        int(steps.skipped),
        int(steps.cancelled),
        int(usage.input_tokens),
        int(usage.output_tokens),
        int(usage.cache_read_tokens),
        int(usage.cache_write_tokens),
        int(usage.reasoning_tokens),
        int(usage.audio_tokens),
        int(usage.requests),
        int(usage.tool_calls),
        int(usage.model_ms),
        int(usage.tool_ms),
        i64::from(cost.unpriced_calls),
        i64::from(cost.estimated_calls),
        cost.uncertain_nanousd.nanos(),
    ];
    let length = all
        .iter()
        .rposition(|count| *count != 0)
        .map_or(0, |last| last + 1);
    json(&all[..length])
}

fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let kept: Vec<i64> = from_json(row.get_ref("counts")?.as_str().map_err(|_| nonsense("count"))?)?;
    let mut kept = kept.into_iter();
    let mut next = || kept.next().unwrap_or_default();
    let mut counted = || count(next());
    let step_counts = StepCounts {
        pending: counted(),
        ready: counted(),
        running: counted(),
        waiting: counted(),
        succeeded: counted(),
        failed: counted(),
        skipped: counted(),
        cancelled: counted(),
    };
    let usage = Usage {
        input_tokens: counted(),
        output_tokens: counted(),
        cache_read_tokens: counted(),
        cache_write_tokens: counted(),
        reasoning_tokens: counted(),
        audio_tokens: counted(),
        requests: counted(),
        tool_calls: counted(),
        model_ms: counted(),
        tool_ms: counted(),
    };
    let money = |nanos| Nanousd::from_nanos(nanos).ok_or_else(|| nonsense("cost"));
    let calls = |count: i64| count.try_into().map_err(|_| nonsense("count"));
    let cost = Cost {
        nanousd: money(row.get("nanousd")?)?,
        unpriced_calls: calls(next())?,
        estimated_calls: calls(next())?,
        uncertain_nanousd: money(next())?,
    };
    if kept.next().is_some() {
        return Err(nonsense("list of counts"));
    }
    let rest: Option<String> = row.get("rest")?;
    let rest: Rest = rest.map(|rest| from_json(&rest)).transpose()?.unwrap_or_default();
    Ok(Standing {
        status: status(row.get("status")?)?,
        fallback: row.get("fallback")?,
        started: maybe_time(row, "started")?,
        ended: maybe_time(row, "ended")?,
        step_counts,
        failed_steps: rest.failed_steps,
        error: rest.error,
        usage,
        cost,
        stale_steps: rest.stale_steps,
        wakes: maybe_time(row, "wakes")?,
        text: row.get::<_, Option<String>>("text")?.unwrap_or_default(),
    })
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        number: count_of(row, "number")?,
        after: count_of(row, "after")?,
        events: count_of(row, "events")?,
        at: time(row, "at")?,
        body: row.get("body")?,
    })
}

/// A signal from a row with the id of its run as `id`.
pub(super) fn signal(row: &Row<'_>) -> rusqlite::Result<Signal> {
    Ok(Signal {
        number: count_of(row, "number")?,
        run: id_of(row, "id")?,
        at: time(row, "at")?,
        kind: from_json(&row.get::<_, String>("kind")?)?,
    })
}

/// What of a document is neither searched for nor compared.
#[derive(Serialize, Deserialize)]
pub(super) struct DocumentBody {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) empty: bool,
    pub(super) built_on: IndexMap<String, Option<String>>,
    pub(super) cost: Cost,
}

pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let body: DocumentBody = from_json(&row.get::<_, String>("body")?)?;
    let status: String = row.get("status")?;
    Ok(Document {
        step: row.get("step")?,
        run: row.get::<_, Option<Id>>("run")?.map(RunId::from),
        status: serde_json::from_value(status.into()).map_err(|_| nonsense("status of a step"))?,
        empty: body.empty,
        hash: row.get("hash")?,
        built_on: body.built_on,
        version: count_of(row, "version")?,
        updated: time(row, "updated")?,
        cost: body.cost,
        running: row.get::<_, Option<Id>>("running")?.map(RunId::from),
    })
}

fn saved(row: &Row<'_>, id: &str) -> rusqlite::Result<Artifact> {
    Ok(Artifact {
        id: id_of(row, id)?,
        name: row.get("name")?,
        step: row.get("step")?,
        bytes: count_of(row, "bytes")?,
        sha256: row.get("sha256")?,
        media_type: row.get("media_type")?,
    })
}

pub(super) fn artifact(row: &Row<'_>) -> rusqlite::Result<KeptArtifact> {
    Ok(KeptArtifact {
        artifact: saved(row, "id")?,
        run: id_of(row, "run")?,
        pipeline: row.get("pipeline")?,
        at: time(row, "at")?,
        is_output: row.get("is_output")?,
    })
}

pub(super) fn link(row: &Row<'_>) -> rusqlite::Result<LinkVersion> {
    Ok(LinkVersion {
        pipeline: row.get("pipeline")?,
        link: row.get("link")?,
        version: count_of(row, "version")?,
        artifact: saved(row, "artifact")?,
        run: id_of(row, "run")?,
        at: time(row, "at")?,
    })
}
