//! Which model a name means. Decided before a run starts, so that a run with no model to be had never begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use indexmap::IndexMap;

use super::cassette::{self, Cassette};
use super::{Extractive, Model, Sampled, Scripted};
use crate::error::{ErrorKind, Failure};
use crate::fault::Faults;
use crate::plan::{ModelRef, ModelSettings};

/// Something that knows models by name: a crate of hosted providers, for example.
pub trait ModelSource: Send + Sync + 'static {
    /// The model behind a name. `None` when the name is not of this source; an error says why the model is not to be
    /// had, for example `no key: OPENAI_API_KEY is not set`.
    fn find(&self, model: &ModelRef) -> Option<Result<Found, String>>;

    /// The models in fallback order that a name stands for, where it is one that the operator gave.
    fn stands_for(&self, name: &str) -> Option<Vec<String>> {
        let _ = name;
        None
    }
}

/// A model found by a source.
pub struct Found {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What a name like `auto/small` came to mean.
    pub chosen: String,
    /// Why: `key server local simulated program`.
    pub source: &'static str,
}

/// One model of an agent's list that is to be had.
#[derive(Clone)]
pub struct Chosen {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What was asked for.
    pub asked: String,
    /// What it came to mean.
    pub chosen: String,
    /// Why.
    pub source: &'static str,
    /// Settings of this entry of the list.
    pub settings: ModelSettings,
}

/// The models a process can use.
#[derive(Clone, Default)]
pub struct Models {
    named: IndexMap<String, Arc<dyn Model>>,
    sources: Vec<Arc<dyn ModelSource>>,
    /// What names mean that stand for a list.
    lists: IndexMap<String, Vec<ModelRef>>,
    /// What answers in the place of whatever is named.
    instead: Option<Arc<Instead>>,
    /// What stands before every model that is found.
    before: Vec<Arc<Before>>,
    /// Whether no cassette is played.
    is_live: bool,
    /// Scripts in use, by their text: agents that share a script share what it has counted.
    scripts: Arc<Mutex<BTreeMap<String, Weak<Scripted>>>>,
    /// Cassettes in use, by their text.
    cassettes: Arc<Mutex<BTreeMap<String, Cassette>>>,
}

/// What answers in the place of a model of a list; none where this entry is to be left out.
type Instead = dyn Fn(&ModelRef) -> Option<Arc<dyn Model>> + Send + Sync;
/// What stands before a model that was found.
type Before = dyn Fn(&ModelRef, Arc<dyn Model>) -> Arc<dyn Model> + Send + Sync;

impl Models {
    /// The models that need neither key nor network: `local/extractive`, `sim/schema`, `sim/script` and `sim/cassette`.
    #[must_use]
    pub fn offline() -> Self {
        Self::default()
    }

