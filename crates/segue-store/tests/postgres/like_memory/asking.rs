//! What a store can be asked, made up at random over a handful of names.

use segue::money::Cost;
use segue::question::{QuestionKind, QuestionStatus};
use segue::store::{
    AccountKey, Commit, Document, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion, NewRun, QuestionChange,
    Request, RunQuery, RunSort, Settlement, SignalKind, StoredPlan, UnitKey,
};
use segue::{
    Artifact, ArtifactId, CallId, Nanousd, Question, QuestionId, RunId, RunStatus, StepStatus, Time,
};
use serde_json::json;

use super::{KEYS, PIPELINES, Pair, STEPS, TEXTS};
use crate::sample::{self, owner_id};
use crate::things::{labels, owner};

impl Pair {
    fn time(&mut self) -> Time {
        Time::from_micros(self.dice.below(1_000_000_000) as i64 * 7)
    }

    fn document(&mut self, run: RunId) -> Document {
        Document {
            step: self.dice.of(&STEPS).into(),
            run: Some(run),
            status: self
                .dice
                .of(&[StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped]),
            empty: self.dice.one_in(4),
            hash: self.dice.some(2, |dice| format!("hash {}", dice.below(3))),
            built_on: [("z".to_owned(), Some("1".to_owned())), ("a".to_owned(), None)].into(),
            version: 0,
            updated: self.time(),
            cost: Cost::of(Nanousd::from_nanos(5).unwrap()),
            running: None,
        }
    }

    fn documents(&mut self, run: RunId) -> Vec<Document> {
        let count = self.dice.below(3);
        (0..count).map(|_| self.document(run)).collect()
    }

    fn questions(&mut self, run: RunId) -> Vec<QuestionChange> {
        let mut changes = Vec::new();
        if self.dice.one_in(4) {
            changes.push(QuestionChange::Asked(Box::new(self.question(run))));
        }
        if self.dice.one_in(6) {
            let id = QuestionId::from_bits(self.dice.below(6).into());
            changes.push(QuestionChange::Closed(id, QuestionStatus::Cancelled));
        }
        changes
    }

    fn question(&mut self, run: RunId) -> Question {
        Question {
            id: QuestionId::from_bits(self.dice.below(6).into()),
            kind: QuestionKind::Question,
            run,
            pipeline: "research".into(),
            step: "gather".into(),
            title: "zero \0 and ü".into(),
            text: None,
            form: json!({"type": "object", "properties": {"z": {}, "a": {}}}),
            known: serde_json::Map::from_iter([("z".to_owned(), json!(1)), ("a".to_owned(), json!("\0"))]),
            missing: vec!["b".into()],
            default: self.dice.some(2, |_| json!({"b": 1.5})),
            asked: self.time(),
            deadline: Some(self.time()),
            status: QuestionStatus::Open,
            approval: None,
            budget: None,
            refused: Vec::new(),
            answer: None,
            answered_by: None,
        }
    }

    fn create(&mut self) {
        let id = self.run();
        let run = sample::new_run(id.bits());
        let dice = &mut self.dice;
        let claims = STEPS
            .iter()
            .filter(|_| dice.one_in(2))
            .map(|step| (*step).to_owned())
            .collect();
        let expects = match dice.below(4) {
            0 => vec![(dice.of(&STEPS).to_owned(), None)],
            1 => vec![(
                dice.of(&STEPS).to_owned(),
                Some(format!("hash {}", dice.below(3))),
            )],
            _ => Vec::new(),
        };
        let plan_hash = format!("plan {}", dice.below(2));
        let new = NewRun {
            head: Head {
                plan_hash: plan_hash.clone(),
                pipeline: dice.of(&[PIPELINES[0], PIPELINES[0], PIPELINES[1]]).into(),
                key: (!dice.one_in(3)).then(|| dice.of(&KEYS).into()),
                labels: [
                    ("team".to_owned(), dice.of(&["\0blue", "red"]).to_owned()),
                    ("a".into(), "1".into()),
                ]
                .into(),
                note: dice.some(2, |_| "a note\0".into()),
                definition: Some("file:research.yaml".into()),
                queued: Time::from_micros(dice.below(5) as i64),
                ..run.head
            },
            plan: StoredPlan {
                hash: plan_hash,
                text: "{\"steps\": []}".into(),
            },
            request: dice.some(3, |dice| Request {
                key: format!("key\0{}", dice.below(3)),
                body: format!("body {}", dice.below(2)),
            }),
            owner: dice.some(2, |dice| owner_id(dice.below(3) + 1)),
            claims,
            expects,
            documents: self.documents(id),
            questions: self.questions(id),
            outcomes: self.outcomes(),
            artifacts: (0..self.dice.below(3)).map(|_| self.artifact(id)).collect(),
            ..run
        };
        self.ask(&format!("create {new:?}"), |store| store.create(new.clone()));
        self.created.push(new);
        self.runs[id.bits() as usize] = (1, 1, 3);
    }

