//! The verdict: what the store has on record, held against what the outside world has seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use segue::budget::limit::Amount;
use segue::log::{EventKind, RunLog};
use segue::money::Nanousd;
use segue::store::{ArtifactQuery, HoldState, MemoryStore, RunQuery, Store};
use segue::view::{CallStatus, CallView, RunView};
use segue::{Pipeline, RunId, RunStatus, Runner};
use serde_json::{Value as Json, json};

use crate::effects::{Effects, Seen};
use crate::house;
use crate::plant::Fault;

/// What is compared with: a run that nobody disturbs.
#[derive(Debug, Clone, PartialEq)]
pub struct Undisturbed {
    /// What it gives.
    pub output: Json,
    /// What it costs.
    pub cost: Nanousd,
    /// The steps that succeed, by their paths.
    pub steps: BTreeSet<String>,
    /// Calls that give an answer, by step and position.
    pub calls: BTreeSet<(String, String)>,
}

/// Something that has nothing to do with what is tested.
pub type Mishap = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub Vec<String>);

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Calls that were sent.
    pub calls: u64,
    /// Calls of which nobody knows what became of them.
    pub uncertain: u64,
    /// Effects that were begun.
    pub effects: u64,
    /// How often a run was taken up.
    pub resumed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.uncertain += other.uncertain;
        self.effects += other.effects;
        self.resumed += other.resumed;
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Findings {}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            runs,
            calls,
            uncertain,
            effects,
            resumed,
        } = self;
        write!(
            f,
            "{runs} runs, taken up {resumed} times; {calls} calls, of which {uncertain} uncertain; {effects} effects"
        )
    }
}

/// The pipeline, as the command line reads it.
///
/// # Errors
/// When it is none.
pub fn pipeline(effects: &Effects, fault: Option<Fault>) -> Result<Pipeline<Json, Json>, Mishap> {
    let files = BTreeMap::from([("work.yaml".to_owned(), Fault::work(fault))]);
    let loaded = segue::file::load_from(
        &files,
        "work.yaml",
        "work.yaml",
        &house::registry(effects),
        segue::file::LoadOptions::default(),
    )
    .map_err(|rejected| rejected.to_string())?;
    Ok(Pipeline::from_plan(&loaded.plan, &house::registry(effects))?)
}

/// A runner with the models, tools and prices of the house.
#[must_use]
pub fn runner(store: Arc<dyn Store>, effects: &Effects) -> segue::RunnerBuilder {
    let price = segue::price::Price::per_million(segue::usd(10.0), segue::usd(100.0));
    Runner::builder()
        .registry(house::registry(effects))
        .models(house::models(effects))
        .prices(segue::price::PriceBook::new(SystemTime::UNIX_EPOCH).with_override(house::MODEL, price))
        .store_in(store)
}

/// Runs the pipeline where nothing happens to it.
///
/// # Errors
/// When it fails all the same.
pub async fn undisturbed() -> Result<Undisturbed, Mishap> {
    let effects = Effects::unseen();
    let runner = runner(Arc::new(MemoryStore::new()), &effects).build()?;
    let run = runner.start(&pipeline(&effects, None)?, json!({})).await?;
    let done = run.done().await?;
    let view = run.view();
    Ok(Undisturbed {
        output: done.output,
        cost: view.cost().nanousd,
        steps: succeeded(&run.log()).into_keys().collect(),
        calls: answered(&view).into_iter().map(place).collect(),
    })
}

/// Looks at every run of a store. `mails` says how often the effect that must not be repeated may have been had in each.
///
/// # Errors
/// Everything that is wrong.
pub async fn check(
    store: &Arc<dyn Store>,
    seen: &BTreeMap<String, Seen>,
    expected: &Undisturbed,
    mails: RangeInclusive<u64>,
) -> Result<Tally, Findings> {
    let mut check = Check {
        mails,
        seen,
        expected,
        tally: Tally::default(),
        paid: [0; 2],
        started: HashMap::new(),
        findings: Vec::new(),
    };
    if let Err(error) = check.all(store).await {
        check.findings.push(format!("the store cannot be read: {error}"));
    }
    match check.findings.is_empty() {
        true => Ok(check.tally),
        false => Err(Findings(check.findings)),
    }
}

