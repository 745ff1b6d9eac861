//! Cases: the runs of one key share results, one step is run by one run at a time, and keys never mix.

use super::Fixture;
use super::sample::{
    all, at, cancel, commit, created, document, head, kind_of, last_commit, new_run, owner, owner_id, run,
    standing, taken_up,
};
use crate::store::{Commit, Created, Document, DocumentKey, NewRun, Store, StoreErrorKind};
use crate::view::{RunStatus, StepStatus};

fn keyed(n: u64, key: &str, claims: &[&str]) -> NewRun {
    let mut new = new_run(n);
    new.head.key = Some(key.into());
    new.claims = claims.iter().map(|step| (*step).into()).collect();
    new
}

async fn made(store: &dyn Store, new: NewRun) {
    assert_eq!(store.create(new).await.unwrap(), Created::New { fence: 1 });
}

async fn documents(store: &dyn Store, key: &str) -> Vec<Document> {
    store.documents("research".into(), key.into()).await.unwrap()
}

/// Step, version, hash and who runs it.
async fn states(store: &dyn Store, key: &str) -> Vec<(String, u64, Option<String>, bool)> {
    let documents = documents(store, key).await;
    let states = documents
        .into_iter()
        .map(|d| (d.step, d.version, d.hash, d.running.is_some()));
    states.collect()
}

fn state(step: &str, version: u64, hash: Option<&str>, running: bool) -> (String, u64, Option<String>, bool) {
    (step.into(), version, hash.map(str::to_owned), running)
}

fn with_result(n: u64, number: u64, step: &str, hash: &str) -> Commit {
    Commit {
        documents: vec![document(step, run(n), hash)],
        ..commit(n, number)
    }
}

pub(super) async fn a_step_is_run_by_one_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft", "review"])).await;
    let answer = store.create(keyed(2, "k", &["final", "review"])).await.unwrap();
    assert_eq!(
        answer,
        Created::Running {
            step: "review".into(),
            run: run(1)
        }
    );
    assert_eq!(store.head(run(2)).await.unwrap(), None);
    made(&*store, keyed(3, "k", &["final"])).await;
    let running: Vec<_> = documents(&*store, "k")
        .await
        .into_iter()
        .map(|d| (d.step, d.running))
        .collect();
    let by = |step: &str, n| (step.to_owned(), Some(run(n)));
    assert_eq!(
        running,
        [by("draft", 1), by("review", 1), by("final", 3)],
        "what was refused claimed nothing"
    );
}

pub(super) async fn of_many_that_want_a_step_one_gets_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    let wanting = (1..=40u64).map(|n| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        store.create(keyed(n, "k", &["draft"]))
    });
    let answers = all(wanting.collect()).await;
    let got: Vec<u64> = (1..=40)
        .zip(&answers)
        .filter(|(_, a)| matches!(a, Created::New { .. }))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(got.len(), 1, "{answers:?}");
    let refused = Created::Running {
        step: "draft".into(),
        run: run(got[0]),
    };
    assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 39);
}

pub(super) async fn a_result_has_to_be_the_expected_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut first = keyed(1, "k", &["draft"]);
    first.expects = vec![("draft".into(), None)];
    made(&*store, first).await;
    store.commit(with_result(1, 2, "draft", "h1")).await.unwrap();
    let expecting = |n, hash: Option<&str>| {
        let mut new = keyed(n, "k", &["final"]);
        new.expects = vec![("other".into(), None), ("draft".into(), hash.map(str::to_owned))];
        new
    };
    let changed = |current: Option<&str>| Created::Changed {
        step: "draft".into(),
        current: current.map(str::to_owned),
    };
    assert_eq!(
        store.create(expecting(2, None)).await.unwrap(),
        changed(Some("h1"))
    );
    assert_eq!(
        store.create(expecting(3, Some("h0"))).await.unwrap(),
        changed(Some("h1"))
    );
    made(&*store, expecting(4, Some("h1"))).await;
    let mut missing = keyed(5, "k", &[]);
    missing.expects = vec![("never made".into(), Some("h1".into()))];
    let answer = store.create(missing).await.unwrap();
    assert_eq!(
        answer,
        Created::Changed {
            step: "never made".into(),
            current: None
        }
    );
}

pub(super) async fn of_two_edits_of_one_result_one_wins(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &[])).await;
    store.commit(with_result(1, 2, "draft", "h0")).await.unwrap();
    let edits = (2..=11u64).map(|n| {
        let mut edit = keyed(n, "k", &[]);
        edit.expects = vec![("draft".into(), Some("h0".into()))];
        edit.documents = vec![document("draft", run(n), &format!("h{n}"))];
        store.create(edit)
    });
    let answers = all(edits.collect()).await;
    let won: Vec<u64> = (2..=11)
        .zip(&answers)
        .filter(|(_, a)| matches!(a, Created::New { .. }))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let current = Some(format!("h{}", won[0]));
    let told = Created::Changed {
        step: "draft".into(),
        current: current.clone(),
    };
    assert_eq!(answers.iter().filter(|answer| **answer == told).count(), 9);
    assert_eq!(documents(&*store, "k").await[0].hash, current);
}

