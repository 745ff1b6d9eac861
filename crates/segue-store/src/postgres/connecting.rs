//! How a store in PostgreSQL is opened: its settings, and what is checked before anything is written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use segue::store::{Blobs, StoreError, StoreErrorKind};

use super::address::Address;
use super::fault::Fault;
use super::session::Dialer;
use super::writer::{Link, Writer};
use super::{Postgres, schema};
use crate::durability::Durability;

/// The schema, where nobody chose another.
const SCHEMA: &str = "segue";
/// The longest name of a schema, so that the name of its backup is still one.
const LONGEST: usize = 40;
/// Connections for reading. A page of the user interface asks for a handful of things at once; a server lets in a hundred
/// connections of all processes together.
const READERS: usize = 8;
/// How long a reader waits for a connection of the pool.
const WAIT: Duration = Duration::from_secs(10);
/// How long writes are tried again while the server is away: a failover takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that is about to be opened.
#[must_use = "nothing is opened before `connect` is called"]
pub struct Connecting {
    address: String,
    blobs: Arc<dyn Blobs>,
    schema: String,
    pool_size: usize,
    durability: Durability,
    patience: Duration,
    #[cfg(feature = "postgres-tls")]
    roots: Vec<u8>,
}

impl Connecting {
    pub(super) fn new(address: &str, blobs: Arc<dyn Blobs>) -> Self {
        Self {
            address: address.to_owned(),
            blobs,
            schema: SCHEMA.to_owned(),
            pool_size: READERS,
            durability: Durability::Full,
            patience: PATIENCE,
            #[cfg(feature = "postgres-tls")]
            roots: Vec::new(),
        }
    }

    /// The schema that holds the tables of the store, for several stores in one database; `segue` by default.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Connections for reading, at least one; 8 by default. Writing has one of its own besides.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// How much outlives the power; everything by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long writes are tried again while the server is away, before they fail; 60 seconds by default. As long waits what
    /// a run at work needs to write while the disk of the server is full, or somebody else holds a lock.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Certificates, as PEM, of authorities that the server's certificate may come from, besides those the system trusts.
    #[cfg(feature = "postgres-tls")]
    pub fn trust(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.roots = certificates.into();
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As for [`Postgres::connect`].
    pub async fn connect(self) -> Result<Postgres, StoreError> {
        check_schema(&self.schema)?;
        let Address { config, name } = Address::read(&self.address, cfg!(feature = "postgres-tls"))?;
        let dialer = Dialer {
            config: config.clone(),
            schema: self.schema,
            durability: self.durability,
            #[cfg(feature = "postgres-tls")]
            tls: super::tls::connector(&self.roots)?,
        };
        let first = dialer
            .open()
            .await
            .map_err(|error| Fault::Server(error).error(&format!("connect to {name}")))?;
        schema::prepare(&first, &dialer.schema, &name, schema::STEPS)
            .await
            .map_err(|fault| fault.error(&format!("prepare schema `{}` of {name}", dialer.schema)))?;
        let manager = Manager::from_connect(
            config,
            dialer.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(self.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .build()
            .expect("a pool with a runtime can have timeouts");
        let writer = Writer::new(Link {
            dialer,
            name: name.clone(),
            patience: self.patience,
        });
        Ok(Postgres::new(name, pool, writer, self.blobs))
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: the password is in it.
        f.debug_struct("Connecting")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("durability", &self.durability)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// A name that means itself wherever it is written, so that nothing has to be escaped.
fn check_schema(schema: &str) -> Result<(), StoreError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = schema
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if begins && schema.len() <= LONGEST && schema.bytes().all(is_plain) && !schema.starts_with("pg_") {
        return Ok(());
    }
    let message = format!(
        "{schema:?} cannot be the name of a schema: it may have up to {LONGEST} of a-z, 0-9 and _, \
         begins with a letter, and not with pg_"
    );
    Err(StoreError::new(StoreErrorKind::Misused, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_is_a_schema() {
        for name in ["segue", "_a", "team_7", "user"] {
            assert_eq!(check_schema(name), Ok(()), "{name}");
        }
        let long = "a".repeat(41);
        for name in ["", "7a", "Segue", "a-b", "a b", "a\"b", "a;b", "pg_x", "ü", &long] {
            assert!(check_schema(name).is_err(), "{name:?} was taken");
        }
    }
}
