//! Cases: what is appended to a log is what is read, in order, however much and however odd it is.

use super::Fixture;
use super::sample::{
    all, commit, created, entry, full_run, head, kind_of, log, new_run, owner, owner_id, run,
};
use crate::store::{Commit, Created, Entry, Standing, StoreErrorKind};

/// Text that has gone wrong somewhere: ends of strings, quotes, wide characters, both directions, a lone mark.
const ODD: &str = "a\0b'\"\\;--\n\t😀\u{202e}abc\u{0301}%_ÄÖß";

pub(super) async fn it_is_read_in_pages(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for number in 2..=10 {
        store.commit(commit(1, number)).await.unwrap();
    }
    let page = async |after, most| {
        let entries = store.log(run(1), after, most).await.unwrap();
        entries.iter().map(|entry| entry.number).collect::<Vec<u64>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(3, 3).await, [4, 5, 6]);
    assert_eq!(page(8, 10).await, [9, 10]);
    assert_eq!(page(10, 10).await, [0u64; 0]);
    assert_eq!(page(u64::MAX, 10).await, [0u64; 0]);
    assert_eq!(page(0, 0).await, [0u64; 0]);
}

pub(super) async fn logs_do_not_mix(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=20).await;
    for number in 2..=10 {
        all((1..=20).map(|n| store.commit(commit(n, number))).collect()).await;
    }
    for n in 1..=20 {
        let expected: Vec<Entry> = (1..=10).map(entry).collect();
        assert_eq!(log(&*store, n).await, expected);
    }
}

pub(super) async fn an_entry_comes_back_as_it_was(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let odd = Entry {
        number: 2,
        after: 2,
        events: 1 << 40,
        at: crate::clock::Time::from_micros(-1),
        body: (0..=u8::MAX).collect(),
    };
    let empty = Entry {
        number: 3,
        after: 2 + (1 << 40),
        events: 0,
        at: crate::clock::Time::from_micros(i64::MAX),
        body: Vec::new(),
    };
    store.commit(Commit::of(run(1), 1, odd.clone())).await.unwrap();
    store.commit(Commit::of(run(1), 1, empty.clone())).await.unwrap();
    assert_eq!(log(&*store, 1).await, [entry(1), odd, empty]);
    assert_eq!(head(&*store, 1).await.last_seq, 2 + (1 << 40));
}