    /// Adds a model of the program under a name, for example a [`Scripted`] one in a test. It wins over every source.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, model: impl Model) -> Self {
        self.named.insert(name.into(), Arc::new(model));
        self
    }

    /// Adds a source of models, asked in the order in which they were added.
    #[must_use]
    pub fn source(mut self, source: impl ModelSource) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Under this name these models are meant, in fallback order.
    pub(crate) fn meaning(mut self, name: impl Into<String>, list: Vec<ModelRef>) -> Self {
        self.lists.insert(name.into(), list);
        self
    }

    /// Answers whatever is named, with the settings it is named with.
    pub(crate) fn instead(
        mut self,
        instead: impl Fn(&ModelRef) -> Option<Arc<dyn Model>> + Send + Sync + 'static,
    ) -> Self {
        self.instead = Some(Arc::new(instead));
        self
    }

    /// Plays no cassette: whoever records wants what a model answers, and not what was recorded before.
    pub(crate) fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    /// Stands before every model that is found, such as one that notes what it answers.
    #[must_use]
    pub fn before(
        mut self,
        before: impl Fn(&ModelRef, Arc<dyn Model>) -> Arc<dyn Model> + Send + Sync + 'static,
    ) -> Self {
        self.before.push(Arc::new(before));
        self
    }

    /// The models of a fallback list that are to be had, in order.
    ///
    /// # Errors
    /// When none is: kind `no_model`, with every entry and why it is not to be had.
    pub fn resolve(&self, agent: &str, list: &[ModelRef]) -> Result<Vec<Chosen>, Failure> {
        let mut chosen = Vec::new();
        let mut refused = Vec::new();
        let listed = list.iter().flat_map(|entry| match self.lists.get(&entry.name) {
            Some(meant) => meant.as_slice(),
            None => std::slice::from_ref(entry),
        });
        for entry in listed {
            if let Some(instead) = &self.instead {
                match instead(entry) {
                    Some(model) => chosen.push(self.behind(entry, simulated(entry, model))),
                    None => refused.push(format!("`{}`: nothing was recorded of it", entry.name)),
                }
                continue;
            }
            for model in self.meant_by(&entry.name) {
                let meant = ModelRef {
                    name: model,
                    ..entry.clone()
                };
                match self.find(&meant) {
                    Ok(found) => {
                        let asked = entry.name.clone();
                        chosen.push(self.behind(entry, Chosen { asked, ..found }));
                    }
                    Err(why) if meant.name == entry.name => refused.push(format!("`{}`: {why}", entry.name)),
                    Err(why) => refused.push(format!("`{}`, for `{}`: {why}", meant.name, entry.name)),
                }
            }
        }
        if chosen.is_empty() {
            let message = format!(
                "agent `{agent}` has no model to be had\n  {}",
                refused.join("\n  ")
            );
            return Err(Failure::new(ErrorKind::NoModel, message)
                .hint("set the key of a provider, for example OPENAI_API_KEY")
                .hint("start a local model server such as Ollama")
                .hint("walk the pipeline without a model: `--model sim/schema`, or use `local/extractive`"));
        }
        Ok(chosen)
    }

    /// The names that an entry stands for; itself, where nobody gave it a meaning. What a given name means may be one
    /// of `auto/*` with a given meaning, and nothing further.
    fn meant_by(&self, name: &str) -> Vec<String> {
        // What answers in the place of every model goes by the names that are written.
        let given = |name: &str| match self.instead.is_some() || self.named.contains_key(name) {
            true => None,
            false => self.sources.iter().find_map(|source| source.stands_for(name)),
        };
        let Some(names) = given(name) else {
            return vec![name.to_owned()];
        };
        names
            .into_iter()
            .flat_map(|name| given(&name).unwrap_or_else(|| vec![name]))
            .collect()
    }

    fn script(&self, text: &str) -> Result<Arc<Scripted>, Faults> {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(script) = scripts.get(text).and_then(Weak::upgrade) {
            return Ok(script);
        }
        let script = Arc::new(Scripted::from_yaml(text)?);
        scripts.retain(|_, script| script.strong_count() > 0);
        scripts.insert(text.to_owned(), Arc::downgrade(&script));
        Ok(script)
    }

    fn cassette(&self, text: &str) -> Result<Cassette, Faults> {
        let mut cassettes = self.cassettes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cassette) = cassettes.get(text) {
            return Ok(cassette.clone());
        }
        let cassette = Cassette::from_yaml(text)?;
        cassettes.insert(text.to_owned(), cassette.clone());
        Ok(cassette)
    }

    /// A model that was found, behind what stands before it.
    fn behind(&self, entry: &ModelRef, mut found: Chosen) -> Chosen {
        for before in &self.before {
            found.model = before(entry, found.model);
        }
        found
    }

    fn find(&self, entry: &ModelRef) -> Result<Chosen, String> {
        let chosen = |model: Arc<dyn Model>, source| Chosen {
            chosen: model.name().to_owned(),
            model,
            asked: entry.name.clone(),
            source,
            settings: entry.settings.clone(),
        };
        if let Some(model) = self.named.get(&entry.name) {
            return Ok(chosen(model.clone(), "program"));
        }
        match entry.name.as_str() {
            "local/extractive" => return Ok(chosen(Arc::new(Extractive), "local")),
            "sim/schema" => return Ok(chosen(Arc::new(Sampled), "simulated")),
            "sim/script" => {
                let Some(text) = &entry.file else {
                    return Err("`sim/script` needs a `file` with its rules".into());
                };
                let script = self.script(text).map_err(|faults| faults.to_string())?;
                return Ok(chosen(script, "simulated"));
            }
            cassette::NAME if self.is_live => return Err("it is what is recorded".into()),
            cassette::NAME => {
                let Some(text) = &entry.file else {
                    return Err("`sim/cassette` needs a `file` with recorded calls".into());
                };
                let cassette = self.cassette(text).map_err(|faults| faults.to_string())?;
                return Ok(chosen(Arc::new(cassette), "simulated"));
            }
            _ => {}
        }
        for source in &self.sources {
            if let Some(found) = source.find(entry) {
                let found = found?;
                return Ok(Chosen {
                    model: found.model,
                    asked: entry.name.clone(),
                    chosen: found.chosen,
                    source: found.source,
                    settings: entry.settings.clone(),
                });
            }
        }
        match entry.name.split_once('/') {
            Some(("auto", _)) => Err("no provider key is set and no local model server was found".into()),
            _ => Err("this program has no provider of that name".into()),
        }
    }
}

/// A model in the place of whatever was named.
fn simulated(entry: &ModelRef, model: Arc<dyn Model>) -> Chosen {
    Chosen {
        chosen: model.name().to_owned(),
        model,
        asked: entry.name.clone(),
        source: "simulated",
        settings: entry.settings.clone(),
    }
}
