//! Cancels and deadlines at any moment: every aborted attempt comes back and is paid, and nothing new begins.

use proptest::prelude::*;

use super::engine::described;
use super::hand::{Hand, begin};
use super::plans::{self, Case};
use crate::log::{EventKind, What};
use crate::plan::FailurePolicy;
use crate::run::op::{Op, OpResult};
use crate::run::state::{ROOT, RunState, Unit};

/// What comes from outside.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Cancel,
    RunIsLate,
    /// One of the deadlines that run.
    StepIsLate(usize),
}

fn blow() -> impl Strategy<Value = (usize, Blow)> {
    let blow = prop_oneof![
        Just(Blow::Cancel),
        Just(Blow::RunIsLate),
        any::<usize>().prop_map(Blow::StepIsLate),
        any::<usize>().prop_map(Blow::StepIsLate),
    ];
    (0..60usize, blow)
}

fn cancel() -> OpResult {
    OpResult::Cancel {
        by: "somebody".into(),
        reason: None,
    }
}

/// A run that is struck from outside, and what it wrote down.
struct Struck {
    state: RunState,
    hand: Hand,
    records: Vec<(Unit, What)>,
}

fn strike(case: &Case, blows: &[(usize, Blow)]) -> Struck {
    let mut struck = Struck {
        state: begin(case, 1),
        hand: Hand::new(case),
        records: Vec::new(),
    };
    let (mut ops, mut new, mut is_ending) = (Vec::new(), Vec::new(), false);
    for at in 0.. {
        let Struck { state, hand, records } = &mut struck;
        state.ready(&mut ops);
        state.take_opened(|number, scope| hand.opened(number, scope));
        state.take_records(&mut new);
        new.iter().for_each(|(unit, what)| hand.noted(*unit, what));
        records.append(&mut new);
        for op in ops.drain(..) {
            assert!(
                !is_ending || !matches!(op, Op::Attempt(_)),
                "{op:?} begins after the end was decided"
            );
            hand.started(&op);
        }
        if state.outcome().is_some() {
            break;
        }
        let mut struck_now = false;
        if let Some((_, blow)) = blows.iter().find(|(when, _)| *when == at) {
            let late = OpResult::Deadline(ROOT);
            let result = match blow {
                Blow::Cancel => Some(cancel()),
                Blow::RunIsLate => Some(late),
                Blow::StepIsLate(chosen) => hand.late(*chosen),
            };
            is_ending |= matches!(blow, Blow::Cancel | Blow::RunIsLate);
            is_ending |= matches!(result, Some(OpResult::Deadline(ROOT)));
            struck_now |= result.is_some();
            result.into_iter().for_each(|result| state.apply(result));
        }
        if !struck_now {
            let order = case.order[at % case.order.len()];
            let next = order
                .checked_rem(hand.pending.len())
                .expect("the run came to a halt");
            state.apply(hand.result(hand.pending[next]));
        }
    }
    struck
}

/// Requests that a step of the run's own plan says it made, where it says so at its end.
fn said(what: &What) -> Option<u64> {
    match what {
        What::Succeeded(_, _, spent) => Some(spent.as_ref().map_or(0, |spent| spent[1].usage.requests)),
        What::Other(kind) => match &**kind {
            EventKind::StepFailed { usage, .. } => Some(usage.requests),
            _ => None,
        },
        _ => None,
    }
}

proptest! {
    #![proptest_config(super::configured(200))]

    #[test]
    fn whatever_strikes_every_attempt_comes_back_and_is_paid(
        case in plans::case(prop_oneof![Just(FailurePolicy::Continue), Just(FailurePolicy::FailFast)]),
        blows in proptest::collection::vec(blow(), 1..4),
    ) {
        let Struck { mut state, hand, records } = strike(&case, &blows);
        prop_assert_eq!(state.spent().usage.requests, hand.attempts);
        let outcome = state.outcome().expect("it ended");
        let before = described(outcome);
        if let super::super::RunOutcome::Failed(failure) | super::super::RunOutcome::Cancelled(failure) = outcome {
            prop_assert_eq!(failure.spent.expect("a failed run says what it spent").usage.requests, hand.attempts);
        }
        for (unit, what) in &records {
            if let Some(said) = said(what).filter(|_| unit.scope == 0 && !unit.is_item()) {
                prop_assert_eq!(said, hand.paid.get(unit).copied().unwrap_or_default(), "{:?}", unit);
            }
        }
        // A finished run stays as it is.
        let (mut ops, mut more) = (Vec::new(), Vec::new());
        state.apply(cancel());
        state.apply(OpResult::Deadline(ROOT));
        state.ready(&mut ops);
        state.take_records(&mut more);
        prop_assert!(ops.is_empty() && more.is_empty(), "{:?} {:?}", ops, more);
        prop_assert_eq!(described(state.outcome().expect("it ended")), before);
    }

    #[test]
    fn a_cancelled_run_is_cancelled(case in plans::case(Just(FailurePolicy::Continue)), when in 0..5usize) {
        let Struck { state, records, .. } = strike(&case, &[(when, Blow::Cancel)]);
        let asked = |(_, what): &(Unit, What)| {
            matches!(what, What::Other(kind) if matches!(**kind, EventKind::RunCancelRequested { .. }))
        };
        let outcome = described(state.outcome().expect("it ended"));
        let was_in_time = records.iter().any(asked);
        prop_assert_eq!(outcome.starts_with("cancelled"), was_in_time, "{}", outcome);
    }
}
