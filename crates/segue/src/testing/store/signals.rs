//! Cases: what a run is told arrives, once, whoever holds the run.

use super::Fixture;
use super::sample::{
    all, answer, at, cancel, commit, created, finished, kind_of, last_commit, new_run, owner, owner_id,
    question, question_id, refused, run,
};
use crate::budget::Budget;
use crate::question::QuestionStatus;
use crate::store::{Commit, QuestionChange, SignalKind, Signalled, Store, StoreErrorKind};
use crate::view::RunStatus;

/// Run 1 with open question 1.
async fn asking(store: &dyn Store) {
    store.enroll(owner(1)).await.unwrap();
    let mut new = new_run(1);
    new.questions = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store.create(new).await.unwrap();
}

pub(super) async fn they_are_read_in_order_as_they_were_sent(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    let raise = SignalKind::Raise {
        budget: "run".into(),
        limits: Budget {
            tokens: Some(5),
            ..Budget::default()
        },
        by: "bob".into(),
    };
    let sent = [refused(1), raise, answer(1), cancel()];
    for (n, kind) in (1..).zip(&sent) {
        let sent = store.signal(kind.clone(), run(1), at(n)).await.unwrap();
        assert_eq!(sent, Signalled::Sent(Some(owner_id(1))));
    }
    let found = store.signals(run(1)).await.unwrap();
    assert!(found.is_sorted_by_key(|signal| signal.number));
    let kinds: Vec<_> = found.iter().map(|signal| signal.kind.clone()).collect();
    assert_eq!(kinds, sent);
    assert!(
        found
            .iter()
            .zip(1..)
            .all(|(signal, n)| signal.run == run(1) && signal.at == at(n))
    );
}

pub(super) async fn a_number_is_never_given_twice(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut last = 0;
    for number in 2..=5 {
        store.signal(cancel(), run(1), at(1)).await.unwrap();
        let signal = store.signals(run(1)).await.unwrap().remove(0);
        assert!(signal.number > last);
        last = signal.number;
        store
            .commit(Commit {
                taken: vec![last],
                ..commit(1, number)
            })
            .await
            .unwrap();
    }
}

pub(super) async fn only_what_was_taken_up_is_gone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    for n in [1, 2, 1, 2, 1] {
        store.signal(cancel(), run(n), at(1)).await.unwrap();
    }
    let of_one = store.signals(run(1)).await.unwrap();
    let of_two = store.signals(run(2)).await.unwrap();
    // Numbers of another run's signals take nothing.
    let taken = vec![of_one[0].number, of_one[2].number, of_two[0].number];
    store
        .commit(Commit {
            taken,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    assert_eq!(store.signals(run(1)).await.unwrap(), [of_one[1].clone()]);
    assert_eq!(store.signals(run(2)).await.unwrap(), of_two);
}

pub(super) async fn an_answer_is_accepted_and_stands_in_the_question(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    store.signal(answer(1), run(1), at(3)).await.unwrap();
    let found = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(found.status, QuestionStatus::Answered);
    assert_eq!(found.answer, Some(serde_json::json!({"z": "yes", "a": 1.5})));
    assert_eq!(found.answered_by.as_deref(), Some("ada"));
    assert_eq!(store.questions(None, 9).await.unwrap(), []);
}

pub(super) async fn a_second_answer_is_a_conflict(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    store.signal(answer(1), run(1), at(3)).await.unwrap();
    let second = SignalKind::Answer {
        question: question_id(1),
        answer: "no".into(),
        by: "bob".into(),
        via: "ui".into(),
    };
    let told = store.signal(second, run(1), at(4)).await.unwrap();
    assert_eq!(told, Signalled::Closed(QuestionStatus::Answered));
    let told = store.signal(refused(1), run(1), at(4)).await.unwrap();
    assert_eq!(told, Signalled::Closed(QuestionStatus::Answered));
    assert_eq!(store.signals(run(1)).await.unwrap().len(), 1);
    let found = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(found.answered_by.as_deref(), Some("ada"));
    assert_eq!(found.refused, []);
}

pub(super) async fn of_a_hundred_answers_at_once_one_is_accepted(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    asking(&*store).await;
    let send = (0..100u64).map(|n| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        let kind = SignalKind::Answer {
            question: question_id(1),
            answer: n.into(),
            by: format!("person {n}"),
            via: "http".into(),
        };
        store.signal(kind, run(1), at(1))
    });
    let answers = all(send.collect()).await;
    let accepted: Vec<usize> = (0..100)
        .filter(|n| matches!(answers[*n], Signalled::Sent(_)))
        .collect();
    assert_eq!(accepted.len(), 1, "{answers:?}");
    let found = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(found.answer, Some(accepted[0].into()));
    assert_eq!(store.signals(run(1)).await.unwrap().len(), 1);
}

