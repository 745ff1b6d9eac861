//! Artifacts of a run: saved under safe names, their bytes by their hash, links that move to the newest.
//!
//! Bytes go where the run is kept: to its store, or into memory where it has none. They are there before anything says
//! so, and what says so is in the log before the step goes on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::cx::Cx;
use super::shared::RunShared;
use crate::artifact::{Artifact, Media, check_link, check_name};
use crate::error::{ErrorKind, Failure, StepError};
use crate::id::ArtifactId;
use crate::lock::lock;
use crate::log::EventKind;
use crate::redact::{RedactingStream, Redactor};
use crate::store::{BlobReader, BlobWriter, Blobs, KeptArtifact, LinkVersion, MemoryBlobs};

/// The artifacts of the runs of a process that have no store.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) blobs: MemoryBlobs,
    links: Mutex<BTreeMap<(String, String), Vec<Artifact>>>,
}

impl Shelf {
    /// Moves a link to an artifact.
    fn point(&self, pipeline: String, link: &str, artifact: &Artifact) {
        let mut links = lock(&self.links);
        let history = links.entry((pipeline, link.to_owned())).or_default();
        history.push(artifact.clone());
    }

    /// What a link of a pipeline points to, newest first.
    pub(crate) fn link(&self, pipeline: &str, link: &str) -> Vec<Artifact> {
        let links = lock(&self.links);
        let history = links.get(&(pipeline.to_owned(), link.to_owned()));
        history
            .map(|history| history.iter().rev().cloned().collect())
            .unwrap_or_default()
    }
}

/// The artifacts of one run by name, each with those of several steps, the newest last.
#[derive(Default)]
pub(crate) struct Saved(Mutex<IndexMap<String, Vec<Artifact>>>);

impl Saved {
    /// The artifact of a name; the newest, where several steps saved one.
    pub(crate) fn find(&self, name: &str) -> Option<Artifact> {
        lock(&self.0).get(name)?.last().cloned()
    }

    /// The artifact with an id.
    pub(crate) fn with_id(&self, id: ArtifactId) -> Option<Artifact> {
        let names = lock(&self.0);
        names
            .values()
            .flatten()
            .find(|artifact| artifact.id == id)
            .cloned()
    }

    /// Keeps an artifact. The same name from the same step again replaces it; from another step both are kept.
    pub(crate) fn put(&self, artifact: &Artifact) {
        let mut names = lock(&self.0);
        let same_name = names.entry(artifact.name.clone()).or_default();
        same_name.retain(|other| other.step != artifact.step);
        same_name.push(artifact.clone());
    }

    /// # Errors
    /// When the run has another name that differs only in case.
    fn check(&self, name: &str) -> Result<(), StepError> {
        let is_twin = |other: &&String| *other != name && other.eq_ignore_ascii_case(name);
        match lock(&self.0).keys().find(is_twin) {
            None => Ok(()),
            Some(other) => {
                let why = format!("the run has `{other}`, which differs only in case");
                Err(bad_name(name, &why))
            }
        }
    }
}

impl RunShared {
    /// Where bytes of the run are kept.
    pub(crate) fn blobs(&self) -> &dyn Blobs {
        match &self.recorder {
            Some(recorder) => recorder.store().blobs(),
            None => &self.env.shelf.blobs,
        }
    }

    /// The name of the run's pipeline.
    pub(crate) fn pipeline(&self) -> &str {
        &self.program.plan.name
    }
}

/// Saves and reads artifacts of the step's run.
pub struct Artifacts<'a>(pub(super) &'a Cx);

impl<'a> Artifacts<'a> {
    /// Saves Markdown. The same name again replaces what the run saved under it.
    ///
    /// # Errors
    /// Kind `bad_name` for a name that is not safe, `storage_full` or `store` when it could not be kept.
    pub async fn save_markdown(&self, name: &str, text: impl AsRef<str>) -> Result<Artifact, StepError> {
        self.save_as(name, Media::Markdown, text.as_ref().as_bytes())
            .await
    }

    /// Saves plain text.
    ///
    /// # Errors
    /// As [`Artifacts::save_markdown`].
    pub async fn save_text(&self, name: &str, text: impl AsRef<str>) -> Result<Artifact, StepError> {
        self.save_as(name, Media::Text, text.as_ref().as_bytes()).await
    }

