//! Where the node and the server keep their state: one SQLite file, in the library's own format.
//! The server's records stand beside the library's, under a namespace of their own.

mod forwards;
mod holds;
mod pages;
mod payments;

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;

pub use forwards::{Forward, Forwards};
pub use holds::{Fate, Held, Holds, LockedHolds, Run, Why};
use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::{
    ARCHIVED_CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE, KVStore, KVStoreSync,
};
pub use pages::Page;
pub use payments::{PaymentCounts, PaymentIndex, PaymentPlace};

/// The namespace of the server's own records. The library has none of this name.
const NAMESPACE: &str = "ldk_server";

/// The store of the library, and of the records that the server adds to it.
pub struct Store {
    kv: SqliteStore,
    payments: Arc<PaymentIndex>,
}

impl Store {
    /// Opens the file in this directory, or makes it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
        let kv = SqliteStore::new(dir.to_owned(), Some(file), Some(table))?;
        let store = Self { kv, payments: Arc::default() };
        payments::load(&store)?;
        Ok(store)
    }

    /// The order of the library's payments.
    pub fn payments(&self) -> Arc<PaymentIndex> {
        Arc::clone(&self.payments)
    }

    /// Whether the on-chain wallet knows this transaction, and so spends none of its coins again.
    ///
    /// The library has no call for that. It keeps the wallet's transactions under this key, each
    /// unconfirmed one with the time it was last seen and each confirmed one with its block, and
    /// both by the 32 bytes of the txid; it writes them while it holds the wallet's lock. That these
    /// bytes are there by chance, or before the wallet has the transaction, cannot be.
    pub fn wallet_knows(&self, txid: &Txid) -> io::Result<bool> {
        let transactions = match KVStoreSync::read(&self.kv, "bdk_wallet", "", "tx_graph") {
            Ok(transactions) => transactions,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let id = txid.as_byte_array();
        Ok(transactions.windows(id.len()).any(|bytes| bytes == id))
    }

    /// Whether the channel with this id was ever funded: then the library keeps a monitor of it, or
    /// has put it aside. The names of monitors are those of their funding outputs, from which such
    /// channels have their ids, or the ids themselves.
    pub fn was_funded(&self, channel: ChannelId) -> io::Result<bool> {
        for namespace in [
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
            ARCHIVED_CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
        ] {
            let monitors = KVStoreSync::list(&self.kv, namespace, "")?;
            if monitors.iter().any(|monitor| monitored_channel(monitor) == Some(channel)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of one kind of the server's records, in no particular order.
    fn keys(&self, kind: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(&self.kv, NAMESPACE, kind)
    }

    /// One of the server's records.
    fn get(&self, kind: &str, key: &str) -> io::Result<Vec<u8>> {
        KVStoreSync::read(&self.kv, NAMESPACE, kind, key)
    }

    /// Writes one of the server's records; on disk once this returns.
    fn put(&self, kind: &str, key: &str, record: Vec<u8>) -> io::Result<()> {
        KVStoreSync::write(&self.kv, NAMESPACE, kind, key, record)
    }

    /// Removes one of the server's records, if it is there.
    fn delete(&self, kind: &str, key: &str) -> io::Result<()> {
        KVStoreSync::remove(&self.kv, NAMESPACE, kind, key, false)
    }
}

/// A record that is not what we wrote.
fn invalid_data(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Whether this is where the library keeps its payments, whose changes are watched.
fn are_payments(primary: &str, secondary: &str) -> bool {
    (primary, secondary) == (payments::PRIMARY, payments::SECONDARY)
}

/// The channel that the monitor with this name is of.
fn monitored_channel(monitor: &str) -> Option<ChannelId> {
    let Some((txid, index)) = monitor.split_once('_') else {
        let id = hex::decode(monitor).ok()?;
        return Some(ChannelId(id.try_into().ok()?));
    };
    let (txid, index) = (Txid::from_str(txid).ok()?, index.parse().ok()?);
    Some(ChannelId::v1_from_funding_txid(txid.as_byte_array(), index))
}

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl KVStore for Store {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Answer<Vec<u8>> {
        KVStore::read(&self.kv, primary, secondary, key)
    }

    // The library writes payments by the other trait. If it did not, they would still be seen.
    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        if are_payments(primary, secondary) {
            return Box::pin(ready(payments::write(self, key, value)));
        }
        KVStore::write(&self.kv, primary, secondary, key, value)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
        if are_payments(primary, secondary) {
            return Box::pin(ready(payments::remove(self, key, lazy)));
        }
        KVStore::remove(&self.kv, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> Answer<Vec<String>> {
        KVStore::list(&self.kv, primary, secondary)
    }
}

impl KVStoreSync for Store {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        KVStoreSync::read(&self.kv, primary, secondary, key)
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        if are_payments(primary, secondary) {
            return payments::write(self, key, value);
        }
        KVStoreSync::write(&self.kv, primary, secondary, key, value)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> io::Result<()> {
        if are_payments(primary, secondary) {
            return payments::remove(self, key, lazy);
        }
        KVStoreSync::remove(&self.kv, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(&self.kv, primary, secondary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wallet_knows_what_the_library_wrote_down() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let [txid, other] = [Txid::from_byte_array([7; 32]), Txid::from_byte_array([8; 32])];
        assert!(!store.wallet_knows(&txid).unwrap());
        let value = [&[1; 5][..], txid.as_byte_array(), &[7; 3]].concat();
        KVStoreSync::write(&store, "bdk_wallet", "", "tx_graph", value).unwrap();
        assert!(store.wallet_knows(&txid).unwrap());
        assert!(!store.wallet_knows(&other).unwrap());
    }

    #[test]
    fn a_channel_with_a_monitor_was_funded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let txid = Txid::from_byte_array([7; 32]);
        let [first, second] = [(0, 7), (258, 7 ^ 2)].map(|(index, last)| {
            let mut id = [7; 32];
            id[30] ^= (index >> 8) as u8;
            id[31] = last;
            (format!("{txid}_{index}"), ChannelId(id))
        });
        let third = (hex::encode([9; 32]), ChannelId([9; 32]));
        for (namespace, (name, id)) in
            [("monitors", first), ("archived_monitors", second), ("monitors", third)]
        {
            assert!(!store.was_funded(id).unwrap());
            KVStoreSync::write(&store, namespace, "", &name, vec![1]).unwrap();
            assert!(store.was_funded(id).unwrap(), "{name}");
        }
    }
}
