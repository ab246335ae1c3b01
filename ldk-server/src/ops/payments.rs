//! The history of payments.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;

use crate::app::App;
use crate::error::Error;
use crate::hold::HeldPayments;
use crate::store::{
    Forward, ForwardFilter, ForwardPlace, NotesChange, Page, Payment, PaymentFilter, PaymentPlace,
    PaymentStatus, payment_kind,
};

/// Returns the payment with this id. For one on chain, the id may be its txid as it is displayed.
pub fn get(app: &App, id: PaymentId) -> Result<Option<Payment>, Error> {
    let mut payment = match find(app, id)? {
        None => find(app, reversed(id))?.filter(is_on_chain),
        found => found,
    };
    correct_expired(&app.held, payment.as_mut_slice());
    Ok(payment)
}

/// The same, as it was committed last.
pub fn as_committed(app: &App, id: PaymentId) -> Result<Option<Payment>, Error> {
    let find = |id| app.store.durable_payment(id).map_err(Error::internal);
    match find(id)? {
        None => Ok(find(reversed(id))?.filter(is_on_chain)),
        found => Ok(found),
    }
}

/// Changes what is noted with a payment, and returns it. For one on chain, the id may be its txid as it is
/// displayed. `None` if there is no such payment.
pub fn update(app: &App, id: PaymentId, change: NotesChange) -> Result<Option<Payment>, Error> {
    let Some(payment) = get(app, id)? else { return Ok(None) };
    let mut id = [0; 32];
    hex::decode_to_slice(&payment.id, &mut id).map_err(Error::internal)?;
    let id = PaymentId(id);
    app.store.change_notes(id, change).map_err(Error::internal)?;
    get(app, id)
}

fn find(app: &App, id: PaymentId) -> Result<Option<Payment>, Error> {
    app.store.payment(id).map_err(Error::internal)
}

/// The id of the payment of the transaction with this txid, which is displayed in reverse.
fn reversed(PaymentId(mut id): PaymentId) -> PaymentId {
    id.reverse();
    PaymentId(id)
}

fn is_on_chain(payment: &Payment) -> bool {
    let kind = payment.kind.as_ref().and_then(|kind| kind.kind.as_ref());
    matches!(kind, Some(payment_kind::Kind::Onchain(_)))
}

/// Returns the payments that pass the filter, the newest first; `None` if there is no payment at
/// `after`.
pub fn list(
    app: &App,
    filter: &PaymentFilter,
    after: Option<PaymentPlace>,
    page_size: usize,
) -> Result<Option<Page<Payment>>, Error> {
    let mut page = app.store.payments(filter, after, page_size).map_err(Error::internal)?;
    if let Some(page) = &mut page {
        correct_expired(&app.held, &mut page.rows);
    }
    Ok(page)
}

/// An invoice whose payment is held was paid in time: it has not expired.
fn correct_expired(held: &HeldPayments, payments: &mut [Payment]) {
    let is_pending = |payment: &&mut Payment| payment.status() == PaymentStatus::Pending;
    for payment in payments.iter_mut().filter(|payment| payment.expired).filter(is_pending) {
        payment.expired = !hash_of(payment).is_some_and(|hash| held.is_held(&hash));
    }
}

/// The payment hash of an invoice, which is its id.
fn hash_of(payment: &Payment) -> Option<PaymentHash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(&payment.id, &mut hash).ok()?;
    Some(PaymentHash(hash))
}

/// Returns the forwarded payments that pass the filter, the newest first; `None` if there is none at
/// `after`.
pub fn list_forwarded(
    app: &App,
    filter: &ForwardFilter,
    after: Option<ForwardPlace>,
    page_size: usize,
) -> Result<Option<Page<Forward>>, Error> {
    app.store.forwards(filter, after, page_size).map_err(Error::internal)
}
