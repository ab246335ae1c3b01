//! The table of invoices, offers and receipts.

mod backfill;
mod columns;
mod list;

use std::sync::Arc;

use ldk_server_grpc::types::InvoiceKind;
use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) use backfill::backfill;
use columns::{kind_number, status_number};
pub(super) use list::{find, last_pay_index, own_preimage, page, paid_after};

use super::{as_i64, as_u64, metadata};
use crate::store::change::{Outcome, Reply};
use crate::store::model::{
    InvoiceChange, InvoiceEffect, InvoiceName, InvoiceNews, InvoiceNotes, InvoiceStatus,
    ListedState, MAX_REMOVED_AT_ONCE, NewInvoice, Receipt,
};

/// Makes a change.
pub(super) fn make(database: &Connection, change: InvoiceChange) -> rusqlite::Result<Outcome> {
    match change {
        InvoiceChange::Add(invoice) => {
            add(database, &invoice).map(Reply::InvoiceAdded).map(Outcome::from)
        },
        InvoiceChange::Held(hash) => hold(database, hash),
        InvoiceChange::Cancel(number) => cancel(database, Some(number)),
        InvoiceChange::Delete { number, state, now } => delete(database, number, state, now),
        InvoiceChange::DeleteExpired { until } => {
            remove(database, "state = 0 AND expires_at <= ?1", "expires_at", until)
        },
        InvoiceChange::DeleteCancelled { made_before } => {
            remove(database, "state = 3 AND created_at < ?1", "created_at", made_before)
        },
    }
}

/// Writes down what a change of a payment means to its invoice.
pub(super) fn follow(
    database: &Connection,
    effect: InvoiceEffect,
    now: u64,
) -> rusqlite::Result<Vec<InvoiceNews>> {
    match effect {
        InvoiceEffect::None => Ok(Vec::new()),
        InvoiceEffect::Received(receipt) => received(database, &receipt, now),
        InvoiceEffect::Failed(hash) => {
            // The library takes payments of other invoices even if one has failed.
            let number = with_hash(database, hash)?.filter(|(_, kind)| {
                [InvoiceKind::Bolt11ForHash, InvoiceKind::Bolt11WithPreimage].contains(kind)
            });
            Ok(cancel(database, number.map(|(number, _)| number))?.invoices)
        },
    }
}

fn add(database: &Connection, invoice: &NewInvoice) -> rusqlite::Result<Option<u64>> {
    let InvoiceNotes { label, external_id, metadata: entries } = &invoice.notes;
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_invoices (created_at, expires_at, kind, payment_hash, offer_id,
             label, external_id, metadata, request_digest, invoice, description, amount_msat, state,
             preimage)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13)
         ON CONFLICT (label) WHERE label IS NOT NULL DO NOTHING RETURNING number",
    )?;
    let number = statement.query_row(
        params![
            as_i64(invoice.created_at),
            invoice.expires_at.map(as_i64),
            kind_number(invoice.kind),
            invoice.payment_hash,
            invoice.offer_id,
            label,
            external_id,
            metadata::encode(entries),
            invoice.request_digest,
            invoice.text,
            invoice.description,
            invoice.amount_msat.map(as_i64),
            invoice.preimage,
        ],
        |row| row.get(0).map(as_u64),
    );
    number.optional()
}

/// The invoice with this hash, and what it is.
fn with_hash(
    database: &Connection,
    hash: [u8; 32],
) -> rusqlite::Result<Option<(u64, InvoiceKind)>> {
    let invoice = find(database, &InvoiceName::PaymentHash(hash))?;
    Ok(invoice.map(|invoice| (invoice.number, invoice.kind)))
}

/// A payment waits to be claimed.
fn hold(database: &Connection, hash: [u8; 32]) -> rusqlite::Result<Outcome> {
    let Some((number, _)) = with_hash(database, hash)? else { return Ok(Outcome::default()) };
    let changed = database
        .prepare_cached("UPDATE ldk_server_invoices SET state = 1 WHERE number = ?1 AND state = 0")?
        .execute([as_i64(number)])?;
    changed_invoice(database, number, changed > 0)
}

/// Nobody can pay it any more, so that its preimage is of no use.
fn cancel(database: &Connection, number: Option<u64>) -> rusqlite::Result<Outcome> {
    let Some(number) = number else { return Ok(Outcome::default()) };
    let changed = database
        .prepare_cached(
            "UPDATE ldk_server_invoices SET state = 3, preimage = NULL
             WHERE number = ?1 AND state IN (0, 1)",
        )?
        .execute([as_i64(number)])?;
    changed_invoice(database, number, changed > 0)
}

fn changed_invoice(
    database: &Connection,
    number: u64,
    is_changed: bool,
) -> rusqlite::Result<Outcome> {
    let reply = Reply::IsChanged(is_changed);
    let row = if is_changed { find(database, &InvoiceName::Number(number))? } else { None };
    let invoices = row.into_iter().map(|row| InvoiceNews::Changed(Arc::new(row))).collect();
    Ok(Outcome { invoices, ..Outcome::from(reply) })
}

