//! Where the node and the server keep their state: one SQLite file, in the library's own format.
//! The server's records stand beside the library's, under a namespace of their own.

mod forwards;
mod holds;
mod pages;
mod payments;

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

pub use forwards::{Forward, Forwards};
pub use holds::{Fate, Held, Holds, LockedHolds, Run, Why};
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
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
