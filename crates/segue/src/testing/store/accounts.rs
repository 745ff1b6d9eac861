//! Cases: budgets that runs share are never overdrawn.

use super::Fixture;
use super::sample::{account, call, commit, created, hold, kind_of, reserve, run};
use crate::store::{
    Account, AccountKey, Amounts, Commit, Decide, Hold, HoldState, Settlement, Store, StoreErrorKind,
};

async fn standing(store: &dyn Store) -> (Amounts, Amounts, Amounts) {
    let account = store.accounts(None, 9).await.unwrap().remove(0);
    (account.spent, account.reserved, account.uncertain)
}

pub(super) async fn what_is_reserved_is_set_aside(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 20, 1]).await;
    reserve(&*store, 2, run(1), [5, 0, 1]).await;
    assert_eq!(standing(&*store).await, ([0; 3], [15, 20, 2], [0; 3]));
    let mut holds = store.holds(run(1)).await.unwrap();
    holds.sort_by_key(|hold| hold.call);
    let mut expected = [(1, [10, 20, 1]), (2, [5, 0, 1])].map(|(n, amounts)| Hold {
        amounts,
        ..hold(n, run(1))
    });
    expected.sort_by_key(|hold| hold.call);
    assert_eq!(holds, expected);
}

pub(super) async fn whoever_decides_is_told_how_the_accounts_stand(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 0, 0]).await;
    store
        .settle(run(1), vec![(call(1), Settlement::Spent([7, 1, 0]))])
        .await
        .unwrap();
    reserve(&*store, 2, run(1), [3, 0, 0]).await;
    let keys = vec![account("2026-03-02"), account("2026-03-01")];
    let decide: Decide = Box::new(move |accounts| {
        let expected = Account {
            spent: [7, 1, 0],
            reserved: [3, 0, 0],
            ..Account::new(account("2026-03-01"))
        };
        assert_eq!(
            accounts,
            [Account::new(account("2026-03-02")), expected],
            "in the order asked for"
        );
        Some([1, 1, 1])
    });
    let reserved = store.reserve(hold(3, run(1)), keys, decide).await;
    assert_eq!(reserved.unwrap(), Some([1, 1, 1]));
}

pub(super) async fn a_refusal_changes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 0, 0]).await;
    let before = standing(&*store).await;
    let keys = vec![account("2026-03-01"), account("2026-03-02")];
    let refused = store
        .reserve(hold(2, run(1)), keys, Box::new(|_| None))
        .await
        .unwrap();
    assert_eq!(refused, None);
    assert_eq!(standing(&*store).await, before);
    assert_eq!(
        store.accounts(None, 9).await.unwrap().len(),
        1,
        "no account was opened for nothing"
    );
    assert_eq!(store.holds(run(1)).await.unwrap().len(), 1);
}

pub(super) async fn spent_replaces_what_was_held(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 20, 1]).await;
    store
        .settle(run(1), vec![(call(1), Settlement::Spent([12, 3, 1]))])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await, ([12, 3, 1], [0; 3], [0; 3]));
    assert_eq!(store.holds(run(1)).await.unwrap(), []);
}

pub(super) async fn released_gives_it_back(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 20, 1]).await;
    store
        .settle(run(1), vec![(call(1), Settlement::Released)])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await, ([0; 3], [0; 3], [0; 3]));
    assert_eq!(store.holds(run(1)).await.unwrap(), []);
}

pub(super) async fn uncertain_stays_counted_until_it_is_settled(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [10, 20, 1]).await;
    for _ in 0..2 {
        store
            .settle(run(1), vec![(call(1), Settlement::Uncertain)])
            .await
            .unwrap();
        assert_eq!(standing(&*store).await, ([0; 3], [0; 3], [10, 20, 1]));
    }
    let holds = store.holds(run(1)).await.unwrap();
    assert_eq!((holds.len(), holds[0].state), (1, HoldState::Uncertain));
    store
        .settle(run(1), vec![(call(1), Settlement::Spent([4, 4, 1]))])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await, ([4, 4, 1], [0; 3], [0; 3]));
}

