//! The settings of a gate, and why it cannot be created.

use std::io;

use ldk_node::bitcoin::Network;
use ldk_node::lightning::ln::msgs::SocketAddress;

use crate::config::{Config, HostPort, PeerLimitsConfig};
use crate::descriptors::Shares;

/// The settings of a gate.
pub struct Settings {
    /// The proxy to onion peers; without it they cannot be reached.
    pub proxy: Option<HostPort>,
    /// The Bitcoin network.
    pub network: Network,
    /// The addresses where peers connect to this node.
    pub listening: Vec<SocketAddress>,
    /// The addresses that are announced; if empty, the listening addresses.
    pub announced: Vec<SocketAddress>,
    /// The limits of connections.
    pub limits: PeerLimitsConfig,
    /// How many tunnels there may be at once.
    pub max_tunnels: usize,
    /// Whether all but onion peers bypass the gate, for benchmarks.
    pub only_onions: bool,
}

impl Settings {
    /// The settings of a configuration.
    pub fn of(config: &Config) -> Self {
        let Shares { peers, .. } = Shares::of(config);
        Self {
            proxy: config.tor_proxy.clone(),
            network: config.network,
            listening: config.listening_addresses.clone(),
            announced: config.announcement_addresses.clone(),
            limits: PeerLimitsConfig { max_connections: peers, ..config.peer_limits },
            max_tunnels: peers,
            only_onions: config.without_peer_gate,
        }
    }
}

/// Why a gate cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is no free port for the library.
    #[error("cannot find a free port for the node: {0}")]
    Port(#[from] io::Error),
    /// A metric cannot be created.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}
