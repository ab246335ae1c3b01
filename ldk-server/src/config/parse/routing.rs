//! Channels and the payments through them: whom to trust, what to charge, and what to pay at most.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::ln::channelmanager::MIN_CLTV_EXPIRY_DELTA;
use ldk_node::lightning::routing::router::RouteParametersConfig;

use super::{missing, public_key};
use crate::config::values::Values;
use crate::config::{ChannelsConfig, ConfigError};

/// A hundredth of a coin: more could only be a mistake.
const MAX_ANCHOR_RESERVE_SATS: u64 = 1_000_000;
/// All the money there will ever be.
const MAX_MONEY_MSAT: u64 = 2_100_000_000_000_000_000;

pub(in crate::config) fn channels(values: &Values) -> Result<ChannelsConfig, ConfigError> {
    const RESERVE: &str = "channels.anchor_reserve_sats";
    let peers = |key| -> Result<Vec<PublicKey>, ConfigError> {
        values.list(key).iter().map(|text| public_key(key, text)).collect()
    };
    Ok(ChannelsConfig {
        trusted_peers_0conf: peers("channels.trusted_peers_0conf")?,
        anchor_reserve_sats: values
            .number(RESERVE, 0..=MAX_ANCHOR_RESERVE_SATS)?
            .ok_or_else(|| missing(RESERVE))?,
        anchor_trusted_peers: peers("channels.anchor_trusted_peers")?,
        opened: opened(values)?,
    })
}

fn opened(values: &Values) -> Result<ChannelConfig, ConfigError> {
    const BLOCKS: &str = "channels.cltv_expiry_delta";
    let fee = |key| values.number(key, 0..=u32::MAX)?.ok_or_else(|| missing(key));
    Ok(ChannelConfig {
        forwarding_fee_base_msat: fee("channels.forwarding_fee_base_msat")?,
        forwarding_fee_proportional_millionths: fee(
            "channels.forwarding_fee_proportional_millionths",
        )?,
        cltv_expiry_delta: values
            .number(BLOCKS, MIN_CLTV_EXPIRY_DELTA..=u16::MAX)?
            .ok_or_else(|| missing(BLOCKS))?,
        ..ChannelConfig::default()
    })
}

pub(in crate::config) fn routing(values: &Values) -> Result<RouteParametersConfig, ConfigError> {
    const BLOCKS: &str = "routing.max_total_cltv_expiry_delta";
    const PATHS: &str = "routing.max_path_count";
    const POWER: &str = "routing.max_channel_saturation_power_of_half";
    Ok(RouteParametersConfig {
        max_total_routing_fee_msat: values
            .number("routing.max_total_routing_fee_msat", 0..=MAX_MONEY_MSAT)?,
        max_total_cltv_expiry_delta: values
            .number(BLOCKS, 1..=u32::MAX)?
            .ok_or_else(|| missing(BLOCKS))?,
        max_path_count: values.number(PATHS, 1..=u8::MAX)?.ok_or_else(|| missing(PATHS))?,
        max_channel_saturation_power_of_half: values
            .number(POWER, 0..=u8::MAX)?
            .ok_or_else(|| missing(POWER))?,
    })
}
