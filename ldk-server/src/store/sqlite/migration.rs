//! The steps from one version of the server's tables to the next. A step that was released is never
//! changed again.

use ldk_node::lightning::io;
use prost::Message as _;
use rusqlite::{Transaction, params};

use super::forwards::OldRecord;
use super::{invoices, payments, sql_error};
use crate::store::model::invalid_data;

/// Makes the tables. Versions before had records of their own among the library's: when payments
/// were created, and which were forwarded.
pub(in crate::store) fn to_1(database: &Transaction<'_>) -> io::Result<()> {
    // `newest_first` makes the order of lists ascending in both columns, so that a page is one range
    // of an index. The columns after these two spare a look at rows that are not listed.
    //
    // Most payments have their hash as their id, and the index by hash is for the others.
    //
    // What the server does not ask for, time of update and amounts, is for operators who look at the
    // history with a program of their own.
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
                 doubt INTEGER NOT NULL DEFAULT 0,
                 payment BLOB NOT NULL,
                 newest_first INTEGER NOT NULL GENERATED ALWAYS AS (-created_at) VIRTUAL
             ) STRICT;
             CREATE INDEX ldk_server_payments_all
                 ON ldk_server_payments (newest_first, id, status, direction, method);
             CREATE INDEX ldk_server_payments_status
                 ON ldk_server_payments (status, newest_first, id, direction, method);
             CREATE INDEX ldk_server_payments_method
                 ON ldk_server_payments (method, newest_first, id, status, direction);
             CREATE INDEX ldk_server_payments_hash
                 ON ldk_server_payments (payment_hash, newest_first, id)
                 WHERE payment_hash <> id;
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

/// Counts the commits. The lineage is drawn by lot: nobody has another copy of this state yet.
pub(in crate::store) fn to_2(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_epoch (
                 lineage BLOB NOT NULL,
                 restores INTEGER NOT NULL,
                 channels INTEGER NOT NULL,
                 commits INTEGER NOT NULL,
                 managed INTEGER NOT NULL
             ) STRICT;
             INSERT INTO ldk_server_epoch VALUES (randomblob(16), 0, 0, 0, 0);",
        )
        .map_err(sql_error)
}

/// What was drawn on budgets.
pub(in crate::store) fn to_3(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_reservations (
                 number INTEGER NOT NULL,
                 budget BLOB NOT NULL,
                 created_at INTEGER NOT NULL,
                 counts_until INTEGER,
                 amount_msat INTEGER NOT NULL,
                 payment BLOB,
                 state INTEGER NOT NULL,
                 PRIMARY KEY (number, budget)
             ) STRICT;
             CREATE INDEX ldk_server_reservations_open
                 ON ldk_server_reservations (payment) WHERE state = 0;",
        )
        .map_err(sql_error)
}

/// The audit.
pub(in crate::store) fn to_4(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_audit (
                 number INTEGER PRIMARY KEY,
                 created_at INTEGER NOT NULL,
                 caller TEXT NOT NULL,
                 method TEXT NOT NULL,
                 request_id TEXT NOT NULL,
                 amount_msat INTEGER,
                 amount_sats INTEGER,
                 result INTEGER,
                 not_recorded INTEGER NOT NULL
             ) STRICT;
             CREATE INDEX ldk_server_audit_all ON ldk_server_audit (created_at, number);",
        )
        .map_err(sql_error)
}

