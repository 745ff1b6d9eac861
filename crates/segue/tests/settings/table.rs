//! Every public setter and the test that proves its effect. A setter that is not listed fails this test, and so does a
//! proof that does not exist.

mod operator;
mod patterns;
mod proofs;

use operator::OPERATOR;
use patterns::PATTERNS;
use proofs::PROOFS;

/// Type, setter, file of the proof, test.
type Row = (&'static str, &'static str, &'static str, &'static str);

const TABLE: &[Row] = &[
    ("Settings", "timeout", "settings/levels", "timeout"),
    ("Settings", "step_timeout", "settings/levels", "step_timeout"),
    ("Settings", "retries", "settings/levels", "retries"),
    ("Settings", "retry", "settings/levels", "retry"),
    ("Settings", "policy", "settings/levels", "policy"),
    ("Settings", "budget", "settings/levels", "budget"),
    ("Settings", "on_error", "settings/levels", "on_error"),
    (
        "Settings",
        "backoff",
        "settings/waits",
        "backoff_delay_and_max_delay",
    ),
    (
        "Configured",
        "retries",
        "settings/levels",
        "the_setters_of_a_step_are_the_step_level",
    ),
    (
        "Configured",
        "timeout",
        "settings/levels",
        "the_setters_of_a_step_are_the_step_level",
    ),
    (
        "Configured",
        "step_timeout",
        "settings/levels",
        "the_setters_of_a_step_are_the_step_level",
    ),
    (
        "Configured",
        "budget",
        "settings/levels",
        "the_setters_of_a_step_are_the_step_level",
    ),
    (
        "Configured",
        "on_error",
        "settings/levels",
        "the_setters_of_a_step_are_the_step_level",
    ),
    (
        "Configured",
        "backoff",
        "settings/waits",
        "backoff_delay_and_max_delay",
    ),
    ("Configured", "settings", "settings/levels", "timeout"),
    ("Configured", "title", "settings/run", "what_a_run_is_called"),
    (
        "Configured",
        "uses",
        "settings/run",
        "what_a_step_uses_has_to_be_provided_before_the_run_starts",
    ),
    (
        "Configured",
        "asks",
        "nested/tools",
        "what_code_asks_is_declared_so_that_it_is_known_before_the_run",
    ),
    (
        "Configured",
        "max_parallel",
        "settings/run",
        "max_parallel_of_a_map",
    ),
    (
        "Agent",
        "instructions",
        "agents/answers",
        "an_answer_that_fits_is_typed_and_the_model_saw_instructions_prompt_and_schema",
    ),
    (
        "Agent",
        "description",
        "agents/nested",
        "an_agent_asks_another_and_both_are_counted",
    ),
    (
        "Agent",
        "model",
        "agents/models",
        "the_next_model_is_asked_after_a_fatal_error_or_when_no_attempt_is_left",
    ),
    (
        "Agent",
        "tool",
        "agents/tools",
        "calls_of_a_turn_run_side_by_side_and_keep_their_order",
    ),
    (
        "Agent",
        "tool_with",
        "agents/tools",
        "a_tool_that_hangs_is_cut_off",
    ),
    (
        "Agent",
        "tool_named",
        "tools",
        "registered_tools_are_found_by_name_and_by_glob",
    ),
    (
        "Agent",
        "tool_named_with",
        "agents/nested",
        "an_approval_inside_another_agent_repeats_nothing",
    ),
    (
        "Agent",
        "max_turns",
        "agents/answers",
        "repairs_are_turns_like_any_other",
    ),
    (
        "Agent",
        "max_tool_calls",
        "agents/tools",
        "max_tool_calls_ends_the_attempt",
    ),
    (
        "Agent",
        "repairs",
        "agents/answers",
        "repairs_are_counted_and_then_the_output_is_invalid",
    ),
    (
        "Agent",
        "complete",
        "agents/completion",
        "the_marker_is_asked_for_and_cut_off",
    ),
    (
        "Agent",
        "strict",
        "tools",
        "where_strict_is_asked_every_schema_has_to_be",
    ),
    ("Agent", "model_settings", "settings/run", "settings_of_a_model"),
    ("Agent", "max_tokens", "settings/run", "settings_of_a_model"),
    ("Agent", "settings", "settings/levels", "timeout"),
    (
        "Agent",
        "timeout",
        "settings/levels",
        "the_setters_of_an_agent_are_the_agent_level",
    ),
    (
        "Agent",
        "retries",
        "settings/levels",
        "the_setters_of_an_agent_are_the_agent_level",
    ),
    (
        "Agent",
        "budget",
        "settings/levels",
        "the_setters_of_an_agent_are_the_agent_level",
    ),
    (
        "Agent",
        "on_error",
        "settings/levels",
        "the_setters_of_an_agent_are_the_agent_level",
    ),
    (
        "ToolLimits",
        "max_calls",
        "agents/tools",
        "max_calls_of_a_tool_is_told",
    ),
    (
        "ToolLimits",
        "timeout",
        "agents/tools",
        "a_tool_that_hangs_is_cut_off",
    ),
    (
        "ToolLimits",
        "retries",
        "agents/tools",
        "a_tool_is_tried_again_as_often_as_it_may_be_and_never_after_a_fatal_error",
    ),
    (
        "ToolLimits",
        "approval",
        "agents/approvals",
        "the_policy_decides_by_name_by_arguments_or_by_class",
    ),
    (
        "ToolLimits",
        "approval_timeout",
        "agents/approvals",
        "no_answer_in_time_means_no_and_the_agent_is_told",
    ),
    (
        "ToolLimits",
        "on_error",
        "agents/tools",
        "a_failing_tool_tells_the_model_unless_somebody_said_otherwise",
    ),
    (
        "Registry",
        "agent",
        "tools",
        "a_name_registered_twice_is_an_error",
    ),
    ("Registry", "tool", "tools", "a_name_registered_twice_is_an_error"),
    ("Build", "title", "settings/run", "what_a_run_is_called"),
    ("Build", "description", "settings/run", "what_a_run_is_called"),
    ("Build", "label", "settings/run", "what_a_run_is_called"),
    ("Build", "defaults", "settings/levels", "timeout"),
    (
        "Build",
        "policy",
        "settings/waits",
        "named_policies_are_found_by_step_then_by_asking_then_by_default",
    ),
    ("Build", "budget", "settings/run", "budget_of_a_run"),
    ("Build", "timeout", "settings/run", "timeout_of_a_run"),
    ("Build", "max_parallel", "settings/run", "max_parallel_of_a_run"),
    ("Build", "failure", "settings/run", "failure_policy"),
    ("Start", "budget", "settings/run", "budget_of_a_run"),
    ("Start", "timeout", "settings/run", "timeout_of_a_run"),
    ("Start", "max_parallel", "settings/run", "max_parallel_of_a_run"),
    ("Start", "step", "settings/levels", "timeout"),
    (
        "Start",
        "model",
        "agents/models",
        "a_call_replaces_the_models_of_all_agents_or_of_one",
    ),
    (
        "Start",
        "model_of",
        "agents/models",
        "a_call_replaces_the_models_of_all_agents_or_of_one",
    ),
    ("Start", "label", "settings/run", "what_a_run_is_called"),
    ("Start", "note", "settings/run", "what_a_run_is_called"),
    ("Start", "trigger", "settings/run", "what_a_run_is_called"),
    (
        "Start",
        "models",
        "settings/run",
        "a_runner_has_models_and_ids_of_its_own",
    ),
    (
        "Start",
        "with_model",
        "agents/models",
        "a_model_that_refuses_hands_over_to_the_next",
    ),
    (
        "Start",
        "registry",
        "tools",
        "registered_tools_are_found_by_name_and_by_glob",
    ),
    (
        "Start",
        "provide",
        "settings/run",
        "what_a_step_uses_has_to_be_provided_before_the_run_starts",
    ),
    (
        "RunnerBuilder",
        "models",
        "settings/run",
        "a_runner_has_models_and_ids_of_its_own",
    ),
    (
        "RunnerBuilder",
        "registry",
        "tools",
        "a_name_registered_twice_is_an_error",
    ),
    (
        "RunnerBuilder",
        "provide",
        "settings/run",
        "what_a_step_uses_has_to_be_provided_before_the_run_starts",
    ),
    (
        "RunnerBuilder",
        "ids",
        "settings/run",
        "a_runner_has_models_and_ids_of_its_own",
    ),
    (
        "RunnerBuilder",
        "prices",
        "settings/run",
        "a_runner_has_prices_of_its_own",
    ),
    (
        "Concurrent",
        "max_parallel",
        "imperative",
        "branches_are_bounded_and_keep_their_order",
    ),
    (
        "Retrying",
        "attempts",
        "imperative",
        "an_inner_retry_ends_at_a_fatal_error_and_keeps_the_last_one",
    ),
    (
        "Calling",
        "feedback",
        "imperative",
        "the_research_pipeline_runs_as_it_is_written",
    ),
    (
        "Settings",
        "on_interrupt",
        "durable/interrupt",
        "a_step_that_asks_waits_for_a_person",
    ),
    (
        "ToolLimits",
        "on_interrupt",
        "durable/interrupt",
        "its_limits_say_what_an_interruption_means",
    ),
    (
        "RunnerBuilder",
        "store",
        "durable/runners",
        "a_store_can_be_handed_over_or_shared",
    ),
    (
        "RunnerBuilder",
        "store_in",
        "durable/runners",
        "a_store_can_be_handed_over_or_shared",
    ),
    (
        "RunnerBuilder",
        "register",
        "durable/runners",
        "a_runner_that_does_not_know_a_pipeline_leaves_its_runs_to_others",
    ),
    (
        "RunnerBuilder",
        "lease",
        "durable/runners",
        "a_silent_owner_is_dead_after_the_lease_and_not_before",
    ),
    (
        "RunnerBuilder",
        "output_inline",
        "durable/runners",
        "outputs_beyond_the_limit_are_kept_beside_the_log",
    ),
    (
        "RunnerBuilder",
        "max_runs",
        "durable/runners",
        "no_more_runs_than_may_are_at_work_and_the_others_are_durable_meanwhile",
    ),
    (
        "Launch",
        "key",
        "durable/workspace",
        "all_goes_on_where_it_stopped_and_results_never_mix_between_keys",
    ),
    (
        "Launch",
        "all",
        "durable/workspace",
        "all_goes_on_where_it_stopped_and_results_never_mix_between_keys",
    ),
    (
        "Launch",
        "request_key",
        "durable/basics",
        "the_same_request_is_the_same_run_and_another_with_its_key_is_refused",
    ),
    (
        "Launch",
        "definition",
        "durable/rerun",
        "a_rerun_says_who_wanted_it_and_keeps_what_the_run_was_called",
    ),
    (
        "Rerun",
        "from",
        "durable/rerun",
        "from_a_step_on_everything_before_it_is_taken_over",
    ),
    (
        "Rerun",
        "only",
        "durable/rerun",
        "from_a_step_on_everything_before_it_is_taken_over",
    ),
    (
        "Rerun",
        "failed",
        "durable/rerun",
        "failed_items_of_a_map_run_again_and_no_others",
    ),
    (
        "Rerun",
        "stale",
        "durable/rerun",
        "stale_steps_of_a_run_are_mended_by_the_next",
    ),
    (
        "Rerun",
        "note",
        "durable/workspace",
        "a_step_that_runs_again_makes_exactly_its_descendants_stale_and_stale_ones_are_mended",
    ),
    (
        "Rerun",
        "input",
        "durable/rerun",
        "inputs_prompts_models_and_the_definition_can_be_others",
    ),
    (
        "Rerun",
        "whole_input",
        "durable/rerun",
        "the_whole_input_and_the_model_of_one_agent_can_be_others",
    ),
    (
        "Rerun",
        "model",
        "durable/rerun",
        "inputs_prompts_models_and_the_definition_can_be_others",
    ),
    (
        "Rerun",
        "model_of",
        "durable/rerun",
        "the_whole_input_and_the_model_of_one_agent_can_be_others",
    ),
    (
        "Rerun",
        "set_output",
        "durable/rerun",
        "an_item_of_another_element_is_made_again",
    ),
    (
        "Rerun",
        "set_prompt",
        "durable/rerun",
        "inputs_prompts_models_and_the_definition_can_be_others",
    ),
    (
        "Rerun",
        "budget",
        "durable/rerun",
        "what_it_may_cost_is_told_before_and_what_it_costs_is_only_what_ran",
    ),
    (
        "Rerun",
        "definition",
        "durable/rerun",
        "inputs_prompts_models_and_the_definition_can_be_others",
    ),
    (
        "Rerun",
        "trigger",
        "durable/rerun",
        "a_rerun_says_who_wanted_it_and_keeps_what_the_run_was_called",
    ),
    (
        "Rerun",
        "label",
        "durable/rerun",
        "a_rerun_says_who_wanted_it_and_keeps_what_the_run_was_called",
    ),
];

