//! Onward: what a step was made from, and how to go on from where a run stands.

use serde_json::{Value as Json, json};

use super::{RunView, StepView};
use crate::plan::hash_of;
use crate::question::Question;
use crate::view::RunStatus;

impl RunView {
    /// Command lines that go on from where it stands: answers, a re-run from what has failed, the mending of what is stale.
    pub(super) fn next(&self, is_stale: bool) -> Vec<String> {
        let Some(run) = self.record.id.filter(|_| self.is_kept) else {
            return Vec::new();
        };
        let mut next = Vec::new();
        match self.record.status {
            RunStatus::Waiting => {
                let answer = |question: &Question| format!("segue answer {}", question.id);
                next.extend(self.open_questions().map(answer));
            }
            RunStatus::Failed => {
                let again = |step: &str| format!("segue rerun {run} --from {step}");
                next.extend(self.failed_steps().map(again));
            }
            _ => {}
        }
        if is_stale && self.record.status.is_terminal() {
            next.push(format!("segue rerun {run} --stale"));
        }
        next
    }

    /// What a step was made from: the inputs of the run, and the outputs of the steps it waited for.
    pub(super) fn input_hash(&self, step: &StepView, inputs: &str) -> String {
        let output = |name: &String| {
            let needed = self.step(name);
            (
                name.clone(),
                needed.and_then(|needed| needed.output_hash.get()).into(),
            )
        };
        let outputs: serde_json::Map<String, Json> = step.needs.iter().map(output).collect();
        hash_of(&json!({"inputs": inputs, "outputs": outputs}))
    }
}
