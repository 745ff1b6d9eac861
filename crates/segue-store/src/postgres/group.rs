//! A group of writes that become one transaction: what they touch is locked and read ([`load`]), what they mean is worked
//! out in memory ([`decide`], [`documents`], [`budgets`]), and what has changed is written ([`save`]).
//!
//! So a write that is refused, because its fence is lost or its outcome is there already, has written nothing and does
//! not spoil the others; and a group costs the server the same few statements whether it is of one write or of hundreds.
//!
//! Locks are taken in one order everywhere: names that may come to exist, runs, owners, workspaces, questions, accounts,
//! each kind sorted. Whatever else belongs to a run is read after its lock is held, so that nobody else can have changed it.

use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;
use segue::question::Question;
use segue::store::{
    Account, AccountKey, Document, DocumentKey, Entry, Head, Hold, KeptArtifact, LinkVersion, NewRun,
    OwnerId, Request, SignalKind, Standing, StoredPlan, UnitKey,
};
use segue::{CallId, QuestionId, RunId, RunStatus, Time};

mod budgets;
mod decide;
mod documents;
mod load;
mod need;
mod rows;
mod save;

pub(super) use load::ask;

/// What a group knows, what it changes, and what it adds.
#[derive(Default)]
pub(super) struct Group<'a> {
    halted: bool,
    runs: HashMap<RunId, Line<'a>>,
    /// Of runs that somebody wants to take up.
    heads: HashMap<RunId, Head>,
    owners: HashSet<OwnerId>,
    requests: HashMap<String, (RunId, String)>,
    /// In the order in which they were asked.
    questions: IndexMap<QuestionId, Asked>,
    workspaces: BTreeMap<DocumentKey, Workspace>,
    accounts: BTreeMap<AccountKey, Standings>,
    holds: BTreeMap<CallId, Held>,
    /// The last version of links, by pipeline and name.
    links: BTreeMap<(String, String), u64>,
    added: Added<'a>,
}

/// A run as the end of its log stands.
struct Line<'a> {
    pipeline: String,
    key: Option<String>,
    owner: Option<OwnerId>,
    fence: u64,
    entries: u64,
    last_seq: u64,
    status: RunStatus,
    /// Entries by their number: those that somebody may be repeating, and those that this group adds.
    known: HashMap<u64, Known<'a>>,
    /// Those outcomes there are of which the group brings another, and all of a run that comes to exist in it.
    outcomes: HashSet<UnitKey>,
    /// Signals that wait: number, and whether it wakes.
    signals: Vec<(u64, bool)>,
    /// It comes to exist in this group.
    new: Option<&'a NewRun>,
    /// Where it stands from now on.
    standing: Option<&'a Standing>,
    is_changed: bool,
}

enum Known<'a> {
    Stored(Entry),
    Added(&'a Entry),
}

/// A question.
struct Asked {
    question: Question,
    is_changed: bool,
}

/// A workspace.
#[derive(Default)]
struct Workspace {
    documents: IndexMap<String, Placed>,
    /// Made only to be locked; gone again unless a run uses it.
    is_fresh: bool,
}

/// A document.
struct Placed {
    document: Document,
    is_changed: bool,
}

/// An account.
struct Standings {
    account: Account,
    /// Made only to be locked; gone again unless something is held against it.
    is_fresh: bool,
    is_changed: bool,
}

/// A hold, with the accounts it is held against; none when it has ended.
struct Held {
    hold: Option<Hold>,
    accounts: Vec<AccountKey>,
    is_changed: bool,
}

/// What is appended.
#[derive(Default)]
struct Added<'a> {
    runs: Vec<RunId>,
    entries: Vec<(RunId, &'a Entry)>,
    outcomes: Vec<(RunId, UnitKey)>,
    plans: Vec<&'a StoredPlan>,
    requests: Vec<(&'a Request, RunId)>,
    signals: Vec<Sent<'a>>,
    /// Numbers of signals that were taken up.
    taken: Vec<u64>,
    /// Runs that are over, and take up no more.
    over: Vec<RunId>,
    artifacts: Vec<&'a KeptArtifact>,
    links: Vec<(u64, &'a LinkVersion)>,
}

/// A signal that has no number yet.
struct Sent<'a> {
    run: RunId,
    at: Time,
    kind: &'a SignalKind,
}

impl Line<'_> {
    /// Whether this very entry is in the log.
    fn has(&self, entry: &Entry) -> bool {
        self.known.get(&entry.number).is_some_and(|known| match known {
            Known::Stored(known) => known == entry,
            Known::Added(known) => *known == entry,
        })
    }

    fn workspace(&self) -> Option<DocumentKey> {
        let key = self.key.clone()?;
        Some(DocumentKey {
            pipeline: self.pipeline.clone(),
            key,
        })
    }
}
