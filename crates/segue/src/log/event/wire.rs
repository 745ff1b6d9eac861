//! An event as JSON: one flat object, the common fields first.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::{EVENT_SCHEMA, Event, EventKind};
use crate::error::Spent;

impl Event {
    /// The name of what happened, for example `step.succeeded`.
    #[must_use]
    pub fn name(&self) -> String {
        match serde_json::to_value(&self.kind) {
            Ok(Json::Object(fields)) => fields
                .get("type")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned(),
            _ => String::new(),
        }
    }

    /// What the event says was spent, for the kinds that say so about one call.
    #[must_use]
    pub fn call_spent(&self) -> Option<Spent> {
        match &self.kind {
            EventKind::CallSucceeded { usage, cost, .. } | EventKind::CallFailed { usage, cost, .. } => {
                Some(Spent {
                    usage: *usage,
                    cost: *cost,
                })
            }
            _ => None,
        }
    }

    /// Whether the run is over with this event.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.kind,
            EventKind::RunSucceeded { .. } | EventKind::RunFailed { .. } | EventKind::RunCancelled { .. }
        )
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Map::new();
        fields.insert("schema".into(), EVENT_SCHEMA.into());
        fields.insert("run".into(), self.run.to_string().into());
        fields.insert("seq".into(), self.seq.into());
        fields.insert("time".into(), self.time.to_string().into());
        let Json::Object(kind) = serde_json::to_value(&self.kind).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("an event is an object"));
        };
        let mut kind = kind;
        fields.insert("type".into(), kind.shift_remove("type").unwrap_or_default());
        if let Some(step) = &self.step {
            fields.insert("step".into(), step.as_str().into());
        }
        fields.extend(kind);
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let mut take = |name: &str| fields.shift_remove(name).unwrap_or_default();
        if take("schema") != EVENT_SCHEMA {
            return Err(D::Error::custom(format!(
                "not an event of the shape `{EVENT_SCHEMA}`"
            )));
        }
        let run = serde_json::from_value(take("run")).map_err(D::Error::custom)?;
        let seq = serde_json::from_value(take("seq")).map_err(D::Error::custom)?;
        let time = serde_json::from_value(take("time")).map_err(D::Error::custom)?;
        let step = serde_json::from_value(take("step")).map_err(D::Error::custom)?;
        let kind = serde_json::from_value(Json::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self {
            run,
            seq,
            time,
            step,
            kind,
        })
    }
}
