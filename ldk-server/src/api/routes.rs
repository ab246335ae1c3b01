//! What a payment would cost, before it is made.

use ldk_server_grpc::api::{
    EstimateFeeRequest, EstimateFeeResponse, ProbePaymentRequest, ProbePaymentResponse,
    QueryRouteRequest, QueryRouteResponse,
};
use ldk_server_grpc::types::RouteParametersConfig;

use super::{amount, fields, route};
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;
use crate::ops::routes::{Estimate, Payee, Payment};
use crate::wire;

/// The hex digits of a public key.
const NODE_ID_DIGITS: usize = 66;

pub(super) fn query(
    app: &App,
    _: &Caller,
    request: QueryRouteRequest,
) -> Result<QueryRouteResponse, Error> {
    let QueryRouteRequest { payee, amount_msat, route_parameters } = request;
    let payment = payment(app, &payee, amount_msat, route_parameters)?;
    let (amount_msat, found) = ops::routes::query(app, &payment)?;
    Ok(QueryRouteResponse {
        amount_msat,
        fee_msat: found.route.get_total_fees(),
        paths: found.route.paths.iter().map(wire::route::path).collect(),
        success_probability_ppm: found.success_probability.map(wire::route::ppm),
        graph_age_secs: found.graph_age.as_secs(),
    })
}

pub(super) fn estimate_fee(
    app: &App,
    _: &Caller,
    request: EstimateFeeRequest,
) -> Result<EstimateFeeResponse, Error> {
    let EstimateFeeRequest { payee, amount_msat, route_parameters } = request;
    let payment = payment(app, &payee, amount_msat, route_parameters)?;
    let Estimate { amount_msat, route, channels } = ops::routes::estimate(app, &payment)?;
    let (found, reason) = match route {
        Ok(found) => (Some(found), String::new()),
        Err(reason) => (None, reason),
    };
    let found = found.as_ref();
    let channels = wire::route::sendable(&channels);
    let usable = channels.iter().filter(|channel| channel.is_usable);
    Ok(EstimateFeeResponse {
        payable: found.is_some(),
        reason,
        amount_msat,
        fee_msat: found.map(|found| found.route.get_total_fees()),
        max_total_cltv_expiry_delta: found.map(|found| wire::route::longest_lock(&found.route)),
        success_probability_ppm: found
            .and_then(|found| found.success_probability.map(wire::route::ppm)),
        sendable_msat: usable.map(|channel| channel.sendable_msat).fold(0, u64::saturating_add),
        graph_age_secs: found.map(|found| found.graph_age.as_secs()),
        channels,
    })
}

pub(super) fn probe(
    app: &App,
    caller: &Caller,
    request: ProbePaymentRequest,
) -> Result<ProbePaymentResponse, Error> {
    let ProbePaymentRequest { payee, amount_msat, route_parameters } = request;
    let has_limits = route_parameters.is_some();
    let payment = payment(app, &payee, amount_msat, route_parameters)?;
    if has_limits && matches!(payment.payee, Payee::Node(_)) {
        let reason = "must be absent for a node: the library probes with limits of its own";
        return Err(Error::invalid("route_parameters", reason));
    }
    ops::routes::probe(app, caller, &payment)?;
    Ok(ProbePaymentResponse {})
}

fn payment(
    app: &App,
    payee: &str,
    amount_msat: Option<u64>,
    route_parameters: Option<RouteParametersConfig>,
) -> Result<Payment, Error> {
    let payee = match is_node_id(payee) {
        true => Payee::Node(fields::public_key("payee", payee)?),
        false => Payee::Invoice(Box::new(fields::invoice("payee", payee, app.network)?)),
    };
    Ok(Payment {
        payee,
        amount: amount::parse(amount_msat, false)?,
        limits: route::limits(app.route_defaults, route_parameters)?,
    })
}

fn is_node_id(payee: &str) -> bool {
    let text = payee.trim();
    text.len() == NODE_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
