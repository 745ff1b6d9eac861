//! Cases: a commit is carried out as a whole or not at all, beside whatever others there are.

use std::sync::Arc;

use super::Fixture;
use super::sample::{
    PLAIN, all, artifact, call, cancel, commit, created, document, entry, everything, full_standing, kind_of,
    link, log, new_run, owner, owner_id, question, question_id, reserve, run,
};
use crate::question::QuestionStatus;
use crate::store::{
    Commit, Committed, Entry, Halt, QuestionChange, Settlement, SignalKind, Store, StoreErrorKind, UnitKey,
};
use crate::view::RunStatus;

/// Run 1 in a workspace, with an open question, two signals and a hold; and a commit that touches all of it.
async fn prepared(store: &Arc<dyn Store>) -> Commit {
    store.enroll(owner(1)).await.unwrap();
    let mut new = new_run(1);
    new.head.key = Some("k".into());
    new.claims = vec!["draft".into(), "final".into()];
    new.questions = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store.create(new).await.unwrap();
    for _ in 0..2 {
        store
            .signal(cancel(), run(1), super::sample::at(5))
            .await
            .unwrap();
    }
    reserve(&**store, 1, run(1), [10, 20, 1]).await;
    let signals = store.signals(run(1)).await.unwrap();
    let saved = artifact(1, run(1), "report.md", "aa11");
    Commit {
        outcomes: vec![UnitKey {
            scope: 0,
            step: 1,
            item: 2,
        }],
        standing: Some(full_standing(RunStatus::Running)),
        questions: vec![
            QuestionChange::Closed(question_id(1), QuestionStatus::Cancelled),
            QuestionChange::Asked(Box::new(question(2, run(1)))),
        ],
        taken: vec![signals[0].number],
        settled: vec![(call(1), Settlement::Spent([7, 8, 1]))],
        artifacts: vec![saved.clone()],
        links: vec![link("latest", &saved)],
        documents: vec![document("draft", run(1), "h1")],
        unclaimed: vec!["final".into()],
        ..commit(1, 2)
    }
}

pub(super) async fn all_parts_are_carried_out(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let commit = prepared(&store).await;
    let left = store.signals(run(1)).await.unwrap()[1].clone();
    let answer = store.commit(commit.clone()).await.unwrap();
    assert_eq!(
        answer,
        Committed {
            signals: true,
            ..PLAIN
        }
    );
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2)]);
    let found = super::sample::head(&*store, 1).await;
    assert_eq!((Some(found.standing), found.last_seq), (commit.standing, 4));
    let closed = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(closed.status, QuestionStatus::Cancelled);
    assert_eq!(store.questions(None, 9).await.unwrap(), [question(2, run(1))]);
    assert_eq!(store.signals(run(1)).await.unwrap(), [left]);
    let account = store.accounts(None, 9).await.unwrap().remove(0);
    assert_eq!((account.spent, account.reserved), ([7, 8, 1], [0; 3]));
    assert_eq!(
        store.artifacts(Default::default()).await.unwrap(),
        commit.artifacts
    );
    let versions = store.link("research".into(), "latest".into()).await.unwrap();
    assert_eq!((versions.len(), versions[0].version), (1, 1));
    let documents = store.documents("research".into(), "k".into()).await.unwrap();
    assert_eq!(
        documents.len(),
        1,
        "the claim on `final` is gone and it has no result"
    );
    assert_eq!((documents[0].version, documents[0].running), (1, None));
}

/// What is refused writes nothing, whatever else the commit holds.
async fn refused_whole(fixture: &dyn Fixture, kind: StoreErrorKind, spoil: impl Fn(&mut Commit)) {
    let store = fixture.open().await;
    let mut commit = prepared(&store).await;
    spoil(&mut commit);
    let before = everything(&store, &[1]).await;
    assert_eq!(kind_of(store.commit(commit).await), kind);
    assert_eq!(everything(&store, &[1]).await, before);
    let free = UnitKey {
        scope: 0,
        step: 1,
        item: 2,
    };
    let next = Commit {
        outcomes: vec![free],
        ..super::sample::commit(1, 2)
    };
    store.commit(next).await.unwrap();
}

pub(super) async fn under_a_stale_fence_nothing_is_written(fixture: &dyn Fixture) {
    refused_whole(fixture, StoreErrorKind::Lost, |commit| commit.fence = 0).await;
}

pub(super) async fn out_of_order_nothing_is_written(fixture: &dyn Fixture) {
    refused_whole(fixture, StoreErrorKind::Misused, |commit| commit.entry = entry(3)).await;
}

pub(super) async fn with_an_outcome_twice_nothing_is_written(fixture: &dyn Fixture) {
    let twice = |commit: &mut Commit| commit.outcomes.push(commit.outcomes[0]);
    refused_whole(fixture, StoreErrorKind::Misused, twice).await;
}

