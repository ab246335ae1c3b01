//! The table of the library's records.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::model::Name;

/// Writes a record.
pub(super) fn put(database: &Connection, name: &Name, value: &[u8]) -> rusqlite::Result<()> {
    let [primary, secondary, key] = name.parts();
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_node_data (primary_namespace, secondary_namespace, key, value)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (primary_namespace, secondary_namespace, key)
         DO UPDATE SET value = excluded.value",
    )?;
    statement.execute(params![primary, secondary, key, value]).map(drop)
}

/// Removes a record, if it is there.
pub(super) fn delete(database: &Connection, name: &Name) -> rusqlite::Result<()> {
    let [primary, secondary, key] = name.parts();
    let mut statement = database.prepare_cached(
        "DELETE FROM ldk_node_data
         WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
    )?;
    statement.execute(params![primary, secondary, key]).map(drop)
}

/// Whether there is a record of this name.
pub(super) fn exists(database: &Connection, name: &Name) -> rusqlite::Result<bool> {
    Ok(get(database, name)?.is_some())
}

/// A record.
pub(super) fn get(database: &Connection, name: &Name) -> rusqlite::Result<Option<Vec<u8>>> {
    let [primary, secondary, key] = name.parts();
    let mut statement = database.prepare_cached(
        "SELECT value FROM ldk_node_data
         WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
    )?;
    statement.query_row(params![primary, secondary, key], |row| row.get(0)).optional()
}

/// The keys of the records in a namespace.
pub(super) fn keys(
    database: &Connection,
    primary: &str,
    secondary: &str,
) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = database.prepare_cached(
        "SELECT key FROM ldk_node_data WHERE primary_namespace = ?1 AND secondary_namespace = ?2",
    )?;
    statement.query_map([primary, secondary], |row| row.get(0))?.collect()
}