    /// Saves a value as JSON.
    ///
    /// # Errors
    /// As [`Artifacts::save_markdown`]; an error when the value cannot be written as JSON.
    pub async fn save_json(&self, name: &str, value: &impl serde::Serialize) -> Result<Artifact, StepError> {
        let bytes = serde_json::to_vec_pretty(value)?;
        self.save_as(name, Media::Json, &bytes).await
    }

    /// Saves bytes.
    ///
    /// # Errors
    /// As [`Artifacts::save_markdown`].
    pub async fn save_bytes(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Artifact, StepError> {
        self.save_as(name, Media::Bytes, bytes.as_ref()).await
    }

    /// Saves what is too large to be in memory at once: append to what this gives, then finish it. An artifact is also
    /// what a step gives on, so that large data goes from step to step by reference.
    ///
    /// # Errors
    /// As [`Artifacts::save_markdown`].
    pub async fn write(&self, name: &str, media: Media) -> Result<ArtifactWriter<'a>, StepError> {
        check_name(name).map_err(|why| bad_name(name, &why))?;
        let cx = self.0;
        let run = &cx.state().run;
        unsecret(&run.env.redactor, name)?;
        run.saved.check(name)?;
        let position = cx.position();
        let key = format!("artifact {name}");
        let recorded = cx.recorded(&position, &key)?;
        let to = match recorded {
            Some(saved) => Writing::Saved(serde_json::from_value(saved?)?),
            None => Writing::Now(run.blobs().write().await.map_err(Failure::from)?),
        };
        Ok(ArtifactWriter {
            cx,
            name: name.to_owned(),
            media,
            position,
            key,
            clean: match media {
                Media::Bytes => run.env.redactor.binary_stream(),
                _ => run.env.redactor.stream(),
            },
            to,
        })
    }

    /// Reads an artifact piece by piece.
    ///
    /// # Errors
    /// When its bytes are gone or cannot be read.
    pub async fn read(&self, artifact: &Artifact) -> Result<ArtifactReader, StepError> {
        let run = &self.0.state().run;
        let reader = run
            .blobs()
            .read(artifact.sha256.clone())
            .await
            .map_err(Failure::from)?;
        match reader {
            Some(reader) => Ok(ArtifactReader(reader)),
            None => Err(gone(artifact).into()),
        }
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
        let run = &state.run;
        let whole = run.recorder.as_ref().map(|recorder| recorder.together());
        self.0.keep(&position, &key, Ok(Json::Null));
        let event = EventKind::ArtifactLinked {
            link: link.to_owned(),
            artifact: artifact.id,
        };
        run.log.note(state.unit, event);
        match &run.recorder {
            None => run.env.shelf.point(run.pipeline().to_owned(), link, artifact),
            Some(recorder) => recorder.with(|effects| {
                effects.links.push(LinkVersion {
                    pipeline: run.pipeline().to_owned(),
                    link: link.to_owned(),
                    version: 0,
                    artifact: artifact.clone(),
                    run: run.id,
                    at: run.log.clock().time(),
                });
            }),
        }
        drop(whole);
        self.0.written().await;
        Ok(())
    }

    pub(crate) async fn save_value(
        &self,
        name: &str,
        media: Media,
        value: &Json,
    ) -> Result<Artifact, StepError> {
        let bytes = match (media, value) {
            (Media::Json, value) => serde_json::to_vec_pretty(value)?,
            (_, Json::String(text)) => text.clone().into_bytes(),
            (_, value) => serde_json::to_vec_pretty(value)?,
        };
        self.save_as(name, media, &bytes).await
    }

