//! From parser events to the tree, with the limits of a file enforced on the way.
//!
//! Depth is refused by the parser's own limit before it allocates anything, aliases are written out only while the result
//! stays within its limits, and everything that leaves a usable tree is reported and passed over.

use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::tree::{Key, Kind, Node, Scalar, Style, escape_pointer};
use super::{MAX_DEPTH, MAX_SCALAR_BYTES, Resolved};
use crate::fault::{Code, Fault, Faults, Source, Span, quote};

mod alias;
mod key;
mod syntax;

use alias::{Anchor, aliased_anchors};

/// The tree of a text; none where nothing can be made of it, with the reason among the faults.
pub(super) fn tree(source: &Source, faults: &mut Faults) -> Option<Node> {
    let mut builder = Builder {
        source,
        faults,
        aliased: aliased_anchors(source.text()),
        frames: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        written: Size::default(),
        expanded: Size::default(),
        stored: Size::default(),
        aliases: 0,
        last_alias: None,
    };
    for event in events(source.text()) {
        let step = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => builder.refuse(&error),
        };
        match step {
            Ok(()) => {}
            Err(Stop::Done) => break,
            Err(Stop::Refused) => return None,
        }
    }
    builder.check_expansion();
    Some(builder.root.unwrap_or(Node {
        kind: Kind::Scalar(Scalar {
            text: Box::default(),
            style: Style::Plain,
        }),
        span: Span::default(),
    }))
}

/// Why no further event is looked at.
enum Stop {
    /// The document is complete.
    Done,
    /// There will be no tree.
    Refused,
}

/// How much a value holds.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text_bytes: usize,
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        self.nodes += other.nodes;
        self.text_bytes += other.text_bytes;
    }
}

/// A map or list that is not closed yet.
struct Frame {
    open: Open,
    start: usize,
    anchor: usize,
    /// What had been expanded when it was opened.
    before: Size,
    /// Levels of nesting below it.
    height: usize,
    /// It is a template that somebody forgot to quote.
    unquoted_template: bool,
}

enum Open {
    Mapping {
        entries: Vec<(Key, Node)>,
        pending: Pending,
    },
    Sequence(Vec<Node>),
}

/// What a map waits for.
enum Pending {
    Key,
    Value(Key),
    /// The value of a key that was refused; it is read and dropped.
    Dropped,
}

