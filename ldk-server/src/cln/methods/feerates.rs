//! `feerates` and `parsefeerate`.

use ldk_server_grpc::api::{EstimateOnchainFeesRequest, EstimateOnchainFeesResponse};
use ldk_server_grpc::types::{FeeRateEstimate, OnchainFeeEstimate};
use serde::Serialize;

use super::Method;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;
use crate::cln::onchain_args::FeeRate;

/// The lowest rate that the network relays, per 1000 weight units.
const FLOOR_PER_KW: u64 = 253;
const WEIGHT_PER_VBYTE: u64 = 4;
/// The transactions of a channel with anchors (BOLT 3), in weight units.
const COMMITMENT_WEIGHT: u64 = 1_124;
const HTLC_TIMEOUT_WEIGHT: u64 = 666;
const HTLC_SUCCESS_WEIGHT: u64 = 706;
/// The target of fees that are paid to close a channel in time, in blocks.
const URGENT: u32 = 6;

/// `feerates`: the fee rates that the node would use.
pub(super) struct FeeRates {
    style: Style,
}

#[derive(Clone, Copy)]
enum Style {
    PerKb,
    PerKw,
}

#[derive(Serialize)]
pub(super) struct Rates {
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_missing_feerates: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    perkb: Option<Styled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    perkw: Option<Styled>,
    onchain_fee_estimates: Fees,
}

#[derive(Serialize)]
struct Styled {
    min_acceptable: u64,
    max_acceptable: u64,
    floor: u64,
    estimates: Vec<Estimate>,
    opening: u64,
    mutual_close: u64,
    unilateral_close: u64,
    splice: u64,
}

#[derive(Serialize)]
struct Estimate {
    blockcount: u32,
    feerate: u64,
    /// Nothing is smoothed.
    smoothed_feerate: u64,
}

#[derive(Serialize)]
struct Fees {
    opening_channel_satoshis: u64,
    mutual_close_satoshis: u64,
    unilateral_close_satoshis: u64,
    htlc_timeout_satoshis: u64,
    htlc_success_satoshis: u64,
}

impl Style {
    fn of(self, per_kw: u64) -> u64 {
        match self {
            Self::PerKw => per_kw,
            Self::PerKb => per_kw.saturating_mul(WEIGHT_PER_VBYTE),
        }
    }
}

impl Method for FeeRates {
    const NAME: &'static str = "feerates";
    const USAGE: &'static str = "style";
    type Answer = Rates;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let style = match args.required::<String>("style")?.as_str() {
            "perkb" => Style::PerKb,
            "perkw" => Style::PerKw,
            _ => return Err(RpcError::params("style: should be 'perkb' or 'perkw'")),
        };
        Ok(Self { style })
    }

    async fn run(self, call: Call) -> Result<Rates, RpcError> {
        Ok(Rates::of(&estimates(&call).await?, self.style))
    }
}

impl Rates {
    fn of(estimated: &EstimateOnchainFeesResponse, style: Style) -> Self {
        let rates = &estimated.fee_rates;
        let at = |target| style.of(per_kw_at(rates, target));
        let of = |fee: &Option<OnchainFeeEstimate>| {
            let rate = fee.as_ref().map_or(FLOOR_PER_KW, |fee| per_kw_at(rates, fee.target_blocks));
            style.of(rate)
        };
        let known = rates.iter().filter(|rate| !rate.is_fallback);
        let estimates = known.map(|rate| {
            let feerate = style.of(per_kw(rate));
            let blockcount = rate.target_blocks;
            Estimate { blockcount, feerate, smoothed_feerate: feerate }
        });
        let styled = Styled {
            min_acceptable: at(u32::MAX),
            max_acceptable: at(1),
            floor: style.of(FLOOR_PER_KW),
            estimates: estimates.collect(),
            opening: of(&estimated.open_channel),
            mutual_close: of(&estimated.close_channel),
            unilateral_close: at(URGENT),
            splice: of(&estimated.splice_in),
        };
        let is_missing = rates.iter().any(|rate| rate.is_fallback);
        let (perkb, perkw) = match style {
            Style::PerKb => (Some(styled), None),
            Style::PerKw => (None, Some(styled)),
        };
        Self {
            warning_missing_feerates: is_missing
                .then_some("Some fee estimates unavailable: bitcoind startup?"),
            perkb,
            perkw,
            onchain_fee_estimates: Fees::of(estimated),
        }
    }
}

