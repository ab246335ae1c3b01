//! Where the node and the server keep their state: the library's records in its own format, and beside
//! them the history of payments and forwards, and the events.
//!
//! [`backend`] is the seam to the database: one SQLite file, or PostgreSQL with such a file as its
//! working copy. They are named here, where one is chosen, and nowhere else above.

mod audit;
mod backend;
mod books;
mod budgets;
mod change;
mod channels;
mod consumers;
mod cuts;
mod datastore;
mod dedup;
mod durability;
mod events;
mod forwards;
mod intents;
mod invoices;
mod journal;
mod kv;
mod metrics;
mod model;
mod payments;
mod postgres;
mod retention;
mod sqlite;
mod upkeep;
mod writer;

use std::mem;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

pub use audit::AuditRecord;
pub use budgets::{NotReserved, Reserved};
pub use channels::{ChannelLog, ChannelStep};
pub use cuts::CutsRefused;
pub use dedup::dedup_key;
pub use durability::{BroadcastPin, Durability, NeverDurable, Position};
#[cfg(test)]
pub(crate) use durability::{TestDisk, Watermark};
pub use events::{EVENT_KINDS, NotAcknowledged, event_kind};
pub use intents::{AnswerDraft, EncodeAnswer, Intent};
pub use invoices::{InvoiceLog, Remembered};
pub use journal::{Answer, Journal, Number, Unanswered};
use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::{
    ARCHIVED_CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE, KVStoreSync,
};
// The history and the consumers are handed out as the messages of the API.
pub use ldk_server_grpc::types::{
    EventConsumer, Payment, PaymentDirection, PaymentFailureReason, PaymentStatus, payment_kind,
};
pub use metrics::StoreState;
pub use model::{
    Ack, AuditEntry, AuditFilter, AuditPlace, AuditResult, BudgetId, BudgetLimit, DatastoreKey,
    DatastoreMode, DatastoreRefusal, DatastoreRow, Digest, Epoch, EventBounds, Forward,
    ForwardFilter, ForwardPlace, IntentOutcome, IntentRow, InvoiceFilter, InvoiceName,
    InvoiceNotes, InvoicePlace, InvoiceRow, InvoiceStatus, Lineage, ListedState,
    MAX_EVENT_CONSUMERS, MAX_VALUE_BYTES, MirrorState, NewAuditEntry, NewEvent, NewInvoice,
    NotesChange, Page, PayOrder, PaymentFilter, PaymentNotes, PaymentPlace, QuarantinedMonitor,
    Removed, RequestDigest, Unpaid,
};
pub use payments::{
    NotWritten, PaymentCounts, making_invoice, making_wanted_invoice, noting_payment, payment_id,
    with_notes,
};
use postgres::PostgresHealth;
pub use postgres::{
    Moved, PostgresSettings, PostgresState, Replica, Replicas, Standby, Standbys, move_to_postgres,
    move_to_sqlite,
};
pub use retention::EventCounts;
pub use sqlite::epoch::epoch_of;
pub(crate) use sqlite::log::log_of;
pub use sqlite::quarantine::OfflineDatabase;
pub use writer::{SendPin, Waits};

use crate::compat::wallet;
use crate::waiters::Waiters;
use audit::AuditNumbers;
use backend::{OpenDatabase, Reads, Release, Upkeep};
use budgets::Ledger;
use cuts::Cuts;
use events::EventLog;
use kv::LibraryStore;
use payments::Counts;
use sqlite::SyncMode;
use writer::{Observer, Writer};

/// The namespaces of monitors, and of those that the library has archived.
const MONITORS: [&str; 2] = [
    CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    ARCHIVED_CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
];

