//! The conformance suite of stores: one promise of [`Store`] per case. A store that passes behaves like
//! [`MemoryStore`](crate::store::MemoryStore), and runs cannot tell them apart.
//!
//! A store of somebody else runs it like this, with the feature `testing` of this crate and `tokio` among its
//! dependencies for tests; every case becomes a test of its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use segue::store::{MemoryStore, Store};
//! use segue::testing::store::{Fixture, Opened};
//!
//! /// A store in memory: a clone is the same store.
//! #[derive(Default)]
//! struct Memory(MemoryStore);
//!
//! impl Fixture for Memory {
//!     fn open(&self) -> Opened<'_> {
//!         let store: Arc<dyn Store> = Arc::new(self.0.clone());
//!         Box::pin(std::future::ready(store))
//!     }
//! }
//!
//! segue::store_suite!(Memory::default());
//! ```
//!
//! The expression is evaluated once for each case, and what it gives has to begin with an empty store. Where tests are
//! not made by a macro, [`cases`] is the list and [`check`] runs one of them. A case that fails panics.

#![expect(
    clippy::unwrap_used,
    reason = "a case that is refused what it asks for has failed, and a case fails by a panic"
)]

use std::pin::Pin;
use std::sync::Arc;

use crate::store::Store;

mod accounts;
mod artifacts;
mod blobs;
mod commits;
mod create;
mod fences;
mod leaving;
mod logs;
mod operator;
mod outcomes;
mod owners;
mod queries;
mod questions;
mod remove;
mod reopened;
mod repeats;
mod sample;
mod signals;
mod sorted;
mod unfinished;
mod workspaces;

/// A store that is being opened.
pub type Opened<'a> = Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send + 'a>>;

/// What the suite asks of whoever runs it: one store, as often as it is opened.
pub trait Fixture: Send + Sync {
    /// Opens the store as another process would. It is empty when it is opened for the first time, and the same one
    /// whenever it is opened again; a case may use all it has opened side by side.
    fn open(&self) -> Opened<'_>;
}

/// One promise and how it is tested.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is promised, as a sentence: `fences::a_stale_commit_touches_nothing`.
    pub name: &'static str,
    run: fn(&dyn Fixture) -> Running<'_>,
}

/// A case that is being tested.
type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Case {
    /// Tests it.
    ///
    /// # Panics
    /// When the store does not keep the promise.
    pub async fn run(&self, fixture: &dyn Fixture) {
        (self.run)(fixture).await;
    }
}

/// Tests one case by its name, on a runtime of its own with two workers.
///
/// # Panics
/// When the store does not keep the promise, or there is no such case.
pub fn check(name: &str, fixture: &dyn Fixture) {
    let case = cases().into_iter().find(|case| case.name == name);
    let case = case.unwrap_or_else(|| panic!("there is no case `{name}`"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(case.run(fixture));
}

/// Lists the cases once, for [`cases`] and for the macro that makes tests of them. `$d` is a dollar sign: a macro that
/// writes a macro has no other way to say it.
macro_rules! suite {
    ($d:tt $($group:ident { $($name:ident)* })*) => {
        /// All cases.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            vec![$($(Case {
                name: concat!(stringify!($group), "::", stringify!($name)),
                run: |fixture| Box::pin($group::$name(fixture)),
            },)*)*]
        }

        /// Makes a test of every case of the conformance suite of stores. Takes an expression that gives a
        /// [`Fixture`](crate::testing::store::Fixture) with an empty store; it is evaluated for each of them.
        #[macro_export]
        macro_rules! store_suite {
            ($d fixture:expr) => {$(
                mod $group {
                    #[allow(unused_imports, reason = "the expression may need what stands beside the macro")]
                    use super::*;
                    $(
                        #[test]
                        fn $name() {
                            let name = concat!(stringify!($group), "::", stringify!($name));
                            $crate::testing::store::check(name, &$d fixture);
                        }
                    )*
                }
            )*};
        }
    };
}

