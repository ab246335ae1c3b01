//! phoenixd's interface, if it is configured.

use super::{Lifetime, StartError};
use crate::api::Dispatcher;
use crate::feeds::Feeds;
use crate::http::{Answerer, PhoenixdPages};
use crate::permissions::Runes;
use crate::phoenixd::{Logins, Phoenixd, Webhooks};
use crate::secrets::{PhoenixConf, SecretError};

/// What serves phoenixd's clients.
pub(super) struct PhoenixdService {
    pub(super) answerer: Answerer,
    pub(super) phoenixd: Phoenixd,
    pub(super) webhooks: Webhooks,
}

impl Lifetime {
    /// The service, if it is configured. Reads its passwords, or makes them.
    pub(super) fn phoenixd(
        &self,
        dispatcher: Dispatcher,
        runes: Runes,
        feeds: Feeds,
    ) -> Result<Option<PhoenixdService>, StartError> {
        let Some(config) = &self.config.phoenixd else { return Ok(None) };
        let network_dir = self.config.network_dir();
        let conf = PhoenixConf::open(&network_dir)?;
        let logins = Logins::new(&conf, runes)
            .map_err(|error| SecretError::new(&PhoenixConf::path(&network_dir), error))?;
        let webhooks = config.webhooks.clone();
        let webhooks = Webhooks::new(webhooks, conf.webhook_secret, &self.config.webhooks)?;
        let phoenixd = Phoenixd::new(dispatcher, self.config.network, network_dir, config);
        let body_timeout = self.config.limits.request_timeout;
        let pages = PhoenixdPages { phoenixd: phoenixd.clone(), logins, feeds, body_timeout };
        Ok(Some(PhoenixdService {
            answerer: pages.answerer(&self.config.http),
            phoenixd,
            webhooks,
        }))
    }
}
