//! Crowds: several processes on one store. Some are killed and come back, some are stopped until others have taken what they
//! held, and continued then.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use segue::question::QuestionKind;
use segue::store::{RunQuery, Store, StoreError, StoreErrorKind};
use segue::{ErrorKind, Launch, RunStatus, Runner};
use serde_json::{Value as Json, json};

use crate::effects::{self, Effects};
use crate::house;
use crate::plant::Fault;
use crate::process::{Process, Teller};
use crate::site::{self, Site};
use crate::verdict::{self, Mishap};

/// The word on the command line of a worker that makes it one of a crowd.
pub const VERB: &str = "crowd";

/// How long an owner may say nothing: as short as it can be, so that others take over soon.
const LEASE: Duration = Duration::from_secs(1);
/// How often a worker looks whether there is something to be done.
const LOOK: Duration = Duration::from_millis(50);
/// When nobody has said anything for so long, whoever is stopped may go on.
const SILENCE: Duration = Duration::from_secs(3);

/// How much a crowd may say, all together, before its work has to be done: many times what it says.
const MOST: u64 = 3_000;

/// What a worker of a crowd is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which crowd, for the keys of its requests.
    pub name: String,
    /// Which of its runs it begins: from, and how many.
    pub begins: (u64, u64),
    /// How many runs there are in the store when all is done.
    pub total: u64,
}

impl Part {
    /// What a worker is told on its command line.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let Self {
            name,
            begins: (from, count),
            total,
        } = self;
        vec![
            VERB.to_owned(),
            name.clone(),
            from.to_string(),
            count.to_string(),
            total.to_string(),
        ]
    }

    /// From the arguments of a process, with the store.
    fn read(arguments: &[String]) -> Option<(Self, String)> {
        let [verb, name, from, count, total, flag, store] = arguments else {
            return None;
        };
        let part = Self {
            name: name.clone(),
            begins: (from.parse().ok()?, count.parse().ok()?),
            total: total.parse().ok()?,
        };
        (verb == VERB && flag == "--store").then(|| (part, store.clone()))
    }
}

/// A worker of a crowd, from its arguments to its end: it begins its runs, and helps until all are over.
#[must_use]
pub fn work(effects: &Effects) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let worked = Part::read(&arguments)
        .ok_or_else(|| Mishap::from("a crowd needs a name, runs and a store"))
        .and_then(|(part, store)| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(help(&part, &store, effects))
        });
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn help(part: &Part, store: &str, effects: &Effects) -> Result<(), Mishap> {
    let effects = effects.clone().aloud();
    let fault = Fault::of_this_process()?;
    let store = Fault::in_front_of(fault, site::open(store).await?);
    let runner = verdict::runner(store.clone(), &effects).lease(LEASE).build()?;
    let pipeline = verdict::pipeline(&effects, fault)?;
    let (from, count) = part.begins;
    for number in from..from + count {
        let begin = || async {
            let launch: Launch<Json, Json> = runner.start(&pipeline, json!({}));
            Ok(launch.request_key(format!("{}-{number}", part.name)).await?)
        };
        println!("began {}", patiently(begin).await?.id());
    }
    while patiently(|| look(&runner, &store)).await? < part.total {
        tokio::time::sleep(LOOK).await;
    }
    patiently(|| async { Ok(runner.close().await?) }).await
}

/// Takes up what there is, makes decisions, and counts what is over.
async fn look(runner: &Runner, store: &Arc<dyn Store>) -> Result<u64, Mishap> {
    runner.recover().await?;
    decide(runner, store).await?;
    let over = over(store).await?;
    println!("{over} are over");
    Ok(over)
}

/// Does something again for as long as the store is busy: somebody who was stopped in the middle of a transaction keeps
/// it locked.
async fn patiently<T, F: Future<Output = Result<T, Mishap>>>(
    mut this: impl FnMut() -> F,
) -> Result<T, Mishap> {
    loop {
        match this().await {
            Err(error) if is_busy(&error) => println!("the store is busy"),
            done => return done,
        }
    }
}

fn is_busy(error: &Mishap) -> bool {
    match (
        error.downcast_ref::<segue::Error>(),
        error.downcast_ref::<StoreError>(),
    ) {
        (Some(error), _) => error.kind() == ErrorKind::StoreBusy,
        (_, Some(error)) => error.kind == StoreErrorKind::Busy,
        _ => false,
    }
}

async fn over(store: &Arc<dyn Store>) -> Result<u64, Mishap> {
    let query = RunQuery {
        status: vec![RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled],
        limit: 500,
        ..RunQuery::default()
    };
    let mut over = 0;
    let mut page = store.runs(query.clone()).await?;
    loop {
        over += page.items.len() as u64;
        let Some(next) = page.next_cursor else {
            return Ok(over);
        };
        let cursor = Some(next);
        page = store
            .runs(RunQuery {
                cursor,
                ..query.clone()
            })
            .await?;
    }
}

