//! Whatever is asked of it, in whatever order, the store answers what the one in memory answers.
//!
//! Each seed is a sequence of everything a store can be asked, over a handful of runs, steps, accounts and owners, so that
//! most of it meets something. A few at a time are asked without waiting, so that they become one transaction here.

use std::collections::BTreeSet;
use std::fmt::Debug;

use segue::store::{ArtifactQuery, Commit, MemoryStore, NewRun, Pending, RunQuery, Store};
use segue::{QuestionId, RunId, Time};
use segue_store::Postgres;

use crate::open;
use crate::sample::owner_id;
use crate::things::owner;

mod asking;
mod dice;

use dice::Dice;

const RUNS: u64 = 7;
const STEPS: [&str; 3] = ["gather", "write", "check"];
const PIPELINES: [&str; 2] = ["research", "re\0view"];
const KEYS: [&str; 2] = ["acme", "50%_\0\\"];
const TEXTS: [&str; 4] = ["Straße 50%", "a_b\\c", "Ünïcödé \0 zero", ""];

/// What both are asked, and what is known of where they stand, so that much of it succeeds.
struct Pair {
    memory: MemoryStore,
    postgres: Postgres,
    dice: Dice,
    /// Fence, entries, last event of each run, as far as they are known; a guess is good enough.
    runs: Vec<(u64, u64, u64)>,
    fresh: u128,
    asked: Vec<Asked>,
    /// What was asked before, to be asked again.
    created: Vec<NewRun>,
    committed: Vec<Commit>,
    /// Answers of which there has been one, by their first words.
    met: BTreeSet<String>,
}

/// Answers that have to come up, so that this compares more than refusals.
const MEETS: [&str; 26] = [
    "again Ok(Committed",
    "again Ok(Existing",
    "again Ok(New",
    "beat Ok(Beat { buried: true",
    "beat Ok(Beat { buried: false",
    "bury Ok(true",
    "bury Ok(false",
    "claim Ok(Taken",
    "claim Ok(Held",
    "claim Ok(Over",
    "commit Ok(Committed",
    "create Ok(New",
    "create Ok(Existing",
    "create Ok(OtherRequest",
    "create Ok(Running",
    "create Ok(Changed",
    "expire Ok(true",
    "news Ok(Beat { buried: true",
    "news Ok(Beat { buried: false, halted: false, signalled: [run_",
    "news Ok(Beat { buried: false, halted: true",
    "release Ok",
    "remove Ok(true",
    "reserve Ok(Some",
    "reserve Ok(None",
    "signal Ok(Closed",
    "signal Ok(Sent(Some",
];

/// Something that was asked of both, and is still to be compared.
type Asked = std::pin::Pin<Box<dyn Future<Output = (String, String, String)>>>;