    fn commit(&mut self) {
        let id = self.run();
        let at = id.bits() as usize;
        let (mut fence, entries, last_seq) = self.runs[at];
        if self.dice.one_in(15) {
            fence += 1;
        }
        let mut number = entries + 1;
        if self.dice.one_in(15) {
            number = (number + 1).saturating_sub(self.dice.below(3)).max(1);
        }
        let entry = Entry {
            number,
            after: last_seq,
            events: self.dice.below(4),
            at: self.time(),
            body: vec![0, 1, 255, self.dice.below(200) as u8],
        };
        let last = entry.last();
        let mut commit = Commit::of(id, fence, entry);
        commit.outcomes = self.outcomes();
        let dice = &mut self.dice;
        let ends = dice.one_in(6);
        commit.standing = dice.some(2, |dice| {
            let mut standing = sample::standing(
                match ends {
                    true => dice.of(&[RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled]),
                    false => dice.of(&[RunStatus::Running, RunStatus::Waiting]),
                },
                dice.below(1000) as i64,
            );
            standing.ended = ends.then(|| Time::from_micros(dice.below(3000) as i64));
            standing.wakes = dice.some(2, |dice| Time::from_micros(dice.below(1000) as i64));
            standing.cost = Cost::of(Nanousd::from_nanos(dice.below(5) as i64).unwrap());
            standing.text = dice.of(&TEXTS).into();
            standing
        });
        commit.taken = (0..dice.below(2)).map(|_| dice.below(40)).collect();
        commit.settled = self.settlements();
        commit.questions = self.questions(id);
        commit.documents = self.documents(id);
        let dice = &mut self.dice;
        commit.unclaimed = STEPS
            .iter()
            .filter(|_| dice.one_in(4))
            .map(|step| (*step).to_owned())
            .collect();
        commit.leaves = dice.one_in(5);
        if self.dice.one_in(3) {
            let saved = self.artifact(id);
            if self.dice.one_in(2) {
                commit.links.push(LinkVersion {
                    pipeline: saved.pipeline.clone(),
                    link: self.dice.of(&["latest", "best"]).into(),
                    version: 0,
                    artifact: saved.artifact.clone(),
                    run: id,
                    at: saved.at,
                });
            }
            commit.artifacts.push(saved);
        }
        self.ask(&format!("commit {commit:?}"), |store| {
            store.commit(commit.clone())
        });
        self.committed.push(commit);
        self.runs[at] = (fence, number, last);
    }

    fn outcomes(&mut self) -> Vec<UnitKey> {
        let dice = &mut self.dice;
        let count = dice.below(3);
        (0..count)
            .map(|_| UnitKey {
                scope: dice.below(2) as u32,
                step: dice.below(20) as u32,
                item: dice.of(&[0, u32::MAX]),
            })
            .collect()
    }

    fn artifact(&mut self, run: RunId) -> KeptArtifact {
        let bits = self.dice.below(30).into();
        KeptArtifact {
            artifact: Artifact {
                id: ArtifactId::from_bits(bits),
                name: self.dice.of(&["report.md", "data.json"]).into(),
                step: "write".into(),
                bytes: self.dice.below(u64::MAX),
                sha256: format!("{bits:064x}"),
                media_type: "text/markdown".into(),
            },
            run,
            pipeline: self.dice.of(&PIPELINES).into(),
            at: self.time(),
            is_output: self.dice.one_in(4),
        }
    }

    fn settlements(&mut self) -> Vec<(CallId, Settlement)> {
        let fresh = self.fresh;
        let dice = &mut self.dice;
        let count = dice.below(3);
        (0..count)
            .map(|_| {
                let call = CallId::from_bits(fresh.saturating_sub(dice.below(6).into()));
                let settlement = match dice.below(3) {
                    0 => Settlement::Spent([dice.below(100), u64::MAX - 5, dice.below(2)]),
                    1 => Settlement::Released,
                    _ => Settlement::Uncertain,
                };
                (call, settlement)
            })
            .collect()
    }

    fn signal(&mut self) {
        let run = self.run();
        let at = self.time();
        let question = QuestionId::from_bits(self.dice.below(6).into());
        let kind = match self.dice.below(4) {
            0 => SignalKind::Answer {
                question,
                answer: json!({"z": 1, "a": "\0"}),
                by: "ann".into(),
                via: "cli".into(),
            },
            1 => SignalKind::Refused {
                question,
                by: "bob".into(),
                errors: vec!["too long".into()],
            },
            2 => SignalKind::Cancel {
                by: "ann".into(),
                reason: None,
            },
            _ => SignalKind::Raise {
                budget: "run".into(),
                limits: segue::Budget::default(),
                by: "ann".into(),
            },
        };
        self.ask(&format!("signal {kind:?} to {run}"), |store| {
            store.signal(kind.clone(), run, at)
        });
    }

