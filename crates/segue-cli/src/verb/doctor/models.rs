//! Which models are to be had: what `auto/*` means here, and which providers can be asked. That there is none is no fault: a
//! pipeline may need none.

use segue_models::SIZES;

use super::Check;
use crate::program::Program;

/// What a run would find.
pub(super) fn check(program: &Program) -> Check {
    let operator = match program.operator(None) {
        Ok(operator) => operator,
        Err(problem) => return Check::problem("models", &problem),
    };
    let mut parts = Vec::new();
    let mut missing = None;
    for size in SIZES {
        match operator.providers.had(size) {
            Ok(models) => parts.push(format!("{size} means {}", models.join(", then "))),
            Err(why) => missing = Some(why),
        }
    }
    if let (true, Some(why)) = (parts.is_empty(), missing) {
        parts.push(format!("auto/* means nothing here: {why}"));
    }
    let providers = operator.providers.list();
    let had = providers.iter().filter(|provider| provider.refused.is_none());
    let had: Vec<&str> = had.map(|provider| provider.name.as_str()).collect();
    if !had.is_empty() {
        parts.push(format!("providers that can be asked: {}", had.join(", ")));
    }
    Check::good("models", parts.join("; "))
}