pub(super) async fn a_body_may_have_a_megabyte(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let body: Vec<u8> = (0..1_048_576u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for number in 2..=4 {
        let entry = Entry {
            body: body.clone(),
            ..entry(number)
        };
        store.commit(Commit::of(run(1), 1, entry)).await.unwrap();
    }
    let entries = log(&*store, 1).await;
    assert_eq!(entries.len(), 4);
    assert!(entries[1..].iter().all(|entry| entry.body == body));
}

pub(super) async fn text_may_hold_anything(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut new = full_run(1);
    new.head.pipeline = ODD.into();
    new.head.key = Some(ODD.into());
    new.head.note = Some(ODD.into());
    new.head.labels = [(ODD.to_owned(), ODD.to_owned())].into_iter().collect();
    new.head.standing.text = ODD.into();
    new.head.standing.failed_steps = vec![ODD.into()];
    new.request = super::sample::request(ODD, ODD);
    store.create(new.clone()).await.unwrap();
    let found = head(&*store, 1).await;
    assert_eq!(found.standing, new.head.standing);
    assert_eq!(
        (&found.pipeline, &found.key, &found.note),
        (&new.head.pipeline, &new.head.key, &new.head.note)
    );
    assert_eq!(found.labels, new.head.labels);
    let mut again = new_run(2);
    again.request = super::sample::request(ODD, ODD);
    assert_eq!(store.create(again).await.unwrap(), Created::Existing(run(1)));
    let mut cut = new_run(3);
    cut.request = super::sample::request("a", "b");
    let cut = store.create(cut).await.unwrap();
    assert_eq!(
        cut,
        Created::New { fence: 1 },
        "a text does not end at its first zero"
    );
}

pub(super) async fn ten_thousand_entries_are_dense(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    // Queued in pieces: nobody has ten thousand commits of one run on the way.
    for piece in (2..=10_000u64).collect::<Vec<u64>>().chunks(500) {
        all(piece
            .iter()
            .map(|number| store.commit(commit(1, *number)))
            .collect())
        .await;
    }
    assert_eq!(head(&*store, 1).await.last_seq, 20_000);
    let mut after = 0;
    loop {
        let page = store.log(run(1), after, 999).await.unwrap();
        let Some(last) = page.last() else { break };
        for (number, found) in (after + 1..).zip(&page) {
            assert_eq!(*found, entry(number));
        }
        after = last.number;
    }
    assert_eq!(after, 10_000);
}

pub(super) async fn an_entry_has_to_be_the_next_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.commit(commit(1, 2)).await.unwrap();
    let wrong = [
        entry(4),
        Entry {
            body: b"another".to_vec(),
            ..entry(2)
        },
        Entry {
            body: b"another".to_vec(),
            ..entry(1)
        },
        Entry {
            number: 0,
            ..entry(3)
        },
        Entry { after: 5, ..entry(3) },
        Entry { after: 3, ..entry(3) },
    ];
    for entry in wrong {
        let refused = store.commit(Commit::of(run(1), 1, entry.clone())).await;
        assert_eq!(kind_of(refused), StoreErrorKind::Misused, "{entry:?}");
    }
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2)]);
    store.commit(commit(1, 3)).await.unwrap();
}

pub(super) async fn commits_are_carried_out_in_the_order_of_the_calls(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut pending: Vec<_> = (2..=200).map(|number| store.commit(commit(1, number))).collect();
    pending.reverse();
    for answer in pending {
        answer.await.unwrap();
    }
    assert_eq!(log(&*store, 1).await.len(), 200);
}

pub(super) async fn a_commit_nobody_waits_for_is_carried_out(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    drop(store.commit(commit(1, 2)));
    store.commit(commit(1, 3)).await.unwrap();
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2), entry(3)]);
}

pub(super) async fn a_run_that_does_not_exist_has_no_log_to_append_to(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    assert_eq!(kind_of(store.commit(commit(2, 1)).await), StoreErrorKind::Misused);
    assert_eq!(kind_of(store.commit(commit(2, 2)).await), StoreErrorKind::Misused);
    assert_eq!(log(&*store, 2).await, []);
}

pub(super) async fn where_it_stands_changes_only_when_a_commit_says_so(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for (number, status) in [(2, "running"), (4, "waiting"), (6, "running"), (8, "succeeded")] {
        let mut change = commit(1, number);
        let status = serde_json::from_value(status.into()).unwrap();
        change.standing = Some(super::sample::full_standing(status));
        store.commit(change.clone()).await.unwrap();
        assert_eq!(Some(head(&*store, 1).await.standing), change.standing);
        store.commit(commit(1, number + 1)).await.unwrap();
        assert_eq!(Some(head(&*store, 1).await.standing), change.standing);
    }
    let mut back = commit(1, 10);
    back.standing = Some(Standing::queued());
    store.commit(back).await.unwrap();
    assert_eq!(head(&*store, 1).await.standing, Standing::queued());
}

pub(super) async fn many_runs_at_once_each_keep_their_order(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let line = async |n: u64| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        store.create(new_run(n)).await.unwrap();
        for number in 2..=6 {
            store.commit(commit(n, number)).await.unwrap();
        }
    };
    futures_util::future::join_all((1..=100).map(line)).await;
    for n in 1..=100 {
        let expected: Vec<Entry> = (1..=6).map(entry).collect();
        assert_eq!(log(&*store, n).await, expected);
        assert_eq!(head(&*store, n).await.owner, Some(owner_id(1)));
    }
}
