//! What transactions of the node are expected to cost.

use ldk_server_grpc::api::{EstimateOnchainFeesRequest, EstimateOnchainFeesResponse};
use ldk_server_grpc::types::{FeeRateEstimate, OnchainFeeEstimate};

use super::dispatcher::Call;
use crate::error::Error;
use crate::ops;
use crate::ops::onchain_fees::{Cost, Estimates, Rate};

const DEFAULT_WALLET_INPUTS: u32 = 2;
/// Of so many inputs a transaction is near the largest that is relayed.
const MAX_WALLET_INPUTS: u32 = 1_000;

pub(super) async fn estimate(
    call: Call,
    EstimateOnchainFeesRequest { wallet_inputs }: EstimateOnchainFeesRequest,
) -> Result<EstimateOnchainFeesResponse, Error> {
    let wallet_inputs = match wallet_inputs {
        None => DEFAULT_WALLET_INPUTS,
        Some(inputs @ 1..=MAX_WALLET_INPUTS) => inputs,
        Some(other) => {
            let reason = format!("is {other}; from 1 to {MAX_WALLET_INPUTS} are accepted");
            return Err(Error::invalid("wallet_inputs", reason));
        },
    };
    let app = call.app()?;
    Ok(shown(ops::onchain_fees::estimate(&app, wallet_inputs).await?))
}

fn shown(estimates: Estimates) -> EstimateOnchainFeesResponse {
    let Estimates { rates, send, open, splice_in, splice_out, close } = estimates;
    EstimateOnchainFeesResponse {
        fee_rates: rates.into_iter().map(rate).collect(),
        onchain_send: Some(cost(send)),
        open_channel: Some(cost(open)),
        splice_in: Some(cost(splice_in)),
        splice_out: Some(cost(splice_out)),
        close_channel: Some(cost(close)),
    }
}

fn rate(Rate { target_blocks, rate, is_fallback }: Rate) -> FeeRateEstimate {
    FeeRateEstimate {
        target_blocks: target_blocks.into(),
        sat_per_kvb: rate.to_sat_per_kwu().saturating_mul(4),
        is_fallback,
    }
}

fn cost(cost: Cost) -> OnchainFeeEstimate {
    let Cost { fee_sats, max_fee_sats, target_blocks, weight, wallet_inputs } = cost;
    OnchainFeeEstimate {
        fee_sats,
        max_fee_sats,
        target_blocks: target_blocks.into(),
        vbytes: u32::try_from(weight.to_vbytes_ceil()).unwrap_or(u32::MAX),
        wallet_inputs,
    }
}
