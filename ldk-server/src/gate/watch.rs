//! Finds connections of the library that bypass the gate.
//!
//! There are two kinds. A process of this machine can connect to the port where the library
//! listens; it is disconnected. And the library learns addresses by itself that it has no tunnel
//! for: of a peer that has opened a channel, to which it will reconnect, and of a node that it
//! wants to send an onion message to. Such peers are removed from the library and connected through
//! the gate; then they are the library's again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::routing::gossip::NodeId;
use ldk_node::{Node, NodeError, PeerDetails};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::addresses::{Addresses, PendingPeer};
use super::dial::DialError;
use super::metrics::Direction;
use super::tasks::LINGER;
use super::{PeerGate, is_onion};
use crate::clock::Ticks;
use crate::error::Error;

/// How often the library's connections are compared with the gate's.
const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait before a peer that does not answer is tried again, as the library does.
const RETRY: Duration = Duration::from_secs(60);

/// What to do with a peer of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The peer is connected through the gate, or not connected.
    Keep,
    /// The library bypasses the gate to this peer, or would do so, or would use an old address: the
    /// gate connects to the peer instead.
    Reroute(PendingPeer),
    /// A process has connected to the library without the gate.
    Disconnect,
}

/// Compares the library's connections with those of the gate.
struct Watch {
    node: Arc<Node>,
    gate: Arc<PeerGate>,
    /// Connections that seemed to bypass the gate at the last check. One that has just ended may seem
    /// so once.
    suspects: HashMap<PublicKey, SocketAddress>,
    tried: HashMap<PublicKey, Instant>,
    /// The attempt under way to connect to a peer.
    connecting: Option<JoinHandle<()>>,
}

impl PeerGate {
    /// Makes all connections of the library go through the gate, until `stop` is cancelled.
    pub async fn watch(self: Arc<Self>, node: Arc<Node>, stop: CancellationToken) {
        if self.only_onions {
            return;
        }
        let mut watch = Watch {
            node,
            gate: self,
            suspects: HashMap::new(),
            tried: HashMap::new(),
            connecting: None,
        };
        let mut ticks = Ticks::after(PERIOD, PERIOD, stop);
        while ticks.next().await {
            let checked = spawn_blocking(move || {
                watch.check();
                watch
            });
            match checked.await {
                Ok(after) => watch = after,
                Err(error) => return tracing::error!(%error, "stopped watching the peers"),
            }
        }
        if let Some(connecting) = watch.connecting {
            // It ends when the node stops, at the latest.
            let _ = timeout(LINGER, connecting).await;
        }
    }
}

impl Watch {
    /// Blocks.
    fn check(&mut self) {
        let peers = self.node.list_peers();
        self.gate.connections.channels.learn(&peers, &self.node.list_channels());
        let mut suspects = HashMap::new();
        for peer in &peers {
            let verdict = self.gate.judge(peer, |address| self.is_announced(peer, address));
            if verdict == Verdict::Keep {
                continue;
            }
            let was_suspect = self.suspects.get(&peer.node_id) == Some(&peer.address);
            if peer.is_connected && !was_suspect {
                suspects.insert(peer.node_id, peer.address.clone());
            } else {
                self.act(peer, verdict);
            }
        }
        self.suspects = suspects;
        self.connect(&peers);
        self.gate.addresses.known().forget_unused();
    }

    fn act(&self, peer: &PeerDetails, verdict: Verdict) {
        let PeerDetails { node_id, address, is_connected, .. } = peer;
        let direction = match verdict {
            Verdict::Keep => return,
            Verdict::Reroute(pending) => {
                let address = &pending.address;
                tracing::info!(%node_id, %address, "connecting to the peer through the gate from now on");
                self.gate.addresses.known().pending.insert(*node_id, pending);
                Direction::Outbound
            },
            Verdict::Disconnect => {
                tracing::warn!(
                    %node_id,
                    %address,
                    "a process of this machine has connected to the node without the gate; \
                     disconnecting it"
                );
                self.gate.keep_stored(node_id);
                Direction::Inbound
            },
        };
        if *is_connected {
            self.gate.connections.metrics.bypassed(direction);
        }
        // The library forgets the peer as well, unlike the record on disk.
        if let Err(error) = self.node.disconnect(*node_id) {
            tracing::warn!(%node_id, %error, "cannot disconnect the peer");
        }
    }

