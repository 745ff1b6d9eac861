//! What a group of writes has to know before it can be worked out.

use std::collections::BTreeSet;

use segue::store::{AccountKey, Commit, DocumentKey, OwnerId, QuestionChange, SignalKind, UnitKey};
use segue::{CallId, QuestionId, RunId};

use crate::postgres::write::Write;

/// Names of everything that is locked and read.
#[derive(Default)]
pub(super) struct Need<'a> {
    pub(super) runs: BTreeSet<RunId>,
    /// Runs that are to exist.
    pub(super) new_runs: BTreeSet<RunId>,
    /// Runs whose heads are to be told.
    pub(super) heads: BTreeSet<RunId>,
    /// Runs whose waiting signals matter.
    pub(super) signals: BTreeSet<RunId>,
    /// Runs whose workspace changes.
    pub(super) workspaces_of: BTreeSet<RunId>,
    /// Workspaces of runs that are to exist.
    pub(super) workspaces: BTreeSet<DocumentKey>,
    /// Whether it matters who works here.
    pub(super) owners: bool,
    /// Owners that want to take something up, and must not be buried meanwhile.
    pub(super) claimers: BTreeSet<OwnerId>,
    pub(super) requests: BTreeSet<&'a str>,
    pub(super) questions: BTreeSet<QuestionId>,
    pub(super) outcomes: Vec<(RunId, UnitKey)>,
    pub(super) calls: BTreeSet<CallId>,
    /// Accounts against which something may be held.
    pub(super) accounts: BTreeSet<AccountKey>,
    pub(super) links: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Need<'a> {
    /// Of these writes.
    pub(super) fn of(writes: &'a [Write]) -> Self {
        let mut need = Self::default();
        for write in writes {
            need.add(write);
        }
        need
    }

    fn add(&mut self, write: &'a Write) {
        match write {
            Write::Create(new, _) => {
                self.runs.insert(new.head.id);
                self.new_runs.insert(new.head.id);
                self.requests
                    .extend(new.request.as_ref().map(|request| request.key.as_str()));
                if let Some(key) = &new.head.key {
                    self.workspaces.insert(DocumentKey {
                        pipeline: new.head.pipeline.clone(),
                        key: key.clone(),
                    });
                }
                self.ask(&new.questions);
            }
            Write::Claim(run, owner, _) => {
                self.runs.insert(*run);
                self.heads.insert(*run);
                self.owners = true;
                self.claimers.insert(*owner);
            }
            Write::Release(run, ..) => {
                self.runs.insert(*run);
            }
            Write::Commit(commit, _) => self.commit(commit),
            Write::Signal(kind, run, ..) => {
                self.runs.insert(*run);
                self.owners = true;
                if let SignalKind::Answer { question, .. } | SignalKind::Refused { question, .. } = kind {
                    self.questions.insert(*question);
                }
            }
            Write::Reserve(hold, accounts, ..) => {
                self.runs.insert(hold.run);
                self.calls.insert(hold.call);
                self.accounts.extend(accounts.iter().cloned());
            }
            Write::Settle(run, calls, _) => {
                self.runs.insert(*run);
                self.calls.extend(calls.iter().map(|(call, _)| *call));
            }
            // Carried out alone.
            Write::Enroll(..)
            | Write::Beat(..)
            | Write::Bury(..)
            | Write::Leave(..)
            | Write::Remove(..)
            | Write::Expire(..)
            | Write::Halt(..) => {}
        }
    }

    fn commit(&mut self, commit: &'a Commit) {
        let run = commit.run;
        self.runs.insert(run);
        self.signals.insert(run);
        let ends = commit
            .standing
            .as_ref()
            .is_some_and(|standing| standing.status.is_terminal());
        if ends || !commit.documents.is_empty() || !commit.unclaimed.is_empty() {
            self.workspaces_of.insert(run);
        }
        self.outcomes
            .extend(commit.outcomes.iter().map(|unit| (run, *unit)));
        self.ask(&commit.questions);
        self.calls.extend(commit.settled.iter().map(|(call, _)| *call));
        let links = commit.links.iter();
        self.links
            .extend(links.map(|link| (link.pipeline.as_str(), link.link.as_str())));
    }

    fn ask(&mut self, changes: &[QuestionChange]) {
        self.questions.extend(changes.iter().map(|change| match change {
            QuestionChange::Asked(question) => question.id,
            QuestionChange::Closed(question, _) => *question,
        }));
    }
}
