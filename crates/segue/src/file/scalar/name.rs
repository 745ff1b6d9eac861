//! Names, which identify, and titles, which are read by people.

use unicode_normalization::UnicodeNormalization;

use super::{Flaw, text};
use crate::fault::{Code, is_invisible, quote};
use crate::file::yaml::Node;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// The longest title, in characters after composition.
pub const MAX_TITLE_CHARS: usize = 200;

/// A name in the place of a value.
///
/// # Errors
///
/// `wrong_type` for anything but text, `bad_name` as [`check_name`].
pub fn name(node: &Node) -> Result<&str, Flaw> {
    let name = text(node)?;
    check_name(name)?;
    Ok(name)
}

/// Whether text is a name: a lower case letter, then lower case letters, digits, `_` and `-`, at most 64 in all.
///
/// # Errors
///
/// `bad_name`, with a name near it where there is one.
pub fn check_name(name: &str) -> Result<(), Flaw> {
    let wrong = match name.chars().next() {
        None => "is empty".to_owned(),
        Some(first) if !first.is_ascii_lowercase() => {
            format!("starts with {}", quote(first.encode_utf8(&mut [0; 4])))
        }
        Some(_) => match name.chars().find(|&c| !is_name_char(c)) {
            Some(c) => format!("has {} in it", quote(c.encode_utf8(&mut [0; 4]))),
            None if name.len() > MAX_NAME_CHARS => {
                format!(
                    "has {} characters, at most {MAX_NAME_CHARS} are allowed",
                    name.len()
                )
            }
            None => return Ok(()),
        },
    };
    let flaw = Flaw::new(
        Code::BadName,
        format!("needs another name: {} {wrong}", quote(name)),
    );
    Err(match near(name) {
        Some(near) => flaw.hint(format!(
            "a name is a lower case letter, then letters, digits, `_` and `-`: `{near}`"
        )),
        None => flaw.hint("a name is a lower case letter, then at most 63 letters, digits, `_` and `-`"),
    })
}

/// A title in the place of a value, composed (NFC).
///
/// # Errors
///
/// `wrong_type` for anything but text, `bad_name` as [`check_title`].
pub fn title(node: &Node) -> Result<String, Flaw> {
    check_title(text(node)?)
}

/// A title from text, composed (NFC).
///
/// # Errors
///
/// `bad_name` when it is empty, longer than 200 characters, or has control or bidi characters.
pub fn check_title(title: &str) -> Result<String, Flaw> {
    // Composition never makes text longer than this many times, so the work stays bounded.
    let composed: String = title.nfc().take(MAX_TITLE_CHARS + 1).collect();
    let length = composed.chars().count();
    let wrong = match composed.chars().find(|&c| is_invisible(c)) {
        Some(c) => format!(
            "cannot have the character {} in it",
            quote(c.encode_utf8(&mut [0; 4]))
        ),
        None if length > MAX_TITLE_CHARS => format!("is longer than {MAX_TITLE_CHARS} characters"),
        None if composed.trim().is_empty() => "is empty".to_owned(),
        None => return Ok(composed),
    };
    Err(Flaw::new(Code::BadName, wrong).hint("a title is one line of visible text"))
}

fn is_name_char(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')
}

/// The name that is left when what cannot be in a name is replaced.
fn near(name: &str) -> Option<String> {
    let replaced: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if is_name_char(c) { c } else { '_' })
        .collect();
    let trimmed = replaced.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let trimmed = trimmed.trim_end_matches(['_', '-']);
    let near = &trimmed[..trimmed.len().min(MAX_NAME_CHARS)];
    (!near.is_empty()).then(|| near.to_owned())
}
