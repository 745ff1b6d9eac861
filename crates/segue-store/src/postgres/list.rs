//! Lists of runs: a query as one statement. A page begins after the place where the one before ended, found through an
//! index, so the last page of a million runs costs what the first one does.

use segue::RunId;
use segue::store::{ArtifactQuery, Head, Page, RunQuery, RunSort, StoreError};
use tokio_postgres::Row;

use super::fault::Fault;
use super::pipe::{Param, params};
use super::read::limit;
use super::row::{self, head_columns};
use super::text::{kept, pattern};

/// A statement for a page of runs.
pub(super) struct Listing {
    pub(super) sql: String,
    pub(super) params: Vec<Param<'static>>,
}

impl Listing {
    /// The statement of a query. It asks for one run more than the page holds, to know whether there is another page.
    ///
    /// # Errors
    /// When the cursor is none.
    pub(super) fn of(query: &RunQuery) -> Result<Self, StoreError> {
        let after = query.starts_after().transpose()?;
        let mut filter = Filter::default();
        if !query.status.is_empty() {
            let status: Vec<&'static str> = query.status.iter().map(|status| status.as_str()).collect();
            filter.add("r.status = ANY(?)", params![status]);
        }
        if let Some(pipeline) = &query.pipeline {
            filter.add("r.pipeline = ?", params![kept(pipeline).into_owned()]);
        }
        if !query.labels.is_empty() {
            filter.add("r.labels @> ?", params![row::labels(&query.labels)]);
        }
        if let Some(key) = &query.key {
            filter.add("r.key = ?", params![kept(key).into_owned()]);
        }
        if let Some(from) = query.from {
            filter.add("r.queued >= ?", params![from.micros()]);
        }
        if let Some(to) = query.to {
            filter.add("r.queued < ?", params![to.micros()]);
        }
        if let Some(over) = query.cost_over {
            filter.add("r.cost > ?", params![over]);
        }
        if let Some(under) = query.cost_under {
            filter.add("r.cost < ?", params![under]);
        }
        if !query.texts.is_empty() {
            let patterns: Vec<String> = query.texts.iter().map(|text| pattern(text)).collect();
            filter.add("r.search LIKE ALL(?)", params![patterns]);
        }
        let most = limit(query.limit.max(1)).saturating_add(1);
        let sql = match query.sort {
            RunSort::Started => filter.page("queued", after, most),
            RunSort::Duration => filter.page("duration", after, most),
            RunSort::Cost => filter.dearest(after, most),
        };
        Ok(Self {
            sql,
            params: filter.params,
        })
    }
}

/// The page that these rows are.
pub(super) fn page(rows: &[Row], query: &RunQuery) -> Result<Page<Head>, Fault> {
    let limit = query.limit.max(1);
    let items: Vec<Head> = rows.iter().take(limit).map(row::head).collect::<Result<_, _>>()?;
    let next_cursor = items
        .last()
        .filter(|_| rows.len() > limit)
        .map(|last| query.cursor_after(last));
    Ok(Page { items, next_cursor })
}

#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    params: Vec<Param<'static>>,
}

impl Filter {
    /// Adds a condition; each `?` of it is the next of the values.
    fn add(&mut self, condition: &str, params: Vec<Param<'static>>) {
        let mut numbered = String::with_capacity(condition.len() + 2);
        let mut next = self.params.len();
        for c in condition.chars() {
            if c == '?' {
                next += 1;
                numbered.push_str(&format!("${next}"));
            } else {
                numbered.push(c);
            }
        }
        self.params.extend(params);
        self.conditions.push(numbered);
    }
}

/// What every page takes of a run.
const TAKEN: &str = "SELECT r.id, r.pipeline, r.key, r.plan_hash, r.queued, r.facts, r.standing, r.started, r.ended, \
    r.wakes, r.cost, r.duration FROM runs r";

impl Filter {
    /// The runs before a place, sorted by a column that has an index together with the id.
    fn page(&mut self, by: &str, after: Option<(i64, RunId)>, most: i64) -> String {
        let runs = self.before(by, "", after);
        self.params.extend(params![most]);
        let limit = self.params.len();
        whole(by, &format!("({runs} LIMIT ${limit})"), limit)
    }

    /// The same by cost. Only what a run that is over has cost has an index; the others are few.
    fn dearest(&mut self, after: Option<(i64, RunId)>, most: i64) -> String {
        let over = self.before("final_cost", "r.final_cost IS NOT NULL", after);
        let unfinished = self.before("cost", "r.status IN ('queued', 'running', 'waiting')", after);
        self.params.extend(params![most]);
        let limit = self.params.len();
        let both = format!("(({over} LIMIT ${limit}) UNION ALL ({unfinished} LIMIT ${limit}))");
        whole("cost", &both, limit)
    }

    fn before(&mut self, by: &str, also: &str, after: Option<(i64, RunId)>) -> String {
        let mut conditions = self.conditions.clone();
        if !also.is_empty() {
            conditions.push(also.to_owned());
        }
        if let Some((value, run)) = after {
            self.params.extend(params![value, run.to_string()]);
            let last = self.params.len();
            conditions.push(format!("(r.{by}, r.id) < (${}, ${last})", last - 1));
        }
        let chosen = match conditions.as_slice() {
            [] => String::new(),
            conditions => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!("{TAKEN}{chosen} ORDER BY r.{by} DESC, r.id DESC")
    }
}

/// The heads of the runs of a page.
fn whole(by: &str, runs: &str, limit: usize) -> String {
    format!(
        "SELECT {} FROM {runs} r JOIN logs l ON l.run = r.id ORDER BY r.{by} DESC, r.id DESC LIMIT ${limit}",
        head_columns!()
    )
}

/// The statement of a query for artifacts.
pub(super) fn artifacts(query: &ArtifactQuery) -> (String, Vec<Param<'static>>) {
    let mut filter = Filter::default();
    filter.add("NOT is_output", params![]);
    if let Some(run) = query.run {
        filter.add("run = ?", params![run.to_string()]);
    }
    if let Some(pipeline) = &query.pipeline {
        filter.add("pipeline = ?", params![kept(pipeline).into_owned()]);
    }
    if let Some(name) = &query.name {
        filter.add("name = ?", params![kept(name).into_owned()]);
    }
    let most = if query.limit == 0 { usize::MAX } else { query.limit };
    filter.params.extend(params![limit(most)]);
    let sql = format!(
        "SELECT id, name, step, bytes, sha256, media_type, run, pipeline, at, is_output FROM artifacts \
         WHERE {} ORDER BY position LIMIT ${}",
        filter.conditions.join(" AND "),
        filter.params.len()
    );
    (sql, filter.params)
}
