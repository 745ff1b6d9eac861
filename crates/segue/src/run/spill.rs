//! Spilling: values too large for the log are kept beside it, piece by piece, and loaded again where they are needed.

use std::io;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::facts::{Fact, Facts, ItemFact};
use super::op::Inputs;
use crate::error::Failure;
use crate::store::{BlobWriter, Blobs, StoreError, StoreErrorKind};
use crate::value::{Unquoting, Value, ValueRef};

/// How much of a text is written at once: what is longer is never in memory as text as a whole.
const PIECE: usize = 256 * 1024;

/// The text of a value of at most so many bytes; none of one that is longer, is kept elsewhere, or is made of some that
/// are.
///
/// # Errors
/// When it refuses to be written as JSON.
pub(super) fn text(value: &Value, most: usize) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    match value.is_elsewhere() {
        true => Ok(None),
        false => value.text_within(most),
    }
}

/// Keeps a value; gives the SHA-256 of its JSON and its length. It is written piece by piece, so that neither its text nor
/// more than one of what it was made of has to be in memory.
///
/// # Errors
/// When it could not be kept.
pub(super) async fn keep(blobs: &dyn Blobs, value: &Value) -> Result<(String, u64), StoreError> {
    let mut writer = blobs.write().await?;
    write(blobs, &mut *writer, value).await?;
    writer.finish().await
}

async fn write(blobs: &dyn Blobs, writer: &mut dyn BlobWriter, value: &Value) -> Result<(), StoreError> {
    if let Some(at) = value.stored_at() {
        let kept = blobs.read(at.sha256.clone()).await?;
        let mut kept = kept.ok_or_else(|| gone(&at.sha256))?;
        while let Some(piece) = kept.next().await? {
            writer.append(piece).await?;
        }
        return Ok(());
    }
    let Some(parts) = value.parts().filter(|_| value.is_elsewhere()) else {
        return write_text(writer, value).await;
    };
    let (open, close) = if parts.names.is_some() {
        (b'{', b'}')
    } else {
        (b'[', b']')
    };
    for (at, item) in parts.items.iter().enumerate() {
        let mut before = vec![if at == 0 { open } else { b',' }];
        if let Some(names) = parts.names {
            serde_json::to_writer(&mut before, &names[at]).map_err(unwritable)?;
            before.push(b':');
        }
        writer.append(before).await?;
        Box::pin(write(blobs, writer, item)).await?;
    }
    let end = if parts.items.is_empty() {
        vec![open, close]
    } else {
        vec![close]
    };
    writer.append(end).await
}

/// Writes the text of a value that is here. A long one is written by a thread that waits for each piece to be taken, because
/// types are written without waiting.
async fn write_text(writer: &mut dyn BlobWriter, value: &Value) -> Result<(), StoreError> {
    if let Some(text) = value.text_within(PIECE).map_err(unwritable)? {
        let text: Box<str> = text.into();
        return writer.append(text.into_boxed_bytes().into_vec()).await;
    }
    let (give, mut given) = mpsc::channel(1);
    let value = value.clone();
    let writing = tokio::task::spawn_blocking(move || {
        value.write(PIECE, |piece| give.blocking_send(piece).map_err(io::Error::other))
    });
    while let Some(piece) = given.recv().await {
        writer.append(piece).await?;
    }
    match writing.await {
        Ok(written) => written.map_err(unwritable),
        Err(error) => Err(StoreError::new(
            StoreErrorKind::Failed,
            format!("an output could not be written: {error}"),
        )),
    }
}

/// A value that can be looked at, whether or not it was kept elsewhere.
///
/// # Errors
/// Kind `store` when it is gone or cannot be read.
pub(crate) async fn load(blobs: &dyn Blobs, value: &Value) -> Result<Value, Failure> {
    let Some(at) = value.stored_at() else {
        let Some(parts) = value.parts().filter(|_| value.is_elsewhere()) else {
            return Ok(value.clone());
        };
        let mut loaded = Vec::with_capacity(parts.items.len());
        for item in parts.items {
            loaded.push(Box::pin(load(blobs, item)).await?);
        }
        return Ok(match parts.names {
            None => Value::list(loaded),
            Some(names) => Value::map(names.iter().cloned().zip(loaded)),
        });
    };
    read(blobs, at).await.map_err(Failure::from)
}

