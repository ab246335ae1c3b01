//! Peers.

use ldk_node::PeerDetails;
use ldk_server_grpc::types;

/// A peer as the API shows it.
pub fn peer(details: PeerDetails) -> types::Peer {
    let PeerDetails { node_id, address, is_persisted, is_connected } = details;
    types::Peer {
        node_id: node_id.to_string(),
        address: address.to_string(),
        is_persisted,
        is_connected,
    }
}
