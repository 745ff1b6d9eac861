//! Fail points: named places at which a test makes the process fail, by the environment or by a call.
//!
//! `SEGUE_FAIL` is a list of `NAME=ACTION` with commas between; `NAME@N=ACTION` acts the N-th time, from 1. The name `*`
//! means whichever point is reached. Actions are `kill` (SIGKILL to itself), `abort`, `panic` and `stop` (SIGSTOP to
//! itself, until somebody continues it).

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The variable that names the fail points of a process.
pub const VARIABLE: &str = "SEGUE_FAIL";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Abort,
    Panic,
    Stop,
}

#[derive(Debug, Default)]
struct Points {
    /// By name: which time, and what then.
    set: BTreeMap<String, Vec<(u64, Action)>>,
    reached: BTreeMap<&'static str, u64>,
    /// Of whichever name.
    in_all: u64,
}

/// The name that means every point.
const ANY: &str = "*";

impl Points {
    fn action(&self, name: &str, time: u64) -> Option<Action> {
        let set = self.set.get(name)?;
        set.iter().find(|(at, _)| *at == time).map(|(_, action)| *action)
    }
}

static POINTS: LazyLock<Mutex<Points>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    let set = read(&text).unwrap_or_else(|why| panic!("{VARIABLE}: {why}"));
    Mutex::new(Points {
        set,
        ..Points::default()
    })
});

/// Whether this process has any fail point.
pub fn is_armed() -> bool {
    !POINTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .set
        .is_empty()
}

/// A place of this name is reached.
pub fn point(name: &'static str) {
    let action = {
        let mut points = POINTS.lock().unwrap_or_else(PoisonError::into_inner);
        if points.set.is_empty() {
            return;
        }
        let reached = points.reached.entry(name).or_default();
        *reached += 1;
        let time = *reached;
        points.in_all += 1;
        points
            .action(name, time)
            .or_else(|| points.action(ANY, points.in_all))
    };
    match action {
        None => {}
        Some(Action::Kill) => signal("KILL"),
        Some(Action::Stop) => signal("STOP"),
        Some(Action::Abort) => std::process::abort(),
        Some(Action::Panic) => panic!("fail point {name}"),
    }
}

/// Sends a signal to this process, and waits for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test kills itself as an operator would: from outside"
)]
fn signal(name: &str) {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "no signal {name} could be sent"
    );
}

fn read(text: &str) -> Result<BTreeMap<String, Vec<(u64, Action)>>, String> {
    let mut set: BTreeMap<String, Vec<(u64, Action)>> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, action) = part
            .split_once('=')
            .ok_or_else(|| format!("`{part}` is no NAME=ACTION"))?;
        let (name, time) = match name.split_once('@') {
            None => (name, 1),
            Some((name, time)) => (name, time.parse().map_err(|_| format!("`{time}` is no number"))?),
        };
        let action = match action {
            "kill" => Action::Kill,
            "abort" => Action::Abort,
            "panic" => Action::Panic,
            "stop" => Action::Stop,
            other => return Err(format!("`{other}` is no action: kill, abort, panic or stop")),
        };
        set.entry(name.to_owned()).or_default().push((time, action));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::{Action, read};

    #[test]
    fn a_list_is_read_and_what_is_none_is_refused() {
        let set = read("K4=kill, K6@3=panic,K6@5=stop").expect("a list");
        assert_eq!(set["K4"], [(1, Action::Kill)]);
        assert_eq!(set["K6"], [(3, Action::Panic), (5, Action::Stop)]);
        assert_eq!(read("*@7=abort").expect("a list")["*"], [(7, Action::Abort)]);
        for wrong in ["K4", "K4=melt", "K4@x=kill"] {
            assert!(read(wrong).is_err(), "{wrong} was read");
        }
    }
}
