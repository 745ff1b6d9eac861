//! Names: which model of which provider `openai/gpt-5`, `auto/small` or an alias means here. Made from what the operator says
//! and from the keys that are set; a pipeline file adds nothing to it.
//!
//! Nothing is connected to but a model server that a name needs and that is on this machine or was named by the operator;
//! and not even that by [`Providers::at_rest`].

use std::collections::BTreeMap;
use std::sync::Arc;

use segue::Secret;
use segue::model::{Found, ModelSource};
use segue::plan::ModelRef;
use url::Url;

use crate::client::{Client, is_loopback};
use crate::hosted::Hosted;
use crate::known::{self, KNOWN, Known, OLLAMA_HOST, SIZES};
use crate::limited::{Limited, Limiters};
use crate::limiter::Limits;
use crate::listing::{self, Silence};
use crate::ollama::{self, Missing, Server};
use crate::provider::{Api, Provider};

/// What the operator says of a provider.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Where it is.
    pub base_url: Option<Url>,
    /// How it is spoken to.
    pub api: Option<Api>,
    /// The variable that has its key.
    pub key_env: Option<String>,
    /// What may be sent in a minute, and at once.
    pub limits: Limits,
    /// Why what is said does not count; then none of its models is to be had.
    pub refused: Option<String>,
}

/// Where variables are read.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The providers of a process, and what names mean among them.
///
/// ```
/// use segue_models::{Limiters, Providers};
///
/// static LIMITERS: Limiters = Limiters::new();
/// let env = std::sync::Arc::new(|name: &str| (name == "OPENAI_API_KEY").then(|| "sk-1".to_owned()));
/// let providers = Providers::new(&LIMITERS, env);
/// assert_eq!(providers.meaning("auto/large"), ["openai/gpt-5.4"]);
/// ```
#[derive(Clone)]
pub struct Providers {
    known: BTreeMap<String, Arc<Entry>>,
    /// Names the operator gave to models, `auto/*` among them.
    names: BTreeMap<String, Vec<String>>,
    client: Option<Client>,
    offline: bool,
    /// Whether a model server may be asked what it has.
    asks: bool,
    limiters: &'static Limiters,
    env: Environment,
}

/// A provider, and what stands in its way.
struct Entry {
    provider: Provider,
    limits: Limits,
    key: Key,
    /// Why it is not to be had, whatever the model.
    refused: Option<String>,
    /// Where Ollama is spoken.
    server: Option<Server>,
}

/// Whether a provider has the key it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// It is asked without.
    None,
    /// It is set, with so many characters.
    Set {
        /// The variable.
        variable: String,
        /// How many characters it has; nothing of it is shown.
        characters: usize,
    },
    /// It is not set.
    Missing {
        /// The variable.
        variable: String,
    },
}

/// A provider, as a list shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How it is spoken to.
    pub api: Api,
    /// The host it is at; what else its address says may be a secret.
    pub host: String,
    /// Its key.
    pub key: Key,
    /// What limits its key.
    pub limits: Limits,
    /// Why it is not to be had.
    pub refused: Option<String>,
    /// What is installed there, where a server was asked and has said so.
    pub installed: Option<Vec<String>>,
}

impl Providers {
    /// The providers that are known without being configured, with the keys of the environment.
    #[must_use]
    pub fn new(limiters: &'static Limiters, env: Environment) -> Self {
        let offline = env("SEGUE_OFFLINE").is_some_and(|set| !matches!(set.as_str(), "" | "0"));
        let mut providers = Self {
            known: BTreeMap::new(),
            names: BTreeMap::new(),
            client: Client::new(offline).ok(),
            offline,
            asks: true,
            limiters,
            env,
        };
        for known in &KNOWN {
            providers.add(known.name, Said::default());
        }
        providers
    }

    /// Adds what the operator says of a provider: a known one, or another.
    #[must_use]
    pub fn provider(mut self, name: &str, said: Said) -> Self {
        self.add(name, said);
        self
    }

