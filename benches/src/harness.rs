//! Runs contenders in turn, round after round, and takes medians.
//!
//! In a round every contender runs once, and each round begins with another one, so that what else the machine does falls on
//! all of them alike. The clock starts when all definitions are built, on a worker of the runtime: from outside, the first
//! hand-over to a worker would cost more than many steps. Every sample is checked after the clock has stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

use crate::contender::{Contender, Run};
use crate::shape::Shape;

/// Which tokio runtime everything of a table runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Two workers, as a program with `#[tokio::main]` has on two cores.
    TwoWorkers,
    /// One thread.
    CurrentThread,
}

impl Flavour {
    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub fn start(self) -> Result<Runtime> {
        let mut builder = match self {
            Self::TwoWorkers => Builder::new_multi_thread(),
            Self::CurrentThread => Builder::new_current_thread(),
        };
        builder
            .worker_threads(2)
            .enable_time()
            .build()
            .context("start the tokio runtime")
    }

    /// As the heading of the table has it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::TwoWorkers => "tokio multi-thread, 2 workers",
            Self::CurrentThread => "tokio current-thread",
        }
    }
}

/// Whether the runs of a sample follow each other or all begin at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The next begins when the one before is done.
    InTurn,
    /// So many are spawned together, and the next so many when all of these are done.
    AtOnce(usize),
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Times every contender runs.
    pub rounds: usize,
    /// Runs of a shape between two looks at the clock.
    pub runs: usize,
    /// How these runs are started.
    pub order: Order,
}

/// What one contender took for the runs of one round.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Taken {
    /// From the first run's start to the last run's end.
    pub wall: Duration,
    /// Processor time of all threads in between.
    pub cpu: Duration,
}

/// What every contender took, by contender and round.
#[derive(Debug)]
pub struct Measured {
    taken: Vec<Vec<Taken>>,
}

impl Measured {
    /// Median over the rounds.
    pub fn median(&self, contender: usize) -> Taken {
        let of = |part: fn(&Taken) -> Duration| {
            Duration::from_secs_f64(median(
                self.taken[contender]
                    .iter()
                    .map(|taken| part(taken).as_secs_f64()),
            ))
        };
        Taken {
            wall: of(|taken| taken.wall),
            cpu: of(|taken| taken.cpu),
        }
    }

    /// Median over the rounds of the wall time of one contender divided by that of another in the same round.
    pub fn wall_ratio(&self, contender: usize, to: usize) -> f64 {
        self.ratio(contender, to, |taken| taken.wall)
    }

    /// The same for processor time.
    pub fn cpu_ratio(&self, contender: usize, to: usize) -> f64 {
        self.ratio(contender, to, |taken| taken.cpu)
    }

    fn ratio(&self, contender: usize, to: usize, part: fn(&Taken) -> Duration) -> f64 {
        let rounds = self.taken[contender].iter().zip(&self.taken[to]);
        median(rounds.map(|(one, other)| part(one).as_secs_f64() / part(other).as_secs_f64()))
    }
}

/// Measures the contenders on the shape beside each other.
///
/// # Errors
///
/// When a contender fails, or its result is wrong.
pub fn measure(
    runtime: &Runtime,
    contenders: &[Box<dyn Contender>],
    shape: &Arc<Shape>,
    effort: Effort,
) -> Result<Measured> {
    let mut taken = vec![Vec::with_capacity(effort.rounds); contenders.len()];
    // The round before the first warms up caches, allocator and branch predictor, and is thrown away.
    for round in 0..=effort.rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let contender = contenders[index].as_ref();
            let sample = sample(runtime, contender, shape, effort)
                .with_context(|| format!("contender `{}` in round {round}", contender.name()))?;
            if round > 0 {
                taken[index].push(sample);
            }
        }
    }
    Ok(Measured { taken })
}

/// Prepares the runs of one contender, times them and checks them.
///
/// # Errors
///
/// As for [`measure`].
pub fn sample(
    runtime: &Runtime,
    contender: &dyn Contender,
    shape: &Arc<Shape>,
    effort: Effort,
) -> Result<Taken> {
    let inputs: Vec<u64> = (1..).take(effort.runs).collect();
    let runs = contender.prepare(shape, &inputs)?;
    let (outputs, taken) = runtime.block_on(runtime.spawn(timed(runs, effort.order)))??;
    shape.check(&inputs, &outputs)?;
    Ok(taken)
}

