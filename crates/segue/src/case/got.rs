//! What there is: of a run that rests or was refused, as expectations look at it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::stage::Stage;
use super::{Expectation, Of, OfStep};
use crate::error::{Error, Failure};
use crate::money::Cost;
use crate::runner::RunHandle;
use crate::usage::Usage;
use crate::value::Value;
use crate::view::{RunRecord, RunView, StepView};

/// How an act came to an end.
pub(super) enum Came {
    /// Nothing ran.
    Refused {
        codes: Vec<String>,
        failure: Box<Failure>,
    },
    /// Its run is over, or waits.
    Rests,
}

impl Came {
    pub(super) fn refused(error: &Error) -> Self {
        Self::of(error.failure().clone())
    }

    pub(super) fn of(failure: Failure) -> Self {
        let of_faults = failure.faults.as_ref().and_then(Json::as_array);
        let code = |fault: &Json| fault.get("code").and_then(Json::as_str).map(str::to_owned);
        let mut codes = vec![failure.kind.to_string()];
        codes.extend(of_faults.into_iter().flatten().filter_map(code));
        Self::Refused {
            codes,
            failure: Box::new(failure),
        }
    }
}

/// What there is after an act.
pub(super) struct Got {
    record: Option<RunRecord>,
    view: Option<RunView>,
    codes: Vec<String>,
    missing: Vec<String>,
    /// Texts of artifacts, by name.
    artifacts: BTreeMap<String, Json>,
    /// What steps were asked.
    prompts: BTreeMap<String, String>,
    /// Which steps of the workspace are stale.
    stale: BTreeMap<String, bool>,
    /// Outputs that are kept beside the log.
    outputs: BTreeMap<String, Json>,
}