    /// Gives a name to models in fallback order; to one of `auto/*`, another meaning.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>, models: Vec<String>) -> Self {
        self.names.insert(name.into(), models);
        self
    }

    /// The same, that connects to nothing: what only a server could say is not known.
    #[must_use]
    pub fn at_rest(&self) -> Self {
        Self {
            asks: false,
            ..self.clone()
        }
    }

    /// The models a name means, as `provider/model`: the name itself where it is one, and nothing where it means none here.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Vec<String> {
        let meant = self.meant_by(name).into_iter();
        meant
            .filter_map(|name| match size_of(&name) {
                Some(size) => self.auto(size).ok(),
                None => Some(name),
            })
            .collect()
    }

    /// Those of them that are to be had.
    ///
    /// # Errors
    /// Why none is.
    pub fn had(&self, name: &str) -> Result<Vec<String>, String> {
        let (mut had, mut missing) = (Vec::new(), Vec::new());
        for meant in self.meant_by(name) {
            let found = match (size_of(&meant), meant.split_once('/')) {
                (Some(size), _) => self.auto(size),
                (None, Some(("local" | "sim", _))) => Ok(meant.clone()),
                (None, Some((provider, model))) => match self.known.get(provider) {
                    Some(entry) => self.served(entry, Some(model)).map(|()| meant.clone()),
                    None => Err("there is no such provider".to_owned()),
                },
                (None, None) => Err("nobody gave it a meaning".to_owned()),
            };
            match found {
                Ok(model) => had.push(model),
                Err(why) if meant == name => missing.push(why),
                Err(why) => missing.push(format!("{meant}: {why}")),
            }
        }
        match had.is_empty() {
            true => Err(missing.join("; ")),
            false => Ok(had),
        }
    }

    /// The names that a name stands for; what a given name means may be one of `auto/*` with a given meaning.
    fn meant_by(&self, name: &str) -> Vec<String> {
        let given = |name: &str| {
            self.names
                .get(name)
                .cloned()
                .unwrap_or_else(|| vec![name.to_owned()])
        };
        given(name).iter().flat_map(|name| given(name)).collect()
    }

    /// Every provider, those that are known first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let known = KNOWN.iter().map(|known| known.name.to_owned());
        let others = self.known.keys().filter(|name| known::find(name).is_none());
        let names = known.chain(others.cloned());
        names
            .filter_map(|name| Some((self.known.get(&name)?, name)))
            .map(|(entry, name)| {
                let seen = match (&entry.server, self.asks) {
                    (Some(server), true) if self.way_to(entry).is_ok() => server.models().ok(),
                    _ => None,
                };
                let refused = match &entry.server {
                    Some(_) => self.served(entry, None).err(),
                    None => self.way_to(entry).err(),
                };
                Listed {
                    name,
                    api: entry.provider.api,
                    host: entry.provider.host(),
                    key: entry.key.clone(),
                    limits: entry.limits,
                    refused,
                    installed: seen.map(|models| models.iter().map(|model| model.name.clone()).collect()),
                }
            })
            .collect()
    }

    /// The models of a provider by its own names, as it says itself.
    ///
    /// # Errors
    /// Why it is not to be had, or did not say.
    pub async fn ask(&self, provider: &str) -> Result<Vec<String>, Silence> {
        let not_asked = |why: &str| Silence::NotAsked(why.to_owned());
        let entry = self.known.get(provider);
        let entry = entry.ok_or_else(|| not_asked("there is no such provider"))?;
        self.way_to(entry).map_err(Silence::NotAsked)?;
        let client = self.client.as_ref();
        let client = client.ok_or_else(|| not_asked("no HTTP client can be made here"))?;
        listing::models(client, &entry.provider).await
    }

    /// What `auto/*` would mean with the key of each provider that is to be had, as `provider/model`.
    #[must_use]
    pub fn usual(&self) -> Vec<String> {
        let usual = KNOWN.iter().filter_map(|known| {
            let entry = self.known.get(known.name)?;
            self.way_to(entry).ok()?;
            let sizes = known.sizes?;
            Some(sizes.map(|model| format!("{}/{model}", known.name)))
        });
        usual.flatten().collect()
    }

    /// Providers that are model servers on this machine: they send no bill for what they run themselves.
    pub fn near(&self) -> impl Iterator<Item = &str> {
        let near = self.known.iter().filter(|(_, entry)| {
            entry.server.is_some() && entry.refused.is_none() && is_loopback(&entry.provider.base_url)
        });
        near.map(|(name, _)| name.as_str())
    }

    /// The names of all providers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// The names the operator gave to models.
    pub fn given(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.names
            .iter()
            .map(|(name, models)| (name.as_str(), models.as_slice()))
    }

    fn add(&mut self, name: &str, said: Said) {
        let entry = self.entry(name, said);
        self.known.insert(name.to_owned(), Arc::new(entry));
    }

    fn entry(&self, name: &str, said: Said) -> Entry {
        let known = known::find(name);
        let api = said.api.or(known.map(|known| known.api)).unwrap_or(Api::Chat);
        let own_url = known.and_then(|known| self.own_url(known));
        let mut refused = said.refused;
        let is_own = said.base_url.is_none();
        let base_url = said.base_url.or(own_url).unwrap_or_else(|| {
            let nowhere = match known {
                Some(_) => format!("{OLLAMA_HOST} is no address"),
                None => format!("`[providers.{name}]` has no `base_url`"),
            };
            refused.get_or_insert(nowhere);
            nowhere_at()
        });
        // A server of the operator's own may want no key, unless it is said which it wants.
        let must = said.key_env.is_some() || is_own;
        let variable = said.key_env.or_else(|| known?.key_env.map(str::to_owned));
        let (key, secret) = self.key(variable, must);
        let mut provider = Provider::new(name, api, base_url);
        if let Some(secret) = secret {
            provider = provider.key(secret);
        }
        Entry {
            server: (api == Api::Ollama).then(|| Server::at(provider.base_url.clone())),
            limits: said.limits,
            provider,
            key,
            refused,
        }
    }

    fn own_url(&self, known: &Known) -> Option<Url> {
        match (known.api, (self.env)(OLLAMA_HOST).filter(|host| !host.is_empty())) {
            (Api::Ollama, Some(host)) => ollama::address(&host),
            _ => known.base_url.parse().ok(),
        }
    }

    fn key(&self, variable: Option<String>, must: bool) -> (Key, Option<Secret>) {
        let Some(variable) = variable else {
            return (Key::None, None);
        };
        match (self.env)(&variable).filter(|key| !key.trim().is_empty()) {
            Some(key) => {
                let key = key.trim();
                let characters = key.chars().count();
                (Key::Set { variable, characters }, Some(Secret::new(key)))
            }
            None if must => (Key::Missing { variable }, None),
            None => (Key::None, None),
        }
    }

    /// Why no model of a provider is to be had, as far as that is known without asking it.
    fn way_to(&self, entry: &Entry) -> Result<(), String> {
        if let Some(refused) = &entry.refused {
            return Err(refused.clone());
        }
        if let Key::Missing { variable } = &entry.key {
            return Err(format!("no key: {variable} is not set"));
        }
        if self.offline && !is_loopback(&entry.provider.base_url) {
            let host = entry.provider.host();
            return Err(format!(
                "offline: SEGUE_OFFLINE is set, and {host} is not on this machine"
            ));
        }
        Ok(())
    }

    /// What a model server says of a model, or of any.
    fn served(&self, entry: &Entry, model: Option<&str>) -> Result<(), String> {
        self.way_to(entry)?;
        let Some(server) = entry.server.as_ref().filter(|_| self.asks) else {
            return Ok(());
        };
        let host = entry.provider.host();
        match (server.models(), model) {
            (Err(Missing::Server), _) => Err(format!("no model server answers at {host}")),
            (Ok(models), Some(model)) if !models.iter().any(|installed| installed.is(model)) => {
                let there: Vec<&str> = models.iter().take(12).map(|model| model.name.as_str()).collect();
                let there = match there.is_empty() {
                    true => "nothing is".to_owned(),
                    false => there.join(", "),
                };
                Err(format!(
                    "`{model}` is not installed at {host} (there: {there}); `ollama pull {model}` fetches it"
                ))
            }
            _ => Ok(()),
        }
    }

    /// The model that a size means: of the first provider with a key, else of what is installed on a model server.
    ///
    /// # Errors
    /// Why nothing is to be had.
    fn auto(&self, size: usize) -> Result<String, String> {
        let mut missing = Vec::new();
        let mut others = Vec::new();
        for known in &KNOWN {
            let Some(entry) = self.known.get(known.name) else {
                continue;
            };
            match (&known.sizes, &entry.key) {
                (Some(sizes), Key::Set { .. }) => match self.way_to(entry) {
                    Ok(()) => return Ok(format!("{}/{}", known.name, sizes[size])),
                    Err(why) => others.push(format!("{}: {why}", known.name)),
                },
                (Some(_), Key::Missing { variable }) => missing.push(variable.as_str()),
                (Some(_), Key::None) => {}
                (None, _) => match self.installed_of(entry, size) {
                    Ok(model) => return Ok(format!("{}/{model}", known.name)),
                    Err(why) => others.push(why),
                },
            }
        }
        if !missing.is_empty() {
            others.insert(0, format!("no key is set ({})", missing.join(", ")));
        }
        Err(others.join("; "))
    }

    fn installed_of(&self, entry: &Entry, size: usize) -> Result<String, String> {
        self.served(entry, None)?;
        let host = entry.provider.host();
        let Some(server) = entry.server.as_ref().filter(|_| self.asks) else {
            return Err(format!(
                "whether a model server answers at {host} is found out by a run"
            ));
        };
        let models = server
            .models()
            .map_err(|_| format!("what answers at {host} does not say which models it has"))?;
        ollama::of_size(&models, size)
            .map(|model| model.name.clone())
            .ok_or_else(|| format!("the model server at {host} has no model installed"))
    }

    fn model(&self, name: &str) -> Option<Result<Found, String>> {
        let (provider, model) = name.split_once('/').filter(|(_, model)| !model.is_empty())?;
        let entry = self.known.get(provider)?;
        Some(
            self.served(entry, Some(model))
                .and_then(|()| self.found(entry, model)),
        )
    }

    fn found(&self, entry: &Entry, model: &str) -> Result<Found, String> {
        let client = self.client.clone().ok_or("no HTTP client can be made here")?;
        let limiter = self.limiters.of(&entry.provider, entry.limits);
        let hosted = Hosted::new(client, Arc::new(entry.provider.clone()), model);
        Ok(Found {
            chosen: format!("{}/{model}", entry.provider.name),
            model: Arc::new(Limited::new(hosted, limiter)),
            source: match entry.key {
                Key::Set { .. } => "key",
                _ => "server",
            },
        })
    }
}

impl ModelSource for Providers {
    fn find(&self, model: &ModelRef) -> Option<Result<Found, String>> {
        match size_of(&model.name) {
            Some(size) => match self.auto(size) {
                Ok(name) => self.model(&name),
                Err(why) => Some(Err(why)),
            },
            None => self.model(&model.name),
        }
    }

    fn stands_for(&self, name: &str) -> Option<Vec<String>> {
        self.names.get(name).cloned()
    }
}

fn size_of(name: &str) -> Option<usize> {
    SIZES.iter().position(|size| *size == name)
}

/// An address of a provider that has none; nothing is ever sent there.
fn nowhere_at() -> Url {
    Url::parse("http://0.0.0.0/").expect("an address written here is one")
}

#[cfg(test)]
mod tests;
