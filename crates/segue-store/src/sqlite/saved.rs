//! Artifacts and links, without their bytes.

use rusqlite::params;
use segue::store::{KeptArtifact, LinkVersion};

use super::row::{Id, int};
use super::writing::Writing;

pub(super) fn artifacts(writing: &Writing<'_>, artifacts: &[KeptArtifact]) -> rusqlite::Result<()> {
    for kept in artifacts {
        let mut insert = writing.statement(
            "INSERT INTO artifacts (id, run, pipeline, at, is_output, name, step, bytes, sha256, media_type)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET run = excluded.run, pipeline = excluded.pipeline, at = excluded.at,
                 is_output = excluded.is_output, name = excluded.name, step = excluded.step, bytes = excluded.bytes,
                 sha256 = excluded.sha256, media_type = excluded.media_type",
        )?;
        let artifact = &kept.artifact;
        insert.execute(params![
            Id::from(artifact.id),
            Id::from(kept.run),
            kept.pipeline,
            kept.at.micros(),
            kept.is_output,
            artifact.name,
            artifact.step,
            int(artifact.bytes),
            artifact.sha256,
            artifact.media_type,
        ])?;
    }
    Ok(())
}

/// Links moved; their versions are numbered here.
pub(super) fn links(writing: &Writing<'_>, links: &[LinkVersion]) -> rusqlite::Result<()> {
    for link in links {
        let mut insert = writing.statement(
            "INSERT INTO links (pipeline, link, version, run, at, artifact, name, step, bytes, sha256, media_type)
             VALUES (?1, ?2, (SELECT coalesce(max(version), 0) + 1 FROM links WHERE pipeline = ?1 AND link = ?2),
                 ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let artifact = &link.artifact;
        insert.execute(params![
            link.pipeline,
            link.link,
            Id::from(link.run),
            link.at.micros(),
            Id::from(artifact.id),
            artifact.name,
            artifact.step,
            int(artifact.bytes),
            artifact.sha256,
            artifact.media_type,
        ])?;
    }
    Ok(())
}
