//! Peers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::NodeError;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;

use crate::app::App;
use crate::error::Error;
use crate::executor::joined;
use crate::gate::{DialError, KnownPeer};

/// The timeout for connecting to a peer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer and its address.
#[derive(Clone)]
pub struct PeerAddress {
    /// Its node id.
    pub node_id: PublicKey,
    /// Its address.
    pub address: SocketAddress,
    /// Whether to reconnect to it from now on.
    pub persist: bool,
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "peer {}@{}", self.node_id, self.address)
    }
}

/// Connects to a peer. If it was connected already, at another address, returns that address. Fails
/// with FAILED_PRECONDITION if the peer does not answer in time.
pub async fn connect(app: &Arc<App>, peer: PeerAddress) -> Result<Option<SocketAddress>, Error> {
    let place = app.connecting.try_enter()?;
    let name = peer.to_string();
    let working = Arc::clone(app);
    let work = app.executor.spawn("connect", move || {
        let _place = place;
        connect_now(&working, peer)
    });
    match tokio::time::timeout(CONNECT_TIMEOUT, joined("connect", work)).await {
        Ok(connected) => connected,
        Err(_) => {
            let secs = CONNECT_TIMEOUT.as_secs();
            Err(Error::FailedPrecondition(format!("{name} did not answer within {secs} s")))
        },
    }
}

/// Blocks until the peer has answered or the connection has failed.
fn connect_now(app: &App, peer: PeerAddress) -> Result<Option<SocketAddress>, Error> {
    reach(app, &peer)?;
    let PeerAddress { node_id, address, persist } = peer;
    if persist {
        app.gate.store_address(&app.store, node_id, &address).map_err(Error::internal)?;
    }
    Ok(connection(app, node_id).filter(|connected| *connected != address))
}

fn reach(app: &App, peer: &PeerAddress) -> Result<(), Error> {
    let name = peer.to_string();
    let PeerAddress { node_id, address, persist } = peer;
    let (node_id, persist) = (*node_id, *persist);
    let failed =
        |reason: &str| Error::FailedPrecondition(format!("cannot connect to {name}: {reason}"));
    let route = app.gate.route_to(address)?;
    if connection(app, node_id).is_none() {
        route.dial().map_err(|error| match error {
            DialError::Unresolvable => unresolvable(&name),
            reason => failed(&reason.to_string()),
        })?;
    }
    let connect = || app.node.connect(node_id, route.address().clone(), persist);
    let connected = match connect() {
        // An attempt that the library had begun before failed, not this one.
        Err(NodeError::ConnectionFailed) if route.is_ready() => connect(),
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
    let peers = app.gate.known_peers(app.node.list_peers());
    peers.into_iter().find(|peer| peer.node_id == node_id)?.connected_address
}

/// Stores the address of a peer that the node reconnects to, if the peer is connected there.
pub fn remember(app: &App, node_id: PublicKey, address: &SocketAddress) {
    if connection(app, node_id).as_ref() != Some(address) {
        return;
    }
    if let Err(error) = app.gate.store_address(&app.store, node_id, address) {
        tracing::warn!(%node_id, %address, %error, "cannot store the address of a peer");
    }
}

/// Whether there is a connection with a peer.
pub fn is_connected(app: &App, node_id: PublicKey) -> bool {
    app.node.list_peers().iter().any(|peer| peer.node_id == node_id && peer.is_connected)
}

/// Disconnects from a peer, and does not reconnect to it.
pub fn disconnect(app: &App, node_id: PublicKey) -> Result<(), Error> {
    app.gate.forget(&node_id);
    Ok(app.node.disconnect(node_id)?)
}

/// Returns the peers, with their public addresses.
pub fn list(app: &App) -> Vec<KnownPeer> {
    app.gate.known_peers(app.node.list_peers())
}
