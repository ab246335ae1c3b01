//! The table of what callers keep under keys of their own.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{as_i64, as_u64};
use crate::store::model::{
    DatastoreChange, DatastoreFound, DatastoreKey, DatastoreRefusal, DatastoreRow, is_of_generation,
};

/// Makes a change, and returns the row that is there now, or was.
pub(super) fn make(
    database: &Connection,
    change: DatastoreChange,
) -> rusqlite::Result<Result<DatastoreRow, DatastoreRefusal>> {
    match change {
        DatastoreChange::Put { key, value, mode, generation } => {
            let found = found(database, &key)?;
            let row = match found.put(key, value, mode, generation) {
                Ok(row) => row,
                Err(refusal) => return Ok(Err(refusal)),
            };
            database
                .prepare_cached(
                    "INSERT INTO ldk_server_datastore (key, value, generation) VALUES (?1, ?2, ?3)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                         generation = excluded.generation",
                )?
                .execute(params![row.key.bytes(), row.value, as_i64(row.generation)])?;
            Ok(Ok(row))
        },
        DatastoreChange::Delete { key, generation } => delete(database, &key, generation),
    }
}

fn delete(
    database: &Connection,
    key: &DatastoreKey,
    generation: Option<u64>,
) -> rusqlite::Result<Result<DatastoreRow, DatastoreRefusal>> {
    let Some(row) = get(database, key)? else { return Ok(Err(DatastoreRefusal::Missing)) };
    if let Err(refusal) = is_of_generation(&row, generation) {
        return Ok(Err(refusal));
    }
    database
        .prepare_cached("DELETE FROM ldk_server_datastore WHERE key = ?1")?
        .execute([key.bytes()])?;
    Ok(Ok(row))
}

fn found(database: &Connection, key: &DatastoreKey) -> rusqlite::Result<DatastoreFound> {
    let mut exists =
        database.prepare_cached("SELECT 1 FROM ldk_server_datastore WHERE key = ?1")?;
    let mut parent = None;
    for above in key.parents() {
        if exists.exists([above.bytes()])? {
            parent = Some(above);
        }
    }
    let (from, before) = key.children();
    let has_children = database
        .prepare_cached("SELECT 1 FROM ldk_server_datastore WHERE key >= ?1 AND key < ?2 LIMIT 1")?
        .exists([from, before])?;
    Ok(DatastoreFound { row: get(database, key)?, parent, has_children })
}

fn get(database: &Connection, key: &DatastoreKey) -> rusqlite::Result<Option<DatastoreRow>> {
    let mut statement = database
        .prepare_cached("SELECT key, value, generation FROM ldk_server_datastore WHERE key = ?1")?;
    statement.query_row([key.bytes()], row).optional()
}

/// The row with this key and those that lie under it, in the order of the keys; or all.
pub(super) fn list(
    database: &Connection,
    key: Option<&DatastoreKey>,
) -> rusqlite::Result<Vec<DatastoreRow>> {
    let Some(key) = key else {
        let mut all = database.prepare_cached(
            "SELECT key, CASE WHEN instr(key, x'00') = 0 THEN value ELSE x'' END, generation
             FROM ldk_server_datastore ORDER BY key",
        )?;
        return all.query_map([], row)?.collect();
    };
    let (from, before) = key.children();
    let mut under = database.prepare_cached(
        "SELECT key, CASE WHEN instr(substr(key, ?4), x'00') = 0 THEN value ELSE x'' END, generation
         FROM ldk_server_datastore WHERE key = ?1 OR (key >= ?2 AND key < ?3) ORDER BY key",
    )?;
    let after = as_i64(from.len() as u64).saturating_add(1);
    under.query_map(params![key.bytes(), from, before, after], row)?.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<DatastoreRow> {
    Ok(DatastoreRow {
        key: DatastoreKey::parse(&row.get::<_, Vec<u8>>(0)?),
        value: row.get(1)?,
        generation: as_u64(row.get(2)?),
    })
}
