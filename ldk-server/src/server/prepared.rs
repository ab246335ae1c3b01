//! Prepares a start before there is a node: the directory, the keys and the ports.

use std::fs::File;
use std::net::SocketAddr;

use super::{StartError, exposure, upstream};
use crate::api;
use crate::certificate::{Certificate, CertificateReloader, ClientCertificates};
use crate::cln::ClnSocket;
use crate::config::{ClnRestConfig, Config, LimitsConfig, keys};
use crate::descriptors::Shares;
use crate::gate::{self, ListeningSockets};
use crate::http::Listener;
use crate::permissions::{ApiKeys, Permissions, Runes};
use crate::secrets::{Entropy, SecretError};
use crate::{backup, secrets, storage};

/// The most connections of clients of Core Lightning.
const MAX_CLN_CONNECTIONS: usize = 256;

/// The result of the preparation.
pub(super) struct Prepared {
    /// Locked as long as the node may write its state.
    pub(super) lock: File,
    pub(super) entropy: Entropy,
    pub(super) permissions: Permissions,
    pub(super) certificate: Certificate,
    pub(super) certificate_reloader: CertificateReloader,
    /// The sockets that peers connect to.
    pub(super) sockets: ListeningSockets,
    /// The listener that callers connect to.
    pub(super) listener: Listener,
    pub(super) address: SocketAddr,
    /// The listener of CLNRest.
    pub(super) cln_rest: Option<Listener>,
    /// The listener and the certificate for clients of Core Lightning.
    pub(super) cln_grpc: Option<(Listener, CertificateReloader)>,
    /// The socket for clients of Core Lightning.
    pub(super) cln_socket: Option<ClnSocket>,
}

impl Prepared {
    /// Prepares a start. Errors need the operator.
    pub(super) async fn new(config: &Config) -> Result<Self, StartError> {
        let network_dir = config.network_dir();
        let lock = storage::lock(&network_dir)?;
        upstream::check(&network_dir)?;
        backup::remove_partial(&network_dir).map_err(StartError::PartialBackup)?;
        let entropy = secrets::entropy(&config.storage_dir)?;
        let (certificate, certificate_reloader) = Certificate::open(config.tls.clone())?;
        let cln_certificate =
            config.cln_grpc.as_ref().map(|cln| Certificate::open(cln.tls.clone()));
        let cln_certificate = cln_certificate.transpose()?;
        let of_clients = ClientCertificates::of(&certificate).or_else(|| {
            cln_certificate
                .as_ref()
                .and_then(|(certificate, _)| ClientCertificates::of(certificate))
        });
        let permissions = permissions(config, of_clients)?;
        exposure::warn(config);
        gate::check(config)?;
        let sockets = ListeningSockets::bind(&config.listening_addresses)?;
        let (listener, address) = listen(config, &certificate).await?;
        let cln_rest = listen_for_cln_rest(config, &certificate).await?;
        let cln_grpc = match (&config.cln_grpc, cln_certificate) {
            (Some(cln), Some((certificate, reloader))) => Some((
                listen_for_cln(
                    config,
                    (keys::CLN_GRPC_ADDRESS.name(), cln.address),
                    Some(certificate),
                )
                .await?,
                reloader,
            )),
            _ => None,
        };
        let write_timeout = config.limits.write_timeout;
        let bind = |socket| ClnSocket::bind(socket, write_timeout);
        let cln_socket = config.cln_socket.as_ref().map(bind).transpose()?;
        Ok(Self {
            lock,
            entropy,
            permissions,
            certificate,
            certificate_reloader,
            sockets,
            listener,
            address,
            cln_rest,
            cln_grpc,
            cln_socket,
        })
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

async fn listen(
    config: &Config,
    certificate: &Certificate,
) -> Result<(Listener, SocketAddr), StartError> {
    let shares = Shares::of(config);
    shares.tell(config);
    let limits = LimitsConfig { max_connections: shares.callers, ..config.limits };
    let address = config.grpc_address;
    let key = keys::NODE_GRPC_SERVICE_ADDRESS.name();
    let unusable = |source| StartError::Listen { key, address, source };
    let listener = Listener::bind(address, Some(certificate.clone()), limits);
    let listener = listener.await.map_err(unusable)?;
    let listener = match &config.unix_socket {
        Some(unix_socket) => listener.with_unix_socket(unix_socket)?,
        None => listener,
    };
    let address = listener.address().map_err(unusable)?;
    Ok((listener, address))
}

async fn listen_for_cln_rest(
    config: &Config,
    certificate: &Certificate,
) -> Result<Option<Listener>, StartError> {
    let Some(ClnRestConfig { address, has_tls }) = config.cln_rest else { return Ok(None) };
    let certificate = has_tls.then(|| certificate.clone());
    listen_for_cln(config, (keys::CLN_REST_ADDRESS.name(), address), certificate).await.map(Some)
}

/// A listener for clients of Core Lightning.
async fn listen_for_cln(
    config: &Config,
    (key, address): (&'static str, SocketAddr),
    certificate: Option<Certificate>,
) -> Result<Listener, StartError> {
    let max_connections = Shares::of(config).callers.min(MAX_CLN_CONNECTIONS);
    let limits = LimitsConfig { max_connections, ..config.limits };
    let listener = Listener::bind(address, certificate, limits).await;
    listener.map_err(|source| StartError::Listen { key, address, source })
}