/// The library's store, with the tables that the server adds to it.
pub struct Store {
    /// Closed before the writer: the last connection moves the log into the database and removes
    /// it, and one that only reads cannot.
    reads: Box<dyn Reads>,
    writer: Writer,
    /// Closed after the writer.
    upkeep: Box<dyn Upkeep>,
    release: Release,
    payment_counts: Counts,
    event_log: EventLog,
    invoice_log: InvoiceLog,
    channel_log: ChannelLog,
    ledger: Ledger,
    payment_news: Waiters<PaymentId>,
    audit_numbers: AuditNumbers,
    /// The library's own store, if the two are compared.
    library: Option<Box<dyn LibraryStore>>,
    cuts: Cuts,
    /// What is known of PostgreSQL, if that has the state.
    primary: Option<Arc<PostgresHealth>>,
    standbys: Option<Standbys>,
}

/// The store that the library's records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvOwner {
    /// The server's.
    Server,
    /// The library's own, in a file of its own. The server's tables are then not made durable, so that
    /// they cost next to nothing. For benchmarks.
    Library,
}

impl Store {
    /// Opens the database in this directory, or creates it. When a commit fails, `on_failure` is called
    /// with the reason before any caller gets the error.
    pub fn open(
        dir: &Path,
        owner: KvOwner,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (library, sync_mode): (Option<Box<dyn LibraryStore>>, _) = match owner {
            KvOwner::Server => (None, SyncMode::Full),
            KvOwner::Library => (Some(Box::new(sqlite::open_library(dir)?)), SyncMode::Off),
        };
        Self::on(sqlite::open(dir, sync_mode)?, library, on_failure)
    }

    /// Opens the state in PostgreSQL, with a working copy in this directory, or creates both.
    /// `on_failure` is also called when another node may write.
    pub fn open_postgres(
        dir: &Path,
        settings: PostgresSettings,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let once = Arc::new(Mutex::new(Some(on_failure)));
        // Whoever comes second waits until the first has been told.
        let tell = move |reason: &str| {
            let mut once = once.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(on_failure) = once.take() {
                on_failure(reason);
            }
        };
        let on_lost = tell.clone();
        let (settings, health) = settings.observed()?;
        let (database, standbys) = postgres::open(dir, settings, on_lost)?;
        let mut store = Self::on(database, None, tell)?;
        (store.primary, store.standbys) = (Some(health), Some(standbys));
        Ok(store)
    }

    /// The store that keeps its state in this database.
    fn on(
        database: OpenDatabase,
        library: Option<Box<dyn LibraryStore>>,
        on_failure: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let OpenDatabase { writes, reads, upkeep, release } = database;
        let payment_counts = Counts::load(&*reads)?;
        let event_log = EventLog::load(&*reads)?;
        let invoice_log = InvoiceLog::load(&*reads)?;
        let channel_log = ChannelLog::default();
        let audit_numbers = AuditNumbers::load(&*reads)?;
        let ledger = Ledger::default();
        let payment_news = Waiters::default();
        let noticed =
            (payment_counts.clone(), event_log.clone(), invoice_log.clone(), ledger.clone());
        let observer = observer(noticed, (payment_news.clone(), channel_log.clone()));
        let writer = Writer::start(writes, observer, on_failure)?;
        ledger.load(&*reads, &writer)?;
        let upkeep = upkeep(writer.between_commits());
        let cuts = Cuts::default();
        let store = Self {
            reads,
            writer,
            upkeep,
            release,
            payment_counts,
            event_log,
            invoice_log,
            channel_log,
            ledger,
            payment_news,
            audit_numbers,
            library,
            cuts,
            primary: None,
            standbys: None,
        };
        store.event_log.queue_is(&events::stored_queue(&store)?);
        Ok(store)
    }

    /// Those who wait for news of payments, which are on disk when they are told.
    pub fn payment_news(&self) -> &Waiters<PaymentId> {
        &self.payment_news
    }

    /// How long the oldest queued write has waited.
    pub fn waits(&self) -> Waits {
        self.writer.waits()
    }

    /// What is known of PostgreSQL; `None` if the state is in a file.
    pub fn postgres_state(&self) -> Option<PostgresState> {
        self.primary.as_ref()?.state()
    }

    /// Lets another node have the state at once, which would wait for a while otherwise. Nothing must be
    /// written any more. Blocks.
    pub fn release(&self) {
        (self.release)();
    }

