//! A pipe: statements of one session that are sent together and answered in order, so that a group of writes costs two
//! journeys to the server, however many statements it has.
//!
//! Statements are prepared before any of them is sent, and sent in the order in which they were put in. When one cannot be
//! sent, none after it is: a `COMMIT` at the end never follows a statement that was left out.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::fault::Fault;

/// A value of a statement.
pub(super) type Param<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// Something that is sent when it is polled first, and is done when its answer is there.
type Sent<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Values of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as $crate::postgres::pipe::Param<'_>),*]
    };
}
pub(super) use params;

/// Statements to be sent together.
pub(super) struct Pipe<'a> {
    client: &'a ClientWrapper,
    statements: Vec<(&'static str, Vec<Param<'a>>)>,
}

/// Which statement of a pipe an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// What the statements of a pipe gave.
pub(super) struct Answers(Vec<Vec<Row>>);

impl<'a> Pipe<'a> {
    /// An empty pipe.
    pub(super) fn new(client: &'a ClientWrapper) -> Self {
        Self {
            client,
            statements: Vec::new(),
        }
    }

    /// Puts a statement at the end.
    pub(super) fn put(&mut self, sql: &'static str, params: Vec<Param<'a>>) -> Slot {
        self.statements.push((sql, params));
        Slot(self.statements.len() - 1)
    }

    /// Sends all statements, as one transaction's beginning, middle or end as they say, and waits for all answers.
    ///
    /// # Errors
    /// The first thing that went wrong. What came after it in the same transaction did not happen.
    pub(super) async fn run(self) -> Result<Answers, Fault> {
        let client = self.client;
        let mut sent: Vec<Sent<'a, Vec<Row>, Error>> = Vec::with_capacity(self.statements.len());
        for (sql, params) in self.statements {
            if params.is_empty() && is_control(sql) {
                sent.push(Box::pin(async move {
                    client.batch_execute(sql).await.map(|()| Vec::new())
                }));
                continue;
            }
            let statement = client.prepare_cached(sql).await?;
            sent.push(Box::pin(async move {
                let params: Vec<&(dyn ToSql + Sync)> = params
                    .iter()
                    .map(|param| &**param as &(dyn ToSql + Sync))
                    .collect();
                client.query(&statement, &params).await
            }));
        }
        Ok(Answers(all(sent).await?))
    }
}

impl Answers {
    /// What a statement gave; once.
    pub(super) fn take(&mut self, slot: Slot) -> Vec<Row> {
        self.0.get_mut(slot.0).map(std::mem::take).unwrap_or_default()
    }
}

/// Begins a transaction.
pub(super) const BEGIN: &str = "BEGIN";
/// Ends one for good.
pub(super) const COMMIT: &str = "COMMIT";
/// Ends one as if it had never been.
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// Statements without a plan, which cannot be prepared.
fn is_control(sql: &str) -> bool {
    matches!(sql, BEGIN | COMMIT | ROLLBACK)
}

/// Waits for all, after each was begun in order.
///
/// A future here sends its statement when it is polled for the first time. One that fails then was not sent, and those
/// after it are not polled at all.
async fn all<T, E>(mut sent: Vec<Sent<'_, T, E>>) -> Result<Vec<T>, E> {
    let mut begun: Vec<Poll<T>> = Vec::with_capacity(sent.len());
    poll_fn(|context| {
        for future in &mut sent {
            match future.as_mut().poll(context) {
                Poll::Ready(Ok(answer)) => begun.push(Poll::Ready(answer)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => begun.push(Poll::Pending),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    // Answers come in order.
    let mut answers = Vec::with_capacity(sent.len());
    for (future, begun) in sent.into_iter().zip(begun) {
        answers.push(match begun {
            Poll::Ready(answer) => answer,
            Poll::Pending => future.await?,
        });
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_after_what_could_not_be_sent() {
        let log = Mutex::new(Vec::new());
        let sends = |number: u32, works: bool| -> Sent<'_, u32, u32> {
            let log = &log;
            Box::pin(async move {
                log.lock().unwrap().push(number);
                if !works {
                    return Err(number);
                }
                tokio::task::yield_now().await;
                Ok(number)
            })
        };
        assert_eq!(all(vec![sends(1, true), sends(2, true)]).await, Ok(vec![1, 2]));
        assert_eq!(
            all(vec![sends(3, true), sends(4, false), sends(5, true)]).await,
            Err(4)
        );
        assert_eq!(*log.lock().unwrap(), [1, 2, 3, 4]);
    }
}
