//! What a client is made of, checked before the first call.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::Authority;
use ldk_server_grpc::places::Places;
use ldk_server_grpc::rune;
use tokio::runtime::Handle;
use tonic::transport::{Endpoint, Uri};

use crate::client::Client;
use crate::connect::{self, Target, connector};
use crate::error::Error;
use crate::signed::Credential;
use crate::tls::{self, ClientCertificate};

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// While a call or an event stream is open, the connection is probed this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A connection that leaves a probe unanswered for so long counts as lost.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server is, and how to show it who calls.
enum Server {
    Remote(Remote),
    /// The Unix socket of a server on this machine, which knows its callers by themselves.
    Local(PathBuf),
}

struct Remote {
    address: String,
    /// `None` if nothing is signed.
    api_key: Option<String>,
    tls_cert_pem: Vec<u8>,
    client_certificate: Option<ClientCertificate>,
}

/// Settings of a [`Client`]; made by [`Client::builder`] and [`Client::unix_socket`].
pub struct ClientBuilder {
    server: Server,
    rune: Option<String>,
    connect_timeout: Duration,
    call_timeout: Duration,
}

impl Client {
    /// Starts a client of the server at `address` (`host:port`, no scheme), with the API key as
    /// hex text and the PEM certificates to trust.
    pub fn builder(
        address: impl Into<String>,
        api_key: impl Into<String>,
        tls_cert_pem: impl AsRef<[u8]>,
    ) -> ClientBuilder {
        let (address, api_key) = (address.into(), api_key.into());
        ClientBuilder::remote(address, Some(api_key), tls_cert_pem.as_ref().to_vec())
    }

    /// Starts a client of the server at `address` that has no API key, and by itself no right but to
    /// ask for health. A certificate gives it more: see [`ClientBuilder::client_certificate`].
    pub fn builder_without_key(
        address: impl Into<String>,
        tls_cert_pem: impl AsRef<[u8]>,
    ) -> ClientBuilder {
        ClientBuilder::remote(address.into(), None, tls_cert_pem.as_ref().to_vec())
    }

    /// Starts a client of the server that listens at this Unix socket. It needs neither key nor
    /// certificate: the server knows which user calls.
    pub fn unix_socket(path: impl Into<PathBuf>) -> ClientBuilder {
        ClientBuilder::local(path.into())
    }

    /// A client of the server whose address, key and certificates are at these places: over its Unix
    /// socket, if it has one that this process may use, or else over the network.
    pub fn from_places(places: &Places) -> Result<Self, Error> {
        if let Some(path) = places.unix_socket() {
            return Self::unix_socket(path).build();
        }
        let tls_cert = places.read_tls_cert();
        match (places.read_api_key(), places.read_client_cert()) {
            (Ok(api_key), None) => Self::builder(&places.address, api_key, tls_cert?).build(),
            (Ok(api_key), Some((cert, key))) => Self::builder(&places.address, api_key, tls_cert?)
                .client_certificate(cert, key)
                .build(),
            (Err(_), Some((cert, key))) => Self::builder_without_key(&places.address, tls_cert?)
                .client_certificate(cert, key)
                .build(),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// A client of the server that runs with this configuration file.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_places(&Places::of_config_file(path.as_ref())?)
    }

    /// A client of the server that keeps its state in this directory, on this network (`bitcoin`,
    /// `testnet`, `testnet4`, `signet` or `regtest`), and listens at the default address.
    pub fn from_storage_dir(dir: impl AsRef<Path>, network: &str) -> Result<Self, Error> {
        Self::from_places(&Places::of_storage_dir(dir.as_ref(), network))
    }
}

impl ClientBuilder {
    fn remote(address: String, api_key: Option<String>, tls_cert_pem: Vec<u8>) -> Self {
        let client_certificate = None;
        Self::new(Server::Remote(Remote { address, api_key, tls_cert_pem, client_certificate }))
    }

    fn local(path: PathBuf) -> Self {
        Self::new(Server::Local(path))
    }

    fn new(server: Server) -> Self {
        Self {
            server,
            rune: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
        }
    }

    /// Proves calls with a rune instead of signing them with the API key.
    pub fn rune(mut self, rune: impl Into<String>) -> Self {
        self.rune = Some(rune.into());
        self
    }

    /// Shows this certificate and the proof of its key, both in PEM, to a server that asks for one.
    /// Over a Unix socket it is of no use.
    pub fn client_certificate(
        mut self,
        cert_pem: impl AsRef<[u8]>,
        key_pem: impl AsRef<[u8]>,
    ) -> Self {
        if let Server::Remote(remote) = &mut self.server {
            let (cert_pem, key_pem) = (cert_pem.as_ref().to_vec(), key_pem.as_ref().to_vec());
            remote.client_certificate = Some(ClientCertificate { cert_pem, key_pem });
        }
        self
    }

