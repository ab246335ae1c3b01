//! The manager of the channels. The library writes it with nearly every step of a payment, and it grows
//! with each channel; so it is kept in chunks, of which only those are written that have changed.
//!
//! The library's own record is complete whenever the node was stopped. While it runs, and after a crash,
//! that record holds something that the library refuses to read: with the state of an earlier time it
//! would close all channels. What the chunks hold is then the manager.

mod chunks;

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::records;
use crate::compat::channel_state::UNREADABLE_VERSION;
use crate::store::model::{Name, Value};
use chunks::{Chunks, Difference};

/// A manager of this size is written as it is.
const WHOLE_BYTES: usize = chunks::MAX_BYTES;

/// Told, behind a version that the library refuses, to who looks into the record.
const ELSEWHERE: &str = "The channel manager is in the table ldk_server_manager_chunks, because \
    ldk-server was not stopped. Start and stop it, and it is here again.";

/// Writes the manager.
pub(super) struct ManagerWriter(Stored);

/// How the manager is stored.
enum Stored {
    /// Nobody has looked yet.
    Unknown,
    /// As the library's record.
    Whole,
    /// In these chunks.
    Chunks(Chunks),
}

impl ManagerWriter {
    /// Writes the first one of this process.
    pub(super) fn new() -> Self {
        Self(Stored::Unknown)
    }

    /// Writes the next one, or that there is none.
    pub(super) fn put(
        &mut self,
        database: &Connection,
        name: &Name,
        manager: &Value,
    ) -> rusqlite::Result<()> {
        match manager {
            Some(manager) if manager.len() > WHOLE_BYTES => {
                self.put_chunks(database, name, manager)
            },
            Some(manager) => {
                self.put_whole(database)?;
                records::put(database, name, manager)
            },
            None => {
                self.put_whole(database)?;
                records::delete(database, name)
            },
        }
    }

    fn put_whole(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if !matches!(self.0, Stored::Whole) {
            remove_all(database)?;
        }
        self.0 = Stored::Whole;
        Ok(())
    }

    fn put_chunks(
        &mut self,
        database: &Connection,
        name: &Name,
        manager: &Arc<Vec<u8>>,
    ) -> rusqlite::Result<()> {
        let next = match &self.0 {
            Stored::Chunks(chunks) => chunks.next(manager),
            Stored::Unknown | Stored::Whole => None,
        };
        let (chunks, difference) = match next {
            Some(next) => next,
            None => {
                remove_all(database)?;
                let elsewhere = [&UNREADABLE_VERSION[..], ELSEWHERE.as_bytes()].concat();
                records::put(database, name, &elsewhere)?;
                Chunks::first(manager)
            },
        };
        write(database, manager, &difference)?;
        self.0 = Stored::Chunks(chunks);
        Ok(())
    }

    /// Makes the library's record complete.
    pub(super) fn complete(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if let Stored::Chunks(chunks) = &self.0 {
            debug_assert_eq!(Some(chunks.manager()), read(database)?.as_deref());
        }
        complete(database)?;
        self.0 = Stored::Unknown;
        Ok(())
    }
}

/// The manager, all of one moment. What the library refuses to read is what is found if there are no
/// chunks: without a manager it would begin anew.
pub(super) fn read(database: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let at_once = database.unchecked_transaction()?;
    match in_chunks(&at_once)? {
        Some(manager) => Ok(Some(manager)),
        None => records::get(&at_once, &Name::of_manager()),
    }
}

/// The manager that the chunks hold. If the library's record has another, a program that does not know
/// them has written it later.
pub(super) fn in_chunks(database: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let record = records::get(database, &Name::of_manager())?;
    let is_elsewhere = |record: Vec<u8>| record.starts_with(&UNREADABLE_VERSION);
    if record.is_some_and(is_elsewhere) { of_chunks(database) } else { Ok(None) }
}

/// What the chunks hold; `None` if there are none.
fn of_chunks(database: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT bytes FROM ldk_server_manager_chunks ORDER BY place";
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut manager = Vec::new();
    while let Some(row) = rows.next()? {
        manager.extend_from_slice(row.get_ref(0)?.as_blob()?);
    }
    Ok(Some(manager).filter(|manager| !manager.is_empty()))
}

/// Makes the library's record complete, in a transaction of its own. What is stored stays the same.
pub(super) fn complete(database: &Connection) -> rusqlite::Result<()> {
    let change = database.unchecked_transaction()?;
    if let Some(manager) = in_chunks(&change)? {
        records::put(&change, &Name::of_manager(), &manager)?;
        remove_all(&change)?;
    }
    change.commit()
}

/// Each row is removed by itself, so that whoever follows the changes of rows sees it.
fn remove_all(database: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("DELETE FROM ldk_server_manager_chunks WHERE place > 0")?;
    statement.execute([]).map(drop)
}

fn write(database: &Connection, manager: &[u8], change: &Difference) -> rusqlite::Result<()> {
    let mut remove =
        database.prepare_cached("DELETE FROM ldk_server_manager_chunks WHERE place = ?1")?;
    for place in &change.removed {
        remove.execute([place])?;
    }
    let mut put = database.prepare_cached(
        "INSERT INTO ldk_server_manager_chunks (place, bytes) VALUES (?1, ?2)
         ON CONFLICT (place) DO UPDATE SET bytes = excluded.bytes",
    )?;
    for (place, range) in &change.put {
        put.execute(params![place, &manager[range.clone()]])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
