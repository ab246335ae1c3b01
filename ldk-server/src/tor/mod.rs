//! Peers at onion addresses, reached through Tor's SOCKS5 proxy.
//!
//! The library connects to sockets of this machine's network only. So for each onion address there
//! is a tunnel: a port of 127.0.0.1 that the library is given in place of the address, and that
//! leads through the proxy. Ports are chosen anew at each start. On disk is the onion address
//! itself, because [`NodeStore`] puts one for the other when the library reads and writes its peers.
//!
//! Any process of this machine can connect to such a port; it gets no further than to the peer. A
//! process that took a port which the library still tries could only keep it from connecting: the
//! library knows the peer by its key.

mod carry;
mod check;
mod dial;
mod record;
mod store;
mod tunnel;
mod way;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use check::check;
use ldk_node::lightning::ln::msgs::SocketAddress;
pub use store::NodeStore;
pub use way::Way;

use crate::config::HostPort;
use crate::error::Error;
use carry::Carriers;
use tunnel::Tunnel;

/// Distinct onion addresses at once. Each has a socket that is listened at.
const MAX_TUNNELS: usize = 256;

/// The onion addresses that are in use, and the ports that lead to them.
pub struct Onions {
    proxy: Option<HostPort>,
    /// Ports that the node is going to listen at.
    own_ports: Vec<u16>,
    known: Mutex<Known>,
    carriers: Carriers,
}

#[derive(Default)]
struct Known {
    tunnels: Vec<Arc<Tunnel>>,
    /// The addresses in the library's record of peers, as it was last read or written.
    stored: Vec<SocketAddress>,
    /// Onion addresses from the configuration.
    configured: Vec<SocketAddress>,
}

impl Onions {
    /// None yet. Without a proxy, none ever; a node that listens at `listening_addresses` keeps
    /// their ports.
    pub fn new(proxy: Option<HostPort>, listening_addresses: &[SocketAddress]) -> Self {
        let own_ports = listening_addresses.iter().filter_map(port).collect();
        Self { proxy, own_ports, known: Mutex::default(), carriers: Carriers::default() }
    }

    /// The way to a peer: directly, unless its address is an onion address. Needs the runtime.
    pub fn way_to(&self, address: &SocketAddress) -> Result<Way, Error> {
        if !is_onion(address) {
            return Ok(Way::direct(address.clone()));
        }
        let mut known = self.known();
        Ok(Way::through(self.tunnel(&mut known, address)?))
    }

    /// The address to give to the library for a peer that the configuration names.
    pub(crate) fn configured(&self, address: &SocketAddress) -> Result<SocketAddress, Error> {
        if is_onion(address) {
            self.known().configured.push(address.clone());
        }
        Ok(self.way_to(address)?.address().clone())
    }

    /// The address that a peer has for everybody but the library.
    pub fn shown(&self, address: SocketAddress) -> SocketAddress {
        self.known().shown(address)
    }

    /// Ends all tunnels, after a moment for what is still on its way. The node should have stopped.
    pub async fn close(&self) {
        self.known().tunnels.clear();
        self.carriers.close().await;
    }

    /// The tunnel to an onion address, which is made if there is none.
    fn tunnel(&self, known: &mut Known, onion: &SocketAddress) -> Result<Arc<Tunnel>, Error> {
        let Some(proxy) = &self.proxy else {
            return Err(Error::FailedPrecondition(format!(
                "{onion} is an onion address, which can be reached only with tor.proxy_address \
                 in the configuration"
            )));
        };
        if let Some(tunnel) = known.tunnels.iter().find(|tunnel| tunnel.onion() == onion) {
            return Ok(Arc::clone(tunnel));
        }
        known.forget_unused();
        if known.tunnels.len() >= MAX_TUNNELS {
            return Err(Error::ResourceExhausted(format!(
                "{MAX_TUNNELS} onion addresses are in use; disconnect from a peer at one of them"
            )));
        }
        let taken = self.taken(known);
        let tunnel = Tunnel::open(onion.clone(), proxy.clone(), &taken, &self.carriers)
            .map_err(|error| Error::Internal(format!("cannot make a way to {onion}: {error}")))?;
        known.tunnels.push(Arc::clone(&tunnel));
        Ok(tunnel)
    }

    /// Ports that no tunnel may have: those of the node, which may not listen yet, and those of
    /// stored peers, who may be processes of this machine.
    fn taken(&self, known: &Known) -> BTreeSet<u16> {
        known.stored.iter().filter_map(port).chain(self.own_ports.iter().copied()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn shown(&self, address: SocketAddress) -> SocketAddress {
        match self.tunnels.iter().find(|tunnel| *tunnel.entrance() == address) {
            Some(tunnel) => tunnel.onion().clone(),
            None => address,
        }
    }

    /// Drops the tunnels that nobody has come back to: of peers that were not stored, or no longer
    /// are.
    fn forget_unused(&mut self) {
        let Self { tunnels, stored, configured } = self;
        tunnels.retain(|tunnel| {
            let onion = tunnel.onion();
            tunnel.is_in_use() || stored.contains(onion) || configured.contains(onion)
        });
    }
}

/// Whether only Tor knows the way.
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
