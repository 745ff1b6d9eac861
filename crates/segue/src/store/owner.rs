//! Owners: who works on runs. One process is one owner for each runner it has.
//!
//! An owner is named by random bits, never by a process id alone, which is used again. Where it lives is kept beside
//! that, so that another process of the same machine can prove that it is dead and take over at once; where nothing can
//! be proved, whoever wants to take over watches for the length of a lease that it says nothing any more, by its own
//! monotonic clock. No clock of two machines is ever compared.

use std::fmt;
use std::fs;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{BadId, Ids};

/// Names an owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(u128);

/// Who works on runs, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: OwnerId,
    /// Where it lives.
    pub place: Place,
}

/// Where an owner lives. Facts that the system does not tell are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the machine, for people.
    pub host: Option<String>,
    /// The boot of its system.
    pub boot: Option<String>,
    /// The space in which its process id has a meaning.
    pub pid_space: Option<String>,
    /// Its process.
    pub pid: u32,
    /// When that process started, in ticks since the boot.
    pub started: Option<u64>,
}

/// An owner as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerSeen {
    /// Who.
    pub owner: Owner,
    /// How often it has said that it is alive.
    pub beats: u64,
}

impl OwnerId {
    /// A new owner.
    pub fn new(ids: &dyn Ids) -> Self {
        Self(ids.bits())
    }

    /// The owner of these bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits behind it.
    #[must_use]
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("own_")?;
        crate::id::write_digits(self.0, f)
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OwnerId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        crate::id::read_id(text, "own_").map(Self)
    }
}

impl Place {
    /// This process.
    #[must_use]
    pub fn here() -> Self {
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_space: pid_space(),
            pid,
            started: started(pid),
        }
    }

    /// Whether it is proven, from here, that the process is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let here = Self::here();
        let (Some(boot), Some(own)) = (&self.boot, &here.boot) else {
            return false;
        };
        if boot != own {
            // A machine of the same name that has booted since: whatever ran before is gone.
            return self.host.is_some() && self.host == here.host;
        }
        if self.pid_space.is_none() || self.pid_space != here.pid_space {
            return false;
        }
        match started(self.pid) {
            None => true,
            // The number was given to another process since.
            now => self.started.is_some() && now != self.started,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "process {} on {host}", self.pid),
            None => write!(f, "process {}", self.pid),
        }
    }
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn pid_space() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// When a process started, in ticks since the boot; none when there is no such process, or it has ended and only waits
/// to be collected.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_what_differs_in_one_fact_does_not_or_is_not_proven() {
        let here = Place::here();
        assert!(!here.is_dead());
        if here.started.is_none() {
            return; // no proc file system: nothing can be proven
        }
        let other_start = Place {
            started: here.started.map(|ticks| ticks + 1),
            ..here.clone()
        };
        assert!(other_start.is_dead(), "the process id was used again");
        let gone = Place {
            pid: u32::MAX,
            ..here.clone()
        };
        assert!(gone.is_dead());
        let rebooted = Place {
            boot: Some("another".into()),
            ..here.clone()
        };
        assert!(rebooted.is_dead());
        let elsewhere = Place {
            boot: Some("another".into()),
            host: Some("elsewhere".into()),
            ..here.clone()
        };
        assert!(!elsewhere.is_dead(), "of another machine nothing is known");
        let contained = Place {
            pid_space: Some("pid:[1]".into()),
            pid: u32::MAX,
            ..here
        };
        assert!(
            !contained.is_dead(),
            "process ids of another space mean nothing here"
        );
    }

    #[test]
    fn an_id_reads_back() {
        let id = OwnerId(7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("run_00000000000000000000000007".parse::<OwnerId>().is_err());
    }
}