/// The invoices, offers and receipts of payments, as far as the history of payments has them.
pub(in crate::store) fn to_5(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_invoices (
                 number INTEGER PRIMARY KEY AUTOINCREMENT,
                 created_at INTEGER NOT NULL,
                 expires_at INTEGER,
                 kind INTEGER NOT NULL,
                 payment_hash BLOB,
                 offer_id BLOB,
                 label TEXT,
                 external_id TEXT,
                 metadata BLOB NOT NULL,
                 request_digest BLOB,
                 invoice TEXT NOT NULL,
                 description TEXT NOT NULL,
                 amount_msat INTEGER,
                 state INTEGER NOT NULL,
                 amount_received_msat INTEGER,
                 paid_at INTEGER,
                 pay_index INTEGER,
                 payment_id BLOB,
                 preimage BLOB
             ) STRICT;
             CREATE INDEX ldk_server_invoices_all ON ldk_server_invoices (created_at, number);
             CREATE INDEX ldk_server_invoices_state
                 ON ldk_server_invoices (state, created_at, number);
             CREATE UNIQUE INDEX ldk_server_invoices_label
                 ON ldk_server_invoices (label) WHERE label IS NOT NULL;
             CREATE INDEX ldk_server_invoices_external_id
                 ON ldk_server_invoices (external_id, created_at, number)
                 WHERE external_id IS NOT NULL;
             CREATE INDEX ldk_server_invoices_hash
                 ON ldk_server_invoices (payment_hash) WHERE payment_hash IS NOT NULL;
             CREATE INDEX ldk_server_invoices_offer
                 ON ldk_server_invoices (offer_id) WHERE kind = 5;
             CREATE UNIQUE INDEX ldk_server_invoices_paid
                 ON ldk_server_invoices (pay_index) WHERE pay_index IS NOT NULL;
             CREATE INDEX ldk_server_invoices_expiry
                 ON ldk_server_invoices (expires_at) WHERE state = 0;
             CREATE TABLE ldk_server_invoice_state (last_pay_index INTEGER NOT NULL) STRICT;
             INSERT INTO ldk_server_invoice_state VALUES (0);",
        )
        .map_err(sql_error)?;
    invoices::backfill(database)
}

/// What was asked for under a key, and why payments have failed.
pub(in crate::store) fn to_6(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_intents (
                 key TEXT NOT NULL PRIMARY KEY,
                 created_at INTEGER NOT NULL,
                 method TEXT NOT NULL,
                 digest BLOB NOT NULL,
                 answer BLOB,
                 payment BLOB
             ) STRICT;
             CREATE INDEX ldk_server_intents_age ON ldk_server_intents (created_at);

             ALTER TABLE ldk_server_payments ADD COLUMN failure INTEGER;",
        )
        .map_err(sql_error)
}

/// What callers note with payments.
pub(in crate::store) fn to_7(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "ALTER TABLE ldk_server_payments ADD COLUMN label TEXT;
             ALTER TABLE ldk_server_payments ADD COLUMN metadata BLOB;",
        )
        .map_err(sql_error)
}

/// Makes the tables of what callers keep under keys of their own, and have said of payments.
pub(in crate::store) fn to_8(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_datastore (
                 key BLOB NOT NULL PRIMARY KEY,
                 value BLOB NOT NULL,
                 generation INTEGER NOT NULL
             ) STRICT;

             CREATE TABLE ldk_server_pay_orders (
                 id BLOB NOT NULL PRIMARY KEY,
                 invstring TEXT,
                 label TEXT,
                 description TEXT,
                 destination TEXT
             ) STRICT;",
        )
        .map_err(sql_error)
}

