//! Who runs a shape: the floor, a peer, or Segue.
//!
//! A contender builds its definitions before the clock starts; what is timed is a run, from the input to the output of the
//! last step. The harness and the processes that measure memory call it; it never measures anything itself.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;

use crate::floor::Floor;
use crate::peer_dagrs::Dagrs;
use crate::peer_graph_flow::GraphFlow;
#[cfg(feature = "segue")]
use crate::segue_runs::Segue;
use crate::shape::Shape;

/// One run that is ready to go; gives the output of the last step.
pub type Run = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// An orchestrator that can run every shape.
pub trait Contender: Send + Sync {
    /// The name in the table, and on the command line of the measuring processes.
    fn name(&self) -> &'static str;

    /// Builds what is needed for one run per input; nothing of the shape runs before a run is polled.
    ///
    /// # Errors
    ///
    /// When the contender refuses the shape.
    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>>;
}

/// Every contender of this build, the floor first.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Floor),
        Box::new(GraphFlow::default()),
        Box::new(Dagrs::default()),
        #[cfg(feature = "segue")]
        Box::new(Segue::default()),
    ]
}

/// The floor and, of the others, only the one with this name where one is given.
///
/// # Errors
///
/// When this build has none of that name.
pub fn beside_floor(only: Option<&str>) -> Result<Vec<Box<dyn Contender>>> {
    match only {
        None => Ok(all()),
        Some(name) => Ok(vec![Box::new(Floor), named(name)?]),
    }
}

/// The contender with this name.
///
/// # Errors
///
/// When this build has none of that name.
pub fn named(name: &str) -> Result<Box<dyn Contender>> {
    all()
        .into_iter()
        .find(|contender| contender.name() == name)
        .ok_or_else(|| anyhow::anyhow!("this build has no contender `{name}`"))
}
