//! What the writes of a group mean, one after the other, worked out on what was read. Pure: nothing here waits or writes.
//! A write that is refused has changed nothing.

use std::collections::HashSet;

use segue::question::{QuestionStatus, RefusedAnswer};
use segue::store::{
    Claim, Commit, Committed, Created, Entry, NewRun, OwnerId, QuestionChange, SignalKind, Signalled,
    StoreError, StoreErrorKind,
};
use segue::{RunId, Time};

use super::{Asked, Group, Known, Line, Sent};
use crate::postgres::write::Write;

impl<'a> Group<'a> {
    /// Works out all writes, in order, and what is to be answered.
    pub(in crate::postgres) fn decide(&mut self, writes: &'a [Write]) {
        for write in writes {
            match write {
                Write::Create(new, reply) => reply.set(self.create(new)),
                Write::Claim(run, owner, reply) => reply.set(self.claim(*run, *owner)),
                Write::Release(run, fence, reply) => reply.set(self.release(*run, *fence)),
                Write::Commit(commit, reply) => reply.set(self.commit(commit)),
                Write::Signal(kind, run, at, reply) => reply.set(Ok(self.signal(kind, *run, *at))),
                Write::Reserve(hold, accounts, decision, reply) => {
                    reply.set(self.reserve(hold, accounts, decision));
                }
                Write::Settle(run, calls, reply) => {
                    for (call, settlement) in calls {
                        self.settle(*run, *call, *settlement);
                    }
                    reply.set(Ok(()));
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
    }

    fn create(&mut self, new: &'a NewRun) -> Result<Created, StoreError> {
        let head = &new.head;
        if let Some(line) = self.runs.get(&head.id)
            && line.has(&new.entry)
        {
            // The same once more, because its answer was lost.
            return Ok(if line.fence == 1 && line.owner == new.owner {
                Created::New { fence: 1 }
            } else {
                Created::Existing(head.id)
            });
        }
        if let Some(request) = &new.request
            && let Some((run, body)) = self.requests.get(&request.key)
        {
            return Ok(if *body == request.body {
                Created::Existing(*run)
            } else {
                Created::OtherRequest(*run)
            });
        }
        if self.runs.contains_key(&head.id) {
            return Err(StoreError::exists(head.id));
        }
        if new.entry.number != 1 || new.entry.after != 0 {
            return Err(StoreError::out_of_order(head.id, new.entry.number));
        }
        let last_seq = last_of(head.id, &new.entry)?;
        let line = Line {
            pipeline: head.pipeline.clone(),
            key: head.key.clone(),
            owner: new.owner,
            fence: 1,
            entries: 1,
            last_seq,
            status: head.standing.status,
            known: [(1, Known::Added(&new.entry))].into(),
            outcomes: new.outcomes.iter().copied().collect(),
            signals: Vec::new(),
            new: Some(new),
            standing: None,
            is_changed: true,
        };
        if let Some(workspace) = line.workspace() {
            if let Some(conflict) = self.conflict(&workspace, &new.claims, &new.expects) {
                return Ok(conflict);
            }
            self.claim_steps(&workspace, &new.claims, head.id, head.queued);
            self.move_documents(&workspace, &new.documents, head.id);
        }
        if let Some(request) = &new.request {
            let known = (head.id, request.body.clone());
            self.requests.insert(request.key.clone(), known);
            self.added.requests.push((request, head.id));
        }
        self.added.runs.push(head.id);
        self.added.plans.push(&new.plan);
        self.added.entries.push((head.id, &new.entry));
        let outcomes = line.outcomes.iter().map(|unit| (head.id, *unit));
        self.added.outcomes.extend(outcomes);
        self.change_questions(&new.questions);
        self.added.artifacts.extend(&new.artifacts);
        self.runs.insert(head.id, line);
        Ok(Created::New { fence: 1 })
    }

    fn claim(&mut self, run: RunId, owner: OwnerId) -> Result<Claim, StoreError> {
        let Some(line) = self.runs.get_mut(&run) else {
            return Ok(Claim::Unknown);
        };
        if line.status.is_terminal() {
            return Ok(Claim::Over);
        }
        if let Some(holder) = line.owner.filter(|holder| self.owners.contains(holder)) {
            return Ok(Claim::Held(holder));
        }
        if !self.owners.contains(&owner) {
            return Err(StoreError::gone(owner));
        }
        line.owner = Some(owner);
        line.fence += 1;
        line.is_changed = true;
        // A run that came to exist in this group is not stored yet.
        let stored = self.heads.get(&run).or(line.new.map(|new| &new.head));
        let mut head = stored.cloned().ok_or_else(|| StoreError::unknown(run))?;
        head.owner = line.owner;
        head.fence = line.fence;
        head.last_seq = line.last_seq;
        if let Some(standing) = line.standing {
            head.standing = standing.clone();
        }
        Ok(Claim::Taken(Box::new(head)))
    }

    fn release(&mut self, run: RunId, fence: u64) -> Result<(), StoreError> {
        let line = self.runs.get_mut(&run).ok_or_else(|| StoreError::unknown(run))?;
        if line.fence == fence {
            line.owner = None;
            line.fence += 1;
            line.is_changed = true;
        }
        Ok(())
    }

    fn commit(&mut self, commit: &'a Commit) -> Result<Committed, StoreError> {
        let run = commit.run;
        let line = self.runs.get_mut(&run).ok_or_else(|| StoreError::unknown(run))?;
        let is_repeat = line.has(&commit.entry);
        let is_last = is_repeat && commit.entry.number == line.entries;
        if !is_repeat {
            line.append(commit)?;
            self.carry_out(commit);
        }
        let line = self.runs.get_mut(&run).ok_or_else(|| StoreError::unknown(run))?;
        let added = &mut self.added;
        let signals = line.signals.iter().any(|(_, wakes)| *wakes)
            || added
                .signals
                .iter()
                .any(|sent| sent.run == run && sent.kind.wakes());
        let is_over = line.status.is_terminal();
        // A repeat that left the first time finds a fence that has grown; by now another owner may hold the run.
        let is_held = line.fence == commit.fence && (!is_repeat || is_last);
        let mut left = commit.leaves && line.fence != commit.fence;
        if commit.leaves && is_held && (is_over || !signals) {
            line.owner = None;
            line.fence += 1;
            line.is_changed = true;
            left = true;
        }
        if is_over && (!line.signals.is_empty() || added.signals.iter().any(|sent| sent.run == run)) {
            line.signals.clear();
            added.signals.retain(|sent| sent.run != run);
            added.over.push(run);
        }
        Ok(Committed {
            signals,
            left,
            halted: self.halted,
        })
    }

    /// What a commit changes besides the log itself.
    fn carry_out(&mut self, commit: &'a Commit) {
        let run = commit.run;
        self.added.entries.push((run, &commit.entry));
        self.change_questions(&commit.questions);
        for (call, settlement) in &commit.settled {
            self.settle(run, *call, *settlement);
        }
        self.added.artifacts.extend(&commit.artifacts);
        for link in &commit.links {
            let named = (link.pipeline.clone(), link.link.clone());
            let version = self.links.entry(named).or_default();
            *version += 1;
            self.added.links.push((*version, link));
        }
        let Some(line) = self.runs.get_mut(&run) else {
            return;
        };
        let outcomes = commit.outcomes.iter().map(|unit| (run, *unit));
        self.added.outcomes.extend(outcomes);
        line.signals.retain(|(number, _)| {
            let is_taken = commit.taken.contains(number);
            if is_taken {
                self.added.taken.push(*number);
            }
            !is_taken
        });
        let is_over = line.status.is_terminal();
        if let Some(workspace) = line.workspace() {
            self.move_documents(&workspace, &commit.documents, run);
            self.unclaim(&workspace, run, |step| is_over || commit.unclaimed.contains(step));
        }
    }

    fn change_questions(&mut self, changes: &[QuestionChange]) {
        for change in changes {
            match change {
                QuestionChange::Asked(question) => {
                    self.questions.entry(question.id).or_insert_with(|| Asked {
                        question: question.as_ref().clone(),
                        is_changed: true,
                    });
                }
                QuestionChange::Closed(id, status) => {
                    if let Some(asked) = self.questions.get_mut(id)
                        && asked.question.status == QuestionStatus::Open
                    {
                        asked.question.status = *status;
                        asked.is_changed = true;
                    }
                }
            }
        }
    }

    fn signal(&mut self, kind: &'a SignalKind, run: RunId, at: Time) -> Signalled {
        let Some(line) = self.runs.get(&run) else {
            return Signalled::Unknown;
        };
        let holder = line.owner.filter(|owner| self.owners.contains(owner));
        let status = line.status;
        match kind {
            SignalKind::Answer { question, .. } | SignalKind::Refused { question, .. } => {
                let asked = self.questions.get_mut(question);
                let Some(asked) = asked.filter(|asked| asked.question.run == run) else {
                    return Signalled::Unknown;
                };
                if asked.question.status != QuestionStatus::Open {
                    return Signalled::Closed(asked.question.status);
                }
                if status.is_terminal() {
                    return Signalled::Over(status);
                }
                asked.take_in(kind, at);
            }
            SignalKind::Cancel { .. } | SignalKind::Raise { .. } if status.is_terminal() => {
                return Signalled::Over(status);
            }
            SignalKind::Cancel { .. } | SignalKind::Raise { .. } => {}
        }
        self.added.signals.push(Sent { run, at, kind });
        Signalled::Sent(holder)
    }
}

impl<'a> Line<'a> {
    /// Checks a commit against the end of the log, and puts it there.
    fn append(&mut self, commit: &'a Commit) -> Result<(), StoreError> {
        let (run, entry) = (commit.run, &commit.entry);
        if self.fence != commit.fence {
            return Err(StoreError::lost(run));
        }
        if entry.number != self.entries + 1 || entry.after != self.last_seq {
            return Err(StoreError::out_of_order(run, entry.number));
        }
        let last_seq = last_of(run, entry)?;
        let mut fresh = HashSet::new();
        let mut outcomes = commit.outcomes.iter();
        if let Some(unit) = outcomes.find(|unit| self.outcomes.contains(*unit) || !fresh.insert(**unit)) {
            return Err(StoreError::second_outcome(run, *unit));
        }
        self.outcomes.extend(fresh);
        self.last_seq = last_seq;
        self.entries = entry.number;
        self.known.insert(entry.number, Known::Added(entry));
        self.is_changed = true;
        if let Some(standing) = &commit.standing {
            self.standing = Some(standing);
            self.status = standing.status;
        }
        Ok(())
    }
}

impl Asked {
    fn take_in(&mut self, kind: &SignalKind, at: Time) {
        self.is_changed = true;
        match kind {
            SignalKind::Answer { answer, by, .. } => {
                self.question.status = QuestionStatus::Answered;
                self.question.answer = Some(answer.clone());
                self.question.answered_by = Some(by.clone());
            }
            SignalKind::Refused { by, errors, .. } => self.question.refused.push(RefusedAnswer {
                time: at,
                by: by.clone(),
                errors: errors.clone(),
            }),
            SignalKind::Cancel { .. } | SignalKind::Raise { .. } => {}
        }
    }
}

/// The number of the last event of an entry.
fn last_of(run: RunId, entry: &Entry) -> Result<u64, StoreError> {
    let last = entry.after.checked_add(entry.events);
    last.ok_or_else(|| {
        let message = format!("entry {} of run {run} has too many events", entry.number);
        StoreError::new(StoreErrorKind::Misused, message)
    })
}
