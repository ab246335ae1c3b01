//! What a gate is made with, and why there is none.

use std::io;

use ldk_node::bitcoin::Network;
use ldk_node::lightning::ln::msgs::SocketAddress;

use crate::config::{Config, HostPort, PeerLimitsConfig};
use crate::descriptors::Shares;

/// What a gate is made with.
pub struct Settings {
    /// The proxy to onion peers; without it they are out of reach.
    pub proxy: Option<HostPort>,
    /// The Bitcoin network.
    pub network: Network,
    /// Where peers find this node.
    pub listening: Vec<SocketAddress>,
    /// What the network is told; if empty, where peers find this node.
    pub announced: Vec<SocketAddress>,
    /// What connections may take.
    pub limits: PeerLimitsConfig,
    /// Addresses that the node can have a way to at once.
    pub max_tunnels: usize,
    /// Whether all but onion peers go past the gate, for benchmarks.
    pub only_onions: bool,
}

impl Settings {
    /// Those of a configuration.
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

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is no port for the library.
    #[error("no port of this machine for the node: {0}")]
    Port(#[from] io::Error),
    /// A metric cannot be made.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}