/// What is kept there. It is in memory once: as text, or as what the text is where that is all there is to it.
///
/// # Errors
/// When it is gone or is no JSON any more.
async fn read(blobs: &dyn Blobs, at: &ValueRef) -> Result<Value, StoreError> {
    let expected = usize::try_from(at.bytes).unwrap_or(usize::MAX);
    let open = || async {
        let kept = blobs.read(at.sha256.clone()).await?;
        kept.ok_or_else(|| gone(&at.sha256))
    };
    let mut kept = open().await?;
    let mut unquoting = Unquoting::default();
    loop {
        match kept.next().await? {
            Some(piece) if unquoting.push(&piece, expected) => {}
            Some(_) => break,
            None => match unquoting.finish() {
                Some(text) => return Ok(Value::json(text.into())),
                None => break,
            },
        }
    }
    let mut kept = open().await?;
    let mut text = Vec::new();
    // Where there is no room for all of it, it fails where it grows.
    let _ = text.try_reserve_exact(expected);
    while let Some(piece) = kept.next().await? {
        text.extend(piece);
    }
    Value::of_text(text).map_err(|error| {
        let message = format!("the output kept as {} is no JSON any more: {error}", at.artifact);
        StoreError::new(StoreErrorKind::Failed, message)
    })
}

/// Whether anything that goes into a unit is kept elsewhere.
pub(super) fn is_elsewhere(inputs: &Inputs) -> bool {
    fn of_facts(facts: &Facts) -> bool {
        facts.inputs.as_ref().is_some_and(Value::is_elsewhere)
            || facts.item.as_ref().is_some_and(|(item, _)| item.is_elsewhere())
            || facts.steps.values().any(|fact| {
                let items = fact.items.iter().flat_map(|items| items.iter());
                fact.output.as_ref().is_some_and(Value::is_elsewhere)
                    || items
                        .into_iter()
                        .any(|item| item.output.as_ref().is_some_and(Value::is_elsewhere))
            })
            || facts.outer.as_deref().is_some_and(of_facts)
    }
    match inputs {
        Inputs::None => false,
        Inputs::One(value) => value.is_elsewhere(),
        Inputs::Many(values) => values.iter().any(Value::is_elsewhere),
        Inputs::Facts(facts) => of_facts(facts),
    }
}

/// What goes into a unit, loaded.
///
/// # Errors
/// As [`load`].
pub(super) async fn load_all(blobs: &dyn Blobs, inputs: Inputs) -> Result<Inputs, Failure> {
    Ok(match inputs {
        Inputs::None => Inputs::None,
        Inputs::One(value) => Inputs::One(load(blobs, &value).await?),
        Inputs::Many(values) => {
            let mut loaded = Vec::with_capacity(values.len());
            for value in &values {
                loaded.push(load(blobs, value).await?);
            }
            Inputs::Many(loaded)
        }
        Inputs::Facts(facts) => Inputs::Facts(Arc::new(load_facts(blobs, &facts).await?)),
    })
}

async fn load_facts(blobs: &dyn Blobs, facts: &Facts) -> Result<Facts, Failure> {
    let mut loaded = facts.clone();
    if let Some(inputs) = &mut loaded.inputs {
        *inputs = load(blobs, inputs).await?;
    }
    if let Some((item, _)) = &mut loaded.item {
        *item = load(blobs, item).await?;
    }
    for fact in loaded.steps.values_mut() {
        load_fact(blobs, fact).await?;
    }
    if let Some(outer) = &facts.outer {
        loaded.outer = Some(Arc::new(Box::pin(load_facts(blobs, outer)).await?));
    }
    Ok(loaded)
}

async fn load_fact(blobs: &dyn Blobs, fact: &mut Fact) -> Result<(), Failure> {
    if let Some(output) = &mut fact.output {
        *output = load(blobs, output).await?;
    }
    if let Some(items) = &fact.items {
        let mut loaded: Vec<ItemFact> = items.as_ref().clone();
        for item in &mut loaded {
            if let Some(output) = &mut item.output {
                *output = load(blobs, output).await?;
            }
        }
        fact.items = Some(Arc::new(loaded));
    }
    Ok(())
}

fn gone(sha256: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Failed,
        format!("the bytes {sha256} of an output are not in the artifact store any more"),
    )
}

fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::new(
        StoreErrorKind::Failed,
        format!("an output could not be written: {error}"),
    )
}
