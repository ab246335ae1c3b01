//! Limits for the route of a payment, the same in every operation that pays over Lightning.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::routing::router::{
    PaymentParameters, RouteParameters, RouteParametersConfig,
};

use crate::error::Error;

const BLOCKS_FIELD: &str = "route_parameters.max_total_cltv_expiry_delta";

/// Refuses a payee who wants the payment locked for as many blocks as the whole route may take. No
/// route is within that, and the library would note the attempt as a failed payment.
pub(super) fn leave_blocks(limits: RouteParametersConfig, payee_blocks: u64) -> Result<(), Error> {
    let limit = limits.max_total_cltv_expiry_delta;
    if u64::from(limit) > payee_blocks {
        Ok(())
    } else {
        let reason =
            format!("{limit} must be more than the {payee_blocks} that the payee asks for");
        Err(Error::invalid(BLOCKS_FIELD, reason))
    }
}

/// The limits for a payment without an invoice. There, unlike elsewhere, the library takes limits
/// without one for the fee to allow every fee.
pub(super) fn with_fee_limit(
    limits: RouteParametersConfig,
    payee: PublicKey,
    payee_blocks: u32,
    amount_msat: u64,
) -> RouteParametersConfig {
    let payee = PaymentParameters::from_node_id(payee, payee_blocks);
    let safe = RouteParameters::from_payment_params_and_value(payee, amount_msat);
    RouteParametersConfig {
        max_total_routing_fee_msat: limits
            .max_total_routing_fee_msat
            .or(safe.max_total_routing_fee_msat),
        ..limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    #[test]
    fn the_payee_must_fit_into_the_blocks() {
        let blocks = |max_total_cltv_expiry_delta| RouteParametersConfig {
            max_total_cltv_expiry_delta,
            ..Default::default()
        };
        assert!(leave_blocks(blocks(1008), 1007).is_ok());
        assert!(leave_blocks(blocks(1008), 1008).is_err());
        assert!(leave_blocks(blocks(145), 144).is_ok());
        let refused = leave_blocks(blocks(144), 144).unwrap_err().to_string();
        assert!(
            refused.starts_with("route_parameters.max_total_cltv_expiry_delta: 144"),
            "{refused}"
        );
        assert!(leave_blocks(blocks(1008), u64::MAX).is_err());
    }

    #[test]
    fn fees_without_an_invoice_are_limited_too() {
        let payee: PublicKey = KEY.parse().unwrap();
        let limited = |fee_msat| {
            let limits = RouteParametersConfig {
                max_total_routing_fee_msat: fee_msat,
                ..Default::default()
            };
            with_fee_limit(limits, payee, 144, 1_000_000).max_total_routing_fee_msat
        };
        assert_eq!(limited(None), Some(10_000 + 50_000), "1 % and 50 sat");
        assert_eq!(limited(Some(0)), Some(0));
        assert_eq!(limited(Some(7)), Some(7));
    }
}
