//! Peers.

use ldk_server_grpc::api::{
    ConnectPeerRequest, ConnectPeerResponse, DisconnectPeerRequest, DisconnectPeerResponse,
    ListPeersRequest, ListPeersResponse,
};

use ldk_server_grpc::types;

use super::dispatcher::Call;
use super::{fields, pasted};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::gate::KnownPeer;
use crate::ops;
use crate::ops::peers::PeerAddress;

pub(super) async fn connect(
    call: Call,
    request: ConnectPeerRequest,
) -> Result<ConnectPeerResponse, Error> {
    let ConnectPeerRequest { node_pubkey, address, persist } = request;
    let app = call.app()?;
    let peer = route(&app, &node_pubkey, &address, persist)?;
    let stays_connected_at = ops::peers::connect(&app, peer).await?;
    Ok(ConnectPeerResponse {
        stays_connected_at: stays_connected_at.map(|address| address.to_string()),
    })
}

/// The peer that `node_pubkey` and `address`, the fields of a request, name.
pub(super) fn route(
    app: &App,
    node_pubkey: &str,
    address: &str,
    persist: bool,
) -> Result<PeerAddress, Error> {
    let node_id = fields::public_key("node_pubkey", node_pubkey)?;
    let address = fields::peer_address("address", pasted::host(node_pubkey, address))?;
    if node_id == app.node.node_id() {
        return Err(Error::invalid("node_pubkey", "is this node's own key"));
    }
    Ok(PeerAddress { node_id, address, persist })
}

pub(super) fn disconnect(
    app: &App,
    _: &Caller,
    DisconnectPeerRequest { node_pubkey }: DisconnectPeerRequest,
) -> Result<DisconnectPeerResponse, Error> {
    ops::peers::disconnect(app, fields::public_key("node_pubkey", &node_pubkey)?)?;
    Ok(DisconnectPeerResponse {})
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListPeersRequest {}: ListPeersRequest,
) -> Result<ListPeersResponse, Error> {
    let peers = ops::peers::list(app);
    Ok(ListPeersResponse { peers: peers.into_iter().map(shown).collect() })
}

/// A peer as the API shows it.
fn shown(peer: KnownPeer) -> types::Peer {
    let is_connected = peer.is_connected();
    let KnownPeer { node_id, address, connected_address, is_persisted, .. } = peer;
    let elsewhere = connected_address.filter(|connected| *connected != address);
    types::Peer {
        node_id: node_id.to_string(),
        address: address.to_string(),
        is_persisted,
        is_connected,
        connected_address: elsewhere.map(|address| address.to_string()),
    }
}
