//! Translates between the loopback addresses that the library sees and the real ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;

use super::tunnel::Tunnel;

/// The addresses of stored peers.
pub(super) type StoredPeers = BTreeMap<PublicKey, SocketAddress>;

/// The addresses of all peers.
#[derive(Default)]
pub(super) struct Addresses(Mutex<Known>);

/// The addresses that are known.
#[derive(Default)]
pub(super) struct Known {
    /// By the addresses that they lead to.
    pub(super) tunnels: HashMap<SocketAddress, Arc<Tunnel>>,
    /// Where the tunnels lead, by their entrances.
    exits: HashMap<SocketAddress, SocketAddress>,
    /// The addresses of inbound peers, by the local address of their connection to the library.
    inbound: HashMap<SocketAddress, SocketAddress>,
    /// The peers in the library's record, as it was last read or written.
    pub(super) stored: StoredPeers,
    /// The latest addresses of stored peers. The library keeps the first one.
    pub(super) moved: BTreeMap<PublicKey, SocketAddress>,
    /// Peers that were removed from the library, because it would bypass the gate to them.
    pub(super) pending: BTreeMap<PublicKey, PendingPeer>,
    /// Addresses from the configuration.
    pub(super) configured: HashSet<SocketAddress>,
}

/// A peer that the gate has to connect to before it hands it over to the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingPeer {
    pub(super) address: SocketAddress,
    /// Whether the library is to remember it.
    pub(super) persist: bool,
}

/// Translates the address of an inbound peer, until this is dropped.
pub(super) struct InboundMapping {
    addresses: Arc<Addresses>,
    local: SocketAddress,
}

impl Addresses {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Translates `local`, the local address of the connection to the library, to that of the peer.
    pub(super) fn map_inbound(
        self: &Arc<Self>,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> InboundMapping {
        let local = SocketAddress::from(local);
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.known().inbound.insert(local.clone(), peer.into());
        InboundMapping { addresses: Arc::clone(self), local }
    }
}

impl Drop for InboundMapping {
    fn drop(&mut self) {
        self.addresses.known().inbound.remove(&self.local);
    }
}

impl Known {
    /// The real address for one that the library has; `None` if it is not from the gate.
    pub(super) fn real(&self, address: &SocketAddress) -> Option<&SocketAddress> {
        self.exits.get(address).or_else(|| self.inbound.get(address))
    }

    /// Whether the library has this address from a peer that has connected to the gate.
    pub(super) fn is_inbound(&self, address: &SocketAddress) -> bool {
        self.inbound.contains_key(address)
    }

    /// The latest address of a stored peer, if the library has another one.
    pub(super) fn moved_from(
        &self,
        node_id: &PublicKey,
        address: &SocketAddress,
    ) -> Option<&SocketAddress> {
        let address = self.real(address).unwrap_or(address);
        self.moved.get(node_id).filter(|moved| *moved != address)
    }

    /// Sets the latest address of a stored peer; returns false if it is stored already.
    pub(super) fn move_to(&mut self, node_id: PublicKey, address: &SocketAddress) -> bool {
        if self.stored.get(&node_id) == Some(address) {
            return false;
        }
        if let Some(pending) = self.pending.get_mut(&node_id) {
            pending.address = address.clone();
        }
        self.moved.insert(node_id, address.clone());
        true
    }

    pub(super) fn add(&mut self, tunnel: &Arc<Tunnel>) {
        self.exits.insert(tunnel.entrance().clone(), tunnel.address().clone());
        self.tunnels.insert(tunnel.address().clone(), Arc::clone(tunnel));
    }

    /// Closes tunnels that are not in use and not of a stored peer.
    pub(super) fn forget_unused(&mut self) {
        let Self { tunnels, exits, stored, pending, configured, .. } = self;
        let pending = pending.values().map(|peer| &peer.address);
        let wanted: HashSet<&SocketAddress> =
            stored.values().chain(pending).chain(configured.iter()).collect();
        tunnels.retain(|address, tunnel| {
            let is_used = tunnel.is_in_use() || wanted.contains(address);
            if !is_used {
                exits.remove(tunnel.entrance());
            }
            is_used
        });
    }

    pub(super) fn forget_all(&mut self) {
        self.tunnels.clear();
        self.exits.clear();
    }
}
