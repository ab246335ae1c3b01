//! Invoices, offers and receipts: what can be paid, and what was.
//!
//! The row of an invoice is on disk before the invoice is handed out. An invoice that is paid gets the
//! next index in the transaction in which its payment has arrived, so that the indices have no gap and
//! none is given twice, whatever happens in between.

mod log;

use ldk_node::lightning::io;

use super::Store;
use super::change::{Change, Reply};
use super::model::{
    InvoiceChange, InvoiceFilter, InvoiceName, InvoicePlace, InvoiceRow, ListedState, NewInvoice,
    Page,
};
use super::writer::unexpected;
pub use log::{InvoiceLog, Remembered};

impl Store {
    /// Adds an invoice or an offer, and returns its number; on disk once this returns. `None` if there is
    /// another with its label.
    pub fn add_invoice(&self, invoice: NewInvoice) -> io::Result<Option<u64>> {
        match self.change_invoices(InvoiceChange::Add(Box::new(invoice)))? {
            Reply::InvoiceAdded(number) => Ok(number),
            _ => Err(unexpected()),
        }
    }

    /// Notes that a payment of this hash waits to be claimed. Returns at once: that is on disk with
    /// whatever is written later.
    pub fn invoice_is_held(&self, payment_hash: [u8; 32]) {
        // What cannot be written ends the process.
        let change = Change::Invoice(InvoiceChange::Held(payment_hash));
        self.writer.submit(change, Box::new(drop));
    }

    /// Notes that nobody can pay an invoice any more; tells whether somebody could before.
    pub fn cancel_invoice(&self, number: u64) -> io::Result<bool> {
        self.is_changed(InvoiceChange::Cancel(number))
    }

    /// Removes an invoice, if it is in this state; tells whether it was. `now` is in Unix seconds.
    pub fn delete_invoice(&self, number: u64, state: ListedState, now: u64) -> io::Result<bool> {
        self.is_changed(InvoiceChange::Delete { number, state, now })
    }

    /// Removes some of those that have expired by this time, in Unix seconds; call it until none is
    /// removed. Returns how many were.
    pub fn delete_expired_invoices(&self, until: u64) -> io::Result<u64> {
        self.removed(InvoiceChange::DeleteExpired { until })
    }

    /// The same of those that were cancelled, and made before this time.
    pub fn delete_cancelled_invoices(&self, made_before: u64) -> io::Result<u64> {
        self.removed(InvoiceChange::DeleteCancelled { made_before })
    }

    /// The invoice of this name.
    pub fn invoice(&self, name: &InvoiceName) -> io::Result<Option<InvoiceRow>> {
        self.reads.invoice(name)
    }

    /// The invoices after this place, or from the newest on.
    pub fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<InvoicePlace>,
        page_size: usize,
    ) -> io::Result<Page<InvoiceRow>> {
        // One more than a page holds tells whether another follows.
        let rows = self.reads.invoices(filter, after, page_size.saturating_add(1))?;
        Ok(Page::of(rows, page_size))
    }

    /// The one that was paid first after that with this index.
    pub fn paid_after(&self, pay_index: u64) -> io::Result<Option<InvoiceRow>> {
        self.reads.paid_after(pay_index)
    }

    /// The caller's own preimage of the payment with this hash, with which the server claims it.
    pub fn own_preimage(&self, payment_hash: [u8; 32]) -> io::Result<Option<[u8; 32]>> {
        self.reads.own_preimage(payment_hash)
    }

    /// What becomes of invoices.
    pub fn invoice_log(&self) -> &InvoiceLog {
        &self.invoice_log
    }

    fn change_invoices(&self, change: InvoiceChange) -> io::Result<Reply> {
        self.writer.write(Change::Invoice(change))
    }

    fn is_changed(&self, change: InvoiceChange) -> io::Result<bool> {
        match self.change_invoices(change)? {
            Reply::IsChanged(is_changed) => Ok(is_changed),
            // There is none.
            _ => Ok(false),
        }
    }

    fn removed(&self, change: InvoiceChange) -> io::Result<u64> {
        match self.change_invoices(change)? {
            Reply::InvoicesRemoved(removed) => Ok(removed),
            _ => Err(unexpected()),
        }
    }
}
