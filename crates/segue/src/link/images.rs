//! Images of a step: the files its `images` gives, read for the model.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::error::{ErrorKind, Failure};
use crate::id::ArtifactId;
use crate::model::Image;
use crate::run::Cx;

/// More images than this are shown to no model at once.
const MOST: usize = 20;

/// A value of the type `file`.
#[derive(Deserialize)]
struct File {
    name: String,
    media_type: String,
    artifact: Option<String>,
}

/// The images of a value: a file, a list of files, or none.
///
/// # Errors
/// When it is something else, or a file is no image or has no bytes to show.
pub(super) async fn shown(cx: &Cx, value: Json) -> Result<Vec<Image>, Failure> {
    let files = match value {
        Json::Null => return Ok(Vec::new()),
        Json::Array(files) => files,
        file => vec![file],
    };
    if files.len() > MOST {
        let message = format!(
            "`images` gives {} files, and at most {MOST} are shown",
            files.len()
        );
        return Err(Failure::new(ErrorKind::TooLarge, message).limit("images", "items", MOST));
    }
    let mut images = Vec::with_capacity(files.len());
    for file in files {
        images.push(image(cx, &file).await?);
    }
    Ok(images)
}

async fn image(cx: &Cx, file: &Json) -> Result<Image, Failure> {
    let Ok(file) = File::deserialize(file) else {
        let kind = match file {
            Json::String(_) => "text",
            Json::Object(_) => "a map that is no file",
            _ => "no file",
        };
        let message = format!("`images` takes a file or a list of files, and got {kind}");
        return Err(Failure::new(ErrorKind::KindMismatch, message)
            .hint("declare the input as `file`, and name it: `images: inputs.photo`"));
    };
    let name = &file.name;
    if !Image::MEDIA_TYPES.contains(&file.media_type.as_str()) {
        let known = Image::MEDIA_TYPES.join(", ");
        let message = format!("`{name}` is {}, and models are shown {known}", file.media_type);
        return Err(Failure::new(ErrorKind::KindMismatch, message));
    }
    let image = match &file.artifact {
        Some(data) if data.starts_with("data:") => Image::from_data_url(name, data),
        Some(id) => saved(cx, name, &file.media_type, id).await?,
        None => None,
    };
    image.ok_or_else(|| {
        let message =
            format!("`{name}` has no bytes to show: it is neither uploaded nor an artifact of the run");
        Failure::new(ErrorKind::KindMismatch, message)
            .hint("an image given as an input has at most 2 MiB, and all of a step together 3 MB")
    })
}

/// An artifact of the run.
async fn saved(cx: &Cx, name: &str, media_type: &str, id: &str) -> Result<Option<Image>, Failure> {
    let run = cx.shared();
    let Some(artifact) = id.parse::<ArtifactId>().ok().and_then(|id| run.saved.with_id(id)) else {
        return Ok(None);
    };
    if artifact.bytes > Image::MOST_BYTES {
        return Err(too_large(name));
    }
    let content = run.blobs().load(&artifact.sha256, Image::MOST_BYTES).await?;
    Ok(content.map(|content| Image::new(name, media_type, content)))
}

fn too_large(name: &str) -> Failure {
    let most = Image::MOST_BYTES;
    Failure::new(
        ErrorKind::TooLarge,
        format!("`{name}` has more than {most} bytes, too many for models"),
    )
    .limit("image", "bytes", most)
    .hint("make it smaller: models scale images down anyway")
}