    /// Connects to the next of the peers that the library does not know.
    fn connect(&mut self, peers: &[PeerDetails]) {
        if self.connecting.as_ref().is_some_and(|connecting| !connecting.is_finished()) {
            return;
        }
        let pending = self.gate.addresses.known().pending.clone();
        self.tried.retain(|node_id, _| pending.contains_key(node_id));
        let is_connected = |node_id: &PublicKey| {
            peers.iter().any(|peer| peer.node_id == *node_id && peer.is_connected)
        };
        let is_due = |(node_id, _): &(PublicKey, PendingPeer)| {
            is_connected(node_id)
                || self.tried.get(node_id).is_none_or(|tried| tried.elapsed() >= RETRY)
        };
        let Some((node_id, pending)) = pending.into_iter().find(is_due) else { return };
        self.tried.insert(node_id, Instant::now());
        let (node, gate) = (Arc::clone(&self.node), Arc::clone(&self.gate));
        self.connecting = Some(spawn_blocking(move || gate.hand_over(&node, node_id, &pending)));
    }

    /// Whether this address of the peer is announced to the network.
    fn is_announced(&self, peer: &PeerDetails, address: &SocketAddress) -> bool {
        let node = self.node.network_graph().node(&NodeId::from_pubkey(&peer.node_id));
        let info = node.and_then(|node| node.announcement_info);
        info.is_some_and(|info| info.addresses().contains(address))
    }
}

impl PeerGate {
    fn judge(&self, peer: &PeerDetails, is_announced: impl Fn(&SocketAddress) -> bool) -> Verdict {
        let PeerDetails { node_id, address, is_persisted, is_connected } = peer;
        let known = self.addresses.known();
        if let Some(moved) = known.moved_from(node_id, address).filter(|_| !is_connected) {
            return Verdict::Reroute(PendingPeer { address: moved.clone(), persist: true });
        }
        if known.real(address).is_some() || is_onion(address) && self.proxy.is_none() {
            return Verdict::Keep;
        }
        let is_ours = !is_connected
            || !is_loopback(address)
            || known.stored.get(node_id) == Some(address)
            || is_announced(address);
        if is_ours {
            let (address, persist) = (address.clone(), *is_persisted);
            return Verdict::Reroute(PendingPeer { address, persist });
        }
        Verdict::Disconnect
    }

    /// Keeps a stored peer that the library is about to forget.
    fn keep_stored(&self, node_id: &PublicKey) {
        let mut known = self.addresses.known();
        if let Some(address) = known.stored.get(node_id).cloned() {
            known.pending.insert(*node_id, PendingPeer { address, persist: true });
        }
    }

    /// Connects to a peer through the gate, and hands it over to the library. Blocks.
    fn hand_over(&self, node: &Node, node_id: PublicKey, peer: &PendingPeer) {
        let PendingPeer { address, persist } = peer;
        let connected = self.connect_through_tunnel(node, node_id, peer);
        if let Err(error) = &connected {
            tracing::debug!(%node_id, %address, %error, "cannot connect to the peer");
        }
        if connected.is_err() && *persist {
            return;
        }
        let was_pending = Addresses::known(&self.addresses).pending.remove(&node_id).is_some();
        if connected.is_ok() && !was_pending {
            // A caller has asked meanwhile to disconnect from it.
            let _ = node.disconnect(node_id);
        }
    }