pub(super) async fn what_is_refused_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft"])).await;
    let mut refused = keyed(2, "k", &["a", "draft"]);
    refused.documents = vec![document("b", run(2), "h2")];
    refused.plan = super::sample::plan(2);
    refused.request = super::sample::request("key", "body");
    store.create(refused).await.unwrap();
    assert_eq!(states(&*store, "k").await, [state("draft", 0, None, true)]);
    assert_eq!(store.plan("plan-2".into()).await.unwrap(), None);
    let mut free = new_run(3);
    free.request = super::sample::request("key", "body");
    made(&*store, free).await;
}

pub(super) async fn versions_grow_and_a_result_frees_its_step(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft"])).await;
    assert_eq!(states(&*store, "k").await, [state("draft", 0, None, true)]);
    store.commit(with_result(1, 2, "draft", "h1")).await.unwrap();
    assert_eq!(states(&*store, "k").await, [state("draft", 1, Some("h1"), false)]);
    made(&*store, keyed(2, "k", &["draft"])).await;
    assert_eq!(states(&*store, "k").await, [state("draft", 1, Some("h1"), true)]);
    store.commit(with_result(2, 2, "draft", "h2")).await.unwrap();
    let found = documents(&*store, "k").await.remove(0);
    let expected = Document {
        version: 2,
        ..document("draft", run(2), "h2")
    };
    assert_eq!(found, expected);
    let order: Vec<&String> = found.built_on.keys().collect();
    assert_eq!(order, ["sources", "left out"]);
}

pub(super) async fn a_result_does_not_end_what_another_run_does(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft"])).await;
    made(&*store, keyed(2, "k", &[])).await;
    store.commit(with_result(2, 2, "draft", "h2")).await.unwrap();
    let found = documents(&*store, "k").await.remove(0);
    assert_eq!((found.run, found.running), (Some(run(2)), Some(run(1))));
}