impl Pair {
    fn ask<T: Debug + 'static>(&mut self, what: &str, ask: impl Fn(&dyn Store) -> Pending<T>) {
        let what = what.to_owned();
        let (memory, postgres) = (ask(&self.memory), ask(&self.postgres));
        self.asked.push(Box::pin(async move {
            (
                what,
                format!("{:?}", memory.await),
                format!("{:?}", postgres.await),
            )
        }));
    }

    /// Waits for everything that was asked.
    async fn settle(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            let (what, memory, postgres) = asked.await;
            assert_eq!(postgres, memory, "{what}");
            let verb = what.split(' ').next().unwrap_or_default();
            let meets = MEETS
                .iter()
                .filter(|met| format!("{verb} {memory}").starts_with(**met));
            self.met.extend(meets.map(|met| (*met).to_owned()));
        }
        for number in 0..RUNS {
            let run = RunId::from_bits(number.into());
            if let Some(head) = self.memory.head(run).await.unwrap() {
                let entries = self.memory.log(run, 0, usize::MAX).await.unwrap().len() as u64;
                self.runs[number as usize] = (head.fence, entries, head.last_seq);
            }
        }
    }

    fn run(&mut self) -> RunId {
        RunId::from_bits(self.dice.below(RUNS).into())
    }

    fn bits(&mut self) -> u128 {
        self.fresh += 1;
        self.fresh
    }

    /// Everything there is to read.
    async fn read(&mut self) {
        for number in 0..RUNS {
            let run = RunId::from_bits(number.into());
            self.ask(&format!("head of {run}"), |store| store.head(run));
            self.ask(&format!("log of {run}"), |store| store.log(run, 0, usize::MAX));
            let (after, most) = (self.dice.below(4), self.dice.below(3) as usize);
            self.ask(&format!("part of the log of {run}"), |store| {
                store.log(run, after, most)
            });
            self.ask(&format!("signals of {run}"), |store| store.signals(run));
            self.ask(&format!("open questions of {run}"), |store| {
                store.questions(Some(run), 100)
            });
            self.ask(&format!("holds of {run}"), |store| store.holds(run));
        }
        for number in 0..6 {
            let question = QuestionId::from_bits(number);
            self.ask("question", |store| store.question(question));
        }
        for pipeline in PIPELINES {
            for key in KEYS {
                self.ask("documents", |store| store.documents(pipeline.into(), key.into()));
            }
            for link in ["latest", "best"] {
                self.ask("link", |store| store.link(pipeline.into(), link.into()));
            }
        }
        for key in [None, Some(KEYS[1].to_owned())] {
            self.ask("workspaces", |store| store.workspaces(key.clone()));
        }
        for name in [None, Some("all\0/month".to_owned())] {
            self.ask("accounts", |store| store.accounts(name.clone(), 3));
        }
        for prefix in ["run_", "run_00000000000000000000000003", "run_zz", "q", "run\0"] {
            self.ask("named", |store| store.named(prefix.into(), 5));
        }
        for now in [0, 500, 2000] {
            let most = self.dice.below(6) as usize + 1;
            self.ask("unfinished", |store| {
                store.unfinished(Time::from_micros(now), most)
            });
        }
        for limit in [0, 3] {
            let query = ArtifactQuery {
                run: self
                    .dice
                    .some(3, |dice| RunId::from_bits(dice.below(RUNS).into())),
                pipeline: self.dice.some(3, |dice| dice.of(&PIPELINES).into()),
                name: self.dice.some(3, |_| "report.md".into()),
                limit,
            };
            self.ask(&format!("artifacts {query:?}"), |store| {
                store.artifacts(query.clone())
            });
        }
        self.ask("plan", |store| store.plan("plan 1".into()));
        self.ask("no plan", |store| store.plan("plan\0".into()));
        self.ask("open questions", |store| store.questions(None, 3));
        self.ask("referenced", Store::referenced);
        self.ask("halted", Store::halted);
        self.ask("owners", Store::owners);
        for number in 1..=3 {
            self.ask(&format!("news of {number}"), |store| store.news(owner_id(number)));
        }
        self.settle().await;
        for _ in 0..4 {
            let query = self.query();
            self.pages(query).await;
        }
    }

    /// Pages of a list, to their end.
    async fn pages(&mut self, mut query: RunQuery) {
        loop {
            let memory = self.memory.runs(query.clone()).await;
            let postgres = self.postgres.runs(query.clone()).await;
            assert_eq!(postgres, memory, "{query:?}");
            query.cursor = memory.unwrap().next_cursor;
            if query.cursor.is_none() {
                return;
            }
        }
    }
}

async fn compare(seed: u64) -> BTreeSet<String> {
    let mut pair = Pair {
        memory: MemoryStore::new(),
        postgres: open::store(&open::schema()).await,
        dice: Dice(seed),
        runs: vec![(1, 0, 0); RUNS as usize],
        fresh: 0,
        asked: Vec::new(),
        created: Vec::new(),
        committed: Vec::new(),
        met: BTreeSet::new(),
    };
    pair.ask("enroll", |store| store.enroll(owner(1)));
    pair.ask("enroll", |store| store.enroll(owner(2)));
    for round in 1..=30 {
        for _ in 0..=pair.dice.below(12) {
            pair.write();
        }
        pair.settle().await;
        if round % 3 == 0 {
            pair.read().await;
        }
    }
    let findings = pair.postgres.examine().await.unwrap();
    assert_eq!(findings, Vec::<String>::new());
    pair.met
}

#[tokio::test]
async fn it_answers_what_the_store_in_memory_answers() {
    let mut met = BTreeSet::new();
    for seed in 0..12 {
        met.extend(compare(seed).await);
    }
    assert_eq!(met, MEETS.map(str::to_owned).into());
}
