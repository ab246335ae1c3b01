//! Removing the oldest events.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use ldk_node::lightning::io;
use rusqlite::{Connection, params};

use super::events::bounds;
use super::{EventBounds, Store, as_i64, as_u64, consumers};

/// At most so many are removed at once, so that other writes need not wait for long.
const CHUNK: u64 = 500;

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many events.
    pub events: u64,
    /// How many of them each consumer had not acknowledged, by its name.
    pub unacknowledged: BTreeMap<String, u64>,
}

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
        let removed =
            self.writer.write(move |database| remove(database, recorded_before, keep_count))?;
        let unacknowledged = removed.unacknowledged.values().sum();
        self.event_log.removed_unacknowledged().fetch_add(unacknowledged, Ordering::Relaxed);
        Ok(removed)
    }

    /// What the metrics tell of the events.
    pub fn event_counts(&self) -> io::Result<EventCounts> {
        let (EventBounds { oldest_index, head_index }, consumers) =
            self.readers.read(|database| Ok((bounds(database)?, consumers::count(database)?)))?;
        let removed_unacknowledged =
            self.event_log.removed_unacknowledged().load(Ordering::Relaxed);
        Ok(EventCounts { head_index, oldest_index, consumers, removed_unacknowledged })
    }
}

fn remove(
    database: &Connection,
    recorded_before: u64,
    keep_count: u64,
) -> rusqlite::Result<Removed> {
    let EventBounds { oldest_index, head_index } = bounds(database)?;
    let chunk_end = head_index.min(oldest_index.saturating_add(CHUNK));
    let surplus_end = head_index.saturating_sub(keep_count).saturating_add(1);
    let young = first_since(database, recorded_before, chunk_end)?;
    let end = surplus_end.max(young.unwrap_or(chunk_end)).min(chunk_end);
    if end <= oldest_index {
        return Ok(Removed::default());
    }
    database
        .prepare_cached("DELETE FROM ldk_server_events WHERE event_index < ?1")?
        .execute([as_i64(end)])?;
    let unacknowledged = unacknowledged(database, oldest_index, end)?;
    Ok(Removed { events: end - oldest_index, unacknowledged })
}

/// The first event before `end` that was not recorded before this time.
fn first_since(database: &Connection, time: u64, end: u64) -> rusqlite::Result<Option<u64>> {
    let mut statement = database.prepare_cached(
        "SELECT min(event_index) FROM ldk_server_events
         WHERE event_index < ?1 AND created_at >= ?2",
    )?;
    let first: Option<i64> =
        statement.query_row(params![as_i64(end), as_i64(time)], |row| row.get(0))?;
    Ok(first.map(as_u64))
}

/// How many of the events from `begin` to before `end` each consumer has not acknowledged.
fn unacknowledged(
    database: &Connection,
    begin: u64,
    end: u64,
) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = database.prepare_cached(
        "SELECT name, ?2 - max(acknowledged + 1, ?1) FROM ldk_server_event_consumers
         WHERE acknowledged + 1 < ?2",
    )?;
    let rows = statement
        .query_map([as_i64(begin), as_i64(end)], |row| Ok((row.get(0)?, as_u64(row.get(1)?))))?;
    rows.collect()
}

#[cfg(test)]
mod tests;
