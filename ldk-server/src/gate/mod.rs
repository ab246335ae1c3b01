//! A proxy between the library and every Lightning peer.
//!
//! The library listens at, and connects to, loopback sockets only. The daemon listens at the public
//! addresses, and relays the peers that it admits to the library. For each peer that this node
//! connects to there is a tunnel: a loopback port that the library gets in place of the peer's
//! address, and that leads to the peer, through Tor's proxy if it has an onion address. Ports are
//! chosen again at each start. On disk, and everywhere outside the library, peers have their real
//! addresses; [`NodeStore`] translates them when the library reads and writes its peers.
//!
//! So one place holds what the library sends until it is durable, counts connections, and closes
//! those of peers that send nothing or do not read.
//!
//! Any process of this machine can connect to the port of a tunnel; it only reaches the peer. A
//! process that took a port which the library still tries could only keep it from connecting: the
//! library knows the peer by its key. [`watch`](PeerGate::watch) detects a process that connects to
//! the library itself, and disconnects it.

mod addresses;
mod announced;
mod channels;
mod check;
mod dial;
mod handshake;
mod hold;
mod inbound;
mod limiter;
mod loopback;
mod metrics;
mod peer_route;
mod peers;
mod relay;
mod settings;
mod signed_splices;
mod sockets;
mod store;
mod tasks;
mod tunnel;
mod watch;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub use check::check;
pub use dial::DialError;
use ldk_node::lightning::ln::msgs::SocketAddress;
pub use peer_route::PeerRoute;
pub use peers::KnownPeer;
use prometheus::core::Collector;
pub use settings::{GateError, Settings};
pub use sockets::ListeningSockets;
pub use store::NodeStore;
use tokio::net::TcpListener;

use crate::compat::splice_signed;
use crate::config::HostPort;
use crate::error::Error;
use crate::store::Durability;
use addresses::{Addresses, Known};
use announced::Announced;
use dial::Transport;
use inbound::Inbound;
use limiter::Limiter;
use metrics::GateMetrics;
use relay::Connections;
use signed_splices::SignedSplices;
use tasks::Tasks;
use tunnel::Tunnel;

/// The proxy between the library and every Lightning peer.
pub struct PeerGate {
    /// Whether only onion addresses get a tunnel, and the library itself listens.
    only_onions: bool,
    proxy: Option<HostPort>,
    /// How many tunnels there may be, each of which has a socket.
    max_tunnels: usize,
    listening: Vec<SocketAddress>,
    announced: Announced,
    /// The sockets that peers connect to, until [`open`](Self::open).
    sockets: Mutex<Vec<TcpListener>>,
    /// The address where the library listens, if peers can connect.
    library: Option<SocketAddr>,
    addresses: Arc<Addresses>,
    /// Held while the record of peers is written, so that no older record overwrites a newer one.
    writing_peers: Mutex<()>,
    connections: Arc<Connections>,
}

impl PeerGate {
    /// Creates a gate that admits nobody yet. With `durability`, it holds what the library sends
    /// until everything that the library wrote before is durable.
    pub fn new(
        settings: Settings,
        sockets: ListeningSockets,
        durability: Option<Durability>,
    ) -> Result<Self, GateError> {
        let Settings { proxy, network, listening, announced, limits, max_tunnels, only_onions } =
            settings;
        let metrics = GateMetrics::new()?;
        let limiter = Limiter::new(
            limits.max_connections,
            limits.max_connections_per_address,
            metrics.clone(),
        );
        let tasks = Tasks::default();
        let has_library = !only_onions && !sockets.0.is_empty();
        Ok(Self {
            only_onions,
            proxy,
            max_tunnels,
            announced: Announced::new(&listening, announced, network),
            listening,
            // Otherwise they are closed here, so that the library can listen at them.
            sockets: Mutex::new(if has_library { sockets.0 } else { Vec::new() }),
            library: has_library.then(loopback::free_address).transpose()?,
            addresses: Arc::default(),
            writing_peers: Mutex::default(),
            connections: Arc::new(Connections {
                limits,
                limiter,
                durability,
                channels: Arc::default(),
                signed_splices: Arc::new(SignedSplices::new(splice_signed::signed())),
                metrics,
                tasks,
            }),
        })
    }

    /// Admits peers from now on; the library must listen already. Needs the runtime.
    pub fn open(&self) {
        let Some(library) = self.library else { return };
        let (connections, addresses) = (Arc::clone(&self.connections), Arc::clone(&self.addresses));
        let inbound = Inbound::new(library, connections, addresses);
        let sockets =
            std::mem::take(&mut *self.sockets.lock().unwrap_or_else(PoisonError::into_inner));
        for socket in sockets {
            self.connections.tasks.spawn(Arc::clone(&inbound).accept(socket));
        }
    }

