//! The table of the library's records: what names they have, and reading and writing them.

use std::collections::BTreeSet;

use ldk_node::lightning::io;
use ldk_node::lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE, CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE, KVSTORE_NAMESPACE_KEY_ALPHABET,
    KVSTORE_NAMESPACE_KEY_MAX_LEN,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::events;

/// Where one of the library's records is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Name {
    primary: String,
    secondary: String,
    key: String,
}

impl Name {
    pub(in crate::store) fn new(primary: &str, secondary: &str, key: &str) -> io::Result<Self> {
        check(primary, secondary)?;
        if key.is_empty() {
            return Err(invalid("a key must not be empty"));
        }
        check_part(key)?;
        let [primary, secondary, key] = [primary, secondary, key].map(str::to_owned);
        Ok(Self { primary, secondary, key })
    }

    pub(in crate::store) fn is_in(&self, (primary, secondary): (&str, &str)) -> bool {
        self.primary == primary && self.secondary == secondary
    }

    pub(in crate::store) fn key(&self) -> &str {
        &self.key
    }

    /// Which monitor it is, if it is one, or an update of which.
    pub(in crate::store) fn monitor(&self) -> Option<&str> {
        match self.primary.as_str() {
            CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE => Some(&self.key),
            CHANNEL_MONITOR_UPDATE_PERSISTENCE_PRIMARY_NAMESPACE => Some(&self.secondary),
            _ => None,
        }
    }

    /// Whether it is a whole monitor.
    pub(in crate::store) fn is_whole_monitor(&self) -> bool {
        self.primary == CHANNEL_MONITOR_PERSISTENCE_PRIMARY_NAMESPACE
    }

    pub(in crate::store) fn is_manager(&self) -> bool {
        let namespace = (
            CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
            CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE,
        );
        self.is_in(namespace) && self.key == CHANNEL_MANAGER_PERSISTENCE_KEY
    }

    /// Whether it is the library's queue of events.
    pub(in crate::store) fn is_event_queue(&self) -> bool {
        let (primary, secondary, key) = events::QUEUE;
        self.is_in((primary, secondary)) && self.key == key
    }
}

/// Whether records may be in this namespace.
pub(in crate::store) fn check(primary: &str, secondary: &str) -> io::Result<()> {
    if primary.is_empty() && !secondary.is_empty() {
        return Err(invalid("a secondary namespace needs a primary one"));
    }
    check_part(primary)?;
    check_part(secondary)
}

fn check_part(part: &str) -> io::Result<()> {
    if part.len() > KVSTORE_NAMESPACE_KEY_MAX_LEN {
        return Err(invalid("a namespace or key is too long"));
    }
    if !part.chars().all(|character| KVSTORE_NAMESPACE_KEY_ALPHABET.contains(character)) {
        return Err(invalid("a namespace or key has a character that is not allowed"));
    }
    Ok(())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// Writes a record.
pub(in crate::store) fn put(
    database: &Connection,
    name: &Name,
    value: &[u8],
) -> rusqlite::Result<()> {
    let Name { primary, secondary, key } = name;
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_node_data (primary_namespace, secondary_namespace, key, value)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (primary_namespace, secondary_namespace, key)
         DO UPDATE SET value = excluded.value",
    )?;
    statement.execute(params![primary, secondary, key, value]).map(drop)
}

/// Removes a record, if it is there.
pub(in crate::store) fn delete(database: &Connection, name: &Name) -> rusqlite::Result<()> {
    let Name { primary, secondary, key } = name;
    let mut statement = database.prepare_cached(
        "DELETE FROM ldk_node_data
         WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
    )?;
    statement.execute(params![primary, secondary, key]).map(drop)
}

/// Whether there is a record of this name.
pub(in crate::store) fn exists(database: &Connection, name: &Name) -> rusqlite::Result<bool> {
    Ok(get(database, name)?.is_some())
}

/// A record.
pub(in crate::store) fn get(
    database: &Connection,
    name: &Name,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let Name { primary, secondary, key } = name;
    let mut statement = database.prepare_cached(
        "SELECT value FROM ldk_node_data
         WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
    )?;
    statement.query_row(params![primary, secondary, key], |row| row.get(0)).optional()
}

/// The keys of the records in a namespace.
pub(in crate::store) fn keys(
    database: &Connection,
    primary: &str,
    secondary: &str,
) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = database.prepare_cached(
        "SELECT key FROM ldk_node_data WHERE primary_namespace = ?1 AND secondary_namespace = ?2",
    )?;
    statement.query_map([primary, secondary], |row| row.get(0))?.collect()
}
