//! Campaigns: rounds upon rounds, a new site after some of them, and the verdict over each site.

use std::fmt;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::crowd::{self, Disturbed};
use crate::plant::Fault;
use crate::rounds;
use crate::site::{Place, Site};
use crate::verdict::{Mishap, Tally, Undisturbed, check, undisturbed};

/// Rounds at one site, so that what is looked at together stays small.
const BATCH: u64 = 25;
/// Processes of a crowd.
const SIZE: usize = 4;
/// Runs each of them begins in a round.
const RUNS: u64 = 2;

/// What is done.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The binary that is killed.
    pub worker: PathBuf,
    /// How often.
    pub rounds: u64,
    /// What everything random follows from.
    pub seed: u64,
    /// A fault that has to be found.
    pub fault: Option<Fault>,
}

/// What has been done so far, and what was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Rounds that are over.
    pub rounds: u64,
    /// What was done to processes.
    pub done: Disturbed,
    /// Decisions that a person had to make.
    pub decided: u64,
    /// What the verdicts say.
    pub tally: Tally,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            done,
            decided,
            tally,
        } = self;
        write!(f, "{rounds} rounds: {done}, {decided} decisions; {tally}")
    }
}

/// Something was not as promised. The site stays as it was found.
#[derive(Debug)]
pub struct Found {
    what: String,
    seed: u64,
    folder: PathBuf,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, seed, folder } = self;
        write!(
            f,
            "{what}\nseed {seed}; everything is kept in {}",
            folder.display()
        )
    }
}

impl std::error::Error for Found {}

impl Found {
    /// Where everything is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Campaign {
    /// Kills one process after another, each time until its run is done.
    ///
    /// # Errors
    /// What was not as promised.
    pub async fn kills(
        &self,
        place: impl Fn(u64) -> Place,
        tell: impl Fn(&Report),
    ) -> Result<Report, Mishap> {
        let mut random = Rng::with_seed(self.seed);
        let batch = self.batch();
        // Workers with a fault make their decisions themselves, and cannot know whether the effect was had.
        let least = u64::from(self.fault.is_none());
        self.batches(place, least..=1, tell, |site, number, report| {
            let kills = random.u64(1..=3);
            let total = number % batch + 1;
            let round = rounds::round(site, number, total, kills, &mut random)?;
            report.done.killed += round.killed;
            report.decided += round.decided;
            Ok(())
        })
        .await
    }

    /// Has crowds of four at work, of which some are killed and some are stopped and continued.
    ///
    /// # Errors
    /// What was not as promised.
    pub async fn crowds(
        &self,
        place: impl Fn(u64) -> Place,
        tell: impl Fn(&Report),
    ) -> Result<Report, Mishap> {
        let mut random = Rng::with_seed(self.seed);
        let batch = self.batch();
        self.batches(place, 0..=1, tell, |site, number, report| {
            let (name, before) = (format!("round-{number}"), number % batch * SIZE as u64 * RUNS);
            let disturbances = random.u64(2..6);
            let done = crowd::round(site, (&name, SIZE, RUNS), before, disturbances, &mut random)?;
            report.done.killed += done.killed;
            report.done.stopped += done.stopped;
            Ok(())
        })
        .await
    }

    /// Rounds at one site. A fault is to be found soon.
    fn batch(&self) -> u64 {
        if self.fault.is_some() { 1 } else { BATCH }
    }

    async fn batches(
        &self,
        place: impl Fn(u64) -> Place,
        mails: std::ops::RangeInclusive<u64>,
        tell: impl Fn(&Report),
        mut round: impl FnMut(&Site, u64, &mut Report) -> Result<(), Mishap>,
    ) -> Result<Report, Mishap> {
        let expected = undisturbed().await?;
        let mut report = Report::default();
        while report.rounds < self.rounds {
            let mut site =
                Site::new(&self.worker, place(report.rounds / self.batch()))?.with_fault(self.fault);
            let last = self.rounds.min(report.rounds + self.batch());
            while report.rounds < last {
                if let Err(error) = round(&site, report.rounds, &mut report) {
                    return Err(self.found(&mut site, &error).into());
                }
                report.rounds += 1;
                tell(&report);
            }
            match verdict(&site, &expected, mails.clone()).await {
                Ok(tally) => report.tally += tally,
                Err(error) => return Err(self.found(&mut site, &error).into()),
            }
        }
        Ok(report)
    }

    fn found(&self, site: &mut Site, what: &dyn fmt::Display) -> Found {
        site.keep();
        Found {
            what: what.to_string(),
            seed: self.seed,
            folder: site.folder().to_owned(),
        }
    }
}

async fn verdict(
    site: &Site,
    expected: &Undisturbed,
    mails: std::ops::RangeInclusive<u64>,
) -> Result<Tally, Mishap> {
    let store = site.store().await?;
    Ok(check(&store, &site.effects()?, expected, mails).await?)
}

/// The worker that was built beside a program.
#[must_use]
pub fn beside(program: &Path) -> PathBuf {
    program.with_file_name("segue-crash-worker")
}
