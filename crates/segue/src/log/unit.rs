//! Units: what gets one recorded outcome — a step, one item of a map, one round of a repeat.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::Plan;

/// Names a unit inside a run by dense indices. The same after a replay, in another process, on another engine: scopes
/// are numbered in the order in which recorded results open them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unit {
    /// The instance of a plan: 0 is the run's own, others are nested pipelines, inline arms and fallbacks.
    pub scope: u32,
    /// The step in that plan, or one of the marks below.
    pub step: u32,
    /// The item of a map or round of a repeat, or [`Unit::WHOLE`].
    pub item: u32,
}

impl Unit {
    /// Marks the step itself rather than one of its items.
    pub(crate) const WHOLE: u32 = u32::MAX;
    /// Marks the attempt of a step, for a deadline over it beside that of the step.
    const ATTEMPT: u32 = u32::MAX - 1;
    /// Marks the end of a scope, where its output is made.
    pub(crate) const FINISH: u32 = u32::MAX - 1;
    /// Marks a scope as a whole: its deadline, its fallback.
    pub(crate) const SCOPE: u32 = u32::MAX - 2;

    /// A step as a whole.
    pub(crate) fn whole(scope: u32, step: u32) -> Self {
        Self {
            scope,
            step,
            item: Self::WHOLE,
        }
    }

    /// An item of this step.
    pub(crate) fn item(self, item: u32) -> Self {
        Self { item, ..self }
    }

    /// What a deadline over one attempt of this unit is named by. That of an item is named by the item, which has no other.
    pub(crate) fn attempt(self) -> Self {
        match self.item {
            Self::WHOLE => self.item(Self::ATTEMPT),
            _ => self,
        }
    }

    /// The unit whose attempt it names; none where it names a unit that may have other deadlines.
    pub(crate) fn of_attempt(self) -> Option<Self> {
        match self.item {
            Self::WHOLE => None,
            Self::ATTEMPT => Some(self.of_step()),
            _ => Some(self),
        }
    }

    /// The scope it is in, as a whole.
    pub(crate) fn scope_of(scope: u32) -> Self {
        Self {
            scope,
            step: Self::SCOPE,
            item: Self::WHOLE,
        }
    }

    /// The step this unit is an item of, or itself.
    pub(crate) fn of_step(self) -> Self {
        Self {
            item: Self::WHOLE,
            ..self
        }
    }

    /// Whether it is an item or a round.
    pub(crate) fn is_item(self) -> bool {
        self.item < Self::ATTEMPT
    }
}

/// The run as a whole.
pub(crate) const ROOT: Unit = Unit {
    scope: 0,
    step: Unit::SCOPE,
    item: Unit::WHOLE,
};

/// The path of a unit of this plan below a prefix.
pub(crate) fn unit_path(prefix: &str, plan: &Plan, unit: Unit) -> String {
    let Some(step) = plan.steps.get(unit.step as usize) else {
        return prefix.trim_end_matches('/').to_owned();
    };
    if unit.is_item() {
        format!("{prefix}{}[{}]", step.name, unit.item)
    } else {
        format!("{prefix}{}", step.name)
    }
}

impl Serialize for Unit {
    /// `[scope, step]`, or `[scope, step, item]`; the end of a scope is step -2, the scope as a whole -1, the attempt of a
    /// step item -1.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let step = match self.step {
            Unit::SCOPE => -1,
            Unit::FINISH => -2,
            step => i64::from(step),
        };
        if self.is_item() {
            (self.scope, step, self.item).serialize(to)
        } else if self.of_attempt().is_some() {
            (self.scope, step, -1).serialize(to)
        } else {
            (self.scope, step).serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let parts = Vec::<i64>::deserialize(from)?;
        let number = |part: i64| u32::try_from(part).map_err(serde::de::Error::custom);
        let (scope, step, item) = match parts.as_slice() {
            [scope, step] => (number(*scope)?, *step, Unit::WHOLE),
            [scope, step, -1] => (number(*scope)?, *step, Unit::ATTEMPT),
            [scope, step, item] => (number(*scope)?, *step, number(*item)?),
            _ => return Err(serde::de::Error::custom("a unit has two or three numbers")),
        };
        let step = match step {
            -1 => Unit::SCOPE,
            -2 => Unit::FINISH,
            step => number(step)?,
        };
        Ok(Unit { scope, step, item })
    }
}