struct Builder<'a> {
    source: &'a Source,
    faults: &'a mut Faults,
    /// Anchors that some alias refers to; the others are not kept.
    aliased: HashSet<usize>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    root: Option<Node>,
    documents: usize,
    written: Size,
    expanded: Size,
    /// What is held for anchors.
    stored: Size,
    aliases: usize,
    last_alias: Option<Span>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: &granit_parser::Span) -> Result<(), Stop> {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let fault = self
                        .fault(
                            Code::OneDocument,
                            Span::new(range),
                            "a second document starts here",
                        )
                        .hint("put each pipeline into a file of its own");
                    self.faults.push(fault);
                    return Err(Stop::Done);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.scalar(&text, style, anchor, Span::new(range))?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.open(Open::Sequence(Vec::new()), anchor, range.start)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                let open = Open::Mapping {
                    entries: Vec::new(),
                    pending: Pending::Key,
                };
                self.open(open, anchor, range.start)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end)?,
            Event::Alias(anchor) => self.alias(anchor, Span::new(range))?,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> Result<(), Stop> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        if text.len() > MAX_SCALAR_BYTES {
            let message = format!(
                "this text has {} bytes, at most {MAX_SCALAR_BYTES} are read",
                text.len()
            );
            let fault = self
                .fault(Code::TooLarge, span, message)
                .hint("long prompts go into a file of their own: `{file: prompts/x.md}`");
            self.faults.push(fault);
        }
        // The parser spells a value that was left out `~`; here it has no text, as in the file.
        let left_out = style == Style::Plain && span.start == span.end;
        let scalar = Scalar {
            text: if left_out { Box::default() } else { text.into() },
            style,
        };
        if let Resolved::Unfit(number) = scalar.resolve() {
            let fault = self
                .fault(
                    Code::NumberRange,
                    span,
                    format!("the number {} does not fit", quote(number)),
                )
                .hint(
                    "integers have 64 bits and their sign, other numbers are finite; quote it if it is text",
                );
            self.faults.push(fault);
        }
        let size = Size {
            nodes: 1,
            text_bytes: text.len(),
        };
        self.written += size;
        self.grow(size, span)?;
        let node = Node {
            kind: Kind::Scalar(scalar),
            span,
        };
        self.keep(anchor, &node, size, 0)?;
        self.put(node, 0);
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, start: usize) -> Result<(), Stop> {
        if self.frames.len() == MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        let before = self.expanded;
        let size = Size {
            nodes: 1,
            text_bytes: 0,
        };
        self.written += size;
        self.grow(size, Span::new(start..start))?;
        self.frames.push(Frame {
            open,
            start,
            anchor,
            before,
            height: 0,
            unquoted_template: false,
        });
        Ok(())
    }

    fn close(&mut self, event_end: usize) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let (kind, last) = match frame.open {
            Open::Mapping { mut entries, .. } => {
                self.drop_duplicates(&mut entries);
                let last = entries
                    .last()
                    .map(|(key, value)| value.span.end.max(key.span.end));
                (Kind::Mapping(entries), last)
            }
            Open::Sequence(items) => {
                let last = items.last().map(|item| item.span.end);
                (Kind::Sequence(items), last)
            }
        };
        // A closing bracket belongs to the value; the end of an indented block is where its last value ends.
        let closed = self.source.text()[..event_end].ends_with(['}', ']']);
        let end = match last {
            Some(last) if !closed => (last as usize).max(frame.start),
            _ => event_end.max(frame.start),
        };
        let span = Span::new(frame.start..end);
        // Reported already; going on with the text that was meant avoids faults that only follow from it.
        let kind = match frame.unquoted_template {
            true => Kind::Scalar(Scalar {
                text: self.source.slice(span).into(),
                style: Style::Plain,
            }),
            false => kind,
        };
        let node = Node { kind, span };
        let size = Size {
            nodes: self.expanded.nodes - frame.before.nodes,
            text_bytes: self.expanded.text_bytes - frame.before.text_bytes,
        };
        self.keep(frame.anchor, &node, size, frame.height + 1)?;
        self.put(node, frame.height + 1);
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node, height: usize) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.height = frame.height.max(height);
        match &mut frame.open {
            Open::Sequence(items) => items.push(node),
            Open::Mapping { entries, pending } => match std::mem::replace(pending, Pending::Key) {
                Pending::Value(key) => entries.push((key, node)),
                Pending::Dropped => {}
                Pending::Key => {
                    let next = self.key(node);
                    if let Some(Frame {
                        open: Open::Mapping { pending, .. },
                        ..
                    }) = self.frames.last_mut()
                    {
                        *pending = next;
                    }
                }
            },
        }
    }

    fn tag(&mut self, tag: Option<&Tag>, span: &granit_parser::Span) {
        let Some(tag) = tag else {
            return;
        };
        let range = span
            .tag_span()
            .and_then(|tag| tag.byte_range())
            .or_else(|| span.byte_range())
            .unwrap_or_default();
        let fault = self
            .fault(
                Code::TagRefused,
                Span::new(range),
                format!("tag {} is not read", quote(&tag.original())),
            )
            .hint("leave it out; put text in quotes to keep it text");
        self.faults.push(fault);
    }

    fn too_deep(&mut self, start: usize) -> Stop {
        let message = format!("nested more than {MAX_DEPTH} levels deep");
        self.stop(Code::TooDeep, Span::new(start..start + 1), message)
    }

    fn stop(&mut self, code: Code, span: Span, message: String) -> Stop {
        let fault = self.fault(code, span, message);
        self.faults.push(fault);
        Stop::Refused
    }

    /// Reports what the parser could not read.
    fn refuse(&mut self, error: &ScanError) -> Result<(), Stop> {
        let at = error.marker().byte_offset().unwrap_or_default();
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return Err(self.too_deep(at));
        }
        let fault = syntax::fault(self.source, error.kind(), at);
        self.faults.push(fault);
        Err(Stop::Refused)
    }

    fn fault(&self, code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault::new(code, message)
            .at(self.source.name(), self.source.place(span))
            .pointer(self.pointer())
    }

    /// The JSON pointer of the value that is being read.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for frame in &self.frames {
            match &frame.open {
                Open::Sequence(items) => {
                    pointer.push('/');
                    pointer.push_str(&items.len().to_string());
                }
                Open::Mapping {
                    pending: Pending::Value(key),
                    ..
                } => {
                    pointer.push('/');
                    pointer.push_str(&escape_pointer(&key.name));
                }
                Open::Mapping { .. } => break,
            }
        }
        pointer
    }
}

fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, granit_parser::Span), ScanError>> {
    let limits = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    Parser::new_from_str_with_options(text, limits)
}
