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

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::{ForwardedPayment, Payment};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::broadcast;

use super::payments::Counts;
use super::writer;
use super::{Store, as_i64, as_u64, forwards, invalid_data, payments, sql_error};
use crate::clock::unix_secs;
use metrics::EventMetrics;

/// How many events a subscriber may fall behind before it has to read them from the disk.
const BROADCAST_CAPACITY: usize = 1024;

/// Where the library keeps its queue: namespaces and key.
pub(super) const QUEUE: (&str, &str, &str) = ("", "", "events");

/// A digest, by which an event is known again.
pub type Digest = [u8; 32];

/// An event to be recorded.
pub struct NewEvent {
    /// What happened.
    pub event: Event,
    /// If it can happen only once: what it is. Another event with the same digest is not recorded.
    pub once: Option<Digest>,
    /// If it is an event of the library's queue: its digest there.
    pub of_library: Option<Digest>,
    /// A forward to add to the history with it.
    pub forward: Option<ForwardedPayment>,
}

/// Which events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventBounds {
    /// The oldest that is kept; one more than the newest if none is.
    pub oldest_index: u64,
    /// The newest; 0 before the first.
    pub head_index: u64,
}

/// What is known of the events in memory.
#[derive(Clone)]
pub(super) struct EventLog(Arc<Inner>);

struct Inner {
    live: broadcast::Sender<Arc<EventEnvelope>>,
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

impl EventLog {
    pub(super) fn load(database: &Connection) -> io::Result<Self> {
        let unacknowledged = database
            .query_row("SELECT unacknowledged FROM ldk_server_event_state", [], |row| row.get(0))
            .map_err(sql_error)?;
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
        let length = queue_length(queue);
        let before = self.0.queue_length.swap(length, Ordering::SeqCst);
        let leaves = self.0.is_acknowledging.load(Ordering::SeqCst) && length <= before;
        self.0.has_acknowledged.fetch_or(leaves, Ordering::SeqCst);
        leaves
    }