pub(super) async fn a_failure_does_not_take_away_a_result(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft", "skipped"])).await;
    let skipped = Document {
        status: StepStatus::Skipped,
        hash: None,
        ..document("skipped", run(1), "")
    };
    let results = vec![document("draft", run(1), "h1"), skipped.clone()];
    store
        .commit(Commit {
            documents: results,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    made(&*store, keyed(2, "k", &["draft", "skipped", "new"])).await;
    let failed = |step: &str| Document {
        status: StepStatus::Failed,
        hash: None,
        ..document(step, run(2), "")
    };
    let failures = ["draft", "skipped", "new"].map(failed).to_vec();
    store
        .commit(Commit {
            documents: failures,
            ..commit(2, 2)
        })
        .await
        .unwrap();
    let found = documents(&*store, "k").await;
    assert_eq!(
        found[0],
        Document {
            version: 1,
            ..document("draft", run(1), "h1")
        }
    );
    assert_eq!(
        found[1],
        Document {
            version: 1,
            ..skipped
        }
    );
    assert_eq!(
        found[2],
        Document {
            version: 1,
            ..failed("new")
        },
        "a step that never had a result has failed"
    );
    // A failure is replaced by the next failure, and by a result.
    made(&*store, keyed(3, "k", &["new"])).await;
    let again = Document {
        run: Some(run(3)),
        ..failed("new")
    };
    store
        .commit(Commit {
            documents: vec![again],
            ..commit(3, 2)
        })
        .await
        .unwrap();
    assert_eq!(documents(&*store, "k").await[2].version, 2);
    store.commit(with_result(3, 3, "new", "h3")).await.unwrap();
    let last = documents(&*store, "k").await.remove(2);
    assert_eq!((last.version, last.status), (3, StepStatus::Succeeded));
}

pub(super) async fn the_end_of_a_run_frees_its_steps(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, status) in [
        (1, RunStatus::Succeeded),
        (2, RunStatus::Failed),
        (3, RunStatus::Cancelled),
    ] {
        made(&*store, keyed(n, "k", &["draft", "review"])).await;
        store.commit(last_commit(n, 2, status)).await.unwrap();
        assert_eq!(documents(&*store, "k").await, []);
    }
}

pub(super) async fn a_run_that_rests_keeps_its_steps(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    made(&*store, keyed(1, "k", &["draft"])).await;
    let rest = Commit {
        standing: Some(standing(RunStatus::Waiting)),
        leaves: true,
        ..commit(1, 2)
    };
    assert!(store.commit(rest).await.unwrap().left);
    let answer = store.create(keyed(2, "k", &["draft"])).await.unwrap();
    assert_eq!(
        answer,
        Created::Running {
            step: "draft".into(),
            run: run(1)
        }
    );
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    let fence = taken_up(&*store, 1, 1).await;
    let end = Commit {
        fence,
        ..last_commit(1, 3, RunStatus::Cancelled)
    };
    store.commit(end).await.unwrap();
    made(&*store, keyed(2, "k", &["draft"])).await;
}

pub(super) async fn a_dead_owner_does_not_free_the_steps_of_its_runs(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    made(&*store, keyed(1, "k", &["draft"])).await;
    store.bury(owner_id(1), 0).await.unwrap();
    let answer = store.create(keyed(2, "k", &["draft"])).await.unwrap();
    assert_eq!(
        answer,
        Created::Running {
            step: "draft".into(),
            run: run(1)
        },
        "the run goes on elsewhere"
    );
}

pub(super) async fn only_the_steps_that_are_named_are_freed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["a", "b", "c"])).await;
    made(&*store, keyed(2, "k", &["d"])).await;
    let free = vec!["b".to_owned(), "d".into(), "nothing".into()];
    store
        .commit(Commit {
            unclaimed: free,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    let running: Vec<_> = documents(&*store, "k")
        .await
        .into_iter()
        .map(|d| d.step)
        .collect();
    assert_eq!(running, ["a", "c", "d"], "the steps of another run stay claimed");
}

pub(super) async fn keys_and_pipelines_do_not_mix(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let of = |n: u64, pipeline: &str, key: &str| {
        let mut new = keyed(n, key, &["draft"]);
        new.head.pipeline = pipeline.into();
        new.documents = vec![document("sources", run(n), &format!("h{n}"))];
        new
    };
    let places = [
        ("a", "k"),
        ("a", "K"),
        ("b", "k"),
        ("a", ""),
        ("ak", ""),
        ("", "ak"),
    ];
    for (n, (pipeline, key)) in (1..).zip(places) {
        made(&*store, of(n, pipeline, key)).await;
    }
    for (n, (pipeline, key)) in (1u64..).zip(places) {
        let found = store.documents(pipeline.into(), key.into()).await.unwrap();
        let steps: Vec<_> = found.iter().map(|d| d.step.as_str()).collect();
        assert_eq!(steps, ["draft", "sources"]);
        assert_eq!(found[1].hash, Some(format!("h{n}")));
        assert_eq!(found[0].running, Some(run(n)));
    }
}

pub(super) async fn they_are_in_the_order_in_which_they_were_first_made(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["c"])).await;
    for (number, step) in (2..).zip(["b", "a", "c", "b", "d"]) {
        store.commit(with_result(1, number, step, "h")).await.unwrap();
    }
    let steps: Vec<_> = documents(&*store, "k")
        .await
        .into_iter()
        .map(|d| d.step)
        .collect();
    assert_eq!(steps, ["c", "b", "a", "d"]);
}

pub(super) async fn workspaces_are_listed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.workspaces(None).await.unwrap(), []);
    for (n, (pipeline, key)) in (1..).zip([("b", "y"), ("a", "y"), ("a", "x"), ("a", "y")]) {
        let mut new = keyed(n, key, &[]);
        new.head.pipeline = pipeline.into();
        made(&*store, new).await;
    }
    created(&*store, [9]).await;
    let place = |pipeline: &str, key: &str| DocumentKey {
        pipeline: pipeline.into(),
        key: key.into(),
    };
    assert_eq!(
        store.workspaces(None).await.unwrap(),
        [place("a", "x"), place("a", "y"), place("b", "y")]
    );
    assert_eq!(
        store.workspaces(Some("y".into())).await.unwrap(),
        [place("a", "y"), place("b", "y")]
    );
    assert_eq!(store.workspaces(Some("z".into())).await.unwrap(), []);
}

pub(super) async fn a_run_brings_results_along(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut new = keyed(1, "k", &["final"]);
    new.documents = vec![document("draft", run(1), "h1")];
    made(&*store, new).await;
    let expected = [
        state("final", 0, None, true),
        state("draft", 1, Some("h1"), false),
    ];
    assert_eq!(states(&*store, "k").await, expected);
}

pub(super) async fn a_stale_commit_moves_no_result(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    made(&*store, keyed(1, "k", &["draft"])).await;
    let stale = Commit {
        fence: 7,
        unclaimed: vec!["draft".into()],
        ..with_result(1, 2, "draft", "h1")
    };
    assert_eq!(kind_of(store.commit(stale).await), StoreErrorKind::Lost);
    assert_eq!(states(&*store, "k").await, [state("draft", 0, None, true)]);
    assert_eq!(head(&*store, 1).await.key.as_deref(), Some("k"));
}
