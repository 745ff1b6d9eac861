//! What the ledger decides, case by case, in the numbers a person would use.

use super::*;
use crate::budget::{OnExceed, PerCall, PerDay};
use crate::money::{cents, usd};
use crate::price::Price;

/// $1 for a million input tokens, $10 for a million output tokens.
fn priced(input: u64, max: u64) -> Ask {
    Ask::new(Some(Price::per_million(usd(1.0), usd(10.0))), input, max)
}

fn free(max: u64) -> Ask {
    Ask::new(Some(Price::FREE), 10, max)
}

fn unpriced(max: u64) -> Ask {
    Ask::new(None, 10, max)
}

fn ledger_of(budget: impl Into<Budget>) -> (Ledger, AccountId) {
    let mut ledger = Ledger::new();
    let run = open(&mut ledger, "run", budget, None);
    (ledger, run)
}

fn open(ledger: &mut Ledger, name: &str, budget: impl Into<Budget>, parent: Option<AccountId>) -> AccountId {
    ledger
        .open(name, budget.into(), parent)
        .expect("the parent is open")
}

#[track_caller]
fn granted(ledger: &mut Ledger, account: AccountId, ask: Ask) -> Reservation {
    match ledger.reserve(&[account], &ask).expect("the account is open") {
        Decision::Granted(held) => held,
        other => panic!("not granted: {other:?}"),
    }
}

