//! What transactions of the node are expected to cost.

use ldk_node::bitcoin::{FeeRate, Weight};

use crate::app::App;
use crate::compat::fee_rates::{
    CLOSING_TARGET, FUNDING_TARGET, HIGHEST_CLOSING_TARGET, LOWEST, PAYMENT_TARGET, TARGETS,
    without_estimate,
};
use crate::error::Error;

/// Version, lock time, the numbers of inputs and outputs, and the mark of segwit.
const FRAME: Weight = Weight::from_wu(42);
const WALLET_INPUT: Weight = Weight::from_wu(272);
/// The 2-of-2 output of a channel, and its spend.
const FUNDING_OUTPUT: Weight = Weight::from_wu(172);
const FUNDING_INPUT: Weight = Weight::from_wu(388);
/// An output to an address of the wallet, such as change.
const WALLET_OUTPUT: Weight = Weight::from_wu(124);
/// An output to others: no address that is common now makes a larger one.
const LARGEST_OUTPUT: Weight = Weight::from_wu(172);

/// A fee rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The target, in blocks.
    pub target_blocks: u16,
    /// The rate that the library would use.
    pub rate: FeeRate,
    /// Whether there is no estimate.
    pub is_fallback: bool,
}

/// What a transaction is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The fee, in satoshis.
    pub fee_sats: u64,
    /// The most that is agreed to, if the peer has a say.
    pub max_fee_sats: Option<u64>,
    /// The target of the rate, in blocks.
    pub target_blocks: u16,
    /// The size.
    pub weight: Weight,
    /// How many coins of the wallet are spent.
    pub wallet_inputs: u32,
}

/// The estimates.
#[derive(Debug)]
pub struct Estimates {
    /// The rates, that of the nearest target first.
    pub rates: Vec<Rate>,
    /// A payment.
    pub send: Cost,
    /// The opening of a channel.
    pub open: Cost,
    /// A splice of coins into a channel.
    pub splice_in: Cost,
    /// A splice out of a channel.
    pub splice_out: Cost,
    /// A close together with the peer.
    pub close: Cost,
}

/// Estimates what transactions cost that spend so many coins of the wallet.
pub async fn estimate(app: &App, wallet_inputs: u32) -> Result<Estimates, Error> {
    let estimated = app.fee_rates.estimated(&TARGETS).await?;
    let is_core = app.fee_rates.are_of_core();
    let rates = TARGETS.into_iter().zip(estimated).map(|(target_blocks, estimate)| {
        let rate = estimate.or_else(|| without_estimate(app.network, is_core, target_blocks));
        let rate = rate.ok_or_else(|| no_estimate(target_blocks))?.max(LOWEST);
        Ok(Rate { target_blocks, rate, is_fallback: estimate.is_none() })
    });
    let rates: Vec<_> = rates.collect::<Result<_, Error>>()?;
    let avoidance_sats = app.channel_defaults.force_close_avoidance_max_fee_satoshis;
    Ok(costs(rates, wallet_inputs, avoidance_sats))
}

fn no_estimate(target_blocks: u16) -> Error {
    Error::FailedPrecondition(format!(
        "the chain source has no estimate of the fee rate for {target_blocks} blocks yet"
    ))
}

/// The costs at these rates, of all targets. The opener of a channel pays `avoidance_sats` more to avoid
/// that it is force-closed.
fn costs(rates: Vec<Rate>, wallet_inputs: u32, avoidance_sats: u64) -> Estimates {
    let fee_sats = |target: u16, weight: Weight| {
        let rate = rates.iter().find(|rate| rate.target_blocks == target);
        let sat_per_kwu = rate.map_or(LOWEST, |rate| rate.rate).to_sat_per_kwu();
        sat_per_kwu.saturating_mul(weight.to_wu()).div_ceil(1_000)
    };
    let cost = |target_blocks, weight, wallet_inputs| Cost {
        fee_sats: fee_sats(target_blocks, weight),
        max_fee_sats: None,
        target_blocks,
        weight,
        wallet_inputs,
    };
    let spent = FRAME + WALLET_INPUT * u64::from(wallet_inputs) + WALLET_OUTPUT;
    let spliced = FUNDING_INPUT + FUNDING_OUTPUT;
    let closing = FRAME + FUNDING_INPUT + WALLET_OUTPUT + WALLET_OUTPUT;
    let highest_sats = fee_sats(HIGHEST_CLOSING_TARGET, closing).saturating_add(avoidance_sats);
    Estimates {
        send: cost(PAYMENT_TARGET, spent + LARGEST_OUTPUT, wallet_inputs),
        open: cost(FUNDING_TARGET, spent + FUNDING_OUTPUT, wallet_inputs),
        splice_in: cost(FUNDING_TARGET, spent + spliced, wallet_inputs),
        splice_out: cost(FUNDING_TARGET, FRAME + spliced + WALLET_OUTPUT, 0),
        close: Cost { max_fee_sats: Some(highest_sats), ..cost(CLOSING_TARGET, closing, 0) },
        rates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(sat_per_vb: [u64; 5]) -> Vec<Rate> {
        let rate = |(target_blocks, sat_per_vb)| Rate {
            target_blocks,
            rate: FeeRate::from_sat_per_vb(sat_per_vb).unwrap(),
            is_fallback: false,
        };
        TARGETS.into_iter().zip(sat_per_vb).map(rate).collect()
    }

    #[test]
    fn each_transaction_costs_its_size_at_the_rate_of_its_target() {
        let Estimates { send, open, splice_in, splice_out, close, rates } =
            costs(rates([40, 20, 10, 2, 1]), 2, 1_000);
        assert_eq!(rates.len(), TARGETS.len());
        // Of 882 weight units: two inputs, the channel and the change.
        assert_eq!(
            (open.weight.to_vbytes_ceil(), open.fee_sats, open.target_blocks),
            (221, 2_205, 12)
        );
        assert_eq!((send.fee_sats, send.target_blocks, send.wallet_inputs), (4_410, 6, 2));
        assert_eq!(splice_in.fee_sats, 3_175);
        assert_eq!((splice_out.fee_sats, splice_out.wallet_inputs), (1_815, 0));
        assert_eq!((close.fee_sats, close.max_fee_sats), (339, Some(2_695)));
    }

    #[test]
    fn more_coins_cost_more() {
        let fee = |inputs| costs(rates([1; 5]), inputs, 0).open.fee_sats;
        assert_eq!(fee(2) - fee(1), 68);
    }
}