impl Fees {
    fn of(estimated: &EstimateOnchainFeesResponse) -> Self {
        let sats = |fee: &Option<OnchainFeeEstimate>| fee.as_ref().map_or(0, |fee| fee.fee_sats);
        let urgent = per_kw_at(&estimated.fee_rates, URGENT);
        let of_weight = |weight: u64| urgent.saturating_mul(weight) / 1_000;
        Self {
            opening_channel_satoshis: sats(&estimated.open_channel),
            mutual_close_satoshis: sats(&estimated.close_channel),
            unilateral_close_satoshis: of_weight(COMMITMENT_WEIGHT),
            htlc_timeout_satoshis: of_weight(HTLC_TIMEOUT_WEIGHT),
            htlc_success_satoshis: of_weight(HTLC_SUCCESS_WEIGHT),
        }
    }
}

fn per_kw(rate: &FeeRateEstimate) -> u64 {
    rate.sat_per_kvb / WEIGHT_PER_VBYTE
}

/// The rate of the farthest target that is not beyond so many blocks; the nearest one if all are.
fn per_kw_at(rates: &[FeeRateEstimate], blocks: u32) -> u64 {
    let within = rates.iter().filter(|rate| rate.target_blocks <= blocks);
    let rate = within.max_by_key(|rate| rate.target_blocks).or_else(|| rates.first());
    rate.map_or(FLOOR_PER_KW, per_kw)
}

async fn estimates(call: &Call) -> Result<EstimateOnchainFeesResponse, RpcError> {
    let request = EstimateOnchainFeesRequest { wallet_inputs: None };
    Ok(call.ask(rpc::EstimateOnchainFees, request).await?)
}

/// What a fee rate is now, per 1000 weight units.
pub(super) async fn resolved(call: &Call, rate: FeeRate) -> Result<u64, RpcError> {
    Ok(match rate {
        FeeRate::PerKw(per_kw) => per_kw,
        FeeRate::Minimum => FLOOR_PER_KW,
        FeeRate::Blocks(blocks) => per_kw_at(&estimates(call).await?.fee_rates, blocks.into()),
    })
}

/// `parsefeerate`: what a fee rate in words is now.
pub(super) struct ParseFeeRate {
    feerate: FeeRate,
}

#[derive(Serialize)]
pub(super) struct Parsed {
    perkw: u64,
}

impl Method for ParseFeeRate {
    const NAME: &'static str = "parsefeerate";
    const USAGE: &'static str = "feerate_str";
    type Answer = Parsed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { feerate: args.required("feerate_str")? })
    }

    async fn run(self, call: Call) -> Result<Parsed, RpcError> {
        Ok(Parsed { perkw: resolved(&call, self.feerate).await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(is_fallback: bool) -> Vec<FeeRateEstimate> {
        [(1, 40_000), (6, 20_000), (12, 8_000), (144, 2_000), (1_008, 1_012)]
            .map(|(target_blocks, sat_per_kvb)| FeeRateEstimate {
                target_blocks,
                sat_per_kvb,
                is_fallback,
            })
            .to_vec()
    }

    #[test]
    fn a_target_takes_the_rate_that_is_fast_enough() {
        let rates = rates(false);
        for (blocks, per_kw) in
            [(1, 10_000), (2, 10_000), (6, 5_000), (100, 2_000), (144, 500), (u32::MAX, 253)]
        {
            assert_eq!(per_kw_at(&rates, blocks), per_kw, "{blocks}");
        }
        assert_eq!(per_kw_at(&[], 6), FLOOR_PER_KW);
    }

    #[test]
    fn rates_have_a_style() {
        let fee = |target_blocks, fee_sats| {
            Some(OnchainFeeEstimate { target_blocks, fee_sats, ..Default::default() })
        };
        let estimated = EstimateOnchainFeesResponse {
            fee_rates: rates(false),
            open_channel: fee(12, 1_764),
            close_channel: fee(144, 339),
            splice_in: fee(12, 2_000),
            ..Default::default()
        };
        let told = Rates::of(&estimated, Style::PerKb);
        assert!(told.perkw.is_none() && told.warning_missing_feerates.is_none());
        let styled = told.perkb.unwrap();
        assert_eq!((styled.opening, styled.mutual_close, styled.floor), (8_000, 2_000, 1_012));
        assert_eq!((styled.max_acceptable, styled.min_acceptable), (40_000, 1_012));
        assert_eq!(styled.estimates.len(), 5);
        assert_eq!(told.onchain_fee_estimates.htlc_timeout_satoshis, 3_330);
        let told = Rates::of(&estimated, Style::PerKw);
        assert_eq!(told.perkw.unwrap().opening, 2_000);
    }

    #[test]
    fn what_is_no_estimate_is_not_told_as_one() {
        let estimated =
            EstimateOnchainFeesResponse { fee_rates: rates(true), ..Default::default() };
        let told = Rates::of(&estimated, Style::PerKw);
        assert!(told.warning_missing_feerates.is_some());
        assert!(told.perkw.unwrap().estimates.is_empty());
    }
}
