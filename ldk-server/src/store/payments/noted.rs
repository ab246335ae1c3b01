//! Payments from us whose id the library keeps to itself.

use std::cell::Cell;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::{PaymentDetails, PaymentDirection};

thread_local! {
    /// Whether the next payment is to be noted that the library writes on this thread, and its id once it is.
    static NOTED: Cell<Noted> = const { Cell::new(Noted::Off) };
}

#[derive(Clone, Copy)]
enum Noted {
    Off,
    Waiting,
    Payment(PaymentId),
}

/// Has the library begin a payment from us. Also returns the id of the payment, if the library has
/// written its record meanwhile, on this thread.
pub fn noting_payment<T>(begin: impl FnOnce() -> T) -> (T, Option<PaymentId>) {
    let scope = Scope(NOTED.replace(Noted::Waiting));
    let begun = begin();
    let id = match NOTED.get() {
        Noted::Payment(id) => Some(id),
        Noted::Off | Noted::Waiting => None,
    };
    drop(scope);
    (begun, id)
}

/// Notes a payment that the library writes.
pub(super) fn note(details: &PaymentDetails) {
    if details.direction == PaymentDirection::Outbound && matches!(NOTED.get(), Noted::Waiting) {
        NOTED.set(Noted::Payment(details.id));
    }
}

/// What was noted before, until this is dropped.
struct Scope(Noted);

impl Drop for Scope {
    fn drop(&mut self) {
        NOTED.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_node::payment::{PaymentKind, PaymentStatus};

    use super::*;

    fn written(id: u8, direction: PaymentDirection) {
        let kind = PaymentKind::Spontaneous { hash: PaymentHash([id; 32]), preimage: None };
        let id = PaymentId([id; 32]);
        note(&PaymentDetails {
            id,
            kind,
            amount_msat: Some(1),
            fee_paid_msat: None,
            direction,
            status: PaymentStatus::Pending,
            latest_update_timestamp: 1,
        });
    }

    #[test]
    fn the_first_payment_from_us_is_noted() {
        let (done, id) = noting_payment(|| {
            written(1, PaymentDirection::Inbound);
            written(2, PaymentDirection::Outbound);
            written(3, PaymentDirection::Outbound);
            "done"
        });
        assert_eq!((done, id), ("done", Some(PaymentId([2; 32]))));
    }

    #[test]
    fn nothing_else_is_noted() {
        written(1, PaymentDirection::Outbound);
        assert_eq!(noting_payment(|| written(2, PaymentDirection::Inbound)).1, None);
        written(3, PaymentDirection::Outbound);
        assert_eq!(noting_payment(|| ()).1, None);
    }
}
