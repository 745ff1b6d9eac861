//! What a run takes over, at rest.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Place, Unreadable, Values};
use crate::id::RunId;
use crate::log::reuse::{KeptResult, Reuse};
use crate::view::{SkipReason, StepStatus};

/// What a run takes over.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReuse {
    kept: BTreeMap<String, StoredResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gives: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    present: BTreeMap<String, Place>,
}

/// One result that is taken over.
#[derive(Serialize, Deserialize)]
struct StoredResult {
    from: Option<RunId>,
    status: StepStatus,
    o: Place,
    hash: Option<String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    built_on: IndexMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<SkipReason>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    if_unchanged: bool,
}

impl StoredReuse {
    pub(super) fn of(reuse: &Reuse, values: &mut Values) -> Self {
        let kept = reuse.kept.iter().map(|(path, kept)| {
            let stored = StoredResult {
                from: kept.from,
                status: kept.status,
                o: values.put(&kept.output),
                hash: kept.hash.clone(),
                built_on: kept.built_on.clone(),
                arm: kept.arm.clone(),
                skipped: kept.skipped.clone(),
                edited: kept.edited,
                item: kept.item.clone(),
                if_unchanged: kept.if_unchanged,
            };
            (path.clone(), stored)
        });
        let kept = kept.collect();
        let present = reuse
            .present
            .iter()
            .map(|(path, present)| (path.clone(), values.put(present)));
        Self {
            kept,
            left_out: reuse.left_out.clone(),
            gives: reuse.gives.clone(),
            note: reuse.note.clone(),
            present: present.collect(),
        }
    }

    pub(super) fn into_reuse(self, values: &Values) -> Result<Reuse, Unreadable> {
        let mut reuse = Reuse {
            left_out: self.left_out,
            gives: self.gives,
            note: self.note,
            ..Reuse::default()
        };
        for (path, stored) in self.kept {
            let kept = KeptResult {
                from: stored.from,
                status: stored.status,
                output: values.get(stored.o)?,
                hash: stored.hash,
                built_on: stored.built_on,
                arm: stored.arm,
                skipped: stored.skipped,
                edited: stored.edited,
                item: stored.item,
                if_unchanged: stored.if_unchanged,
            };
            reuse.kept.insert(path, kept);
        }
        for (path, place) in self.present {
            reuse.present.insert(path, values.get(place)?);
        }
        Ok(reuse)
    }
}
