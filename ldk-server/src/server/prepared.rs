//! Prepares a start before there is a node: the directory, the keys and the ports.

use std::fs::File;

use super::listeners::{Certificates, Listeners};
use super::{StartError, exposure, upstream};
use crate::api;
use crate::certificate::{Certificate, ClientCertificates};
use crate::config::{Config, PluginsConfig};
use crate::gate::{self, ListeningSockets};
use crate::permissions::{ApiKeys, Permissions, Runes};
use crate::secrets::{Entropy, SecretError};
use crate::{backup, secrets, storage};

/// The result of the preparation.
pub(super) struct Prepared {
    /// Locked as long as the node may write its state.
    pub(super) lock: File,
    pub(super) entropy: Entropy,
    pub(super) permissions: Permissions,
    pub(super) certificate: Certificate,
    /// The sockets that peers connect to.
    pub(super) sockets: ListeningSockets,
    /// What callers connect to.
    pub(super) listeners: Listeners,
}

impl Prepared {
    /// Prepares a start. Errors need the operator.
    pub(super) async fn new(config: &Config) -> Result<Self, StartError> {
        let network_dir = config.network_dir();
        let lock = storage::lock(&network_dir)?;
        upstream::check(&network_dir)?;
        backup::remove_partial(&network_dir).map_err(StartError::PartialBackup)?;
        let entropy = secrets::entropy(&config.storage_dir)?;
        let certificates = Certificates::open(config)?;
        let certificate = certificates.own().clone();
        let permissions = permissions(config, certificates.of_clients())?;
        exposure::warn(config);
        config.cln_plugins.as_ref().map_or(Ok(()), PluginsConfig::check)?;
        gate::check(config)?;
        let sockets = ListeningSockets::bind(&config.listening_addresses)?;
        let listeners = Listeners::bind(config, certificates).await?;
        Ok(Self { lock, entropy, permissions, certificate, sockets, listeners })
    }
}

fn permissions(
    config: &Config,
    client_certificates: Option<ClientCertificates>,
) -> Result<Permissions, SecretError> {
    let api_keys = ApiKeys::open(config.storage_dir.clone(), config.network)?;
    let secret = secrets::rune_secret(&config.storage_dir, &config.network.to_string())?;
    let runes =
        Runes::new(&secret).map_err(|error| SecretError::new(&config.storage_dir, error))?;
    Ok(Permissions::new(api_keys, runes, client_certificates, api::group_of))
}
