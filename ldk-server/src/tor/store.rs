//! The store that the library is given: the server's, in which peers have their onion addresses,
//! while the library sees the ports that lead there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};

use super::record::{self, Peer};
use super::{Onions, is_onion};
use crate::store::Store;

/// The store as the library sees it.
pub struct NodeStore {
    store: Arc<Store>,
    onions: Arc<Onions>,
}

impl NodeStore {
    /// Puts `onions` between the library and its record of peers.
    pub fn new(store: Arc<Store>, onions: Arc<Onions>) -> Self {
        Self { store, onions }
    }
}

impl Onions {
    /// The record of peers for the library. Addresses that cannot be reached stay as they are,
    /// and their peers offline.
    pub(super) fn for_library(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut peers = record::decode(bytes)?;
        let mut known = self.known();
        known.stored = addresses(&peers);
        let mut unreachable = None;
        for peer in peers.iter_mut().filter(|peer| is_onion(&peer.address)) {
            match self.tunnel(&mut known, &peer.address) {
                Ok(tunnel) => peer.address = tunnel.entrance().clone(),
                Err(reason) => unreachable = Some(reason),
            }
        }
        if let Some(reason) = unreachable {
            let count = peers.iter().filter(|peer| is_onion(&peer.address)).count();
            tracing::warn!("{count} stored peers at onion addresses stay offline: {reason}");
        }
        record::encode(&peers)
    }

    /// The record of peers for the disk.
    pub(super) fn for_disk(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut peers = record::decode(bytes)?;
        let mut known = self.known();
        for peer in &mut peers {
            peer.address = known.shown(peer.address.clone());
        }
        known.stored = addresses(&peers);
        record::encode(&peers)
    }
}

fn addresses(peers: &[Peer]) -> Vec<SocketAddress> {
    peers.iter().map(|peer| peer.address.clone()).collect()
}

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl KVStoreSync for NodeStore {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        let value = KVStoreSync::read(&*self.store, primary, secondary, key)?;
        match (primary, secondary, key) {
            record::PLACE => self.onions.for_library(&value),
            _ => Ok(value),
        }
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        let value = match (primary, secondary, key) {
            record::PLACE => self.onions.for_disk(&value)?,
            _ => value,
        };
        KVStoreSync::write(&*self.store, primary, secondary, key, value)
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
            record::PLACE => {
                let onions = Arc::clone(&self.onions);
                Box::pin(async move { onions.for_library(&value.await?) })
            },
            _ => value,
        }
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        let value = match (primary, secondary, key) {
            record::PLACE => match self.onions.for_disk(&value) {
                Ok(value) => value,
                Err(error) => return Box::pin(async { Err(error) }),
            },
            _ => value,
        };
        KVStore::write(&*self.store, primary, secondary, key, value)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
        KVStore::remove(&*self.store, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> Answer<Vec<String>> {
        KVStore::list(&*self.store, primary, secondary)
    }
}
