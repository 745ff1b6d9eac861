//! What is told when something cannot be done: in whose words, with which numbers, and never with the password.

use std::sync::Arc;
use std::time::Duration;

use segue::RunId;
use segue::store::{MemoryBlobs, Store, StoreErrorKind};
use segue_store::Postgres;
use segue_store::postgres::Connecting;

use crate::open;
use crate::sample::{commit, new_run};
use crate::things;
use segue_store::testing::cluster;

fn builder(address: &str) -> Connecting {
    Postgres::at(address, Arc::new(MemoryBlobs::default())).schema(open::schema())
}

/// As the database has it, and as the address has it.
const SECRETS: [&str; 2] = ["a secret", "a%20secret"];

fn has_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_store_is_named_without_its_password() {
    let store = open::store(&open::schema()).await;
    let folder = cluster().folder().replace('/', "%2F");
    let port = cluster().port();
    assert_eq!(store.name(), format!("postgres://segue@{folder}:{port}/postgres"));
    assert_eq!(format!("{store:?}"), format!("Postgres({:?})", store.name()));
    let opening = format!("{:?}", open::builder("some"));
    assert_eq!(
        opening,
        "Connecting { schema: \"some\", pool_size: 2, durability: Full, patience: 60s, .. }"
    );
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why() {
    let address = cluster().address_of("segue", "a%20secret%20that%20is%20wrong", "postgres");
    let refused = builder(&address).connect().await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Failed);
    assert!(
        refused
            .message
            .ends_with("password authentication failed for user \"segue\" (SQLSTATE 28P01)"),
        "{refused}"
    );
    assert!(
        refused.hints[0].contains("check the user and the password"),
        "{refused}"
    );
    has_no_secret(&format!("{refused} {refused:?}"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let address = cluster().address_of("segue", "a%20secret", "nowhere");
    let refused = builder(&address).connect().await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Failed);
    assert!(
        refused.message.contains("database \"nowhere\" does not exist"),
        "{refused}"
    );
    assert_eq!(refused.hints, ["create the database first, with `createdb`"]);
    has_no_secret(&format!("{refused} {refused:?}"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().to_string_lossy().replace('/', "%2F");
    let address = format!("postgres://segue:a%20secret@{elsewhere}/postgres");
    let refused = builder(&address).connect().await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Failed);
    assert!(
        refused
            .message
            .starts_with("could not connect to postgres://segue@"),
        "{refused}"
    );
    assert!(refused.message.contains("No such file or directory"), "{refused}");
    has_no_secret(&format!("{refused} {refused:?}"));
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_what_was_being_done() {
    let schema = open::schema();
    let store = open::builder(&schema)
        .patience(Duration::ZERO)
        .connect()
        .await
        .unwrap();
    store.create(new_run(1)).await.unwrap();
    let client = things::client().await;
    for (code, kind) in [
        ("53100", StoreErrorKind::Full),
        ("53200", StoreErrorKind::Busy),
        ("55P03", StoreErrorKind::Busy),
        ("58030", StoreErrorKind::Failed),
        ("XX001", StoreErrorKind::Failed),
    ] {
        client
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}', DETAIL = 'a secret'; END $$; \
                 CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON {schema}.entries EXECUTE FUNCTION {schema}.refuse()"
            ))
            .await
            .unwrap();
        let refused = store.commit(commit(1, 2)).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
        let run = RunId::from_bits(1);
        assert_eq!(
            refused.message,
            format!("could not commit entry 2 of run {run}: no (SQLSTATE {code})")
        );
        has_no_secret(&refused.to_string());
    }
    client
        .batch_execute(&format!("DROP TRIGGER refuse ON {schema}.entries"))
        .await
        .unwrap();
    store.commit(commit(1, 2)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_damage_and_no_panic() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    let client = things::client().await;
    for (number, damage, told) in [
        (
            1,
            "UPDATE runs SET standing = '{}' WHERE id = $1",
            "column `standing` in the database cannot be read: missing field `status`",
        ),
        (
            2,
            "UPDATE runs SET facts = '[7]' WHERE id = $1",
            "column `facts` in the database cannot be read: invalid type",
        ),
        (
            3,
            "UPDATE logs SET owner = 'nobody' WHERE run = $1",
            "an id in the database cannot be read: `nobody` is not an id",
        ),
    ] {
        store.create(new_run(number)).await.unwrap();
        let run = RunId::from_bits(number);
        client
            .batch_execute(&format!("SET search_path TO {schema}"))
            .await
            .unwrap();
        client.execute(damage, &[&run.to_string()]).await.unwrap();
        let refused = store.head(run).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Refused);
        assert!(refused.message.starts_with(told), "{refused}");
    }
    // Whoever writes finds it too, and the writer lives on.
    let refused = store.commit(commit(3, 2)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    store.create(new_run(4)).await.unwrap();
}
