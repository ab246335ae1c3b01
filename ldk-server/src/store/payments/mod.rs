//! The history of payments: a row for each that the library ever wrote, made and changed in the
//! transaction of that write. A payment that the library has forgotten stays in the history.

mod counts;
mod expiry;
mod list;
mod made;
mod metrics;
mod noted;
mod notes;
pub(super) mod rules;

use std::sync::Arc;

use hex::FromHex as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::change::{Change, Meaning, PaymentEvent, WrittenPayment};
use super::model::payments::read;
use super::{Store, intents};
pub(super) use counts::Counts;
pub use counts::PaymentCounts;
pub use expiry::{NotWritten, making_invoice, making_wanted_invoice};
pub use made::payment_id;
pub use noted::noting_payment;
pub use notes::with_notes;

/// What it means to the history that the library writes a payment like this.
pub(super) fn meaning(value: &Arc<Vec<u8>>) -> io::Result<Meaning> {
    let details = read(value)?;
    noted::note(&details);
    if !expiry::is_wanted(&details) {
        return Ok(Meaning::None);
    }
    let (id, expires_at) = (details.id, expiry::expires_at(&details));
    let (intent, notes) = (intents::came_to_payment(&details), notes::of_payment(&details));
    let payment = WrittenPayment {
        created_at: details.latest_update_timestamp,
        details,
        value: Arc::clone(value),
        expires_at,
        intent,
        notes,
    };
    Ok(Meaning::Payment(Box::new((id, PaymentEvent::Written(Box::new(payment))))))
}

/// What it means to the history that the library removes its record of a payment.
pub(super) fn meaning_of_removal(key: &str) -> Meaning {
    match <[u8; 32]>::from_hex(key) {
        Ok(id) => Meaning::Payment(Box::new((PaymentId(id), PaymentEvent::Removed))),
        Err(_) => Meaning::None,
    }
}

impl Store {
    /// Writes down what has happened to a payment; on disk once this returns.
    fn payment_event(&self, id: PaymentId, event: PaymentEvent) -> io::Result<()> {
        self.writer.write(Change::Payments(vec![(id, event)])).map(drop)
    }
}
