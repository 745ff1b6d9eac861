//! W9: how much memory large data takes on its way through durable steps.
//!
//! A process for each way: data by reference, as artifacts that steps write and read piece by piece; and data by value, as
//! the output of a step, kept beside the log because of its size. Growth is the most that the process had in memory at
//! once, as the system counts it, over what it had before the run, which a smaller run has warmed up.

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use segue::artifact::Media;
use segue::{Artifact, Cx, Pipeline, Runner};
use segue_store::Sqlite;

use crate::harness::Flavour;
use crate::program;

/// Bytes that a step appends at once.
const PIECE: usize = 256 * 1024;

/// How data goes from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As artifacts, written and read piece by piece.
    Reference,
    /// As the output itself.
    Value,
    /// As the output itself, of a run that ends with its process: what the steps need without being durable.
    ValueInMemory,
    /// The same value through the same functions, without a pipeline: what whoever makes it has in its hands.
    Alone,
}

impl Way {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Reference, "reference"),
        (Self::Value, "value"),
        (Self::ValueInMemory, "value-in-memory"),
        (Self::Alone, "alone"),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(way, _)| *way == self);
        found.map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == word);
        found
            .map(|(way, _)| way)
            .with_context(|| format!("way `{word}` is not known"))
    }
}

/// Starts the measuring process; gives the growth in bytes.
///
/// # Errors
///
/// When a run fails or is wrong.
pub fn measure(way: Way, bytes: u64) -> Result<u64> {
    let mut command = Command::new(program::path("large")?);
    let (growth, _) = program::output(command.args([way.word(), &bytes.to_string()]))?;
    Ok(growth.trim().parse()?)
}

/// What the binary `large` does: gives the growth in bytes.
///
/// # Errors
///
/// When a run fails or is wrong, or the system does not tell how much memory there is.
pub fn growth(way: &str, bytes: u64) -> Result<u64> {
    let way = Way::of(way)?;
    let folder = program::scratch()?;
    let runtime = Flavour::TwoWorkers.start()?;
    let builder = Runner::builder();
    let runner = match way {
        Way::ValueInMemory | Way::Alone => builder.build()?,
        Way::Reference | Way::Value => builder
            .store(Sqlite::open(folder.path().join("store.db"))?)
            .build()?,
    };
    runtime.block_on(run(&runner, way, 1_000_000))?;
    // From here on the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").context("reset the peak of the memory")?;
    let before = status("VmRSS:")?;
    runtime.block_on(run(&runner, way, bytes))?;
    Ok(status("VmHWM:")?.saturating_sub(before))
}

async fn run(runner: &Runner, way: Way, bytes: u64) -> Result<()> {
    let seen = match way {
        Way::Reference => {
            let pipeline = Pipeline::define("by-reference", |p, bytes| {
                let made = p.step("make", make, bytes);
                let copied = p.step("copy", copy, made);
                p.step("measure", length, copied)
            })?;
            runner.start(&pipeline, bytes).await?.done().await?.output
        }
        Way::Value | Way::ValueInMemory => {
            let pipeline = Pipeline::define("by-value", |p, bytes| {
                let made = p.step("make", make_text, bytes);
                let passed = p.step("pass", pass_text, made);
                p.step("measure", length_of_text, passed)
            })?;
            let ran = TEXTS.swap(0, Ordering::Relaxed);
            ensure!(ran == 0, "a step ran that was not asked for");
            let length = runner.start(&pipeline, bytes).await?.done().await?.output;
            ensure!(TEXTS.swap(0, Ordering::Relaxed) == 3, "each step runs once");
            length
        }
        Way::Alone => black_box(text(bytes)).len() as u64,
    };
    if seen != bytes {
        bail!("{seen} of {bytes} bytes came to the last step");
    }
    Ok(())
}

/// How many steps with a text ran.
static TEXTS: AtomicU64 = AtomicU64::new(0);

async fn make(cx: Cx, bytes: u64) -> segue::Result<Artifact> {
    let mut writer = cx.artifacts().write("made.bin", Media::Bytes).await?;
    let mut left = bytes;
    let mut value = 1_u8;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        writer.append(vec![value; piece]).await?;
        value = value.wrapping_mul(31).wrapping_add(7);
        left -= piece as u64;
    }
    writer.finish().await
}

async fn copy(cx: Cx, made: Artifact) -> segue::Result<Artifact> {
    let artifacts = cx.artifacts();
    let mut reader = artifacts.read(&made).await?;
    let mut writer = artifacts.write("copy.bin", Media::Bytes).await?;
    // Other bytes than before, so that they are kept a second time.
    writer.append([0]).await?;
    while let Some(piece) = reader.next().await? {
        writer.append(piece).await?;
    }
    writer.finish().await
}

async fn length(cx: Cx, copied: Artifact) -> segue::Result<u64> {
    let mut reader = cx.artifacts().read(&copied).await?;
    let mut length = 0;
    while let Some(piece) = reader.next().await? {
        length += piece.len() as u64;
    }
    Ok(length - 1)
}

async fn make_text(_cx: Cx, bytes: u64) -> segue::Result<String> {
    TEXTS.fetch_add(1, Ordering::Relaxed);
    Ok(text(bytes))
}

fn text(bytes: u64) -> String {
    "x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX))
}

async fn pass_text(_cx: Cx, text: String) -> segue::Result<String> {
    TEXTS.fetch_add(1, Ordering::Relaxed);
    Ok(text)
}

async fn length_of_text(_cx: Cx, text: String) -> segue::Result<u64> {
    TEXTS.fetch_add(1, Ordering::Relaxed);
    Ok(text.len() as u64)
}

/// A number of bytes that the system tells of this process.
fn status(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("ask how much memory there is")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("the system does not tell `{name}`"))?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
