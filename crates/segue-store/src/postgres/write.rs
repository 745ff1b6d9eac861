//! Writes: what was asked of the store that changes something, on its way through the queue. The store makes them, the
//! writer carries them out.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use segue::store::{
    Account, AccountKey, Amounts, Beat, Claim, Commit, Committed, Created, Decide, Halt, Hold, NewRun, Owner,
    OwnerId, Settlement, SignalKind, Signalled, StoreError, StoreErrorKind,
};
use segue::{CallId, QuestionId, RunId, Time};
use tokio::sync::oneshot;

use crate::lock::lock;

/// Something to be written, and where the answer goes.
pub(super) enum Write {
    /// A run comes to exist.
    Create(Box<NewRun>, Reply<Created>),
    /// A run is taken up.
    Claim(RunId, OwnerId, Reply<Claim>),
    /// A run is given up.
    Release(RunId, u64, Reply<()>),
    /// A transition of a run.
    Commit(Box<Commit>, Reply<Committed>),
    /// A run is told something.
    Signal(SignalKind, RunId, Time, Reply<Signalled>),
    /// An amount is set aside.
    Reserve(Hold, Vec<AccountKey>, Decision, Reply<Option<Amounts>>),
    /// Amounts are settled.
    Settle(RunId, Vec<(CallId, Settlement)>, Reply<()>),
    /// An owner comes.
    Enroll(Owner, Reply<()>),
    /// An owner lives.
    Beat(OwnerId, Reply<Beat>),
    /// An owner is taken for dead.
    Bury(OwnerId, u64, Reply<bool>),
    /// An owner goes.
    Leave(OwnerId, Reply<()>),
    /// A run is forgotten.
    Remove(RunId, Reply<bool>),
    /// Nobody answered in time.
    Expire(QuestionId, Reply<bool>),
    /// Calls are stopped, or go on.
    Halt(Option<Halt>, Reply<()>),
}

/// Where an answer goes, once what it is about has been carried out for good.
///
/// It is worked out before the transaction ends and told after; between the two the writer may have to begin again, and
/// then it is worked out anew.
pub(super) struct Reply<T> {
    answer: Mutex<Option<Result<T, StoreError>>>,
    to: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> Reply<T> {
    /// A reply, and where it arrives.
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (to, from) = oneshot::channel();
        let answer = Mutex::new(None);
        (Self { answer, to }, from)
    }

    /// What is to be told.
    pub(super) fn set(&self, answer: Result<T, StoreError>) {
        *lock(&self.answer) = Some(answer);
    }

    /// Tells it, or the error there was instead. Whoever asked may be gone.
    fn tell(self, error: Option<StoreError>) {
        let answer = self.answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = error.map(Err).or(answer) {
            let _ = self.to.send(answer);
        }
    }
}

impl Write {
    /// Whether it goes into one transaction with others. Those that do not are rare, and have statements of their own.
    pub(super) fn is_grouped(&self) -> bool {
        use Write as W;
        matches!(
            self,
            W::Create(..)
                | W::Claim(..)
                | W::Release(..)
                | W::Commit(..)
                | W::Signal(..)
                | W::Reserve(..)
                | W::Settle(..)
        )
    }

    /// Whether a run that is running cannot do without it. Whatever else could not be written can be asked for again.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Write::Commit(..) | Write::Reserve(..) | Write::Settle(..))
    }

    /// The run it is about.
    pub(super) fn run(&self) -> Option<RunId> {
        match self {
            Write::Create(new, _) => Some(new.head.id),
            Write::Commit(commit, _) => Some(commit.run),
            Write::Reserve(hold, ..) => Some(hold.run),
            Write::Claim(run, ..)
            | Write::Release(run, ..)
            | Write::Signal(_, run, ..)
            | Write::Settle(run, ..)
            | Write::Remove(run, _) => Some(*run),
            Write::Enroll(..)
            | Write::Beat(..)
            | Write::Bury(..)
            | Write::Leave(..)
            | Write::Expire(..)
            | Write::Halt(..) => None,
        }
    }

    /// Whether it is a commit of one of these runs.
    pub(super) fn follows(&self, runs: &HashSet<RunId>) -> bool {
        matches!(self, Write::Commit(commit, _) if runs.contains(&commit.run))
    }

    /// About how many bytes it carries.
    pub(super) fn size(&self) -> usize {
        match self {
            Write::Create(new, _) => new.entry.body.len() + new.plan.text.len(),
            Write::Commit(commit, _) => commit.entry.body.len(),
            _ => 0,
        }
    }

    /// Tells the answer that was worked out.
    pub(super) fn tell(self) {
        self.end(None);
    }

    /// Tells that it could not be done.
    pub(super) fn fail(self, error: StoreError) {
        self.end(Some(error));
    }

    fn end(self, error: Option<StoreError>) {
        match self {
            Write::Create(_, reply) => reply.tell(error),
            Write::Claim(.., reply) => reply.tell(error),
            Write::Commit(_, reply) => reply.tell(error),
            Write::Signal(.., reply) => reply.tell(error),
            Write::Reserve(.., reply) => reply.tell(error),
            Write::Release(.., reply) | Write::Settle(.., reply) => reply.tell(error),
            Write::Enroll(_, reply) | Write::Leave(_, reply) => reply.tell(error),
            Write::Beat(_, reply) => reply.tell(error),
            Write::Bury(.., reply) | Write::Remove(_, reply) | Write::Expire(_, reply) => reply.tell(error),
            Write::Halt(_, reply) => reply.tell(error),
        }
    }
}

