//! Our settings of a channel.

use ldk_node::config::{ChannelConfig, MaxDustHTLCExposure};
use ldk_server_grpc::api::{UpdateChannelConfigRequest, UpdateChannelConfigResponse};
use ldk_server_grpc::types;
use ldk_server_grpc::types::channel_config::MaxDustHtlcExposure;

use super::fields;
use crate::app::App;
use crate::caller::Caller;
use crate::error::Error;
use crate::ops;

pub(super) fn update(
    app: &App,
    _: &Caller,
    request: UpdateChannelConfigRequest,
) -> Result<UpdateChannelConfigResponse, Error> {
    let UpdateChannelConfigRequest { user_channel_id, counterparty_node_id, channel_config } =
        request;
    let channel = fields::channel(&user_channel_id, &counterparty_node_id)?;
    ops::channels::configure(app, channel, |config| {
        let changes =
            channel_config.ok_or_else(|| Error::invalid("channel_config", "must be set"))?;
        merged(config, changes)
    })?;
    Ok(UpdateChannelConfigResponse {})
}

/// `base` with the fields that `changes` sets.
pub(super) fn merged(
    base: ChannelConfig,
    changes: types::ChannelConfig,
) -> Result<ChannelConfig, Error> {
    const FEE_FIELD: &str = "channel_config.force_close_avoidance_max_fee_satoshis";
    let types::ChannelConfig {
        forwarding_fee_proportional_millionths,
        forwarding_fee_base_msat,
        cltv_expiry_delta,
        force_close_avoidance_max_fee_satoshis,
        accept_underpaying_htlcs,
        max_dust_htlc_exposure,
    } = changes;
    Ok(ChannelConfig {
        forwarding_fee_proportional_millionths: forwarding_fee_proportional_millionths
            .unwrap_or(base.forwarding_fee_proportional_millionths),
        forwarding_fee_base_msat: forwarding_fee_base_msat.unwrap_or(base.forwarding_fee_base_msat),
        cltv_expiry_delta: cltv_expiry_delta
            .map_or(Ok(base.cltv_expiry_delta), parse_cltv_expiry_delta)?,
        max_dust_htlc_exposure: max_dust_htlc_exposure
            .map_or(Ok(base.max_dust_htlc_exposure), parse_dust_exposure)?,
        force_close_avoidance_max_fee_satoshis: force_close_avoidance_max_fee_satoshis
            .map(|amount| fields::at_most(FEE_FIELD, amount, fields::MAX_MONEY_SAT))
            .transpose()?
            .unwrap_or(base.force_close_avoidance_max_fee_satoshis),
        accept_underpaying_htlcs: accept_underpaying_htlcs.unwrap_or(base.accept_underpaying_htlcs),
    })
}

fn parse_cltv_expiry_delta(blocks: u32) -> Result<u16, Error> {
    u16::try_from(blocks).map_err(|_| {
        let reason = format!("{blocks} is too large; at most {}", u16::MAX);
        Error::invalid("channel_config.cltv_expiry_delta", reason)
    })
}

fn parse_dust_exposure(limit: MaxDustHtlcExposure) -> Result<MaxDustHTLCExposure, Error> {
    const FIELD: &str = "channel_config.fixed_limit_msat";
    Ok(match limit {
        MaxDustHtlcExposure::FixedLimitMsat(limit_msat) => MaxDustHTLCExposure::FixedLimit {
            limit_msat: fields::at_most(FIELD, limit_msat, fields::MAX_MONEY_SAT * 1000)?,
        },
        MaxDustHtlcExposure::FeeRateMultiplier(multiplier) => {
            MaxDustHTLCExposure::FeeRateMultiplier { multiplier }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_are_set_change() {
        let changes =
            types::ChannelConfig { forwarding_fee_base_msat: Some(7), ..Default::default() };
        let config = merged(ChannelConfig::default(), changes).unwrap();
        assert_eq!(config, ChannelConfig { forwarding_fee_base_msat: 7, ..Default::default() });
    }

    #[test]
    fn a_cltv_delta_must_fit() {
        let changes =
            types::ChannelConfig { cltv_expiry_delta: Some(65_536), ..Default::default() };
        let error = merged(ChannelConfig::default(), changes).unwrap_err().to_string();
        assert!(error.contains("channel_config.cltv_expiry_delta: 65536"), "{error}");
    }
}
