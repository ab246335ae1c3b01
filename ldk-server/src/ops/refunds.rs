//! BOLT 12 refunds: money that is paid to whoever has the text of the refund and claims it first.

use ldk_node::NodeError;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::refund::Refund;
use ldk_node::lightning::routing::router::RouteParametersConfig;

use super::route::RouteLimits;
use super::send::{self, SendError};
use super::{budgets, liquidity, own_offers};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::store::{IntentOutcome, making_invoice, noting_payment};

/// For how long the invoice of who claims a refund can be paid (BOLT 12). The library sets nothing else.
const INVOICE_EXPIRY_SECS: u32 = 7_200;

/// The terms of a refund.
pub struct Terms {
    /// The amount, in millisatoshis.
    pub amount_msat: u64,
    /// For how long it can be claimed, in seconds.
    pub expiry_secs: u32,
    /// How many items are refunded.
    pub quantity: Option<u64>,
    /// A text for the payee.
    pub payer_note: Option<String>,
}

/// Creates a refund. The payment is pending until somebody claims it, or it expires.
pub fn create(
    app: &App,
    caller: &Caller,
    terms: Terms,
    limits: RouteLimits,
) -> Result<(Refund, PaymentId), SendError> {
    caller.names_amount_msat(terms.amount_msat);
    let limits = limits.for_amount(terms.amount_msat);
    let cost_msat = budgets::lightning_cost_msat(terms.amount_msat, &limits);
    let reserved = budgets::reserve(app, caller, cost_msat, None)?;
    let mut refund = None;
    let begun = send::hand_over(app, caller, None, reserved, || {
        let (made, id) = begin(app, terms, limits)?;
        // Nobody has the text yet: if a crash comes first, nobody can claim the refund, and the same call
        // makes another.
        let outcome = IntentOutcome::Refund(id, made.to_string());
        let written = app.store.intent_came_to(caller.intent(), &outcome);
        written.map_err(|_| NodeError::PersistenceFailed)?;
        refund = Some(made);
        Ok(id)
    });
    let id = begun.map_err(|error| SendError::of_library(error, NOT_REACHABLE))?;
    let refund =
        refund.ok_or_else(|| SendError::Unknown(NodeError::RefundCreationFailed.into()))?;
    own_offers::remember_refund(&*app.store, &refund)?;
    Ok((refund, id))
}

/// With checked arguments, the library fails only if it finds no path by which it could be reached.
const NOT_REACHABLE: &str = "who claims the refund could not reach this node: it needs a public \
                             channel, or a connection to one peer that passes messages on; with \
                             several peers, to one of the public network";

/// The library does not return the id of the payment, but writes its record before it returns.
fn begin(
    app: &App,
    terms: Terms,
    limits: RouteParametersConfig,
) -> Result<(Refund, PaymentId), NodeError> {
    let Terms { amount_msat, expiry_secs, quantity, payer_note } = terms;
    let bolt12 = app.node.bolt12_payment();
    let (refund, id) = noting_payment(|| {
        bolt12.initiate_refund(amount_msat, expiry_secs, quantity, payer_note, Some(limits))
    });
    Ok((refund?, id.ok_or(NodeError::PersistenceFailed)?))
}

/// Sends the maker of a refund of this network an invoice.
pub fn claim(app: &App, refund: &Refund) -> Result<PaymentId, Error> {
    let unusable = |reason: &str| Err(Error::FailedPrecondition(reason.to_owned()));
    if refund.is_expired() {
        return unusable("the refund has expired");
    }
    if refund.features().requires_unknown_bits() {
        return unusable("the refund needs a feature that this node does not know");
    }
    if own_offers::is_own_refund(&*app.store, refund)? {
        return unusable("the refund is this node's own");
    }
    liquidity::check_inbound(app, refund.amount_msats())?;
    let bolt12 = app.node.bolt12_payment();
    let claimed = making_invoice(INVOICE_EXPIRY_SECS, || bolt12.request_refund_payment(refund));
    let invoice = claimed.map_err(Error::internal)?.map_err(not_sent)?;
    Ok(PaymentId(invoice.payment_hash().0))
}

fn not_sent(error: NodeError) -> Error {
    match error {
        NodeError::InvoiceRequestCreationFailed => Error::FailedPrecondition(
            "the invoice could not be sent to the maker of the refund: this node has no suitable peer"
                .to_owned(),
        ),
        other => other.into(),
    }
}