pub(super) async fn a_refused_answer_is_recorded_and_the_question_stays_open(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    for n in 1..=2 {
        store.signal(refused(1), run(1), at(n)).await.unwrap();
    }
    let found = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(found.status, QuestionStatus::Open);
    let times: Vec<_> = found.refused.iter().map(|refused| refused.time).collect();
    assert_eq!(times, [at(1), at(2)]);
    assert_eq!(found.refused[0].errors, ["/z: is no text", "/a: is missing"]);
    store.signal(answer(1), run(1), at(3)).await.unwrap();
}

pub(super) async fn to_an_unknown_run_or_question_they_go_nowhere(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    created(&*store, [2]).await;
    for (kind, to) in [
        (cancel(), 3),
        (answer(1), 3),
        (answer(2), 1),
        (refused(2), 1),
        (answer(1), 2),
        (refused(1), 2),
    ] {
        let told = store.signal(kind.clone(), run(to), at(1)).await.unwrap();
        assert_eq!(told, Signalled::Unknown, "{kind:?} to run {to}");
    }
    let open = store.question(question_id(1)).await.unwrap().unwrap();
    assert_eq!(open.status, QuestionStatus::Open);
    assert_eq!(store.signals(run(1)).await.unwrap(), []);
}

pub(super) async fn to_a_run_that_is_over_they_come_too_late(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    asking(&*store).await;
    store.commit(last_commit(1, 2, RunStatus::Failed)).await.unwrap();
    for kind in [cancel(), answer(1), refused(1)] {
        let told = store.signal(kind, run(1), at(1)).await.unwrap();
        assert_eq!(told, Signalled::Over(RunStatus::Failed));
    }
    assert_eq!(store.signals(run(1)).await.unwrap(), []);
    finished(&*store, 2).await;
    let told = store.signal(cancel(), run(2), at(1)).await.unwrap();
    assert_eq!(told, Signalled::Over(RunStatus::Succeeded));
}

pub(super) async fn whoever_sends_hears_who_holds_the_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let told = store.signal(cancel(), run(1), at(1)).await.unwrap();
    assert_eq!(told, Signalled::Sent(Some(owner_id(1))));
    store.bury(owner_id(1), 0).await.unwrap();
    let told = store.signal(cancel(), run(1), at(2)).await.unwrap();
    assert_eq!(told, Signalled::Sent(None), "a dead owner holds nothing");
}

pub(super) async fn cancelled_twice_it_is_told_twice(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    all((0..10).map(|n| store.signal(cancel(), run(1), at(n))).collect()).await;
    let found = store.signals(run(1)).await.unwrap();
    assert_eq!(found.len(), 10);
    assert!(found.is_sorted_by_key(|signal| signal.number));
}

pub(super) async fn a_cancel_and_the_end_at_once_agree(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=20).await;
    for n in 1..=20 {
        let (told, done) = futures_util::join!(
            other_handle.signal(cancel(), run(n), at(1)),
            store.commit(last_commit(n, 2, RunStatus::Succeeded)),
        );
        assert!(done.unwrap().left);
        let told = told.unwrap();
        let fine = [
            Signalled::Sent(Some(owner_id(1))),
            Signalled::Over(RunStatus::Succeeded),
        ];
        assert!(fine.contains(&told), "{told:?}");
        assert_eq!(
            store.signals(run(n)).await.unwrap(),
            [],
            "nobody would ever take it up"
        );
    }
}

pub(super) async fn a_refused_commit_takes_none(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    let number = store.signals(run(1)).await.unwrap()[0].number;
    let stale = Commit {
        fence: 0,
        taken: vec![number],
        ..commit(1, 2)
    };
    assert_eq!(kind_of(store.commit(stale).await), StoreErrorKind::Lost);
    assert_eq!(store.signals(run(1)).await.unwrap().len(), 1);
}
