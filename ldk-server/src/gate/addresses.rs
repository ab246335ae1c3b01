//! Which address stands for which: what the library is told, and what everybody else is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;

use super::tunnel::Tunnel;

/// The addresses of stored peers.
pub(super) type StoredPeers = BTreeMap<PublicKey, SocketAddress>;

/// The addresses of peers.
#[derive(Default)]
pub(super) struct Addresses(Mutex<Known>);

/// What is known of them.
#[derive(Default)]
pub(super) struct Known {
    /// By the addresses they lead to.
    pub(super) tunnels: HashMap<SocketAddress, Arc<Tunnel>>,
    /// Where the tunnels lead, by their entrances.
    exits: HashMap<SocketAddress, SocketAddress>,
    /// The addresses of peers that have connected, by ours of the connection to the library.
    inbound: HashMap<SocketAddress, SocketAddress>,
    /// The peers in the library's record, as it was last read or written.
    pub(super) stored: StoredPeers,
    /// The addresses that stored peers were last given. The library goes on with the first one.
    pub(super) moved: BTreeMap<PublicKey, SocketAddress>,
    /// Peers that the library does not know, because it would not go to them through the gate.
    pub(super) pending: BTreeMap<PublicKey, PendingPeer>,
    /// Addresses from the configuration.
    pub(super) configured: HashSet<SocketAddress>,
}

/// A peer that the gate connects to, after which it is the library's again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PendingPeer {
    pub(super) address: SocketAddress,
    /// Whether the library is to remember it.
    pub(super) persist: bool,
}

/// A peer that has connected is shown with its own address, until this is dropped.
pub(super) struct InboundMapping {
    addresses: Arc<Addresses>,
    local: SocketAddress,
}

impl Addresses {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the address of a peer in place of `local`, which is ours of the connection by which it
    /// is led to the library.
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
    /// The address that stands for this one everywhere but in the library; none if it does not come
    /// from the gate.
    pub(super) fn real(&self, address: &SocketAddress) -> Option<&SocketAddress> {
        self.exits.get(address).or_else(|| self.inbound.get(address))
    }

    /// Where a stored peer is from now on, if the library has it elsewhere.
    pub(super) fn moved_from(
        &self,
        node_id: &PublicKey,
        address: &SocketAddress,
    ) -> Option<&SocketAddress> {
        let address = self.real(address).unwrap_or(address);
        self.moved.get(node_id).filter(|moved| *moved != address)
    }

    /// Remembers where a stored peer is from now on; false if it was stored there already.
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

    /// Drops the tunnels that nobody has come back to: of peers that were not stored, or no longer
    /// are.
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
