//! A model of a provider, behind `segue::Model`.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segue::model::{Request, Response};
use segue::{ErrorKind, Failure, Model};

use crate::client::Client;
use crate::provider::Provider;

/// A model of a provider.
pub struct Hosted {
    name: String,
    client: Client,
    provider: Arc<Provider>,
}

impl Hosted {
    /// The model of that name at a provider.
    #[must_use]
    pub fn new(client: Client, provider: Arc<Provider>, model: &str) -> Self {
        Self {
            name: format!("{}/{model}", provider.name),
            client,
            provider,
        }
    }
}

impl Model for Hosted {
    fn name(&self) -> &str {
        &self.name
    }

    fn answer<'a>(&'a self, _request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        // The protocols follow in the next commits; until then nothing pretends to be an answer.
        let sendable = self.client.for_url(&self.provider.url(&[])).map(drop);
        let missing = || Failure::new(ErrorKind::Internal, "no protocol is built yet");
        async move { sendable.and_then(|()| Err(missing())) }.boxed()
    }
}
