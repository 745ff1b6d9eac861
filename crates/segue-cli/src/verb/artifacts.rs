//! `artifacts`: what runs left behind — listed, printed byte for byte, saved.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use segue::artifact::{Artifact, check_link, check_name};
use segue::store::{ArtifactQuery, KeptArtifact, LinkVersion};
use segue::{ErrorKind, RunId, Time};
use serde_json::{Value as Json, json};

use crate::arguments::Version;
use crate::arguments::runs::{ArtifactsArgs, ArtifactsVerb, CatArgs, LsArgs, SaveArgs, WhichArgs};
use crate::blob::Blob;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::naming;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::saving::{self, Saving};
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;
use crate::verb::runs::{at_desk, read};

/// Bytes that are passed on at once.
const PIECE: usize = 64 * 1024;
/// The longest text that stands in an object.
const MAX_TEXT: u64 = 1 << 20;

/// An artifact with where it comes from.
#[derive(Debug, Clone)]
struct Found {
    artifact: Artifact,
    run: RunId,
    pipeline: String,
    saved: Option<Time>,
    /// The link that points to it, where that was looked up; the inner one is none where no link does.
    link: Option<Option<String>>,
    /// Which version of the link it is.
    version: Option<u64>,
}

/// Does what is to be done with artifacts.
pub(crate) fn artifacts(arguments: &ArtifactsArgs, program: &mut Program) -> Result<Exit, Problem> {
    match &arguments.verb {
        ArtifactsVerb::Ls(arguments) => list(arguments, program),
        ArtifactsVerb::Cat(arguments) => cat(arguments, program),
        ArtifactsVerb::Save(arguments) => save(arguments, program),
    }
}

// ---- which

impl From<LinkVersion> for Found {
    fn from(version: LinkVersion) -> Self {
        Self {
            artifact: version.artifact,
            run: version.run,
            pipeline: version.pipeline,
            saved: Some(version.at),
            link: Some(Some(version.link)),
            version: Some(version.version),
        }
    }
}

impl From<KeptArtifact> for Found {
    fn from(kept: KeptArtifact) -> Self {
        Self {
            artifact: kept.artifact,
            run: kept.run,
            pipeline: kept.pipeline,
            saved: Some(kept.at),
            link: None,
            version: None,
        }
    }
}

/// What a run saved, oldest first, with the links it moved.
async fn of_run(desk: &Desk, name: &str) -> Result<Vec<Found>, Problem> {
    let (run, view) = read(desk, name).await?;
    let query = ArtifactQuery {
        run: Some(run.id()),
        ..ArtifactQuery::default()
    };
    let kept = desk.store.artifacts(query).await.map_err(naming::unread)?;
    let link = |kept: &KeptArtifact| {
        let mut saved = view.artifacts();
        let saved = saved.find(|saved| saved.id == kept.artifact.id);
        Some(saved.and_then(|saved| saved.link.clone()))
    };
    Ok(kept
        .into_iter()
        .map(|kept| Found {
            link: link(&kept),
            ..Found::from(kept)
        })
        .collect())
}

/// What a run of such a name saved under a name, when the run is gone and its artifact, to which a link points, is not;
/// none where no run is meant, or several are.
async fn outlived(desk: &Desk, run: &str, artifact: &str) -> Result<Option<Vec<Found>>, Problem> {
    let query = ArtifactQuery {
        name: Some(artifact.to_owned()),
        ..ArtifactQuery::default()
    };
    let mut kept = desk.store.artifacts(query).await.map_err(naming::unread)?;
    kept.retain(|kept| naming::is_named(kept.run, run));
    let is_one = kept
        .first()
        .is_some_and(|one| kept.iter().all(|kept| kept.run == one.run));
    Ok(is_one.then(|| kept.into_iter().map(Found::from).collect()))
}

/// The artifact that a name means.
async fn which(desk: &Desk, which: &WhichArgs) -> Result<Found, Problem> {
    let back = match which.back {
        Some(Version::Back(back)) => back,
        Some(Version::OfSegue) | None => 0,
    };
    let name = &which.artifact;
    let (mut found, what) = match (name.split_once('@'), name.split_once('/')) {
        (Some((pipeline, link)), _) => {
            let link = link.to_owned();
            check_link(&link).map_err(|why| bad(name, &why))?;
            let versions = desk.store.link(pipeline.to_owned(), link).await;
            let versions: Vec<Found> = versions
                .map_err(naming::unread)?
                .into_iter()
                .map(Found::from)
                .collect();
            (versions, "link")
        }
        (None, Some((run, artifact))) => {
            check_name(artifact).map_err(|why| bad(name, &why))?;
            let mut saved = match of_run(desk, run).await {
                Err(gone) => outlived(desk, run, artifact).await?.ok_or(gone)?,
                Ok(saved) => saved,
            };
            saved.reverse();
            saved.retain(|found| found.artifact.name == artifact);
            (saved, "artifact")
        }
        (None, None) => return Err(bad(name, "it names neither a run nor a link")),
    };
    let count = found.len();
    if count == 0 {
        return Err(unknown(desk, name, what).await?);
    }
    if back >= count {
        let versions = words::plural(count as u64, "version");
        let message = format!("{what} {} has {versions}", segue::fault::quote(name));
        return Err(Problem::new(ErrorKind::NotFound, message)
            .hint(format!("`--version {}` is the oldest", count - 1)));
    }
    Ok(found.swap_remove(back))
}

