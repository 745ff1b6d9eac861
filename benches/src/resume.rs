//! W11: from the start of a process to the first step of a run that another process has left unfinished.
//!
//! One process leaves the runs: each has done a step and is in its second when the process ends without a word. Another is
//! started on the store, and writes a byte when the first of these steps runs again, and a second one when all do.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use segue::{Cx, Pipeline, Runner, Step};
use segue_store::Sqlite;
use tokio::sync::Notify;

use crate::harness::{Flavour, median};
use crate::program;

/// Seconds from the start of a process.
#[derive(Debug, Clone, Copy)]
pub struct Resumed {
    /// To the first resumed step.
    pub first: f64,
    /// To the last.
    pub all: f64,
}

/// Leaves so many runs in a new store and takes them up so many times, each time as a new process; medians.
///
/// # Errors
///
/// When a process fails, or a run is not taken up.
pub fn measure(runs: usize, rounds: usize) -> Result<Resumed> {
    let folder = program::scratch()?;
    let store = folder.path().join("store.db");
    program::output(command("leave", &store, runs)?.stdout(Stdio::piped()))?;
    let (mut first, mut all) = (Vec::new(), Vec::new());
    // The round before the first brings the binary and the store into memory.
    for round in 0..=rounds {
        let (to_first, to_all) = time(&mut command("go-on", &store, runs)?)?;
        if round > 0 {
            first.push(to_first.as_secs_f64());
            all.push(to_all.as_secs_f64());
        }
    }
    Ok(Resumed {
        first: median(first),
        all: median(all),
    })
}

fn command(what: &str, store: &Path, runs: usize) -> Result<Command> {
    let mut command = Command::new(program::path("resume")?);
    command.arg(what).arg(store).arg(runs.to_string());
    Ok(command)
}

fn time(command: &mut Command) -> Result<(Duration, Duration)> {
    let began = Instant::now();
    let mut process = command.stdout(Stdio::piped()).spawn().context("start `resume`")?;
    let mut output = process.stdout.take().context("its output is piped")?;
    let mut byte = [0];
    let mut taken = [Duration::ZERO; 2];
    for taken in &mut taken {
        output.read_exact(&mut byte).context("wait for a resumed step")?;
        *taken = began.elapsed();
    }
    let status = process.wait()?;
    ensure!(status.success(), "`resume` ended with {status}");
    Ok((taken[0], taken[1]))
}

/// What the binary `resume` does: `leave` or `go-on`, a store, and how many runs.
///
/// # Errors
///
/// When a run fails, or is not there.
pub fn run(what: &str, store: &Path, runs: usize) -> Result<()> {
    let runtime = Flavour::TwoWorkers.start()?;
    let waiting = Arc::new(Waiting::default());
    let begun = Begun(waiting.clone());
    let pipeline = Pipeline::define("unfinished", |p, n: segue::Out<u64>| {
        let one = p.step("one", one, n);
        p.step("two", begun, one)
    })?;
    let runner = Runner::builder()
        .store(Sqlite::open(store)?)
        .register(&pipeline)
        .build()?;
    runtime.block_on(async {
        match what {
            "leave" => {
                for n in 0..runs {
                    runner.start(&pipeline, n as u64).await?;
                }
                waiting.until(runs).await;
                Ok(())
            }
            "go-on" => {
                let taken = take_up(&runner, runs);
                let seen = async {
                    waiting.until(1).await;
                    say()?;
                    waiting.until(runs).await;
                    say()
                };
                tokio::try_join!(taken, seen).map(|_| ())
            }
            other => bail!("`{other}` is not known: `leave` or `go-on`"),
        }
    })?;
    // As if it had been killed: the next process finds the runs without an owner that lives.
    std::process::exit(0)
}

async fn take_up(runner: &Runner, runs: usize) -> Result<()> {
    let mut taken = 0;
    loop {
        let recovered = runner.recover().await?;
        ensure!(recovered.left.is_empty(), "runs were left: {:?}", recovered.left);
        taken += recovered.taken.len();
        if !recovered.more {
            break;
        }
    }
    ensure!(taken == runs, "{taken} of {runs} runs were taken up");
    Ok(())
}

fn say() -> Result<()> {
    let mut output = std::io::stdout();
    output.write_all(b".")?;
    Ok(output.flush()?)
}

/// How many runs are in their second step.
#[derive(Default)]
struct Waiting {
    begun: AtomicUsize,
    changed: Notify,
}

impl Waiting {
    async fn until(&self, runs: usize) {
        loop {
            let changed = self.changed.notified();
            if self.begun.load(Ordering::Acquire) >= runs {
                return;
            }
            changed.await;
        }
    }
}

async fn one(_cx: Cx, n: u64) -> segue::Result<u64> {
    Ok(n + 1)
}

/// A step that says that it has begun, and never ends.
struct Begun(Arc<Waiting>);

impl Step for Begun {
    type In = u64;
    type Out = u64;

    async fn run(&self, _: Cx, _: u64) -> segue::Result<u64> {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
        std::future::pending().await
    }
}
