//! Crowds.
use crate::effects::Effects;
pub const VERB: &str = "crowd";
pub fn work(_effects: &Effects) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
