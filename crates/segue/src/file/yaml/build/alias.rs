//! Aliases, written out while the result stays within the limits of a file.

use std::collections::HashSet;

use super::{Builder, Size, Stop, events};
use crate::fault::{Code, Span, quote};
use crate::file::yaml::tree::Node;
use crate::file::yaml::{MAX_ALIASES, MAX_DEPTH, MAX_EXPANSION, MAX_NODES};

/// A value that some alias repeats.
pub(super) struct Anchor {
    node: Node,
    size: Size,
    height: usize,
}

impl Builder<'_> {
    pub(super) fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        self.aliases += 1;
        self.last_alias = Some(span);
        self.written.nodes += 1;
        if self.aliases > MAX_ALIASES {
            let message = format!("more than {MAX_ALIASES} aliases in one file");
            return Err(self.stop(Code::AliasLimit, span, message));
        }
        let Some((size, height)) = self.anchors.get(&anchor).map(|kept| (kept.size, kept.height)) else {
            let message = format!(
                "alias {} stands inside the value it repeats",
                quote(self.source.slice(span))
            );
            return Err(self.stop(Code::AliasLimit, span, message));
        };
        if self.frames.len() + height > MAX_DEPTH {
            return Err(self.too_deep(span.start as usize));
        }
        self.grow(size, span)?;
        if let Some(node) = self.anchors.get(&anchor).map(|kept| kept.node.clone()) {
            self.put(node, height);
        }
        Ok(())
    }

    /// Keeps a value for the aliases that refer to it.
    pub(super) fn keep(&mut self, anchor: usize, node: &Node, size: Size, height: usize) -> Result<(), Stop> {
        if anchor == 0 || !self.aliased.contains(&anchor) {
            return Ok(());
        }
        self.stored += size;
        if self.stored.nodes > MAX_NODES || self.stored.text_bytes > self.max_text_bytes() {
            return Err(self.too_much_expansion(node.span));
        }
        let node = node.clone();
        self.anchors.insert(anchor, Anchor { node, size, height });
        Ok(())
    }

    /// Counts what is added to the tree, before it is added.
    pub(super) fn grow(&mut self, size: Size, span: Span) -> Result<(), Stop> {
        self.expanded += size;
        let too_many = self.expanded.nodes > MAX_NODES;
        if self.aliases > 0 && (too_many || self.expanded.text_bytes > self.max_text_bytes()) {
            return Err(self.too_much_expansion(span));
        }
        if too_many {
            let message = format!("more than {MAX_NODES} keys and values in one file");
            return Err(self.stop(Code::TooLarge, span, message));
        }
        Ok(())
    }

    fn max_text_bytes(&self) -> usize {
        self.source.text().len() * MAX_EXPANSION
    }

    /// Compares what the aliases made of the file with what is written in it.
    pub(super) fn check_expansion(&mut self) {
        let Some(span) = self.last_alias else {
            return;
        };
        if self.expanded.nodes > self.written.nodes * MAX_EXPANSION
            || self.expanded.text_bytes > self.max_text_bytes()
        {
            let _ = self.too_much_expansion(span);
        }
    }

    fn too_much_expansion(&mut self, span: Span) -> Stop {
        let message = format!("aliases make the file more than {MAX_EXPANSION} times larger");
        self.stop(Code::AliasLimit, span, message)
    }
}

/// Which anchors are referred to: only these need to be kept, however many there are.
pub(super) fn aliased_anchors(text: &str) -> HashSet<usize> {
    if !text.contains('*') {
        return HashSet::new();
    }
    events(text)
        .map_while(Result::ok)
        .filter_map(|(event, _)| event.alias_id())
        .take(MAX_ALIASES)
        .collect()
}
