//! Migrations, on a real server: what a later version of this code will do to a store of this one.

use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::ClientWrapper;
use segue::store::StoreErrorKind;
use tokio_postgres::Config;

use super::*;
use crate::durability::Durability;
use crate::postgres::session::Dialer;

use crate::testing::cluster;

/// A later version: the present one and a step beyond it.
const LATER: &[&str] = &[
    STEPS[0],
    "ALTER TABLE plans ADD COLUMN size bigint; UPDATE plans SET size = length(body)",
];
/// One whose last step fails half way.
const BROKEN: &[&str] = &[STEPS[0], "UPDATE plans SET body = 'changed'; SELECT 1 / 0"];

async fn session(schema: &str) -> ClientWrapper {
    let config: Config = cluster().address().parse().unwrap();
    let dialer = Dialer {
        config,
        schema: schema.to_owned(),
        durability: Durability::Full,
        #[cfg(feature = "postgres-tls")]
        tls: crate::postgres::tls::connector(&[]).unwrap(),
    };
    dialer.open().await.unwrap()
}

/// A store of the present version with one plan in it.
async fn present() -> (ClientWrapper, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let client = session(&schema).await;
    prepare(&client, &schema, "here", STEPS).await.unwrap();
    client
        .batch_execute("INSERT INTO plans (hash, body) VALUES ('hash', 'body')")
        .await
        .unwrap();
    (client, schema)
}

async fn text(client: &ClientWrapper, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn an_older_store_is_migrated_after_a_backup() {
    let (client, schema) = present().await;
    prepare(&client, &schema, "here", LATER).await.unwrap();
    assert_eq!(text(&client, "SELECT version::text FROM segue_store").await, "2");
    assert_eq!(text(&client, "SELECT size::text FROM plans").await, "4");
    let backup = format!("SELECT body FROM {schema}_backup_v1.plans");
    assert_eq!(text(&client, &backup).await, "body");
    let tables =
        |schema: String| format!("SELECT count(*)::text FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(
        text(&client, &tables(format!("{schema}_backup_v1"))).await,
        text(&client, &tables(schema.clone())).await
    );
    // Once more, there is nothing to do.
    prepare(&client, &schema, "here", LATER).await.unwrap();
    // For the older version it is a newer store now.
    let refused = prepare(&client, &schema, "here", STEPS).await.unwrap_err();
    assert_eq!(refused.error("open").kind, StoreErrorKind::Refused);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_everything_as_it_was() {
    let (client, schema) = present().await;
    let failed = prepare(&client, &schema, "here", BROKEN).await.unwrap_err();
    assert!(
        failed.reason().contains("division by zero"),
        "{}",
        failed.reason()
    );
    assert_eq!(text(&client, "SELECT version::text FROM segue_store").await, "1");
    assert_eq!(text(&client, "SELECT body FROM plans").await, "body");
    assert!(!exists(&client, &format!("{schema}_backup_v1")).await.unwrap());
}

#[tokio::test]
async fn a_backup_that_is_there_already_is_not_written_over() {
    let (client, schema) = present().await;
    client
        .batch_execute(&format!("CREATE SCHEMA {schema}_backup_v1"))
        .await
        .unwrap();
    let refused = prepare(&client, &schema, "here", LATER)
        .await
        .unwrap_err()
        .error("open");
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    assert_eq!(
        refused.to_string(),
        format!(
            "there is a schema `{schema}_backup_v1` already, where the backup before the migration goes\n\
             hint: it is the backup of an earlier migration; rename or drop it"
        )
    );
    assert_eq!(text(&client, "SELECT version::text FROM segue_store").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_migrate_at_once_one_does() {
    let (_, schema) = present().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let schema = schema.clone();
        starting.spawn(async move {
            let client = session(&schema).await;
            prepare(&client, &schema, "here", LATER).await
        });
    }
    while let Some(started) = starting.join_next().await {
        started.unwrap().unwrap();
    }
}