    /// Connects over the Unix socket at this path in place of the network, if a server listens there
    /// now that this process may use. Nothing is signed then: the server knows which user calls.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if connect::is_listened_at(&path) {
            self.server = Server::Local(path);
        }
        self
    }

    /// How long connecting may take, TLS handshake included. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a unary call may take, and the acceptance of an event subscription, connecting
    /// included. The server is told and gives up at the same time. Default: 120 s.
    ///
    /// After [`Error::DeadlineExceeded`] the outcome of the call is unknown: a payment may still
    /// have been started.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Makes the client, within a Tokio runtime. It connects at the first call.
    ///
    /// Fails with [`Error::Configuration`] if the address, the key or the certificate cannot be
    /// right, or if no Tokio runtime is running.
    pub fn build(self) -> Result<Client, Error> {
        Handle::try_current().map_err(|error| Error::Configuration(error.to_string()))?;
        let Self { server, rune, connect_timeout, call_timeout } = self;
        let (target, api_key) = match server {
            Server::Local(path) => (Target::local(path), None),
            Server::Remote(remote) => remote.target()?,
        };
        let name = target.to_string();
        let authority = target.authority();
        let channel = Endpoint::from(uri("http", &authority)?)
            // The connector speaks TLS itself, so that tonic is not to ask for its own.
            .origin(uri("https", &authority)?)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .connect_with_connector_lazy(connector(target, connect_timeout));
        let credential = match (rune, api_key) {
            (Some(rune), _) => rune_credential(&rune)?,
            (None, Some(api_key)) => Credential::ApiKey(api_key.into()),
            (None, None) => Credential::None,
        };
        Ok(Client::new(name, call_timeout, channel, credential))
    }
}

fn rune_credential(rune: &str) -> Result<Credential, Error> {
    let refused = |reason: String| Error::Configuration(format!("the rune: {reason}"));
    rune::Rune::parse(rune).map_err(|error| refused(error.to_string()))?;
    Credential::rune(rune).ok_or_else(|| refused("no header can have this text".to_owned()))
}

impl Server {
    fn address(&self) -> String {
        match self {
            Self::Remote(remote) => remote.address.clone(),
            Self::Local(path) => path.display().to_string(),
        }
    }
}

impl Remote {
    /// What to connect to, and the key to sign with, if there is one.
    fn target(self) -> Result<(Target, Option<String>), Error> {
        self.api_key.as_deref().map_or(Ok(()), check_api_key)?;
        let authority = parse_address(&self.address)?;
        let tls = tls::client_config(&self.tls_cert_pem, self.client_certificate.as_ref())?;
        Ok((Target::remote(&authority, tls)?, self.api_key))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientBuilder")
            .field("address", &self.server.address())
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

fn check_api_key(api_key: &str) -> Result<(), Error> {
    if api_key.is_empty() {
        return Err(Error::Configuration("the API key is empty".to_owned()));
    }
    if !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Configuration(
            "the API key has spaces or other characters that no key has; give it as hex text"
                .to_owned(),
        ));
    }
    Ok(())
}

fn parse_address(address: &str) -> Result<Authority, Error> {
    address
        .parse::<Authority>()
        .ok()
        .filter(|authority| {
            !authority.host().is_empty()
                && authority.port_u16().is_some_and(|port| port > 0)
                && !address.contains('@')
        })
        .ok_or_else(|| {
            Error::Configuration(format!("the address \"{address}\" is not of the form host:port"))
        })
}

fn uri(scheme: &str, authority: &Authority) -> Result<Uri, Error> {
    Uri::builder()
        .scheme(scheme)
        .authority(authority.clone())
        .path_and_query("/")
        .build()
        .map_err(|error| Error::Configuration(format!("the address {authority}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(address: &str, api_key: &str, pem: &str) -> String {
        match Client::builder(address, api_key, pem).build() {
            Err(Error::Configuration(message)) => message,
            other => panic!("expected a configuration error, got {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_wrong_address_is_named() {
        for address in [
            "",
            "localhost",
            "localhost:",
            ":3536",
            "host:0",
            "host:99999",
            "https://host:3536",
            "host:3536/api",
            "user@host:3536",
            "a host:3536",
        ] {
            let message = rejection(address, "00", "");
            assert!(message.contains(&format!("\"{address}\"")), "{message}");
            assert!(message.contains("host:port"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_wrong_key_is_refused_and_not_shown() {
        assert!(rejection("localhost:3536", "", "").contains("API key"));
        let message = rejection("localhost:3536", "c0ffee\n", "");
        assert!(message.contains("API key") && !message.contains("c0ffee"), "{message}");
    }

    #[tokio::test]
    async fn a_wrong_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no PEM", broken] {
            let message = rejection("localhost:3536", "00", pem);
            assert!(message.contains("certificate"), "{message}");
        }
    }

    #[test]
    fn outside_a_runtime_it_is_an_error_and_no_panic() {
        assert!(rejection("localhost:3536", "00", "").contains("Tokio"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Client::builder("localhost:3536", "c0ffee", "pem"));
        assert!(shown.contains("localhost:3536") && !shown.contains("c0ffee"), "{shown}");
    }
}
