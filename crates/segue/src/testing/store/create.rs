//! Cases: how a run comes to exist, once.

use super::Fixture;
use super::sample::{
    all, at, created, entry, finished, full_run, head, kind_of, log, new_run, owner, owner_id, plan,
    question, question_id, request, run, taken_up,
};
use crate::store::{Created, QuestionChange, RunQuery, StoreErrorKind};

pub(super) async fn a_run_is_there_with_its_first_entry(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let found = head(&*store, 1).await;
    assert_eq!(
        (found.owner, found.fence, found.last_seq),
        (Some(owner_id(1)), 1, 2)
    );
    assert_eq!(log(&*store, 1).await, [entry(1)]);
}

pub(super) async fn a_head_comes_back_as_it_was(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let new = full_run(1);
    store.create(new.clone()).await.unwrap();
    let expected = crate::store::Head {
        owner: Some(owner_id(1)),
        fence: 1,
        last_seq: 2,
        ..new.head
    };
    let found = head(&*store, 1).await;
    assert_eq!(found, expected);
    let order: Vec<&String> = found.labels.keys().chain(found.models.keys()).collect();
    assert_eq!(order, ["team", "area", "z", "a"], "maps keep their order");
}

pub(super) async fn owner_fence_and_last_event_are_set_by_the_store(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut new = new_run(1);
    new.head.owner = Some(owner_id(9));
    new.head.fence = 9;
    new.head.last_seq = 9;
    assert_eq!(store.create(new).await.unwrap(), Created::New { fence: 1 });
    let found = head(&*store, 1).await;
    assert_eq!(
        (found.owner, found.fence, found.last_seq),
        (Some(owner_id(1)), 1, 2)
    );
}

pub(super) async fn the_same_request_is_the_same_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut one = new_run(1);
    one.request = request("key", "body");
    let mut other = new_run(2);
    other.request = request("key", "body");
    assert_eq!(store.create(one).await.unwrap(), Created::New { fence: 1 });
    assert_eq!(store.create(other).await.unwrap(), Created::Existing(run(1)));
    assert_eq!(store.head(run(2)).await.unwrap(), None);
}

pub(super) async fn the_same_key_with_another_body_makes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut one = new_run(1);
    one.request = request("key", "body");
    let mut other = new_run(2);
    other.request = request("key", "another body");
    other.plan = plan(2);
    store.create(one).await.unwrap();
    assert_eq!(store.create(other).await.unwrap(), Created::OtherRequest(run(1)));
    assert_eq!(store.head(run(2)).await.unwrap(), None);
    assert_eq!(store.plan("plan-2".into()).await.unwrap(), None);
}

pub(super) async fn keys_of_requests_are_compared_exactly(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, key) in (1..).zip(["key", "Key", "key ", "", "kéy", "ke\u{301}y"]) {
        let mut new = new_run(n);
        new.request = request(key, "body");
        assert_eq!(
            store.create(new).await.unwrap(),
            Created::New { fence: 1 },
            "{key:?}"
        );
    }
}

pub(super) async fn a_hundred_at_once_with_one_key_make_one_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    let requests = (1..=100u64).map(|n| {
        let mut new = new_run(n);
        new.request = request("key", "body");
        if n.is_multiple_of(2) {
            store.create(new)
        } else {
            other_handle.create(new)
        }
    });
    let answers = all(requests.collect()).await;
    let made: Vec<u64> = (1..=100)
        .zip(&answers)
        .filter(|(_, answer)| matches!(answer, Created::New { .. }))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for (n, answer) in (1..).zip(answers) {
        if n != made[0] {
            assert_eq!(answer, Created::Existing(run(made[0])));
        }
    }
    let page = store.runs(RunQuery::newest(10)).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

pub(super) async fn runs_without_a_key_are_apart(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=5).await;
    assert_eq!(store.runs(RunQuery::newest(10)).await.unwrap().items.len(), 5);
}

