//! A list whose places are used again, with names that are not.
//!
//! The [`ledger`](super::ledger) keeps accounts and reservations in it. A [`Slot`] of something
//! removed finds nothing, also after its place has been given to something else.

/// Names one value of a [`Slots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Slot {
    index: u32,
    /// How often the place had been given away before.
    round: u32,
}

#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, value: T) -> Slot {
        if let Some(index) = self.free.pop() {
            let (round, place) = &mut self.places[index as usize];
            *place = Some(value);
            return Slot { index, round: *round };
        }
        let index = u32::try_from(self.places.len()).expect("memory ends before four billion values");
        self.places.push((0, Some(value)));
        Slot { index, round: 0 }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        match self.places.get(slot.index as usize) {
            Some((round, value)) if *round == slot.round => value.as_ref(),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        match self.places.get_mut(slot.index as usize) {
            Some((round, value)) if *round == slot.round => value.as_mut(),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        let (round, place) = self.places.get_mut(slot.index as usize)?;
        if *round != slot.round {
            return None;
        }
        let value = place.take()?;
        // A place that has had every round is given up, so that no name ever comes twice.
        if let Some(next) = round.checked_add(1) {
            *round = next;
            self.free.push(slot.index);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_find_nothing() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert("a"), slots.insert("b"));
        assert_eq!(slots.remove(a), Some("a"));
        assert_eq!(slots.remove(a), None);
        let c = slots.insert("c");
        assert_eq!((c.index, slots.get(c)), (a.index, Some(&"c")));
        assert_eq!(slots.get(a), None);
        assert_eq!(slots.get_mut(a), None);
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.get_mut(b), Some(&mut "b"));
    }

    #[test]
    fn a_place_is_given_up_before_its_names_repeat() {
        let mut slots = Slots {
            places: vec![(u32::MAX, Some("last"))],
            free: Vec::new(),
        };
        let last = Slot {
            index: 0,
            round: u32::MAX,
        };
        assert_eq!(slots.remove(last), Some("last"));
        assert_eq!(slots.insert("next").index, 1);
        assert_eq!(slots.get(last), None);
    }
}