/// Makes the table of what the manager of the channels is cut into.
pub(in crate::store) fn to_9(database: &Transaction<'_>) -> io::Result<()> {
    database
        .execute_batch(
            "CREATE TABLE ldk_server_manager_chunks (
                 place INTEGER PRIMARY KEY,
                 bytes BLOB NOT NULL
             ) STRICT;",
        )
        .map_err(sql_error)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
    use ldk_node::lightning::ln::channelmanager::PaymentId;
    use ldk_node::lightning::util::persist::KVStoreSync;
    use ldk_node::lightning::util::ser::Writeable as _;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};
    use ldk_server_grpc::types::ForwardedPayment;
    use tempfile::TempDir;

    use super::*;
    use crate::store::{ForwardFilter, KvOwner, PaymentFilter, Store, testing};

    /// A database as the first versions wrote it: the library's own, with records among its own.
    fn old(dir: &Path, records: &[(&str, &str, String, Vec<u8>)]) {
        let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
        let store = SqliteStore::new(dir.to_owned(), Some(file), Some(table)).unwrap();
        for (primary, secondary, key, value) in records {
            KVStoreSync::write(&store, primary, secondary, key, value.clone()).unwrap();
        }
    }

    fn payment(id: u8, at: u64) -> (&'static str, &'static str, String, Vec<u8>) {
        let hash = PaymentHash([id; 32]);
        let details = PaymentDetails {
            id: PaymentId([id; 32]),
            kind: PaymentKind::Spontaneous { hash, preimage: None },
            amount_msat: Some(1),
            fee_paid_msat: None,
            direction: PaymentDirection::Inbound,
            status: PaymentStatus::Succeeded,
            latest_update_timestamp: at,
        };
        ("payments", "", hex::encode([id; 32]), details.encode())
    }

    fn created(id: u8, at: u64) -> (&'static str, &'static str, String, Vec<u8>) {
        let key = hex::encode([id; 32]);
        ("ldk_server", "payment_created", key, at.to_be_bytes().to_vec())
    }

    fn forward(number: u64, created_at: i64) -> (&'static str, &'static str, String, Vec<u8>) {
        let payment = ForwardedPayment {
            outbound_amount_forwarded_msat: Some(number),
            ..ForwardedPayment::default()
        };
        let record = OldRecord { created_at, payment: Some(payment) };
        let key = hex::encode(number.to_be_bytes());
        ("ldk_server", "forward", key, record.encode_to_vec())
    }

    fn payments(store: &Store) -> Vec<(u8, u64)> {
        let page = store.payments(&PaymentFilter::default(), None, 100).unwrap().unwrap();
        let row = |payment: &ldk_server_grpc::types::Payment| {
            (hex::decode(&payment.id).unwrap()[0], payment.created_at)
        };
        page.rows.iter().map(row).collect()
    }

    /// The numbers that they had, and their times.
    fn forwards(store: &Store) -> Vec<(u64, u64)> {
        let page = store.forwards(&ForwardFilter::default(), None, 100).unwrap().unwrap();
        let amount = |payment: &ForwardedPayment| payment.outbound_amount_forwarded_msat.unwrap();
        page.rows.iter().map(|row| (amount(&row.payment), row.place.created_at)).collect()
    }

    #[test]
    fn the_records_of_earlier_versions_become_the_history() {
        let dir = TempDir::new().unwrap();
        old(
            dir.path(),
            &[
                forward(0, 100),
                forward(1, 100),
                forward(2, 200),
                (
                    "ldk_server",
                    "forward_progress",
                    "acknowledged".to_owned(),
                    2_u64.to_be_bytes().to_vec(),
                ),
                payment(1, 90),
                created(1, 10),
                // From before times of creation were written.
                payment(2, 20),
                // A crash came before the payment itself was written.
                created(3, 30),
                // Not ours to take away.
                ("ldk_server", "held_payments", "ab".repeat(32), vec![8, 1]),
                ("payments_of_another", "", "a".to_owned(), vec![1]),
            ],
        );
        for _ in 0..2 {
            let store = testing::open(dir.path());
            assert_eq!(forwards(&store), [(2, 200), (1, 100), (0, 100)]);
            assert_eq!(payments(&store), [(2, 20), (1, 10)]);
            for kind in ["forward", "forward_progress", "payment_created"] {
                assert!(store.keys(kind).unwrap().is_empty(), "{kind}");
            }
            assert_eq!(store.keys("held_payments").unwrap().len(), 1);
            assert_eq!(KVStoreSync::list(&store, "payments", "").unwrap().len(), 2);
        }
    }

    #[test]
    fn an_empty_database_becomes_an_empty_history() {
        let dir = TempDir::new().unwrap();
        let store = testing::open(dir.path());
        assert!(forwards(&store).is_empty() && payments(&store).is_empty());
        assert_eq!(store.payment_counts(), Default::default());
    }

    #[test]
    fn a_damaged_record_stops_the_start_and_changes_nothing() {
        let damaged = |kind, key: &str, value| ("ldk_server", kind, key.to_owned(), value);
        let id = hex::encode([1; 32]);
        for (record, words) in [
            (damaged("forward", "0000000000000007", vec![0x18, 99]), "forwarded payment 7"),
            (damaged("forward", "0000000000000007", vec![]), "forwarded payment 7"),
            (damaged("forward", "7", forward(7, 1).3), "a record of the server has the key"),
            (damaged("payment_created", &id, vec![1; 7]), &*id),
            (("payments", "", id.clone(), vec![1, 2, 3]), "a payment cannot be read"),
        ] {
            let dir = TempDir::new().unwrap();
            let sound = [forward(0, 100), payment(1, 90), created(1, 10)];
            old(dir.path(), &[&sound[..], &[record]].concat());
            for _ in 0..2 {
                let opened = Store::open(dir.path(), KvOwner::Server, |_| {});
                let error = opened.err().unwrap().to_string();
                assert!(error.contains(words), "{error}");
            }
        }
    }
}
