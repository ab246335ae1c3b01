//! Limits for the route of a payment, the same in every operation that pays over Lightning.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::routing::router::{
    PaymentParameters, RouteParameters, RouteParametersConfig,
};

use crate::error::Error;

const BLOCKS_FIELD: &str = "route_parameters.max_total_cltv_expiry_delta";

/// A fee limit of so many millionths is the whole amount.
pub const MILLION: u32 = 1_000_000;

/// Limits for the route of a payment whose amount need not be known yet.
#[derive(Clone, Copy, Debug)]
pub struct RouteLimits {
    config: RouteParametersConfig,
    max_fee_ppm: Option<u32>,
}

impl RouteLimits {
    /// These limits. If both limit the fee, the lower one applies.
    pub fn new(config: RouteParametersConfig, max_fee_ppm: Option<u32>) -> Self {
        Self { config, max_fee_ppm }
    }

    /// The limits for a payment of this amount.
    pub fn for_amount(self, amount_msat: u64) -> RouteParametersConfig {
        let Self { config, max_fee_ppm } = self;
        let share = max_fee_ppm.map(|ppm| share_msat(amount_msat, ppm));
        let fees_msat = [config.max_total_routing_fee_msat, share];
        let max_total_routing_fee_msat = fees_msat.into_iter().flatten().min();
        RouteParametersConfig { max_total_routing_fee_msat, ..config }
    }

    fn blocks(self) -> u32 {
        self.config.max_total_cltv_expiry_delta
    }
}

fn share_msat(amount_msat: u64, ppm: u32) -> u64 {
    let share = u128::from(amount_msat) * u128::from(ppm) / u128::from(MILLION);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Refuses a payee who wants the payment locked for as many blocks as the whole route may take. No
/// route is within that, and the library would note the attempt as a failed payment.
pub(super) fn leave_blocks(limits: RouteLimits, payee_blocks: u64) -> Result<(), Error> {
    let limit = limits.blocks();
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
        let blocks = |max_total_cltv_expiry_delta| {
            let config =
                RouteParametersConfig { max_total_cltv_expiry_delta, ..Default::default() };
            RouteLimits::new(config, None)
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
    fn the_lower_of_two_fee_limits_applies() {
        let limit_msat = |fee_msat, ppm, amount_msat| {
            let config = RouteParametersConfig {
                max_total_routing_fee_msat: fee_msat,
                ..Default::default()
            };
            RouteLimits::new(config, ppm).for_amount(amount_msat).max_total_routing_fee_msat
        };
        assert_eq!(limit_msat(None, None, 1_000_000), None);
        assert_eq!(limit_msat(Some(7), None, 1_000_000), Some(7));
        assert_eq!(limit_msat(None, Some(5_000), 1_000_199), Some(5_000), "rounded down");
        assert_eq!(limit_msat(Some(7), Some(5_000), 1_000_000), Some(7));
        assert_eq!(limit_msat(Some(7), Some(5), 1_000_000), Some(5));
        assert_eq!(limit_msat(Some(7), Some(0), 1_000_000), Some(0));
        assert_eq!(limit_msat(None, Some(MILLION), u64::MAX), Some(u64::MAX));
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
