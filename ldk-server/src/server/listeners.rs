//! The ports and sockets that callers connect to.

use std::net::SocketAddr;

use super::StartError;
use crate::certificate::{Certificate, CertificateReloader, ClientCertificates};
use crate::cln::ClnSocket;
use crate::config::{ClnRestConfig, Config, LimitsConfig, PhoenixdConfig, keys};
use crate::descriptors::Shares;
use crate::http::Listener;
use crate::secrets::SecretError;

/// The most connections of clients of other software.
const MAX_FOREIGN_CONNECTIONS: usize = 256;

/// The certificates that the listeners present, and what keeps them.
pub(super) struct Certificates {
    own: (Certificate, CertificateReloader),
    cln_grpc: Option<(Certificate, CertificateReloader)>,
}

impl Certificates {
    /// Reads the certificates, or makes those that are missing.
    pub(super) fn open(config: &Config) -> Result<Self, SecretError> {
        let own = Certificate::open(config.tls.clone())?;
        let cln_grpc = config.cln_grpc.as_ref().map(|cln| Certificate::open(cln.tls.clone()));
        Ok(Self { own, cln_grpc: cln_grpc.transpose()? })
    }

    /// The certificate of the gRPC service and the pages.
    pub(super) fn own(&self) -> &Certificate {
        &self.own.0
    }

    /// The certificates of clients, if a listener asks for them.
    pub(super) fn of_clients(&self) -> Option<ClientCertificates> {
        let cln_grpc = self.cln_grpc.as_ref().map(|(certificate, _)| certificate);
        [Some(self.own()), cln_grpc].into_iter().flatten().find_map(ClientCertificates::of)
    }
}

/// The ports and sockets that callers connect to.
pub(super) struct Listeners {
    /// The address of the gRPC service.
    pub(super) address: SocketAddr,
    /// Those of the gRPC service and the pages.
    pub(super) own: (Listener, CertificateReloader),
    /// The listener of CLNRest.
    pub(super) cln_rest: Option<Listener>,
    /// The listener of Core Lightning's gRPC interface.
    pub(super) cln_grpc: Option<(Listener, CertificateReloader)>,
    /// Core Lightning's Unix socket.
    pub(super) cln_socket: Option<ClnSocket>,
    /// The listener of phoenixd's interface.
    pub(super) phoenixd: Option<Listener>,
}

impl Listeners {
    /// Binds all of them.
    pub(super) async fn bind(
        config: &Config,
        certificates: Certificates,
    ) -> Result<Self, StartError> {
        let Certificates { own: (certificate, reloader), cln_grpc } = certificates;
        let (listener, address) = listen(config, &certificate).await?;
        let cln_rest = listen_for_cln_rest(config, &certificate).await?;
        let phoenixd = listen_for_phoenixd(config, &certificate).await?;
        let cln_grpc = match (&config.cln_grpc, cln_grpc) {
            (Some(cln), Some((certificate, reloader))) => {
                let address = (keys::CLN_GRPC_ADDRESS.name(), cln.address);
                Some((listen_for_others(config, address, Some(certificate)).await?, reloader))
            },
            _ => None,
        };
        let write_timeout = config.limits.write_timeout;
        let bind = |socket| ClnSocket::bind(socket, write_timeout);
        let cln_socket = config.cln_socket.as_ref().map(bind).transpose()?;
        Ok(Self { address, own: (listener, reloader), cln_rest, cln_grpc, cln_socket, phoenixd })
    }
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
    let address = (keys::CLN_REST_ADDRESS.name(), address);
    listen_for_others(config, address, certificate).await.map(Some)
}

async fn listen_for_phoenixd(
    config: &Config,
    certificate: &Certificate,
) -> Result<Option<Listener>, StartError> {
    let Some(PhoenixdConfig { address, has_tls, .. }) = config.phoenixd else { return Ok(None) };
    let certificate = has_tls.then(|| certificate.clone());
    let address = (keys::PHOENIXD_ADDRESS.name(), address);
    listen_for_others(config, address, certificate).await.map(Some)
}

/// A listener for clients of other software.
async fn listen_for_others(
    config: &Config,
    (key, address): (&'static str, SocketAddr),
    certificate: Option<Certificate>,
) -> Result<Listener, StartError> {
    let max_connections = Shares::of(config).callers.min(MAX_FOREIGN_CONNECTIONS);
    let limits = LimitsConfig { max_connections, ..config.limits };
    let listener = Listener::bind(address, certificate, limits).await;
    listener.map_err(|source| StartError::Listen { key, address, source })
}
