//! Branches of a step that run side by side, bounded, with their results in order.

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures_util::future::{BoxFuture, FutureExt, TryFutureExt};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::cx::Cx;
use crate::error::Result;

/// Branches at once where nothing says otherwise.
const PARALLEL: usize = 8;

/// Several branches side by side; await it.
pub struct Concurrent<I, F, T> {
    cx: Cx,
    label: String,
    items: I,
    each: F,
    limit: usize,
    output: PhantomData<fn() -> T>,
}

impl<I, F, T> Concurrent<I, F, T> {
    pub(super) fn new(cx: Cx, label: &str, items: I, each: F) -> Self {
        Self {
            cx,
            label: label.to_owned(),
            items,
            each,
            limit: PARALLEL,
            output: PhantomData,
        }
    }

    /// Most branches at once; 8 where nothing says otherwise.
    #[must_use]
    pub fn max_parallel(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl<I, F, Fut, T> Concurrent<I, F, T>
where
    I: IntoIterator,
    F: Fn(Cx, I::Item) -> Fut,
    Fut: IntoFuture<Output = Result<T>>,
{
    /// Gives each result by itself instead of ending at the first failure.
    pub async fn collect(self) -> Vec<Result<T>> {
        let mut results: Vec<(usize, Result<T>)> = self.branches().collect().await;
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// The results as they come, each with its place.
    fn branches(self) -> impl Stream<Item = (usize, Result<T>)> {
        let Concurrent {
            cx,
            label,
            items,
            each,
            limit,
            ..
        } = self;
        let position = cx.position();
        let branches = items.into_iter().enumerate().map(move |(at, item)| {
            let branch = cx.branch(format!("{position}.{label}[{at}]"));
            each(branch, item).into_future().map(move |result| (at, result))
        });
        stream::iter(branches).buffer_unordered(limit)
    }
}

impl<I, F, Fut, T> IntoFuture for Concurrent<I, F, T>
where
    I: IntoIterator + Send + 'static,
    I::IntoIter: Send,
    I::Item: Send,
    F: Fn(Cx, I::Item) -> Fut + Send + Sync + 'static,
    Fut: IntoFuture<Output = Result<T>> + 'static,
    Fut::IntoFuture: Send + 'static,
    T: Send + 'static,
{
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<T>>>;

    /// The first failure, whichever branch it comes from, ends all others.
    fn into_future(self) -> Self::IntoFuture {
        let branches = self
            .branches()
            .map(|(at, result)| result.map(|output| (at, output)));
        branches
            .try_collect()
            .map_ok(|mut outputs: Vec<(usize, T)>| {
                outputs.sort_by_key(|(at, _)| *at);
                outputs.into_iter().map(|(_, output)| output).collect()
            })
            .boxed()
    }
}
