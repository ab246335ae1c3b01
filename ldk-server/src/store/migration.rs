//! The steps from one version of the server's tables to the next. A step that was released is never
//! changed again.

use ldk_node::lightning::io;
use prost::Message as _;
use rusqlite::{Transaction, params};

use super::forwards::OldRecord;
use super::{invalid_data, payments, sql_error};

/// Makes the tables. Versions before had records of their own among the library's: when payments
/// were created, and which were forwarded.
pub(super) fn to_1(database: &Transaction<'_>) -> io::Result<()> {
    // `newest_first` makes the order of lists ascending in both columns, so that a page is one range
    // of an index.
    //
    // Most payments succeed, and the index by status is for the others; likewise the one by hash is
    // for those whose id is not their hash.
    database
        .execute_batch(
            "CREATE TABLE ldk_server_payments (
                 id BLOB NOT NULL UNIQUE,
                 created_at INTEGER NOT NULL,
                 updated_at INTEGER NOT NULL,
                 direction INTEGER NOT NULL,
                 status INTEGER NOT NULL,
                 method INTEGER NOT NULL,
                 amount_msat INTEGER,
                 fee_paid_msat INTEGER,
                 payment_hash BLOB,
                 expires_at INTEGER,
                 expired INTEGER NOT NULL DEFAULT 0,
                 payment BLOB NOT NULL,
                 newest_first INTEGER NOT NULL GENERATED ALWAYS AS (-created_at) VIRTUAL
             ) STRICT;
             CREATE INDEX ldk_server_payments_all ON ldk_server_payments (newest_first, id);
             CREATE INDEX ldk_server_payments_method
                 ON ldk_server_payments (method, newest_first, id);
             CREATE INDEX ldk_server_payments_status
                 ON ldk_server_payments (status, newest_first, id) WHERE status <> 1;
             CREATE INDEX ldk_server_payments_hash
                 ON ldk_server_payments (payment_hash) WHERE payment_hash <> id;
             CREATE INDEX ldk_server_payments_unpaid
                 ON ldk_server_payments (expires_at)
                 WHERE expires_at IS NOT NULL AND status = 0;

             CREATE TABLE ldk_server_forwards (
                 number INTEGER PRIMARY KEY,
                 created_at INTEGER NOT NULL,
                 payment BLOB NOT NULL
             ) STRICT;
             CREATE INDEX ldk_server_forwards_all ON ldk_server_forwards (created_at, number);

             CREATE TABLE ldk_server_events (
                 event_index INTEGER PRIMARY KEY,
                 created_at INTEGER NOT NULL,
                 once BLOB,
                 event BLOB NOT NULL
             ) STRICT;
             CREATE UNIQUE INDEX ldk_server_events_once
                 ON ldk_server_events (once) WHERE once IS NOT NULL;
             CREATE TABLE ldk_server_event_state (unacknowledged BLOB) STRICT;
             INSERT INTO ldk_server_event_state VALUES (NULL);
             CREATE TABLE ldk_server_event_consumers (
                 name TEXT NOT NULL PRIMARY KEY,
                 acknowledged INTEGER NOT NULL,
                 created_at INTEGER NOT NULL,
                 acknowledged_at INTEGER
             ) STRICT;",
        )
        .map_err(sql_error)?;
    take_over_forwards(database)?;
    take_over_payments(database)?;
    database
        .execute(
            "DELETE FROM ldk_node_data WHERE primary_namespace = 'ldk_server'
             AND secondary_namespace IN ('forward', 'forward_progress', 'payment_created')",
            [],
        )
        .map_err(sql_error)?;
    Ok(())
}

fn take_over_forwards(database: &Transaction<'_>) -> io::Result<()> {
    for (key, value) in records(database, "forward")? {
        let number = bytes(&key).map(u64::from_be_bytes)?;
        let record = OldRecord::decode(value.as_slice());
        let Ok(OldRecord { created_at, payment: Some(payment) }) = record else {
            return Err(invalid_data(&format!("forwarded payment {number} cannot be read")));
        };
        database
            .execute(
                "INSERT INTO ldk_server_forwards VALUES (?1, ?2, ?3)",
                // They were numbered from 0.
                params![number.saturating_add(1), created_at, payment.encode_to_vec()],
            )
            .map_err(sql_error)?;
    }
    Ok(())
}

fn take_over_payments(database: &Transaction<'_>) -> io::Result<()> {
    for (key, value) in records(database, "payment_created")? {
        let created_at = <[u8; 8]>::try_from(value.as_slice())
            .map(i64::from_be_bytes)
            .map_err(|_| invalid_data(&format!("the creation time of payment {key} is damaged")))?;
        payments::take_over(database, &key, created_at)?;
    }
    Ok(())
}

fn records(database: &Transaction<'_>, kind: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut statement = database
        .prepare(
            "SELECT key, value FROM ldk_node_data
             WHERE primary_namespace = 'ldk_server' AND secondary_namespace = ?1",
        )
        .map_err(sql_error)?;
    let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(sql_error)
}

fn bytes<const N: usize>(key: &str) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(key, &mut bytes)
        .map_err(|_| invalid_data(&format!("a record of the server has the key {key:?}")))?;
    Ok(bytes)
}
