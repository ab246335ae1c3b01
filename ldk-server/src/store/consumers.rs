//! The consumers of events whose place is remembered.

use ldk_node::lightning::io;
use ldk_server_grpc::types::EventConsumer;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::events::bounds;
use super::{EventBounds, Store, as_i64, as_u64};
use crate::clock::unix_secs;

/// There are no more consumers than this.
pub const MAX_EVENT_CONSUMERS: usize = 256;

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

impl Store {
    /// The last event that this consumer has acknowledged; `None` for an unknown one.
    pub fn acknowledged_index(&self, consumer: &str) -> io::Result<Option<u64>> {
        self.readers.read(|database| acknowledged_index(database, consumer))
    }

    /// Makes a consumer that begins after this event, unless there is one of this name. Returns the
    /// last event that it has acknowledged; `None` if there are too many consumers.
    pub fn add_event_consumer(&self, consumer: String, after: u64) -> io::Result<Option<u64>> {
        self.writer.write(move |database| add(database, &consumer, after))
    }

    /// Writes down that a consumer is done with the events up to this one.
    pub fn ack_events(&self, consumer: String, event_index: u64) -> io::Result<Ack> {
        self.writer.write(move |database| acknowledge(database, &consumer, event_index))
    }

    /// The consumers, by name, and which events there are.
    pub fn event_consumers(&self) -> io::Result<(Vec<EventConsumer>, EventBounds)> {
        self.readers.read(|database| {
            // So that nobody has acknowledged more than there is.
            let snapshot = database.unchecked_transaction()?;
            let bounds = bounds(&snapshot)?;
            let mut statement = snapshot.prepare_cached(
                "SELECT name, acknowledged, created_at, acknowledged_at
                 FROM ldk_server_event_consumers ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| consumer(row, bounds.head_index))?;
            Ok((rows.collect::<rusqlite::Result<_>>()?, bounds))
        })
    }

    /// Forgets a consumer; tells whether there was one.
    pub fn delete_event_consumer(&self, consumer: String) -> io::Result<bool> {
        self.writer.write(move |database| {
            let mut statement = database
                .prepare_cached("DELETE FROM ldk_server_event_consumers WHERE name = ?1")?;
            Ok(statement.execute([consumer])? > 0)
        })
    }
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

fn acknowledged_index(database: &Connection, consumer: &str) -> rusqlite::Result<Option<u64>> {
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

fn add(database: &Connection, consumer: &str, after: u64) -> rusqlite::Result<Option<u64>> {
    if let Some(acknowledged) = acknowledged_index(database, consumer)? {
        return Ok(Some(acknowledged));
    }
    if count(database)? >= MAX_EVENT_CONSUMERS {
        return Ok(None);
    }
    database
        .prepare_cached("INSERT INTO ldk_server_event_consumers VALUES (?1, ?2, ?3, NULL)")?
        .execute(params![consumer, as_i64(after), as_i64(unix_secs())])?;
    Ok(Some(after))
}

fn acknowledge(database: &Connection, consumer: &str, event_index: u64) -> rusqlite::Result<Ack> {
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
        .execute(params![consumer, as_i64(event_index), as_i64(unix_secs())])?;
    Ok(Ack::UpTo(event_index))
}

#[cfg(test)]
mod tests;
