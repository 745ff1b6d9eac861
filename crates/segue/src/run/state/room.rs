//! Room: how many attempts of a nested pipeline run at once. Its `max_parallel` bounds whatever runs in and below it,
//! within what the run around it allows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::scope::Scope;
use super::{RunState, Unit};

/// Room for the attempts in and below a scope.
pub(super) struct Room {
    limit: u32,
    running: u32,
    /// Units whose turn has come while there was none.
    waiting: BinaryHeap<Reverse<Unit>>,
}

impl RunState {
    /// A nested pipeline that allows less at once than the run has room of its own. What sees the scope around it (an arm,
    /// a fallback that is written out) is a part of that scope.
    pub(super) fn bound(&mut self, scope: &mut Scope) {
        let limit = scope.program.plan.run.max_parallel;
        if scope.site.parent().is_none() || scope.program.borrows || limit >= self.start.max_parallel {
            return;
        }
        scope.room = Some(Box::new(Room {
            limit: limit.max(1),
            running: 0,
            waiting: BinaryHeap::new(),
        }));
        self.has_rooms = true;
    }

    /// An attempt of the unit runs from now on.
    pub(super) fn goes(&mut self, unit: Unit) {
        self.running += 1;
        self.each_room(unit, |room| {
            room.running += 1;
            None
        });
    }

    /// It does not run any more: what waited for its room may.
    pub(super) fn comes_back(&mut self, unit: Unit) {
        self.running -= 1;
        self.each_room(unit, |room| {
            room.running -= 1;
            room.next()
        });
    }

    /// Whether the unit has to wait because a pipeline around it is full. It is begun when there is room again.
    pub(super) fn waits_for_room(&mut self, unit: Unit) -> bool {
        if !self.has_rooms {
            return false;
        }
        let mut waits = false;
        self.each_room(unit, |room| {
            if !waits && room.running >= room.limit {
                room.waiting.push(Reverse(unit));
                waits = true;
            }
            None
        });
        waits
    }

    /// What became of a unit whose turn it was is decided: if it left room, that is the next one's.
    pub(super) fn let_in(&mut self, unit: Unit) {
        self.each_room(unit, Room::next);
    }

    /// Looks at the rooms around a unit, from the innermost outwards. A unit that one of them lets in has its turn.
    fn each_room(&mut self, unit: Unit, mut look: impl FnMut(&mut Room) -> Option<Unit>) {
        if !self.has_rooms {
            return;
        }
        let mut at = Some(unit);
        while let Some(unit) = at {
            let scope = &mut self.scopes[unit.scope as usize];
            at = scope.site.parent();
            let let_in = scope.room.as_mut().and_then(|room| look(room));
            self.ready.extend(let_in.map(Reverse));
        }
    }
}

impl Room {
    fn next(&mut self) -> Option<Unit> {
        if self.running >= self.limit {
            return None;
        }
        self.waiting.pop().map(|Reverse(unit)| unit)
    }
}