suite! { $
    create {
        a_run_is_there_with_its_first_entry
        a_head_comes_back_as_it_was
        owner_fence_and_last_event_are_set_by_the_store
        the_same_request_is_the_same_run
        the_same_key_with_another_body_makes_nothing
        keys_of_requests_are_compared_exactly
        a_hundred_at_once_with_one_key_make_one_run
        runs_without_a_key_are_apart
        an_id_exists_once
        sent_twice_it_is_recognised
        sent_twice_after_somebody_took_it_up_it_only_exists
        a_log_begins_with_entry_one
        a_plan_is_kept_once_by_its_hash
        without_an_owner_it_waits_to_be_taken_up
        it_may_begin_with_questions
        the_key_of_a_removed_run_is_free
        what_does_not_exist_is_not_there
    }
    logs {
        it_is_read_in_pages
        logs_do_not_mix
        an_entry_comes_back_as_it_was
        a_body_may_have_a_megabyte
        text_may_hold_anything
        ten_thousand_entries_are_dense
        an_entry_has_to_be_the_next_one
        commits_are_carried_out_in_the_order_of_the_calls
        a_commit_nobody_waits_for_is_carried_out
        a_run_that_does_not_exist_has_no_log_to_append_to
        where_it_stands_changes_only_when_a_commit_says_so
        many_runs_at_once_each_keep_their_order
    }
    commits {
        all_parts_are_carried_out
        under_a_stale_fence_nothing_is_written
        out_of_order_nothing_is_written
        with_an_outcome_twice_nothing_is_written
        one_that_is_refused_does_not_spoil_the_others
        one_after_a_refused_one_of_its_run_is_refused_too
        it_tells_that_signals_wait
        it_tells_of_signals_sent_through_another_handle
        a_refused_answer_is_no_signal_to_act_on
        it_tells_that_calls_are_halted
        an_empty_part_changes_nothing
    }
    repeats {
        the_last_one_is_recognised
        an_older_one_is_recognised
        nothing_of_it_happens_twice
        the_same_number_with_another_content_is_none
        the_same_content_in_another_run_is_none
        one_that_left_says_so_again
        one_that_rested_says_so_again
        it_does_not_take_the_run_from_its_new_owner
        an_old_one_that_did_not_leave_does_not_leave_later
    }
    outcomes {
        a_second_one_is_refused
        a_second_one_by_the_next_owner_is_refused
        other_scopes_steps_items_and_runs_are_other_units
        the_items_of_a_large_map_each_have_one
    }
    fences {
        a_fence_of_the_future_is_as_wrong_as_one_of_the_past
        after_a_claim_the_old_owner_writes_nothing
        after_its_owner_left_and_another_came_too
        after_the_run_was_given_up_nobody_writes
        until_somebody_takes_up_the_run_a_buried_owner_still_holds_it
        it_grows_with_each_time_the_run_is_taken_up
        nothing_is_reserved_under_a_stale_one
        of_two_handles_that_write_at_once_one_wins
        runs_have_fences_of_their_own
    }
    leaving {
        a_run_that_rests_has_no_owner
        it_keeps_its_owner_when_it_does_not_ask_to_be_left
        a_signal_that_waits_holds_it_back
        a_signal_for_another_run_does_not
        a_refused_answer_does_not
        an_answer_does
        a_run_that_is_over_is_left_and_its_signals_with_it
        at_once_with_a_signal_it_is_left_or_told
        a_finished_run_is_over_for_everybody
    }
    owners {
        one_is_seen_as_it_was_enrolled
        its_beats_are_counted
        whoever_is_not_known_hears_that_it_is_buried
        one_that_has_beaten_since_is_not_buried
        one_is_buried_once
        a_beat_and_a_burial_at_once_agree
        one_that_left_is_gone
        a_beat_tells_of_signals_for_held_runs
        a_beat_tells_of_a_halt
        what_a_living_owner_holds_is_not_taken
        what_an_owner_nobody_enrolled_holds_may_be_taken
        a_claim_gives_the_run_as_it_stands
        what_is_over_or_unknown_is_not_taken
        whoever_is_not_known_takes_nothing
        of_many_that_want_a_run_one_gets_it
    }
    unfinished {
        queued_and_running_ones_that_nobody_holds
        those_of_an_owner_that_left
        one_that_waits_is_none_of_them
        one_that_waits_and_was_sent_a_signal_is
        a_refused_answer_wakes_nobody
        one_whose_time_has_come_is
        one_that_waits_and_is_held_is_not
        one_that_is_over_never_is
        the_oldest_come_first_and_only_so_many
        all_kinds_together_are_in_one_order
    }
    signals {
        they_are_read_in_order_as_they_were_sent
        a_number_is_never_given_twice
        only_what_was_taken_up_is_gone
        an_answer_is_accepted_and_stands_in_the_question
        a_second_answer_is_a_conflict
        of_a_hundred_answers_at_once_one_is_accepted
        a_refused_answer_is_recorded_and_the_question_stays_open
        to_an_unknown_run_or_question_they_go_nowhere
        to_a_run_that_is_over_they_come_too_late
        whoever_sends_hears_who_holds_the_run
        cancelled_twice_it_is_told_twice
        a_cancel_and_the_end_at_once_agree
        a_refused_commit_takes_none
    }
    questions {
        one_comes_back_as_it_was_asked
        the_oldest_open_ones_come_first
        one_that_is_closed_stays_as_it_was_closed
        asked_again_it_stays_as_it_stands
        one_that_nobody_answered_expires
        one_that_is_answered_closed_or_unknown_does_not_expire
        an_answer_and_the_deadline_at_once_agree
    }
    queries {
        all_of_them_newest_first
        by_status
        by_pipeline
        by_labels
        by_workspace
        by_time
        by_cost
        by_text_whatever_the_case
        by_text_as_it_is_now
        by_several_things_at_once
        by_the_beginning_of_an_id
    }
    sorted {
        by_when_they_came_to_exist
        by_what_they_cost
        by_how_long_they_took
        a_page_stays_what_it_is_while_runs_are_added
        a_page_goes_on_where_its_last_run_was_removed
        what_is_no_cursor_is_refused
        a_page_has_at_least_one_run
        there_is_no_cursor_after_the_last_run
    }
    workspaces {
        a_step_is_run_by_one_run
        of_many_that_want_a_step_one_gets_it
        a_result_has_to_be_the_expected_one
        of_two_edits_of_one_result_one_wins
        what_is_refused_writes_nothing
        versions_grow_and_a_result_frees_its_step
        a_result_does_not_end_what_another_run_does
        a_failure_does_not_take_away_a_result
        the_end_of_a_run_frees_its_steps
        a_run_that_rests_keeps_its_steps
        a_dead_owner_does_not_free_the_steps_of_its_runs
        only_the_steps_that_are_named_are_freed
        keys_and_pipelines_do_not_mix
        they_are_in_the_order_in_which_they_were_first_made
        workspaces_are_listed
        a_run_brings_results_along
        a_stale_commit_moves_no_result
    }
    artifacts {
        they_are_found_by_run_pipeline_and_name
        outputs_that_are_too_large_are_kept_and_not_listed
        saved_again_under_its_id_it_is_the_later_one
        the_versions_of_a_link_are_dense
        links_of_other_pipelines_and_names_are_others
        moved_by_many_at_once_a_link_has_no_gap
        a_link_outlives_the_run_that_moved_it
        what_artifacts_and_links_refer_to_is_referenced
    }
    accounts {
        what_is_reserved_is_set_aside
        whoever_decides_is_told_how_the_accounts_stand
        a_refusal_changes_nothing
        spent_replaces_what_was_held
        released_gives_it_back
        uncertain_stays_counted_until_it_is_settled
        a_commit_settles_with_it
        a_call_is_settled_once_and_by_its_own_run
        all_accounts_above_a_call_are_charged
        an_account_named_twice_is_charged_once
        the_same_call_once_more_holds_once
        a_run_that_does_not_exist_holds_nothing
        a_thousand_at_once_never_go_beyond_the_limit
        large_amounts_stop_at_the_largest_number
        accounts_are_listed_by_name_and_window
    }
    operator {
        a_halt_is_there_until_it_is_lifted
        a_halt_is_there_when_the_store_is_opened_again
        a_sound_store_has_no_findings
        a_store_has_a_name
    }
    remove {
        nothing_of_it_is_left
        the_others_stay_as_they_are
        one_that_is_not_over_stays
        one_with_a_current_result_stays
        one_that_never_was_is_not_removed
        what_it_spent_stays_spent
        a_run_may_have_its_id_again
    }
    reopened {
        everything_is_there
        what_was_once_is_still_once
        another_process_goes_on_where_the_dead_one_was
        two_handles_see_what_the_other_wrote
        two_handles_write_at_once_and_nothing_is_lost
    }
    blobs {
        they_are_named_by_their_hash
        nothing_is_something_too
        pieces_make_a_whole
        they_are_read_in_bounded_pieces
        a_writer_that_is_dropped_leaves_nothing
        equal_content_is_kept_once
        what_is_not_there_is_not_found
        what_is_referred_to_is_not_swept
        what_is_young_is_not_swept
        a_sweep_does_not_touch_what_is_being_written
        another_handle_reads_them
        more_than_asked_for_is_refused
        many_are_written_side_by_side
    }
}
