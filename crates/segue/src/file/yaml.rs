//! YAML text as a tree in which every key and value knows its place.
//!
//! Used for pipeline files, test files and everything they name. [`read`] is total: any bytes give a tree or faults, within
//! the limits below, and faults that do not depend on each other are all reported. It knows YAML and its limits, and nothing
//! about pipelines.

mod build;
mod core_schema;
mod locate;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use crate::fault::{Code, Fault, Faults, Place, Source, Span};

pub use core_schema::Resolved;
pub use tree::{Key, Kind, Node, Scalar, Style, escape_pointer};

/// The largest file, in bytes; looked at before anything else.
pub const MAX_BYTES: usize = 8 << 20;
/// The deepest nesting of maps and lists; the root map is the first level.
pub const MAX_DEPTH: usize = 64;
/// The most keys and values, counted with aliases written out.
pub const MAX_NODES: usize = 2_000_000;
/// The longest single scalar, in bytes.
pub const MAX_SCALAR_BYTES: usize = 256 << 10;
/// The most aliases in one file.
pub const MAX_ALIASES: usize = 100;
/// How many times larger a file may become when its aliases are written out.
pub const MAX_EXPANSION: usize = 10;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// A file that was read: its text and its tree.
#[derive(Clone, Debug)]
pub struct Doc {
    /// The text that all spans refer to.
    pub source: Arc<Source>,
    /// The root, always a mapping.
    pub root: Node,
}

impl Doc {
    /// The place of a span.
    pub fn place(&self, span: Span) -> Place {
        self.source.place(span)
    }

    /// The place in the file of a byte range inside a scalar's value, whatever its quoting or folding.
    ///
    /// For a map or a list it is the place of the whole.
    pub fn place_in(&self, node: &Node, range: Range<usize>) -> Place {
        let Kind::Scalar(scalar) = &node.kind else {
            return self.place(node.span);
        };
        let start = locate::offset_in(self.source.text(), node.span, scalar, range.start);
        let end = locate::offset_in(self.source.text(), node.span, scalar, range.end.max(range.start));
        self.place(Span::new(start..end.max(start)))
    }

    /// A fault at a span of this file.
    pub fn fault(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault::new(code, message).at(self.source.name(), self.place(span))
    }
}

/// Reads a file whose faults matter only as a whole.
///
/// # Errors
///
/// Every fault of [`read`], if there is an error among them.
pub fn parse(bytes: &[u8], name: &str) -> Result<Doc, Faults> {
    let mut faults = Faults::new();
    match read(bytes, name, &mut faults) {
        Some(doc) if !faults.has_errors() => Ok(doc),
        _ => Err(faults),
    }
}

/// Reads a file and goes on after every fault that leaves a tree to go on with.
///
/// None when there is no mapping to look at; the reason is then among the faults.
pub fn read(bytes: &[u8], name: &str, faults: &mut Faults) -> Option<Doc> {
    let refuse = |faults: &mut Faults, code, message: String, hint: &str| {
        let start = Place {
            line: 1,
            column: 1,
            len: 1,
        };
        faults.push(Fault::new(code, message).at(name, start).hint(hint));
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are read", bytes.len());
        refuse(
            faults,
            Code::TooLarge,
            message,
            "split it, and name the parts with `pipeline:`",
        );
        return None;
    }
    let bytes = bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            faults.push(bad_encoding(bytes, error.valid_up_to(), name));
            return None;
        }
    };
    let source = Arc::new(Source::new(name, text));
    let root = build::tree(&source, faults)?;
    match root.kind {
        Kind::Mapping(_) => Some(Doc { source, root }),
        Kind::Scalar(ref scalar) if scalar.resolve() == Resolved::Null => {
            refuse(
                faults,
                Code::EmptyDefinition,
                "there is nothing in it".to_owned(),
                "start with `version: 1`",
            );
            None
        }
        _ => {
            let message = format!("the file needs to be a map, found {}", root.describe());
            refuse(faults, Code::WrongType, message, "start with `version: 1`");
            None
        }
    }
}

/// The first byte that is not UTF-8, at the line and column that the text before it reaches.
fn bad_encoding(bytes: &[u8], offset: usize, name: &str) -> Fault {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let place = Source::new(name, before.as_ref()).place(Span::new(offset..offset));
    let byte = bytes.get(offset).copied().unwrap_or_default();
    Fault::new(
        Code::BadEncoding,
        format!("byte {offset} (0x{byte:02x}) is not UTF-8"),
    )
    .at(name, place)
    .hint("save the file as UTF-8")
}

#[cfg(test)]
mod tests;
