//! The table of payments. What becomes of a payment is decided in [`rules`].

mod certainty;
mod list;

use std::sync::Arc;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::{
    PaymentDirection, PaymentFailureReason, PaymentMethod, PaymentStatus,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(super) use list::{
    classes, expired, find, on_their_way_out, page, settled, transactions_not_found,
};

use super::{as_i64, as_u64, invoices, metadata, records, sql_error};
use crate::store::change::{PaymentEvent, WrittenPayment};
use crate::store::model::payments::read;
use crate::store::model::{
    Certainty, Class, InvoiceEffect, Name, NotesChange, PAYMENTS, PaymentColumns, StatusChange,
    StoredPayment,
};
use crate::store::payments::rules::{self, Decision, RowChange};

/// Writes down what has happened to a payment. What it means to its invoice is not written yet.
pub(super) fn change(
    database: &Connection,
    id: PaymentId,
    event: &PaymentEvent,
    now: u64,
) -> rusqlite::Result<(Option<StatusChange>, InvoiceEffect)> {
    let name = Name::of_payment(id);
    let stored = stored(database, id)?.map(|stored| {
        let has_record = event.asks_for_record() && records::exists(database, &name)?;
        Ok::<_, rusqlite::Error>(StoredPayment { has_record, ..stored })
    });
    let Decision { row, record, status, invoice } =
        rules::decide(stored.transpose()?.as_ref(), event, now);
    match row {
        RowChange::None => {},
        RowChange::Put(columns) => put(database, id, &columns)?,
        RowChange::Certainty(certainty) => set_certainty(database, id, certainty)?,
        RowChange::Prune => prune(database, id)?,
    }
    if status.is_some_and(|change| change.is_tried_again()) {
        forget_failure(database, id)?;
    }
    if let Some(record) = record {
        records::put(database, &name, &record)?;
    }
    Ok((status, invoice))
}

fn stored(database: &Connection, id: PaymentId) -> rusqlite::Result<Option<StoredPayment>> {
    let mut statement = database.prepare_cached(
        "SELECT status, direction, method, doubt, expired, payment FROM ldk_server_payments
         WHERE id = ?1",
    )?;
    let stored = statement.query_row([id.0], |row| {
        Ok(StoredPayment {
            class: class_from_row(row)?,
            certainty: row.get(3)?,
            is_pruned: row.get(4)?,
            value: row.get(5)?,
            has_record: false,
        })
    });
    stored.optional()
}

fn put(database: &Connection, id: PaymentId, columns: &PaymentColumns) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_payments (id, created_at, updated_at, direction, status, method,
             amount_msat, fee_paid_msat, payment_hash, expires_at, payment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at,
             direction = excluded.direction, status = excluded.status, method = excluded.method,
             amount_msat = excluded.amount_msat, fee_paid_msat = excluded.fee_paid_msat,
             payment_hash = excluded.payment_hash,
             expires_at = coalesce(excluded.expires_at, expires_at), expired = 0,
             payment = excluded.payment",
    )?;
    let Class { status, direction, method } = columns.class;
    let written = statement.execute(params![
        id.0,
        as_i64(columns.created_at),
        as_i64(columns.updated_at),
        direction as i32,
        status as i32,
        method as i32,
        columns.amount_msat.map(as_i64),
        columns.fee_paid_msat.map(as_i64),
        columns.payment_hash,
        columns.expires_at.map(as_i64),
        *columns.value,
    ]);
    written.map(drop)
}

fn set_certainty(
    database: &Connection,
    id: PaymentId,
    certainty: Certainty,
) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_payments SET doubt = ?1 WHERE id = ?2")?;
    statement.execute((certainty, id.0)).map(drop)
}

/// Writes down why a payment failed, if it has.
pub(super) fn set_failure(
    database: &Connection,
    id: PaymentId,
    reason: PaymentFailureReason,
) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET failure = ?1 WHERE id = ?2 AND status = ?3",
    )?;
    statement.execute(params![reason as i32, id.0, PaymentStatus::Failed as i32]).map(drop)
}

