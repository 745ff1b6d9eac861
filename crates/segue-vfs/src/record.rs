//! What was done to files, and what of it a loss of power leaves.

use std::collections::BTreeMap;

/// One thing that was done to a file, named by the end of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Bytes were written at a place.
    Write(String, u64, Vec<u8>),
    /// The file was cut to a length.
    Truncate(String, u64),
    /// Everything written so far outlives the power.
    Sync(String),
    /// The file was removed.
    Delete(String),
}

/// What becomes of what was not synced when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it had reached the disk.
    Nothing,
    /// None of it had.
    All,
    /// Some of it had, in pieces of 512 bytes; which, is drawn from this number.
    Torn(u64),
}

/// All that was done, in order.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// In order.
    pub operations: Vec<Operation>,
}

/// A file: what is on the disk, and what is on its way there.
#[derive(Default)]
struct State {
    durable: Vec<u8>,
    pending: Vec<Operation>,
}

/// Pieces a disk writes as a whole.
const SECTOR: usize = 512;

impl Recording {
    /// The files after the first `count` operations and a loss of power; `before` is what there was at first.
    #[must_use]
    pub fn files(
        &self,
        before: &BTreeMap<String, Vec<u8>>,
        count: usize,
        loss: Loss,
    ) -> BTreeMap<String, Vec<u8>> {
        let mut files: BTreeMap<String, State> = BTreeMap::new();
        for (name, content) in before {
            let state = State {
                durable: content.clone(),
                pending: Vec::new(),
            };
            files.insert(name.clone(), state);
        }
        for operation in self.operations.iter().take(count) {
            match operation {
                Operation::Sync(name) => {
                    if let Some(state) = files.get_mut(name) {
                        for pending in std::mem::take(&mut state.pending) {
                            apply(&mut state.durable, &pending);
                        }
                    }
                }
                Operation::Delete(name) => {
                    files.remove(name);
                }
                Operation::Write(name, ..) | Operation::Truncate(name, _) => {
                    files
                        .entry(name.clone())
                        .or_default()
                        .pending
                        .push(operation.clone());
                }
            }
        }
        let mut chance = Chance::new(loss);
        let left = files.into_iter().map(|(name, mut state)| {
            for pending in std::mem::take(&mut state.pending) {
                chance.apply(&mut state.durable, &pending);
            }
            (name, state.durable)
        });
        left.collect()
    }
}

fn apply(content: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write(_, place, bytes) => put(content, *place, bytes),
        Operation::Truncate(_, length) => content.truncate(usize::try_from(*length).unwrap_or(usize::MAX)),
        Operation::Sync(_) | Operation::Delete(_) => {}
    }
}

fn put(content: &mut Vec<u8>, place: u64, bytes: &[u8]) {
    let place = usize::try_from(place).expect("a test writes no such file");
    let end = place + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[place..end].copy_from_slice(bytes);
}

/// Decides what of the unsynced has reached the disk.
struct Chance {
    loss: Loss,
    state: u64,
}

impl Chance {
    fn new(loss: Loss) -> Self {
        let state = match loss {
            Loss::Torn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 1,
        };
        Self { loss, state }
    }

    /// A number that looks like chance and is the same for the same start.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn apply(&mut self, content: &mut Vec<u8>, operation: &Operation) {
        match (self.loss, operation) {
            (Loss::Nothing, operation) => apply(content, operation),
            (Loss::All, _) => {}
            (Loss::Torn(_), Operation::Write(_, place, bytes)) => {
                // Whole, not at all, or in part: each as often.
                match self.next() % 3 {
                    0 => put(content, *place, bytes),
                    1 => {}
                    _ => {
                        for (n, piece) in bytes.chunks(SECTOR).enumerate() {
                            if self.next() & 1 == 0 {
                                put(content, place + (n * SECTOR) as u64, piece);
                            }
                        }
                    }
                }
            }
            (Loss::Torn(_), operation) => {
                if self.next() & 1 == 0 {
                    apply(content, operation);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(place: u64, bytes: &[u8]) -> Operation {
        Operation::Write("a".into(), place, bytes.to_vec())
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_is_as_the_loss_says() {
        let recording = Recording {
            operations: vec![
                write(0, b"one"),
                Operation::Sync("a".into()),
                write(3, b"two"),
                Operation::Delete("b".into()),
            ],
        };
        let before = BTreeMap::from([("b".to_owned(), b"old".to_vec())]);
        let content = |count, loss| recording.files(&before, count, loss).remove("a");
        assert_eq!(content(0, Loss::All), None);
        assert_eq!(content(1, Loss::All).as_deref(), Some(&b""[..]));
        assert_eq!(content(2, Loss::All).as_deref(), Some(&b"one"[..]));
        assert_eq!(content(3, Loss::All).as_deref(), Some(&b"one"[..]));
        assert_eq!(content(3, Loss::Nothing).as_deref(), Some(&b"onetwo"[..]));
        assert!(recording.files(&before, 3, Loss::All).contains_key("b"));
        assert!(!recording.files(&before, 4, Loss::All).contains_key("b"));
    }

    #[test]
    fn a_torn_write_is_the_same_for_the_same_number_and_others_for_others() {
        let recording = Recording {
            operations: vec![write(0, &[1; 4096])],
        };
        let torn = |seed| recording.files(&BTreeMap::new(), 1, Loss::Torn(seed)).remove("a");
        assert_eq!(torn(5), torn(5));
        let distinct: std::collections::BTreeSet<_> = (0..50).map(torn).collect();
        assert!(distinct.len() > 10, "{}", distinct.len());
    }
}
