//! What is run: steps in levels, each with its inputs among the level before, and the count of what really ran.
//!
//! Every contender builds its own graph from a [`Shape`] and calls [`Shape::perform`] as the body of each step, so that all
//! of them do the same work and are checked the same way. A shape never knows who runs it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

/// One step: its place in the count, the columns it reads in the level before, and how long its model takes.
#[derive(Debug, Clone)]
pub struct Step {
    /// Position over all levels, from 0.
    pub number: usize,
    /// Columns of the level before; empty in the first level, whose steps read the input of the run.
    pub inputs: Vec<usize>,
    /// Zero for an instant step.
    pub wait: Duration,
}

/// Steps in levels, and how often each of them ran.
#[derive(Debug)]
pub struct Shape {
    levels: Vec<Vec<Step>>,
    ran: Count,
}

impl Shape {
    /// `length` steps, one after the other.
    pub fn line(length: usize) -> Self {
        Self::from_inputs((0..length).map(|level| vec![if level == 0 { vec![] } else { vec![0] }]))
    }

    /// One step, then `width` beside each other, then one that reads them all.
    pub fn fan(width: usize) -> Self {
        Self::from_inputs([vec![vec![]], vec![vec![0]; width], vec![(0..width).collect()]])
    }

    /// One step, then `levels` of `width` steps that each read three of the level before, then one that reads the last level.
    pub fn lattice(levels: usize, width: usize) -> Self {
        let inner = (0..width)
            .map(|column| (0..3).map(|next| (column + next) % width).collect())
            .collect();
        let mut inputs = vec![vec![vec![]], vec![vec![0]; width]];
        inputs.extend(std::iter::repeat_n::<Vec<Vec<usize>>>(inner, levels - 1));
        inputs.push(vec![(0..width).collect()]);
        Self::from_inputs(inputs)
    }

    /// `size` branches of `size` steps each, joined at the end; in branch `i` the step `i` is slow and the others are fast.
    ///
    /// Whoever waits for a whole level waits for a slow step in every level.
    pub fn uneven(size: usize, slow: Duration, fast: Duration) -> Self {
        let mut inputs = vec![vec![vec![]; size]];
        inputs.extend(std::iter::repeat_n(
            (0..size).map(|branch| vec![branch]).collect(),
            size - 1,
        ));
        inputs.push(vec![(0..size).collect()]);
        let mut shape = Self::from_inputs(inputs);
        for (level, steps) in shape.levels.iter_mut().take(size).enumerate() {
            for (branch, step) in steps.iter_mut().enumerate() {
                step.wait = if level == branch { slow } else { fast };
            }
        }
        shape
    }

    /// Three steps in a line, the second of which waits for a model.
    pub fn waiting(wait: Duration) -> Self {
        let mut shape = Self::line(3);
        shape.levels[1][0].wait = wait;
        shape
    }

    fn from_inputs(levels: impl IntoIterator<Item = Vec<Vec<usize>>>) -> Self {
        let mut steps = 0;
        let mut numbered = |inputs| {
            steps += 1;
            Step {
                number: steps - 1,
                inputs,
                wait: Duration::ZERO,
            }
        };
        let levels: Vec<Vec<Step>> = levels
            .into_iter()
            .map(|level| level.into_iter().map(&mut numbered).collect())
            .collect();
        Self {
            levels,
            ran: Count::new(steps),
        }
    }

    /// The levels, first to last.
    pub fn levels(&self) -> &[Vec<Step>] {
        &self.levels
    }