    /// The library's queue has this many events.
    pub(super) fn queue_is(&self, queue: &[u8]) {
        self.0.queue_length.store(queue_length(queue), Ordering::SeqCst);
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

    fn recorded(&self, envelope: EventEnvelope, of_library: Option<Digest>, payments: &Counts) {
        if of_library.is_some() {
            *self.unacknowledged() = of_library;
        }
        if let Some(event) = &envelope.event {
            self.0.metrics.recorded(event);
            payments.saw(event);
        }
        // An error means that nobody listens.
        let _ = self.0.live.send(Arc::new(envelope));
    }

    fn unacknowledged(&self) -> MutexGuard<'_, Option<Digest>> {
        self.0.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Records an event: durable, and sent to those who listen, once this returns. Tells whether it
    /// is recorded, rather than that the same was before.
    pub fn record_event(&self, event: NewEvent) -> io::Result<bool> {
        let (log, counts) = (self.event_log.clone(), self.payment_counts.clone());
        let of_library = event.of_library;
        writer::wait(|answer| {
            self.writer.submit(
                move |database| record(database, event),
                move |recorded: io::Result<Option<EventEnvelope>>| {
                    answer(recorded.map(|envelope| {
                        let is_new = envelope.is_some();
                        if let Some(envelope) = envelope {
                            log.recorded(envelope, of_library, &counts);
                        }
                        is_new
                    }));
                },
            );
        })
    }

    /// Records what `compose` makes of an event of the library and of the payment that it is about, as
    /// that is on record then. Returns at once: the event is durable, and sent to those who listen,
    /// before or with whatever is written later.
    pub fn record_library_event(
        &self,
        payment: Option<PaymentId>,
        compose: impl FnOnce(Option<Payment>) -> Option<NewEvent> + Send + 'static,
    ) {
        let (log, counts) = (self.event_log.clone(), self.payment_counts.clone());
        self.writer.submit(
            move |database| {
                let payment = payment.map(|id| payments::current(database, id)).transpose()?;
                let Some(new) = compose(payment.flatten()) else { return Ok(None) };
                let of_library = new.of_library;
                Ok(record(database, new)?.map(|envelope| (envelope, of_library)))
            },
            // What cannot be written ends the process.
            move |recorded| {
                if let Ok(Some((envelope, of_library))) = recorded {
                    log.recorded(envelope, of_library, &counts);
                }
            },
        );
    }

    /// Whether this event of the library is the one that was recorded last and not acknowledged.
    pub fn is_recorded(&self, of_library: &Digest) -> bool {
        self.event_log.unacknowledged().as_ref() == Some(of_library)
    }

    /// Has the library acknowledge its event by `acknowledge`, and remembers that it did.
    pub fn acknowledging<E: ToString>(
        &self,
        acknowledge: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), String> {
        let Inner { is_acknowledging, has_acknowledged, .. } = &*self.event_log.0;
        has_acknowledged.store(false, Ordering::SeqCst);
        is_acknowledging.store(true, Ordering::SeqCst);
        let done = acknowledge();
        is_acknowledging.store(false, Ordering::SeqCst);
        done.map_err(|error| error.to_string())?;
        if !has_acknowledged.load(Ordering::SeqCst) {
            self.writer.write(acknowledged).map_err(|error| error.to_string())?;
            self.event_log.acknowledged();
        }
        Ok(())
    }

    /// The events from now on, as they are recorded.
    pub fn live_events(&self) -> broadcast::Receiver<Arc<EventEnvelope>> {
        self.event_log.0.live.subscribe()
    }

    /// The events after this one, at most `limit`.
    pub fn events_after(&self, event_index: u64, limit: usize) -> io::Result<Vec<EventEnvelope>> {
        let records: Vec<Vec<u8>> = self.readers.read(|database| {
            let mut statement = database.prepare_cached(
                "SELECT event FROM ldk_server_events WHERE event_index > ?1
                 ORDER BY event_index LIMIT ?2",
            )?;
            let values = [as_i64(event_index), as_i64(limit as u64)];
            statement.query_map(values, |row| row.get(0))?.collect()
        })?;
        let events = records.iter().map(|record| {
            EventEnvelope::decode(record.as_slice())
                .map_err(|_| invalid_data("an event cannot be read"))
        });
        events.collect()
    }

    /// Which events there are.
    pub fn event_bounds(&self) -> io::Result<EventBounds> {
        self.readers.read(bounds)
    }
}

pub(super) fn bounds(database: &Connection) -> rusqlite::Result<EventBounds> {
    let mut statement = database.prepare_cached(
        "SELECT (SELECT min(event_index) FROM ldk_server_events),
                (SELECT max(event_index) FROM ldk_server_events)",
    )?;
    statement.query_row([], |row| {
        let (oldest, head): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        let head_index = head.map_or(0, as_u64);
        Ok(EventBounds { oldest_index: oldest.map_or(head_index + 1, as_u64), head_index })
    })
}

/// The newest event is never removed, so that its number tells that of the next.
fn record(database: &Connection, new: NewEvent) -> rusqlite::Result<Option<EventEnvelope>> {
    let NewEvent { event, once, of_library, forward } = new;
    if let Some(once) = &once
        && exists(database, once)?
    {
        return Ok(None);
    }
    let created_at = unix_secs();
    let event_index = bounds(database)?.head_index + 1;
    let envelope = EventEnvelope { event_index, created_at, event: Some(event) };
    database.prepare_cached("INSERT INTO ldk_server_events VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![as_i64(event_index), as_i64(created_at), once, envelope.encode_to_vec()],
    )?;
    if of_library.is_some() {
        database
            .prepare_cached("UPDATE ldk_server_event_state SET unacknowledged = ?1")?
            .execute([of_library])?;
    }
    if let Some(forward) = &forward {
        forwards::add(database, forward, created_at)?;
    }
    Ok(Some(envelope))
}

fn exists(database: &Connection, once: &Digest) -> rusqlite::Result<bool> {
    let mut statement = database
        .prepare_cached("SELECT 1 FROM ldk_server_events WHERE once IS NOT NULL AND once = ?1")?;
    statement.query_row([once], |_| Ok(())).optional().map(|found| found.is_some())
}

/// Writes down that no event of the library is recorded and not acknowledged.
pub(super) fn acknowledged(database: &Connection) -> rusqlite::Result<()> {
    database
        .prepare_cached("UPDATE ldk_server_event_state SET unacknowledged = NULL")?
        .execute([])
        .map(drop)
}

/// The queue as the library has it on disk.
pub(super) fn stored_queue(store: &Store) -> io::Result<Vec<u8>> {
    let (primary, secondary, key) = QUEUE;
    match KVStoreSync::read(store, primary, secondary, key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The queue begins with the number of its events.
fn queue_length(queue: &[u8]) -> u16 {
    queue.first_chunk().map_or(0, |length| u16::from_be_bytes(*length))
}

#[cfg(test)]
mod tests;
