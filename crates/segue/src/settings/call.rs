//! What the call of a run says: the highest level of settings, and what goes into its record.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::budget::Budget;
use crate::plan::ModelRef;

/// What the call of a run says about it. Stored with the run, so that it holds when the run goes on in another process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Call {
    /// The run's total instead of the plan's; the inner none switches it off.
    #[serde(with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Option<Budget>>,
    /// The run's deadline instead of the plan's; the inner none switches it off.
    #[serde(with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Option<Duration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_parallel: Option<u32>,
    /// Settings of steps by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<(String, Settings)>,
    /// Models by agent or alias; by no name for all agents.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) models: IndexMap<String, ModelRef>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) labels: IndexMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger: Option<String>,
    /// The schedule that starts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    /// Where the definition came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<String>,
    /// The workspace the run works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The key of the request, so that the same request is the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_key: Option<String>,
    /// The most attempts at once that the runner which starts the run allows. Stored, because what the run decides
    /// follows from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ceiling: Option<u32>,
}

impl Call {
    /// A call that says nothing: all runs that are started so share it.
    pub(crate) fn silent() -> Arc<Self> {
        static SILENT: LazyLock<Arc<Call>> = LazyLock::new(Arc::default);
        SILENT.clone()
    }

    /// Who or what starts the run.
    pub(crate) fn trigger(&self) -> &str {
        match (&self.trigger, &self.schedule) {
            (Some(trigger), _) => trigger,
            (None, Some(_)) => "schedule",
            (None, None) => "library",
        }
    }
}

/// A setting that was said, though it may have been switched off: a list of none or one.
mod said {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        said: &Option<Option<T>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        said.as_ref().map(Option::as_slice).serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Ok(Some(Vec::<T>::deserialize(from)?.into_iter().next()))
    }
}
