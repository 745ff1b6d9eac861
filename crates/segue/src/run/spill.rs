//! Spilling: values too large for the log are kept beside it, piece by piece, and loaded again where they are needed.

use std::sync::Arc;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::facts::{Fact, Facts, ItemFact};
use super::op::Inputs;
use crate::error::Failure;
use crate::store::{BlobWriter, Blobs, StoreError, StoreErrorKind};
use crate::value::{Value, ValueRef};

/// The text of a value; none of one that is kept elsewhere, or made of some that are.
///
/// # Errors
/// When it refuses to be written as JSON.
pub(super) fn text(value: &Value) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    match value.is_elsewhere() {
        true => Ok(None),
        false => value.text().map(Some),
    }
}

/// Keeps a value; gives the SHA-256 of its JSON and its length. What it was made of is written piece by piece, so that no
/// more than one of them has to be in memory.
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
        let text = value.text().map_err(unwritable)?;
        return writer.append(text.get().as_bytes().to_vec()).await;
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
    Ok(Value::json(read(blobs, at).await.map_err(Failure::from)?))
}

/// The JSON that is kept there.
///
/// # Errors
/// When it is gone or is none any more.
async fn read(blobs: &dyn Blobs, at: &ValueRef) -> Result<Json, StoreError> {
    let bytes = blobs.load(&at.sha256, u64::MAX).await?;
    let bytes = bytes.ok_or_else(|| gone(&at.sha256))?;
    serde_json::from_slice(&bytes).map_err(|error| {
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
