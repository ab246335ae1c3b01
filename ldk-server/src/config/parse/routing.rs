//! Trusted peers, forwarding fees, and the default limits of payments.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::ChannelConfig;
use ldk_node::lightning::ln::channelmanager::MIN_CLTV_EXPIRY_DELTA;
use ldk_node::lightning::routing::router::RouteParametersConfig;

use super::{missing, public_key};
use crate::config::keys::{self, Key, Number};
use crate::config::values::Values;
use crate::config::{ChannelsConfig, ConfigError};

/// A hundredth of a coin: more could only be a mistake.
const MAX_ANCHOR_RESERVE_SATS: u64 = 1_000_000;
/// All the money there will ever be.
const MAX_MONEY_MSAT: u64 = 2_100_000_000_000_000_000;

pub(in crate::config) fn channels(values: &Values) -> Result<ChannelsConfig, ConfigError> {
    const RESERVE: Key<Number> = keys::CHANNELS_ANCHOR_RESERVE_SATS;
    let peers = |key| -> Result<Vec<PublicKey>, ConfigError> {
        values.list(key).iter().map(|text| public_key(key, text)).collect()
    };
    Ok(ChannelsConfig {
        trusted_peers_0conf: peers(keys::CHANNELS_TRUSTED_PEERS_0CONF)?,
        anchor_reserve_sats: values
            .number(RESERVE, 0..=MAX_ANCHOR_RESERVE_SATS)?
            .ok_or_else(|| missing(RESERVE))?,
        anchor_trusted_peers: peers(keys::CHANNELS_ANCHOR_TRUSTED_PEERS)?,
        opened: opened(values)?,
    })
}

fn opened(values: &Values) -> Result<ChannelConfig, ConfigError> {
    const BLOCKS: Key<Number> = keys::CHANNELS_CLTV_EXPIRY_DELTA;
    let fee = |key| values.number(key, 0..=u32::MAX)?.ok_or_else(|| missing(key));
    Ok(ChannelConfig {
        forwarding_fee_base_msat: fee(keys::CHANNELS_FORWARDING_FEE_BASE_MSAT)?,
        forwarding_fee_proportional_millionths: fee(
            keys::CHANNELS_FORWARDING_FEE_PROPORTIONAL_MILLIONTHS,
        )?,
        cltv_expiry_delta: values
            .number(BLOCKS, MIN_CLTV_EXPIRY_DELTA..=u16::MAX)?
            .ok_or_else(|| missing(BLOCKS))?,
        ..ChannelConfig::default()
    })
}

pub(in crate::config) fn routing(values: &Values) -> Result<RouteParametersConfig, ConfigError> {
    const BLOCKS: Key<Number> = keys::ROUTING_MAX_TOTAL_CLTV_EXPIRY_DELTA;
    const PATHS: Key<Number> = keys::ROUTING_MAX_PATH_COUNT;
    const POWER: Key<Number> = keys::ROUTING_MAX_CHANNEL_SATURATION_POWER_OF_HALF;
    Ok(RouteParametersConfig {
        max_total_routing_fee_msat: values
            .number(keys::ROUTING_MAX_TOTAL_ROUTING_FEE_MSAT, 0..=MAX_MONEY_MSAT)?,
        max_total_cltv_expiry_delta: values
            .number(BLOCKS, 1..=u32::MAX)?
            .ok_or_else(|| missing(BLOCKS))?,
        max_path_count: values.number(PATHS, 1..=u8::MAX)?.ok_or_else(|| missing(PATHS))?,
        max_channel_saturation_power_of_half: values
            .number(POWER, 0..=u8::MAX)?
            .ok_or_else(|| missing(POWER))?,
    })
}
