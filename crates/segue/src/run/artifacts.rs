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
    /// By name, each with those of several steps, the newest last.
    names: BTreeMap<RunId, IndexMap<String, Vec<Artifact>>>,
    links: BTreeMap<(String, String), Vec<Artifact>>,
}

impl Shelf {
    /// The artifacts of a run in the order in which they were saved.
    pub(crate) fn of_run(&self, run: RunId) -> Vec<Artifact> {
        lock(&self.0)
            .names
            .get(&run)
            .map(|names| names.values().flatten().cloned().collect())
            .unwrap_or_default()
    }

    /// The bytes of an artifact; of the newest, where several steps saved one of that name.
    pub(crate) fn bytes(&self, run: RunId, name: &str) -> Option<Arc<[u8]>> {
        let kept = lock(&self.0);
        let artifact = kept.names.get(&run)?.get(name)?.last()?;
        kept.bytes.get(&artifact.sha256).cloned()
    }

    /// Keeps an artifact. The same name from the same step again replaces it; from another step both are kept.
    fn put(&self, run: RunId, artifact: &Artifact, bytes: &[u8]) -> Result<(), StepError> {
        let mut kept = lock(&self.0);
        let names = kept.names.entry(run).or_default();
        let name = &artifact.name;
        let is_twin = |other: &&String| *other != name && other.eq_ignore_ascii_case(name);
        if let Some(other) = names.keys().find(is_twin) {
            let why = format!("the run has `{other}`, which differs only in case");
            return Err(bad_name(name, &why));
        }
        let same_name = names.entry(name.clone()).or_default();
        same_name.retain(|other| other.step != artifact.step);
        same_name.push(artifact.clone());
        let kept_bytes = kept.bytes.entry(artifact.sha256.clone());
        kept_bytes.or_insert_with(|| bytes.into());
        Ok(())
    }

    /// Moves a link to an artifact.
    fn point(&self, pipeline: String, link: &str, artifact: &Artifact) {
        let mut kept = lock(&self.0);
        let history = kept.links.entry((pipeline, link.to_owned())).or_default();
        history.push(artifact.clone());
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
        self.save_as(name, Media::Markdown, text.as_ref().as_bytes())
    }

    /// Saves plain text.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn save_text(&self, name: &str, text: impl AsRef<str>) -> Result<Artifact, StepError> {
        self.save_as(name, Media::Text, text.as_ref().as_bytes())
    }

    /// Saves a value as JSON.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe; an error when the value cannot be written as JSON.
    pub async fn save_json(&self, name: &str, value: &impl serde::Serialize) -> Result<Artifact, StepError> {
        let bytes = serde_json::to_vec_pretty(value)?;
        self.save_as(name, Media::Json, &bytes)
    }

    /// Saves bytes.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn save_bytes(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Artifact, StepError> {
        self.save_as(name, Media::Bytes, bytes.as_ref())
    }

    /// Moves a link of the pipeline to an artifact; what it pointed to before stays in its history.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe.
    pub async fn link(&self, link: &str, artifact: &Artifact) -> Result<(), StepError> {
        check_link(link).map_err(|why| bad_name(link, &why))?;
        let state = self.0.state();
        let position = self.0.position();
        let key = format!("link {link} {}", artifact.id);
        if self.0.recorded(&position, &key)?.is_some() {
            return Ok(());
        }
        let pipeline = state
            .run
            .log
            .scope(0)
            .map(|scope| scope.plan.name.clone())
            .unwrap_or_default();
        state.run.env.shelf.point(pipeline, link, artifact);
        self.0.keep(&position, &key, Ok(Json::Null));
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
        self.save_as(name, media, &bytes)
    }

    /// Saves bytes of a kind.
    pub(crate) fn save_as(&self, name: &str, media: Media, bytes: &[u8]) -> Result<Artifact, StepError> {
        check_name(name).map_err(|why| bad_name(name, &why))?;
        let (cx, state) = (self.0, self.0.state());
        let run = &state.run;
        let artifact = Artifact::new(ArtifactId::new(&*run.env.ids), name, media, state.path(), bytes);
        let position = cx.position();
        let key = format!("artifact {name} {}", artifact.sha256);
        if let Some(saved) = cx.recorded(&position, &key)? {
            return Ok(serde_json::from_value(saved?)?);
        }
        run.env.shelf.put(run.id, &artifact, bytes)?;
        cx.keep(&position, &key, Ok(serde_json::to_value(&artifact)?));
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
