//! The decision alone: random plans, random orders of results, lost processes, deadlines and cancels. No test here runs
//! a step; the hand that answers knows from the case how each attempt ends.

use proptest::prelude::*;

use crate::plan::FailurePolicy;
use crate::view::StepStatus;

mod aborts;
mod cases;
mod engine;
mod hand;
mod model;
mod plans;
mod written;

use engine::run;
use hand::{Hand, begin};
use plans::Case;

/// Where the steps of the run's own plan end when results come in the case's order.
fn ends(case: &Case) -> (Vec<model::Ended>, String) {
    let mut state = begin(case, 1);
    let mut hand = Hand::new(case);
    let (mut ops, mut records, mut at) = (Vec::new(), Vec::new(), 0);
    while state.outcome().is_none() {
        state.ready(&mut ops);
        state.take_opened(|number, scope| hand.opened(number, scope));
        state.take_records(&mut records);
        records.drain(..).for_each(|(unit, what)| hand.noted(unit, &what));
        ops.drain(..).for_each(|op| hand.started(&op));
        if state.outcome().is_some() {
            break;
        }
        let order = case.order[at % case.order.len()];
        at += 1;
        let next = order
            .checked_rem(hand.pending.len())
            .expect("a run without an outcome awaits something");
        let next = hand.pending[next];
        state.apply(hand.result(next));
    }
    let ends = state.scopes[0].slots.iter().map(|slot| {
        let why = slot
            .more
            .as_ref()
            .and_then(|more| more.skipped.as_ref())
            .map(|why| why.reason);
        (slot.status, why)
    });
    let outcome = engine::described(state.outcome().expect("the loop ends with an outcome"));
    (ends.collect(), outcome)
}

/// So many cases; a case that failed is written out above instead of being kept in a file.
fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 5_000,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(configured(150))]

    #[test]
    fn the_join_table_decides_whatever_the_order_of_results(
        case in plans::case(Just(FailurePolicy::Continue)),
    ) {
        let (ends, outcome) = ends(&case);
        prop_assert_eq!(ends, model::ends(&case.specs, "p0"));
        let (made, fallback) = model::outcome(&case.specs, "p0");
        let expected = if made { "succeeded" } else { "failed" };
        prop_assert!(outcome.starts_with(expected), "{} instead of {}", outcome, expected);
        prop_assert_eq!(made && fallback, outcome.starts_with("succeeded") && outcome.ends_with("true"));
    }

    #[test]
    fn a_run_that_fails_fast_fails_when_anything_would(
        case in plans::case(Just(FailurePolicy::FailFast)),
    ) {
        let (ends, outcome) = ends(&case);
        let (made, _) = model::outcome(&case.specs, "p0");
        prop_assert!(outcome.starts_with(if made { "succeeded" } else { "failed" }), "{}", outcome);
        let expected = model::ends(&case.specs, "p0");
        for (end, expected) in ends.iter().zip(expected) {
            prop_assert!(end.0 == StepStatus::Cancelled || *end == expected, "{:?}, not {:?}", end, expected);
        }
    }

    #[test]
    fn a_lost_process_changes_nothing(
        case in plans::case(prop_oneof![Just(FailurePolicy::Continue), Just(FailurePolicy::FailFast)]),
        losses in proptest::collection::vec(1..120usize, 1..5),
    ) {
        let undisturbed = run(&case, &[], |_| 5).map_err(TestCaseError::fail)?;
        let disturbed = run(&case, &losses, |_| 5).map_err(TestCaseError::fail)?;
        prop_assert_eq!(undisturbed.attempts, undisturbed.spent);
        prop_assert_eq!(undisturbed, disturbed);
    }
}

/// Every place of one run at which its process can be lost.
#[test]
fn a_process_can_be_lost_anywhere() {
    let case = cases::every_kind();
    let undisturbed = run(&case, &[], |_| 9).expect("nothing is lost");
    let journal = &undisturbed.journal;
    let actions = journal.ops.len() + 2 * journal.results.len() + 2;
    for lost in 1..actions {
        let disturbed = run(&case, &[lost], |_| 9).expect("the replay is the same");
        assert_eq!(disturbed, undisturbed, "lost after {lost} actions");
    }
}

/// The check finds what it is for: here each process draws its jitter from a seed of its own.
#[test]
fn an_impure_decision_is_found() {
    let case = cases::every_kind();
    let mut found = (1..400).filter_map(|lost| run(&case, &[lost], |process| process as u128).err());
    let found = found.next();
    let found = found.expect("another jitter is another operation");
    assert!(
        found.contains("Sleep") || found.contains("retry_in_ms"),
        "{found}"
    );
}
