//! Removing the oldest events.

use std::sync::atomic::Ordering;

use ldk_node::lightning::io;

use super::Store;
use super::change::{Change, Reply};
use super::model::{EventBounds, Removed};
use super::writer::unexpected;

/// What the metrics tell of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// The newest event; 0 before the first.
    pub head_index: u64,
    /// The oldest that is kept; one more than the newest if none is.
    pub oldest_index: u64,
    /// The consumers whose place is remembered.
    pub consumers: usize,
    /// The events removed since the start before a consumer had acknowledged them, once for each.
    pub removed_unacknowledged: u64,
}

impl Store {
    /// Removes the oldest of the events that were recorded before this time, in Unix seconds, or are
    /// more than `keep_count`; not all at once, so call it until none is removed. The newest event
    /// stays whatever its age.
    pub fn remove_old_events(&self, recorded_before: u64, keep_count: u64) -> io::Result<Removed> {
        let change = Change::RemoveOldEvents { recorded_before, keep_count };
        let Reply::Removed(removed) = self.writer.write(change)? else { return Err(unexpected()) };
        let unacknowledged = removed.unacknowledged.values().sum();
        self.event_log.removed_unacknowledged().fetch_add(unacknowledged, Ordering::Relaxed);
        Ok(removed)
    }

    /// What the metrics tell of the events.
    pub fn event_counts(&self) -> io::Result<EventCounts> {
        let EventBounds { oldest_index, head_index } = self.reads.event_bounds()?;
        let consumers = self.reads.consumer_count()?;
        let removed_unacknowledged =
            self.event_log.removed_unacknowledged().load(Ordering::Relaxed);
        Ok(EventCounts { head_index, oldest_index, consumers, removed_unacknowledged })
    }
}
