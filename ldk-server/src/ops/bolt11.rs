//! BOLT 11 invoices.

use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_server_grpc::types::InvoiceKind;

use super::amount::{self, Amount};
use super::labels::{Made, Noted, make_once};
use super::route::{self, RouteLimits};
use super::send::{self, ExistingPayment, SendError};
use super::terms::Terms;
use super::{budgets, hold, liquidity};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::payment_requests::PaidBy;
use crate::store::{PaymentStatus, making_invoice, payment_id};

/// Creates an invoice, unless the same request has made one with its label.
pub fn receive(app: &App, terms: &Terms, noted: Noted) -> Result<Bolt11Invoice, Error> {
    // The library claims what it has chosen the preimage of, and asks nobody.
    if app.held.is_approval_wanted() {
        return receive_with_preimage(app, terms, noted, hold::new_preimage());
    }
    let invoice =
        make_once(app, noted, || Ok(Made::invoice(&make(app, terms)?, InvoiceKind::Bolt11)))?;
    invoice.parse().map_err(Error::internal)
}

/// The same, with a preimage of the caller, by which the server claims the payment.
pub fn receive_with_preimage(
    app: &App,
    terms: &Terms,
    noted: Noted,
    preimage: PaymentPreimage,
) -> Result<Bolt11Invoice, Error> {
    let invoice = make_once(app, noted, || {
        let invoice = hold::make(app, terms, hold::hash_of(&preimage))?;
        Ok(Made::invoice(&invoice, InvoiceKind::Bolt11WithPreimage).claimed_with(preimage))
    })?;
    invoice.parse().map_err(Error::internal)
}

fn make(app: &App, terms: &Terms) -> Result<Bolt11Invoice, Error> {
    let Terms { amount_msat, ref description, expiry_secs } = *terms;
    let bolt11 = app.node.bolt11_payment();
    let invoice = making_invoice(expiry_secs, || match amount_msat {
        Some(amount_msat) => bolt11.receive(amount_msat, description, expiry_secs),
        None => bolt11.receive_variable_amount(description, expiry_secs),
    })
    .map_err(Error::internal)??;
    Ok(invoice)
}

/// Starts paying an invoice of this network.
pub fn send(
    app: &App,
    caller: &Caller,
    invoice: &Bolt11Invoice,
    amount: Amount,
    limits: RouteLimits,
) -> Result<PaymentId, SendError> {
    let amount_msat = amount_to_send(invoice, amount)?;
    route::leave_blocks(limits, invoice.min_final_cltv_expiry_delta())?;
    let id = PaymentId(invoice.payment_hash().to_byte_array());
    check_unpaid(app, PaymentHash(id.0))?;
    if invoice.is_expired() {
        return Err(Error::FailedPrecondition("the invoice has expired".to_owned()).into());
    }
    let bolt11 = app.node.bolt11_payment();
    let pays_msat = amount_msat.or(invoice.amount_milli_satoshis()).unwrap_or_default();
    caller.names_amount_msat(pays_msat);
    let limits = limits.for_amount(pays_msat);
    let cost_msat = budgets::lightning_cost_msat(pays_msat, &limits);
    let reserved = budgets::reserve(app, caller, cost_msat, Some(id))?;
    let begun = send::hand_over_again(app, caller, id, reserved, || match amount_msat {
        Some(amount_msat) => bolt11.send_using_amount(invoice, amount_msat, Some(limits)),
        None => bolt11.send(invoice, Some(limits)),
    });
    begun.map_err(|error| {
        let otherwise = "no route to the payee is known within the limits";
        SendError::of_library(error, &liquidity::no_way(app, pays_msat, otherwise))
    })
}

/// Refuses an invoice that is paid or being paid, also by another part of its URI, or is this node's
/// own.
pub fn check_unpaid(app: &App, hash: PaymentHash) -> Result<(), SendError> {
    let shown = hex::encode(hash.0);
    if let Some(earlier) = ExistingPayment::find(app, PaymentId(hash.0))? {
        return Err(ExistingPayment::refused(match earlier {
            ExistingPayment::Own => format!("the invoice is this node's own, {shown}"),
            ExistingPayment::Pending => {
                format!("the invoice is being paid: payment {shown} is pending")
            },
            ExistingPayment::Succeeded => {
                format!("the invoice was paid: payment {shown} succeeded")
            },
        }));
    }
    match app.payment_requests.paid_by(hash) {
        Some(paid_by) if !has_failed(app, paid_by)? => Err(ExistingPayment::refused(format!(
            "the uri that invoice {shown} was part of was paid, or is being paid, by {paid_by}"
        ))),
        _ => Ok(()),
    }
}

fn has_failed(app: &App, paid_by: PaidBy) -> Result<bool, Error> {
    let id = match paid_by {
        PaidBy::Payment(id) => id,
        PaidBy::Transaction(txid) => payment_id(&txid),
    };
    let payment = app.store.payment(id).map_err(Error::internal)?;
    Ok(payment.is_some_and(|payment| payment.status() == PaymentStatus::Failed))
}

/// The amount to pass to the library: `None` if the invoice's own amount is paid.
pub(super) fn amount_to_send(
    invoice: &Bolt11Invoice,
    amount: Amount,
) -> Result<Option<u64>, Error> {
    match (invoice.amount_milli_satoshis(), amount.msat) {
        (None, None) => {
            Err(Error::invalid(amount::FIELD, "must be set: the invoice names no amount"))
        },
        (Some(_), None) => Ok(None),
        (None, chosen_msat) => Ok(chosen_msat),
        (Some(asked_msat), Some(_)) => amount.to_pay("invoice", asked_msat).map(Some),
    }
}
