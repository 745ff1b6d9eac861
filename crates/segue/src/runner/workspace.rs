//! Workspaces: the runs of a pipeline with the same key share one set of results, one for each step. Runs are immutable;
//! a workspace points, for each step, to the run that has its current result.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::desk::Desk;
use super::prepare::Origin;
use super::read;
use super::rerun::Rerun;
use super::results::Results;
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::link::check_key;
use crate::log::{KeptResult, Reuse};
use crate::pipeline::Inner;
use crate::plan::{Input, Plan};
use crate::run::load;
use crate::settings::Call;
use crate::store::Document;
use crate::value::Value;
use crate::view::{StepStatus, WorkspaceStatus};

/// The results that the runs of a pipeline with one key share.
#[derive(Clone)]
pub struct Workspace {
    desk: Arc<Desk>,
    inner: Arc<Inner>,
    key: String,
}

/// The current result of a step of a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentValue {
    /// The step.
    pub name: String,
    /// The result.
    pub value: Json,
    /// Its content hash: whoever changes the result has to name it.
    pub hash: Option<String>,
    /// When it came.
    pub updated: Time,
    /// The run that has it.
    pub run: RunId,
    /// Whether a person wrote it.
    pub edited: bool,
}

/// What the last run of a workspace was given.
pub(super) struct LastRun {
    pub(super) run: RunId,
    pub(super) input: Value,
    pub(super) call: Call,
}

impl LastRun {
    /// Its named inputs, as far as the plan has them.
    pub(super) fn named_inputs(&self, plan: &Plan) -> Map<String, Json> {
        let mut found = Map::new();
        if let (Input::Named(declared), Ok(json)) = (&plan.input, self.input.to_json())
            && let Json::Object(inputs) = json.as_ref()
        {
            let known = inputs.iter().filter(|(name, _)| declared.contains_key(*name));
            found.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        }
        found
    }
}

impl Workspace {
    pub(super) fn new(desk: Arc<Desk>, inner: Arc<Inner>, key: &str) -> Result<Self, Error> {
        check_key(key).map_err(refused)?;
        let key = key.to_owned();
        Ok(Self { desk, inner, key })
    }

    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where the current results are, in declaration order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn documents(&self) -> Result<Vec<Document>, Error> {
        let plan = &self.inner.program.plan;
        let found = self.desk.store().documents(plan.name.clone(), self.key.clone());
        let mut found = found.await?;
        found.sort_by_key(|document| plan.step(&document.step).unwrap_or(u32::MAX));
        Ok(found)
    }

