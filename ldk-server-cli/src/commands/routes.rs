//! What a payment would cost, before it is made.

use clap::Args;
use ldk_server_grpc::api::{EstimateFeeRequest, ProbePaymentRequest, QueryRouteRequest};

use crate::amount::Amount;
use crate::args::RouteArgs;

unary_commands!(Commands {
    EstimateFee => estimate_fee,
    QueryRoute => query_route,
    ProbePayment => probe_payment,
});

/// Whom a payment would go to.
#[derive(Debug, Args)]
struct PayeeArgs {
    /// Invoice, or public key of a node as hex
    payee: String,

    /// Amount with its unit (sat or msat); needed for a node, and if the invoice names none
    amount: Option<Amount>,
}

/// Estimate what a payment would cost, and show what the channels can send
#[derive(Debug, Args)]
pub(crate) struct EstimateFee {
    #[command(flatten)]
    payee: PayeeArgs,

    #[command(flatten)]
    route: RouteArgs,
}

impl From<EstimateFee> for EstimateFeeRequest {
    fn from(command: EstimateFee) -> Self {
        let PayeeArgs { payee, amount } = command.payee;
        let amount_msat = amount.map(Amount::msat);
        Self { payee, amount_msat, route_parameters: Some(command.route.into()) }
    }
}

/// Show the route that a payment would take
#[derive(Debug, Args)]
pub(crate) struct QueryRoute {
    #[command(flatten)]
    payee: PayeeArgs,

    #[command(flatten)]
    route: RouteArgs,
}

impl From<QueryRoute> for QueryRouteRequest {
    fn from(command: QueryRoute) -> Self {
        let PayeeArgs { payee, amount } = command.payee;
        let amount_msat = amount.map(Amount::msat);
        Self { payee, amount_msat, route_parameters: Some(command.route.into()) }
    }
}

/// Send probes along the route that a payment would take
///
/// No money leaves. What the probes find out is not printed: later payments, `query-route` and
/// `estimate-fee` take it into account.
#[derive(Debug, Args)]
pub(crate) struct ProbePayment {
    #[command(flatten)]
    payee: PayeeArgs,
}

impl From<ProbePayment> for ProbePaymentRequest {
    fn from(command: ProbePayment) -> Self {
        let PayeeArgs { payee, amount } = command.payee;
        Self { payee, amount_msat: amount.map(Amount::msat), route_parameters: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{default_route, request};

    #[test]
    fn a_payee_is_an_invoice_or_a_node_with_an_amount() {
        let asked = request::<EstimateFee, EstimateFeeRequest>;
        let invoice = EstimateFeeRequest {
            payee: "lnbcrt1".to_owned(),
            amount_msat: None,
            route_parameters: Some(default_route()),
        };
        assert_eq!(asked("lnbcrt1"), Ok(invoice));
        let probe = ProbePaymentRequest {
            payee: "02aa".to_owned(),
            amount_msat: Some(5_000),
            route_parameters: None,
        };
        assert_eq!(request::<ProbePayment, ProbePaymentRequest>("02aa 5sat"), Ok(probe));
        let route =
            request::<QueryRoute, QueryRouteRequest>("02aa 1msat --max-path-count 1").unwrap();
        assert_eq!(route.amount_msat, Some(1));
        assert_eq!(route.route_parameters.map(|limits| limits.max_path_count), Some(1));
    }
}
