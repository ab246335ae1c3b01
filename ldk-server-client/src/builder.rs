//! What a client is made of, checked before the first call.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::uri::Authority;
use ldk_server_grpc::places::Places;
use tokio::runtime::Handle;
use tonic::transport::{Endpoint, Uri};

use crate::client::Client;
use crate::connect::{Target, connector};
use crate::error::Error;
use crate::tls;

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// While a call or an event stream is open, the connection is probed this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A connection that leaves a probe unanswered for so long counts as lost.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a [`Client`]; made by [`Client::builder`].
pub struct ClientBuilder {
    address: String,
    api_key: String,
    tls_cert_pem: Vec<u8>,
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
        ClientBuilder::new(address.into(), api_key.into(), tls_cert_pem.as_ref().to_vec())
    }

    /// A client of the server whose address, key and certificate are at these places.
    pub fn from_places(places: &Places) -> Result<Self, Error> {
        Self::builder(&places.address, places.read_api_key()?, places.read_tls_cert()?).build()
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
    fn new(address: String, api_key: String, tls_cert_pem: Vec<u8>) -> Self {
        Self {
            address,
            api_key,
            tls_cert_pem,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
        }
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
        check_api_key(&self.api_key)?;
        let authority = parse_address(&self.address)?;
        let target = Target::new(&authority, tls::client_config(&self.tls_cert_pem)?)?;
        let channel = Endpoint::from(uri("http", &authority)?)
            // The connector speaks TLS itself, so that tonic is not to ask for its own.
            .origin(uri("https", &authority)?)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .connect_with_connector_lazy(connector(target, self.connect_timeout));
        Ok(Client::new(self.address, self.call_timeout, channel, &self.api_key))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientBuilder")
            .field("address", &self.address)
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