pub(super) async fn an_id_exists_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut other = new_run(1);
    other.entry.body = b"another beginning".to_vec();
    other.plan = plan(2);
    assert_eq!(kind_of(store.create(other).await), StoreErrorKind::Misused);
    assert_eq!(log(&*store, 1).await, [entry(1)]);
    assert_eq!(store.plan("plan-2".into()).await.unwrap(), None);
}

pub(super) async fn sent_twice_it_is_recognised(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    for n in 1..=2 {
        let mut new = new_run(n);
        new.request = (n == 2).then(|| request("key", "body")).flatten();
        for _ in 0..2 {
            let answer = store.create(new.clone()).await.unwrap();
            assert_eq!(answer, Created::New { fence: 1 });
        }
        assert_eq!(log(&*store, n).await.len(), 1);
    }
}

pub(super) async fn sent_twice_after_somebody_took_it_up_it_only_exists(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.enroll(owner(2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    taken_up(&*store, 1, 2).await;
    assert_eq!(store.create(new_run(1)).await.unwrap(), Created::Existing(run(1)));
    assert_eq!(head(&*store, 1).await.owner, Some(owner_id(2)));
}

pub(super) async fn a_log_begins_with_entry_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for first in [entry(2), crate::store::Entry { after: 1, ..entry(1) }] {
        let mut new = new_run(1);
        new.entry = first;
        assert_eq!(kind_of(store.create(new).await), StoreErrorKind::Misused);
    }
    assert_eq!(store.head(run(1)).await.unwrap(), None);
}

pub(super) async fn a_plan_is_kept_once_by_its_hash(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut one = new_run(1);
    one.plan.text = "as it was".into();
    let mut other = new_run(2);
    other.plan.text = "never the same hash with another text".into();
    store.create(one.clone()).await.unwrap();
    store.create(other).await.unwrap();
    assert_eq!(store.plan("plan-1".into()).await.unwrap(), Some(one.plan));
    assert_eq!(store.plan("plan-2".into()).await.unwrap(), None);
}

pub(super) async fn without_an_owner_it_waits_to_be_taken_up(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let mut new = new_run(1);
    new.owner = None;
    assert_eq!(store.create(new).await.unwrap(), Created::New { fence: 1 });
    assert_eq!(head(&*store, 1).await.owner, None);
    assert_eq!(store.unfinished(at(0), 10).await.unwrap().len(), 1);
    assert_eq!(taken_up(&*store, 1, 1).await, 2);
}

pub(super) async fn it_may_begin_with_questions(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut new = new_run(1);
    new.questions = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store.create(new).await.unwrap();
    let found = store.question(question_id(1)).await.unwrap();
    assert_eq!(found, Some(question(1, run(1))));
}

pub(super) async fn the_key_of_a_removed_run_is_free(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    finished(&*store, 1).await;
    let mut new = new_run(2);
    new.request = request("key", "body");
    store.create(new.clone()).await.unwrap();
    store
        .commit(super::sample::last_commit(2, 2, crate::view::RunStatus::Failed))
        .await
        .unwrap();
    assert!(store.remove(run(2)).await.unwrap());
    let mut again = new_run(3);
    again.request = request("key", "another body");
    assert_eq!(store.create(again).await.unwrap(), Created::New { fence: 1 });
}

pub(super) async fn what_does_not_exist_is_not_there(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    assert_eq!(store.head(run(2)).await.unwrap(), None);
    assert_eq!(log(&*store, 2).await, []);
    assert_eq!(store.signals(run(2)).await.unwrap(), []);
    assert_eq!(store.holds(run(2)).await.unwrap(), []);
    assert_eq!(store.question(question_id(2)).await.unwrap(), None);
    assert_eq!(store.plan(String::new()).await.unwrap(), None);
    assert_eq!(store.documents("research".into(), "k".into()).await.unwrap(), []);
    assert_eq!(store.link("research".into(), "latest".into()).await.unwrap(), []);
}
