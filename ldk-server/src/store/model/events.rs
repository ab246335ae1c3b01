//! The events, and who listens to them.

use std::collections::BTreeMap;

use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::ForwardedPayment;

/// There are no more consumers than this.
pub const MAX_EVENT_CONSUMERS: usize = 256;

/// At most so many events are removed at once, so that other writes need not wait for long.
pub(in crate::store) const MAX_REMOVED_AT_ONCE: u64 = 500;

/// A digest, by which an event is known again.
pub type Digest = [u8; 32];

/// An event to be recorded.
pub struct NewEvent {
    /// What happened.
    pub event: Event,
    /// If it can happen only once: what it is. Another event with the same digest is not recorded.
    pub dedup_key: Option<Digest>,
    /// If it is an event of the library's queue: its digest there.
    pub source_digest: Option<Digest>,
    /// A forward to add to the history with it.
    pub forward: Option<ForwardedPayment>,
}

/// An event that is recorded.
pub(in crate::store) struct RecordedEvent {
    pub(in crate::store) envelope: EventEnvelope,
    /// If it is an event of the library's queue: its digest there.
    pub(in crate::store) source_digest: Option<Digest>,
}

/// Which events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventBounds {
    /// The oldest that is kept; one more than the newest if none is.
    pub oldest_index: u64,
    /// The newest; 0 before the first.
    pub head_index: u64,
}

/// What becomes of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The consumer has acknowledged the events up to this one.
    UpTo(u64),
    /// There is no such consumer.
    UnknownConsumer,
    /// There is no such event yet; these are what there is.
    UnknownEvent(EventBounds),
}

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many events.
    pub events: u64,
    /// How many of them each consumer had not acknowledged, by its name.
    pub unacknowledged: BTreeMap<String, u64>,
}