fn bad(name: &str, why: &str) -> Problem {
    let message = format!("{} is no artifact: {why}", segue::fault::quote(name));
    Problem::usage(message)
        .hint("write RUN/NAME, such as `last/report.md`, or PIPELINE@LINK, such as `research@latest-report`")
}

/// The problem of a name that nothing has, with the names there are.
async fn unknown(desk: &Desk, name: &str, what: &str) -> Result<Problem, Problem> {
    let message = format!("there is no {what} {}", segue::fault::quote(name));
    let problem = Problem::new(ErrorKind::NotFound, message);
    Ok(match name.split_once('/') {
        Some((run, artifact)) if what == "artifact" => {
            let saved = of_run(desk, run).await?;
            let known = saved.iter().map(|found| found.artifact.name.as_str());
            match segue::file::suggest::Nearest::of(artifact, known, "artifacts of this run").hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        }
        _ => problem.hint("`segue artifacts ls` shows what there is; links are in `segue runs show RUN`"),
    })
}

// ---- ls

fn list(arguments: &LsArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let found = wanted(desk, arguments).await?;
        if program.common.json {
            let items: Vec<Json> = found.iter().map(item).collect();
            write(&items, program);
        } else if found.is_empty() {
            program.screen.progress(match &arguments.link {
                Some(_) => "nothing was linked like that",
                None => "there are no artifacts",
            });
        } else {
            print(&found, program);
        }
        Ok(Exit::Done)
    })
}

/// What is to be listed, the newest first.
async fn wanted(desk: &Desk, arguments: &LsArgs) -> Result<Vec<Found>, Problem> {
    let store = &*desk.store;
    let is_meant = |pipeline: &str| arguments.pipeline.as_deref().is_none_or(|name| name == pipeline);
    if let Some(run) = &arguments.run {
        let mut saved = of_run(desk, run).await?;
        saved.retain(|found| is_meant(&found.pipeline));
        if let Some(link) = &arguments.link {
            saved.retain(|found| found.link.as_ref().and_then(Option::as_ref) == Some(link));
        }
        saved.reverse();
        return Ok(saved);
    }
    let query = ArtifactQuery {
        pipeline: arguments.pipeline.clone(),
        ..ArtifactQuery::default()
    };
    let mut kept = store.artifacts(query).await.map_err(naming::unread)?;
    kept.reverse();
    let Some(link) = &arguments.link else {
        return Ok(kept.into_iter().map(Found::from).collect());
    };
    let mut pipelines: Vec<String> = kept.into_iter().map(|kept| kept.pipeline).collect();
    pipelines.sort();
    pipelines.dedup();
    let mut found = Vec::new();
    for pipeline in pipelines {
        let versions = store.link(pipeline, link.clone()).await;
        found.extend(versions.map_err(naming::unread)?.into_iter().map(Found::from));
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.saved));
    Ok(found)
}

fn print(found: &[Found], program: &mut Program) {
    let paper = Paper::of(program);
    let mut table = Table::new([
        column("run"),
        names("pipeline"),
        names("artifact"),
        numbers("version"),
        names("link"),
        numbers("size"),
        column("type"),
        column("saved"),
    ]);
    for found in found {
        let link = found.link.as_ref().and_then(Option::as_deref);
        table.row([
            paper.id(&found.run.to_string()),
            words::one_line(&found.pipeline),
            words::one_line(&found.artifact.name),
            found
                .version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            link.map(words::one_line).unwrap_or_default(),
            words::bytes(found.artifact.bytes),
            words::one_line(&found.artifact.media_type),
            found.saved.map(|at| paper.moment(at)).unwrap_or_default(),
        ]);
    }
    for line in table.lines(paper, "") {
        program.output.document(&line);
    }
}

/// An artifact as an item of `segue.artifacts/1`. What was not looked up is left out.
fn item(found: &Found) -> Json {
    let artifact = &found.artifact;
    let mut item = json!({
        "id": artifact.id, "name": artifact.name, "step": artifact.step, "bytes": artifact.bytes,
        "sha256": artifact.sha256, "media_type": artifact.media_type, "run": found.run,
        "pipeline": found.pipeline, "saved": found.saved,
    });
    if let Some(link) = &found.link {
        item["link"] = json!(link);
    }
    if let Some(version) = found.version {
        item["version"] = json!(version);
    }
    item
}

fn write(items: &[Json], program: &mut Program) {
    program
        .output
        .object(&json!({"schema": "segue.artifacts/1", "items": items}));
}

