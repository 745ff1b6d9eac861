//! Artifacts as a store lists them. Their bytes are kept by their hash, elsewhere.

use crate::artifact::Artifact;
use crate::clock::Time;
use crate::id::RunId;

/// An artifact with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// The run that saved it.
    pub run: RunId,
    /// The pipeline of that run.
    pub pipeline: String,
    /// When.
    pub at: Time,
    /// Whether it is the output of a step that is too large for the log, which lists leave out.
    pub is_output: bool,
}

/// One version of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkVersion {
    /// The pipeline.
    pub pipeline: String,
    /// The link.
    pub link: String,
    /// From 1, without gaps.
    pub version: u64,
    /// What it points to.
    pub artifact: Artifact,
    /// The run that moved it.
    pub run: RunId,
    /// When.
    pub at: Time,
}

/// Which artifacts. Nothing said is all that were saved by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactQuery {
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only of this name.
    pub name: Option<String>,
    /// Most of them; 0 is all.
    pub limit: usize,
}
