//! Workspaces by key: which pipeline a key belongs to, and the definition its last run had.

use segue::store::Document;
use segue::{ErrorKind, Pipeline, RunId};
use serde_json::Value as Json;

use crate::desk::Desk;
use crate::naming;
use crate::problem::Problem;

/// A workspace there is.
pub(crate) struct Found {
    pub(crate) key: String,
    /// As its last run had it.
    pub(crate) pipeline: Pipeline<Json, Json>,
    /// Where that definition came from.
    pub(crate) definition: Option<String>,
}

/// The workspace of a key; none where no run has that key.
///
/// # Errors
/// When runs of several pipelines have it and none was named.
pub(crate) async fn find(desk: &Desk, key: &str, pipeline: Option<&str>) -> Result<Option<Found>, Problem> {
    let store = &*desk.store;
    let mut known = store
        .workspaces(Some(key.to_owned()))
        .await
        .map_err(naming::unread)?;
    if let Some(name) = pipeline {
        known.retain(|known| known.pipeline == name);
        if known.is_empty() {
            let message = format!(
                "pipeline {} has no runs with the key {}",
                segue::fault::quote(name),
                segue::fault::quote(key)
            );
            return Err(Problem::new(ErrorKind::NotFound, message));
        }
    }
    let pipeline = match known.as_slice() {
        [] => return Ok(None),
        [one] => one.pipeline.clone(),
        several => {
            let mut problem = Problem::usage(format!(
                "several pipelines have the key {}",
                segue::fault::quote(key)
            ));
            for workspace in several {
                problem = problem.hint(format!("`--pipeline {}`", workspace.pipeline));
            }
            return Err(problem);
        }
    };
    of(desk, &pipeline, key).await
}

/// The workspace of a pipeline and a key; none where no run has worked in it.
///
/// # Errors
/// When the store cannot be read, or this program cannot run the pipeline.
pub(crate) async fn of(desk: &Desk, pipeline: &str, key: &str) -> Result<Option<Found>, Problem> {
    let store = &*desk.store;
    let documents = store.documents(pipeline.to_owned(), key.to_owned()).await;
    let documents = documents.map_err(naming::unread)?;
    let Some(run) = last_run(&documents) else {
        return Ok(None);
    };
    let head = store.head(run).await.map_err(naming::unread)?;
    Ok(Some(Found {
        key: key.to_owned(),
        pipeline: desk.runner.pipeline_of(run).await?,
        definition: head.and_then(|head| head.definition),
    }))
}

/// The run that has worked here last, or works here now.
fn last_run(documents: &[Document]) -> Option<RunId> {
    let newest = documents.iter().max_by_key(|document| document.updated)?;
    newest.running.or(newest.run).or_else(|| {
        documents
            .iter()
            .find_map(|document| document.running.or(document.run))
    })
}

/// The workspace of a key, which has to be there.
///
/// # Errors
/// When there is none.
pub(crate) async fn the(desk: &Desk, key: &str, pipeline: Option<&str>) -> Result<Found, Problem> {
    find(desk, key, pipeline).await?.ok_or_else(|| {
        let message = format!("no run has the key {}", segue::fault::quote(key));
        Problem::new(ErrorKind::NotFound, message)
            .hint(format!("`segue run PIPELINE --key {key} --all` begins with it"))
    })
}
