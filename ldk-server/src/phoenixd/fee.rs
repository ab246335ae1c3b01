//! What routing may cost a payment.

use ldk_server_grpc::types::RouteParametersConfig;

use super::answer::Refusal;
use super::params::Params;

const MILLION: u128 = 1_000_000;

/// So many millisatoshis, and a share of the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeeLimit {
    pub(super) base_msat: u64,
    pub(super) ppm: u32,
}

impl FeeLimit {
    /// The limit that a request sets, or else this one.
    pub(super) fn or_of(self, params: &Params) -> Result<Self, Refusal> {
        const BASE: &str = "trampolineFeeBaseSat";
        const SHARE: &str = "trampolineFeeProportional";
        if params.text("trampolineFeeCltvExpiryDelta").is_some() {
            let reason = "trampolineFeeCltvExpiryDelta: this node finds routes by itself";
            return Err(Refusal::BadRequest(reason.to_owned()));
        }
        match (params.number(BASE)?, params.number(SHARE)?) {
            (None, None) => Ok(self),
            (Some(base_sats), Some(ppm)) => Ok(Self {
                base_msat: base_sats.saturating_mul(1_000),
                ppm: u32::try_from(ppm).unwrap_or(u32::MAX),
            }),
            (None, Some(_)) => Err(Refusal::missing(BASE)),
            (Some(_), None) => Err(Refusal::missing(SHARE)),
        }
    }

    /// In millisatoshis, for a payment of this amount.
    pub(super) fn msat(self, amount_msat: u64) -> u64 {
        let share = u128::from(amount_msat) * u128::from(self.ppm) / MILLION;
        u64::try_from(share).unwrap_or(u64::MAX).saturating_add(self.base_msat)
    }

    /// As the API has it.
    pub(super) fn route(self, amount_msat: u64) -> RouteParametersConfig {
        let max_total_routing_fee_msat = Some(self.msat(amount_msat));
        RouteParametersConfig { max_total_routing_fee_msat, ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: FeeLimit = FeeLimit { base_msat: 4_000, ppm: 4_000 };

    #[test]
    fn a_limit_is_a_base_and_a_share() {
        assert_eq!(LIMIT.msat(0), 4_000);
        assert_eq!(LIMIT.msat(1_000_000), 8_000);
        assert_eq!(FeeLimit { base_msat: 1, ppm: u32::MAX }.msat(u64::MAX), u64::MAX);
        let route = LIMIT.route(1_000_000);
        assert_eq!(route.max_total_routing_fee_msat, Some(8_000));
    }

    #[test]
    fn a_request_may_set_both_parts_of_it() {
        let of = |form: &[u8]| LIMIT.or_of(&Params::read(form));
        assert_eq!(of(b"").unwrap(), LIMIT);
        let set = of(b"trampolineFeeBaseSat=1&trampolineFeeProportional=2").unwrap();
        assert_eq!(set, FeeLimit { base_msat: 1_000, ppm: 2 });
        assert!(of(b"trampolineFeeBaseSat=1").is_err());
        assert!(of(b"trampolineFeeProportional=1").is_err());
        assert!(of(b"trampolineFeeCltvExpiryDelta=1").is_err());
    }
}