    /// A handle that tells which writes are durable, and waits for them.
    pub fn durability(&self) -> Durability {
        self.writer.durability()
    }

    /// Those who wait to take the place of this node; `None` if its state is not in PostgreSQL.
    pub fn standbys(&self) -> Option<&Standbys> {
        self.standbys.as_ref()
    }

    /// Commits what can be committed by now, lets another node have the state, and then calls `then`.
    /// Whoever has something written from now on waits for ever, so the process has to end.
    pub fn hand_over(&self, then: impl FnOnce() + Send + 'static) {
        self.writer.give_up(Box::new(then));
    }

    /// Whether the on-chain wallet has this transaction, and so does not spend its inputs again.
    ///
    /// The library has no call for that. It writes the wallet's transactions while it holds the wallet's
    /// lock, so a transaction on disk is one that the wallet has.
    pub fn wallet_knows(&self, txid: &Txid) -> io::Result<bool> {
        let (primary, secondary, key) = wallet::TRANSACTIONS;
        let transactions = match KVStoreSync::read(self, primary, secondary, key) {
            Ok(transactions) => transactions,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(wallet::has(&transactions, txid))
    }

    /// Whether the channel with this id was ever funded, that is, whether the library has a monitor of
    /// it or has archived one. A monitor is named by its funding outpoint, from which the id of the
    /// channel follows, or by the id itself.
    pub fn was_funded(&self, channel: ChannelId) -> io::Result<bool> {
        for namespace in MONITORS {
            let monitors = KVStoreSync::list(self, namespace, "")?;
            if monitors.iter().any(|monitor| monitored_channel(monitor) == Some(channel)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of one kind of the server's records, in no particular order.
    pub(crate) fn keys(&self, kind: &str) -> io::Result<Vec<String>> {
        KVStoreSync::list(self, model::SERVER, kind)
    }
}

/// Updates the counts in memory after each commit, tells those who wait, and publishes its events.
fn observer(
    (counts, event_log, invoice_log, ledger): (Counts, EventLog, InvoiceLog, Ledger),
    (news, channel_log): (Waiters<PaymentId>, ChannelLog),
) -> Observer {
    Box::new(move |outcome| {
        outcome.payments.iter().for_each(|change| counts.changed(*change));
        invoice_log.changed(mem::take(&mut outcome.invoices));
        outcome.settlements.iter().for_each(|settlement| ledger.settled(*settlement));
        outcome.news.iter().for_each(|id| news.wake(id));
        if outcome.is_acknowledged {
            event_log.acknowledged();
        }
        if let Some(event) = outcome.event.take() {
            event.envelope.event.iter().for_each(|event| {
                counts.saw(event);
                channel_log.saw(event);
            });
            event_log.recorded(*event);
        }
    })
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
    use std::time::Duration;

    use ldk_server_grpc::events::PaymentReceived;
    use ldk_server_grpc::events::event_envelope::Event;
    use prometheus::core::Collector;

    use super::{KvOwner, NewEvent, PostgresHealth, Store};
    use crate::store::metrics::Metrics as _;

    /// The store in this directory, whose writes do not fail.
    pub(crate) fn open(dir: &Path) -> Store {
        Store::open(dir, KvOwner::Server, |reason| panic!("{reason}")).unwrap()
    }

    /// What is measured of PostgreSQL, of which nothing is known.
    pub(crate) fn postgres_collectors() -> Vec<Box<dyn Collector>> {
        PostgresHealth::new(Duration::ZERO).unwrap().collectors()
    }

    /// An event to record.
    pub(crate) fn event() -> NewEvent {
        let event = Event::PaymentReceived(PaymentReceived::default());
        NewEvent { event, dedup_key: None, source_digest: None, forward: None }
    }

    /// Records so many events.
    pub(crate) fn record(store: &Store, number: usize) {
        for _ in 0..number {
            assert!(store.record_event(event()).unwrap());
        }
    }
}

#[cfg(test)]
mod conformance;
