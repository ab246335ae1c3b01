//! Peers.

use std::fmt;

use ldk_node::NodeError;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_server_grpc::api::{
    ConnectPeerRequest, ConnectPeerResponse, DisconnectPeerRequest, DisconnectPeerResponse,
    ListPeersRequest, ListPeersResponse,
};

use super::{App, fields, pasted};
use crate::error::Error;
use crate::gate::DialError;
use crate::wire;

/// A peer to connect to.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) node_id: PublicKey,
    pub(super) address: SocketAddress,
    /// Whether to reconnect to it from now on.
    pub(super) persist: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "peer {}@{}", self.node_id, self.address)
    }
}

pub(super) fn parse(app: &App, request: ConnectPeerRequest) -> Result<Target, Error> {
    let ConnectPeerRequest { node_pubkey, address, persist } = request;
    target(app, &node_pubkey, &address, persist)
}

/// The peer that `node_pubkey` and `address`, the fields of a request, name.
pub(super) fn target(
    app: &App,
    node_pubkey: &str,
    address: &str,
    persist: bool,
) -> Result<Target, Error> {
    let node_id = fields::public_key("node_pubkey", node_pubkey)?;
    let address = fields::peer_address("address", pasted::host(node_pubkey, address))?;
    if node_id == app.node.node_id() {
        return Err(Error::invalid("node_pubkey", "is this node's own key"));
    }
    Ok(Target { node_id, address, persist })
}

/// Blocks until the peer has answered or the connection has failed.
pub(super) fn connect(app: &App, peer: Target) -> Result<ConnectPeerResponse, Error> {
    reach(app, &peer)?;
    let Target { node_id, address, persist } = peer;
    if persist {
        app.gate.store_address(&app.store, node_id, &address).map_err(Error::internal)?;
    }
    let elsewhere = connection(app, node_id).filter(|connected| *connected != address);
    Ok(ConnectPeerResponse { stays_connected_at: elsewhere.map(|address| address.to_string()) })
}

fn reach(app: &App, peer: &Target) -> Result<(), Error> {
    let name = peer.to_string();
    let Target { node_id, address, persist } = peer;
    let (node_id, persist) = (*node_id, *persist);
    let failed =
        |reason: &str| Error::FailedPrecondition(format!("cannot connect to {name}: {reason}"));
    let way = app.gate.way_to(address)?;
    if connection(app, node_id).is_none() {
        way.clear().map_err(|error| match error {
            DialError::Unresolvable => unresolvable(&name),
            reason => failed(&reason.to_string()),
        })?;
    }
    let connect = || app.node.connect(node_id, way.address().clone(), persist);
    let connected = match connect() {
        // An attempt that the library had begun before failed, not this one.
        Err(NodeError::ConnectionFailed) if way.is_clear() => connect(),
        other => other,
    };
    connected.map_err(|error| match error {
        NodeError::ConnectionFailed => failed("it does not answer"),
        NodeError::InvalidSocketAddress => unresolvable(&name),
        other => other.into(),
    })
}

fn unresolvable(name: &str) -> Error {
    Error::invalid("address", format!("the host of {name} cannot be resolved"))
}

/// The address of the connection with a peer, if there is one.
fn connection(app: &App, node_id: PublicKey) -> Option<SocketAddress> {
    let peers = app.gate.shown(app.node.list_peers());
    peers.into_iter().find(|peer| peer.node_id == node_id)?.connected_address
}

/// Stores the address of a peer that the node is to reconnect to, if it has proved right.
pub(super) fn remember(app: &App, node_id: PublicKey, address: &SocketAddress) {
    if connection(app, node_id).as_ref() != Some(address) {
        return;
    }
    if let Err(error) = app.gate.store_address(&app.store, node_id, address) {
        tracing::warn!("the address {address} of peer {node_id} cannot be stored: {error}");
    }
}

pub(super) fn is_connected(app: &App, node_id: PublicKey) -> bool {
    app.node.list_peers().iter().any(|peer| peer.node_id == node_id && peer.is_connected)
}

pub(super) fn disconnect(
    app: &App,
    DisconnectPeerRequest { node_pubkey }: DisconnectPeerRequest,
) -> Result<DisconnectPeerResponse, Error> {
    let node_id = fields::public_key("node_pubkey", &node_pubkey)?;
    app.gate.forget(&node_id);
    app.node.disconnect(node_id)?;
    Ok(DisconnectPeerResponse {})
}

pub(super) fn list(
    app: &App,
    ListPeersRequest {}: ListPeersRequest,
) -> Result<ListPeersResponse, Error> {
    let peers = app.gate.shown(app.node.list_peers());
    Ok(ListPeersResponse { peers: peers.into_iter().map(wire::peer::peer).collect() })
}
