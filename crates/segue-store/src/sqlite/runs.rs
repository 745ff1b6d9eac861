//! Lists of runs: a query as SQL, so that a page is read from an index and not from all runs.
//!
//! Whatever is sorted and filtered by, one condition picks the index, and the rest is asked of each row. Where one index
//! cannot give the order (several statuses, a key in several pipelines), each part gives its own first rows and the
//! first of all are taken. Everything from outside is bound; what is written into a statement stands in this file.

use std::cmp::Reverse;
use std::fmt::Write;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use segue::RunId;
use segue::store::{Head, Page, RunQuery, RunSort};

use super::row::{self, HEAD, status_number};
use super::trouble::Stop;

/// Succeeded runs are most of all runs: that they are is in no index.
const SUCCEEDED: i64 = 3;

/// One statement in the making.
struct Part {
    conditions: String,
    values: Vec<Value>,
    order: &'static str,
}

/// A page of runs.
pub(super) fn runs(connection: &Connection, query: &RunQuery) -> Result<Page<Head>, Stop> {
    let after = query.starts_after().transpose()?;
    let limit = query.limit.max(1);
    // Several statements see one moment.
    connection.execute_batch("BEGIN")?;
    let found = first(connection, query, after, limit + 1);
    connection.execute_batch("COMMIT")?;
    let mut found = found?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| query.cursor_after(last));
    Ok(Page {
        items: found,
        next_cursor,
    })
}

/// The first runs of a query after a place, in order.
fn first(
    connection: &Connection,
    query: &RunQuery,
    after: Option<(i64, RunId)>,
    most: usize,
) -> rusqlite::Result<Vec<Head>> {
    let mut found = Vec::new();
    for stretch in stretches(connection, query)? {
        let before = found.len();
        let wanted = most - before;
        for mut part in stretch {
            part.filter(query);
            part.after(query.sort, after);
            found.extend(part.read(connection, wanted)?);
        }
        found[before..].sort_by_key(|head| Reverse((head.sort_value(query.sort), head.id)));
        found.truncate(most);
        if found.len() == most {
            break;
        }
    }
    Ok(found)
}

/// The statements that together find what is looked for. All of one stretch comes before all of the next; the parts of a
/// stretch are mixed.
fn stretches(connection: &Connection, query: &RunQuery) -> rusqlite::Result<Vec<Vec<Part>>> {
    let by_id = "r.id DESC";
    Ok(match query.sort {
        RunSort::Started => vec![by_start(connection, query)?],
        // Most runs cost nothing: they are in no index, and among each other they are in the order of their ids.
        RunSort::Cost => vec![
            vec![Part::new(
                "h.nanousd <> 0 AND h.nanousd > 0",
                "h.nanousd DESC, r.id DESC",
            )],
            vec![Part::new("h.nanousd = 0", by_id)],
            vec![Part::new(
                "h.nanousd <> 0 AND h.nanousd < 0",
                "h.nanousd DESC, r.id DESC",
            )],
        ],
        RunSort::Duration => vec![
            vec![Part::new("h.took >= 0", "h.took DESC, r.id DESC")],
            vec![Part::new("h.took = -1", by_id)],
        ],
    })
}

