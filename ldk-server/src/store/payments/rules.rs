//! The rules of the history: what becomes of a payment by what happens to it. A backend looks a payment
//! up, asks [`decide`], and writes what that answers, within one transaction.

use std::sync::Arc;

use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::payment::PaymentDirection::Outbound;
use ldk_node::payment::{PaymentDetails, PaymentKind, PaymentStatus as LibraryStatus};
use ldk_server_grpc::types::{InvoiceKind, PaymentDirection, PaymentStatus};

use crate::store::change::{PaymentEvent, WrittenPayment};
use crate::store::model::payments::{is_on_its_way_out, read};
use crate::store::model::{
    Certainty, Class, InvoiceEffect, PaymentColumns, Receipt, StatusChange, StoredPayment,
};
use crate::wire::payment as wire;

/// What to write after an event.
#[derive(Default)]
pub(in crate::store) struct Decision {
    /// In the history.
    pub(in crate::store) row: RowChange,
    /// As the library's record of the payment.
    pub(in crate::store) record: Option<Vec<u8>>,
    /// What to count.
    pub(in crate::store) status: Option<StatusChange>,
    /// In the invoice that asks for it.
    pub(in crate::store) invoice: InvoiceEffect,
}

/// What to do with the row of a payment.
#[derive(Default)]
pub(in crate::store) enum RowChange {
    /// It stays as it is.
    #[default]
    None,
    /// It gets these columns. A row that is there keeps its time of creation and its certainty, and
    /// its time of expiry unless there is another; it is not pruned any more.
    Put(Box<PaymentColumns>),
    /// It gets this certainty.
    Certainty(Certainty),
    /// It gets the status failed, and is pruned.
    Prune,
}

/// Decides what to write after an event of the payment that is stored like this, if it is. `now` is in
/// Unix seconds.
pub(in crate::store) fn decide(
    stored: Option<&StoredPayment>,
    event: &PaymentEvent,
    now: u64,
) -> Decision {
    match event {
        PaymentEvent::Written(payment) => written(stored, payment),
        PaymentEvent::TransactionMade(made) => transaction_made(stored, &made.details),
        PaymentEvent::NotSent => stored.map(|stored| not_sent(stored, now)).unwrap_or_default(),
        PaymentEvent::TransactionRefused => {
            stored.map(|stored| transaction_refused(stored, now)).unwrap_or_default()
        },
        PaymentEvent::PrunedInvoicePaid { amount_msat } => {
            stored.map(|stored| pruned_invoice_paid(stored, *amount_msat, now)).unwrap_or_default()
        },
        PaymentEvent::Removed => stored.map(removed).unwrap_or_default(),
        PaymentEvent::StateOutdated => stored.map(state_outdated).unwrap_or_default(),
        PaymentEvent::OutcomeUnknown => Decision::certainty(Certainty::GivenUp),
    }
}

impl Decision {
    fn certainty(certainty: Certainty) -> Self {
        Self { row: RowChange::Certainty(certainty), ..Self::default() }
    }
}

/// The library has written the payment.
fn written(stored: Option<&StoredPayment>, payment: &WrittenPayment) -> Decision {
    let WrittenPayment { details, .. } = payment;
    let (before, after) = (stored.and_then(|stored| stored.class), class_of(details));
    let became = |status| {
        Some(StatusChange {
            before,
            after: Class { status, ..after },
            amount_msat: details.amount_msat.unwrap_or(0),
            fee_paid_msat: details.fee_paid_msat.unwrap_or(0),
        })
    };
    let statuses = (before.map(|before| before.status), after.status);
    // The library writes that a payment was sent when it may have arrived already, over that it has.
    let is_lightning = !matches!(details.kind, PaymentKind::Onchain { .. });
    let is_sent = details.direction == Outbound && is_lightning;
    if is_sent && statuses == (Some(PaymentStatus::Succeeded), PaymentStatus::Pending) {
        return Decision { status: became(PaymentStatus::Succeeded), ..Decision::default() };
    }
    let fails = statuses == (Some(PaymentStatus::Pending), PaymentStatus::Failed);
    if fails && stored.is_some_and(|stored| stored.certainty != Certainty::Known) {
        let status = became(PaymentStatus::Pending);
        return Decision { status, ..Decision::certainty(Certainty::GivenUp) };
    }
    let row = RowChange::Put(Box::new(columns(payment, after)));
    let invoice = invoice_effect(details, before);
    Decision { row, status: became(after.status), record: None, invoice }
}

/// What it means to its invoice that a payment has become like this. It arrives once.
fn invoice_effect(details: &PaymentDetails, before: Option<Class>) -> InvoiceEffect {
    let status = wire::payment_status(details.status);
    let is_news = before.map(|before| before.status) != Some(status);
    if details.direction == Outbound || !is_news {
        return InvoiceEffect::None;
    }
    let hash = wire::payment_hash(&details.kind).map(|hash| hash.0);
    match status {
        PaymentStatus::Pending => InvoiceEffect::None,
        PaymentStatus::Failed => hash.map_or(InvoiceEffect::None, InvoiceEffect::Failed),
        PaymentStatus::Succeeded => receipt_of(details, hash),
    }
}

