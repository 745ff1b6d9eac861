//! A model behind the limiter of its key, and the limiters of a process.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use segue::model::{Gate, Memory, Pass, Request, Response, Told};
use segue::plan::ModelSettings;
use segue::{Failure, Model, Secret};
use url::Url;

use crate::limiter::{Limiter, Limits};
use crate::provider::Provider;

/// A model whose calls go through a limiter.
///
/// ```
/// use segue::{Models, Scripted};
/// use segue_models::{Limited, Limiter, Limits};
///
/// let limits = Limits { max_concurrent: Some(4), ..Limits::default() };
/// let limiter = Limiter::new("house", limits);
/// let model = |reply| Limited::new(Scripted::replies([reply]), limiter.clone());
/// // Two models with one key: of both together no more than four calls are under way.
/// let models = Models::offline().with("house/a", model("a")).with("house/b", model("b"));
/// ```
pub struct Limited<M> {
    model: M,
    limiter: Limiter,
}

impl<M: Model> Limited<M> {
    /// The model behind that limiter.
    #[must_use]
    pub fn new(model: M, limiter: Limiter) -> Self {
        Self { model, limiter }
    }
}

impl<M: Model> Model for Limited<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        self.model.answer(request)
    }

    fn gate(&self) -> Option<&dyn Gate> {
        Some(self)
    }

    fn unsent(&self, settings: &ModelSettings) -> Vec<String> {
        self.model.unsent(settings)
    }

    fn memory(&self) -> Option<&dyn Memory> {
        self.model.memory()
    }
}

impl<M: Model> Gate for Limited<M> {
    fn enter<'a>(
        &'a self,
        request: &'a Request,
        told: Told<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Pass>, Failure>> {
        self.limiter.admit(self.model.name(), request, told)
    }
}

/// The limiters of a process: one for each provider and key, whoever asks.
#[derive(Default)]
pub struct Limiters(Mutex<Vec<(Whose, Limiter)>>);

/// Whose limits they are.
struct Whose {
    provider: String,
    base_url: Url,
    key: Option<Secret>,
}

impl Limiters {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The limiter of a provider with its key. What limits are said last hold for all who share it.
    #[must_use]
    pub fn of(&self, provider: &Provider, limits: Limits) -> Limiter {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, limiter)) = known.iter().find(|(whose, _)| whose.is(provider)) {
            limiter.set(limits);
            return limiter.clone();
        }
        let limiter = Limiter::new(&provider.name, limits);
        let whose = Whose {
            provider: provider.name.clone(),
            base_url: provider.base_url.clone(),
            key: provider.key.clone(),
        };
        known.push((whose, limiter.clone()));
        limiter
    }
}

impl Whose {
    fn is(&self, provider: &Provider) -> bool {
        let same_key = match (&self.key, &provider.key) {
            (Some(own), Some(key)) => own.expose() == key.expose(),
            (None, None) => true,
            _ => false,
        };
        same_key && self.provider == provider.name && self.base_url == provider.base_url
    }
}
