//! Damage is found: each of the things that have to hold among the tables is broken once, and told.

use segue::RunStatus;
use segue::store::{Document, Store};
use segue::{RunId, StepStatus, Time};
use segue_store::Postgres;

use crate::sample::{commit, new_run, standing};
use crate::{open, things};

/// A store with something of everything: two runs in a workspace, the first is over.
async fn full() -> (Postgres, String) {
    let schema = open::schema();
    let store = open::store(&schema).await;
    for number in [1, 2] {
        let mut new = new_run(number);
        new.head.key = Some("acme".into());
        new.claims = vec![format!("step {number}")];
        store.create(new).await.unwrap();
        let (call, _) = things::reserved(&store, number).await;
        let mut next = commit(number, 2);
        next.settled.push((call, segue::store::Settlement::Uncertain));
        next.artifacts.push(things::artifact(number));
        next.links.push(things::link(number, Time::from_micros(1)));
        store.commit(next).await.unwrap();
    }
    let mut last = commit(1, 3);
    last.standing = Some(standing(RunStatus::Succeeded, 9));
    last.documents.push(Document {
        step: "step 1".into(),
        run: Some(RunId::from_bits(1)),
        status: StepStatus::Succeeded,
        empty: false,
        hash: None,
        built_on: Default::default(),
        version: 0,
        updated: Time::from_micros(1),
        cost: Default::default(),
        running: None,
    });
    store.commit(last).await.unwrap();
    assert_eq!(store.examine().await.unwrap(), Vec::<String>::new());
    (store, schema)
}

#[tokio::test]
async fn each_kind_is_found() {
    let (one, two) = (RunId::from_bits(1), RunId::from_bits(2));
    let client = things::client().await;
    for (damage, told) in [
        (
            "DELETE FROM entries WHERE number = 2 AND run LIKE '%1'",
            vec![
                format!("the log of run {one} has 2 entries up to number 3 where its end says 3"),
                format!("entry 3 of run {one} begins after event 6 where the one before ends with event 3"),
            ],
        ),
        (
            "UPDATE logs SET last_seq = 5 WHERE run LIKE '%2'",
            vec![format!("the last event of run {two} is 6 where the end of its log says 5")],
        ),
        (
            "DELETE FROM logs WHERE run LIKE '%2'",
            vec![format!("run {two} has no log")],
        ),
        (
            "DELETE FROM runs WHERE id LIKE '%2'",
            vec![
                format!("a log belongs to run {two}, which is not there"),
                format!("entries belong to run {two}, which is not there"),
                format!("outcomes belong to run {two}, which is not there"),
                format!("step step 2 of acme is held by run {two}, which is not there"),
            ],
        ),
        (
            "UPDATE runs SET status = 'failed' WHERE id LIKE '%1'",
            vec![format!("run {one} is failed where the end of its log says succeeded")],
        ),
        (
            "DELETE FROM plans",
            vec![
                format!("the plan plan of run {one} is not there"),
                format!("the plan plan of run {two} is not there"),
            ],
        ),
        (
            "UPDATE documents SET run = 'run_00000000000000000000000009' WHERE step = 'step 1'",
            vec![
                "the current result of step step 1 of acme is of run run_00000000000000000000000009, which is not there"
                    .to_owned(),
            ],
        ),
        (
            "UPDATE documents SET running = run WHERE step = 'step 1'",
            vec![format!("step step 1 of acme is held by run {one}, which is over")],
        ),
        (
            "DELETE FROM workspaces",
            vec!["the documents of acme belong to no workspace".to_owned()],
        ),
        (
            "DELETE FROM links WHERE version = 1",
            vec!["link latest of pipeline research has 1 versions up to number 2".to_owned()],
        ),
        (
            "UPDATE accounts SET uncertain = '{1,0,0}'",
            vec![
                "account pipeline:research/day of 2026-03-01 has 1 of nano-dollars set aside where calls hold 2"
                    .to_owned(),
            ],
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'runs_newest'::regclass",
            vec!["index runs_newest is not valid".to_owned()],
        ),
    ] {
        let (store, schema) = full().await;
        let damage = format!("SET search_path TO {schema}; {damage}");
        client.batch_execute(&damage).await.unwrap();
        assert_eq!(store.examine().await.unwrap(), told, "after {damage}");
    }
}
