//! Where the node and the server keep their state: one SQLite file, in the library's own format.
//! The server's records stand beside the library's, under a namespace of their own.

mod forwards;
mod holds;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

pub use forwards::Forwards;
pub use holds::{Fate, Held, Holds, LockedHolds, Run, Why};
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};

/// The namespace of the server's own records. The library has none of this name.
const NAMESPACE: &str = "ldk_server";

/// The store of the library, and of the records that the server adds to it.
pub struct Store {
    kv: SqliteStore,
}

impl Store {
    /// Opens the file in this directory, or makes it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
        Ok(Self { kv: SqliteStore::new(dir.to_owned(), Some(file), Some(table))? })
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

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl KVStore for Store {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Answer<Vec<u8>> {
        KVStore::read(&self.kv, primary, secondary, key)
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        KVStore::write(&self.kv, primary, secondary, key, value)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
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
        KVStoreSync::write(&self.kv, primary, secondary, key, value)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> io::Result<()> {
        KVStoreSync::remove(&self.kv, primary, secondary, key, lazy)
    }

    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(&self.kv, primary, secondary)
    }
}
