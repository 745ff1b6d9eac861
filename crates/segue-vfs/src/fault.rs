//! Faults: which operation fails and how.

use rusqlite::ffi;

/// What a failing operation reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Writing, syncing, truncating, opening: an error of the disk.
    Broken,
    /// Writing: no space is left.
    Full,
    /// Writing: half of it is written, then an error of the disk.
    Short,
    /// Locking: somebody else has it.
    Busy,
}

/// The operation that fails, counted among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub kind: Kind,
    /// Which, from 1.
    pub at: u64,
    /// How many from that one on: 1 is a fault that passes, `u64::MAX` one that stays.
    pub times: u64,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Open,
    Write,
    Sync,
    Truncate,
    Lock,
}

/// The fault there is, and what it has met so far.
#[derive(Default)]
pub(crate) struct Faults {
    fault: Option<Fault>,
    seen: u64,
    hits: u64,
}

impl Kind {
    fn concerns(self, act: Act) -> bool {
        match self {
            Kind::Broken => act != Act::Lock,
            Kind::Full | Kind::Short => act == Act::Write,
            Kind::Busy => act == Act::Lock,
        }
    }

    /// What SQLite is told.
    pub(crate) fn code(self, act: Act) -> i32 {
        match (self, act) {
            (Kind::Full, _) => ffi::SQLITE_FULL,
            (Kind::Busy, _) => ffi::SQLITE_BUSY,
            (_, Act::Open) => ffi::SQLITE_CANTOPEN,
            (_, Act::Sync) => ffi::SQLITE_IOERR_FSYNC,
            (_, Act::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
            _ => ffi::SQLITE_IOERR_WRITE,
        }
    }
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Option<Fault>) {
        *self = Self {
            fault,
            ..Self::default()
        };
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits
    }

    /// How this operation fails, if it does.
    pub(crate) fn meet(&mut self, act: Act) -> Option<Kind> {
        let fault = self.fault.filter(|fault| fault.kind.concerns(act))?;
        self.seen += 1;
        let fails = self.seen >= fault.at && self.seen - fault.at < fault.times;
        self.hits += u64::from(fails);
        fails.then_some(fault.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_of_its_kind_fails() {
        let mut faults = Faults::default();
        assert_eq!(faults.meet(Act::Write), None);
        faults.arm(Some(Fault {
            kind: Kind::Full,
            at: 2,
            times: 2,
        }));
        let met: Vec<_> = [
            Act::Write,
            Act::Sync,
            Act::Write,
            Act::Open,
            Act::Write,
            Act::Write,
        ]
        .map(|act| faults.meet(act).is_some())
        .to_vec();
        assert_eq!(met, [false, false, true, false, true, false]);
        assert_eq!(faults.hits(), 2);
    }
}
