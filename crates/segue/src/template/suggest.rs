//! Did-you-mean for names in templates: the words of the file checker, without its faults.

use crate::file::suggest::Nearest;

/// The hint for a name that does not exist, and the name that was probably meant.
pub(super) fn suggest(wrong: &str, known: &[&str]) -> (Option<String>, Option<String>) {
    if known.is_empty() {
        return (None, None);
    }
    let Nearest { suggestion, hint } = Nearest::of(wrong, known.iter().copied(), "known");
    (hint, suggestion)
}
