//! Rounds: a run is begun, its process is killed at some point, the next one is killed as well or finishes it.

use std::fmt;
use std::io;

use crate::crowd::Part;
use crate::house;
use crate::plant::Fault;
use crate::process::Gone;
use crate::site::Site;
use fastrand::Rng;

/// Fail points a process reaches at most before it is done.
const POINTS: u64 = 140;
/// Lines a process says at most before it is done.
const LINES: usize = 110;
/// Processes after which a run has to be done.
const MOST: usize = 16;

/// What a round came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// Processes that were killed.
    pub killed: u64,
    /// Decisions that a person had to make.
    pub decided: u64,
}

/// Why a round did not end as it should.
#[derive(Debug)]
pub enum Trouble {
    /// The system.
    Io(io::Error),
    /// Segue.
    Found(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Found(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Trouble {}

/// Where a process is killed.
enum Death {
    /// At a fail point.
    Point(String),
    /// When it has said so many lines.
    Line(usize),
    /// Not.
    Never,
}

/// A run under way: what its client knows of it.
struct Client<'a> {
    site: &'a Site,
    key: String,
    /// Runs of the site, with this one.
    total: u64,
    /// Its id, once a process has said it.
    run: Option<String>,
    round: Round,
}

/// One round: up to `kills` processes are killed before one may finish. With its run there are `total` at the site.
///
/// # Errors
/// What did not go as promised.
pub fn round(site: &Site, number: u64, total: u64, kills: u64, random: &mut Rng) -> Result<Round, Trouble> {
    let mut client = Client {
        site,
        key: format!("round-{number}"),
        total,
        run: None,
        round: Round::default(),
    };
    for _ in 0..kills {
        let shows_at = site.fault().and_then(Fault::shows_at);
        let death = match random.bool() {
            _ if let Some((point, times)) = shows_at => {
                Death::Point(format!("{point}@{}=kill", random.u64(1..=times)))
            }
            true => Death::Point(format!("*@{}=kill", random.u64(1..=POINTS))),
            false => Death::Line(random.usize(0..LINES)),
        };
        let by_id = random.bool();
        if client.process(death, by_id)? {
            return Ok(client.round);
        }
    }
    for _ in 0..MOST {
        let by_id = random.bool();
        if client.process(Death::Never, by_id)? {
            return Ok(client.round);
        }
    }
    Err(client.found(format!("is not done after {MOST} processes that nobody killed")))
}

impl Client<'_> {
    fn found(&self, what: impl fmt::Display) -> Trouble {
        let run = self.run.as_deref().unwrap_or("that nobody knows the id of");
        Trouble::Found(format!("{}: the run {run} {what}", self.key))
    }

    /// One process; true when the run is done.
    fn process(&mut self, death: Death, by_id: bool) -> Result<bool, Trouble> {
        let arguments = self.arguments(by_id);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let gone = match death {
            Death::Never => self.site.run(&arguments, None)?,
            Death::Point(point) => self.site.run(&arguments, Some(&point))?,
            Death::Line(line) => {
                let mut process = self.site.start(&arguments, None)?;
                let _ = (0..line).take_while(|_| process.line().is_some()).count();
                process.kill();
                process.gone()?
            }
        };
        self.learn(&gone)?;
        match gone.code {
            None => {
                self.round.killed += 1;
                Ok(false)
            }
            Some(0) => Ok(true),
            Some(3) => {
                self.decide()?;
                Ok(false)
            }
            Some(code) => Err(self.found(format!("ended with {code}: {}", gone.stderr))),
        }
    }

    /// The command line of the next process.
    fn arguments(&self, by_id: bool) -> Vec<String> {
        if self.site.fault().is_some() {
            let part = Part {
                name: self.key.clone(),
                begins: (0, 1),
                total: self.total,
            };
            return part.arguments();
        }
        let words: &[&str] = match self.run.as_deref().filter(|_| by_id) {
            Some(run) => &["resume", run],
            None => &["run", "work.yaml", "--request-key", &self.key],
        };
        let told = ["--no-input", "--output", "ndjson"];
        words.iter().chain(&told).map(|&word| word.to_owned()).collect()
    }

    /// What was said of the run stays true.
    fn learn(&mut self, gone: &Gone) -> Result<(), Trouble> {
        let said = gone.stdout.iter().find_map(|line| {
            if let Some(run) = line.strip_prefix("began ") {
                return Some(run.to_owned());
            }
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line["run"].as_str().map(str::to_owned)
        });
        let Some(said) = said else { return Ok(()) };
        if self.run.as_ref().is_some_and(|known| *known != said) {
            return Err(self.found(format!("has become {said}")));
        }
        self.run = Some(said);
        Ok(())
    }

    /// A tool that must not be called twice may have been called: a person looks, and says what is to be done.
    fn decide(&mut self) -> Result<(), Trouble> {
        let run = self.run.clone().ok_or_else(|| self.found("waits"))?;
        let word = match had_its_effect(self.site, &run)? {
            true => "skip",
            false => "repeat",
        };
        self.round.decided += 1;
        let gone = self
            .site
            .run(&["answer", &run, "--decide", word, "--no-input"], None)?;
        match gone.code {
            Some(0 | 3) => Ok(()),
            code => Err(self.found(format!("could not be answered ({code:?}): {}", gone.stderr))),
        }
    }
}

/// Whether the mail of a run went out.
fn had_its_effect(site: &Site, run: &str) -> io::Result<bool> {
    let what = format!("{} {run}", house::MAIL);
    Ok(site
        .effects()?
        .values()
        .any(|seen| seen.what == what && seen.ended > 0))
}
