//! Peers.

use ldk_server_grpc::types;

use crate::gate::KnownPeer;

/// A peer as the API shows it.
pub fn peer(peer: KnownPeer) -> types::Peer {
    let is_connected = peer.is_connected();
    let KnownPeer { node_id, address, connected_address, is_persisted } = peer;
    let elsewhere = connected_address.filter(|connected| *connected != address);
    types::Peer {
        node_id: node_id.to_string(),
        address: address.to_string(),
        is_persisted,
        is_connected,
        connected_address: elsewhere.map(|address| address.to_string()),
    }
}
