//! The files with the proofs.

pub(super) const PROOFS: &[(&str, &str)] = &[
    ("settings/levels", include_str!("../levels.rs")),
    ("settings/run", include_str!("../run.rs")),
    ("settings/waits", include_str!("../waits.rs")),
    ("agents/answers", include_str!("../../agents/answers.rs")),
    ("agents/approvals", include_str!("../../agents/approvals.rs")),
    ("agents/completion", include_str!("../../agents/completion.rs")),
    ("agents/models", include_str!("../../agents/models.rs")),
    ("agents/nested", include_str!("../../agents/nested.rs")),
    ("agents/tools", include_str!("../../agents/tools.rs")),
    ("imperative", include_str!("../../imperative.rs")),
    ("nested/tools", include_str!("../../nested/tools.rs")),
    ("patterns", include_str!("../../patterns.rs")),
    ("durable/basics", include_str!("../../durable/basics.rs")),
    ("durable/interrupt", include_str!("../../durable/interrupt.rs")),
    ("durable/rerun", include_str!("../../durable/rerun.rs")),
    ("durable/runners", include_str!("../../durable/runners.rs")),
    ("durable/standing", include_str!("../../durable/standing.rs")),
    ("durable/workspace", include_str!("../../durable/workspace.rs")),
    ("tools", include_str!("../../tools.rs")),
];
