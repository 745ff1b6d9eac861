//! The peer graph-flow: a session walks a graph and keeps values by name in a shared context.
//!
//! Used the way its documentation recommends for batches: one graph for all runs, `Graph::execute_session` called directly,
//! steps chained by `ContinueAndExecute`, steps beside each other as children of a `FanOutTask`. It has no joins of its own:
//! a level ends when its slowest step ends.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use graph_flow::{
    Context, ExecutionStatus, FanOutTask, Graph, GraphBuilder, GraphError, NextAction, Session, Task,
    TaskResult,
};

use crate::contender::{Contender, Run};
use crate::shape::{self, Shape};

/// graph-flow without its PostgreSQL storage.
#[derive(Default)]
pub struct GraphFlow {
    /// The graph that ran last, dropped when the next is built: that is kept out of the clock.
    built: Mutex<Option<Arc<Graph>>>,
}

impl Contender for GraphFlow {
    fn name(&self) -> &'static str {
        "graph-flow"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let graph = Arc::new(graph(shape)?);
        *self.built.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&graph));
        let run = |&input: &u64| -> Run { Box::pin(run(Arc::clone(&graph), input)) };
        Ok(inputs.iter().map(run).collect())
    }
}

const INPUT: &str = "input";
const OUTPUT: &str = "output";

async fn run(graph: Arc<Graph>, input: u64) -> Result<u64> {
    let first = graph.start_task_id().context("the graph has no first step")?;
    let mut session = Session::new_from_task("run".to_owned(), first);
    session.context.set(INPUT, input)?;
    let result = graph.execute_session(&mut session).await?;
    match result.status {
        ExecutionStatus::Completed => session
            .context
            .get(OUTPUT)
            .context("the last step wrote no output"),
        other => bail!("the session stopped early: {other:?}"),
    }
}

fn graph(shape: &Arc<Shape>) -> Result<Graph> {
    let mut builder = GraphBuilder::new("bench");
    let mut before: Option<String> = None;
    let last = shape.levels().len() - 1;
    for (index, level) in shape.levels().iter().enumerate() {
        let next = if index == last {
            NextAction::End
        } else {
            NextAction::ContinueAndExecute
        };
        let mut steps = level.iter().enumerate().map(|(column, step)| {
            let output = if index == last {
                OUTPUT.to_owned()
            } else {
                key(index, column)
            };
            Arc::new(StepTask::new(shape, step, index, output, next.clone()))
        });
        let of_level: Arc<dyn Task> = if level.len() == 1 {
            steps.next().context("a level of one step has a step")?
        } else {
            let children = steps.map(|step| -> Arc<dyn Task> { step }).collect();
            FanOutTask::new(format!("level {index}"), children).with_next_action(next.clone())
        };
        let id = of_level.id().to_owned();
        builder = builder.add_task(of_level);
        if let Some(before) = before.replace(id.clone()) {
            builder = builder.add_edge(before, id);
        }
    }
    Ok(builder.build()?)
}

/// Where a step leaves its output. Two levels are alive at a time, so that a long line does not grow the context.
fn key(level: usize, column: usize) -> String {
    format!(
        "{}.{column}",
        if level.is_multiple_of(2) { "even" } else { "odd" }
    )
}

struct StepTask {
    id: String,
    shape: Arc<Shape>,
    step: shape::Step,
    inputs: Vec<String>,
    output: String,
    next: NextAction,
}

impl StepTask {
    fn new(shape: &Arc<Shape>, step: &shape::Step, level: usize, output: String, next: NextAction) -> Self {
        let inputs = match step.inputs.as_slice() {
            [] => vec![INPUT.to_owned()],
            inputs => inputs.iter().map(|&column| key(level - 1, column)).collect(),
        };
        Self {
            id: format!("step {}", step.number),
            shape: Arc::clone(shape),
            step: step.clone(),
            inputs,
            output,
            next,
        }
    }
}

#[async_trait]
impl Task for StepTask {
    fn id(&self) -> &str {
        &self.id
    }

    async fn run(&self, context: Context) -> graph_flow::Result<TaskResult> {
        let mut sum = 0_u64;
        for input in &self.inputs {
            let value: u64 = context
                .get(input)
                .ok_or_else(|| GraphError::ContextError(format!("`{input}` is missing in the context")))?;
            sum = sum.wrapping_add(value);
        }
        let value = self.shape.perform(self.step.number, self.step.wait, sum).await;
        context.set(self.output.as_str(), value)?;
        Ok(TaskResult::new(None, self.next.clone()))
    }
}
