//! Invoices that expire: when they do is known only as they are made, and is written with them.

use std::cell::Cell;
use std::marker::PhantomData;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::{PaymentDetails, PaymentDirection};

use crate::store::Store;
use crate::store::change::PaymentEvent;
use crate::store::model::Unpaid;

/// An invoice that is being made.
#[derive(Clone, Copy)]
struct Making {
    expiry_secs: u32,
    is_wanted: fn(&PaymentDetails) -> bool,
    /// Its payment was written.
    is_written: bool,
}

thread_local! {
    /// The invoice that is being made on this thread.
    static MAKING: Cell<Option<Making>> = const { Cell::new(None) };
}

/// The library has made an invoice, and its payment was not written while it did.
#[derive(Debug, thiserror::Error)]
#[error(
    "the library did not write the payment of an invoice as it made it, so the node would not know \
     when the invoice expires"
)]
pub struct NotWritten;

/// Has the library make an invoice that is valid so long. The library does not keep how long that
/// is, but writes the payment before it returns, on the same thread. An invoice whose payment is
/// written otherwise would not be known to expire, and stay; it is not to be handed out.
pub fn making_invoice<T, E>(
    expiry_secs: u32,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Result<T, E>, NotWritten> {
    making_wanted_invoice(expiry_secs, |_| true, make)
}

/// The same for an invoice that may turn out to be of no use. Then its payment does not come into the
/// history, and the library must be made to forget it.
pub fn making_wanted_invoice<T, E>(
    expiry_secs: u32,
    is_wanted: fn(&PaymentDetails) -> bool,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Result<T, E>, NotWritten> {
    let scope = InvoiceScope::enter(Making { expiry_secs, is_wanted, is_written: false });
    let made = make();
    if made.is_ok() && !scope.is_written() { Err(NotWritten) } else { Ok(made) }
}

/// Until this is dropped, an invoice is being made on this thread.
struct InvoiceScope {
    outer: Option<Making>,
    _on_this_thread: PhantomData<*const ()>,
}

impl InvoiceScope {
    fn enter(making: Making) -> Self {
        Self { outer: MAKING.replace(Some(making)), _on_this_thread: PhantomData }
    }

    fn is_written(&self) -> bool {
        MAKING.get().is_some_and(|making| making.is_written)
    }
}

impl Drop for InvoiceScope {
    fn drop(&mut self) {
        MAKING.set(self.outer);
    }
}

/// Takes note of a payment that the library writes. Tells whether it belongs into the history.
pub(super) fn is_wanted(details: &PaymentDetails) -> bool {
    let Some(making) = making(details) else { return true };
    MAKING.set(Some(Making { is_written: true, ..making }));
    (making.is_wanted)(details)
}

/// The invoice that is being made on this thread, if this is the payment it asks for.
fn making(details: &PaymentDetails) -> Option<Making> {
    MAKING.get().filter(|_| details.direction == PaymentDirection::Inbound)
}

/// When the invoice expires that is being made on this thread, if this is the payment it asks for.
pub(super) fn expires_at(details: &PaymentDetails) -> Option<u64> {
    let Making { expiry_secs, .. } = making(details)?;
    Some(details.latest_update_timestamp.saturating_add(expiry_secs.into()))
}

impl Store {
    /// Invoices that expired before this, in Unix seconds, and are not paid: those after this one, or
    /// from the first on, at most `limit`.
    pub fn expired_invoices(
        &self,
        expired_before: u64,
        after: Option<Unpaid>,
        limit: usize,
    ) -> io::Result<Vec<Unpaid>> {
        self.reads.expired_invoices(expired_before, after, limit)
    }

    /// Records that an invoice was paid after it had been pruned. The library accepts such a payment if
    /// the chain it follows stopped long ago, and has no record of it to change.
    pub fn paid_after_all(&self, id: PaymentId, amount_msat: u64) -> io::Result<()> {
        self.payment_event(id, PaymentEvent::PrunedInvoicePaid { amount_msat })
    }
}