    /// Where each step stands: done, next, pending, stale.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn status(&self) -> Result<WorkspaceStatus, Error> {
        let documents = self.documents().await?;
        let mut questions = Vec::new();
        let at_work: BTreeSet<RunId> = documents.iter().filter_map(|document| document.running).collect();
        for run in at_work {
            questions.extend(self.desk.store().questions(Some(run), 1000).await?);
        }
        let plan = &self.inner.program.plan;
        Ok(WorkspaceStatus::of(plan, &self.key, &documents, &questions))
    }

    /// The current result of a step.
    ///
    /// # Errors
    /// Kind `not_found` where there is none.
    pub async fn document(&self, step: &str) -> Result<DocumentValue, Error> {
        self.check_step(step)?;
        let documents = self.documents().await?;
        let document = documents.into_iter().find(|document| document.step == step);
        let none = || {
            let message = format!("step `{step}` of `{}` has no result", self.key);
            refused(Failure::new(ErrorKind::NotFound, message))
        };
        let document = document.ok_or_else(none)?;
        let run = document.run.ok_or_else(none)?;
        let results = Results::of_workspace(&**self.desk.store(), std::slice::from_ref(&document)).await?;
        let kept = results.kept.get(step).ok_or_else(none)?;
        let value = load(self.desk.store().blobs(), &kept.output)
            .await
            .map_err(refused)?;
        let value = value
            .to_json()
            .map_err(|error| refused(Failure::new(ErrorKind::Store, error.to_string())))?;
        Ok(DocumentValue {
            name: step.to_owned(),
            value: Json::clone(&value),
            hash: document.hash,
            updated: document.updated,
            run,
            edited: kept.edited,
        })
    }

    /// Writes a result by hand, in place of the one with the hash `expected`, or where there is none yet. Of several who
    /// do that at once one wins; the others are told the present hash, and nothing of theirs is written. Gives what is
    /// there now.
    ///
    /// # Errors
    /// Kind `conflict` where another result is there, or a run is making one; `schema_mismatch` for a value that does
    /// not fit the step.
    pub async fn put(
        &self,
        step: &str,
        value: impl Serialize,
        expected: Option<&str>,
    ) -> Result<DocumentValue, Error> {
        self.put_as(step, value, expected, "library", "library").await
    }

    /// Writes a result for somebody: who, and through what (`cli http ui mcp library`).
    ///
    /// # Errors
    /// As [`Workspace::put`].
    pub async fn put_as(
        &self,
        step: &str,
        value: impl Serialize,
        expected: Option<&str>,
        by: &str,
        via: &str,
    ) -> Result<DocumentValue, Error> {
        let mut value = serde_json::to_value(value)
            .map_err(|error| refused(Failure::new(ErrorKind::InvalidInput, error.to_string())))?;
        self.desk.env.redactor.json(&mut value);
        self.check_step(step)?;
        let plan = &self.inner.program.plan;
        check_output(plan, step, &value)?;
        let documents = self.documents().await?;
        let results = Results::of_workspace(&**self.desk.store(), &documents).await?;
        let edited = edited(&self.desk, plan, &results, step, value.clone()).await?;
        // What runs later goes on as the last run did, whatever was written by hand between them.
        let (input, call) = match self.last_run(&documents).await? {
            Some(last) => (last.input, last.call),
            None => (Value::json(Json::Object(Map::new())), Call::default()),
        };
        let left_out = plan.steps.iter().map(|step| step.name.clone());
        let reuse = Reuse {
            kept: [(step.to_owned(), edited.clone())].into(),
            left_out: left_out.filter(|name| name != step).collect(),
            gives: vec![step.to_owned()],
            ..Reuse::default()
        };
        let call = Call {
            key: Some(self.key.clone()),
            request_key: None,
            note: Some(format!("step `{step}` written by {by}")),
            trigger: Some(via.to_owned()),
            ..call
        };
        let origin = Origin {
            reuse: Some(Arc::new(reuse)),
            claims: vec![step.to_owned()],
            expects: vec![(step.to_owned(), expected.map(str::to_owned))],
            edited: vec![step.to_owned()],
            ..Origin::default()
        };
        let (env, desk) = (self.desk.env.clone(), self.desk.clone());
        let run = super::launch::launch::<Json>(&self.inner, input, &env, Arc::new(call), Some(desk), origin);
        let run = run.await?;
        run.done().await?;
        let updated = self
            .desk
            .store()
            .head(run.id())
            .await?
            .map_or(Time::default(), |head| head.queued);
        Ok(DocumentValue {
            name: step.to_owned(),
            value,
            hash: edited.hash,
            updated,
            run: run.id(),
            edited: true,
        })
    }

    /// A re-run with the workspace as its source: say what runs again, and what is changed.
    #[must_use]
    pub fn rerun(&self) -> Rerun {
        Rerun::of_workspace(self.clone())
    }

    /// What the last run that left a result was given.
    pub(super) async fn last_run(&self, documents: &[Document]) -> Result<Option<LastRun>, Error> {
        let runs = documents.iter().filter(|document| document.run.is_some());
        let newest = runs.max_by_key(|document| document.updated);
        let Some(run) = newest.and_then(|document| document.run) else {
            return Ok(None);
        };
        let (input, call) = read::asked(&**self.desk.store(), run).await?;
        Ok(Some(LastRun { run, input, call }))
    }

    /// # Errors
    /// When the step was never run here: there is nothing to run again.
    pub(super) fn check_was_run(&self, documents: &[Document], path: &str) -> Result<(), Error> {
        let step = path.split(['/', '[']).next().unwrap_or(path);
        self.check_step(step)?;
        let was_run = documents
            .iter()
            .any(|document| document.step == step && document.run.is_some());
        if was_run {
            return Ok(());
        }
        let message = format!(
            "step `{step}` of `{}` was never run, so it cannot be run again",
            self.key
        );
        Err(refused(Failure::new(ErrorKind::Usage, message).hint(format!(
            "use `segue run --step {step} --key {}`",
            self.key
        ))))
    }

    fn check_step(&self, step: &str) -> Result<(), Error> {
        let plan = &self.inner.program.plan;
        super::rerun::choice::find(plan, step, step).map_err(refused)?;
        Ok(())
    }
}

/// # Errors
/// When a value is no output of a step.
pub(super) fn check_output(plan: &Plan, step: &str, value: &Json) -> Result<(), Error> {
    let planned = plan.step(step).map(|at| &plan.steps[at as usize]);
    let schema = planned.and_then(|step| step.output_schema.as_ref());
    let violations = schema.map(|schema| schema.violations(value)).unwrap_or_default();
    let Some(first) = violations.first() else {
        return Ok(());
    };
    let message = format!("the output set for step `{step}` does not fit: {first}");
    Err(refused(Failure::new(ErrorKind::SchemaMismatch, message)))
}

/// A result as a person has written it, made from what is there now.
///
/// # Errors
/// When it is large and could not be kept beside the log.
pub(super) async fn edited(
    desk: &Desk,
    plan: &Plan,
    results: &Results,
    step: &str,
    value: Json,
) -> Result<KeptResult, Error> {
    let value = Value::json(value);
    Ok(KeptResult {
        from: None,
        status: StepStatus::Succeeded,
        hash: value.content_hash(),
        output: desk.books.fitting(value).await?,
        built_on: results.present_hashes(plan, step),
        arm: None,
        skipped: None,
        edited: true,
        item: None,
        if_unchanged: false,
    })
}

fn refused(failure: Failure) -> Error {
    Error::new(None, failure)
}
