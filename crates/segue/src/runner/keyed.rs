//! Runs in a workspace: what a run with a key, or one of single steps, takes over of the results that are there.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::desk::Desk;
use super::handle::RunHandle;
use super::prepare::Origin;
use super::rerun::choice::{Wish, choose};
use super::results::Results;
use super::workspace::Workspace;
use crate::error::{Error, ErrorKind, Failure};
use crate::link::workspace_key;
use crate::pipeline::Inner;
use crate::plan::{Input, Plan, StartMode};
use crate::run::Environment;
use crate::settings::Call;
use crate::value::Value;

/// Whether runs of the plan belong to workspaces, or do not start by themselves.
pub(super) fn concerns(plan: &Plan) -> bool {
    plan.key.is_some() || plan.start == StartMode::Manual
}

/// Starts a run on what its workspace has. Nothing said, a pipeline that starts by itself runs what has no result yet.
///
/// # Errors
/// As any start; kind `usage` where nobody said which step of a pipeline that starts on request, `missing_prerequisites`
/// with the names of the steps whose results are missing.
pub(super) async fn launch<Out>(
    inner: &Arc<Inner>,
    input: Value,
    env: &Arc<Environment>,
    mut call: Call,
    desk: Option<Arc<Desk>>,
    wish: Option<Wish>,
) -> Result<RunHandle<Out>, Error> {
    let plan = &inner.program.plan;
    let wish = match (wish, plan.start) {
        (Some(wish), _) => wish,
        (None, StartMode::Auto) => Wish::Rest,
        (None, StartMode::Manual) => return Err(refused(on_request(plan))),
    };
    let mut given = given(plan, &input)?;
    call.key = match &mut given {
        Some(given) => workspace_key(plan, given, call.key.as_deref()),
        None => workspace_key(plan, &mut Map::new(), call.key.as_deref()),
    }
    .map_err(refused)?;
    // What makes it the same request: what was asked for, not what the workspace happened to have then.
    let asked = call.request_key.is_some().then(|| json!([wish.told(), given]));
    let mut results = Results::default();
    if let (Some(desk), Some(key)) = (&desk, &call.key) {
        let workspace = Workspace::new(desk.clone(), inner.clone(), key)?;
        let documents = workspace.documents().await?;
        if let Some(given) = &mut given {
            // Inputs that are not given again are those of the last run.
            if let Some(last) = workspace.last_run(&documents).await? {
                for (name, value) in last.named_inputs(plan) {
                    given.entry(name).or_insert(value);
                }
            }
        }
        results = Results::of_workspace(&**desk.store(), &documents).await?;
    }
    let input = given.map_or(input, |given| Value::json(Json::Object(given)));
    let chosen = choose(plan, &results, &wish, &Default::default(), None).map_err(refused)?;
    let is_whole = chosen.reuse.is_empty();
    let origin = Origin {
        claims: if call.key.is_some() {
            chosen.runs.clone()
        } else {
            Vec::new()
        },
        reuse: (!is_whole).then(|| Arc::new(chosen.reuse)),
        asked,
        ..Origin::default()
    };
    super::launch::launch(inner, input, env, Arc::new(call), desk, origin).await
}

/// The named inputs as they were given.
fn given(plan: &Plan, input: &Value) -> Result<Option<Map<String, Json>>, Error> {
    let Input::Named(_) = &plan.input else {
        return Ok(None);
    };
    let json = input
        .to_json()
        .map_err(|error| refused(Failure::new(ErrorKind::InvalidInput, error.to_string())))?;
    match json.as_ref() {
        Json::Object(given) => Ok(Some(given.clone())),
        _ => Err(refused(Failure::new(
            ErrorKind::InvalidInput,
            "the inputs should be one JSON object",
        ))),
    }
}

fn on_request(plan: &Plan) -> Failure {
    let names: Vec<String> = plan.steps.iter().map(|step| format!("`{}`", step.name)).collect();
    let message = format!(
        "the steps of pipeline `{}` run on request (`start: manual`)",
        plan.name
    );
    Failure::new(ErrorKind::Usage, message).hint(format!(
        "name one with `--step` ({}), or run all that is not done with `--all`",
        names.join(", ")
    ))
}

fn refused(failure: Failure) -> Error {
    Error::new(None, failure)
}