fn by_start(connection: &Connection, query: &RunQuery) -> rusqlite::Result<Vec<Part>> {
    const ORDER: &str = "r.queued DESC, r.id DESC";
    if let Some(key) = &query.key {
        let mut find = connection.prepare_cached("SELECT number FROM workspaces WHERE key = ?1")?;
        let workspaces = find.query_map([key], |row| row.get::<_, i64>(0))?;
        return workspaces
            .map(|number| Ok(Part::new("r.workspace = ?", ORDER).with(Value::Integer(number?))))
            .collect();
    }
    let mut statuses: Vec<i64> = query.status.iter().map(|status| status_number(*status)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    if !statuses.is_empty() && !statuses.contains(&SUCCEEDED) {
        let order = "h.queued DESC, r.id DESC";
        let (open, ended): (Vec<i64>, Vec<i64>) =
            statuses.into_iter().partition(|status| *status < SUCCEEDED);
        let going_on = (!open.is_empty()).then(|| Part::new("h.phase = 0", order));
        let ended = ended.into_iter().map(|status| {
            let mut part = Part::new("h.phase > 3 AND h.phase = ", order);
            part.conditions.push_str(&status.to_string());
            part
        });
        return Ok(going_on.into_iter().chain(ended).collect());
    }
    if let Some(pipeline) = &query.pipeline {
        let part = Part::new(
            "r.pipeline = (SELECT number FROM pipelines WHERE name = ?)",
            ORDER,
        );
        return Ok(vec![part.with(Value::Text(pipeline.clone()))]);
    }
    if let Some((name, value)) = query.labels.first_key_value() {
        let condition = "r.number IN (SELECT run FROM labels WHERE name = ? AND value = ?)";
        let part = Part::new(condition, ORDER);
        return Ok(vec![
            part.with(Value::Text(name.clone()))
                .with(Value::Text(value.clone())),
        ]);
    }
    Ok(vec![Part::new("TRUE", ORDER)])
}

impl Part {
    fn new(condition: &str, order: &'static str) -> Self {
        Self {
            conditions: condition.to_owned(),
            values: Vec::new(),
            order,
        }
    }

    fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    fn only(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.extend(values);
    }

    /// Everything a query asks of a run.
    fn filter(&mut self, query: &RunQuery) {
        if !query.status.is_empty() {
            let mut list = String::new();
            for status in &query.status {
                let comma = if list.is_empty() { "" } else { ", " };
                write!(list, "{comma}{}", status_number(*status)).expect("writing to a string never fails");
            }
            self.only(&format!("h.status IN ({list})"), []);
        }
        if let Some(pipeline) = &query.pipeline {
            self.only("p.name = ?", [Value::Text(pipeline.clone())]);
        }
        if let Some(key) = &query.key {
            self.only("w.key = ?", [Value::Text(key.clone())]);
        }
        for (name, value) in &query.labels {
            let values = [Value::Text(name.clone()), Value::Text(value.clone())];
            let condition = "EXISTS (SELECT 1 FROM labels
                 WHERE name = ? AND value = ? AND queued = r.queued AND run = r.number)";
            self.only(condition, values);
        }
        let integers = [
            ("r.queued >= ?", query.from.map(segue::Time::micros)),
            ("r.queued < ?", query.to.map(segue::Time::micros)),
            ("h.nanousd > ?", query.cost_over),
            ("h.nanousd < ?", query.cost_under),
        ];
        for (condition, value) in integers {
            if let Some(value) = value {
                self.only(condition, [Value::Integer(value)]);
            }
        }
        for text in query.texts.iter().filter(|text| !text.is_empty()) {
            self.only(
                "instr(coalesce(h.folded, h.text), ?) > 0",
                [Value::Text(text.to_lowercase())],
            );
        }
    }

    /// Only what comes after a place.
    fn after(&mut self, sort: RunSort, after: Option<(i64, RunId)>) {
        let Some((value, run)) = after else { return };
        let column = match sort {
            RunSort::Started => "r.queued",
            RunSort::Cost => "h.nanousd",
            RunSort::Duration => "h.took",
        };
        let id = Value::Blob(run.bits().to_be_bytes().to_vec());
        // The first half lets an index skip what comes before.
        let condition = format!("{column} <= ? AND ({column} < ? OR r.id < ?)");
        self.only(&condition, [Value::Integer(value), Value::Integer(value), id]);
    }

    fn read(self, connection: &Connection, most: usize) -> rusqlite::Result<Vec<Head>> {
        let (sql, values) = self.statement(most);
        let mut find = connection.prepare_cached(&sql)?;
        find.query_map(params_from_iter(values), row::head)?.collect()
    }

    fn statement(self, most: usize) -> (String, Vec<Value>) {
        let Self {
            conditions,
            mut values,
            order,
        } = self;
        values.push(Value::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
        (
            format!("{HEAD} WHERE {conditions} ORDER BY {order} LIMIT ?"),
            values,
        )
    }
}

/// The statements of a query, for a test that looks how they are carried out.
#[cfg(test)]
pub(super) fn statements(
    connection: &Connection,
    query: &RunQuery,
) -> Result<Vec<(String, Vec<Value>)>, Stop> {
    let after = query.starts_after().transpose()?;
    let parts = stretches(connection, query)?
        .into_iter()
        .flatten()
        .map(|mut part| {
            part.filter(query);
            part.after(query.sort, after);
            part.statement(query.limit)
        });
    Ok(parts.collect())
}