    fn connect_through_tunnel(
        &self,
        node: &Node,
        node_id: PublicKey,
        PendingPeer { address, persist }: &PendingPeer,
    ) -> Result<(), HandOverError> {
        let route = self.route_to(address)?;
        let is_connected = |peer: &PeerDetails| peer.node_id == node_id && peer.is_connected;
        if !node.list_peers().iter().any(is_connected) {
            route.dial()?;
        }
        Ok(node.connect(node_id, route.address().clone(), *persist)?)
    }
}

/// Why the gate cannot connect to a pending peer.
#[derive(Debug, thiserror::Error)]
enum HandOverError {
    #[error(transparent)]
    Route(#[from] Error),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Library(#[from] NodeError),
}

fn is_loopback(address: &SocketAddress) -> bool {
    matches!(address, SocketAddress::TcpIpV4 { addr: [127, ..], .. })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{KEY, gate, plain, settings};
    use super::*;

    fn verdict(gate: &PeerGate, address: &str, is_connected: bool, announced: &str) -> Verdict {
        let peer = PeerDetails {
            node_id: KEY.parse().unwrap(),
            address: plain(address),
            is_persisted: true,
            is_connected,
        };
        gate.judge(&peer, |address| address.to_string() == announced)
    }

    fn take(address: &str) -> Verdict {
        Verdict::Reroute(PendingPeer { address: plain(address), persist: true })
    }

    #[tokio::test]
    async fn whoever_goes_past_the_gate_is_taken_or_sent_away() {
        let gate = gate(settings());
        let entrance = gate.route_to(&plain("1.2.3.4:9735")).unwrap().address().to_string();
        let _mapping = Addresses::map_inbound(
            &gate.addresses,
            "127.0.0.1:1".parse().unwrap(),
            "1.2.3.4:5".parse().unwrap(),
        );
        for is_connected in [true, false] {
            assert_eq!(verdict(&gate, &entrance, is_connected, ""), Verdict::Keep);
            assert_eq!(verdict(&gate, "1.2.3.4:9735", is_connected, ""), take("1.2.3.4:9735"));
        }
        assert_eq!(verdict(&gate, "127.0.0.1:1", true, ""), Verdict::Keep);
        let near = "127.0.0.1:2";
        assert_eq!(verdict(&gate, near, true, ""), Verdict::Disconnect);
        assert_eq!(verdict(&gate, near, true, near), take(near));
        assert_eq!(verdict(&gate, near, false, ""), take(near));
        // Without a proxy nobody gets there anyhow.
        let onion = format!("{}.onion:9735", "a".repeat(56));
        assert_eq!(verdict(&gate, &onion, false, ""), Verdict::Keep);
    }

    #[tokio::test]
    async fn a_peer_that_has_moved_is_followed_when_it_is_not_connected() {
        let gate = gate(settings());
        let [old, new] = ["1.2.3.4:9735", "5.6.7.8:9735"].map(plain);
        let [before, after] =
            [&old, &new].map(|address| gate.route_to(address).unwrap().address().to_string());
        gate.addresses.known().move_to(KEY.parse().unwrap(), &new);
        assert_eq!(verdict(&gate, &before, true, ""), Verdict::Keep);
        assert_eq!(verdict(&gate, &before, false, ""), take("5.6.7.8:9735"));
        assert_eq!(verdict(&gate, &after, false, ""), Verdict::Keep);
    }

    #[tokio::test]
    async fn a_stored_peer_that_the_library_forgets_is_kept() {
        let gate = gate(settings());
        let node_id: PublicKey = KEY.parse().unwrap();
        gate.keep_stored(&node_id);
        assert_eq!(gate.known_peers(Vec::new()), []);
        gate.addresses.known().stored.insert(node_id, plain("1.2.3.4:9735"));
        gate.keep_stored(&node_id);
        assert_eq!(gate.known_peers(Vec::new())[0].address, plain("1.2.3.4:9735"));
    }
}