    /// Number of steps in all levels.
    pub fn steps(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// The longest wait from the first step to the last.
    pub fn critical_path(&self) -> Duration {
        let ends = self.fold(Duration::ZERO, |step, inputs| {
            inputs.max().unwrap_or_default() + step.wait
        });
        ends.into_iter().max().unwrap_or_default()
    }

    /// The body of every step of every contender: counts itself, waits, and adds one to the sum of its inputs.
    ///
    /// The wait is boxed so that the futures of instant steps stay as small as their contender makes them.
    pub async fn perform(&self, number: usize, wait: Duration, sum: u64) -> u64 {
        self.ran.add(number);
        if !wait.is_zero() {
            Box::pin(tokio::time::sleep(wait)).await;
        }
        sum.wrapping_add(1)
    }

    /// How often the step with this number ran since the last [`check`](Self::check).
    pub fn ran(&self, number: usize) -> u32 {
        self.ran.of(number)
    }

    /// Checks the runs since the last check, and starts counting anew.
    ///
    /// # Errors
    ///
    /// When a step did not run exactly once per run, or a run did not bring its input to the last step.
    pub fn check(&self, inputs: &[u64], outputs: &[u64]) -> Result<()> {
        ensure!(
            inputs.len() == outputs.len(),
            "{} runs returned {} outputs",
            inputs.len(),
            outputs.len()
        );
        for (&input, &output) in inputs.iter().zip(outputs) {
            let expected = self.expected(input);
            ensure!(
                output == expected,
                "input {input} gave {output}, and should give {expected}"
            );
        }
        for number in 0..self.steps() {
            let ran = self.ran.of(number);
            if usize::try_from(ran)? != inputs.len() {
                bail!("step {number} ran {ran} times in {} runs", inputs.len());
            }
        }
        self.ran.clear();
        Ok(())
    }

    fn expected(&self, input: u64) -> u64 {
        let ends = self.fold(input, |_, inputs| {
            inputs.fold(0, u64::wrapping_add).wrapping_add(1)
        });
        ends[0]
    }

    /// Values of the last level, where each step's value comes from those it reads.
    fn fold<T: Copy>(&self, start: T, value: impl Fn(&Step, &mut dyn Iterator<Item = T>) -> T) -> Vec<T> {
        let mut before = Vec::new();
        for level in &self.levels {
            before = level
                .iter()
                .map(|step| match step.inputs.as_slice() {
                    [] => value(step, &mut std::iter::once(start)),
                    inputs => value(step, &mut inputs.iter().map(|&column| before[column])),
                })
                .collect();
        }
        before
    }
}

/// How often each step ran, in one row per thread: shared counters would make contenders that use two threads pay for
/// being counted.
#[derive(Debug)]
struct Count {
    rows: Vec<Vec<AtomicU32>>,
}

/// The workers of the runtime, and the thread that starts it. More threads share rows, which stays right.
const ROWS: usize = 4;

impl Count {
    fn new(steps: usize) -> Self {
        let row = || (0..steps).map(|_| AtomicU32::new(0)).collect();
        Self {
            rows: (0..ROWS).map(|_| row()).collect(),
        }
    }

    fn add(&self, number: usize) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static ROW: usize = THREADS.fetch_add(1, Ordering::Relaxed) % ROWS;
        }
        ROW.with(|&row| self.rows[row][number].fetch_add(1, Ordering::Relaxed));
    }

    fn of(&self, number: usize) -> u32 {
        self.rows
            .iter()
            .map(|row| row[number].load(Ordering::Relaxed))
            .sum()
    }

    fn clear(&self) {
        for slot in self.rows.iter().flatten() {
            slot.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_by_hand(shape: &Shape) {
        for number in 0..shape.steps() {
            shape.ran.add(number);
        }
    }

    #[test]
    fn shapes_have_the_steps_they_promise() {
        assert_eq!(Shape::line(10).steps(), 10);
        assert_eq!(Shape::fan(10).steps(), 12);
        assert_eq!(Shape::lattice(50, 20).steps(), 1002);
        assert_eq!(Shape::uneven(4, Duration::ZERO, Duration::ZERO).steps(), 17);
    }

    #[test]
    fn the_critical_path_holds_one_slow_step() {
        let (slow, fast) = (Duration::from_millis(200), Duration::from_millis(20));
        assert_eq!(
            Shape::uneven(2, slow, fast).critical_path(),
            Duration::from_millis(220)
        );
        assert_eq!(
            Shape::uneven(4, slow, fast).critical_path(),
            Duration::from_millis(260)
        );
    }

    #[test]
    fn the_input_reaches_the_last_step() {
        assert_eq!(Shape::line(10).expected(5), 15);
        assert_eq!(Shape::fan(3).expected(5), 3 * 7 + 1);
    }

    #[test]
    fn a_right_run_passes_once() {
        let shape = Shape::line(3);
        run_by_hand(&shape);
        shape.check(&[5], &[8]).unwrap();
        assert!(shape.check(&[5], &[8]).is_err(), "the count starts anew");
    }

    #[test]
    fn a_step_that_ran_twice_is_found() {
        let shape = Shape::line(3);
        run_by_hand(&shape);
        shape.ran.add(1);
        assert_eq!(
            shape.check(&[5], &[8]).unwrap_err().to_string(),
            "step 1 ran 2 times in 1 runs"
        );
    }

    #[test]
    fn a_lost_input_is_found() {
        let shape = Shape::line(3);
        run_by_hand(&shape);
        assert!(shape.check(&[5], &[7]).is_err());
    }
}
