//! The table of payments.

mod certainty;
mod changes;
mod list;

use ldk_node::lightning::io;
use ldk_node::payment::PaymentDirection::Outbound;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::{PaymentDirection, PaymentMethod, PaymentStatus};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(super) use certainty::{doubt_pending, give_up};
pub(super) use changes::{
    have_failed, paid_after_all, removed, transaction_made, transaction_refused,
};
pub(super) use list::{
    classes, current, expired, find, on_their_way_out, page, transactions_not_found,
};

use super::{as_i64, sql_error};
use crate::store::model::payments::read;
use crate::store::model::{Class, PAYMENTS, StatusChange};
use crate::wire::payment as wire;

/// Writes a payment into the history. If it is an invoice that is being made, it expires then.
pub(in crate::store::sqlite) fn put(
    database: &Connection,
    details: &PaymentDetails,
    value: &[u8],
    expires_at: Option<u64>,
) -> rusqlite::Result<StatusChange> {
    let created_at = as_i64(details.latest_update_timestamp);
    put_created(database, details, value, created_at, expires_at)
}

/// Writes a payment into the history; this is its time of creation unless it is there.
fn put_created(
    database: &Connection,
    details: &PaymentDetails,
    value: &[u8],
    created_at: i64,
    expires_at: Option<u64>,
) -> rusqlite::Result<StatusChange> {
    let PaymentDetails {
        id,
        kind,
        amount_msat,
        fee_paid_msat,
        direction,
        status,
        latest_update_timestamp,
    } = details;
    let before = class_of(database, &id.0)?;
    let after = Class {
        status: wire::payment_status(*status),
        direction: wire::payment_direction(*direction),
        method: wire::payment_method(kind),
    };
    let became = |status| StatusChange {
        id: *id,
        before,
        after: Class { status, ..after },
        amount_msat: amount_msat.unwrap_or(0),
        fee_paid_msat: fee_paid_msat.unwrap_or(0),
    };
    let statuses = (before.map(|before| before.status), after.status);
    // The library writes that a payment was sent when it may have arrived already, over that it has.
    let is_sent = *direction == Outbound && !matches!(kind, PaymentKind::Onchain { .. });
    if is_sent && statuses == (Some(PaymentStatus::Succeeded), PaymentStatus::Pending) {
        return Ok(became(PaymentStatus::Succeeded));
    }
    let fails = statuses == (Some(PaymentStatus::Pending), PaymentStatus::Failed);
    if fails && certainty::is_doubted(database, &id.0)? {
        return Ok(became(PaymentStatus::Pending));
    }
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
    statement.execute(params![
        id.0,
        created_at,
        as_i64(*latest_update_timestamp),
        after.direction as i32,
        after.status as i32,
        after.method as i32,
        amount_msat.map(as_i64),
        fee_paid_msat.map(as_i64),
        wire::payment_hash(kind).map(|hash| hash.0),
        expires_at.map(as_i64),
        value,
    ])?;
    Ok(became(after.status))
}

/// Takes over a payment from among the library's, with its time of creation.
pub(in crate::store::sqlite) fn take_over(
    database: &Connection,
    key: &str,
    created_at: i64,
) -> io::Result<()> {
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
    put_created(database, &read(&value)?, &value, created_at, None).map_err(sql_error)?;
    Ok(())
}

/// Makes the history agree with what the library has, in case another program wrote to its table.
pub(in crate::store::sqlite) fn reconcile(database: &Connection) -> io::Result<()> {
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
        let change = put(database, &read(&value)?, &value, None).map_err(sql_error)?;
        changed += u64::from(change.is_news());
    }
    if changed > 0 {
        tracing::info!(
            "{changed} payments were added to the history, or have another status in it"
        );
    }
    Ok(())
}

fn class_of(database: &Connection, id: &[u8]) -> rusqlite::Result<Option<Class>> {
    let mut statement = database.prepare_cached(
        "SELECT status, direction, method FROM ldk_server_payments WHERE id = ?1",
    )?;
    Ok(statement.query_row([id], class_from_row).optional()?.flatten())
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
