//! What a program says of patterns.

use super::Row;

pub(super) const PATTERNS: &[Row] = &[
    ("Registry", "strategy", "patterns", "a_strategy_of_the_program"),
    (
        "Pattern",
        "agent",
        "patterns",
        "agents_of_pipelines_bring_all_that_holds_for_them",
    ),
    (
        "Pattern",
        "description",
        "patterns",
        "each_setter_of_a_pattern_has_its_effect",
    ),
    (
        "Pattern",
        "timeout",
        "patterns",
        "each_setter_of_a_pattern_has_its_effect",
    ),
    (
        "Pattern",
        "retries",
        "patterns",
        "each_setter_of_a_pattern_has_its_effect",
    ),
    (
        "Pattern",
        "concurrency",
        "patterns",
        "each_setter_of_a_pattern_has_its_effect",
    ),
    (
        "Pattern",
        "fallback",
        "patterns",
        "each_setter_of_a_pattern_has_its_effect",
    ),
    ("Arrangement", "gives", "patterns", "a_strategy_of_the_program"),
    (
        "Arrangement",
        "gives_all",
        "patterns",
        "decisions_of_a_strategy_and_what_they_leave_out",
    ),
    (
        "Arrangement",
        "gives_first",
        "patterns",
        "decisions_of_a_strategy_and_what_they_leave_out",
    ),
];
