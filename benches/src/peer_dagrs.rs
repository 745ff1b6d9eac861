//! The peer dagrs: every step is an actor, every edge a channel.
//!
//! Used the way its examples do: a `DefaultNode` with an action per step, inputs with `InChannels::map`, outputs with
//! `broadcast`. A graph serves one run, so each run gets its own; building and dropping it is kept out of the clock, as its
//! own benchmarks do.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeId, NodeTable, OutChannels, Output,
};

use crate::contender::{Contender, Run};
use crate::shape::{self, Shape};

/// dagrs, its graph interface.
#[derive(Default)]
pub struct Dagrs {
    /// Graphs that have run, dropped when the next ones are built.
    spent: Arc<Mutex<Vec<Graph>>>,
}

impl Contender for Dagrs {
    fn name(&self) -> &'static str {
        "dagrs"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        {
            let mut spent = self
                .spent
                .lock()
                .expect("nothing panics while it holds the spent graphs");
            spent.clear();
            spent.reserve(inputs.len());
        }
        let prepare = |&input: &u64| -> Result<Run> {
            let (mut graph, sink) = graph(shape, input)?;
            let spent = Arc::clone(&self.spent);
            Ok(Box::pin(async move {
                graph.async_start().await?;
                let output = sink
                    .lock()
                    .expect("nothing panics while it holds the output")
                    .take();
                spent
                    .lock()
                    .expect("nothing panics while it holds the spent graphs")
                    .push(graph);
                output.context("the last step gave no output")
            }))
        };
        inputs.iter().map(prepare).collect()
    }
}

type Sink = Arc<Mutex<Option<u64>>>;

fn graph(shape: &Arc<Shape>, input: u64) -> Result<(Graph, Sink)> {
    let sink = Sink::default();
    let mut table = NodeTable::new();
    let mut graph = Graph::new();
    let mut edges: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
    let mut before: Vec<NodeId> = Vec::new();
    let last = shape.levels().len() - 1;
    for (index, level) in shape.levels().iter().enumerate() {
        let mut readers = vec![Vec::new(); before.len()];
        let mut ids = Vec::with_capacity(level.len());
        for step in level {
            let action = StepAction {
                shape: Arc::clone(shape),
                step: step.clone(),
                input: (index == 0).then_some(input),
                sink: (index == last).then(|| Arc::clone(&sink)),
            };
            let node = DefaultNode::with_action(format!("step {}", step.number), action, &mut table);
            for &column in &step.inputs {
                readers[column].push(node.id());
            }
            ids.push(node.id());
            graph.add_node(node)?;
        }
        edges.extend(before.into_iter().zip(readers));
        before = ids;
    }
    for (from, to) in edges {
        graph.add_edge(from, to)?;
    }
    graph.set_env(EnvVar::new(table));
    Ok((graph, sink))
}

struct StepAction {
    shape: Arc<Shape>,
    step: shape::Step,
    /// Given to the steps of the first level.
    input: Option<u64>,
    /// Given to the last step.
    sink: Option<Sink>,
}

#[async_trait]
impl Action for StepAction {
    async fn run(&self, inputs: &mut InChannels, outputs: &mut OutChannels, _: Arc<EnvVar>) -> Output {
        let sum = match self.input {
            Some(input) => input,
            None => {
                let values = inputs
                    .map(|content| content.ok().and_then(Content::into_inner::<u64>))
                    .await;
                match values
                    .into_iter()
                    .try_fold(0_u64, |sum, value| Some(sum.wrapping_add(*value?)))
                {
                    Some(sum) => sum,
                    None => {
                        return Output::execution_failed(format!("step {} lost an input", self.step.number));
                    }
                }
            }
        };
        let value = self.shape.perform(self.step.number, self.step.wait, sum).await;
        match &self.sink {
            Some(sink) => *sink.lock().expect("nothing panics while it holds the output") = Some(value),
            None => {
                outputs.broadcast(Content::new(value)).await;
            }
        }
        Output::empty()
    }
}
