//! The table of those who consume events.

use ldk_server_grpc::types::EventConsumer;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::bounds;
use super::{as_i64, as_u64};
use crate::store::model::{Ack, EventBounds, MAX_EVENT_CONSUMERS};

/// The consumers, by name, and which events there are.
pub(super) fn all(database: &Connection) -> rusqlite::Result<(Vec<EventConsumer>, EventBounds)> {
    // So that nobody has acknowledged more than there is.
    let snapshot = database.unchecked_transaction()?;
    let bounds = bounds(&snapshot)?;
    let mut statement = snapshot.prepare_cached(
        "SELECT name, acknowledged, created_at, acknowledged_at
         FROM ldk_server_event_consumers ORDER BY name",
    )?;
    let rows = statement.query_map([], |row| consumer(row, bounds.head_index))?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, bounds))
}

/// Forgets a consumer; tells whether there was one.
pub(super) fn delete(database: &Connection, name: &str) -> rusqlite::Result<bool> {
    let mut statement =
        database.prepare_cached("DELETE FROM ldk_server_event_consumers WHERE name = ?1")?;
    Ok(statement.execute([name])? > 0)
}

fn consumer(row: &Row<'_>, head_index: u64) -> rusqlite::Result<EventConsumer> {
    let acknowledged_index = as_u64(row.get(1)?);
    Ok(EventConsumer {
        name: row.get(0)?,
        acknowledged_index,
        unacknowledged_events: head_index.saturating_sub(acknowledged_index),
        created_at: as_u64(row.get(2)?),
        last_acknowledged_at: row.get::<_, Option<i64>>(3)?.map(as_u64),
    })
}

pub(super) fn acknowledged_index(
    database: &Connection,
    consumer: &str,
) -> rusqlite::Result<Option<u64>> {
    let mut statement = database
        .prepare_cached("SELECT acknowledged FROM ldk_server_event_consumers WHERE name = ?1")?;
    statement.query_row([consumer], |row| row.get(0).map(as_u64)).optional()
}

/// How many consumers there are.
pub(super) fn count(database: &Connection) -> rusqlite::Result<usize> {
    let mut statement =
        database.prepare_cached("SELECT count(*) FROM ldk_server_event_consumers")?;
    statement.query_row([], |row| row.get(0))
}

pub(super) fn add(
    database: &Connection,
    consumer: &str,
    after: u64,
    now: u64,
) -> rusqlite::Result<Option<u64>> {
    if let Some(acknowledged) = acknowledged_index(database, consumer)? {
        return Ok(Some(acknowledged));
    }
    if count(database)? >= MAX_EVENT_CONSUMERS {
        return Ok(None);
    }
    database
        .prepare_cached("INSERT INTO ldk_server_event_consumers VALUES (?1, ?2, ?3, NULL)")?
        .execute(params![consumer, as_i64(after), as_i64(now)])?;
    Ok(Some(after))
}

pub(super) fn acknowledge(
    database: &Connection,
    consumer: &str,
    event_index: u64,
    now: u64,
) -> rusqlite::Result<Ack> {
    let Some(acknowledged) = acknowledged_index(database, consumer)? else {
        return Ok(Ack::UnknownConsumer);
    };
    let bounds = bounds(database)?;
    if event_index > bounds.head_index {
        return Ok(Ack::UnknownEvent(bounds));
    }
    if event_index <= acknowledged {
        return Ok(Ack::UpTo(acknowledged));
    }
    database
        .prepare_cached(
            "UPDATE ldk_server_event_consumers SET acknowledged = ?2, acknowledged_at = ?3
             WHERE name = ?1",
        )?
        .execute(params![consumer, as_i64(event_index), as_i64(now)])?;
    Ok(Ack::UpTo(event_index))
}