async fn timed(runs: Vec<Run>, order: Order) -> Result<(Vec<u64>, Taken)> {
    let (began, cpu_before) = (Instant::now(), cpu_time()?);
    let outputs = match order {
        Order::InTurn => in_turn(runs).await?,
        Order::AtOnce(width) => at_once(runs, width).await?,
    };
    let taken = Taken {
        wall: began.elapsed(),
        cpu: cpu_time()?.saturating_sub(cpu_before),
    };
    Ok((outputs, taken))
}

async fn in_turn(runs: Vec<Run>) -> Result<Vec<u64>> {
    let mut outputs = Vec::with_capacity(runs.len());
    for run in runs {
        outputs.push(run.await?);
    }
    Ok(outputs)
}

async fn at_once(runs: Vec<Run>, width: usize) -> Result<Vec<u64>> {
    let mut outputs = Vec::with_capacity(runs.len());
    let mut rest = runs.into_iter();
    loop {
        let running: Vec<_> = rest.by_ref().take(width).map(tokio::spawn).collect();
        if running.is_empty() {
            return Ok(outputs);
        }
        for run in running {
            outputs.push(run.await??);
        }
    }
}

/// Processor time this process has used so far, over all threads.
///
/// # Errors
///
/// When the system does not tell.
pub fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .context("read the processor time")?
        .into())
}

/// The middle value, or the mean of the two middle ones; zero of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender;

    /// Runs every step of a line but the last.
    struct Forgetful;

    impl Contender for Forgetful {
        fn name(&self) -> &'static str {
            "forgetful"
        }

        fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
            let run = |&input: &u64| -> Run {
                let shape = Arc::clone(shape);
                Box::pin(async move {
                    let steps = shape.steps() as u64;
                    for number in 0..shape.steps() - 1 {
                        shape.perform(number, Duration::ZERO, input).await;
                    }
                    Ok(input + steps)
                })
            };
            Ok(inputs.iter().map(run).collect())
        }
    }

    fn effort(order: Order) -> Effort {
        Effort {
            rounds: 2,
            runs: 7,
            order,
        }
    }

    #[test]
    fn every_contender_runs_every_shape_right() {
        let shapes = || {
            [
                Shape::line(1),
                Shape::line(100),
                Shape::fan(1),
                Shape::fan(100),
                Shape::lattice(5, 7),
                Shape::uneven(2, Duration::from_micros(2), Duration::from_micros(1)),
            ]
        };
        for flavour in [Flavour::TwoWorkers, Flavour::CurrentThread] {
            let runtime = flavour.start().unwrap();
            for shape in shapes() {
                let shape = Arc::new(shape);
                for order in [Order::InTurn, Order::AtOnce(3)] {
                    let measured = measure(&runtime, &contender::all(), &shape, effort(order)).unwrap();
                    assert_eq!(measured.taken.len(), contender::all().len());
                    assert!(measured.taken.iter().all(|rounds| rounds.len() == 2));
                }
            }
        }
    }

    #[test]
    fn a_contender_that_leaves_a_step_out_ends_the_bench() {
        let runtime = Flavour::CurrentThread.start().unwrap();
        let contenders: Vec<Box<dyn Contender>> = vec![Box::new(Forgetful)];
        let fault = measure(
            &runtime,
            &contenders,
            &Arc::new(Shape::line(3)),
            effort(Order::InTurn),
        )
        .unwrap_err();
        assert_eq!(
            format!("{fault:#}"),
            "contender `forgetful` in round 0: step 2 ran 0 times in 7 runs"
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_ratio_compares_within_a_round() {
        let wall = |millis| Taken {
            wall: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis),
        };
        let measured = Measured {
            taken: vec![
                vec![wall(1), wall(10), wall(100)],
                vec![wall(2), wall(20), wall(200)],
            ],
        };
        assert_eq!(measured.wall_ratio(1, 0), 2.0);
        assert_eq!(measured.median(1).wall, Duration::from_millis(20));
    }
}
