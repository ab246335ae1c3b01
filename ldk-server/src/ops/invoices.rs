//! Invoices, offers and receipts as objects.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::types::{InvoiceKind, InvoiceState};

use super::hold;
use crate::app::App;
use crate::clock::unix_secs;
use crate::error::Error;
use crate::store::{
    InvoiceFilter, InvoiceName, InvoicePlace, InvoiceRow, InvoiceStatus, ListedState, Page,
};

/// Returns the invoices that pass the filter and come after this place, the newest first.
pub fn list(
    app: &App,
    filter: &InvoiceFilter,
    after: Option<InvoicePlace>,
    page_size: usize,
) -> Result<Page<InvoiceRow>, Error> {
    app.store.invoices(filter, after, page_size).map_err(Error::internal)
}

/// Returns the invoice of this name, or NOT_FOUND.
pub fn get(app: &App, name: &InvoiceName) -> Result<InvoiceRow, Error> {
    app.store.invoice(name).map_err(Error::internal)?.ok_or_else(not_found)
}

/// There is no such invoice.
pub(super) fn not_found() -> Error {
    Error::NotFound("there is no such invoice".to_owned())
}

/// How far an invoice has come at this time, in Unix seconds.
pub fn state_of(invoice: &InvoiceRow, now: u64) -> InvoiceState {
    match invoice.status {
        InvoiceStatus::Open if invoice.has_expired(now) => InvoiceState::Expired,
        InvoiceStatus::Open => InvoiceState::Open,
        InvoiceStatus::Held => InvoiceState::Held,
        InvoiceStatus::Paid => InvoiceState::Paid,
        InvoiceStatus::Cancelled => InvoiceState::Cancelled,
    }
}

/// Sees to it that nobody can pay an invoice any more, and returns it.
pub fn cancel(app: &App, name: &InvoiceName) -> Result<InvoiceRow, Error> {
    let invoice = get(app, name)?;
    let hash = cancellable(&invoice)?;
    if invoice.status == InvoiceStatus::Cancelled {
        return Ok(invoice);
    }
    // One that was pruned is unknown to the library, which takes no payment for it.
    if app.node.payment(&PaymentId(hash.0)).is_some() {
        hold::fail(app, hash)?;
    }
    // After that the library has written down that it failed, which has cancelled the invoice.
    app.store.cancel_invoice(invoice.number).map_err(Error::internal)?;
    get(app, &InvoiceName::Number(invoice.number))
}

/// The hash of an invoice that can be cancelled.
fn cancellable(invoice: &InvoiceRow) -> Result<PaymentHash, Error> {
    let reason = match (invoice.kind, invoice.status, invoice.payment_hash) {
        (
            InvoiceKind::OfferReceipt | InvoiceKind::RefundReceipt | InvoiceKind::KeysendReceipt,
            _,
            _,
        ) => "it is the receipt of a payment",
        (_, InvoiceStatus::Paid, _) => "the invoice is paid",
        (InvoiceKind::Bolt11ForHash | InvoiceKind::Bolt11WithPreimage, _, Some(hash)) => {
            return Ok(PaymentHash(hash));
        },
        (InvoiceKind::Bolt12Offer, ..) => {
            "LDK Node 0.7.1 accepts every payment to an offer and cannot be told not to; an offer ends \
             only when it expires"
        },
        _ => {
            "LDK Node 0.7.1 accepts every payment to such an invoice and cannot be told not to; an \
             invoice with a preimage of the caller, or of Bolt11ReceiveForHash, can be cancelled"
        },
    };
    Err(Error::FailedPrecondition(reason.to_owned()))
}

/// Deletes an invoice that is in this state, and returns it.
pub fn delete(app: &App, name: &InvoiceName, state: ListedState) -> Result<InvoiceRow, Error> {
    let (invoice, now) = (get(app, name)?, unix_secs());
    if app.store.delete_invoice(invoice.number, state, now).map_err(Error::internal)? {
        return Ok(invoice);
    }
    let state = state_of(&get(app, &InvoiceName::Number(invoice.number))?, now);
    Err(Error::FailedPrecondition(format!("the invoice is {}", state.as_str_name())))
}

/// Deletes those that had expired by this time, in Unix seconds, and returns how many.
pub fn delete_expired(app: &App, until: u64) -> Result<u64, Error> {
    let mut deleted = 0;
    // Some at a time: others write between.
    loop {
        match app.store.delete_expired_invoices(until).map_err(Error::internal)? {
            0 => return Ok(deleted),
            some => deleted += some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::InvoiceNotes;

    fn invoice(kind: InvoiceKind, status: InvoiceStatus) -> InvoiceRow {
        InvoiceRow {
            number: 1,
            created_at: 10,
            expires_at: Some(20),
            kind,
            payment_hash: Some([1; 32]),
            offer_id: None,
            notes: InvoiceNotes::default(),
            offer_label: None,
            request_digest: None,
            text: String::new(),
            description: String::new(),
            amount_msat: None,
            status,
            amount_received_msat: None,
            paid_at: None,
            pay_index: None,
            payment_id: None,
        }
    }

    #[test]
    fn an_open_invoice_expires_and_no_other_does() {
        let state = |status, now| state_of(&invoice(InvoiceKind::Bolt11, status), now);
        assert_eq!(state(InvoiceStatus::Open, 19), InvoiceState::Open);
        assert_eq!(state(InvoiceStatus::Open, 20), InvoiceState::Expired);
        assert_eq!(state(InvoiceStatus::Held, 20), InvoiceState::Held);
        assert_eq!(state(InvoiceStatus::Paid, 20), InvoiceState::Paid);
        assert_eq!(state(InvoiceStatus::Cancelled, 20), InvoiceState::Cancelled);
    }

    #[test]
    fn only_what_waits_for_a_claim_can_be_cancelled() {
        for kind in [InvoiceKind::Bolt11ForHash, InvoiceKind::Bolt11WithPreimage] {
            let may = |status| cancellable(&invoice(kind, status));
            for status in [InvoiceStatus::Open, InvoiceStatus::Held, InvoiceStatus::Cancelled] {
                assert_eq!(may(status).unwrap(), PaymentHash([1; 32]));
            }
            assert!(may(InvoiceStatus::Paid).unwrap_err().to_string().contains("is paid"));
        }
        for (kind, words) in [
            (InvoiceKind::Bolt11, "Bolt11ReceiveForHash"),
            (InvoiceKind::Bolt11Jit, "Bolt11ReceiveForHash"),
            (InvoiceKind::Bolt12Offer, "only when it expires"),
            (InvoiceKind::KeysendReceipt, "receipt"),
        ] {
            let refused = cancellable(&invoice(kind, InvoiceStatus::Open)).unwrap_err();
            assert!(matches!(refused, Error::FailedPrecondition(_)));
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }
}
