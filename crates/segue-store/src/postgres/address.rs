//! The address of a database: read once, and told to people without its password.

use std::fmt::Write;
use std::time::Duration;

use segue::store::{StoreError, StoreErrorKind};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where a database is, and how to get in.
#[derive(Clone)]
pub(super) struct Address {
    /// Everything, with the password.
    pub(super) config: Config,
    /// How people call it: `postgres://user@host/database`.
    pub(super) name: String,
}

/// How long one try to connect may take, where the address does not say.
const CONNECT: Duration = Duration::from_secs(10);
/// How long what was sent may stay unacknowledged by the system of the server before the connection counts as broken.
const UNHEARD: Duration = Duration::from_secs(30);
/// The port that is not worth mentioning.
const PORT: u16 = 5432;

impl Address {
    /// Reads an address, for a build that can do TLS or cannot.
    ///
    /// # Errors
    /// When it is none. What is wrong with it is not quoted: an address that is misread is one whose password can turn up
    /// anywhere.
    pub(super) fn read(text: &str, can_tls: bool) -> Result<Self, StoreError> {
        let form =
            "write it as `postgres://user:password@host/database`, with `%40` for an `@` inside the password";
        let bad = || {
            let message = "the address of the database is not one that PostgreSQL understands";
            StoreError::new(StoreErrorKind::Misused, message).hint(form)
        };
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(bad());
        }
        let mut config: Config = text.parse().map_err(|_| bad())?;
        if !is_plain(&config) {
            return Err(bad());
        }
        let name = name(&config);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNHEARD);
        }
        if config.get_application_name().is_none() {
            config.application_name("segue");
        }
        if config.get_ssl_mode() != SslMode::Require {
            // Not `prefer`: whoever can listen can also say that there is no TLS here.
            config.ssl_mode(SslMode::Disable);
        } else if !can_tls {
            let message = format!("{name} asks for TLS (`sslmode=require`), which this build cannot do");
            return Err(StoreError::new(StoreErrorKind::Misused, message).hint(
                "build with the feature `postgres-tls`, or reach the database over a private network without",
            ));
        }
        Ok(Self { config, name })
    }
}

/// Whether no part of an address looks like a piece of a password that was cut at the wrong place.
fn is_plain(config: &Config) -> bool {
    let hosts = config.get_hosts().iter();
    let mut parts: Vec<&str> = hosts
        .map(|host| match host {
            Host::Tcp(name) => name.as_str(),
            #[cfg(unix)]
            Host::Unix(_) => "",
        })
        .collect();
    parts.extend(config.get_dbname());
    !parts.iter().any(|part| part.contains('@'))
}

fn name(config: &Config) -> String {
    let mut name = String::from("postgres://");
    if let Some(user) = config.get_user() {
        name.push_str(user);
        name.push('@');
    }
    let ports = config.get_ports();
    for (at, host) in config.get_hosts().iter().enumerate() {
        if at > 0 {
            name.push(',');
        }
        match host {
            Host::Tcp(host) => name.push_str(host),
            #[cfg(unix)]
            Host::Unix(path) => name.push_str(&path.to_string_lossy().replace('/', "%2F")),
        }
        // One port for all hosts, or one for each.
        if let Some(port) = ports.get(at).or(ports.first()).filter(|port| **port != PORT) {
            write!(name, ":{port}").expect("writing to a string never fails");
        }
    }
    name.push('/');
    name.push_str(config.get_dbname().or(config.get_user()).unwrap_or_default());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_everything_but_the_password() {
        for (address, name) in [
            (
                "postgres://ann:secret@db.example/runs",
                "postgres://ann@db.example/runs",
            ),
            (
                "postgresql://ann:secret@db:5433/runs",
                "postgres://ann@db:5433/runs",
            ),
            (
                "postgres://ann:secret@a,b:6000/runs",
                "postgres://ann@a,b:6000/runs",
            ),
            (
                "postgres://ann:secret@%2Frun%2Fpg/runs",
                "postgres://ann@%2Frun%2Fpg/runs",
            ),
            (
                "postgres://ann:s%40c%2Fret@db/runs?connect_timeout=3",
                "postgres://ann@db/runs",
            ),
            ("postgres://ann@db", "postgres://ann@db/ann"),
        ] {
            let read = Address::read(address, false).unwrap();
            assert_eq!(read.name, name);
        }
    }

    #[test]
    fn an_address_that_is_misread_is_refused_without_a_word_of_it() {
        for address in [
            "secret",
            "mysql://ann:secret@db/runs",
            "host=db password=secret",
            // An `@` of the password that was not escaped.
            "postgres://ann:is@secret@db/runs",
            "postgres://ann:is@se/cret@db/runs",
            "postgres://ann:secret@db:port/runs",
            "postgres://ann:x@db/runs?secret=1",
            "postgres://ann:x@db/runs?secret",
        ] {
            let refused = Address::read(address, false).err().expect(address);
            assert_eq!(refused.kind, StoreErrorKind::Misused);
            assert!(!refused.to_string().contains("secret"), "{refused}");
            assert!(
                refused
                    .to_string()
                    .contains("postgres://user:password@host/database"),
                "{refused}"
            );
        }
    }

    #[test]
    fn tls_that_cannot_be_done_is_said_so() {
        let address = "postgres://ann:secret@db/runs?sslmode=require";
        assert!(Address::read(address, true).is_ok());
        let refused = Address::read(address, false).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "postgres://ann@db/runs asks for TLS (`sslmode=require`), which this build cannot do\n\
             hint: build with the feature `postgres-tls`, or reach the database over a private network without"
        );
    }
}
