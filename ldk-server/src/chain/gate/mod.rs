//! The gate between the library and its chain source: a transaction leaves only when what it rests
//! on is on disk.
//!
//! The library hands a transaction to its chain source before it has written the state that the
//! transaction rests on. Killed in between, it would start without knowing what everybody else can
//! see. So it is given ports of this machine in place of the server, and behind them the gate passes
//! on what is asked and answered, and holds broadcasts. To servers that want TLS the gate speaks it;
//! the library, which would check the name of the server it was given, does not.
//!
//! Any process of this machine can connect to these ports. It gets no further than to a server whose
//! credentials it does not have: the gate adds none.

mod broadcasts;
mod electrum;
mod entrance;
mod hold;
mod http;
mod requests;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ::http::Uri;
pub use broadcasts::Broadcasts;
use hyper_util::client::proxy::matcher::Matcher;
use ldk_node::lightning::ln::msgs::SocketAddress;
use reqwest::Url;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use self::http::{HttpProxy, Protocol};
use crate::chain::tls;
use crate::config::{
    BitcoindConfig, ChainSource, ConfigError, ElectrumConfig, EsploraConfig, HostPort,
};
use crate::start::StartError;
use crate::store::Durability;
use electrum::ElectrumProxy;
use entrance::Connections;
use hold::Hold;
use server::Server;

/// The ports that stand between the library and its chain source, as long as this lives.
pub struct ChainGate {
    source: ChainSource,
    connections: Connections,
    broadcasts: Broadcasts,
}

impl ChainGate {
    /// Opens the ports; a node that listens at `listening_addresses` keeps theirs. Without
    /// `durability` nothing is held. Needs the runtime.
    pub async fn open(
        source: &ChainSource,
        listening_addresses: &[SocketAddress],
        durability: Option<Durability>,
    ) -> Result<Self, StartError> {
        let trusted = source.clone();
        let tls = spawn_blocking(move || tls::client_config(&trusted));
        let tls = tls.await.map_err(StartError::task)??;
        let broadcasts = Broadcasts::new().map_err(|error| StartError::Task(error.to_string()))?;
        let opening = Opening {
            name: source.to_string(),
            taken: listening_addresses.iter().filter_map(port).collect(),
            tls,
            hold: Arc::new(Hold::new(durability, broadcasts.clone())),
            connections: Connections::default(),
        };
        let source = match source {
            ChainSource::Bitcoind(bitcoind) => opening.bitcoind(bitcoind)?,
            ChainSource::Electrum(electrum) => opening.electrum(electrum)?,
            ChainSource::Esplora(esplora) => opening.esplora(esplora)?,
        };
        Ok(Self { source, connections: opening.connections, broadcasts })
    }

    /// The chain source as the library is to see it.
    pub fn source(&self) -> &ChainSource {
        &self.source
    }

    /// What is measured of broadcasts.
    pub fn broadcasts(&self) -> &Broadcasts {
        &self.broadcasts
    }

    /// Lets out what is held, as far as that takes moments only, and closes the ports.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl Drop for ChainGate {
    fn drop(&mut self) {
        self.connections.abandon();
    }
}

/// What each port is opened with.
struct Opening {
    /// What the chain source is called.
    name: String,
    /// Ports that somebody else is going to listen at.
    taken: BTreeSet<u16>,
    tls: Option<ClientConfig>,
    hold: Arc<Hold>,
    connections: Connections,
}

impl Opening {
    fn bitcoind(&self, config: &BitcoindConfig) -> Result<ChainSource, StartError> {
        let open = |server: &HostPort| self.http(server, &server.to_string(), Protocol::Bitcoind);
        let (rpc, rest) = (open(&config.rpc)?, config.rest.as_ref().map(open).transpose()?);
        Ok(ChainSource::Bitcoind(BitcoindConfig { rpc, rest, auth: config.auth.clone() }))
    }

    fn electrum(&self, config: &ElectrumConfig) -> Result<ChainSource, StartError> {
        let server = self.server(&config.server)?;
        let closing = self.connections.closing().clone();
        let proxy = ElectrumProxy::new(server, Arc::clone(&self.hold), closing);
        let server = self.listen(move |stream| proxy.clone().serve(stream))?;
        Ok(ChainSource::Electrum(ElectrumConfig { server, uses_tls: false, ca_cert_path: None }))
    }

    fn esplora(&self, config: &EsploraConfig) -> Result<ChainSource, StartError> {
        let unusable = |reason: String| ConfigError::new("esplora.server_url", reason);
        let url = Url::parse(&config.server_url).map_err(|error| unusable(error.to_string()))?;
        let (server, name) = server_of(&url).ok_or_else(|| unusable("names no server".into()))?;
        let server = self.http(&server, &name, Protocol::Esplora)?;
        let server_url = at(url, &server).ok_or_else(|| unusable("names no server".into()))?;
        refuse_proxy(&Matcher::from_system(), &server_url).map_err(unusable)?;
        let headers = config.headers.clone();
        Ok(ChainSource::Esplora(EsploraConfig { server_url, headers, ca_cert_path: None }))
    }

    /// Opens a port that leads to a server of this name.
    fn http(
        &self,
        server: &HostPort,
        name: &str,
        protocol: Protocol,
    ) -> Result<HostPort, StartError> {
        let name = name.try_into().map_err(|error| self.unusable(error))?;
        let (hold, connections) = (Arc::clone(&self.hold), self.connections.clone());
        let proxy = HttpProxy::new(self.server(server)?, name, protocol, hold, connections);
        self.listen(move |stream| proxy.clone().serve(stream))
    }

    fn server(&self, server: &HostPort) -> Result<Server, StartError> {
        Server::new(self.name.clone(), server.clone(), self.tls.clone())
            .map_err(|error| self.unusable(error))
    }

    fn listen<F>(
        &self,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Result<HostPort, StartError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listening = self.connections.listen(&self.taken, serve);
        let port = listening.map_err(|error| self.unusable(error))?;
        tracing::debug!("{port} leads to {}", self.name);
        Ok(HostPort { host: port.ip().to_string(), port: port.port() })
    }

    fn unusable(&self, error: impl fmt::Display) -> StartError {
        StartError::Listen(format!("cannot stand before {}: {error}", self.name))
    }
}

/// The server of a URL, and what it is called in requests.
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
    // The library puts paths behind it that begin with a slash.
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// The library's client for Esplora, unlike the others, uses the proxy that the environment has, and
/// would ask it for our port.
fn refuse_proxy(proxies: &Matcher, url: &str) -> Result<(), String> {
    let url: Uri = url.parse().map_err(|error| format!("is no URL: {error}"))?;
    match proxies.intercept(&url) {
        None => Ok(()),
        Some(_) => {
            Err("the environment has an HTTP proxy that would be asked for 127.0.0.1 too: set \
                        NO_PROXY=127.0.0.1"
                .to_owned())
        },
    }
}

fn port(address: &SocketAddress) -> Option<u16> {
    match address {
        SocketAddress::TcpIpV4 { port, .. }
        | SocketAddress::TcpIpV6 { port, .. }
        | SocketAddress::Hostname { port, .. } => Some(*port),
        SocketAddress::OnionV2(_) | SocketAddress::OnionV3 { .. } => None,
    }
}
