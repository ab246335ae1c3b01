//! What a payment would cost, before it is made.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::routing::router::{PaymentParameters, RouteParameters};
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::{ChannelDetails, NodeError};

use super::amount::{self, Amount};
use super::route::{self, RouteLimits};
use super::{bolt11, graph, liquidity};
use crate::app::App;
use crate::caller::Caller;
use crate::compat::blocks::KEYSEND_FINAL_CLTV_DELTA;
use crate::error::Error;
use crate::pathfinding::{Found, Knowledge};

/// Who would be paid.
pub enum Payee {
    /// Whoever has made this invoice.
    Invoice(Box<Bolt11Invoice>),
    /// A node.
    Node(PublicKey),
}

/// A payment that is not made.
pub struct Payment {
    /// Who would be paid.
    pub payee: Payee,
    /// How much.
    pub amount: Amount,
    /// The limits of the route.
    pub limits: RouteLimits,
}

/// What a payment would cost, and what the channels can send.
pub struct Estimate {
    /// What the payee would get, in millisatoshis.
    pub amount_msat: u64,
    /// The route, or why there is none.
    pub route: Result<Found, String>,
    /// The channels.
    pub channels: Vec<ChannelDetails>,
}

/// Finds the route that a payment would take, and what its payee gets, in millisatoshis.
pub fn query(app: &App, payment: &Payment) -> Result<(u64, Found), Error> {
    let Estimate { amount_msat, route, .. } = estimate(app, payment)?;
    Ok((amount_msat, route.map_err(Error::FailedPrecondition)?))
}

/// Finds out whether a payment can be made now, and at what cost.
pub fn estimate(app: &App, payment: &Payment) -> Result<Estimate, Error> {
    let amount_msat = check(app, payment)?;
    let channels = app.node.list_channels();
    let scores = graph::pathfinding_scores(app)?;
    let known = Knowledge { channels: &channels, scores: &scores };
    let wanted = parameters(payment, amount_msat);
    let found = app.path_finder.find(&app.node.network_graph(), &known, &wanted);
    let route = found.ok_or_else(|| no_way(app, amount_msat));
    Ok(Estimate { amount_msat, route, channels })
}

/// Sends probes along the route that a payment would take.
pub fn probe(app: &App, caller: &Caller, payment: &Payment) -> Result<(), Error> {
    let amount_msat = check(app, payment)?;
    caller.names_amount_msat(amount_msat);
    let sent = match &payment.payee {
        Payee::Invoice(invoice) => {
            let limits = Some(payment.limits.for_amount(amount_msat));
            let bolt11 = app.node.bolt11_payment();
            bolt11.send_probes_using_amount(invoice, amount_msat, limits)
        },
        Payee::Node(node_id) => app.node.spontaneous_payment().send_probes(amount_msat, *node_id),
    };
    sent.map_err(|error| match error {
        NodeError::ProbeSendingFailed => Error::FailedPrecondition(format!(
            "no probe was sent: {}",
            liquidity::no_way(
                app,
                amount_msat,
                "no route to the payee is known, or the channels on \
                it have too little to spare for a probe beside payments"
            )
        )),
        other => other.into(),
    })
}

fn no_way(app: &App, amount_msat: u64) -> String {
    liquidity::no_way(app, amount_msat, "no route to the payee is known within the limits")
}

/// The amount, if the payment could be made.
fn check(app: &App, payment: &Payment) -> Result<u64, Error> {
    match &payment.payee {
        Payee::Invoice(invoice) => check_invoice(app, invoice, payment),
        Payee::Node(node_id) => {
            if *node_id == app.node.node_id() {
                return Err(Error::invalid("payee", "is this node's own key"));
            }
            route::leave_blocks(payment.limits, KEYSEND_FINAL_CLTV_DELTA.into())?;
            let missing = || Error::invalid(amount::FIELD, "must be set to pay a node");
            payment.amount.msat.ok_or_else(missing)
        },
    }
}

fn check_invoice(app: &App, invoice: &Bolt11Invoice, payment: &Payment) -> Result<u64, Error> {
    if invoice.get_payee_pub_key() == app.node.node_id() {
        return Err(Error::invalid("payee", "the invoice is this node's own"));
    }
    let amount_msat = bolt11::amount_to_send(invoice, payment.amount)?;
    route::leave_blocks(payment.limits, invoice.min_final_cltv_expiry_delta())?;
    if invoice.is_expired() {
        return Err(Error::FailedPrecondition("the invoice has expired".to_owned()));
    }
    Ok(amount_msat.or(invoice.amount_milli_satoshis()).unwrap_or_default())
}

/// What the library would look for.
fn parameters(payment: &Payment, amount_msat: u64) -> RouteParameters {
    let payee = match &payment.payee {
        Payee::Invoice(invoice) => PaymentParameters::from_bolt11_invoice(invoice),
        Payee::Node(node_id) => PaymentParameters::from_node_id(*node_id, KEYSEND_FINAL_CLTV_DELTA),
    };
    let limits = payment.limits.for_amount(amount_msat);
    let payee = PaymentParameters {
        max_total_cltv_expiry_delta: limits.max_total_cltv_expiry_delta,
        max_path_count: limits.max_path_count,
        max_channel_saturation_power_of_half: limits.max_channel_saturation_power_of_half,
        ..payee
    };
    let usual = RouteParameters::from_payment_params_and_value(payee, amount_msat);
    let max_total_routing_fee_msat =
        limits.max_total_routing_fee_msat.or(usual.max_total_routing_fee_msat);
    RouteParameters { max_total_routing_fee_msat, ..usual }
}