/// What it is that could not be done, after "could not".
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Create(new, _) => write!(f, "create run {}", new.head.id),
            Write::Claim(run, ..) => write!(f, "take up run {run}"),
            Write::Release(run, ..) => write!(f, "give up run {run}"),
            Write::Commit(commit, _) => {
                write!(f, "commit entry {} of run {}", commit.entry.number, commit.run)
            }
            Write::Signal(_, run, ..) => write!(f, "send a signal to run {run}"),
            Write::Reserve(hold, ..) => write!(f, "reserve for a call of run {}", hold.run),
            Write::Settle(run, ..) => write!(f, "settle calls of run {run}"),
            Write::Enroll(owner, _) => write!(f, "enroll {}", owner.id),
            Write::Beat(owner, _) => write!(f, "say that {owner} is alive"),
            Write::Bury(owner, ..) => write!(f, "bury {owner}"),
            Write::Leave(owner, _) => write!(f, "let {owner} leave"),
            Write::Remove(run, _) => write!(f, "remove run {run}"),
            Write::Expire(question, _) => write!(f, "let question {question} expire"),
            Write::Halt(Some(_), _) => write!(f, "halt all calls"),
            Write::Halt(None, _) => write!(f, "let calls go on"),
        }
    }
}

/// A decision about a reservation. It can be asked for once; when the transaction it was made in did not stand, it holds
/// for accounts that stand as they did.
pub(super) struct Decision(Mutex<State>);

enum State {
    Open(Decide),
    Made {
        seen: Vec<Account>,
        amounts: Option<Amounts>,
    },
    Broken,
}

impl Decision {
    /// A decision that is still to be made.
    pub(super) fn new(decide: Decide) -> Self {
        Self(Mutex::new(State::Open(decide)))
    }

    /// The decision for accounts that stand so.
    ///
    /// # Errors
    /// Busy, when it was made for accounts that stood otherwise: nothing was reserved, and whoever asked may ask again.
    pub(super) fn on(&self, accounts: &[Account]) -> Result<Option<Amounts>, StoreError> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Broken) {
            State::Open(decide) => {
                let Ok(amounts) = catch_unwind(AssertUnwindSafe(|| decide(accounts))) else {
                    return Err(StoreError::new(
                        StoreErrorKind::Failed,
                        "the decision about a reservation panicked",
                    ));
                };
                *state = State::Made {
                    seen: accounts.to_vec(),
                    amounts,
                };
                Ok(amounts)
            }
            State::Made { seen, amounts } if seen == accounts => {
                *state = State::Made { seen, amounts };
                Ok(amounts)
            }
            made => {
                *state = made;
                Err(StoreError::new(
                    StoreErrorKind::Busy,
                    "the budgets have changed while a reservation was written; nothing was reserved",
                )
                .hint("reserve again"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_holds_only_for_the_accounts_it_was_made_for() {
        let key = AccountKey {
            name: "pipeline:research/day".into(),
            window: "2026-03-01".into(),
        };
        let mut account = Account::new(key);
        let decision = Decision::new(Box::new(|accounts| (accounts.len() == 1).then_some([1, 2, 3])));
        let seen = std::slice::from_ref(&account).to_vec();
        assert_eq!(decision.on(&seen), Ok(Some([1, 2, 3])));
        assert_eq!(
            decision.on(&seen),
            Ok(Some([1, 2, 3])),
            "again after a lost connection"
        );
        account.spent = [1, 0, 0];
        let changed = decision.on(&[account]).unwrap_err();
        assert_eq!(changed.kind, StoreErrorKind::Busy);
        assert_eq!(decision.on(&seen), Ok(Some([1, 2, 3])));
    }

    #[test]
    fn a_decision_that_panics_is_an_error() {
        let decision = Decision::new(Box::new(|_| panic!("no")));
        assert_eq!(decision.on(&[]).unwrap_err().kind, StoreErrorKind::Failed);
    }
}
