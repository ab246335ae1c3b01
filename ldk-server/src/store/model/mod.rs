//! The rows of the store and what they are found by. No database is known here.

mod audit;
mod database;
mod epoch;
mod events;
mod forwards;
mod intents;
mod invoices;
mod name;
mod pages;
pub(super) mod payments;
mod reservations;

use ldk_node::lightning::io;

pub(super) use crate::compat::records::PAYMENTS;
pub(super) use audit::AuditChange;
pub use audit::{AuditEntry, AuditFilter, AuditPlace, AuditResult, NewAuditEntry};
pub use database::MirrorState;
pub(super) use database::SpaceUsed;
pub use epoch::{Epoch, Lineage};
pub use events::{Ack, Digest, EventBounds, MAX_EVENT_CONSUMERS, NewEvent, Removed};
pub(super) use events::{MAX_REMOVED_AT_ONCE, RecordedEvent};
pub(super) use forwards::ForwardRow;
pub use forwards::{Forward, ForwardFilter, ForwardPlace};
pub(super) use intents::NewIntent;
pub use intents::{IntentOutcome, IntentRow, RequestDigest};
pub(super) use invoices::{InvoiceChange, InvoiceEffect, InvoiceNews, Receipt};
pub use invoices::{
    InvoiceFilter, InvoiceName, InvoiceNotes, InvoicePlace, InvoiceRow, InvoiceStatus, ListedState,
    NewInvoice,
};
pub(super) use name::{BROADCASTS, CUTS_MADE, Name, SERVER, Value, check};
pub use pages::Page;
pub(super) use payments::{
    Certainty, Class, PaymentColumns, PaymentRow, StatusChange, StoredPayment,
};
pub use payments::{NotesChange, PaymentFilter, PaymentNotes, PaymentPlace, Unpaid};
pub use reservations::{BudgetId, BudgetLimit};
pub(super) use reservations::{Purpose, Reservation, Settlement};

/// A monitor that is set aside.
pub struct QuarantinedMonitor {
    /// What the library calls it.
    pub name: String,
    /// As the library wrote it.
    pub bytes: Vec<u8>,
}

/// A record that is not what we wrote.
pub(super) fn invalid_data(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