const SOURCES: &[&str] = &[
    include_str!("../../src/settings.rs"),
    include_str!("../../src/step.rs"),
    include_str!("../../src/agent.rs"),
    include_str!("../../src/pattern.rs"),
    include_str!("../../src/pattern/arrangement.rs"),
    include_str!("../../src/registry.rs"),
    include_str!("../../src/pipeline.rs"),
    include_str!("../../src/plan/tools.rs"),
    include_str!("../../src/runner.rs"),
    include_str!("../../src/runner/start.rs"),
    include_str!("../../src/runner/rerun.rs"),
    include_str!("../../src/budget/standing.rs"),
    include_str!("../../src/run/concurrent.rs"),
    include_str!("../../src/run/retrying.rs"),
    include_str!("../../src/run/calling.rs"),
];

/// The public methods of a source that take a value and give it back changed, each with its type.
fn setters(source: &str) -> Vec<(String, String)> {
    let (mut of, mut found) = (String::new(), Vec::new());
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            let rest = rest.split(" for ").last().unwrap_or(rest).trim_start();
            let name = rest.rsplit_once("> ").map_or(rest, |(_, name)| name);
            let name = if rest.starts_with('<') {
                after_parameters(rest)
            } else {
                name
            };
            of = name.chars().take_while(|c| c.is_alphanumeric()).collect();
        }
        let is_setter = line.ends_with("-> Self {") || line.ends_with("-> &mut Self {");
        if let Some(rest) = line.strip_prefix("    pub fn ")
            && is_setter
            && rest.contains("self")
        {
            let name = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            found.push((of.clone(), name));
        }
    }
    found
}

/// What follows the parameters of an implementation.
fn after_parameters(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text[at + 1..].trim_start();
        }
    }
    text
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(OPERATOR).chain(PATTERNS)
}

#[test]
fn every_setter_is_proved() {
    let all: Vec<(String, String)> = SOURCES.iter().flat_map(|source| setters(source)).collect();
    assert!(all.len() > 60, "setters are found: {all:?}");
    let unproved: Vec<_> = all
        .iter()
        .filter(|(of, name)| !rows().any(|(known, setter, ..)| known == of && setter == name))
        .collect();
    assert!(unproved.is_empty(), "not in the table: {unproved:?}");
    for (of, setter, file, test) in rows() {
        assert!(
            all.iter().any(|(known, name)| known == of && name == setter),
            "there is no `{of}::{setter}`"
        );
        let proof = PROOFS
            .iter()
            .find(|(name, _)| name == file)
            .expect("the file is listed")
            .1;
        assert!(
            proof.contains(&format!("fn {test}()")),
            "`{file}` has no test `{test}`"
        );
    }
}