pub(super) async fn a_commit_settles_with_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for n in 1..=3 {
        reserve(&*store, n, run(1), [10, 0, 1]).await;
    }
    let settled = vec![
        (call(1), Settlement::Spent([6, 2, 1])),
        (call(2), Settlement::Released),
        (call(3), Settlement::Uncertain),
    ];
    store
        .commit(Commit {
            settled,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    assert_eq!(standing(&*store).await, ([6, 2, 1], [0; 3], [10, 0, 1]));
}

pub(super) async fn a_call_is_settled_once_and_by_its_own_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    reserve(&*store, 1, run(1), [10, 0, 0]).await;
    store
        .settle(run(2), vec![(call(1), Settlement::Released)])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await.1, [10, 0, 0], "it is not the other run's");
    for _ in 0..3 {
        store
            .settle(run(1), vec![(call(1), Settlement::Spent([4, 0, 0]))])
            .await
            .unwrap();
    }
    store
        .settle(run(1), vec![(call(9), Settlement::Spent([4, 0, 0]))])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await, ([4, 0, 0], [0; 3], [0; 3]));
}

pub(super) async fn all_accounts_above_a_call_are_charged(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let keys: Vec<AccountKey> = (1..=3).map(|n| account(&format!("day {n}"))).collect();
    let decide: Decide = Box::new(|_| Some([5, 5, 5]));
    store
        .reserve(hold(1, run(1)), keys.clone(), decide)
        .await
        .unwrap();
    store
        .settle(run(1), vec![(call(1), Settlement::Spent([4, 4, 4]))])
        .await
        .unwrap();
    let found = store.accounts(None, 9).await.unwrap();
    let expected: Vec<Account> = keys
        .into_iter()
        .rev()
        .map(|key| Account {
            spent: [4, 4, 4],
            ..Account::new(key)
        })
        .collect();
    assert_eq!(found, expected, "the newest window first");
}

pub(super) async fn an_account_named_twice_is_charged_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let keys = vec![account("2026-03-01"), account("2026-03-01")];
    store
        .reserve(hold(1, run(1)), keys, Box::new(|_| Some([5, 0, 0])))
        .await
        .unwrap();
    reserve(&*store, 2, run(1), [7, 0, 0]).await;
    assert_eq!(standing(&*store).await.1, [12, 0, 0]);
    store
        .settle(run(1), vec![(call(1), Settlement::Released)])
        .await
        .unwrap();
    assert_eq!(standing(&*store).await.1, [7, 0, 0]);
}

pub(super) async fn the_same_call_once_more_holds_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    reserve(&*store, 1, run(1), [10, 0, 0]).await;
    let keys = || vec![account("2026-03-01")];
    let again = store
        .reserve(hold(1, run(1)), keys(), Box::new(|_| Some([99, 0, 0])))
        .await;
    assert_eq!(
        again.unwrap(),
        Some([10, 0, 0]),
        "what it holds, not what it would hold now"
    );
    assert_eq!(standing(&*store).await.1, [10, 0, 0]);
    let foreign = store
        .reserve(hold(1, run(2)), keys(), Box::new(|_| Some([1; 3])))
        .await;
    assert_eq!(kind_of(foreign), StoreErrorKind::Misused);
    store
        .settle(run(1), vec![(call(1), Settlement::Uncertain)])
        .await
        .unwrap();
    let uncertain = store
        .reserve(hold(1, run(1)), keys(), Box::new(|_| Some([1; 3])))
        .await;
    assert_eq!(kind_of(uncertain), StoreErrorKind::Misused);
}