/// Nobody can know whether one that is only stopped will still have its effect, so what may have been done is not repeated.
async fn decide(runner: &Runner, store: &Arc<dyn Store>) -> Result<(), Mishap> {
    let seen = match std::env::var_os(effects::VARIABLE) {
        Some(path) => effects::read(path.as_ref())?,
        None => Default::default(),
    };
    for question in store.questions(None, 100).await? {
        if question.kind != QuestionKind::Decision {
            continue;
        }
        let what = format!("{} {}", house::MAIL, question.run);
        let begun = seen.values().any(|seen| seen.what == what);
        let word = if begun { "skip" } else { "repeat" };
        match runner.answer(question.id, word).await {
            Ok(()) => println!("{}: {word}", question.run),
            // Somebody else was first.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What was done to a crowd.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disturbed {
    /// Processes that were killed.
    pub killed: u64,
    /// Processes that were stopped and continued.
    pub stopped: u64,
}

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} killed, {} stopped", self.killed, self.stopped)
    }
}

/// A crowd under way.
struct Crowd<'a> {
    site: &'a Site,
    parts: Vec<Part>,
    members: Vec<Member>,
    said: (Sender<Said>, Receiver<Said>),
    done: Disturbed,
}

/// One of its processes.
struct Member {
    process: Process,
    /// After how many more lines of others it is continued; none while it is not stopped.
    stopped: Option<u64>,
    is_gone: bool,
}

/// A member said something, or nothing more.
struct Said {
    member: usize,
    /// Which of its processes, as each that was killed has a successor.
    process: u32,
    is_end: bool,
}

/// Has `size` processes work through `runs` runs each, with so many disturbances.
///
/// # Errors
/// What did not go as promised.
pub fn round(
    site: &Site,
    (name, size, runs): (&str, usize, u64),
    before: u64,
    disturbances: u64,
    random: &mut Rng,
) -> io::Result<Disturbed> {
    let total = before + size as u64 * runs;
    let part = |member: u64| Part {
        name: name.to_owned(),
        begins: (member * runs, runs),
        total,
    };
    let mut crowd = Crowd {
        site,
        parts: (0..size as u64).map(part).collect(),
        members: Vec::new(),
        said: channel(),
        done: Disturbed::default(),
    };
    for member in 0..size {
        let process = crowd.start(member)?;
        crowd.members.push(Member {
            process,
            stopped: None,
            is_gone: false,
        });
    }
    crowd.disturb(disturbances, random)?;
    Ok(crowd.done)
}

impl Crowd<'_> {
    fn start(&self, member: usize) -> io::Result<Process> {
        let arguments = self.parts[member].arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut process = self.site.start(&arguments, None)?;
        let (lines, said, id) = (process.lines(), self.said.0.clone(), process.id());
        thread::spawn(move || tell(lines, &said, member, id));
        Ok(process)
    }

    fn disturb(&mut self, mut left: u64, random: &mut Rng) -> io::Result<()> {
        let mut pause = random.u64(1..40);
        let mut heard = 0;
        while self.members.iter().any(|member| !member.is_gone) {
            match self.said.1.recv_timeout(SILENCE) {
                Ok(said) => {
                    heard += 1;
                    if heard > MOST {
                        let message =
                            format!("the crowd does not come to an end: it has said {heard} things");
                        return Err(io::Error::other(message));
                    }
                    self.hear(&said)?;
                }
                Err(RecvTimeoutError::Timeout) => self.go_on(|_| true),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.go_on(|stopped| *stopped == 0);
            pause = pause.saturating_sub(1);
            if pause > 0 || left == 0 {
                continue;
            }
            pause = random.u64(1..40);
            left -= 1;
            self.strike(random)?;
        }
        Ok(())
    }

    fn hear(&mut self, said: &Said) -> io::Result<()> {
        for (number, member) in self.members.iter_mut().enumerate() {
            if let Some(stopped) = member.stopped.as_mut().filter(|_| number != said.member) {
                *stopped = stopped.saturating_sub(1);
            }
        }
        let is_present = self.members[said.member].process.id() == said.process;
        if !said.is_end || !is_present {
            return Ok(());
        }
        let member = &mut self.members[said.member];
        member.is_gone = true;
        let gone = member.process.wait()?;
        match gone.code {
            Some(0) => Ok(()),
            code => Err(io::Error::other(format!(
                "process {} of the crowd ended with {code:?}: {}",
                said.member, gone.stderr
            ))),
        }
    }

    /// Continues those for whom it is time.
    fn go_on(&mut self, is_time: impl Fn(&u64) -> bool) {
        for member in &mut self.members {
            if member.stopped.as_ref().is_some_and(&is_time) {
                member.process.signal(Signal::CONT);
                member.stopped = None;
            }
        }
    }

    /// Kills one or stops one. One is always left to work.
    fn strike(&mut self, random: &mut Rng) -> io::Result<()> {
        let chosen = random.usize(0..self.members.len());
        let at_work = |member: &Member| !member.is_gone && member.stopped.is_none();
        if !at_work(&self.members[chosen]) {
            return Ok(());
        }
        if random.bool() {
            let killed = &mut self.members[chosen].process;
            killed.kill();
            killed.wait()?;
            self.done.killed += 1;
            self.members[chosen].process = self.start(chosen)?;
        } else if self.members.iter().filter(|member| at_work(member)).count() > 1 {
            let member = &mut self.members[chosen];
            member.process.signal(Signal::STOP);
            member.stopped = Some(random.u64(5..150));
            self.done.stopped += 1;
        }
        Ok(())
    }
}

fn tell(mut lines: Teller, said: &Sender<Said>, member: usize, process: u32) {
    loop {
        let is_end = lines.next().is_none();
        let heard = said.send(Said {
            member,
            process,
            is_end,
        });
        if is_end || heard.is_err() {
            return;
        }
    }
}