/// Changes what is noted with a payment. Returns whether there is such a payment.
pub(super) fn change_notes(
    database: &Connection,
    id: PaymentId,
    NotesChange { label, metadata: entries }: &NotesChange,
) -> rusqlite::Result<bool> {
    let metadata = entries
        .as_ref()
        .map(|entries| if entries.is_empty() { None } else { Some(metadata::encode(entries)) });
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET label = iif(?2, ?3, label), metadata = iif(?4, ?5, metadata)
         WHERE id = ?1",
    )?;
    let changed = statement.execute(params![
        id.0,
        label.is_some(),
        label.as_ref().and_then(Option::as_ref),
        metadata.is_some(),
        metadata.flatten(),
    ])?;
    Ok(changed > 0)
}

/// It is under way again.
fn forget_failure(database: &Connection, id: PaymentId) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("UPDATE ldk_server_payments SET failure = NULL WHERE id = ?1")?;
    statement.execute([id.0]).map(drop)
}

fn prune(database: &Connection, id: PaymentId) -> rusqlite::Result<()> {
    let mut statement = database
        .prepare_cached("UPDATE ldk_server_payments SET status = ?1, expired = 1 WHERE id = ?2")?;
    statement.execute(params![PaymentStatus::Failed as i32, id.0]).map(drop)
}

/// Takes over a payment from among the library's, with its time of creation.
pub(super) fn take_over(database: &Connection, key: &str, created_at: i64) -> io::Result<()> {
    let value: Option<Vec<u8>> = database
        .query_row(
            "SELECT value FROM ldk_node_data
             WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
            [PAYMENTS.0, PAYMENTS.1, key],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql_error)?;
    // The time was written before the payment, and a crash may have been between.
    let Some(value) = value else { return Ok(()) };
    // The invoices come in a later step.
    found(database, value, Some(as_u64(created_at)))?;
    Ok(())
}

/// Makes the history agree with what the library has, in case another program wrote to its table.
pub(super) fn reconcile(database: &Connection) -> io::Result<()> {
    let mut changed: u64 = 0;
    let mut differing = database
        .prepare(
            "SELECT value FROM ldk_node_data
             LEFT JOIN ldk_server_payments ON id = unhex(key)
             WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND value IS NOT payment",
        )
        .map_err(sql_error)?;
    let mut rows = differing.query([PAYMENTS.0, PAYMENTS.1]).map_err(sql_error)?;
    while let Some(row) = rows.next().map_err(sql_error)? {
        let value: Vec<u8> = row.get(0).map_err(sql_error)?;
        let written_at = read(&value)?.latest_update_timestamp;
        let (change, invoice) = found(database, value, None)?;
        invoices::follow(database, invoice, written_at).map_err(sql_error)?;
        changed += u64::from(change.is_some_and(|change| change.is_news()));
    }
    if changed > 0 {
        tracing::info!(payments = changed, "the history was brought up to date with the library");
    }
    Ok(())
}

/// Writes a record of the library's that was found at the start into the history.
fn found(
    database: &Connection,
    value: Vec<u8>,
    created_at: Option<u64>,
) -> io::Result<(Option<StatusChange>, InvoiceEffect)> {
    let details = read(&value)?;
    let (id, updated_at) = (details.id, details.latest_update_timestamp);
    let payment = WrittenPayment {
        details,
        value: Arc::new(value),
        created_at: created_at.unwrap_or(updated_at),
        expires_at: None,
        intent: None,
        notes: None,
    };
    let event = PaymentEvent::Written(Box::new(payment));
    // What was written says when.
    change(database, id, &event, updated_at).map_err(sql_error)
}

/// Reads it from the columns `status, direction, method`; `None` for what we did not write.
fn class_from_row(row: &Row<'_>) -> rusqlite::Result<Option<Class>> {
    let (status, direction, method): (i32, i32, i32) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let read = || {
        Some(Class {
            status: PaymentStatus::try_from(status).ok()?,
            direction: PaymentDirection::try_from(direction).ok()?,
            method: PaymentMethod::try_from(method).ok()?,
        })
    };
    Ok(read())
}