    /// Admits nobody any more, and makes no more connections.
    pub fn stop_accepting(&self) {
        self.connections.tasks.accepting().cancel();
    }

    /// Relays nothing more from peers to the library; the other direction goes on.
    pub fn stop_reading(&self) {
        self.connections.tasks.reading().cancel();
    }

    /// Closes all connections, after a moment for data under way. The node should have stopped.
    pub async fn close(&self) {
        self.addresses.known().forget_all();
        self.connections.tasks.close().await;
    }

    /// The addresses where the library has to listen.
    pub fn library_listening_addresses(&self) -> Vec<SocketAddress> {
        match self.library {
            Some(address) => vec![address.into()],
            None => self.listening.clone(),
        }
    }

    /// The addresses where peers connect to this node.
    pub fn listening_addresses(&self) -> &[SocketAddress] {
        &self.listening
    }

    /// The addresses that the network is told; none that peers could not connect to.
    pub fn announcement_addresses(&self) -> &[SocketAddress] {
        &self.announced.addresses
    }

    /// Logs a warning for each address that is not announced because no peer could connect to it.
    pub fn warn_of_unreachable_addresses(&self) {
        self.announced.warn();
    }

    /// The metrics of the connections, for a registry.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.connections.metrics.collectors()
    }

    /// The route to a peer, with a tunnel if it needs one. Needs the runtime.
    pub fn route_to(&self, address: &SocketAddress) -> Result<PeerRoute, Error> {
        let mut known = self.addresses.known();
        let tunnel = self.tunnel(&mut known, address)?;
        Ok(tunnel.map_or_else(|| PeerRoute::direct(address.clone()), PeerRoute::through))
    }

    /// The address that the library gets for a peer of the configuration.
    pub(crate) fn configured_address(
        &self,
        address: &SocketAddress,
    ) -> Result<SocketAddress, Error> {
        self.addresses.known().configured.insert(address.clone());
        Ok(self.route_to(address)?.address().clone())
    }

    /// The tunnel to an address, which is opened if there is none; `None` if the library connects
    /// directly.
    fn tunnel(
        &self,
        known: &mut Known,
        address: &SocketAddress,
    ) -> Result<Option<Arc<Tunnel>>, Error> {
        let Some(transport) = self.transport_to(address)? else { return Ok(None) };
        if let Some(tunnel) = known.tunnels.get(address) {
            return Ok(Some(Arc::clone(tunnel)));
        }
        if known.tunnels.len() >= self.max_tunnels {
            known.forget_unused();
        }
        if known.tunnels.len() >= self.max_tunnels {
            return Err(Error::ResourceExhausted(format!(
                "the addresses of {} peers are in use; disconnect from one of them",
                self.max_tunnels
            )));
        }
        let taken = taken_ports(known);
        let tunnel = Tunnel::open(address.clone(), transport, &taken, &self.connections).map_err(
            |error| Error::Internal(format!("cannot open a tunnel to {address}: {error}")),
        )?;
        known.add(&tunnel);
        Ok(Some(tunnel))
    }

    fn transport_to(&self, address: &SocketAddress) -> Result<Option<Transport>, Error> {
        if is_onion(address) {
            let proxy = self.proxy.clone().ok_or_else(|| Self::needs_proxy(address))?;
            return Ok(Some(Transport::Proxy(proxy)));
        }
        Ok((!self.only_onions).then_some(Transport::Direct))
    }

    fn needs_proxy(onion: &SocketAddress) -> Error {
        Error::FailedPrecondition(format!(
            "{onion} is an onion address, which can be reached only with tor.proxy_address in the \
             configuration"
        ))
    }
}

/// Ports that no tunnel may have: those of stored peers, which may be processes of this machine.
fn taken_ports(known: &Known) -> BTreeSet<u16> {
    known.stored.values().filter_map(port).collect()
}

/// Whether the address can be reached through Tor only.
fn is_onion(address: &SocketAddress) -> bool {
    matches!(address, SocketAddress::OnionV3 { .. })
}

fn port(address: &SocketAddress) -> Option<u16> {
    match address {
        SocketAddress::TcpIpV4 { port, .. }
        | SocketAddress::TcpIpV6 { port, .. }
        | SocketAddress::Hostname { port, .. } => Some(*port),
        SocketAddress::OnionV2(_) | SocketAddress::OnionV3 { .. } => None,
    }
}

#[cfg(test)]
mod tests;