struct Check<'a> {
    mails: RangeInclusive<u64>,
    seen: &'a BTreeMap<String, Seen>,
    expected: &'a Undisturbed,
    tally: Tally,
    /// What all runs have cost, as far as that is known, and what is uncertain.
    paid: [u64; 2],
    /// How often a call was sent under a key, as the record says.
    started: HashMap<String, u64>,
    findings: Vec<String>,
}

impl Check<'_> {
    async fn all(&mut self, store: &Arc<dyn Store>) -> Result<(), segue::Error> {
        self.findings.extend(store.examine().await?);
        let runner = runner(store.clone(), &Effects::unseen()).build()?;
        let mut query = RunQuery {
            limit: 100,
            ..RunQuery::default()
        };
        loop {
            let page = store.runs(query.clone()).await?;
            for head in &page.items {
                let run = runner.attach(head.id).await?;
                self.run(head.id, &run.log(), &run.view());
                self.artifacts(store, head.id).await?;
                let holds = store.holds(head.id).await?;
                if holds.iter().any(|hold| hold.state == HoldState::Reserved) {
                    self.find(head.id, "is over and still holds a part of a budget");
                }
            }
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        self.effects();
        self.shared(store).await
    }

    /// What the runs have spent of the budget of their days together is what each says of itself.
    async fn shared(&mut self, store: &Arc<dyn Store>) -> Result<(), segue::Error> {
        let mut counted = [0; 2];
        for account in store.accounts(None, usize::MAX).await? {
            if account.reserved != [0; 3] {
                let what = format!(
                    "nothing is at work, and {} holds {:?}",
                    account.key, account.reserved
                );
                self.findings.push(what);
            }
            counted[0] += account.spent[0];
            counted[1] += account.uncertain[0];
        }
        let paid = self.paid;
        if counted != paid {
            let what = format!("runs say they spent {paid:?}, known and uncertain, and together {counted:?}");
            self.findings.push(what);
        }
        Ok(())
    }

    fn find(&mut self, run: RunId, what: impl fmt::Display) {
        self.findings.push(format!("run {run} {what}"));
    }

    fn run(&mut self, run: RunId, log: &RunLog, view: &RunView) {
        self.tally.runs += 1;
        let cost = view.cost();
        for (sum, money) in self.paid.iter_mut().zip([cost.nanousd, cost.uncertain_nanousd]) {
            *sum += money.nanos().unsigned_abs();
        }
        let events = log.events();
        let gaps = events
            .iter()
            .zip(1..)
            .filter(|(event, seq)| event.seq != *seq)
            .count();
        if gaps > 0 {
            self.find(run, "has gaps in its events");
        }
        let resumed = |kind: &EventKind| matches!(kind, EventKind::RunResumed { .. });
        self.tally.resumed += events.iter().filter(|event| resumed(&event.kind)).count() as u64;
        if view.status() != RunStatus::Succeeded {
            let why = view
                .error()
                .map(|failure| failure.message.clone())
                .unwrap_or_default();
            self.find(run, format!("is {}: {why}", view.status()));
            return;
        }
        let output = view.output().and_then(|output| output.to_json().ok());
        if output.as_deref() != Some(&self.expected.output) {
            self.find(run, "does not give what an undisturbed run gives");
        }
        let steps = succeeded(log);
        for (path, times) in &steps {
            if *times > 1 {
                self.find(run, format!("has {times} outcomes of `{path}`"));
            }
        }
        if !steps.keys().eq(&self.expected.steps) {
            self.find(run, "does not have the steps of an undisturbed run");
        }
        self.calls(run, view);
        for budget in view.budgets() {
            let [spent, reserved, limit] = [budget.spent, budget.reserved, budget.limit].map(figure);
            if spent + reserved > limit {
                self.find(run, format!("went beyond its budget: {budget:?}"));
            }
        }
    }

    fn calls(&mut self, run: RunId, view: &RunView) {
        let mut answers: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut cost = Nanousd::ZERO;
        for call in view.calls() {
            if !call.status.is_settled() {
                self.find(run, format!("is over and its call {} is not", call.id));
            }
            if let Some(key) = &call.idempotency_key {
                *self.started.entry(key.clone()).or_default() += 1;
                self.tally.calls += 1;
            }
            match call.status {
                CallStatus::Succeeded => {
                    *answers.entry(place(call)).or_default() += 1;
                    cost = cost.checked_add(call.cost.nanousd).unwrap_or(cost);
                }
                CallStatus::Failed => cost = cost.checked_add(call.cost.nanousd).unwrap_or(cost),
                CallStatus::Uncertain => self.tally.uncertain += 1,
                _ => {}
            }
        }
        for ((step, position), times) in &answers {
            if *times > 1 {
                self.find(
                    run,
                    format!("was answered {times} times in `{step}` at {position}"),
                );
            }
        }
        let missing: Vec<_> = self
            .expected
            .calls
            .iter()
            .filter(|place| !answers.contains_key(*place))
            .collect();
        // The tool that must not be called twice may have been called without an answer on record.
        if missing.iter().any(|(step, _)| step != "mail") {
            self.find(run, format!("has no answer for {missing:?}"));
        }
        if cost != self.expected.cost {
            let expected = self.expected.cost;
            self.find(run, format!("paid {cost} for answers, and not {expected}"));
        }
    }

    async fn artifacts(&mut self, store: &Arc<dyn Store>, run: RunId) -> Result<(), segue::Error> {
        let query = ArtifactQuery {
            run: Some(run),
            ..ArtifactQuery::default()
        };
        let kept = store.artifacts(query).await?;
        if !kept.iter().any(|kept| !kept.is_output) {
            self.find(run, "has lost its artifact");
        }
        for kept in kept {
            let hash = kept.artifact.sha256.clone();
            let bytes = store.blobs().load(&hash, kept.artifact.bytes + 1).await?;
            if bytes.map(|bytes| bytes.len() as u64) != Some(kept.artifact.bytes) {
                self.find(run, format!("has lost the bytes of `{}`", kept.artifact.name));
            }
        }
        Ok(())
    }

    /// The outside world has seen nothing that is not on record, and nothing more often.
    fn effects(&mut self) {
        for (key, seen) in self.seen {
            self.tally.effects += seen.begun;
            let started = self.started.get(key).copied().unwrap_or(0);
            if seen.begun > started {
                let Seen { what, begun, .. } = seen;
                self.findings.push(format!(
                    "`{what}` was done {begun} times under {key}, and {started} are on record"
                ));
            }
            let is_mail = seen.what.starts_with(house::MAIL);
            if is_mail && !self.mails.contains(&seen.ended) {
                let ended = seen.ended;
                self.findings.push(format!(
                    "the effect that must not be repeated was had {ended} times under {key}"
                ));
            }
        }
    }
}

fn figure(amount: Amount) -> i128 {
    match amount {
        Amount::Usd(money) => money.nanos().into(),
        Amount::Tokens(count) | Amount::Requests(count) => count.into(),
    }
}

fn answered(view: &RunView) -> Vec<&CallView> {
    view.calls()
        .filter(|call| call.status == CallStatus::Succeeded)
        .collect()
}

fn place(call: &CallView) -> (String, String) {
    (call.step.clone(), call.position.clone())
}

/// How often each step has succeeded.
fn succeeded(log: &RunLog) -> BTreeMap<String, u64> {
    let mut steps = BTreeMap::new();
    for event in log.events() {
        if let EventKind::StepSucceeded { .. } = event.kind {
            *steps.entry(event.step.clone().unwrap_or_default()).or_default() += 1;
        }
    }
    steps
}