#[track_caller]
fn refused(ledger: &mut Ledger, account: AccountId, ask: Ask) -> Refusal {
    match ledger.reserve(&[account], &ask).expect("the account is open") {
        Decision::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn settled(ledger: &mut Ledger, held: Reservation, tokens: u64, cost: Nanousd) -> Settled {
    let usage = Usage {
        output_tokens: tokens,
        requests: 1,
        ..Usage::default()
    };
    ledger.settle(held, &usage, cost).expect("it is in flight")
}

#[test]
fn a_call_is_reserved_then_settled() {
    let (mut ledger, run) = ledger_of(cents(10));
    let held = granted(&mut ledger, run, priced(1_000, 4_000));
    assert_eq!(
        (held.nanousd, held.tokens, held.max_tokens, held.clamped_from),
        (usd(0.041), 5_000, 4_000, None)
    );
    let [state] = &ledger.states(run).expect("it is open")[..] else {
        panic!("one limit is set")
    };
    assert_eq!(
        serde_json::to_string(state).expect("a state is serializable"),
        r#"{"name":"run","unit":"usd","limit":"0.10","spent":"0.00","reserved":"0.041","on_exceed":"fail"}"#
    );
    assert_eq!(settled(&mut ledger, held, 1_230, usd(0.0123)), Settled::default());
    let spent = ledger.spent(run).expect("it is open");
    assert_eq!(
        spent,
        [
            Amount::Usd(usd(0.0123)),
            Amount::Tokens(1_230),
            Amount::Requests(1)
        ]
    );
}

#[test]
fn calls_in_flight_are_waited_for_and_money_spent_is_not() {
    let (mut ledger, run) = ledger_of(usd(0.05));
    let first = granted(&mut ledger, run, priced(0, 4_000));
    // Two thousand tokens would fit once `first` settles, so the call is not cut.
    assert_eq!(
        ledger.reserve(&[run], &priced(0, 2_000)),
        Ok(Decision::Wait { account: run })
    );
    settled(&mut ledger, first, 4_000, usd(0.04));
    let second = granted(&mut ledger, run, priced(0, 2_000));
    assert_eq!((second.max_tokens, second.clamped_from), (1_000, Some(2_000)));
    settled(&mut ledger, second, 1_000, usd(0.01));

    let refusal = refused(&mut ledger, run, priced(0, 2_000));
    assert_eq!(
        refusal.to_string(),
        "budget `run` allows $0.05; spent $0.05, reserved $0.00, the call may need $0.02"
    );
    ledger.raise(run, cents(6).into()).expect("it is open");
    assert_eq!(granted(&mut ledger, run, priced(0, 2_000)).max_tokens, 1_000);
}

#[test]
fn output_is_cut_no_further_than_the_floor() {
    // Room for 300 output tokens.
    let (mut ledger, run) = ledger_of(usd(0.003));
    let step = open(
        &mut ledger,
        "step:draft",
        Budget::from(usd(1.0)).min_tokens(301),
        Some(run),
    );
    assert_eq!(refused(&mut ledger, step, priced(0, 1_000)).limit.name, "run");
    let cut = granted(&mut ledger, run, priced(0, 1_000));
    assert_eq!(cut.max_tokens, 300);
    ledger.release(cut).expect("it is in flight");
    // What asks for less than the floor is taken whole.
    assert_eq!(granted(&mut ledger, step, priced(0, 300)).clamped_from, None);
}

#[test]
fn all_budgets_hold_and_each_counts_a_call_once() {
    let mut ledger = Ledger::new();
    let budget = Budget::from(usd(1.0)).per_day(PerDay {
        requests: Some(1),
        ..PerDay::default()
    });
    let run = open(&mut ledger, "run", budget, None);
    let step = open(&mut ledger, "step:a", Budget::UNLIMITED.tokens(600), Some(run));
    let day = open(
        &mut ledger,
        "pipeline:research/day",
        budget.daily().expect("it has daily limits"),
        None,
    );

    let all = [step, run, day, step];
    let Ok(Decision::Granted(held)) = ledger.reserve(&all, &priced(100, 400)) else {
        panic!("it fits")
    };
    settled(&mut ledger, held, 500, usd(0.0041));
    for account in [step, run, day] {
        let spent = ledger.spent(account).expect("it is open");
        assert_eq!(
            spent,
            [Amount::Usd(usd(0.0041)), Amount::Tokens(500), Amount::Requests(1)]
        );
    }
    let Ok(Decision::Refused(refusal)) = ledger.reserve(&all, &priced(10, 20)) else {
        panic!("the day is used up")
    };
    assert_eq!(
        (refusal.limit.name.as_str(), refusal.limit.unit),
        ("pipeline:research/day", Unit::Requests)
    );
    let held = ledger.account(run).expect("it is open").reserved;
    assert_eq!(
        held,
        Counts::default(),
        "a refused call reserves nothing anywhere"
    );
}

#[test]
fn zero_is_no_such_spending_at_all() {
    let (mut ledger, run) = ledger_of(Budget::UNLIMITED.requests(0));
    assert_eq!(refused(&mut ledger, run, free(100)).limit.unit, Unit::Requests);

    let (mut ledger, run) = ledger_of(Nanousd::ZERO);
    assert_eq!(refused(&mut ledger, run, priced(10, 100)).limit.unit, Unit::Usd);
    assert_eq!(granted(&mut ledger, run, free(100)).nanousd, Nanousd::ZERO);

    let (mut ledger, run) = ledger_of(Budget::UNLIMITED.tokens(0));
    assert_eq!(refused(&mut ledger, run, free(100)).limit.unit, Unit::Tokens);
}

#[test]
fn a_model_without_price_is_refused_where_money_is_limited() {
    let (mut ledger, run) = ledger_of(cents(10));
    let refusal = refused(&mut ledger, run, unpriced(100));
    assert_eq!(
        (refusal.kind, refusal.limit.needed),
        (RefusalKind::Unpriced, None)
    );

    let allowed = Budget::from(cents(10)).tokens(150).allow_unpriced();
    ledger.raise(run, allowed).expect("it is open");
    let held = granted(&mut ledger, run, unpriced(100));
    assert_eq!((held.nanousd, held.tokens), (Nanousd::ZERO, 110));

    let (mut ledger, run) = ledger_of(Budget::UNLIMITED.requests(1));
    assert!(granted(&mut ledger, run, unpriced(100)).nanousd.is_zero());
}

#[test]
fn single_calls_have_their_own_limits() {
    let budget = Budget::from(usd(1.0)).per_call(PerCall {
        usd: Some(usd(0.005)),
        tokens: None,
    });
    let (mut ledger, run) = ledger_of(budget.on_exceed(OnExceed::Pause));
    let held = granted(&mut ledger, run, priced(1_000, 4_000));
    assert_eq!((held.max_tokens, held.clamped_from), (400, Some(4_000)));
    let refusal = refused(&mut ledger, run, priced(4_000, 4_000));
    assert_eq!(
        (refusal.limit.name.as_str(), refusal.on_exceed),
        ("run/call", OnExceed::Pause)
    );
    assert_eq!(refusal.limit.needed, Some(Amount::Usd(usd(0.044))));
}

#[test]
fn an_overrun_is_counted_and_blocks_the_next_call() {
    let (mut ledger, run) = ledger_of(usd(0.01));
    let held = granted(&mut ledger, run, priced(0, 1_000));
    let over = settled(&mut ledger, held, 1_100, usd(0.011));
    assert_eq!(
        over,
        Settled {
            overrun: usd(0.001),
            overrun_tokens: 100
        }
    );
    assert_eq!(
        refused(&mut ledger, run, priced(0, 1)).limit.spent,
        Amount::Usd(usd(0.011))
    );
    assert!(granted(&mut ledger, run, free(1)).nanousd.is_zero());
}

#[test]
fn an_unknown_outcome_stays_counted_until_it_is_known() {
    let (mut ledger, run) = ledger_of(usd(0.01));
    let held = granted(&mut ledger, run, priced(0, 1_000));
    let lost = ledger.mark_uncertain(held).expect("it is in flight");
    assert_eq!(lost.nanousd, usd(0.01));
    // Nothing in flight: waiting would not help.
    let refusal = refused(&mut ledger, run, priced(0, 1_000));
    assert_eq!(
        (refusal.limit.spent, refusal.limit.reserved),
        (Amount::Usd(Nanousd::ZERO), Amount::Usd(usd(0.01)))
    );

    ledger
        .resolve_uncertain(lost, Truth::NeverSent)
        .expect("it is uncertain");
    let held = granted(&mut ledger, run, priced(0, 1_000));
    let lost = ledger.mark_uncertain(held).expect("it is in flight");
    let truth = Truth::Sent {
        usage: Usage {
            output_tokens: 10,
            ..Usage::default()
        },
        cost: usd(0.0001),
    };
    ledger.resolve_uncertain(lost, truth).expect("it is uncertain");
    let spent = ledger.spent(run).expect("it is open");
    assert_eq!(
        spent,
        [Amount::Usd(usd(0.0001)), Amount::Tokens(10), Amount::Requests(1)]
    );
}

#[test]
fn a_ledger_is_built_anew_from_a_record() {
    let (mut ledger, run) = ledger_of(usd(0.01));
    let held = ledger.adopt(&[run], usd(0.02), 2_000, 2_000).expect("it is open");
    assert!(matches!(
        ledger.reserve(&[run], &priced(0, 10)),
        Ok(Decision::Wait { .. })
    ));
    settled(&mut ledger, held, 100, usd(0.001));
    assert!(granted(&mut ledger, run, priced(0, 10)).clamped_from.is_none());
}

#[test]
fn accounts_close_when_nothing_counts_against_them_any_more() {
    let (mut ledger, run) = ledger_of(usd(0.01));
    let step = open(&mut ledger, "step:a", Budget::UNLIMITED, Some(run));
    let held = granted(&mut ledger, step, priced(0, 10));
    let busy = LedgerError::InUse {
        name: "run".to_owned(),
        reservations: 1,
        children: 1,
    };
    assert_eq!(ledger.close(run), Err(busy));
    settled(&mut ledger, held, 10, usd(0.0001));
    assert_eq!(ledger.close(step), Ok(vec![]));
    assert_eq!(ledger.close(run).map(|states| states.len()), Ok(1));
    assert_eq!(ledger.reserve(&[run], &free(1)), Err(LedgerError::UnknownAccount));
    assert_eq!(
        ledger.open("late", Budget::UNLIMITED, Some(run)),
        Err(LedgerError::UnknownAccount)
    );
}

#[test]
fn absurd_numbers_are_refused_or_cut_and_never_panic() {
    let (mut ledger, run) = ledger_of(Budget::UNLIMITED);
    let held = granted(&mut ledger, run, priced(10, u64::MAX));
    assert!(held.clamped_from.is_some());
    ledger.release(held).expect("it is in flight");
    assert_eq!(
        refused(&mut ledger, run, priced(u64::MAX, 1)).limit.unit,
        Unit::Usd
    );
    let held = granted(&mut ledger, run, free(u64::MAX));
    settled(&mut ledger, held, u64::MAX, Nanousd::MAX);
    assert_eq!(
        refused(&mut ledger, run, priced(1, 1)).limit.spent,
        Amount::Usd(Nanousd::MAX)
    );
}
