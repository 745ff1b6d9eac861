//! The records of one run in order, in pieces: a log that grows never copies what it holds, however long it is, so that
//! a step costs the same in a run of ten and of ten thousand.

use super::record::Record;

/// Records in a piece.
const PIECE: usize = 256;

/// The records of one run, in order.
#[derive(Default)]
pub(super) struct Records {
    /// Pieces of [`PIECE`] records each.
    full: Vec<Vec<Record>>,
    /// The piece that grows: never full.
    last: Vec<Record>,
}

impl Records {
    pub(super) fn push(&mut self, record: Record) {
        self.last.push(record);
        if self.last.len() == PIECE {
            let next = Vec::with_capacity(PIECE);
            self.full.push(std::mem::replace(&mut self.last, next));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.full.len() * PIECE + self.last.len()
    }

    /// The records from `start` on; none when there are not so many.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = &Record> {
        let pieces = self.full.iter().chain(std::iter::once(&self.last));
        pieces.skip(start / PIECE).flatten().skip(start % PIECE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, What};
    use super::{PIECE, Records};
    use crate::clock::Time;
    use crate::log::ROOT;

    #[test]
    fn records_come_in_order_from_anywhere() {
        let mut records = Records::default();
        let total = 2 * PIECE + 3;
        for number in 0..total {
            assert_eq!(records.len(), number);
            records.push(Record {
                at: Time::from_micros(number as i64),
                unit: ROOT,
                what: What::Ready,
            });
        }
        for start in [
            0,
            1,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            2 * PIECE,
            total - 1,
            total,
            total + PIECE,
        ] {
            let found: Vec<i64> = records.from(start).map(|record| record.at.micros()).collect();
            let expected: Vec<i64> = (start as i64..total as i64).collect();
            assert_eq!(found, expected, "from {start}");
        }
    }
}
