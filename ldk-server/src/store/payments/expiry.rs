//! Invoices that expire: when they do is known only as they are made, and is written with them.

use std::cell::Cell;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentStatus};
use ldk_server_grpc::types;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::counts::Class;
use super::{StatusChange, put, read};
use crate::clock::unix_secs;
use crate::store::{Store, as_i64};

/// An invoice that is being made.
#[derive(Clone, Copy)]
struct Making {
    expiry_secs: u32,
    is_wanted: fn(&PaymentDetails) -> bool,
}

thread_local! {
    /// The invoice that is being made on this thread.
    static MAKING: Cell<Option<Making>> = const { Cell::new(None) };
}

/// An invoice that is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpaid {
    /// When it expires, in Unix seconds.
    pub expires_at: i64,
    /// The row it is in, by which those of one second are in order.
    row: i64,
    /// The payment that it asks for.
    pub id: PaymentId,
}

/// Has the library make an invoice that is valid so long. The library does not keep how long that
/// is, but writes the payment before it returns, on the same thread. An invoice whose payment were
/// written otherwise would not be known to expire, and stay.
pub fn making_invoice<T>(expiry_secs: u32, make: impl FnOnce() -> T) -> T {
    making_wanted_invoice(expiry_secs, |_| true, make)
}

/// The same for an invoice that may turn out to be of no use. Then its payment does not come into the
/// history, and the library must be made to forget it.
pub fn making_wanted_invoice<T>(
    expiry_secs: u32,
    is_wanted: fn(&PaymentDetails) -> bool,
    make: impl FnOnce() -> T,
) -> T {
    MAKING.set(Some(Making { expiry_secs, is_wanted }));
    let made = make();
    MAKING.set(None);
    made
}

/// Whether a payment that the library writes belongs into the history.
pub(in crate::store) fn is_wanted(details: &PaymentDetails) -> bool {
    making(details).is_none_or(|making| (making.is_wanted)(details))
}

/// The invoice that is being made on this thread, if this is the payment it asks for.
fn making(details: &PaymentDetails) -> Option<Making> {
    MAKING.get().filter(|_| details.direction == PaymentDirection::Inbound)
}

/// When the invoice expires that is being made on this thread, if this is the payment it asks for.
pub(in crate::store) fn expires_at(details: &PaymentDetails) -> Option<u64> {
    let Making { expiry_secs, .. } = making(details)?;
    Some(details.latest_update_timestamp.saturating_add(expiry_secs.into()))
}

pub(super) const EXPIRED: &str = "SELECT expires_at, rowid, id FROM ldk_server_payments
     INDEXED BY ldk_server_payments_unpaid
     WHERE expires_at IS NOT NULL AND status = 0
         AND expires_at < ?1 AND (expires_at, rowid) > (?2, ?3)
     ORDER BY expires_at, rowid LIMIT ?4";

impl Store {
    /// Invoices that expired before this, in Unix seconds, and are not paid: those after this one, or
    /// from the first on, at most `limit`.
    pub fn expired_invoices(
        &self,
        expired_before: u64,
        after: Option<Unpaid>,
        limit: usize,
    ) -> io::Result<Vec<Unpaid>> {
        let after = after.map_or((0, 0), |last| (last.expires_at, last.row));
        self.readers.read(|database| {
            let mut statement = database.prepare_cached(EXPIRED)?;
            let values = params![as_i64(expired_before), after.0, after.1, as_i64(limit as u64)];
            let rows = statement.query_map(values, |row| {
                let id = PaymentId(row.get(2)?);
                Ok(Unpaid { expires_at: row.get(0)?, row: row.get(1)?, id })
            })?;
            rows.collect()
        })
    }
}

impl Store {
    /// Takes note that an invoice was paid which had been put away. The library takes such a payment
    /// if the chain it sees has stopped long ago, and has no record of it to change.
    pub fn paid_after_all(&self, id: PaymentId, amount_msat: u64) -> io::Result<()> {
        self.change_payment(move |database| paid_after_all(database, id, amount_msat))
    }
}

fn paid_after_all(
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
pub(in crate::store) fn removed(
    database: &Connection,
    id: &[u8],
) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET status = 2, expired = 1
         WHERE id = ?1 AND status = 0 AND direction = 0
         RETURNING status, direction, method",
    )?;
    let after = statement.query_row([id], Class::from_row).optional()?.flatten();
    Ok(after.map(|after| StatusChange {
        before: Some(Class { status: types::PaymentStatus::Pending, ..after }),
        after,
        amount_msat: 0,
        fee_paid_msat: 0,
    }))
}
