//! Where the node and the server keep their state: one SQLite file. The library's table is in its own
//! format; beside it stand the history of payments and forwards, and the events.

mod consumers;
mod cuts;
mod durability;
mod events;
mod forwards;
mod holds;
mod journal;
mod kv;
mod metrics;
mod pages;
mod payments;
mod retention;
mod sqlite;
mod writer;

use std::path::Path;
use std::str::FromStr as _;
use std::sync::{OnceLock, mpsc};

pub use consumers::{Ack, MAX_EVENT_CONSUMERS};
pub use cuts::CutsRefused;
pub use durability::{Durability, NeverDurable, Position};
#[cfg(test)]
pub(crate) use durability::{TestDisk, Watermark};
pub use events::{Digest, EventBounds, NewEvent};
pub use forwards::{Forward, ForwardFilter, ForwardPlace};
pub use holds::{Fate, Held, Holds, LockedHolds, Run, Why};
pub use journal::{Answer, Journal, Number, Unanswered};
use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::{
    ARCHIVED_CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE, KVStoreSync,
};
pub use metrics::StoreState;
pub use pages::Page;
pub use payments::{
    PaymentCounts, PaymentFilter, PaymentPlace, Unpaid, making_invoice, making_wanted_invoice,
    payment_id,
};
pub use retention::{EventCounts, Removed};

use cuts::Cuts;
use events::EventLog;
use payments::Counts;
use sqlite::checkpoint;
pub(crate) use sqlite::checkpoint::log_of;
pub use sqlite::epoch::{Epoch, Lineage, epoch_of};
pub use sqlite::quarantine::{OfflineDatabase, QuarantinedMonitor};
use sqlite::readers::Readers;
pub use sqlite::replica::MirrorState;
use sqlite::replica::{self, Mirror, WalReader};
use sqlite::schema::{self, SyncMode};
use writer::Writer;
pub use writer::{SendPin, Waits};

/// The namespace of the server's own records among the library's. The library has none of this name.
const NAMESPACE: &str = "ldk_server";

/// The file of the library's own store, where that is in use.
const LIBRARY_FILE: &str = "library_store.sqlite";

/// The store of the library, and of what the server adds to it.
pub struct Store {
    /// Closed before the writer: the last connection moves the log into the database and removes
    /// it, and one that only reads cannot.
    readers: Readers,
    writer: Writer,
    /// Closed after the writer, who tells it that nothing more will come.
    mirror: OnceLock<Mirror>,
    payment_counts: Counts,
    event_log: EventLog,
    /// In its place, if the two are to be compared.
    library: Option<SqliteStore>,
    cuts: Cuts,
}

/// Whose store holds what the library writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The server's.
    Server,
    /// The library's own, in a file of its own; what the server adds is then not made durable, so
    /// that it costs next to nothing. For benchmarks.
    Library,
}

impl Store {
    /// Opens the database in this directory, or makes it. If it cannot be written any more,
    /// `on_failure` is called with the reason before anybody is told.
    pub fn open(
        dir: &Path,
        backend: Backend,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (library, sync_mode) = match backend {
            Backend::Server => (None, SyncMode::Full),
            Backend::Library => {
                let (file, table) = (LIBRARY_FILE.to_owned(), KV_TABLE_NAME.to_owned());
                let library = SqliteStore::new(dir.to_owned(), Some(file), Some(table))?;
                (Some(library), SyncMode::Off)
            },
        };
        let (mut database, sole_writer) = schema::open(dir, sync_mode)?;
        let changes = database.transaction().map_err(sql_error)?;
        payments::reconcile(&changes)?;
        changes.commit().map_err(sql_error)?;
        let payment_counts = Counts::load(&database)?;
        let event_log = EventLog::load(&database)?;
        let readers = Readers::new(dir.join(SQLITE_DB_FILE_NAME));
        let on_over = cuts::on_over(payment_counts.clone());
        let writer = Writer::start((database, sole_writer), on_failure, on_over)?;
        let mirror = OnceLock::new();
        let cuts = Cuts::default();
        let store = Self { writer, readers, mirror, payment_counts, event_log, library, cuts };
        store.event_log.queue_is(&events::stored_queue(&store)?);
        Ok(store)
    }

    /// Writes what was asked for, and moves all of it into the file of the database: until the next
    /// write a copy of that file alone is complete. So is the mirror, unless it takes too long.
    pub fn settle(&self) -> io::Result<()> {
        let (settled, mirror_settled) = mpsc::channel();
        let settle = |database: &_, wal_reader: &mut WalReader| {
            checkpoint::empty(database).map(|is_empty| {
                if is_empty {
                    wal_reader.settle(settled);
                }
            })
        };
        self.writer.maintenance().run(settle)?.map_err(sql_error)?;
        if self.mirror.get().is_some() && mirror_settled.recv_timeout(replica::PATIENCE).is_err() {
            tracing::warn!("the mirror is not level with the database");
        }
        Ok(())
    }

    /// For how long what is to be written has waited.
    pub fn waits(&self) -> Waits {
        self.writer.waits()
    }

    /// How much of what was written is on disk.
    pub fn durability(&self) -> Durability {
        self.writer.durability()
    }

    /// Whether the on-chain wallet knows this transaction, and so spends none of its coins again.
    ///
    /// The library has no call for that. It keeps the wallet's transactions under this key, each
    /// unconfirmed one with the time it was last seen and each confirmed one with its block, and
    /// both by the 32 bytes of the txid; it writes them while it holds the wallet's lock. That these
    /// bytes are there by chance, or before the wallet has the transaction, cannot be.
    pub fn wallet_knows(&self, txid: &Txid) -> io::Result<bool> {
        let transactions = match KVStoreSync::read(self, "bdk_wallet", "", "tx_graph") {
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
            let monitors = KVStoreSync::list(self, namespace, "")?;
            if monitors.iter().any(|monitor| monitored_channel(monitor) == Some(channel)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of one kind of the server's records, in no particular order.
    fn keys(&self, kind: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(self, NAMESPACE, kind)
    }
}

/// A record that is not what we wrote.
fn invalid_data(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn sql_error(error: rusqlite::Error) -> io::Error {
    io::Error::new(io::ErrorKind::Other, error)
}

/// A number as SQLite has it. What is larger than any real time, amount or index is the largest.
fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was written as not negative.
fn as_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
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

#[cfg(test)]
pub(crate) mod testing {
    use std::path::Path;

    use ldk_server_grpc::events::PaymentReceived;
    use ldk_server_grpc::events::event_envelope::Event;

    use super::{Backend, NewEvent, Store};

    /// The store in this directory, whose writes do not fail.
    pub(crate) fn open(dir: &Path) -> Store {
        Store::open(dir, Backend::Server, |reason| panic!("{reason}")).unwrap()
    }

    /// An event to record.
    pub(crate) fn event() -> NewEvent {
        let event = Event::PaymentReceived(PaymentReceived::default());
        NewEvent { event, once: None, of_library: None, forward: None }
    }

    /// Records so many events.
    pub(crate) fn record(store: &Store, number: usize) {
        for _ in 0..number {
            assert!(store.record_event(event()).unwrap());
        }
    }
}

#[cfg(test)]
mod tests;
