//! The events, numbered without gap: each is committed once, and then sent to those who listen.
//!
//! The library repeats an event until it is acknowledged. Which of its events was recorded last is
//! written in the transaction that records it, and that it is acknowledged in the one that takes it
//! out of the library's queue. So after a crash in between, the first event of the library is known
//! to be recorded already.
//!
//! The library may also make an event again, when it is killed before it has written down that it
//! made it. Of what can happen only once, such as that a payment succeeds, the second is not recorded.

mod metrics;

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::types::{Payment, PaymentFailureReason};
use tokio::sync::broadcast;

use super::Store;
use super::backend::Reads;
use super::change::{Change, Compose, Reply};
use super::model::{Digest, EventBounds, NewEvent, RecordedEvent, invalid_data};
use super::writer::unexpected;
use crate::compat::event_queue;
use metrics::EventMetrics;
pub use metrics::{EVENT_KINDS, event_kind};

/// How many events a subscriber may fall behind before it has to read them from the disk.
const BROADCAST_CAPACITY: usize = 1024;

/// What is known of the events in memory.
#[derive(Clone)]
pub(super) struct EventLog(Arc<Inner>);

struct Inner {
    live: broadcast::Sender<Shared<EventEnvelope>>,
    /// The event of the library that was recorded and is not acknowledged.
    unacknowledged: Mutex<Option<Digest>>,
    /// Whether an acknowledgement is on its way.
    is_acknowledging: AtomicBool,
    /// Whether the library has asked for the write that acknowledges.
    has_acknowledged: AtomicBool,
    /// How many events the library's queue had when it was last written.
    queue_length: AtomicU16,
    /// How many events were removed before a consumer had acknowledged them, once for each.
    removed_unacknowledged: AtomicU64,
    metrics: EventMetrics,
}

/// Why it is not recorded that an event of the library is acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum NotAcknowledged<E: Display> {
    /// The library did not acknowledge it.
    #[error("{0}")]
    Library(E),
    /// The database cannot be written.
    #[error(transparent)]
    Storage(#[from] io::Error),
}

impl EventLog {
    pub(super) fn load(reads: &dyn Reads) -> io::Result<Self> {
        let unacknowledged = reads.unacknowledged_event()?;
        Ok(Self(Arc::new(Inner {
            live: broadcast::channel(BROADCAST_CAPACITY).0,
            unacknowledged: Mutex::new(unacknowledged),
            is_acknowledging: AtomicBool::new(false),
            has_acknowledged: AtomicBool::new(false),
            queue_length: AtomicU16::new(0),
            removed_unacknowledged: AtomicU64::new(0),
            metrics: EventMetrics::new()?,
        })))
    }

    /// Whether an event leaves the library's queue when this is written as the queue.
    ///
    /// One event enters the queue at a time and one leaves it, but the two may be written in the
    /// other order than they happened in. A queue that has grown is one that nothing has left yet.
    pub(super) fn leaves_queue(&self, queue: &[u8]) -> bool {
        let length = event_queue::length(queue);
        let before = self.0.queue_length.swap(length, Ordering::SeqCst);
        let leaves = self.0.is_acknowledging.load(Ordering::SeqCst) && length <= before;
        self.0.has_acknowledged.fetch_or(leaves, Ordering::SeqCst);
        leaves
    }

    /// The library's queue has this many events.
    pub(super) fn queue_is(&self, queue: &[u8]) {
        self.0.queue_length.store(event_queue::length(queue), Ordering::SeqCst);
    }

    pub(super) fn acknowledged(&self) {
        *self.unacknowledged() = None;
    }

    pub(super) fn removed_unacknowledged(&self) -> &AtomicU64 {
        &self.0.removed_unacknowledged
    }

    pub(super) fn metrics(&self) -> &EventMetrics {
        &self.0.metrics
    }

    /// How many listen.
    pub(super) fn subscribers(&self) -> usize {
        self.0.live.receiver_count()
    }

    /// An event is on disk: sends it to those who listen.
    pub(super) fn recorded(&self, event: RecordedEvent) {
        let RecordedEvent { envelope, source_digest } = event;
        if source_digest.is_some() {
            *self.unacknowledged() = source_digest;
        }
        if let Some(event) = &envelope.event {
            self.0.metrics.recorded(event);
        }
        // An error means that nobody listens.
        let _ = self.0.live.send(envelope.into());
    }

    pub(super) fn unacknowledged(&self) -> MutexGuard<'_, Option<Digest>> {
        self.0.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Records an event: durable, and sent to those who listen, once this returns. Tells whether it
    /// is recorded, rather than that the same was before.
    pub fn record_event(&self, event: NewEvent) -> io::Result<bool> {
        match self.writer.write(Change::Event(Box::new(event)))? {
            Reply::IsChanged(is_new) => Ok(is_new),
            _ => Err(unexpected()),
        }
    }

    /// Records what `compose` makes of an event of the library and of the payment that it is about, as
    /// that is on record then; `failure` says why that failed. Returns at once: the event is durable, and sent to those who listen,
    /// before or with whatever is written later.
    pub fn record_library_event(
        &self,
        payment: Option<PaymentId>,
        failure: Option<PaymentFailureReason>,
        compose: impl FnOnce(Option<Payment>) -> Option<NewEvent> + Send + 'static,
    ) {
        // What cannot be written ends the process.
        let compose: Compose =
            Box::new(move |row| compose(row.zip(payment).and_then(|(row, id)| row.readable(id))));
        self.writer.submit(Change::LibraryEvent { payment, failure, compose }, Box::new(drop));
    }

    /// Whether this event of the library is the one that was recorded last and not acknowledged.
    pub fn is_recorded(&self, source_digest: &Digest) -> bool {
        self.event_log.unacknowledged().as_ref() == Some(source_digest)
    }

    /// Has the library acknowledge its event by `acknowledge`, and records that it is acknowledged.
    pub fn acknowledging<E: Display>(
        &self,
        acknowledge: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), NotAcknowledged<E>> {
        let Inner { is_acknowledging, has_acknowledged, .. } = &*self.event_log.0;
        has_acknowledged.store(false, Ordering::SeqCst);
        is_acknowledging.store(true, Ordering::SeqCst);
        let done = acknowledge();
        is_acknowledging.store(false, Ordering::SeqCst);
        done.map_err(NotAcknowledged::Library)?;
        if !has_acknowledged.load(Ordering::SeqCst) {
            self.writer.write(Change::EventAcknowledged)?;
        }
        Ok(())
    }

    /// Subscribes to the events that are recorded from now on.
    pub fn live_events(&self) -> broadcast::Receiver<Shared<EventEnvelope>> {
        self.event_log.0.live.subscribe()
    }

    /// The events after this one, at most `limit`.
    pub fn events_after(
        &self,
        event_index: u64,
        limit: usize,
    ) -> io::Result<Vec<Shared<EventEnvelope>>> {
        let records = self.reads.events_after(event_index, limit)?;
        let events = records.into_iter().map(|record| {
            Shared::of_bytes(record.into()).map_err(|_| invalid_data("an event cannot be read"))
        });
        events.collect()
    }

    /// The indices of the oldest and the newest event.
    pub fn event_bounds(&self) -> io::Result<EventBounds> {
        self.reads.event_bounds()
    }
}

/// The queue as the library has it on disk.
pub(super) fn stored_queue(store: &Store) -> io::Result<Vec<u8>> {
    let (primary, secondary, key) = event_queue::STORE_KEY;
    match KVStoreSync::read(store, primary, secondary, key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}
