//! Opens the loopback ports for a chain source.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;
use hyper_util::client::proxy::matcher::Matcher;
use ldk_node::lightning::ln::msgs::SocketAddress;
use reqwest::Url;
use rustls::ClientConfig;
use tokio::net::TcpStream;

use super::electrum::ElectrumProxy;
use super::hold::Hold;
use super::http::{HttpProxy, Protocol};
use super::ports::Connections;
use super::server::Server;
use crate::chain::ChainError;
use crate::config::{
    BitcoindConfig, ChainSource, ConfigError, ElectrumConfig, EsploraConfig, HostPort,
};

const ESPLORA_URL: &str = "esplora.server_url";

/// What every port needs.
pub(super) struct GateBuilder {
    /// The name of the chain source in messages.
    pub(super) name: String,
    /// Ports that are reserved for other sockets.
    pub(super) taken: BTreeSet<u16>,
    pub(super) tls: Option<ClientConfig>,
    pub(super) hold: Arc<Hold>,
    pub(super) connections: Connections,
}

impl GateBuilder {
    /// Opens the ports of a chain source, and returns the chain source that the library gets.
    pub(super) fn open_ports(&self, source: &ChainSource) -> Result<ChainSource, ChainError> {
        match source {
            ChainSource::Bitcoind(bitcoind) => self.bitcoind(bitcoind),
            ChainSource::Electrum(electrum) => self.electrum(electrum),
            ChainSource::Esplora(esplora) => self.esplora(esplora),
        }
    }

    fn bitcoind(&self, config: &BitcoindConfig) -> Result<ChainSource, ChainError> {
        let open = |server: &HostPort| self.http(server, &server.to_string(), Protocol::Bitcoind);
        let (rpc, rest) = (open(&config.rpc)?, config.rest.as_ref().map(open).transpose()?);
        Ok(ChainSource::Bitcoind(BitcoindConfig { rpc, rest, auth: config.auth.clone() }))
    }

    fn electrum(&self, config: &ElectrumConfig) -> Result<ChainSource, ChainError> {
        let server = self.server(&config.server)?;
        let closing = self.connections.closing().clone();
        let proxy = ElectrumProxy::new(server, Arc::clone(&self.hold), closing);
        let server = self.listen(move |stream| proxy.clone().serve(stream))?;
        Ok(ChainSource::Electrum(ElectrumConfig { server, uses_tls: false, ca_cert_path: None }))
    }

    fn esplora(&self, config: &EsploraConfig) -> Result<ChainSource, ChainError> {
        let no_server = || ConfigError::new(ESPLORA_URL, "names no server");
        let url =
            Url::parse(&config.server_url).map_err(|error| ConfigError::new(ESPLORA_URL, error))?;
        let (server, name) = server_of(&url).ok_or_else(no_server)?;
        let server = self.http(&server, &name, Protocol::Esplora)?;
        let server_url = at(url, &server).ok_or_else(no_server)?;
        refuse_proxy(&Matcher::from_system(), &server_url)?;
        let headers = config.headers.clone();
        Ok(ChainSource::Esplora(EsploraConfig { server_url, headers, ca_cert_path: None }))
    }

    /// Opens a port for an HTTP server of this name.
    fn http(
        &self,
        server: &HostPort,
        name: &str,
        protocol: Protocol,
    ) -> Result<HostPort, ChainError> {
        let name = Authority::try_from(name).map_err(|error| self.unusable(error))?;
        let (hold, connections) = (Arc::clone(&self.hold), self.connections.clone());
        let proxy = HttpProxy::new(self.server(server)?, name, protocol, hold, connections);
        self.listen(move |stream| proxy.clone().serve(stream))
    }

    fn server(&self, server: &HostPort) -> Result<Server, ChainError> {
        Server::new(self.name.clone(), server.clone(), self.tls.clone())
            .map_err(|error| self.unusable(error))
    }

    fn listen<F>(
        &self,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Result<HostPort, ChainError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listening = self.connections.listen(&self.taken, serve);
        let port = listening.map_err(|error| self.unusable(error))?;
        tracing::debug!(address = %port, server = %self.name, "opened a port to the chain source");
        Ok(HostPort { host: port.ip().to_string(), port: port.port() })
    }

    fn unusable(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> ChainError {
        ChainError::Port { name: self.name.clone(), source: error.into() }
    }
}

/// The server of a URL, and its name in requests.
fn server_of(url: &Url) -> Option<(HostPort, String)> {
    let (host, port) = url.host_str().zip(url.port_or_known_default())?;
    let name = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    Some((HostPort { host: host.trim_matches(['[', ']']).to_owned(), port }, name))
}

/// The same URL at another server, without TLS.
fn at(mut url: Url, server: &HostPort) -> Option<String> {
    url.set_scheme("http").ok()?;
    url.set_host(Some(&server.host)).ok()?;
    url.set_port(Some(server.port)).ok()?;
    // The library appends paths that begin with a slash.
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// Refuses an HTTP proxy in the environment. Only the library's Esplora client uses it, and would
/// ask it for our port.
fn refuse_proxy(proxies: &Matcher, url: &str) -> Result<(), ConfigError> {
    let url: Uri = url
        .parse()
        .map_err(|error| ConfigError::new(ESPLORA_URL, format!("is no URL: {error}")))?;
    match proxies.intercept(&url) {
        None => Ok(()),
        Some(_) => Err(ConfigError::new(
            ESPLORA_URL,
            "the environment has an HTTP proxy that would be asked for 127.0.0.1 too; set \
             NO_PROXY=127.0.0.1",
        )),
    }
}

/// The port of an address.
pub(super) fn port(address: &SocketAddress) -> Option<u16> {
    match address {
        SocketAddress::TcpIpV4 { port, .. }
        | SocketAddress::TcpIpV6 { port, .. }
        | SocketAddress::Hostname { port, .. } => Some(*port),
        SocketAddress::OnionV2(_) | SocketAddress::OnionV3 { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_the_environment_is_refused() {
        let url = "http://127.0.0.1:3000/api";
        let proxied = || Matcher::builder().http("http://proxy.example:3128");
        let refused = refuse_proxy(&proxied().no("localhost").build(), url);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("NO_PROXY=127.0.0.1"), "{message}");
        let not_for_us = Matcher::builder().https("http://proxy.example:3128");
        for matcher in [proxied().no("127.0.0.1").build(), not_for_us.build()] {
            assert!(refuse_proxy(&matcher, url).is_ok());
        }
    }

    #[test]
    fn a_url_at_our_port_is_otherwise_the_same() {
        for (url, name, expected) in [
            ("https://a.example", "a.example", "http://127.0.0.1:9"),
            ("https://a.example:443/", "a.example", "http://127.0.0.1:9"),
            ("http://u:p@a.example:81/x/y//", "a.example:81", "http://u:p@127.0.0.1:9/x/y"),
            ("http://[::1]:3000/api", "[::1]:3000", "http://127.0.0.1:9/api"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(server_of(&url).unwrap().1, name);
            let port = HostPort { host: "127.0.0.1".to_owned(), port: 9 };
            assert_eq!(at(url, &port).unwrap(), expected);
        }
    }
}
