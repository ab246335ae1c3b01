//! The library's peers with their real addresses.

use ldk_node::PeerDetails;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;

use super::PeerGate;
use super::addresses::Known;

/// A peer that is connected, or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Its public key.
    pub node_id: PublicKey,
    /// The address of the stored peer, otherwise that of the connection.
    pub address: SocketAddress,
    /// The address of the connection, if there is one.
    pub connected_address: Option<SocketAddress>,
    /// Whether the peer has made the connection.
    pub is_inbound: bool,
    /// Whether this node reconnects to it.
    pub is_persisted: bool,
}

impl KnownPeer {
    fn of_library(peer: PeerDetails, known: &Known) -> Self {
        let PeerDetails { node_id, address, is_persisted, is_connected } = peer;
        let is_inbound = known.is_inbound(&address);
        let address = known.real(&address).unwrap_or(&address).clone();
        let stored = known.stored.get(&node_id).filter(|_| is_persisted);
        Self {
            node_id,
            connected_address: is_connected.then(|| address.clone()),
            is_inbound: is_connected && is_inbound,
            address: stored.cloned().unwrap_or(address),
            is_persisted,
        }
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.connected_address.is_some()
    }
}

impl PeerGate {
    /// The library's peers with their real addresses, and those that were removed from the library.
    pub fn known_peers(&self, peers: Vec<PeerDetails>) -> Vec<KnownPeer> {
        let known = self.addresses.known();
        let mut peers: Vec<KnownPeer> =
            peers.into_iter().map(|peer| KnownPeer::of_library(peer, &known)).collect();
        for (node_id, pending) in known.pending.iter().filter(|(_, pending)| pending.persist) {
            match peers.iter_mut().find(|peer| peer.node_id == *node_id) {
                Some(peer) => {
                    peer.address = pending.address.clone();
                    peer.is_persisted = true;
                },
                None => peers.push(KnownPeer {
                    node_id: *node_id,
                    address: pending.address.clone(),
                    connected_address: None,
                    is_inbound: false,
                    is_persisted: true,
                }),
            }
        }
        peers
    }

    /// Stops reconnecting to this peer.
    pub fn forget(&self, node_id: &PublicKey) {
        let mut known = self.addresses.known();
        known.pending.remove(node_id);
        known.moved.remove(node_id);
    }
}
