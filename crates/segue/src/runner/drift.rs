//! Drift: something a run relies on is not what it was when the run began. It is shown; where the plan cannot use it any
//! more, a person decides.

use serde_json::json;

use super::desk::Presence;
use super::read::StoredEntry;
use crate::id::QuestionId;
use crate::log::{EventKind, ROOT, What};
use crate::plan::Plan;
use crate::question::{Question, QuestionKind, QuestionStatus};
use crate::run::{Batch, Relied, RunShared, RunState, misfit};
use crate::store::{QuestionChange, SignalKind, StoreError};

/// What has changed.
pub(crate) struct Drift {
    /// By kind and name.
    pub(crate) names: Vec<String>,
    /// Why the plan cannot use them; empty where it can.
    pub(crate) misfits: Vec<String>,
}

/// What was decided about a drift that the plan cannot bear.
pub(crate) enum Decided {
    /// The run goes on with the plan it has.
    Pinned(Answered),
    /// It ends.
    Fail(Answered),
    /// It is about to be cancelled.
    Cancelled,
    /// Nobody has decided yet.
    Open,
}

/// An answer that was sent.
pub(crate) struct Answered {
    signal: u64,
    question: QuestionId,
    answer: serde_json::Value,
    pub(crate) by: String,
    via: String,
}

/// What a run relied on when it was last looked at.
pub(crate) fn last_seen(entries: &[StoredEntry]) -> Relied {
    let records = entries.iter().rev().flat_map(|entry| entry.records.iter().rev());
    let seen = records.filter_map(|record| match &record.what {
        What::Other(kind) => match &**kind {
            EventKind::RunDrift { now, .. } if !now.is_empty() => Some(now.clone()),
            _ => None,
        },
        What::Begun(begun) => Some(begun.more().relied.clone()),
        _ => None,
    });
    seen.into_iter().next().unwrap_or_default()
}

/// What is not as it was; none where everything is.
pub(crate) fn of(plan: &Plan, then: &Relied, now: &Relied) -> Option<Drift> {
    let mut drift = Drift {
        names: Vec::new(),
        misfits: Vec::new(),
    };
    for (name, spec) in now {
        let Some(before) = then.get(name).filter(|before| *before != spec) else {
            continue;
        };
        drift.names.push(name.clone());
        drift.misfits.extend(misfit(plan, name, before, spec));
    }
    (!drift.names.is_empty()).then_some(drift)
}

impl Drift {
    /// The events that show it, one for each kind of thing. `now` is what the run goes on with.
    pub(crate) fn events(&self, now: &Relied) -> Vec<EventKind> {
        let mut events: Vec<EventKind> = Vec::new();
        for kind in ["step", "tool", "agent"] {
            let names = self
                .names
                .iter()
                .filter_map(|name| name.strip_prefix(kind)?.strip_prefix(' '));
            let names: Vec<String> = names.map(str::to_owned).collect();
            if !names.is_empty() {
                let now = now.clone();
                let what = kind.to_owned();
                events.push(EventKind::RunDrift { what, names, now });
            }
        }
        events
    }

    /// What was decided.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn decided(
        &self,
        presence: &Presence,
        shared: &RunShared,
    ) -> Result<Decided, StoreError> {
        let store = presence.desk().store();
        for signal in store.signals(shared.id).await? {
            let (question, answer, by, via) = match signal.kind {
                SignalKind::Answer {
                    question,
                    answer,
                    by,
                    via,
                } => (question, answer, by, via),
                SignalKind::Cancel { .. } => return Ok(Decided::Cancelled),
                _ => continue,
            };
            let asked = store.question(question).await?;
            if !asked.is_some_and(|asked| asked.kind == QuestionKind::Decision && asked.step.is_empty()) {
                continue;
            }
            let is_pinned = answer == "pinned";
            let answered = Answered {
                signal: signal.number,
                question,
                answer,
                by,
                via,
            };
            return Ok(match is_pinned {
                true => Decided::Pinned(answered),
                false => Decided::Fail(answered),
            });
        }
        Ok(Decided::Open)
    }

    /// Asks, unless that was done before, and lets go of the run.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) async fn ask(
        &self,
        (presence, fence): (&Presence, u64),
        shared: &RunShared,
        state: &RunState,
    ) -> Result<(), StoreError> {
        let store = presence.desk().store();
        let open = store.questions(Some(shared.id), 100).await?;
        let was_asked = open
            .iter()
            .any(|open| open.kind == QuestionKind::Decision && open.step.is_empty());
        let Some(recorder) = &shared.recorder else {
            return Ok(());
        };
        if !was_asked {
            for event in self.events(&Relied::new()) {
                shared.log.note(ROOT, event);
            }
            let asked = Box::new(self.question(presence, shared));
            let questions = vec![asked.id];
            shared.log.note(
                ROOT,
                EventKind::QuestionAsked {
                    question: asked.clone(),
                },
            );
            let reason = Some("definition_changed".to_owned());
            shared.log.note(ROOT, EventKind::RunWaiting { questions, reason });
            let standing = shared.resting(state);
            recorder.with(|effects| {
                effects.questions.push(QuestionChange::Asked(asked));
                effects.standing = Some(standing);
            });
            let written = recorder.flush(&shared.log, Batch::default()).await;
            written.map_err(|stopped| stopped.0)?;
        }
        // What it was told meanwhile waits until somebody has decided.
        store.release(shared.id, fence).await
    }

    fn question(&self, presence: &Presence, shared: &RunShared) -> Question {
        let desk = presence.desk();
        let title = "what the run relies on has changed; how should it go on?".to_owned();
        let text = format!(
            "{}\n`pinned` goes on with the plan it has, as far as that goes; `fail` ends it. To run it again with what there is now: `segue rerun {} --definition new`.",
            self.misfits.join("\n"),
            shared.id
        );
        Question {
            id: QuestionId::new(&*desk.env.ids),
            kind: QuestionKind::Decision,
            run: shared.id,
            pipeline: shared.pipeline().to_owned(),
            step: String::new(),
            title,
            text: Some(text),
            form: json!({"enum": ["pinned", "fail"]}),
            known: Default::default(),
            missing: Vec::new(),
            default: None,
            asked: shared.log.clock().time(),
            deadline: None,
            status: QuestionStatus::Open,
            approval: None,
            budget: None,
            refused: Vec::new(),
            answer: None,
            answered_by: None,
        }
    }
}

impl Answered {
    /// Takes the answer up: it is in the log with the next commit.
    pub(crate) fn take_up(self, shared: &RunShared) {
        if let Some(recorder) = &shared.recorder {
            recorder.with(|effects| effects.taken.push(self.signal));
        }
        let event = EventKind::QuestionAnswered {
            question: self.question,
            by: self.by,
            via: Some(self.via),
            answer: self.answer,
        };
        shared.log.note(ROOT, event);
    }
}
