//! Over TLS, where the address asks for it.

use std::path::Path;
use std::sync::Arc;

use segue::store::{MemoryBlobs, Store, StoreErrorKind};
use segue_store::Postgres;
use segue_store::postgres::Connecting;

use crate::sample::new_run;
use crate::{open, things};
use segue_store::testing::cluster;

fn builder(options: &str) -> Connecting {
    let port = cluster().port();
    let address = format!("postgres://segue:a%20secret@localhost:{port}/postgres?application_name={options}");
    Postgres::at(&address, Arc::new(MemoryBlobs::default())).schema(open::schema())
}

fn certificate() -> Vec<u8> {
    std::fs::read(Path::new(cluster().folder()).join("data/server.crt")).unwrap()
}

/// Whether each session of a name is private.
async fn privacy(name: &str) -> Vec<bool> {
    let client = things::client().await;
    let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1";
    let rows = client.query(sql, &[&name]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_session_is_private_where_the_address_says_so() {
    let store = builder("private&sslmode=require")
        .trust(certificate())
        .connect()
        .await
        .unwrap();
    store.create(new_run(1)).await.unwrap();
    assert!(store.head(new_run(1).head.id).await.unwrap().is_some());
    let sessions = privacy("private").await;
    assert!(sessions.len() >= 2, "the writer's and a reader's");
    assert!(sessions.iter().all(|is_private| *is_private), "{sessions:?}");
}

#[tokio::test]
async fn without_a_word_it_is_not() {
    let store = builder("open").connect().await.unwrap();
    store.create(new_run(1)).await.unwrap();
    let sessions = privacy("open").await;
    assert!(!sessions.is_empty() && !sessions.contains(&true), "{sessions:?}");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let refused = builder("stranger&sslmode=require").connect().await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Failed);
    assert!(
        refused
            .message
            .contains("error performing TLS handshake: invalid peer certificate"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

#[tokio::test]
async fn what_is_no_certificate_is_said_so() {
    let text = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let refused = builder("none&sslmode=require")
        .trust(text)
        .connect()
        .await
        .unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Misused);
    assert_eq!(refused.hints, ["give it as PEM"]);
}
