//! Spilling: values too large for the log are kept beside it, piece by piece, and loaded again where they are needed.

use std::sync::Arc;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::facts::{Fact, Facts, ItemFact};
use super::op::Inputs;
use crate::error::{ErrorKind, Failure};
use crate::plan::hash_of;
use crate::store::{Blobs, StoreError, StoreErrorKind};
use crate::value::Value;

/// The text of a value; none of a list with items that are kept elsewhere.
///
/// # Errors
/// When it refuses to be written as JSON.
pub(super) fn text(value: &Value) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    match value.listed() {
        Some(items) if items.iter().any(|item| item.stored_at().is_some()) => Ok(None),
        _ => value.text().map(Some),
    }
}

/// Keeps a value; gives the SHA-256 of its JSON, its length, and its content hash. A list is written item by item, so
/// that no more than one of them has to be in memory.
///
/// # Errors
/// When it could not be kept.
pub(super) async fn keep(blobs: &dyn Blobs, value: &Value) -> Result<(String, u64, String), StoreError> {
    let mut writer = blobs.write().await?;
    let hash = match value.listed() {
        Some(items) if items.iter().any(|item| item.stored_at().is_some()) => {
            let mut hashes = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                writer.append(vec![if at == 0 { b'[' } else { b',' }]).await?;
                match item.stored_at() {
                    Some(kept) => {
                        let mut reader = blobs
                            .read(kept.sha256.clone())
                            .await?
                            .ok_or_else(|| gone(&kept.sha256))?;
                        while let Some(piece) = reader.next().await? {
                            writer.append(piece).await?;
                        }
                        hashes.push(Json::String(kept.hash.clone()));
                    }
                    None => {
                        let json = item.to_json().map_err(unwritable)?;
                        writer
                            .append(serde_json::to_vec(&*json).map_err(unwritable)?)
                            .await?;
                        hashes.push(Json::String(hash_of(&json)));
                    }
                }
            }
            writer.append(b"]".to_vec()).await?;
            hash_of(&Json::Array(hashes))
        }
        _ => {
            let json = value.to_json().map_err(unwritable)?;
            let hash = hash_of(&json);
            writer
                .append(serde_json::to_vec(&*json).map_err(unwritable)?)
                .await?;
            hash
        }
    };
    let (sha256, bytes) = writer.finish().await?;
    Ok((sha256, bytes, hash))
}

/// A value that can be looked at, whether or not it was kept elsewhere.
///
/// # Errors
/// Kind `store` when it is gone or cannot be read.
pub(crate) async fn load(blobs: &dyn Blobs, value: &Value) -> Result<Value, Failure> {
    let Some(at) = value.stored_at() else {
        return match value.listed() {
            Some(items) if items.iter().any(|item| item.stored_at().is_some()) => {
                let mut loaded = Vec::with_capacity(items.len());
                for item in items {
                    loaded.push(Box::pin(load(blobs, item)).await?);
                }
                Ok(Value::list(loaded))
            }
            _ => Ok(value.clone()),
        };
    };
    let bytes = blobs.load(&at.sha256, u64::MAX).await.map_err(Failure::from)?;
    let bytes = bytes.ok_or_else(|| Failure::from(gone(&at.sha256)))?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the output kept as {} is no JSON any more: {error}", at.artifact);
        Failure::new(ErrorKind::Store, message)
    })?;
    Ok(Value::json(json))
}

/// Whether anything that goes into a unit is kept elsewhere.
pub(super) fn is_elsewhere(inputs: &Inputs) -> bool {
    fn of(value: &Value) -> bool {
        value.stored_at().is_some()
            || value
                .listed()
                .is_some_and(|items| items.iter().any(|item| item.stored_at().is_some()))
    }
    fn of_facts(facts: &Facts) -> bool {
        facts.inputs.as_ref().is_some_and(of)
            || facts.item.as_ref().is_some_and(|(item, _)| of(item))
            || facts.steps.values().any(|fact| {
                let items = fact.items.iter().flat_map(|items| items.iter());
                fact.output.as_ref().is_some_and(of)
                    || items.into_iter().any(|item| item.output.as_ref().is_some_and(of))
            })
            || facts.outer.as_deref().is_some_and(of_facts)
    }
    match inputs {
        Inputs::None => false,
        Inputs::One(value) => of(value),
        Inputs::Many(values) => values.iter().any(of),
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