fn receipt_of(details: &PaymentDetails, payment_hash: Option<[u8; 32]>) -> InvoiceEffect {
    let (kind, offer_id) = match &details.kind {
        PaymentKind::Onchain { .. } => return InvoiceEffect::None,
        PaymentKind::Bolt11 { .. } => (InvoiceKind::Bolt11, None),
        PaymentKind::Bolt11Jit { .. } => (InvoiceKind::Bolt11Jit, None),
        PaymentKind::Bolt12Offer { offer_id, .. } => (InvoiceKind::OfferReceipt, Some(offer_id.0)),
        PaymentKind::Bolt12Refund { .. } => (InvoiceKind::RefundReceipt, None),
        PaymentKind::Spontaneous { .. } => (InvoiceKind::KeysendReceipt, None),
    };
    let (payment_id, amount_msat) = (details.id.0, details.amount_msat.unwrap_or(0));
    InvoiceEffect::Received(Receipt { kind, payment_id, payment_hash, offer_id, amount_msat })
}

/// The payment has not left the node. Nothing changes if the record says something else by now.
fn not_sent(stored: &StoredPayment, now: u64) -> Decision {
    // What cannot be read was not written by us.
    let Some(details) = stored.details().filter(is_on_its_way_out) else {
        return Decision::default();
    };
    let failed = with_status(details, LibraryStatus::Failed, now);
    let value = failed.encode();
    let decision = written(Some(stored), &of_ours(failed, value.clone()));
    // The library may have been made to forget it.
    Decision { record: stored.has_record.then_some(value), ..decision }
}

/// The wallet has made a transaction; nothing changes if it is known already.
fn transaction_made(stored: Option<&StoredPayment>, details: &PaymentDetails) -> Decision {
    if stored.is_some_and(|stored| stored.class.is_some()) {
        return Decision::default();
    }
    written(stored, &of_ours(details.clone(), details.encode()))
}

/// A transaction of the wallet was not accepted. If the library knows it, the library knows better.
fn transaction_refused(stored: &StoredPayment, now: u64) -> Decision {
    let details = stored.details().filter(|_| stored.is_pending() && !stored.has_record);
    ended(stored, details.map(|details| with_status(details, LibraryStatus::Failed, now)))
}

/// An invoice was paid although it had been pruned.
fn pruned_invoice_paid(stored: &StoredPayment, amount_msat: u64, now: u64) -> Decision {
    let details = stored.details().filter(|_| stored.is_pruned);
    let paid = details.map(|details| PaymentDetails {
        amount_msat: Some(amount_msat),
        ..with_status(details, LibraryStatus::Succeeded, now)
    });
    ended(stored, paid)
}

/// The library has removed its record. It does that on request only, and the request is about invoices
/// that nobody can pay any more.
fn removed(stored: &StoredPayment) -> Decision {
    let pending = stored.class.filter(|class| {
        class.status == PaymentStatus::Pending && class.direction == PaymentDirection::Inbound
    });
    let Some(before) = pending else { return Decision::default() };
    let status = StatusChange {
        before: Some(before),
        after: Class { status: PaymentStatus::Failed, ..before },
        amount_msat: 0,
        fee_paid_msat: 0,
    };
    Decision { row: RowChange::Prune, status: Some(status), ..Decision::default() }
}

/// The state of a channel was lost, so that a failure of what is on its way is not to be believed.
fn state_outdated(stored: &StoredPayment) -> Decision {
    if stored.certainty == Certainty::Known {
        Decision::certainty(Certainty::Doubted)
    } else {
        Decision::default()
    }
}

fn ended(stored: &StoredPayment, details: Option<PaymentDetails>) -> Decision {
    let Some(details) = details else { return Decision::default() };
    let value = details.encode();
    written(Some(stored), &of_ours(details, value))
}

fn with_status(details: PaymentDetails, status: LibraryStatus, now: u64) -> PaymentDetails {
    PaymentDetails { status, latest_update_timestamp: now, ..details }
}

/// A payment as the server writes it, in place of the library.
fn of_ours(details: PaymentDetails, value: Vec<u8>) -> WrittenPayment {
    let created_at = details.latest_update_timestamp;
    WrittenPayment {
        details,
        value: Arc::new(value),
        created_at,
        expires_at: None,
        intent: None,
        notes: None,
    }
}

fn class_of(details: &PaymentDetails) -> Class {
    Class {
        status: wire::payment_status(details.status),
        direction: wire::payment_direction(details.direction),
        method: wire::payment_method(&details.kind),
    }
}

fn columns(payment: &WrittenPayment, class: Class) -> PaymentColumns {
    let WrittenPayment { details, value, created_at, expires_at, .. } = payment;
    PaymentColumns {
        created_at: *created_at,
        updated_at: details.latest_update_timestamp,
        class,
        amount_msat: details.amount_msat,
        fee_paid_msat: details.fee_paid_msat,
        payment_hash: wire::payment_hash(&details.kind).map(|hash| hash.0),
        expires_at: *expires_at,
        value: Arc::clone(value),
    }
}

