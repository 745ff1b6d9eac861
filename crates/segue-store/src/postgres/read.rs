//! Reading: one statement through the pool, tried again for a while when the connection breaks under it. Nothing here
//! changes anything, so trying again is always right.

use std::borrow::Cow;
use std::time::Duration;

use deadpool_postgres::Pool;
use segue::store::{Pending, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use super::pipe::Param;
use super::seam::{self, Patience};
use super::writer::SILENCE;

/// How long reading is tried again while the server is away: long enough for a restart, short enough for whoever looks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads rows and makes something of them.
pub(super) fn read<T: Send + 'static>(
    pool: &Pool,
    doing: &'static str,
    sql: impl Into<Cow<'static, str>>,
    params: Vec<Param<'static>>,
    make: impl FnOnce(Vec<Row>) -> Result<T, Fault> + Send + 'static,
) -> Pending<T> {
    let (pool, sql) = (pool.clone(), sql.into());
    Box::pin(async move {
        let rows = rows(&pool, &sql, &params).await;
        let made: Result<T, Fault> = rows.and_then(make);
        made.map_err(|fault| fault.error(doing))
    })
}

/// Reads one value of each row.
pub(super) fn each<T>(
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> impl FnOnce(Vec<Row>) -> Result<Vec<T>, Fault> {
    move |rows| rows.iter().map(read).collect()
}

/// Reads the value of the only row, if there is one.
pub(super) fn first<T>(
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> impl FnOnce(Vec<Row>) -> Result<Option<T>, Fault> {
    move |rows| rows.first().map(read).transpose()
}

/// Rows of a statement.
///
/// # Errors
/// Whatever went wrong, after patience was of no use.
pub(super) async fn rows(pool: &Pool, sql: &str, params: &[Param<'static>]) -> Result<Vec<Row>, Fault> {
    let mut patience = Patience::of(PATIENCE);
    loop {
        let tried = match seam::within(SILENCE, once(pool, sql, params)).await {
            Some(tried) => tried,
            None => Err(Fault::Silent(SILENCE)),
        };
        match tried {
            Err(fault) if fault.is_away() && patience.wait().await => {}
            done => return done,
        }
    }
}

async fn once(pool: &Pool, sql: &str, params: &[Param<'static>]) -> Result<Vec<Row>, Fault> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    let params: Vec<&(dyn ToSql + Sync)> = params
        .iter()
        .map(|param| &**param as &(dyn ToSql + Sync))
        .collect();
    Ok(client.query(&statement, &params).await?)
}

/// A count as the database takes it; more than it can hold is all there is.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// Any error as one of a request that makes no sense.
pub(super) fn refused<T: Send + 'static>(error: StoreError) -> Pending<T> {
    Box::pin(std::future::ready(Err(error)))
}
