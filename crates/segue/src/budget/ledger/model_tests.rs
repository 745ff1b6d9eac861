//! The ledger against a model of it that is slow and obvious: it remembers every call and adds
//! everything up anew for each question.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::budget::PerCall;
use crate::price::Price;

fn nanos(nanos: u64) -> Nanousd {
    i64::try_from(nanos)
        .ok()
        .and_then(Nanousd::from_nanos)
        .expect("test amounts are small")
}

/// A price of whole nano-dollars for each token, so that the model can count them.
fn price(input: u64, output: u64) -> Price {
    Price::per_million(nanos(input * 1_000_000), nanos(output * 1_000_000))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    InFlight,
    Uncertain,
    Spent,
    Released,
}

/// A call of the model: the accounts it counts against, and its counts.
#[derive(Debug)]
struct Call {
    accounts: Vec<usize>,
    counts: Counts,
    fate: Fate,
}

#[derive(Debug, Default)]
struct Model {
    accounts: Vec<(Budget, Option<usize>)>,
    calls: Vec<Call>,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Granted(u64),
    Wait,
    Refused(RefusalKind),
}

impl Model {
    fn with_all_above(&self, given: &[usize]) -> Vec<usize> {
        let mut all = Vec::new();
        for first in given {
            let mut next = Some(*first);
            while let Some(account) = next {
                all.push(account);
                next = self.accounts[account].1;
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn sum(&self, account: usize, unit: usize, fates: &[Fate]) -> u64 {
        let counted = self
            .calls
            .iter()
            .filter(|c| c.accounts.contains(&account) && fates.contains(&c.fate));
        counted.map(|call| call.counts[unit]).sum()
    }

    /// What each account's limits leave, counting calls of these fates.
    fn left(&self, accounts: &[usize], counted: &[Fate]) -> Vec<[Option<u64>; 3]> {
        let of_account = |&account: &usize| {
            let budget = self.accounts[account].0;
            let limits = [budget.usd.map(super::nanos), budget.tokens, budget.requests];
            let mut unit = 0..;
            limits.map(|limit| {
                let used = self.sum(account, unit.next().expect("it has no end"), counted);
                limit.map(|limit| limit.saturating_sub(used))
            })
        };
        accounts.iter().map(of_account).collect()
    }

    fn fits_per_call(&self, accounts: &[usize], need: Counts) -> bool {
        accounts.iter().all(|&account| {
            let PerCall { usd, tokens } = self.accounts[account].0.per_call;
            usd.is_none_or(|usd| need[0] <= super::nanos(usd)) && tokens.is_none_or(|most| need[1] <= most)
        })
    }

    fn decide(&self, given: &[usize], ask: &Ask) -> Verdict {
        const NOW: [Fate; 3] = [Fate::InFlight, Fate::Uncertain, Fate::Spent];
        const ONCE_SETTLED: [Fate; 2] = [Fate::Uncertain, Fate::Spent];

        let accounts = self.with_all_above(given);
        let budgets = || accounts.iter().map(|&account| self.accounts[account].0);
        let money = |b: &Budget| b.usd.or(b.per_call.usd).is_some();
        let cuts = |b: &Budget| money(b) || b.tokens.or(b.per_call.tokens).is_some();
        if ask.price.is_none() && budgets().any(|b| money(&b) && !b.allow_unpriced) {
            return Verdict::Refused(RefusalKind::Unpriced);
        }
        let min = budgets()
            .filter(cuts)
            .map(|b| u64::from(b.min_tokens))
            .max()
            .unwrap_or(0);
        let floor = min.max(1).min(ask.max_tokens);
        let sizes = || (floor..=ask.max_tokens).rev();
        let Some(wanted) = sizes().find(|&n| self.fits_per_call(&accounts, ask.need(n))) else {
            return Verdict::Refused(RefusalKind::Budget);
        };
        let sizes = || (floor..=wanted).rev();
        let most = |counted: &[Fate]| {
            let left = self.left(&accounts, counted);
            let within = |need: Counts| {
                left.iter().all(|left| {
                    left.iter()
                        .zip(need)
                        .all(|(left, need)| left.is_none_or(|left| need <= left))
                })
            };
            sizes().find(|&n| within(ask.need(n)))
        };
        match (most(&NOW), most(&ONCE_SETTLED)) {
            (Some(n), _) if n == wanted => Verdict::Granted(n),
            (_, Some(n)) if n == wanted => Verdict::Wait,
            (Some(n), _) => Verdict::Granted(n),
            (None, Some(_)) => Verdict::Wait,
            (None, None) => Verdict::Refused(RefusalKind::Budget),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Reserve { accounts: Vec<Index>, ask: Ask },
    Settle { call: Index, percent: u64 },
    Release(Index),
    MarkUncertain(Index),
    ResolveSent { call: Index, percent: u64 },
    ResolveNeverSent(Index),
    Raise { account: Index, budget: Budget },
}

fn any_budget() -> impl Strategy<Value = Budget> {
    let limit = |most: u64| prop::option::weighted(0.6, 0..most);
    let per_call = (
        prop::option::weighted(0.2, 0_u64..600),
        prop::option::weighted(0.2, 0_u64..120),
    );
    (
        limit(4_000),
        limit(1_500),
        limit(40),
        per_call,
        any::<bool>(),
        0_u32..12,
    )
        .prop_map(
            |(usd, tokens, requests, per_call, allow_unpriced, min_tokens)| Budget {
                usd: usd.map(nanos),
                tokens,
                requests,
                per_call: PerCall {
                    usd: per_call.0.map(nanos),
                    tokens: per_call.1,
                },
                allow_unpriced,
                min_tokens,
                ..Budget::UNLIMITED
            },
        )
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let price = prop_oneof![
        6 => (0_u64..4, 0_u64..9).prop_map(|(input, output)| Some(price(input, output))),
        1 => Just(Some(Price::FREE)),
        1 => Just(None),
    ];
    (
        price,
        0_u64..60,
        0_u64..60,
        prop_oneof![4 => Just(0_u64), 1 => 0_u64..20],
    )
        .prop_map(|(price, input_tokens, max_tokens, reasoning_tokens)| Ask {
            price,
            input_tokens,
            max_tokens,
            reasoning_tokens,
        })
}

fn any_op(raise: bool) -> impl Strategy<Value = Op> {
    let account = any::<Index>;
    prop_oneof![
        10 => (prop::collection::vec(account(), 1..4), any_ask())
            .prop_map(|(accounts, ask)| Op::Reserve { accounts, ask }),
        5 => (any::<Index>(), 0..=100_u64).prop_map(|(call, percent)| Op::Settle { call, percent }),
        1 => any::<Index>().prop_map(Op::Release),
        1 => any::<Index>().prop_map(Op::MarkUncertain),
        1 => (any::<Index>(), 0..=100_u64).prop_map(|(call, percent)| Op::ResolveSent { call, percent }),
        1 => any::<Index>().prop_map(Op::ResolveNeverSent),
        u32::from(raise) => (account(), any_budget()).prop_map(|(account, budget)| Op::Raise { account, budget }),
    ]
}

/// Both side by side, with what is needed to end the calls of both.
#[derive(Default)]
struct Pair {
    ledger: Ledger,
    model: Model,
    ids: Vec<AccountId>,
    in_flight: Vec<(Reservation, usize)>,
    uncertain: Vec<(Uncertain, usize)>,
}

impl Pair {
    fn new(tree: Vec<(Budget, Option<Index>)>) -> Self {
        let mut pair = Self::default();
        for (n, (budget, parent)) in tree.into_iter().enumerate() {
            let parent = parent.filter(|_| n > 0).map(|parent| parent.index(n));
            let above = parent.map(|parent| pair.ids[parent]);
            pair.ids.push(
                pair.ledger
                    .open(format!("account {n}"), budget, above)
                    .expect("the parent is open"),
            );
            pair.model.accounts.push((budget, parent));
        }
        pair
    }

    fn reserve(&mut self, given: &[usize], ask: &Ask) -> Result<(), TestCaseError> {
        let ids: Vec<_> = given.iter().map(|&account| self.ids[account]).collect();
        let expected = self.model.decide(given, ask);
        match self.ledger.reserve(&ids, ask).expect("the accounts are open") {
            Decision::Granted(held) => {
                prop_assert_eq!(expected, Verdict::Granted(held.max_tokens));
                let counts = ask.need(held.max_tokens);
                prop_assert_eq!([super::nanos(held.nanousd), held.tokens, 1], counts);
                prop_assert_eq!(held.clamped_from.is_some(), held.max_tokens < ask.max_tokens);
                let accounts = self.model.with_all_above(given);
                self.in_flight.push((held, self.model.calls.len()));
                self.model.calls.push(Call {
                    accounts,
                    counts,
                    fate: Fate::InFlight,
                });
            }
            Decision::Wait { .. } => {
                prop_assert_eq!(expected, Verdict::Wait);
                prop_assert!(!self.in_flight.is_empty(), "nothing in flight to wait for");
            }
            Decision::Refused(refusal) => prop_assert_eq!(expected, Verdict::Refused(refusal.kind)),
        }
        Ok(())
    }

    /// The percentage of a call's counts that it really used, with the cost that goes with it.
    fn actual(&mut self, call: usize, percent: u64) -> (Usage, Nanousd) {
        let call = &mut self.model.calls[call];
        let [money, tokens, _] = call.counts.map(|count| count * percent / 100);
        call.counts = [money, tokens, 1];
        call.fate = Fate::Spent;
        (
            Usage {
                input_tokens: tokens,
                requests: 1,
                ..Usage::default()
            },
            nanos(money),
        )
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Reserve { accounts, ask } => {
                let given: Vec<_> = accounts
                    .iter()
                    .map(|account| account.index(self.ids.len()))
                    .collect();
                self.reserve(&given, &ask)?;
            }
            Op::Settle { call, percent } => {
                if let Some((held, call)) = pick(&mut self.in_flight, call) {
                    let (usage, cost) = self.actual(call, percent);
                    let settled = self.ledger.settle(held, &usage, cost);
                    prop_assert_eq!(settled, Ok(Settled::default()));
                }
            }
            Op::Release(call) => {
                if let Some((held, call)) = pick(&mut self.in_flight, call) {
                    prop_assert_eq!(self.ledger.release(held), Ok(()));
                    self.model.calls[call].fate = Fate::Released;
                }
            }
            Op::MarkUncertain(call) => {
                if let Some((held, call)) = pick(&mut self.in_flight, call) {
                    let held = self.ledger.mark_uncertain(held).expect("it is in flight");
                    self.model.calls[call].fate = Fate::Uncertain;
                    self.uncertain.push((held, call));
                }
            }
            Op::ResolveSent { call, percent } => {
                if let Some((held, call)) = pick(&mut self.uncertain, call) {
                    let (usage, cost) = self.actual(call, percent);
                    let settled = self.ledger.resolve_uncertain(held, Truth::Sent { usage, cost });
                    prop_assert_eq!(settled, Ok(Settled::default()));
                }
            }
            Op::ResolveNeverSent(call) => {
                if let Some((held, call)) = pick(&mut self.uncertain, call) {
                    let settled = self.ledger.resolve_uncertain(held, Truth::NeverSent);
                    prop_assert_eq!(settled, Ok(Settled::default()));
                    self.model.calls[call].fate = Fate::Released;
                }
            }
            Op::Raise { account, budget } => {
                let account = account.index(self.ids.len());
                self.ledger
                    .raise(self.ids[account], budget)
                    .expect("the account is open");
                self.model.accounts[account].0 = budget;
            }
        }
        Ok(())
    }

    /// The ledger counts what the model counts, and, unless limits were lowered, keeps within them.
    fn agree(&self, within_limits: bool) -> Result<(), TestCaseError> {
        for (n, id) in self.ids.iter().enumerate() {
            let account = self.ledger.account(*id).expect("the account is open");
            for unit in Unit::ALL {
                let i = unit as usize;
                prop_assert_eq!(account.spent[i], self.model.sum(n, i, &[Fate::Spent]));
                prop_assert_eq!(account.reserved[i], self.model.sum(n, i, &[Fate::InFlight]));
                prop_assert_eq!(account.uncertain[i], self.model.sum(n, i, &[Fate::Uncertain]));
                let limits = [
                    account.budget.usd.map(super::nanos),
                    account.budget.tokens,
                    account.budget.requests,
                ];
                if let Some(limit) = limits[i].filter(|_| within_limits) {
                    prop_assert!(account.spent[i] + account.reserved[i] + account.uncertain[i] <= limit);
                }
            }
        }
        Ok(())
    }
}

fn pick<T>(from: &mut Vec<T>, which: Index) -> Option<T> {
    if from.is_empty() {
        None
    } else {
        Some(from.swap_remove(which.index(from.len())))
    }
}

fn any_tree() -> impl Strategy<Value = Vec<(Budget, Option<Index>)>> {
    prop::collection::vec((any_budget(), prop::option::weighted(0.7, any::<Index>())), 1..7)
}

proptest! {
    // Each case is a long history, and the model goes through all of it for every answer.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_schedule_of_a_thousand_calls_exceeds_a_limit(
        tree in any_tree(),
        ops in prop::collection::vec(any_op(false), 1_000),
    ) {
        let mut pair = Pair::new(tree);
        for op in ops {
            pair.apply(op)?;
            pair.agree(true)?;
        }
    }

    #[test]
    fn changed_limits_hold_from_the_next_reservation_on(
        tree in any_tree(),
        ops in prop::collection::vec(any_op(true), 300),
    ) {
        let mut pair = Pair::new(tree);
        for op in ops {
            pair.apply(op)?;
            pair.agree(false)?;
        }
    }

    #[test]
    fn a_thousand_equal_callers_leave_less_than_one_call_unused(
        limit in 0_u64..40_000, input in 0_u64..50, output in 1_u64..50, order in prop::collection::vec(any::<Index>(), 2_000),
    ) {
        let mut ledger = Ledger::new();
        // A floor no call reaches: none is cut.
        let budget = Budget::from(nanos(limit)).min_tokens(u32::MAX);
        let run = ledger.open("run", budget, None).expect("it has no parent");
        let step = ledger.open("step", Budget::UNLIMITED, Some(run)).expect("the run is open");
        let ask = Ask::new(Some(price(1, 2)), input, output);
        let [each, tokens, _] = ask.need(output);
        let usage = Usage { input_tokens: tokens, requests: 1, ..Usage::default() };

        let (mut callers, mut made) = (1_000_u64, 0);
        let mut in_flight = Vec::new();
        for turn in order {
            match ledger.reserve(&[step], &ask).expect("the accounts are open") {
                Decision::Granted(held) if callers > 0 => {
                    callers -= 1;
                    in_flight.push(held);
                }
                Decision::Granted(held) => ledger.release(held).expect("it is in flight"),
                Decision::Wait { .. } | Decision::Refused(_) => {}
            }
            if turn.index(3) > 0 && let Some(held) = pick(&mut in_flight, turn) {
                prop_assert_eq!(ledger.settle(held, &usage, nanos(each)), Ok(Settled::default()));
                made += 1;
            }
        }
        for held in in_flight {
            prop_assert_eq!(ledger.settle(held, &usage, nanos(each)), Ok(Settled::default()));
            made += 1;
        }
        let account = ledger.account(run).expect("the run is open");
        prop_assert_eq!(account.spent[0], made * each);
        let unused = limit - account.spent[0];
        prop_assert!(callers == 0 || unused < each, "{} of {} unused", unused, limit);
    }
}
