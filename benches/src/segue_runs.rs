//! Segue: the shape as a pipeline, a step function per step, typed edges.
//!
//! Runs the way the guide shows it: the pipeline is defined once, `run` starts a run with its events in the in-memory log.
//! A step with several inputs takes them as one joined list. A pipeline serves many runs; building and dropping it is kept
//! out of the clock, as for the peers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use segue::{Cx, Out, Pipeline, Step};

use crate::contender::{Contender, Run};
use crate::shape::Shape;

/// The library, with its in-memory log.
#[derive(Default)]
pub struct Segue {
    /// What was run last, dropped when the next is defined.
    defined: Mutex<Option<Pipeline<u64, u64>>>,
}

impl Contender for Segue {
    fn name(&self) -> &'static str {
        "segue"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let pipeline = pipeline(shape)?;
        *self.defined.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipeline.clone());
        let run = |&input: &u64| -> Run {
            let pipeline = pipeline.clone();
            Box::pin(async move { Ok(pipeline.run(input).await?.output) })
        };
        Ok(inputs.iter().map(run).collect())
    }
}

/// The shape as a pipeline.
///
/// # Errors
///
/// When it is refused.
pub fn pipeline(shape: &Arc<Shape>) -> Result<Pipeline<u64, u64>> {
    let pipeline = Pipeline::define("bench", |p, input| {
        let mut before: Vec<Out<u64>> = vec![input];
        for level in shape.levels() {
            before = level
                .iter()
                .map(|step| {
                    let body = Body {
                        shape: Arc::clone(shape),
                        number: step.number,
                        wait: step.wait,
                    };
                    let name = format!("step-{}", step.number);
                    match step.inputs.as_slice() {
                        [] => p.step(name, One(body), input),
                        &[column] => p.step(name, One(body), before[column]),
                        columns => {
                            let inputs: Vec<Out<u64>> =
                                columns.iter().map(|&column| before[column]).collect();
                            p.step(name, Many(body), inputs)
                        }
                    }
                })
                .collect();
        }
        before[0]
    });
    pipeline.context("the shape is refused")
}

struct Body {
    shape: Arc<Shape>,
    number: usize,
    wait: Duration,
}

/// A step that reads one other.
struct One(Body);

impl Step for One {
    type In = u64;
    type Out = u64;

    async fn run(&self, _: Cx, value: u64) -> segue::Result<u64> {
        let Self(body) = self;
        Ok(body.shape.perform(body.number, body.wait, value).await)
    }
}

/// A step that joins several others.
struct Many(Body);

impl Step for Many {
    type In = Vec<u64>;
    type Out = u64;

    async fn run(&self, _: Cx, values: Vec<u64>) -> segue::Result<u64> {
        let Self(body) = self;
        let sum = values.into_iter().fold(0, u64::wrapping_add);
        Ok(body.shape.perform(body.number, body.wait, sum).await)
    }
}
