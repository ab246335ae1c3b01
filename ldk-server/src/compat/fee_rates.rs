//! The targets and rates of fees.
//!
//! LDK Node asks its chain source for fee rates every 10 minutes, and has no call that tells them. Each
//! kind of transaction has a target in blocks.

use ldk_node::bitcoin::{FeeRate, Network};

/// The target of payments on chain.
pub(crate) const PAYMENT_TARGET: u16 = 6;
/// The target of funding transactions, and so of splices.
pub(crate) const FUNDING_TARGET: u16 = 12;
/// The target of the fee that is proposed for closing a channel together.
pub(crate) const CLOSING_TARGET: u16 = 144;
/// The target of the highest fee that is accepted for it.
pub(crate) const HIGHEST_CLOSING_TARGET: u16 = 12;
/// All targets that are asked for.
pub(crate) const TARGETS: [u16; 5] = [1, PAYMENT_TARGET, FUNDING_TARGET, CLOSING_TARGET, 1_008];

/// The lowest rate of any transaction.
pub(crate) const LOWEST: FeeRate = FeeRate::from_sat_per_kwu(253);

/// The rate that is used where the chain source has no estimate. On mainnet there is none: the last
/// estimates stay in use, or the start fails.
pub(crate) fn without_estimate(network: Network, is_core: bool, target: u16) -> Option<FeeRate> {
    match network {
        Network::Bitcoin => None,
        Network::Testnet | Network::Testnet4 if is_core => Some(default_rate(target)),
        Network::Testnet | Network::Testnet4 | Network::Signet | Network::Regtest => Some(LOWEST),
    }
}

/// The rate while there were no estimates yet.
fn default_rate(target: u16) -> FeeRate {
    FeeRate::from_sat_per_kwu(match target {
        ..=PAYMENT_TARGET => 5_000,
        blocks if blocks <= FUNDING_TARGET => 1_000,
        blocks if blocks <= CLOSING_TARGET => 500,
        _ => return LOWEST,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainnet_has_no_rate_without_an_estimate() {
        let of = |network, is_core, target| {
            without_estimate(network, is_core, target).map(FeeRate::to_sat_per_kwu)
        };
        for target in TARGETS {
            assert_eq!(of(Network::Bitcoin, true, target), None);
            assert_eq!(of(Network::Signet, true, target), Some(253));
            assert_eq!(of(Network::Testnet, false, target), Some(253));
        }
        let of_core = TARGETS.map(|target| of(Network::Testnet4, true, target));
        assert_eq!(of_core, [Some(5_000), Some(5_000), Some(1_000), Some(500), Some(253)]);
    }
}
