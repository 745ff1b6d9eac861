//! What the YAML parser could not read, in the words of a message.

use granit_parser::ErrorKind;

use crate::fault::{Code, Fault, Source, Span, quote};

/// The fault for an error of the parser at a byte offset.
pub(super) fn fault(source: &Source, kind: &ErrorKind, at: usize) -> Fault {
    let text = source.text();
    let at = text.floor_char_boundary(at);
    let rest = &text[at..];
    let end = at + rest.chars().next().map_or(0, char::len_utf8);
    let span = Span::new(at..end);
    let line = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let line = text[line..].lines().next().unwrap_or_default();
    let fault = Fault::new(Code::YamlSyntax, message(kind, rest)).at(source.name(), source.place(span));
    match hint(kind, line) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn message(kind: &ErrorKind, rest: &str) -> String {
    match kind {
        ErrorKind::UnclosedFlowCollection { open } => format!("`{open}` is never closed"),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => format!("`{open}` is closed by `{close}`"),
        ErrorKind::MisplacedFlowCollectionEnd => "a bracket is closed that was not opened".to_owned(),
        ErrorKind::ExpectedFlowMappingSeparator => "expected `,` or `}`".to_owned(),
        ErrorKind::ExpectedFlowSequenceSeparator => "expected `,` or `]`".to_owned(),
        ErrorKind::ExpectedBlockSequenceEntry => "expected `-` or the end of the list".to_owned(),
        ErrorKind::ExpectedBlockMappingKey => {
            "expected a key, with the indentation of the keys above".to_owned()
        }
        ErrorKind::SimpleKeyExpected => "expected `:` after this key".to_owned(),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "`:` cannot stand here; a key needs a line of its own, at the indentation of its neighbours"
                .to_owned()
        }
        ErrorKind::UnclosedQuotedScalar => "this quote is never closed".to_owned(),
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnexpectedEof => {
            "the file ends or indentation goes back inside quotes".to_owned()
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "expected the end of the value after its closing quote".to_owned()
        }
        ErrorKind::UnknownQuotedScalarEscape => "this escape does not exist in double quotes".to_owned(),
        ErrorKind::UnknownAnchor => format!("no anchor stands before the alias {}", quote(word(rest))),
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "a tab cannot indent".to_owned()
        }
        ErrorKind::UnexpectedCharacter { character } => {
            format!(
                "{} cannot start a value",
                quote(character.encode_utf8(&mut [0; 4]))
            )
        }
        other => other
            .to_string()
            .to_lowercase()
            .trim_end_matches('.')
            .replace('\'', "`"),
    }
}

fn hint(kind: &ErrorKind, line: &str) -> Option<&'static str> {
    match kind {
        ErrorKind::UnknownAnchor => Some("put text that starts with `*` in quotes"),
        ErrorKind::UnexpectedCharacter { .. } => Some("put the value in quotes"),
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            Some("indent with blanks")
        }
        ErrorKind::UnknownQuotedScalarEscape => Some("write `\\\\` for a backslash, or use single quotes"),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => Some(
            "put the whole value in quotes; a quote inside is `''` in single and `\\\"` in double quotes",
        ),
        _ if line.contains(": {{") => Some("put a value that starts with `{{` in quotes"),
        ErrorKind::MappingValueNotAllowed => Some("put text that holds `: ` in quotes"),
        _ => None,
    }
}

/// The characters up to the next blank or bracket.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
    &text[..end.unwrap_or(text.len())]
}