pub(super) async fn one_that_is_refused_does_not_spoil_the_others(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=90).await;
    let unit = UnitKey {
        scope: 0,
        step: 0,
        item: 0,
    };
    let first = (1..=90).map(|n| {
        store.commit(Commit {
            outcomes: vec![unit],
            ..commit(n, 2)
        })
    });
    all(first.collect()).await;
    // A third of them under a stale fence, a third with an outcome that exists after one that does not, a third right.
    let fresh = UnitKey { item: 1, ..unit };
    let pending: Vec<_> = (1..=90u64)
        .map(|n| {
            let mut next = commit(n, 3);
            match n % 3 {
                0 => next.fence = 7,
                1 => next.outcomes = vec![fresh, unit],
                _ => next.outcomes = vec![fresh],
            }
            store.commit(next)
        })
        .collect();
    let answers = futures_util::future::join_all(pending).await;
    for (n, answer) in (1..=90u64).zip(answers) {
        match n % 3 {
            0 => assert_eq!(kind_of(answer), StoreErrorKind::Lost, "run {n}"),
            1 => assert_eq!(kind_of(answer), StoreErrorKind::Misused, "run {n}"),
            _ => assert_eq!(answer, Ok(PLAIN), "run {n}"),
        }
        let entries = log(&*store, n).await.len();
        assert_eq!(entries, if n % 3 == 2 { 3 } else { 2 }, "run {n}");
    }
    // What was refused left nothing behind: the same unit is still free.
    for n in (1..=90u64).filter(|n| n % 3 == 1) {
        store
            .commit(Commit {
                outcomes: vec![fresh],
                ..commit(n, 3)
            })
            .await
            .unwrap();
    }
}

pub(super) async fn one_after_a_refused_one_of_its_run_is_refused_too(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let unit = UnitKey {
        scope: 0,
        step: 0,
        item: 0,
    };
    store
        .commit(Commit {
            outcomes: vec![unit],
            ..commit(1, 2)
        })
        .await
        .unwrap();
    let bad = store.commit(Commit {
        outcomes: vec![unit],
        ..commit(1, 3)
    });
    let next = store.commit(commit(1, 4));
    assert_eq!(kind_of(bad.await), StoreErrorKind::Misused);
    assert_eq!(
        kind_of(next.await),
        StoreErrorKind::Misused,
        "it would leave a gap"
    );
    assert_eq!(log(&*store, 1).await.len(), 2);
}

pub(super) async fn it_tells_that_signals_wait(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    assert_eq!(store.commit(commit(1, 2)).await.unwrap(), PLAIN);
    store
        .signal(cancel(), run(2), super::sample::at(1))
        .await
        .unwrap();
    assert_eq!(
        store.commit(commit(1, 3)).await.unwrap(),
        PLAIN,
        "that is for another run"
    );
    store
        .signal(cancel(), run(1), super::sample::at(1))
        .await
        .unwrap();
    assert!(store.commit(commit(1, 4)).await.unwrap().signals);
    let waiting = store.signals(run(1)).await.unwrap();
    let take = Commit {
        taken: vec![waiting[0].number],
        ..commit(1, 5)
    };
    assert_eq!(store.commit(take).await.unwrap(), PLAIN);
}

pub(super) async fn it_tells_of_signals_sent_through_another_handle(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, [1]).await;
    assert_eq!(store.commit(commit(1, 2)).await.unwrap(), PLAIN);
    other_handle
        .signal(cancel(), run(1), super::sample::at(1))
        .await
        .unwrap();
    assert!(store.commit(commit(1, 3)).await.unwrap().signals);
}

pub(super) async fn a_refused_answer_is_no_signal_to_act_on(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let ask = Commit {
        questions: vec![QuestionChange::Asked(Box::new(question(1, run(1))))],
        ..commit(1, 2)
    };
    store.commit(ask).await.unwrap();
    let refused: SignalKind = super::sample::refused(1);
    store.signal(refused, run(1), super::sample::at(1)).await.unwrap();
    assert!(!store.commit(commit(1, 3)).await.unwrap().signals);
}

pub(super) async fn it_tells_that_calls_are_halted(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, [1]).await;
    assert!(!store.commit(commit(1, 2)).await.unwrap().halted);
    let halt = Halt {
        by: "ada".into(),
        since: super::sample::at(3),
        reason: None,
    };
    other_handle.halt(Some(halt)).await.unwrap();
    assert!(store.commit(commit(1, 3)).await.unwrap().halted);
    other_handle.halt(None).await.unwrap();
    assert!(!store.commit(commit(1, 4)).await.unwrap().halted);
}

pub(super) async fn an_empty_part_changes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let nothing = Commit {
        taken: vec![u64::MAX, 0],
        settled: vec![(call(99), Settlement::Spent([1; 3]))],
        questions: vec![QuestionChange::Closed(question_id(99), QuestionStatus::Expired)],
        documents: vec![document("draft", run(1), "h")],
        unclaimed: vec!["draft".into()],
        entry: Entry {
            events: 0,
            ..entry(2)
        },
        ..commit(1, 2)
    };
    assert_eq!(
        store.commit(nothing).await.unwrap(),
        PLAIN,
        "none of what it names is there"
    );
    assert_eq!(
        store.workspaces(None).await.unwrap(),
        [],
        "a run without a key has no workspace"
    );
    assert_eq!(store.accounts(None, 9).await.unwrap(), []);
    assert_eq!(super::sample::head(&*store, 1).await.owner, Some(owner_id(1)));
}
