//! Arrangements: which agent of a pattern answers when, who is given whose answer, and what comes out.
//!
//! A strategy makes one from the number of agents and nothing else, so that it is known before any run and can be drawn.
//! The three that are built in are written with the same words as those a program registers.

/// How a pattern puts its agents to work.
///
/// Any function from the number of agents to an arrangement is one; [`Registry::strategy`](crate::Registry::strategy)
/// gives it a name.
pub trait Strategy: Send + Sync {
    /// The arrangement of so many agents, one or more.
    ///
    /// # Errors
    /// Why there is none for this number, such as "needs two agents or more".
    fn arrange(&self, agents: usize) -> Result<Arrangement, String>;
}

impl<F> Strategy for F
where
    F: Fn(usize) -> Result<Arrangement, String> + Send + Sync,
{
    fn arrange(&self, agents: usize) -> Result<Arrangement, String> {
        self(agents)
    }
}

/// Agents by their place in a pattern's list, and who comes after whom.
///
/// ```
/// use segue::Arrangement;
///
/// /// All but the last answer side by side; the last one is given what they said.
/// fn jury(agents: usize) -> Result<Arrangement, String> {
///     if agents < 2 {
///         return Err("needs two agents or more".into());
///     }
///     let mut jury = Arrangement::new();
///     let voices: Vec<_> = (0..agents - 1).map(|agent| jury.ask(agent, &[])).collect();
///     let verdict = jury.ask(agents - 1, &voices);
///     Ok(jury.gives(verdict))
/// }
///
/// let registry = segue::Registry::new().strategy("jury", jury);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    pub(super) turns: Vec<Asked>,
    pub(super) gives: Gives,
}

/// One question to one agent, within an arrangement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(pub(super) usize);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The agent's place in the list.
    pub agent: usize,
    /// The turns whose answers it is given.
    pub after: Vec<usize>,
    /// The turn whose answer has to be a yes.
    pub only_if: Option<usize>,
}

/// What comes out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Gives {
    /// The answer of the turn that was added last.
    #[default]
    Last,
    Turn(usize),
    List(Vec<usize>),
    /// The answer of the first of these that was not left out.
    First(Vec<usize>),
}

impl Arrangement {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks an agent, by its place in the list, once these turns are over; it is given their answers and the prompt.
    ///
    /// Where all of them were left out, this one is left out too.
    pub fn ask(&mut self, agent: usize, after: &[Turn]) -> Turn {
        self.add(agent, after, None)
    }

    /// The same, but only where the answer of `decides` is a yes: anything but false, none, 0, an empty text, list or
    /// map, and the text `no` or `false`.
    pub fn ask_if(&mut self, decides: Turn, agent: usize, after: &[Turn]) -> Turn {
        self.add(agent, after, Some(decides.0))
    }

    /// What comes out is the answer of this turn. Where nothing says otherwise it is that of the last one.
    #[must_use]
    pub fn gives(mut self, turn: Turn) -> Self {
        self.gives = Gives::Turn(turn.0);
        self
    }

    /// What comes out is a list of these answers, in this order.
    #[must_use]
    pub fn gives_all(mut self, turns: &[Turn]) -> Self {
        self.gives = Gives::List(turns.iter().map(|turn| turn.0).collect());
        self
    }

    /// What comes out is the answer of the first of these that was not left out.
    #[must_use]
    pub fn gives_first(mut self, turns: &[Turn]) -> Self {
        self.gives = Gives::First(turns.iter().map(|turn| turn.0).collect());
        self
    }

    fn add(&mut self, agent: usize, after: &[Turn], only_if: Option<usize>) -> Turn {
        let mut after: Vec<usize> = after.iter().map(|turn| turn.0).collect();
        after.extend(only_if);
        after.sort_unstable();
        after.dedup();
        self.turns.push(Asked {
            agent,
            after,
            only_if,
        });
        Turn(self.turns.len() - 1)
    }

    /// What is wrong with it for so many agents: a strategy is code of the program, and a turn may be another one's.
    pub(super) fn flaw(&self, agents: usize) -> Option<String> {
        let known = self.turns.len();
        if known == 0 {
            return Some("asks nobody".to_owned());
        }
        for (at, turn) in self.turns.iter().enumerate() {
            if turn.agent >= agents {
                return Some(format!("asks agent {} of {agents}", turn.agent + 1));
            }
            if turn.after.iter().any(|before| *before >= at) {
                return Some(format!("has a turn {} that comes after a later one", at + 1));
            }
        }
        let gives: &[usize] = match &self.gives {
            Gives::Last => &[],
            Gives::Turn(turn) => std::slice::from_ref(turn),
            Gives::List(turns) | Gives::First(turns) => turns,
        };
        if gives.iter().any(|turn| *turn >= known) {
            return Some("gives the answer of a turn that is not there".to_owned());
        }
        let idle = (0..agents).find(|agent| self.turns.iter().all(|turn| turn.agent != *agent));
        idle.map(|agent| format!("never asks agent {} of {agents}", agent + 1))
    }
}

/// The strategies that are always there.
pub(crate) const BUILT_IN: [&str; 3] = ["sequential", "parallel", "conditional"];

/// The built-in strategy of a name.
pub(super) fn built_in(name: &str, agents: usize) -> Option<Arrangement> {
    match name {
        "sequential" => Some(sequential(agents)),
        "parallel" => Some(parallel(agents)),
        "conditional" => Some(conditional(agents)),
        _ => None,
    }
}

/// Each is given the answer of the one before it.
fn sequential(agents: usize) -> Arrangement {
    let mut line = Arrangement::new();
    let mut before = None;
    for agent in 0..agents {
        before = Some(line.ask(agent, before.as_slice()));
    }
    line
}

/// All at once, each for itself.
fn parallel(agents: usize) -> Arrangement {
    let mut side_by_side = Arrangement::new();
    let turns: Vec<Turn> = (0..agents).map(|agent| side_by_side.ask(agent, &[])).collect();
    side_by_side.gives_all(&turns)
}

/// The first decides whether the others follow, each given the answer of the one before it.
fn conditional(agents: usize) -> Arrangement {
    let mut line = Arrangement::new();
    let first = line.ask(0, &[]);
    let mut last = first;
    for agent in 1..agents {
        last = match agent {
            1 => line.ask_if(first, agent, &[first]),
            _ => line.ask(agent, &[last]),
        };
    }
    line.gives_first(&[last, first])
}
