//! The consumers of events whose position the server remembers.

use crate::app::App;
use crate::error::Error;
use crate::store::{Ack, EventBounds, EventConsumer};

/// Records that a consumer has processed the events up to this one.
pub fn ack(app: &App, consumer: String, event_index: u64) -> Result<Ack, Error> {
    app.store.ack_events(consumer, event_index).map_err(Error::internal)
}

/// Returns the consumers, and which events there are.
pub fn list(app: &App) -> Result<(Vec<EventConsumer>, EventBounds), Error> {
    app.store.event_consumers().map_err(Error::internal)
}

/// Deletes a consumer. Returns whether it existed.
pub fn delete(app: &App, consumer: String) -> Result<bool, Error> {
    app.store.delete_event_consumer(consumer).map_err(Error::internal)
}