/// A payment has arrived: it gets the next index, and its invoice or a receipt of its own has it.
fn received(
    database: &Connection,
    receipt: &Receipt,
    now: u64,
) -> rusqlite::Result<Vec<InvoiceNews>> {
    let of_hash = |hash| find(database, &InvoiceName::PaymentHash(hash));
    let number = match receipt.payment_hash.map(of_hash).transpose()?.flatten() {
        // The library has told of it before.
        Some(invoice) if invoice.status == InvoiceStatus::Paid => return Ok(Vec::new()),
        Some(invoice) => invoice.number,
        None => add_receipt(database, receipt, now)?,
    };
    set_paid(database, number, receipt, now)?;
    let mut news = changed_invoice(database, number, true)?.invoices;
    if let Some(offer_id) = receipt.offer_id {
        news.extend(add_to_offer(database, offer_id, receipt.amount_msat)?);
    }
    Ok(news)
}

fn add_receipt(database: &Connection, receipt: &Receipt, now: u64) -> rusqlite::Result<u64> {
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_invoices
             (created_at, kind, payment_hash, offer_id, metadata, invoice, description, state)
         VALUES (?1, ?2, ?3, ?4, x'', '', '', 0) RETURNING number",
    )?;
    let Receipt { kind, payment_hash, offer_id, .. } = *receipt;
    statement.query_row(params![as_i64(now), kind_number(kind), payment_hash, offer_id], |row| {
        row.get(0).map(as_u64)
    })
}

fn set_paid(
    database: &Connection,
    number: u64,
    receipt: &Receipt,
    now: u64,
) -> rusqlite::Result<()> {
    let mut next = database.prepare_cached(
        "UPDATE ldk_server_invoice_state SET last_pay_index = last_pay_index + 1
         RETURNING last_pay_index",
    )?;
    let pay_index: i64 = next.query_row([], |row| row.get(0))?;
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_invoices SET state = 2, amount_received_msat = ?2, paid_at = ?3,
             pay_index = ?4, payment_id = ?5 WHERE number = ?1",
    )?;
    let amount_msat = as_i64(receipt.amount_msat);
    let paid = params![as_i64(number), amount_msat, as_i64(now), pay_index, receipt.payment_id];
    statement.execute(paid).map(drop)
}

/// Counts what an offer has brought in.
fn add_to_offer(
    database: &Connection,
    offer_id: [u8; 32],
    amount_msat: u64,
) -> rusqlite::Result<Vec<InvoiceNews>> {
    let Some(offer) = find(database, &InvoiceName::OfferId(offer_id))? else {
        return Ok(Vec::new());
    };
    let total_msat = offer.amount_received_msat.unwrap_or(0).saturating_add(amount_msat);
    database
        .prepare_cached(
            "UPDATE ldk_server_invoices SET amount_received_msat = ?2 WHERE number = ?1",
        )?
        .execute([as_i64(offer.number), as_i64(total_msat)])?;
    Ok(changed_invoice(database, offer.number, true)?.invoices)
}

fn delete(
    database: &Connection,
    number: u64,
    state: ListedState,
    now: u64,
) -> rusqlite::Result<Outcome> {
    let deleted = match state {
        ListedState::Stored(status) => database
            .prepare_cached("DELETE FROM ldk_server_invoices WHERE number = ?1 AND state = ?2")?
            .execute([as_i64(number), status_number(status)])?,
        ListedState::Expired => database
            .prepare_cached(
                "DELETE FROM ldk_server_invoices
                 WHERE number = ?1 AND state = 0 AND expires_at <= ?2",
            )?
            .execute([as_i64(number), as_i64(now)])?,
    };
    let deleted = deleted > 0;
    let invoices = deleted.then_some(InvoiceNews::Deleted(number)).into_iter().collect();
    Ok(Outcome { invoices, ..Outcome::from(Reply::IsChanged(deleted)) })
}

/// Removes some of those that fulfil the condition, the oldest first.
fn remove(
    database: &Connection,
    condition: &str,
    order: &str,
    time: u64,
) -> rusqlite::Result<Outcome> {
    let mut statement = database.prepare_cached(&format!(
        "DELETE FROM ldk_server_invoices WHERE number IN (
             SELECT number FROM ldk_server_invoices WHERE {condition} ORDER BY {order} LIMIT ?2
         ) RETURNING number"
    ))?;
    let numbers = statement
        .query_map([as_i64(time), as_i64(MAX_REMOVED_AT_ONCE)], |row| row.get(0).map(as_u64))?;
    let invoices: Vec<_> =
        numbers.map(|number| number.map(InvoiceNews::Deleted)).collect::<Result<_, _>>()?;
    let reply = Reply::InvoicesRemoved(invoices.len() as u64);
    Ok(Outcome { invoices, ..Outcome::from(reply) })
}

#[cfg(test)]
mod tests;
