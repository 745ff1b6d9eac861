//! Outcomes: a unit of a run has one, whoever records it.
//!
//! Which units an entry gives an outcome stands in its row, so that a commit writes no row for each. Whether one has an
//! outcome already is looked up in a set, which the writer has of each run that goes on, and makes from the log when it
//! has none. The set holds for one fence and up to one entry: nobody else writes to a run under its fence.

use std::collections::HashSet;

use rusqlite::Row;
use rusqlite::types::ValueRef;
use segue::RunId;
use segue::store::{StoreError, UnitKey};

use super::kept::{Folding, Known};
use super::row::nonsense;
use super::trouble::Stop;
use super::writing::Writing;

/// Bytes of a unit in a row of the log: its scope, step and item, each with the least significant byte first.
const UNIT: usize = 12;

/// The units of a run that have an outcome.
#[derive(Default)]
pub(super) struct Outcomes {
    /// The fence and the last entry for which that holds.
    pub(super) fence: u64,
    pub(super) entries: u64,
    units: HashSet<UnitKey, Folding>,
}

impl Outcomes {
    /// Those of a run that begins with these.
    ///
    /// # Errors
    /// The unit that is given twice.
    pub(super) fn new(units: &[UnitKey]) -> Result<Self, UnitKey> {
        let mut outcomes = Self {
            fence: 1,
            entries: 1,
            units: HashSet::default(),
        };
        outcomes.add(units).map(|()| outcomes)
    }

    /// All of these or none.
    fn add(&mut self, units: &[UnitKey]) -> Result<(), UnitKey> {
        for (added, unit) in units.iter().enumerate() {
            if !self.units.insert(*unit) {
                for before in &units[..added] {
                    self.units.remove(before);
                }
                return Err(*unit);
            }
        }
        Ok(())
    }
}

/// Notes the outcomes of an entry that is about to be appended; refused when one is the second of its unit.
pub(super) fn note(
    writing: &mut Writing<'_>,
    run: RunId,
    known: Known,
    outcomes: &[UnitKey],
) -> Result<(), Stop> {
    let holds = |of: &Outcomes| of.fence == known.fence && of.entries == known.entries;
    if !writing.kept.outcomes.get(&run).is_some_and(holds) {
        if outcomes.is_empty() {
            return Ok(());
        }
        let recorded = load(writing, known)?;
        writing.kept.remember_outcomes(run, recorded);
    }
    let Some(recorded) = writing.kept.outcomes.get_mut(&run) else {
        return Ok(());
    };
    recorded
        .add(outcomes)
        .map_err(|unit| StoreError::second_outcome(run, unit))?;
    recorded.entries += 1;
    Ok(())
}

/// Those of a run that are in the log.
fn load(writing: &Writing<'_>, known: Known) -> rusqlite::Result<Outcomes> {
    let mut recorded = Outcomes {
        fence: known.fence,
        entries: known.entries,
        units: HashSet::default(),
    };
    let mut find = writing.statement(
        "SELECT outcomes FROM runs WHERE number = ?1 AND outcomes IS NOT NULL
         UNION ALL SELECT outcomes FROM log WHERE run = ?1 AND outcomes IS NOT NULL",
    )?;
    let mut rows = find.query([known.number])?;
    while let Some(row) = rows.next()? {
        recorded.units.extend(read(row, 0)?);
    }
    Ok(recorded)
}

/// The outcomes of an entry as its row has them; none where there are none.
pub(super) fn packed(outcomes: &[UnitKey]) -> Option<Vec<u8>> {
    if outcomes.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(outcomes.len() * UNIT);
    for UnitKey { scope, step, item } in outcomes {
        for part in [scope, step, item] {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
    }
    Some(bytes)
}

/// The outcomes in a column of a row of the log.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<UnitKey>> {
    let bytes = match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes,
        ValueRef::Null => return Ok(Vec::new()),
        _ => return Err(nonsense("list of outcomes")),
    };
    let (units, []) = bytes.as_chunks::<UNIT>() else {
        return Err(nonsense("list of outcomes"));
    };
    let units = units.iter().map(|unit| {
        let part = |at: usize| u32::from_le_bytes([unit[at], unit[at + 1], unit[at + 2], unit[at + 3]]);
        UnitKey {
            scope: part(0),
            step: part(4),
            item: part(8),
        }
    });
    Ok(units.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(item: u32) -> UnitKey {
        UnitKey {
            scope: 1,
            step: 2,
            item,
        }
    }

    #[test]
    fn of_units_that_are_refused_none_is_noted() {
        let mut outcomes = Outcomes::new(&[unit(1)]).unwrap();
        assert_eq!(outcomes.add(&[unit(2), unit(3), unit(1)]), Err(unit(1)));
        assert_eq!(outcomes.add(&[unit(2), unit(2)]), Err(unit(2)));
        assert_eq!(outcomes.add(&[unit(3), unit(2)]), Ok(()));
        assert_eq!(outcomes.add(&[unit(3)]), Err(unit(3)));
        assert!(Outcomes::new(&[unit(1), unit(1)]).is_err());
    }
}