impl Got {
    pub(super) fn refused(came: &Came) -> Self {
        let (codes, missing) = match came {
            Came::Refused { codes, failure } => (codes.clone(), failure.missing.clone()),
            Came::Rests => (Vec::new(), Vec::new()),
        };
        Self {
            record: None,
            view: None,
            codes,
            missing,
            artifacts: BTreeMap::new(),
            prompts: BTreeMap::new(),
            stale: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// # Errors
    /// When something of it cannot be read.
    pub(super) async fn of_run(
        stage: &Stage<'_>,
        run: Option<&RunHandle<Json>>,
        key: Option<&str>,
        expect: &[Expectation],
    ) -> Result<Self, Failure> {
        let mut got = Self::refused(&Came::Rests);
        let Some(run) = run else { return Ok(got) };
        let failed = |error: Error| error.failure().clone();
        let view = run.view();
        let record = view.record();
        for expectation in expect {
            match &expectation.of {
                Of::Artifact(name) => {
                    let bytes = run.artifact(name).await.map_err(failed)?;
                    let is_json = |name: &str| name.ends_with(".json");
                    if let Some(bytes) = bytes {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let value = is_json(name).then(|| serde_json::from_str(&text).ok()).flatten();
                        got.artifacts
                            .insert(name.clone(), value.unwrap_or(Json::String(text)));
                    }
                }
                Of::Prompts(step) => {
                    if let Some(text) = stage.watch.prompts(&run.id().to_string(), step) {
                        got.prompts.insert(step.clone(), text);
                    }
                }
                Of::Step(step, OfStep::Output) => {
                    if let Some(output) = view.step(step).and_then(|step| step.output.as_ref()) {
                        got.outputs.insert(step.clone(), loaded(stage, output).await?);
                    }
                }
                Of::Output => {
                    if let Some(output) = view.output() {
                        got.outputs.insert(String::new(), loaded(stage, output).await?);
                    }
                }
                _ => {}
            }
        }
        for (name, step) in &record.steps {
            got.stale.insert(name.clone(), step.stale);
        }
        if let Some(key) = key {
            let workspace = stage.runner.workspace(&stage.pipeline, key).map_err(failed)?;
            for step in workspace.status().await.map_err(failed)?.steps {
                got.stale.insert(step.name, step.stale);
            }
        }
        if let Some(error) = view.error() {
            got.missing.clone_from(&error.missing);
        }
        got.record = Some(record);
        got.view = Some(view);
        Ok(got)
    }

    /// What there is of what is expected; null where there is nothing.
    pub(super) fn of(&self, expectation: &Expectation) -> Json {
        if expectation.of == Of::Refused {
            // One refusal has the code of its kind and those of its faults.
            let wanted = self
                .codes
                .iter()
                .find(|code| expectation.matcher.unmet(&Json::from(code.as_str())).is_none());
            return json!(wanted.or(self.codes.first()));
        }
        self.look(&expectation.of)
    }

    fn look(&self, of: &Of) -> Json {
        let record = self.record.as_ref();
        let error = record.and_then(|record| record.error.as_ref());
        let question = record.and_then(|record| record.questions.first());
        match of {
            Of::Status => record.map_or(Json::Null, |record| record.status.as_str().into()),
            Of::Fallback => record.map_or(Json::Null, |record| record.fallback.into()),
            Of::Failed => record.map_or(Json::Null, |record| json!(record.failed_steps)),
            Of::Refused => json!(self.codes.first()),
            Of::Missing => json!(self.missing),
            Of::Output => self.outputs.get("").cloned().unwrap_or_default(),
            Of::ErrorKind => error.map_or(Json::Null, |error| error.kind.to_string().into()),
            Of::ErrorStep => json!(error.and_then(|error| first_step(error))),
            Of::ErrorMessage => error.map_or(Json::Null, |error| error.message.as_str().into()),
            Of::QuestionStep => question.map_or(Json::Null, |question| question.step.as_str().into()),
            Of::QuestionTool => {
                let approval = question.and_then(|question| question.approval.as_ref());
                approval.map_or(Json::Null, |approval| approval.tool.as_str().into())
            }
            Of::QuestionTitle => question.map_or(Json::Null, |question| question.title.as_str().into()),
            Of::Calls => self.usage().requests.into(),
            Of::Cost => dollars(&self.record.as_ref().map(|record| record.cost).unwrap_or_default()),
            Of::Tokens => self.usage().total_tokens().into(),
            Of::Artifact(name) => self.artifacts.get(name).cloned().unwrap_or_default(),
            Of::Link(name) => {
                let saved =
                    record.and_then(|record| record.artifacts.iter().rfind(|saved| saved.name == *name));
                json!(saved.and_then(|saved| saved.link.clone()))
            }
            Of::Prompts(step) => json!(self.prompts.get(step)),
            Of::Step(step, field) => self.of_step(step, *field),
        }
    }

    fn usage(&self) -> Usage {
        self.record
            .as_ref()
            .map(|record| record.usage)
            .unwrap_or_default()
    }

    fn of_step(&self, path: &str, field: OfStep) -> Json {
        if field == OfStep::Stale {
            return json!(self.stale.get(path));
        }
        let Some(step) = self.view.as_ref().and_then(|view| view.step(path)) else {
            return Json::Null;
        };
        match field {
            OfStep::Status => step.status.as_str().into(),
            OfStep::Attempts => step.tries().into(),
            OfStep::Items => json!(step.items.as_ref().map(|items| items.total)),
            OfStep::FailedItems => json!(step.items.as_ref().map(|items| items.failed)),
            OfStep::Arm => json!(step.route.as_ref().map(|route| route.arm.clone())),
            OfStep::Skipped => skipped(step),
            OfStep::Reasons => {
                let reasons = step.attempts.iter().filter_map(|attempt| attempt.reason.clone());
                json!(reasons.collect::<Vec<_>>())
            }
            OfStep::Stale => Json::Null,
            OfStep::Output => self.outputs.get(path).cloned().unwrap_or_default(),
            OfStep::Calls => step.usage.requests.into(),
            OfStep::Cost => dollars(&step.cost),
        }
    }
}

/// The step an error is of: its own, else the first that failed.
fn first_step(error: &Failure) -> Option<String> {
    let first = || error.failed_steps.first().map(|failed| failed.step.clone());
    error.step.clone().or_else(first)
}

/// Why a step was left out, as one word.
fn skipped(step: &StepView) -> Json {
    let reason = step
        .skipped
        .as_ref()
        .and_then(|reason| serde_json::to_value(reason).ok());
    reason
        .and_then(|reason| reason.get("reason").cloned())
        .unwrap_or_default()
}

/// Dollars as a number.
fn dollars(cost: &Cost) -> Json {
    json!(cost.nanousd.nanos() as f64 / 1e9)
}

/// A value as JSON, read from where it is kept.
async fn loaded(stage: &Stage<'_>, value: &Value) -> Result<Json, Failure> {
    let value = match value.stored_at() {
        Some(_) => crate::run::load(stage.blobs(), value).await?,
        None => value.clone(),
    };
    let json = value.to_json();
    let json = json.map_err(|error| Failure::new(crate::error::ErrorKind::Store, error.to_string()))?;
    Ok(json.as_ref().clone())
}
