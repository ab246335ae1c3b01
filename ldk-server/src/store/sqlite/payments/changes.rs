//! Changes of payments that do not come with a record of the library.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::{PaymentDetails, PaymentStatus};
use ldk_server_grpc::types;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::records;
use super::{class_from_row, class_of, put};
use crate::clock::unix_secs;
use crate::compat::channel_state::Id;
use crate::store::model::payments::{is_on_its_way_out, read};
use crate::store::model::{Class, Name, PAYMENTS, StatusChange};

/// These have failed.
pub(in crate::store::sqlite) fn have_failed(
    database: &Connection,
    payments: &[Id],
) -> rusqlite::Result<Vec<StatusChange>> {
    let mut failed = Vec::new();
    for payment in payments {
        if let Ok(name) = Name::new(PAYMENTS.0, PAYMENTS.1, &hex::encode(payment)) {
            failed.extend(has_failed(database, &name, payment)?);
        }
    }
    Ok(failed)
}

/// Writes down that a payment has failed, in the library's record of it too, unless the record says
/// something else by now.
fn has_failed(
    database: &Connection,
    name: &Name,
    id: &Id,
) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement =
        database.prepare_cached("SELECT payment FROM ldk_server_payments WHERE id = ?1")?;
    let value: Option<Vec<u8>> = statement.query_row([id], |row| row.get(0)).optional()?;
    // What cannot be read was not written by us.
    let Some(Ok(details)) = value.as_deref().map(read) else { return Ok(None) };
    if !is_on_its_way_out(&details) {
        return Ok(None);
    }
    let failed = PaymentDetails {
        status: PaymentStatus::Failed,
        latest_update_timestamp: unix_secs(),
        ..details
    };
    let value = failed.encode();
    // The library may have been made to forget it.
    if records::exists(database, name)? {
        records::put(database, name, &value)?;
    }
    put(database, &failed, &value, None).map(Some)
}

/// Adds a transaction that the wallet has made, unless it is known already.
pub(in crate::store::sqlite) fn transaction_made(
    database: &Connection,
    details: &PaymentDetails,
) -> rusqlite::Result<Option<StatusChange>> {
    if class_of(database, &details.id.0)?.is_some() {
        return Ok(None);
    }
    put(database, details, &details.encode(), None).map(Some)
}

/// A transaction of the wallet that was not accepted has failed.
pub(in crate::store::sqlite) fn transaction_refused(
    database: &Connection,
    id: PaymentId,
) -> rusqlite::Result<Option<StatusChange>> {
    // If the library knows it, the library knows better.
    let is_found = match Name::new(PAYMENTS.0, PAYMENTS.1, &hex::encode(id.0)) {
        Ok(name) => records::exists(database, &name)?,
        Err(_) => return Ok(None),
    };
    let mut statement = database
        .prepare_cached("SELECT payment FROM ldk_server_payments WHERE id = ?1 AND status = 0")?;
    let value: Option<Vec<u8>> = statement.query_row([id.0], |row| row.get(0)).optional()?;
    let Some(Ok(details)) = value.filter(|_| !is_found).as_deref().map(read) else {
        return Ok(None);
    };
    let failed = PaymentDetails {
        status: PaymentStatus::Failed,
        latest_update_timestamp: unix_secs(),
        ..details
    };
    put(database, &failed, &failed.encode(), None).map(Some)
}

/// An invoice that was pruned is paid.
pub(in crate::store::sqlite) fn paid_after_all(
    database: &Connection,
    id: PaymentId,
    amount_msat: u64,
) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement = database
        .prepare_cached("SELECT payment FROM ldk_server_payments WHERE id = ?1 AND expired = 1")?;
    let value: Option<Vec<u8>> = statement.query_row([id.0], |row| row.get(0)).optional()?;
    // What cannot be read was not written by us.
    let Some(Ok(details)) = value.as_deref().map(read) else { return Ok(None) };
    let paid = PaymentDetails {
        amount_msat: Some(amount_msat),
        status: PaymentStatus::Succeeded,
        latest_update_timestamp: unix_secs(),
        ..details
    };
    put(database, &paid, &paid.encode(), None).map(Some)
}

/// Takes note that the library has removed a payment. It does that on request only, and the request
/// is about invoices that nobody can pay any more.
pub(in crate::store::sqlite) fn removed(
    database: &Connection,
    id: &[u8],
) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET status = 2, expired = 1
         WHERE id = ?1 AND status = 0 AND direction = 0
         RETURNING status, direction, method",
    )?;
    let after = statement.query_row([id], class_from_row).optional()?.flatten();
    let id = PaymentId(id.try_into().unwrap_or_default());
    Ok(after.map(|after| StatusChange {
        id,
        before: Some(Class { status: types::PaymentStatus::Pending, ..after }),
        after,
        amount_msat: 0,
        fee_paid_msat: 0,
    }))
}