pub(super) async fn a_run_that_does_not_exist_holds_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let refused = store
        .reserve(hold(1, run(2)), vec![account("d")], Box::new(|_| Some([1; 3])))
        .await;
    assert_eq!(kind_of(refused), StoreErrorKind::Misused);
    assert_eq!(store.accounts(None, 9).await.unwrap(), []);
}

pub(super) async fn a_thousand_at_once_never_go_beyond_the_limit(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=10).await;
    const LIMIT: u64 = 1_005;
    let pending = (1..=1_000u64).map(|n| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        let decide: Decide = Box::new(|accounts| {
            let held = accounts[0].spent[0] + accounts[0].reserved[0] + accounts[0].uncertain[0];
            (held + 10 <= LIMIT).then_some([10, 0, 1])
        });
        store.reserve(hold(n, run(n % 10 + 1)), vec![account("2026-03-01")], decide)
    });
    let answers = super::sample::all(pending.collect()).await;
    let held: Vec<u64> = (1..=1_000)
        .zip(answers)
        .filter(|(_, answer)| answer.is_some())
        .map(|(n, _)| n)
        .collect();
    assert_eq!(held.len(), 100, "the room is used, and only it");
    assert_eq!(standing(&*store).await.1, [1_000, 0, 100]);
    // Some are settled below what they held while others ask again for the room.
    let pending = held.iter().zip(2_001u64..).flat_map(|(n, next)| {
        let of = run(n % 10 + 1);
        let settle = store.settle(of, vec![(call(*n), Settlement::Spent([5, 0, 1]))]);
        let decide: Decide = Box::new(|accounts| {
            let held = accounts[0].spent[0] + accounts[0].reserved[0];
            assert!(held <= LIMIT);
            (held + 10 <= LIMIT).then_some([10, 0, 1])
        });
        let keys = vec![account("2026-03-01")];
        let reserve = other_handle.reserve(hold(next, of), keys, decide);
        let reserve: crate::store::Pending<()> = Box::pin(async move { reserve.await.map(|_| ()) });
        [settle, reserve]
    });
    super::sample::all(pending.collect()).await;
    let (spent, reserved, _) = standing(&*store).await;
    assert_eq!(spent, [500, 0, 100]);
    assert!(spent[0] + reserved[0] <= LIMIT, "{spent:?} {reserved:?}");
}

pub(super) async fn large_amounts_stop_at_the_largest_number(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    reserve(&*store, 1, run(1), [u64::MAX, u64::MAX - 1, 1 << 63]).await;
    reserve(&*store, 2, run(1), [u64::MAX, 1, 1]).await;
    assert_eq!(standing(&*store).await.1, [u64::MAX, u64::MAX, (1 << 63) + 1]);
    store
        .settle(run(1), vec![(call(2), Settlement::Spent([u64::MAX; 3]))])
        .await
        .unwrap();
    assert_eq!(
        standing(&*store).await,
        ([u64::MAX; 3], [0, u64::MAX - 1, 1 << 63], [0; 3])
    );
}

pub(super) async fn accounts_are_listed_by_name_and_window(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let key = |name: &str, window: &str| AccountKey {
        name: name.into(),
        window: window.into(),
    };
    let keys = [key("b", "1"), key("a", "2"), key("a", "1"), key("b", "3")];
    store
        .reserve(hold(1, run(1)), keys.to_vec(), Box::new(|_| Some([1, 0, 0])))
        .await
        .unwrap();
    let listed = async |name: Option<&str>, most| {
        let found = store.accounts(name.map(str::to_owned), most).await.unwrap();
        found.into_iter().map(|account| account.key).collect::<Vec<_>>()
    };
    assert_eq!(
        listed(None, 9).await,
        [key("b", "3"), key("a", "2"), key("a", "1"), key("b", "1")]
    );
    assert_eq!(listed(None, 2).await, [key("b", "3"), key("a", "2")]);
    assert_eq!(listed(Some("a"), 9).await, [key("a", "2"), key("a", "1")]);
    assert_eq!(listed(Some("c"), 9).await, []);
}
