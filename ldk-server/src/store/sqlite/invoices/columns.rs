//! The columns of a row.

use ldk_server_grpc::types::InvoiceKind;
use rusqlite::Row;

use super::super::{as_u64, metadata};
use crate::store::model::{InvoiceNotes, InvoiceRow, InvoiceStatus};

/// What [`invoice`] reads, of the table `i` and of `o`, the offer that was paid.
pub(super) const COLUMNS: &str = "i.number, i.created_at, i.expires_at, i.kind, i.payment_hash,
     i.offer_id, i.label, i.external_id, i.metadata, o.label, i.request_digest, i.invoice,
     i.description, i.amount_msat, i.state, i.amount_received_msat, i.paid_at, i.pay_index,
     i.payment_id";

/// The tables that [`COLUMNS`] are of. Only a receipt has an offer beside it: of several with the same
/// id, the newest.
pub(super) const TABLES: &str = "ldk_server_invoices AS i LEFT JOIN ldk_server_invoices AS o
     ON i.kind = 6 AND o.number = (
         SELECT max(number) FROM ldk_server_invoices
         WHERE offer_id = i.offer_id AND kind = 5)";

/// Reads a row with [`COLUMNS`].
pub(super) fn invoice(row: &Row<'_>) -> rusqlite::Result<InvoiceRow> {
    let number = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(as_u64));
    let metadata: Vec<u8> = row.get(8)?;
    let notes = InvoiceNotes {
        label: row.get(6)?,
        external_id: row.get(7)?,
        metadata: metadata::decode(8, &metadata)?,
    };
    Ok(InvoiceRow {
        number: as_u64(row.get(0)?),
        created_at: as_u64(row.get(1)?),
        expires_at: number(2)?,
        kind: kind(row.get(3)?)?,
        payment_hash: row.get(4)?,
        offer_id: row.get(5)?,
        notes,
        offer_label: row.get(9)?,
        request_digest: row.get(10)?,
        text: row.get(11)?,
        description: row.get(12)?,
        amount_msat: number(13)?,
        status: status(row.get(14)?)?,
        amount_received_msat: number(15)?,
        paid_at: number(16)?,
        pay_index: number(17)?,
        payment_id: row.get(18)?,
    })
}

/// The numbers of the kinds are those of the API.
pub(super) fn kind_number(kind: InvoiceKind) -> i64 {
    i64::from(kind as i32)
}

fn kind(number: i64) -> rusqlite::Result<InvoiceKind> {
    let known = i32::try_from(number).ok().and_then(|number| InvoiceKind::try_from(number).ok());
    known.ok_or(rusqlite::Error::IntegralValueOutOfRange(3, number))
}

pub(super) fn status_number(status: InvoiceStatus) -> i64 {
    match status {
        InvoiceStatus::Open => 0,
        InvoiceStatus::Held => 1,
        InvoiceStatus::Paid => 2,
        InvoiceStatus::Cancelled => 3,
    }
}

fn status(number: i64) -> rusqlite::Result<InvoiceStatus> {
    match number {
        0 => Ok(InvoiceStatus::Open),
        1 => Ok(InvoiceStatus::Held),
        2 => Ok(InvoiceStatus::Paid),
        3 => Ok(InvoiceStatus::Cancelled),
        _ => Err(rusqlite::Error::IntegralValueOutOfRange(14, number)),
    }
}
