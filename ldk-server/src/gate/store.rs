//! The store that the library gets: the server's store has the real addresses of peers, and the
//! library sees the ports of their tunnels.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};

use super::addresses::{Known, PendingPeer, StoredPeers};
use super::{PeerGate, is_onion};
use crate::compat::peer_record::{self, Peer};
use crate::store::Store;

/// The store as the library sees it.
pub struct NodeStore {
    store: Arc<Store>,
    gate: Arc<PeerGate>,
}

impl NodeStore {
    /// Puts `gate` between the library and its record of peers.
    pub fn new(store: Arc<Store>, gate: Arc<PeerGate>) -> Self {
        Self { store, gate }
    }
}

impl PeerGate {
    /// The record of peers for the library. Onion addresses that cannot be reached stay as they are,
    /// and their peers offline. The library does not get other peers that have no tunnel yet.
    pub(super) fn for_library(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut peers = peer_record::decode(bytes)?;
        self.addresses.known().stored = by_node_id(&peers);
        peers.retain_mut(|peer| self.use_tunnel(peer));
        self.warn_of_unreachable(&peers);
        peer_record::encode(&peers)
    }

    /// Replaces the peer's address by the port of a tunnel; returns false if there is no tunnel.
    fn use_tunnel(&self, peer: &mut Peer) -> bool {
        let mut known = self.addresses.known();
        match self.tunnel(&mut known, &peer.address) {
            Ok(Some(tunnel)) => peer.address = tunnel.entrance().clone(),
            Ok(None) => {},
            Err(_) if is_onion(&peer.address) && self.proxy.is_none() => {},
            Err(reason) => {
                tracing::warn!(
                    node_id = %peer.node_id,
                    address = %peer.address,
                    %reason,
                    "cannot open a tunnel to a stored peer yet"
                );
                let pending = PendingPeer { address: peer.address.clone(), persist: true };
                known.pending.insert(peer.node_id, pending);
                return false;
            },
        }
        true
    }

    fn warn_of_unreachable(&self, peers: &[Peer]) {
        let mut unreachable = peers.iter().filter(|peer| is_onion(&peer.address)).peekable();
        if let Some(one) = unreachable.peek() {
            let reason = Self::needs_proxy(&one.address);
            let count = unreachable.count();
            tracing::warn!(count, %reason, "stored peers at onion addresses stay offline");
        }
    }

    /// The record of peers for the disk.
    pub(super) fn for_disk(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut peers = peer_record::decode(bytes)?;
        let mut known = self.addresses.known();
        for peer in &mut peers {
            let moved = known.moved.get(&peer.node_id);
            if let Some(address) = moved.or_else(|| known.real(&peer.address)) {
                peer.address = address.clone();
            }
        }
        for (node_id, pending) in known.pending.iter().filter(|(_, pending)| pending.persist) {
            if peers.iter().all(|peer| peer.node_id != *node_id) {
                peers.push(Peer::new(*node_id, pending.address.clone()));
            }
        }
        known.stored = by_node_id(&peers);
        let Known { moved, stored, .. } = &mut *known;
        moved.retain(|node_id, _| stored.contains_key(node_id));
        peer_record::encode(&peers)
    }

    /// Stores the latest address of a stored peer: the library keeps the first address, and tries
    /// that one until the peer is disconnected.
    pub fn store_address(
        &self,
        store: &Store,
        node_id: PublicKey,
        address: &SocketAddress,
    ) -> io::Result<()> {
        if !self.addresses.known().move_to(node_id, address) {
            return Ok(());
        }
        let (primary, secondary, key) = peer_record::STORE_KEY;
        let _writing = self.writing_peers.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = KVStoreSync::read(store, primary, secondary, key)?;
        KVStoreSync::write(store, primary, secondary, key, self.for_disk(&stored)?)
    }

    /// Writes the library's record of peers with `write`.
    fn write_peers<T>(&self, bytes: &[u8], write: impl FnOnce(Vec<u8>) -> T) -> io::Result<T> {
        let _writing = self.writing_peers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(write(self.for_disk(bytes)?))
    }
}

fn by_node_id(peers: &[Peer]) -> StoredPeers {
    peers.iter().map(|peer| (peer.node_id, peer.address.clone())).collect()
}

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl KVStoreSync for NodeStore {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        let value = KVStoreSync::read(&*self.store, primary, secondary, key)?;
        match (primary, secondary, key) {
            peer_record::STORE_KEY => self.gate.for_library(&value),
            _ => Ok(value),
        }
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        let write = |value| KVStoreSync::write(&*self.store, primary, secondary, key, value);
        match (primary, secondary, key) {
            peer_record::STORE_KEY => self.gate.write_peers(&value, write)?,
            _ => write(value),
        }
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> io::Result<()> {
        KVStoreSync::remove(&*self.store, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(&*self.store, primary, secondary)
    }
}

impl KVStore for NodeStore {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Answer<Vec<u8>> {
        let value = KVStore::read(&*self.store, primary, secondary, key);
        match (primary, secondary, key) {
            peer_record::STORE_KEY => {
                let gate = Arc::clone(&self.gate);
                Box::pin(async move { gate.for_library(&value.await?) })
            },
            _ => value,
        }
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        // Writes are ordered by the moment at which they begin.
        let write = |value| KVStore::write(&*self.store, primary, secondary, key, value);
        match (primary, secondary, key) {
            peer_record::STORE_KEY => self
                .gate
                .write_peers(&value, write)
                .unwrap_or_else(|error| Box::pin(async { Err(error) })),
            _ => write(value),
        }
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
        KVStore::remove(&*self.store, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> Answer<Vec<String>> {
        KVStore::list(&*self.store, primary, secondary)
    }
}
