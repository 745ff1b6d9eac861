//! Cases: questions are asked, answered, closed or expire, one of these and once.

use super::Fixture;
use super::sample::{answer, at, commit, created, question, question_id, run};
use crate::error::Limit;
use crate::question::{Approval, QuestionKind, QuestionStatus};
use crate::store::{Commit, QuestionChange, Signalled, Store};

async fn asked(store: &dyn Store, number: u64, of: u64, questions: &[u64]) {
    let questions = questions
        .iter()
        .map(|n| QuestionChange::Asked(Box::new(question(*n, run(of)))))
        .collect();
    store
        .commit(Commit {
            questions,
            ..commit(of, number)
        })
        .await
        .unwrap();
}

async fn status(store: &dyn Store, n: u64) -> QuestionStatus {
    store.question(question_id(n)).await.unwrap().unwrap().status
}

pub(super) async fn one_comes_back_as_it_was_asked(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut full = question(1, run(1));
    full.kind = QuestionKind::Approval;
    full.approval = Some(Approval {
        tool: "send".into(),
        arguments: serde_json::json!({"to": ["z", "a"], "n": 1.0}),
        arguments_hash: "ab".into(),
        agent: Some("writer".into()),
    });
    full.budget = Some(Limit {
        name: "run".into(),
        unit: "usd".into(),
        limit: "$1".into(),
        spent: Some("$0.9".into()),
        reserved: None,
        needed: Some("$0.2".into()),
    });
    let mut bare = question(2, run(1));
    bare.text = None;
    bare.default = None;
    bare.deadline = None;
    bare.known.clear();
    bare.missing.clear();
    let questions = [&full, &bare].map(|question| QuestionChange::Asked(Box::new(question.clone())));
    store
        .commit(Commit {
            questions: questions.to_vec(),
            ..commit(1, 2)
        })
        .await
        .unwrap();
    assert_eq!(store.question(full.id).await.unwrap(), Some(full.clone()));
    assert_eq!(store.question(bare.id).await.unwrap(), Some(bare.clone()));
    assert_eq!(store.questions(None, 9).await.unwrap(), [full, bare]);
}

pub(super) async fn the_oldest_open_ones_come_first(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    asked(&*store, 2, 1, &[5, 3]).await;
    asked(&*store, 2, 2, &[4]).await;
    asked(&*store, 3, 1, &[1]).await;
    let listed = async |of: Option<u64>, most| {
        let found = store.questions(of.map(run), most).await.unwrap();
        found.into_iter().map(|question| question.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 9).await, [5, 3, 4, 1].map(question_id));
    assert_eq!(listed(None, 2).await, [5, 3].map(question_id));
    assert_eq!(listed(Some(1), 9).await, [5, 3, 1].map(question_id));
    assert_eq!(listed(Some(2), 9).await, [4].map(question_id));
    assert_eq!(listed(Some(3), 9).await, []);
    store.signal(answer(3), run(1), at(1)).await.unwrap();
    assert_eq!(listed(None, 9).await, [5, 4, 1].map(question_id));
}

pub(super) async fn one_that_is_closed_stays_as_it_was_closed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    asked(&*store, 2, 1, &[1, 2]).await;
    store.signal(answer(2), run(1), at(1)).await.unwrap();
    let close = |status| {
        vec![
            QuestionChange::Closed(question_id(1), status),
            QuestionChange::Closed(question_id(2), status),
        ]
    };
    let first = Commit {
        questions: close(QuestionStatus::Cancelled),
        ..commit(1, 3)
    };
    store.commit(first).await.unwrap();
    assert_eq!(status(&*store, 1).await, QuestionStatus::Cancelled);
    assert_eq!(status(&*store, 2).await, QuestionStatus::Answered);
    let second = Commit {
        questions: close(QuestionStatus::Expired),
        ..commit(1, 4)
    };
    store.commit(second).await.unwrap();
    assert_eq!(status(&*store, 1).await, QuestionStatus::Cancelled);
    let told = store.signal(answer(1), run(1), at(2)).await.unwrap();
    assert_eq!(told, Signalled::Closed(QuestionStatus::Cancelled));
}

pub(super) async fn asked_again_it_stays_as_it_stands(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    asked(&*store, 2, 1, &[1]).await;
    store.signal(answer(1), run(1), at(1)).await.unwrap();
    asked(&*store, 3, 1, &[1]).await;
    assert_eq!(status(&*store, 1).await, QuestionStatus::Answered);
}

pub(super) async fn one_that_nobody_answered_expires(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    asked(&*store, 2, 1, &[1]).await;
    for _ in 0..2 {
        assert!(store.expire(question_id(1)).await.unwrap());
    }
    assert_eq!(status(&*store, 1).await, QuestionStatus::Expired);
    let told = store.signal(answer(1), run(1), at(2)).await.unwrap();
    assert_eq!(told, Signalled::Closed(QuestionStatus::Expired));
    assert_eq!(store.questions(None, 9).await.unwrap(), []);
}

pub(super) async fn one_that_is_answered_closed_or_unknown_does_not_expire(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    asked(&*store, 2, 1, &[1, 2]).await;
    store.signal(answer(1), run(1), at(1)).await.unwrap();
    let closed = QuestionChange::Closed(question_id(2), QuestionStatus::Cancelled);
    store
        .commit(Commit {
            questions: vec![closed],
            ..commit(1, 3)
        })
        .await
        .unwrap();
    for n in 1..=3 {
        assert!(!store.expire(question_id(n)).await.unwrap(), "question {n}");
    }
    assert_eq!(status(&*store, 1).await, QuestionStatus::Answered);
    assert_eq!(status(&*store, 2).await, QuestionStatus::Cancelled);
}

pub(super) async fn an_answer_and_the_deadline_at_once_agree(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=20).await;
    for n in 1..=20 {
        asked(&*store, 2, n, &[n]).await;
        let (told, expired) = if n.is_multiple_of(2) {
            futures_util::join!(
                other_handle.signal(answer(n), run(n), at(1)),
                store.expire(question_id(n))
            )
        } else {
            let (expired, told) = futures_util::join!(
                store.expire(question_id(n)),
                store.signal(answer(n), run(n), at(1))
            );
            (told, expired)
        };
        let accepted = matches!(told.unwrap(), Signalled::Sent(_));
        assert_ne!(accepted, expired.unwrap(), "question {n} has two ends or none");
        let expected = if accepted {
            QuestionStatus::Answered
        } else {
            QuestionStatus::Expired
        };
        assert_eq!(status(&*store, n).await, expected);
    }
}