    /// Saves bytes of a kind.
    pub(crate) async fn save_as(
        &self,
        name: &str,
        media: Media,
        bytes: &[u8],
    ) -> Result<Artifact, StepError> {
        check_name(name).map_err(|why| bad_name(name, &why))?;
        let (cx, state) = (self.0, self.0.state());
        let run = &state.run;
        let redactor = &run.env.redactor;
        unsecret(redactor, name)?;
        let bytes = match media {
            Media::Bytes => redactor.binary(bytes),
            _ => redactor.bytes(bytes),
        };
        let bytes: &[u8] = &bytes;
        let artifact = Artifact::new(ArtifactId::new(&*run.env.ids), name, media, state.path(), bytes);
        let position = cx.position();
        let key = format!("artifact {name} {}", artifact.sha256);
        if let Some(saved) = cx.recorded(&position, &key)? {
            return Ok(serde_json::from_value(saved?)?);
        }
        run.saved.check(name)?;
        run.blobs().keep(bytes.to_vec()).await.map_err(Failure::from)?;
        saved(cx, &position, &key, &artifact).await?;
        Ok(artifact)
    }
}

/// The bytes of an artifact are kept: it is one of the run's from now on.
async fn saved(cx: &Cx, position: &str, key: &str, artifact: &Artifact) -> Result<(), StepError> {
    crate::fail::point("K10");
    let state = cx.state();
    let run = &state.run;
    run.saved.put(artifact);
    let whole = run.recorder.as_ref().map(|recorder| recorder.together());
    cx.keep(position, key, Ok(serde_json::to_value(artifact)?));
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
    if let Some(recorder) = &run.recorder {
        let kept = KeptArtifact {
            artifact: artifact.clone(),
            run: run.id,
            pipeline: run.pipeline().to_owned(),
            at: run.log.clock().time(),
            is_output: false,
        };
        recorder.with(|effects| effects.artifacts.push(kept));
    }
    drop(whole);
    cx.written().await;
    Ok(())
}

/// An artifact that is being written. Dropped before its end, nothing of it is kept.
pub struct ArtifactWriter<'a> {
    cx: &'a Cx,
    name: String,
    media: Media,
    position: String,
    key: String,
    clean: RedactingStream,
    to: Writing,
}

enum Writing {
    /// It was saved before the step went on; what is written again is not kept twice.
    Saved(Artifact),
    Now(Box<dyn BlobWriter>),
}

impl ArtifactWriter<'_> {
    /// Appends bytes.
    ///
    /// # Errors
    /// Kind `storage_full` or `store` when they could not be kept.
    pub async fn append(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), StepError> {
        match &mut self.to {
            Writing::Saved(_) => Ok(()),
            Writing::Now(writer) => {
                let clean = self.clean.push(bytes.into());
                match clean.is_empty() {
                    true => Ok(()),
                    false => Ok(writer.append(clean).await.map_err(Failure::from)?),
                }
            }
        }
    }

    /// Saves what was appended.
    ///
    /// # Errors
    /// Kind `storage_full` or `store` when it could not be kept.
    pub async fn finish(self) -> Result<Artifact, StepError> {
        let Self {
            cx,
            name,
            media,
            position,
            key,
            clean,
            to,
        } = self;
        let mut writer = match to {
            Writing::Saved(artifact) => return Ok(artifact),
            Writing::Now(writer) => writer,
        };
        let rest = clean.finish();
        if !rest.is_empty() {
            writer.append(rest).await.map_err(Failure::from)?;
        }
        let (sha256, bytes) = writer.finish().await.map_err(Failure::from)?;
        let state = cx.state();
        let artifact = Artifact {
            id: ArtifactId::new(&*state.run.env.ids),
            name,
            step: state.path(),
            bytes,
            sha256,
            media_type: media.media_type().to_owned(),
        };
        saved(cx, &position, &key, &artifact).await?;
        Ok(artifact)
    }
}

/// An artifact that is being read.
pub struct ArtifactReader(Box<dyn BlobReader>);

impl ArtifactReader {
    /// The next bytes, a bounded piece of them; none at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StepError> {
        Ok(self.0.next().await.map_err(Failure::from)?)
    }
}

fn gone(artifact: &Artifact) -> Failure {
    let message = format!("the bytes of artifact `{}` are not there any more", artifact.name);
    Failure::new(ErrorKind::Store, message)
}

/// # Errors
/// When a secret stands in the name of an artifact, which is shown wherever the artifact is.
fn unsecret(redactor: &Redactor, name: &str) -> Result<(), StepError> {
    match redactor.text(name) {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(clean) => Err(bad_name(&clean, "a secret stands in it")),
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
