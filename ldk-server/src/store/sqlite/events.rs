//! The tables of the events.

use std::collections::BTreeMap;

use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{ChannelStateChanged, EventEnvelope};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{as_i64, as_u64, forwards};
use crate::store::model::{
    Digest, EventBounds, MAX_REMOVED_AT_ONCE, NewEvent, RecordedEvent, Removed,
};

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
pub(super) fn record(
    database: &Connection,
    new: NewEvent,
    now: u64,
) -> rusqlite::Result<Option<RecordedEvent>> {
    let NewEvent { event, dedup_key, source_digest, forward } = new;
    if let Some(dedup_key) = &dedup_key
        && exists(database, dedup_key)?
    {
        return Ok(None);
    }
    let event_index = bounds(database)?.head_index + 1;
    let envelope = EventEnvelope { event_index, created_at: now, event: Some(event) };
    database
        .prepare_cached("INSERT INTO ldk_server_events VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![as_i64(event_index), as_i64(now), dedup_key, envelope.encode_to_vec()])?;
    if source_digest.is_some() {
        database
            .prepare_cached("UPDATE ldk_server_event_state SET unacknowledged = ?1")?
            .execute([source_digest])?;
    }
    if let Some(forward) = &forward {
        forwards::add(database, forward, now)?;
    }
    Ok(Some(RecordedEvent { envelope, source_digest }))
}

fn exists(database: &Connection, dedup_key: &Digest) -> rusqlite::Result<bool> {
    let mut statement = database
        .prepare_cached("SELECT 1 FROM ldk_server_events WHERE once IS NOT NULL AND once = ?1")?;
    statement.query_row([dedup_key], |_| Ok(())).optional().map(|found| found.is_some())
}

/// Writes down that no event of the library is recorded and not acknowledged.
pub(super) fn acknowledged(database: &Connection) -> rusqlite::Result<()> {
    database
        .prepare_cached("UPDATE ldk_server_event_state SET unacknowledged = NULL")?
        .execute([])
        .map(drop)
}

/// The event of the library that is recorded and not acknowledged.
pub(super) fn unacknowledged(database: &Connection) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT unacknowledged FROM ldk_server_event_state";
    database.query_row(sql, [], |row| row.get(0))
}

/// The events after this one, as they were encoded.
pub(super) fn after(
    database: &Connection,
    event_index: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = database.prepare_cached(
        "SELECT event FROM ldk_server_events WHERE event_index > ?1
         ORDER BY event_index LIMIT ?2",
    )?;
    let values = [as_i64(event_index), as_i64(limit as u64)];
    statement.query_map(values, |row| row.get(0))?.collect()
}

/// The last that is known of the state of this channel.
pub(super) fn last_channel_state(
    database: &Connection,
    user_channel_id: &str,
) -> rusqlite::Result<Option<ChannelStateChanged>> {
    let mut statement = database.prepare_cached(
        "SELECT event FROM ldk_server_events WHERE instr(event, ?1) > 0
         ORDER BY event_index DESC",
    )?;
    let mut rows = statement.query([user_channel_id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let change = channel_state(row.get_ref(0)?.as_blob()?);
        if let Some(change) = change.filter(|change| change.user_channel_id == user_channel_id) {
            return Ok(Some(change));
        }
    }
    Ok(None)
}

fn channel_state(event: &[u8]) -> Option<ChannelStateChanged> {
    match EventEnvelope::decode(event).ok()?.event? {
        Event::ChannelStateChanged(change) => Some(change),
        _ => None,
    }
}

/// Removes the oldest of the events that were recorded before this time, or are too many.
pub(super) fn remove_old(
    database: &Connection,
    recorded_before: u64,
    keep_count: u64,
) -> rusqlite::Result<Removed> {
    let EventBounds { oldest_index, head_index } = bounds(database)?;
    let chunk_end = head_index.min(oldest_index.saturating_add(MAX_REMOVED_AT_ONCE));
    let surplus_end = head_index.saturating_sub(keep_count).saturating_add(1);
    let young = first_since(database, recorded_before, chunk_end)?;
    let end = surplus_end.max(young.unwrap_or(chunk_end)).min(chunk_end);
    if end <= oldest_index {
        return Ok(Removed::default());
    }
    database
        .prepare_cached("DELETE FROM ldk_server_events WHERE event_index < ?1")?
        .execute([as_i64(end)])?;
    let unacknowledged = lost(database, oldest_index, end)?;
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
fn lost(database: &Connection, begin: u64, end: u64) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = database.prepare_cached(
        "SELECT name, ?2 - max(acknowledged + 1, ?1) FROM ldk_server_event_consumers
         WHERE acknowledged + 1 < ?2",
    )?;
    let rows = statement
        .query_map([as_i64(begin), as_i64(end)], |row| Ok((row.get(0)?, as_u64(row.get(1)?))))?;
    rows.collect()
}
