//! What callers note with payments.

use std::cell::RefCell;

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::{PaymentDetails, PaymentDirection};

use crate::store::Store;
use crate::store::change::{Change, Reply};
use crate::store::model::{NotesChange, PaymentNotes};
use crate::store::writer::unexpected;

thread_local! {
    /// The notes of what is being paid on this thread.
    static NOTES: RefCell<Option<NotesChange>> = const { RefCell::new(None) };
}

/// Carries out a call that pays. What it pays gets these notes, which are written together with the first
/// record of the payment, and so are on disk before anything of the payment leaves the node.
pub fn with_notes<T>(notes: &PaymentNotes, pay: impl FnOnce() -> T) -> T {
    let notes = Some(NotesChange::of_sending(notes)).filter(|notes| !notes.is_empty());
    let _scope = Scope(NOTES.replace(notes));
    pay()
}

/// The notes of the call on this thread, if the library writes what it pays.
pub(super) fn of_payment(details: &PaymentDetails) -> Option<NotesChange> {
    if details.direction == PaymentDirection::Outbound { of_call() } else { None }
}

/// The notes of the call on this thread.
pub(super) fn of_call() -> Option<NotesChange> {
    NOTES.with_borrow(Option::clone)
}

/// The notes of the call around this one, until this is dropped.
struct Scope(Option<NotesChange>);

impl Drop for Scope {
    fn drop(&mut self) {
        NOTES.set(self.0.take());
    }
}

impl Store {
    /// Changes the notes of a payment; on disk once this returns. Returns whether there is such a payment.
    pub fn change_notes(&self, payment: PaymentId, change: NotesChange) -> io::Result<bool> {
        match self.writer.write(Change::Notes { payment, change })? {
            Reply::IsChanged(is_changed) => Ok(is_changed),
            _ => Err(unexpected()),
        }
    }
}