impl StoredPayment {
    fn details(&self) -> Option<PaymentDetails> {
        read(&self.value).ok()
    }

    fn is_pending(&self) -> bool {
        self.class.is_some_and(|class| class.status == PaymentStatus::Pending)
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::lightning::ln::channelmanager::PaymentId;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_node::payment::PaymentDirection as Direction;

    use super::*;

    const NOW: u64 = 99;

    fn details(direction: Direction, status: LibraryStatus) -> PaymentDetails {
        PaymentDetails {
            id: PaymentId([1; 32]),
            kind: PaymentKind::Bolt11 { hash: PaymentHash([1; 32]), preimage: None, secret: None },
            amount_msat: Some(5),
            fee_paid_msat: Some(1),
            direction,
            status,
            latest_update_timestamp: 10,
        }
    }

    fn stored(direction: Direction, status: LibraryStatus) -> StoredPayment {
        let details = details(direction, status);
        StoredPayment {
            class: Some(class_of(&details)),
            certainty: Certainty::Known,
            is_pruned: false,
            value: details.encode(),
            has_record: true,
        }
    }

    fn put(decision: &Decision) -> Option<(PaymentStatus, u64)> {
        match &decision.row {
            RowChange::Put(columns) => Some((columns.class.status, columns.updated_at)),
            _ => None,
        }
    }

    fn nothing(decision: &Decision) -> bool {
        matches!(decision.row, RowChange::None)
            && decision.record.is_none()
            && decision.status.is_none()
    }

    #[test]
    fn what_has_not_left_fails_in_the_record_too_if_there_is_one() {
        let pending = stored(Outbound, LibraryStatus::Pending);
        let decision = decide(Some(&pending), &PaymentEvent::NotSent, NOW);
        assert_eq!(put(&decision), Some((PaymentStatus::Failed, NOW)));
        let record = read(&decision.record.unwrap()).unwrap();
        assert_eq!((record.status, record.latest_update_timestamp), (LibraryStatus::Failed, NOW));
        let forgotten = StoredPayment { has_record: false, ..pending };
        let decision = decide(Some(&forgotten), &PaymentEvent::NotSent, NOW);
        assert!(put(&decision).is_some() && decision.record.is_none());
        let ended = stored(Outbound, LibraryStatus::Succeeded);
        assert!(nothing(&decide(Some(&ended), &PaymentEvent::NotSent, NOW)));
        assert!(nothing(&decide(None, &PaymentEvent::NotSent, NOW)));
    }

    #[test]
    fn a_failure_that_is_in_doubt_changes_the_certainty_only() {
        let doubted = StoredPayment {
            certainty: Certainty::Doubted,
            ..stored(Outbound, LibraryStatus::Pending)
        };
        let decision = decide(Some(&doubted), &PaymentEvent::NotSent, NOW);
        assert!(matches!(decision.row, RowChange::Certainty(Certainty::GivenUp)));
        let status = decision.status.unwrap();
        assert!(!status.is_news() && status.after.status == PaymentStatus::Pending);
    }

    #[test]
    fn an_outdated_state_puts_into_doubt_what_was_certain() {
        let pending = stored(Outbound, LibraryStatus::Pending);
        let decision = decide(Some(&pending), &PaymentEvent::StateOutdated, NOW);
        assert!(matches!(decision.row, RowChange::Certainty(Certainty::Doubted)));
        let given_up = StoredPayment { certainty: Certainty::GivenUp, ..pending };
        assert!(nothing(&decide(Some(&given_up), &PaymentEvent::StateOutdated, NOW)));
    }

    #[test]
    fn what_is_removed_is_pruned_if_it_is_an_unpaid_invoice() {
        let unpaid = stored(Direction::Inbound, LibraryStatus::Pending);
        let decision = decide(Some(&unpaid), &PaymentEvent::Removed, NOW);
        assert!(matches!(decision.row, RowChange::Prune));
        assert_eq!(decision.status.unwrap().after.status, PaymentStatus::Failed);
        for other in [
            stored(Direction::Inbound, LibraryStatus::Succeeded),
            stored(Outbound, LibraryStatus::Pending),
        ] {
            assert!(nothing(&decide(Some(&other), &PaymentEvent::Removed, NOW)));
        }
    }

    #[test]
    fn only_a_pruned_invoice_is_paid_after_all() {
        let paid = PaymentEvent::PrunedInvoicePaid { amount_msat: 7 };
        let unpaid = stored(Direction::Inbound, LibraryStatus::Pending);
        assert!(nothing(&decide(Some(&unpaid), &paid, NOW)));
        let pruned = StoredPayment { is_pruned: true, ..unpaid };
        let decision = decide(Some(&pruned), &paid, NOW);
        assert_eq!(put(&decision), Some((PaymentStatus::Succeeded, NOW)));
        assert_eq!(decision.status.unwrap().amount_msat, 7);
    }
}
