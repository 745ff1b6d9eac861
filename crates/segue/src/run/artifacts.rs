//! Artifacts of a run: saved under safe names, content-addressed, links that move to the newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::cx::Cx;
use super::shared::lock;
use crate::artifact::{Artifact, Media, check_link, check_name};
use crate::error::{ErrorKind, Failure, StepError};
use crate::id::{ArtifactId, RunId};
use crate::log::EventKind;

/// The artifacts of a process: bytes by hash, names by run, links by pipeline.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: BTreeMap<String, Arc<[u8]>>,
    names: BTreeMap<RunId, IndexMap<String, Artifact>>,
    links: BTreeMap<(String, String), Vec<Artifact>>,
}

impl Shelf {
    /// The artifacts of a run in the order in which they were saved.
    pub(crate) fn of_run(&self, run: RunId) -> Vec<Artifact> {
        lock(&self.0)
            .names
            .get(&run)
            .map(|names| names.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn bytes(&self, run: RunId, name: &str) -> Option<Arc<[u8]>> {
        let kept = lock(&self.0);
        let artifact = kept.names.get(&run)?.get(name)?;
        kept.bytes.get(&artifact.sha256).cloned()
    }

    /// What a link of a pipeline points to, newest first.
    pub(crate) fn link(&self, pipeline: &str, link: &str) -> Vec<Artifact> {
        let kept = lock(&self.0);
        let history = kept.links.get(&(pipeline.to_owned(), link.to_owned()));
        history
            .map(|history| history.iter().rev().cloned().collect())
            .unwrap_or_default()
    }
}

/// Saves artifacts of the step's run.
pub struct Artifacts<'a>(pub(super) &'a Cx);

impl Artifacts<'_> {
    /// Saves Markdown. The same name again replaces what the run saved under it.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn save_markdown(&self, name: &str, text: impl AsRef<str>) -> Result<Artifact, StepError> {
        self.save(name, Media::Markdown, text.as_ref().as_bytes())
    }

    /// Saves plain text.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn save_text(&self, name: &str, text: impl AsRef<str>) -> Result<Artifact, StepError> {
        self.save(name, Media::Text, text.as_ref().as_bytes())
    }

    /// Saves a value as JSON.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe; an error when the value cannot be written as JSON.
    pub async fn save_json(&self, name: &str, value: &impl serde::Serialize) -> Result<Artifact, StepError> {
        let bytes = serde_json::to_vec_pretty(value)?;
        self.save(name, Media::Json, &bytes)
    }

    /// Saves bytes.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn save_bytes(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Artifact, StepError> {
        self.save(name, Media::Bytes, bytes.as_ref())
    }

    /// Moves a link of the pipeline to an artifact; what it pointed to before stays in its history.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn link(&self, link: &str, artifact: &Artifact) -> Result<(), StepError> {
        check_link(link).map_err(|why| bad_name(link, &why))?;
        let state = self.0.state();
        let pipeline = state
            .run
            .log
            .scope(0)
            .map(|scope| scope.program.plan.name.clone())
            .unwrap_or_default();
        let mut kept = lock(&state.run.env.shelf.0);
        kept.links
            .entry((pipeline, link.to_owned()))
            .or_default()
            .push(artifact.clone());
        drop(kept);
        let event = EventKind::ArtifactLinked {
            link: link.to_owned(),
            artifact: artifact.id,
        };
        state.run.log.note(state.unit, event);
        Ok(())
    }

    pub(crate) fn save_value(&self, name: &str, media: Media, value: &Json) -> Result<Artifact, StepError> {
        let bytes = match (media, value) {
            (Media::Json, value) => serde_json::to_vec_pretty(value)?,
            (_, Json::String(text)) => text.clone().into_bytes(),
            (_, value) => serde_json::to_vec_pretty(value)?,
        };
        self.save(name, media, &bytes)
    }

    fn save(&self, name: &str, media: Media, bytes: &[u8]) -> Result<Artifact, StepError> {
        check_name(name).map_err(|why| bad_name(name, &why))?;
        let state = self.0.state();
        let run = &state.run;
        let artifact = Artifact::new(ArtifactId::new(&*run.env.ids), name, media, state.path(), bytes);
        let mut kept = lock(&run.env.shelf.0);
        let names = kept.names.entry(run.id).or_default();
        let folded = name.to_lowercase();
        if let Some(other) = names
            .keys()
            .find(|other| *other != name && other.to_lowercase() == folded)
        {
            return Err(bad_name(
                name,
                &format!("the run has `{other}`, which differs only in case"),
            ));
        }
        names.insert(name.to_owned(), artifact.clone());
        kept.bytes
            .entry(artifact.sha256.clone())
            .or_insert_with(|| bytes.into());
        drop(kept);
        run.log.note(
            state.unit,
            EventKind::ArtifactSaved {
                artifact: artifact.id,
                name: artifact.name.clone(),
                bytes: artifact.bytes,
                sha256: artifact.sha256.clone(),
                media_type: artifact.media_type.clone(),
            },
        );
        Ok(artifact)
    }
}

fn bad_name(name: &str, why: &str) -> StepError {
    let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
    Failure::new(
        ErrorKind::BadName,
        format!("`{shown}` cannot name an artifact: {why}"),
    )
    .into()
}
