//! Sessions: connections to the server, set up alike. The pool has them for reading; the writer has one of its own.

use std::future::Future;
use std::pin::Pin;

use deadpool_postgres::{ClientWrapper, Connect};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};

use super::seam;
use crate::durability::Durability;

/// Opens sessions.
#[derive(Clone)]
pub(super) struct Dialer {
    /// Where to.
    pub(super) config: Config,
    /// The schema of the store; a plain name, which in quotes means itself.
    pub(super) schema: String,
    /// How much outlives the power.
    pub(super) durability: Durability,
    /// How connections are made private.
    #[cfg(feature = "postgres-tls")]
    pub(super) tls: super::tls::Tls,
}

/// What every session is told. Every wait has a bound: for a lock, for a statement, for the next word of a client that is
/// gone without a farewell.
const SETTINGS: &str = "SET lock_timeout TO '5s'; \
    SET statement_timeout TO '60s'; \
    SET idle_in_transaction_session_timeout TO '15s'; \
    SET client_min_messages TO warning; \
    SET default_transaction_isolation TO 'read committed'; \
    SET default_transaction_read_only TO off;";

/// What the session of the writer is told besides. A lock keeps it waiting for less than a sign of life may take, which
/// waits behind; what could not be written for that is tried again. All it does is by key, so a plan made once serves for
/// ever, however large the tables have become since.
pub(super) const WRITES: &str = "SET lock_timeout TO '1s'; SET plan_cache_mode TO force_generic_plan; SET jit TO off; \
    SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off;";

impl Dialer {
    /// Opens a session.
    ///
    /// # Errors
    /// When the server is not there or does not let in.
    pub(super) async fn open(&self) -> Result<ClientWrapper, Error> {
        let (client, connection) = self.dial().await?;
        Ok(ClientWrapper::new(client, connection))
    }

    async fn dial(&self) -> Result<(Client, JoinHandle<()>), Error> {
        #[cfg(not(feature = "postgres-tls"))]
        let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
        #[cfg(feature = "postgres-tls")]
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let handle = seam::spawn(async move {
            // A connection that breaks is noticed by who uses it next.
            let _ = connection.await;
        });
        let handle = handle.expect("whoever waits for a connection does so on a runtime");
        let commits = match self.durability {
            Durability::Full => "on",
            Durability::Relaxed => "off",
        };
        let schema = &self.schema;
        client
            .batch_execute(&format!(
                "{SETTINGS} SET search_path TO \"{schema}\"; SET synchronous_commit TO {commits};"
            ))
            .await?;
        Ok((client, handle))
    }
}

impl Connect for Dialer {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.dial())
    }
}
