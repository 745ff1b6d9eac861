//! Keys of a map: text, each once, and none that only YAML understands.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Builder, Pending};
use crate::fault::{Code, Span, quote};
use crate::file::yaml::tree::{Key, Kind, Node, Style, escape_pointer};

/// Maps of up to this many keys are searched for duplicates pair by pair.
const FEW_KEYS: usize = 16;

impl Builder<'_> {
    /// Takes a value in the place of a key.
    pub(super) fn key(&mut self, node: Node) -> Pending {
        let span = node.span;
        if node.as_str().is_none() {
            self.refuse_key(&node);
            return Pending::Dropped;
        }
        let Kind::Scalar(scalar) = node.kind else {
            return Pending::Dropped;
        };
        if scalar.style == Style::Plain && &*scalar.text == "<<" {
            let pointer = format!("{}/<<", self.pointer());
            let fault = self
                .fault(Code::UnknownKey, span, "merge keys (`<<`) are not read")
                .pointer(pointer)
                .hint("write the keys out, or repeat a whole value with an alias");
            self.faults.push(fault);
            return Pending::Dropped;
        }
        Pending::Value(Key {
            name: scalar.text,
            span,
        })
    }

    fn refuse_key(&mut self, node: &Node) {
        if let Some(frame) = self.frames.last_mut()
            && let Some(written) = unquoted_template(&self.source.text()[frame.start..])
        {
            frame.unquoted_template = true;
            let hint = format!("put it in quotes: `\"{written}\"`");
            let span = Span::new(frame.start..frame.start + written.len());
            let fault = self
                .fault(
                    Code::WrongType,
                    span,
                    "a value that starts with `{{` without quotes is a map in YAML",
                )
                .hint(hint);
            self.faults.push(fault);
            return;
        }
        let mut fault = self.fault(
            Code::WrongType,
            node.span,
            format!("a key needs to be text, found {}", node.describe()),
        );
        if let Kind::Scalar(scalar) = &node.kind {
            fault = fault.hint(format!("write `\"{}\"`", scalar.text));
        }
        self.faults.push(fault);
    }

    /// Keeps the first of equal keys and reports the others.
    pub(super) fn drop_duplicates(&mut self, entries: &mut Vec<(Key, Node)>) {
        let repeated = repeated_keys(entries);
        for &(later, first) in &repeated {
            let (key, first) = (&entries[later].0, &entries[first].0);
            let fault = self
                .fault(
                    Code::DuplicateName,
                    key.span,
                    format!("{} is defined twice", quote(&key.name)),
                )
                .pointer(format!("{}/{}", self.pointer(), escape_pointer(&key.name)))
                .related(self.source.place(first.span), "first defined here");
            self.faults.push(fault);
        }
        if !repeated.is_empty() {
            let mut index = 0;
            let mut later = repeated.iter().map(|&(later, _)| later).peekable();
            entries.retain(|_| {
                let keep = later.next_if_eq(&index).is_none();
                index += 1;
                keep
            });
        }
    }
}

/// The template at the start of a text, up to its closing braces.
fn unquoted_template(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let end = line.starts_with("{{").then(|| line.find("}}"))??;
    Some(&line[..end + 2])
}

/// Pairs of a later and a first index with the same key, in order of the later one.
fn repeated_keys(entries: &[(Key, Node)]) -> Vec<(usize, usize)> {
    let name = |index: usize| &*entries[index].0.name;
    if entries.len() <= FEW_KEYS {
        return (0..entries.len())
            .filter_map(|later| Some((later, (0..later).find(|&first| name(first) == name(later))?)))
            .collect();
    }
    let mut first = HashMap::with_capacity(entries.len());
    (0..entries.len())
        .filter_map(|index| match first.entry(name(index)) {
            Entry::Occupied(earlier) => Some((index, *earlier.get())),
            Entry::Vacant(slot) => {
                slot.insert(index);
                None
            }
        })
        .collect()
}
