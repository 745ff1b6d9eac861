//! The schema is made where it is missing, and left alone where it is newer or somebody else's.

use std::sync::Arc;

use segue::store::{MemoryBlobs, Store, StoreError, StoreErrorKind};
use segue_store::Postgres;

use crate::sample::new_run;
use crate::{open, things};
use segue_store::testing::cluster;

async fn opened(schema: &str) -> Result<Postgres, StoreError> {
    open::builder(schema).connect().await
}

/// Everything that is in a schema, row by row.
async fn content(schema: &str) -> Vec<String> {
    let client = things::client().await;
    let tables = client
        .query(
            "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace($1) ORDER BY relname",
            &[&schema],
        )
        .await
        .unwrap();
    let mut content = Vec::new();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        content.push(table.clone());
        let rows = client
            .query(&format!("SELECT t::text FROM {schema}.\"{table}\" t"), &[])
            .await;
        content.extend(rows.into_iter().flatten().map(|row| row.get::<_, String>(0)));
    }
    content
}

#[tokio::test]
async fn a_newer_one_is_refused_with_nothing_written() {
    let schema = open::schema();
    let store = opened(&schema).await.unwrap();
    store.create(new_run(1)).await.unwrap();
    let client = things::client().await;
    let newer = format!("UPDATE {schema}.segue_store SET version = version + 1");
    client.batch_execute(&newer).await.unwrap();
    let before = content(&schema).await;

    let refused = opened(&schema).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    let told = format!(
        "schema `{schema}` of {} is of version 2; this version of Segue reads up to 1\n\
         hint: use the version of Segue that wrote it, or a newer one; nothing was changed",
        store.name()
    );
    assert_eq!(refused.to_string(), told);
    // A process that works while another one migrates is stopped as well.
    let late = store.create(new_run(2)).await.unwrap_err();
    assert_eq!(late.to_string(), told);
    assert_eq!(content(&schema).await, before);
}

#[tokio::test]
async fn what_is_somebody_elses_is_refused_with_nothing_written() {
    let client = things::client().await;
    for (table, told) in [
        ("orders (id integer)", "it has the tables `orders`"),
        // It only looks like ours.
        ("segue_store (version text)", "it has the tables `segue_store`"),
        (
            "a (x integer); CREATE TABLE %.b (x integer); CREATE TABLE %.c (x integer); CREATE TABLE %.d (x integer)",
            "it has the tables `a`, `b`, `c` and 1 more",
        ),
    ] {
        let schema = open::schema();
        let table = table.replace('%', &schema);
        let make = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table}");
        client.batch_execute(&make).await.unwrap();
        let before = content(&schema).await;
        let refused = opened(&schema).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Refused);
        assert!(refused.to_string().contains(told), "{refused}");
        assert!(
            refused
                .to_string()
                .contains("hint: choose another schema; nothing was changed"),
            "{refused}"
        );
        assert_eq!(content(&schema).await, before);
    }
}

#[tokio::test]
async fn an_empty_one_that_was_given_is_used() {
    let client = things::client().await;
    let schema = open::schema();
    let user = format!("user_{schema}");
    // Somebody who may do nothing else in this database.
    client
        .batch_execute(&format!(
            "CREATE ROLE {user} LOGIN PASSWORD 'word'; REVOKE CREATE ON DATABASE postgres FROM PUBLIC; \
             CREATE SCHEMA {schema} AUTHORIZATION {user}"
        ))
        .await
        .unwrap();
    let address = cluster().address_of(&user, "word", "postgres");
    let builder = |schema: &str| {
        Postgres::at(&address, Arc::new(MemoryBlobs::default()))
            .schema(schema)
            .pool_size(1)
    };
    let store = builder(&schema).connect().await.unwrap();
    store.create(new_run(1)).await.unwrap();

    let refused = builder(&open::schema()).connect().await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Failed);
    assert!(
        refused.message.contains("permission denied for database"),
        "{refused}"
    );
    assert_eq!(
        refused.hints,
        ["the user needs the right to create its schema, or to own one that is empty"]
    );
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let client = things::client().await;
    client
        .batch_execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
        .await
        .unwrap();
    let address = cluster().address_of("segue", "a%20secret", "latin");
    let refused = Postgres::connect(&address, Arc::new(MemoryBlobs::default()))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    assert!(
        refused
            .message
            .ends_with("keeps text as LATIN1, which cannot hold every text"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_start_at_once_make_one() {
    let schema = open::schema();
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let schema = schema.clone();
        starting.spawn(async move { opened(&schema).await.map(drop) });
    }
    while let Some(started) = starting.join_next().await {
        started.unwrap().unwrap();
    }
    let store = opened(&schema).await.unwrap();
    assert_eq!(store.examine().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn stores_of_two_schemas_do_not_mix() {
    let (one, two) = (
        open::store(&open::schema()).await,
        open::store(&open::schema()).await,
    );
    one.create(new_run(1)).await.unwrap();
    assert_eq!(two.head(new_run(1).head.id).await.unwrap(), None);
    assert_eq!(one.named("run_".into(), 10).await.unwrap().len(), 1);
}
