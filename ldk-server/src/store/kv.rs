//! The library's side of the store: its table, read and written by name.
//!
//! Two of the library's records mean something to the server, which therefore writes down what they
//! mean in the same transaction: payments go into the history, and when an event leaves the library's
//! queue it will not be delivered again.
//!
//! Once cuts have begun, what the library writes is answered when it is queued. It is committed, in
//! its order, where the states of the channels fit each other ([`super::writer`]).

use std::pin::Pin;
use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};

use super::change::{Change, Meaning, RecordChange};
use super::model::{self, Name, PAYMENTS, SERVER};
use super::writer::{self, Answer};
use super::{Store, payments};
use crate::compat::{event_queue, records};

/// A store of the library's own, in place of ours.
pub(super) trait LibraryStore: KVStore + KVStoreSync + Send + Sync {}

impl<T: KVStore + KVStoreSync + Send + Sync> LibraryStore for T {}

impl Store {
    /// Has the node that is built next ask an Electrum or Esplora server for every address of the
    /// wallet, as at its first start, and not only for those that were given out.
    ///
    /// The record that is removed for it has other times, too. Without them the node announces itself
    /// and fetches the graph once more, which does no harm.
    pub fn forget_syncs(&self) -> io::Result<()> {
        let (primary, secondary, key) = records::NODE_METRICS;
        self.change_durably(primary, secondary, key, None)
    }

    /// One of the server's records.
    pub(crate) fn get(&self, kind: &str, key: &str) -> io::Result<Vec<u8>> {
        KVStoreSync::read(self, SERVER, kind, key)
    }

    /// Writes one of the server's records; on disk once this returns.
    pub(crate) fn put(&self, kind: &str, key: &str, record: Vec<u8>) -> io::Result<()> {
        self.change_durably(SERVER, kind, key, Some(record))
    }

    /// Removes one of the server's records, if it is there.
    pub(crate) fn delete(&self, kind: &str, key: &str) -> io::Result<()> {
        self.change_durably(SERVER, kind, key, None)
    }

    /// Changes a record; on disk once this returns.
    fn change_durably(
        &self,
        primary: &str,
        secondary: &str,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> io::Result<()> {
        if let Some(library) = self.library.as_deref() {
            return match value {
                Some(value) => KVStoreSync::write(library, primary, secondary, key, value),
                None => KVStoreSync::remove(library, primary, secondary, key, false),
            };
        }
        let change = self.change(primary, secondary, key, value)?;
        writer::wait(|answer| self.submit(change, answer))
    }

    pub(super) fn change(
        &self,
        primary: &str,
        secondary: &str,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> io::Result<RecordChange> {
        let name = Name::new(primary, secondary, key)?;
        let value = value.map(Arc::new);
        let meaning = match &value {
            Some(value) if name.is_event_queue() => Meaning::Queue {
                acknowledges: self.event_log.leaves_queue(value),
                reveals_outdated_state: event_queue::ends_with_outdated_state(value),
            },
            Some(value) if name.is_in(PAYMENTS) => payments::meaning(value)?,
            None if name.is_in(PAYMENTS) => payments::meaning_of_removal(key),
            _ => Meaning::None,
        };
        Ok(RecordChange { name, value, meaning })
    }

    fn submit(&self, change: RecordChange, answer: Answer<()>) {
        self.writer.submit(Change::Record(change), Box::new(|made| answer(made.map(drop))));
    }

    /// What the library asks for: on disk once this returns, unless cuts have begun.
    fn change_for_library(&self, change: RecordChange) -> io::Result<()> {
        match self.submit_in_order(change) {
            Ok(()) => Ok(()),
            Err(change) => writer::wait(|answer| self.submit(change, answer)),
        }
    }

    /// The same for one who waits in a future.
    fn change_for_library_async(&self, change: RecordChange) -> Future<()> {
        match self.submit_in_order(change) {
            Ok(()) => ready(Ok(())),
            Err(change) => writer::wait_async(|answer| self.submit(change, answer)),
        }
    }

    /// With the library's own store in use: writes down what a change means.
    fn submit_beside(&self, change: RecordChange) -> io::Result<()> {
        if matches!(change.meaning, Meaning::None) {
            return Ok(());
        }
        self.writer.write(Change::Meaning(change)).map(drop)
    }
}

impl KVStoreSync for Store {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        if let Some(library) = self.library.as_deref() {
            return KVStoreSync::read(library, primary, secondary, key);
        }
        let name = Name::new(primary, secondary, key)?;
        let value = match self.writer.pending(&name) {
            Some(value) => value.map(|value| value.to_vec()),
            None => self.reads.record(&name)?,
        };
        value.ok_or_else(|| {
            let reason = format!("there is no {primary}/{secondary}/{key}");
            io::Error::new(io::ErrorKind::NotFound, reason)
        })
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        if let Some(library) = self.library.as_deref() {
            let change = self.change(primary, secondary, key, Some(value.clone()))?;
            KVStoreSync::write(library, primary, secondary, key, value)?;
            return self.submit_beside(change);
        }
        self.change_for_library(self.change(primary, secondary, key, Some(value))?)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> io::Result<()> {
        let change = self.change(primary, secondary, key, None)?;
        if let Some(library) = self.library.as_deref() {
            KVStoreSync::remove(library, primary, secondary, key, lazy)?;
            return self.submit_beside(change);
        }
        self.change_for_library(change)
    }

    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        if let Some(library) = self.library.as_deref() {
            return KVStoreSync::list(library, primary, secondary);
        }
        model::check(primary, secondary)?;
        let pending = self.writer.pending_keys((primary, secondary));
        let mut keys = self.reads.keys((primary, secondary))?;
        for (key, has_value) in pending {
            if has_value {
                keys.insert(key);
            } else {
                keys.remove(&key);
            }
        }
        Ok(keys.into_iter().collect())
    }
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = io::Result<T>> + Send>>;

/// The library's order of writes is that of the calls, so everything is asked for before the first
/// await. Reading takes a moment only, and is done at once as well.
impl KVStore for Store {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Future<Vec<u8>> {
        ready(KVStoreSync::read(self, primary, secondary, key))
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Future<()> {
        let for_library = self.library.as_deref().map(|library| (library, value.clone()));
        let change = match self.change(primary, secondary, key, Some(value)) {
            Ok(change) => change,
            Err(error) => return ready(Err(error)),
        };
        if let Some((library, value)) = for_library {
            let written = KVStore::write(library, primary, secondary, key, value);
            let beside = self.submit_beside(change);
            return Box::pin(async { written.await.and(beside) });
        }
        self.change_for_library_async(change)
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Future<()> {
        let change = match self.change(primary, secondary, key, None) {
            Ok(change) => change,
            Err(error) => return ready(Err(error)),
        };
        if let Some(library) = self.library.as_deref() {
            let removed = KVStore::remove(library, primary, secondary, key, lazy);
            let beside = self.submit_beside(change);
            return Box::pin(async { removed.await.and(beside) });
        }
        self.change_for_library_async(change)
    }

    fn list(&self, primary: &str, secondary: &str) -> Future<Vec<String>> {
        ready(KVStoreSync::list(self, primary, secondary))
    }
}

fn ready<T: Send + 'static>(result: io::Result<T>) -> Future<T> {
    Box::pin(std::future::ready(result))
}
