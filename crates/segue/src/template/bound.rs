//! Names a template binds inside its blocks: the innermost wins, and leaving a block forgets what it bound.

use std::collections::BTreeMap;

/// Bindings in the order they were made, found by name without searching that order.
#[derive(Debug)]
pub(super) struct Bound<T> {
    order: Vec<String>,
    by_name: BTreeMap<String, Vec<T>>,
}

impl<T> Bound<T> {
    pub(super) fn new() -> Bound<T> {
        Bound {
            order: Vec::new(),
            by_name: BTreeMap::new(),
        }
    }

    /// How many bindings there are; [`Bound::forget_to`] takes it to leave a block.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn push(&mut self, name: String, value: T) {
        self.by_name.entry(name.clone()).or_default().push(value);
        self.order.push(name);
    }

    /// What a name is bound to, innermost.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name)?.last()
    }

    /// Forgets the bindings made since there were `len`.
    pub(super) fn forget_to(&mut self, len: usize) {
        for name in self.order.drain(len.min(self.order.len())..) {
            if let Some(values) = self.by_name.get_mut(&name) {
                values.pop();
                if values.is_empty() {
                    self.by_name.remove(&name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_a_block_uncovers_what_it_hid() {
        let mut bound = Bound::new();
        bound.push("x".to_owned(), 1);
        let outside = bound.len();
        bound.push("x".to_owned(), 2);
        bound.push("y".to_owned(), 3);
        assert_eq!((bound.get("x"), bound.get("y")), (Some(&2), Some(&3)));
        bound.forget_to(outside);
        assert_eq!((bound.get("x"), bound.get("y")), (Some(&1), None));
    }
}