// ---- cat

fn cat(arguments: &CatArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let found = which(desk, &arguments.which).await?;
        let is_text = is_text(&found.artifact.media_type);
        if program.common.json {
            let mut item = item(&found);
            item["text"] = match is_text && found.artifact.bytes <= MAX_TEXT {
                true => json!(text(desk, &found)?),
                false => Json::Null,
            };
            write(&[item], program);
            return Ok(Exit::Done);
        }
        let is_terminal = program.output.is_terminal();
        if is_terminal && !is_text {
            let message = format!(
                "{} is {}, which is nothing for a terminal",
                segue::fault::quote(&found.artifact.name),
                words::one_line(&found.artifact.media_type)
            );
            return Err(Problem::usage(message).hint("send it into a file, or use `segue artifacts save`"));
        }
        let mut readable = Readable::default();
        pass_on(desk, &found, |piece| {
            match is_terminal {
                // A terminal would act on control characters.
                true => program.output.bytes(readable.take(piece).as_bytes()),
                false => program.output.bytes(piece),
            }
            program.output.is_open()
        })?;
        Ok(Exit::Done)
    })
}

/// Text that comes in pieces, which may end in the middle of a character.
#[derive(Default)]
struct Readable {
    rest: Vec<u8>,
}

impl Readable {
    /// The next piece as a terminal may have it.
    fn take(&mut self, piece: &[u8]) -> String {
        self.rest.extend(piece);
        let end = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            // The end of a piece, not of the text.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.rest.len(),
        };
        let rest = self.rest.split_off(end);
        let text = words::visible(&String::from_utf8_lossy(&self.rest));
        self.rest = rest;
        text
    }
}

fn is_text(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    plain.starts_with("text/") || plain == "application/json" || plain.ends_with("+json")
}

/// An artifact as text; none for one that is not.
fn text(desk: &Desk, found: &Found) -> Result<Option<String>, Problem> {
    let mut bytes = Vec::new();
    pass_on(desk, found, |piece| {
        bytes.extend(piece);
        true
    })?;
    Ok(String::from_utf8(bytes).ok())
}

/// Passes the bytes of an artifact on, piece by piece, until somebody has had enough of them.
fn pass_on(desk: &Desk, found: &Found, mut to: impl FnMut(&[u8]) -> bool) -> Result<(), Problem> {
    let Artifact {
        sha256, bytes, name, ..
    } = &found.artifact;
    let passed = tokio::task::block_in_place(|| {
        let mut blob = Blob::open(&*desk.store, sha256, *bytes)?;
        let mut piece = vec![0; PIECE];
        loop {
            match blob.read(&mut piece)? {
                0 => return Ok(()),
                length if to(&piece[..length]) => {}
                _ => return Ok(()),
            }
        }
    });
    passed.map_err(|error: std::io::Error| {
        let message = format!("{} cannot be read: {error}", segue::fault::quote(name));
        Problem::new(ErrorKind::Store, message).hint("`segue doctor` looks for damage")
    })
}

// ---- save

fn save(arguments: &SaveArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let found = which(desk, &arguments.which).await?;
        let path = place(&arguments.to, &found.artifact.name);
        let mut saving = Saving::begin(&path, arguments.force)?;
        let mut failed = None;
        pass_on(desk, &found, |piece| {
            let written = saving.write_all(piece);
            failed = written.err();
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(saving::unwritten(&path, &error));
        }
        saving.end()?;
        if program.common.json {
            let mut item = item(&found);
            item["path"] = json!(path);
            write(&[item], program);
        } else {
            let size = words::bytes(found.artifact.bytes);
            program
                .screen
                .progress(&format!("wrote {}, {size}", path.display()));
        }
        Ok(Exit::Done)
    })
}

/// Where an artifact goes: into a folder under the last part of its name, else where it was said.
fn place(to: &Path, name: &str) -> PathBuf {
    let is_folder = to.is_dir() || to.as_os_str().to_string_lossy().ends_with('/');
    match is_folder {
        true => to.join(name.rsplit('/').next().unwrap_or(name)),
        false => to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_may_end_in_the_middle_of_a_character() {
        let mut readable = Readable::default();
        let text = "aé\u{1b}[2J💥z".replace("\\u{1b}", "\u{1b}");
        let taken: String = text
            .as_bytes()
            .chunks(1)
            .map(|piece| readable.take(piece))
            .collect();
        assert_eq!(taken, "aé\\u{1b}[2J💥z");
        assert_eq!(Readable::default().take(b"a\xff\xffb"), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn media_types_of_text_are_known() {
        for (media_type, expected) in [
            ("text/markdown", true),
            ("text/plain; charset=utf-8", true),
            ("application/json", true),
            ("application/ld+json", true),
            ("application/octet-stream", false),
            ("image/svg+xml", false),
        ] {
            assert_eq!(is_text(media_type), expected, "{media_type}");
        }
    }
}
