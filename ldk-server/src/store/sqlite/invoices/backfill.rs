//! The invoices of a database that is older than their table, from the history of payments.

use ldk_node::lightning::io;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::{InvoiceKind, PaymentDirection, PaymentMethod, PaymentStatus};
use rusqlite::{Connection, Row, params};

use super::super::sql_error;
use super::columns::{kind_number, status_number};
use crate::store::model::InvoiceStatus;
use crate::store::model::payments::read;
use crate::wire::payment::payment_hash;

/// A payment of the history.
struct Old {
    id: [u8; 32],
    created_at: i64,
    updated_at: i64,
    status: i32,
    is_pruned: bool,
    expires_at: Option<i64>,
    payment: Vec<u8>,
}

/// Adds a row for each payment to this node. The texts of the invoices are not known. Those that were
/// paid are numbered in the order of time.
pub(in crate::store::sqlite) fn backfill(database: &Connection) -> io::Result<()> {
    let mut inbound = database
        .prepare(
            "SELECT id, created_at, updated_at, status, expired, expires_at, payment
             FROM ldk_server_payments WHERE direction = ?1 AND method <> ?2
             ORDER BY created_at, rowid",
        )
        .map_err(sql_error)?;
    let which = (PaymentDirection::Inbound as i32, PaymentMethod::Onchain as i32);
    let mut rows = inbound.query(which).map_err(sql_error)?;
    while let Some(row) = rows.next().map_err(sql_error)? {
        let old = old(row).map_err(sql_error)?;
        let details = read(&old.payment)?;
        add(database, &old, &details).map_err(sql_error)?;
    }
    number_paid(database).map_err(sql_error)
}

fn old(row: &Row<'_>) -> rusqlite::Result<Old> {
    Ok(Old {
        id: row.get(0)?,
        created_at: row.get(1)?,
        updated_at: row.get(2)?,
        status: row.get(3)?,
        is_pruned: row.get(4)?,
        expires_at: row.get(5)?,
        payment: row.get(6)?,
    })
}

fn add(database: &Connection, old: &Old, details: &PaymentDetails) -> rusqlite::Result<()> {
    let is_paid = old.status == PaymentStatus::Succeeded as i32;
    let has_failed = old.status == PaymentStatus::Failed as i32;
    let status = match (is_paid, has_failed && !old.is_pruned) {
        (true, _) => InvoiceStatus::Paid,
        (_, true) => InvoiceStatus::Cancelled,
        _ => InvoiceStatus::Open,
    };
    // Versions before did not write down when each invoice expires, but this one has.
    let expires_at = old.expires_at.or(old.is_pruned.then_some(old.updated_at));
    let (kind, offer_id) = kind_of(details, is_paid);
    let is_invoice =
        [InvoiceKind::Bolt11, InvoiceKind::Bolt11ForHash, InvoiceKind::Bolt11Jit].contains(&kind);
    if !is_paid && !is_invoice {
        return Ok(());
    }
    let amount_msat = details.amount_msat.map(super::as_i64);
    database
        .prepare_cached(
            "INSERT INTO ldk_server_invoices (created_at, expires_at, kind, payment_hash, offer_id,
                 metadata, invoice, description, amount_msat, state, amount_received_msat, paid_at,
                 payment_id)
             VALUES (?1, ?2, ?3, ?4, ?5, x'', '', '', ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            old.created_at,
            expires_at.filter(|_| is_invoice),
            kind_number(kind),
            payment_hash(&details.kind).map(|hash| hash.0),
            offer_id,
            // What a paid invoice asked for is not known.
            amount_msat.filter(|_| !is_paid),
            status_number(status),
            amount_msat.filter(|_| is_paid),
            is_paid.then_some(old.updated_at),
            is_paid.then_some(old.id),
        ])
        .map(drop)
}

/// That the caller kept the preimage of an invoice shows only until it is paid.
fn kind_of(details: &PaymentDetails, is_paid: bool) -> (InvoiceKind, Option<[u8; 32]>) {
    match &details.kind {
        PaymentKind::Bolt11 { preimage: None, .. } if !is_paid => {
            (InvoiceKind::Bolt11ForHash, None)
        },
        PaymentKind::Bolt11Jit { .. } => (InvoiceKind::Bolt11Jit, None),
        PaymentKind::Bolt12Offer { offer_id, .. } => (InvoiceKind::OfferReceipt, Some(offer_id.0)),
        PaymentKind::Bolt12Refund { .. } => (InvoiceKind::RefundReceipt, None),
        PaymentKind::Spontaneous { .. } => (InvoiceKind::KeysendReceipt, None),
        PaymentKind::Bolt11 { .. } | PaymentKind::Onchain { .. } => (InvoiceKind::Bolt11, None),
    }
}

fn number_paid(database: &Connection) -> rusqlite::Result<()> {
    database.execute_batch(
        "UPDATE ldk_server_invoices SET pay_index = ranked.place
         FROM (SELECT number AS of, row_number() OVER (ORDER BY paid_at, number) AS place
               FROM ldk_server_invoices WHERE state = 2) AS ranked
         WHERE ranked.of = number;
         UPDATE ldk_server_invoice_state SET last_pay_index =
             (SELECT count(*) FROM ldk_server_invoices WHERE state = 2);",
    )
}
