//! The consumers of events whose place is remembered.

use ldk_node::lightning::io;
use ldk_server_grpc::types::EventConsumer;

use super::Store;
use super::change::{Change, Reply};
use super::model::{Ack, EventBounds};
use super::writer::unexpected;

impl Store {
    /// The last event that this consumer has acknowledged; `None` for an unknown one.
    pub fn acknowledged_index(&self, consumer: &str) -> io::Result<Option<u64>> {
        self.reads.acknowledged_index(consumer)
    }

    /// Makes a consumer that begins after this event, unless there is one of this name. Returns the
    /// last event that it has acknowledged; `None` if there are too many consumers.
    pub fn add_event_consumer(&self, consumer: String, after: u64) -> io::Result<Option<u64>> {
        match self.writer.write(Change::AddConsumer { name: consumer, after })? {
            Reply::ConsumerAdded(acknowledged) => Ok(acknowledged),
            _ => Err(unexpected()),
        }
    }

    /// Writes down that a consumer is done with the events up to this one.
    pub fn ack_events(&self, consumer: String, event_index: u64) -> io::Result<Ack> {
        match self.writer.write(Change::AckEvents { consumer, event_index })? {
            Reply::Ack(ack) => Ok(ack),
            _ => Err(unexpected()),
        }
    }

    /// The same with the next commit, which is not waited for.
    pub(crate) fn ack_events_soon(&self, consumer: String, event_index: u64) {
        // If it is not written, nothing is any more, and the process ends.
        self.writer.submit_deferred(Change::AckEvents { consumer, event_index }, Box::new(drop));
    }

    /// The consumers, by name, and which events there are.
    pub fn event_consumers(&self) -> io::Result<(Vec<EventConsumer>, EventBounds)> {
        self.reads.event_consumers()
    }

    /// Forgets a consumer; tells whether there was one.
    pub fn delete_event_consumer(&self, consumer: String) -> io::Result<bool> {
        match self.writer.write(Change::DeleteConsumer(consumer))? {
            Reply::IsChanged(existed) => Ok(existed),
            _ => Err(unexpected()),
        }
    }
}
