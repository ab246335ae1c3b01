//! The table of what was asked for under a key.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{as_i64, as_u64};
use crate::store::change::IntentChange;
use crate::store::model::{IntentRow, MAX_REMOVED_AT_ONCE, NewIntent};

/// Makes a change. Returns how many rows it has removed because they were old.
pub(super) fn make(database: &Connection, change: IntentChange) -> rusqlite::Result<u64> {
    match change {
        IntentChange::Put(intent) => put(database, &intent)?,
        IntentChange::Drop(key) => {
            database
                .prepare_cached("DELETE FROM ldk_server_intents WHERE key = ?1")?
                .execute([key])?;
        },
        IntentChange::RemoveOld { created_before } => return remove_old(database, created_before),
    }
    Ok(0)
}

/// What is known by now replaces what was written before the call was carried out.
fn put(database: &Connection, NewIntent { key, row }: &NewIntent) -> rusqlite::Result<()> {
    let IntentRow { method, digest, created_at, answer, payment } = row;
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_intents (key, created_at, method, digest, answer, payment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at,
             method = excluded.method, digest = excluded.digest,
             answer = coalesce(excluded.answer, answer),
             payment = coalesce(excluded.payment, payment)",
    )?;
    let payment = payment.map(|PaymentId(id)| id);
    statement.execute(params![key, as_i64(*created_at), method, digest, answer, payment])?;
    Ok(())
}

fn remove_old(database: &Connection, created_before: u64) -> rusqlite::Result<u64> {
    let mut statement = database.prepare_cached(
        "DELETE FROM ldk_server_intents WHERE key IN (
             SELECT key FROM ldk_server_intents WHERE created_at < ?1
             ORDER BY created_at LIMIT ?2
         )",
    )?;
    let removed =
        statement.execute(params![as_i64(created_before), as_i64(MAX_REMOVED_AT_ONCE)])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

/// What was asked for under this key.
pub(super) fn find(database: &Connection, key: &str) -> rusqlite::Result<Option<IntentRow>> {
    let mut statement = database.prepare_cached(
        "SELECT method, digest, created_at, answer, payment FROM ldk_server_intents WHERE key = ?1",
    )?;
    statement.query_row([key], intent).optional()
}

fn intent(row: &Row<'_>) -> rusqlite::Result<IntentRow> {
    Ok(IntentRow {
        method: row.get(0)?,
        digest: row.get(1)?,
        created_at: as_u64(row.get(2)?),
        answer: row.get(3)?,
        payment: row.get::<_, Option<[u8; 32]>>(4)?.map(PaymentId),
    })
}
