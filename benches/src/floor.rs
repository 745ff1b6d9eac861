//! The floor: the same shapes on bare tokio, one spawned task per step, and nothing else.
//!
//! It keeps no names, no record, no budget and no error handling: what it costs is what tokio costs. Values go from step to
//! step as a number where there is one, and behind an `Arc` where several steps read them.

use std::sync::Arc;

use anyhow::{Result, bail};
use tokio::task::JoinHandle;

use crate::contender::{Contender, Run};
use crate::shape::{Shape, Step};

/// Bare tokio, a spawned task per step.
pub struct Floor;

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let run = |&input: &u64| -> Run { Box::pin(spawned(Arc::clone(shape), input)) };
        Ok(inputs.iter().map(run).collect())
    }
}

/// Bare tokio without spawning: steps of a line awaited in place. Printed for information.
pub struct InPlace;

impl Contender for InPlace {
    fn name(&self) -> &'static str {
        "in place"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let run = |&input: &u64| -> Run { Box::pin(in_place(Arc::clone(shape), input)) };
        Ok(inputs.iter().map(run).collect())
    }
}

/// Bare tokio for branches that meet at the end: a spawned task per branch, which awaits its steps in place.
pub struct Branches;

impl Contender for Branches {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let run = |&input: &u64| -> Run { Box::pin(by_branch(Arc::clone(shape), input)) };
        Ok(inputs.iter().map(run).collect())
    }
}

/// What a level hands to the next.
enum Values {
    One(u64),
    Many(Arc<[u64]>),
}

async fn spawned(shape: Arc<Shape>, input: u64) -> Result<u64> {
    let mut values = Values::One(input);
    for (index, level) in shape.levels().iter().enumerate() {
        values = match (level.as_slice(), &values) {
            ([step], &Values::One(value)) => Values::One(spawn_with_value(&shape, step, value).await?),
            _ => {
                let mut handles = Vec::with_capacity(level.len());
                for (column, step) in level.iter().enumerate() {
                    handles.push(match &values {
                        Values::One(value) => spawn_with_value(&shape, step, *value),
                        Values::Many(values) => spawn_with_values(&shape, (index, column), values),
                    });
                }
                let mut outputs = Vec::with_capacity(level.len());
                for handle in handles {
                    outputs.push(handle.await?);
                }
                match outputs.as_slice() {
                    [output] => Values::One(*output),
                    _ => Values::Many(outputs.into()),
                }
            }
        };
    }
    match values {
        Values::One(value) => Ok(value),
        Values::Many(values) => bail!("the last level has {} steps, and should have one", values.len()),
    }
}

fn spawn_with_value(shape: &Arc<Shape>, step: &Step, value: u64) -> JoinHandle<u64> {
    let (shape, number, wait) = (Arc::clone(shape), step.number, step.wait);
    tokio::spawn(async move { shape.perform(number, wait, value).await })
}

fn spawn_with_values(
    shape: &Arc<Shape>,
    (level, column): (usize, usize),
    values: &Arc<[u64]>,
) -> JoinHandle<u64> {
    let (shape, values) = (Arc::clone(shape), Arc::clone(values));
    tokio::spawn(async move {
        let step = &shape.levels()[level][column];
        let sum = step
            .inputs
            .iter()
            .map(|&column| values[column])
            .fold(0, u64::wrapping_add);
        shape.perform(step.number, step.wait, sum).await
    })
}

async fn in_place(shape: Arc<Shape>, input: u64) -> Result<u64> {
    let mut value = input;
    for level in shape.levels() {
        for step in level {
            value = shape.perform(step.number, step.wait, value).await;
        }
    }
    Ok(value)
}

async fn by_branch(shape: Arc<Shape>, input: u64) -> Result<u64> {
    let Some(([sink], rows)) = shape
        .levels()
        .split_last()
        .map(|(last, rows)| (last.as_slice(), rows))
    else {
        bail!("the branches do not meet in one step");
    };
    let branches: Vec<_> = (0..sink.inputs.len())
        .map(|branch| {
            let (shape, length) = (Arc::clone(&shape), rows.len());
            tokio::spawn(async move {
                let mut value = input;
                for row in &shape.levels()[..length] {
                    let step = &row[branch];
                    value = shape.perform(step.number, step.wait, value).await;
                }
                value
            })
        })
        .collect();
    let mut sum = 0_u64;
    for branch in branches {
        sum = sum.wrapping_add(branch.await?);
    }
    Ok(shape.perform(sink.number, sink.wait, sum).await)
}