    fn reserve(&mut self) {
        let (run, call) = (self.run(), self.bits());
        let dice = &mut self.dice;
        let fence = self.runs[run.bits() as usize].0;
        let mut accounts = Vec::new();
        for name in ["pipeline:research/day", "all\0/month"] {
            for window in ["2026-03-01", "2026-03-02"] {
                if dice.one_in(2) {
                    accounts.push(AccountKey {
                        name: name.into(),
                        window: window.into(),
                    });
                }
            }
        }
        let hold = Hold {
            // One call reserves once.
            call: CallId::from_bits(call),
            run,
            fence: if dice.one_in(10) { fence + 1 } else { fence },
            state: segue::store::HoldState::Reserved,
            amounts: [0; 3],
        };
        let (amounts, limit) = ([dice.below(50), dice.below(50), 1], dice.below(500));
        self.ask(&format!("reserve {hold:?} against {accounts:?}"), |store| {
            let decide = Box::new(move |accounts: &[segue::store::Account]| {
                let fits = accounts.iter().all(|account| account.reserved[0] < limit);
                fits.then_some(amounts)
            });
            store.reserve(hold.clone(), accounts.clone(), decide)
        });
    }

    fn owners(&mut self) {
        let id = owner_id(self.dice.below(3) + 1);
        match self.dice.below(6) {
            0 | 1 => self.ask("enroll", |store| {
                store.enroll(segue::store::Owner { id, ..owner(1) })
            }),
            2 | 3 => self.ask("beat", |store| store.beat(id)),
            4 => {
                let beats = self.dice.below(3);
                self.ask("bury", |store| store.bury(id, beats));
            }
            _ => self.ask("leave", |store| store.leave(id)),
        }
    }

    /// Asks again for what was asked before, as somebody does whose answer was lost.
    fn repeat(&mut self) {
        if self.dice.one_in(3) {
            let last = self.created.len().saturating_sub(1 + self.dice.below(4) as usize);
            if let Some(new) = self.created.get(last).cloned() {
                self.ask(&format!("again {new:?}"), |store| store.create(new.clone()));
            }
        } else {
            let last = self
                .committed
                .len()
                .saturating_sub(1 + self.dice.below(6) as usize);
            if let Some(commit) = self.committed.get(last).cloned() {
                self.ask(&format!("again {commit:?}"), |store| store.commit(commit.clone()));
            }
        }
    }

    /// Asks for something to be written.
    pub(super) fn write(&mut self) {
        match self.dice.below(47) {
            44.. => self.repeat(),
            0..=5 => self.create(),
            6..=18 => self.commit(),
            19..=22 => self.signal(),
            23..=26 => self.reserve(),
            27 | 28 => {
                let (run, calls) = (self.run(), self.settlements());
                self.ask(&format!("settle {calls:?} of {run}"), |store| {
                    store.settle(run, calls.clone())
                });
            }
            29..=32 => {
                let (run, owner) = (self.run(), owner_id(self.dice.below(3) + 1));
                self.ask(&format!("claim {run} for {owner}"), |store| {
                    store.claim(run, owner)
                });
            }
            33..=35 => self.owners(),
            36 => {
                let run = self.run();
                let known = self.runs[run.bits() as usize].0;
                let fence = known + self.dice.below(2);
                self.ask(&format!("release {run} under {fence}"), |store| {
                    store.release(run, fence)
                });
            }
            37 => {
                let question = QuestionId::from_bits(self.dice.below(6).into());
                self.ask("expire", |store| store.expire(question));
            }
            38 => {
                let halt = self.dice.some(2, |dice| Halt {
                    by: "ann\0".into(),
                    since: Time::from_micros(dice.below(1000) as i64),
                    reason: None,
                });
                self.ask("halt", |store| store.halt(halt.clone()));
            }
            _ => {
                let run = self.run();
                self.ask(&format!("remove {run}"), |store| store.remove(run));
            }
        }
    }

    /// A query for runs.
    pub(super) fn query(&mut self) -> RunQuery {
        let dice = &mut self.dice;
        RunQuery {
            status: match dice.below(3) {
                0 => vec![RunStatus::Running, RunStatus::Failed],
                _ => Vec::new(),
            },
            pipeline: dice.some(3, |dice| dice.of(&PIPELINES).into()),
            labels: match dice.below(3) {
                0 => labels([("team", "\0blue")]),
                _ => labels([]),
            },
            key: dice.some(4, |dice| dice.of(&KEYS).into()),
            from: dice.some(4, |dice| Time::from_micros(dice.below(5) as i64)),
            to: dice.some(4, |dice| Time::from_micros(dice.below(6) as i64)),
            cost_over: dice.some(4, |dice| dice.below(4) as i64),
            cost_under: dice.some(4, |dice| dice.below(6) as i64),
            texts: dice
                .some(4, |dice| {
                    vec![dice.of(&["STRASSE", "50%", "_b\\", "ünÏ", "\0"]).into()]
                })
                .unwrap_or_default(),
            sort: dice.of(&[RunSort::Started, RunSort::Cost, RunSort::Duration]),
            cursor: None,
            limit: dice.below(4) as usize,
        }
    }
}
