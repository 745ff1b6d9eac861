//! Settings of a call for steps of a run: few runs have any, and what has them is shared.

use std::sync::Arc;

use super::Resolved;

/// Resolved settings by step. Cloning copies a pointer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides(Option<Arc<Vec<OfStep>>>);

/// The number of a step in its plan, and its settings.
type OfStep = (u32, Arc<Resolved>);

impl Overrides {
    pub(crate) fn push(&mut self, step: u32, settings: Resolved) {
        Arc::make_mut(self.0.get_or_insert_default()).push((step, Arc::new(settings)));
    }

    /// The settings of a step, where the call says something of it.
    pub(crate) fn of(&self, step: u32) -> Option<&Arc<Resolved>> {
        let mut all = self.0.as_ref()?.iter();
        all.find(|(of, _)| *of == step).map(|(_, settings)| settings)
    }
}

impl FromIterator<(u32, Resolved)> for Overrides {
    fn from_iter<T: IntoIterator<Item = (u32, Resolved)>>(all: T) -> Self {
        let mut overrides = Self::default();
        for (step, settings) in all {
            overrides.push(step, settings);
        }
        overrides
    }
}
