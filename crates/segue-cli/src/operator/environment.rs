//! What the operator's environment says of tools: secrets by name.

use segue::Secret;

/// A secret by its name; one that is empty is not set.
pub(super) fn secret(name: &str) -> Option<Secret> {
    let value = std::env::var(variable(name)).ok();
    value.filter(|value| !value.is_empty()).map(Secret::new)
}

/// The variable a secret is in.
pub(super) fn variable(secret: &str) -> String {
    format!("SEGUE_SECRET_{secret}")
}
