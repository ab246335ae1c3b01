//! Channels and their configuration.

use ldk_node::ChannelDetails;
use ldk_node::bitcoin;
use ldk_node::config::{ChannelConfig, MaxDustHTLCExposure};
use ldk_server_grpc::types;
use ldk_server_grpc::types::channel_config::MaxDustHtlcExposure;

/// A channel as the API shows it.
pub fn channel(details: ChannelDetails) -> types::Channel {
    let ChannelDetails {
        channel_id,
        counterparty_node_id,
        funding_txo,
        // The API has no field for these.
        short_channel_id: _,
        outbound_scid_alias: _,
        inbound_scid_alias: _,
        inbound_htlc_minimum_msat: _,
        inbound_htlc_maximum_msat: _,
        // Shown with the rest of the configuration.
        cltv_expiry_delta: _,
        channel_value_sats,
        unspendable_punishment_reserve,
        user_channel_id,
        feerate_sat_per_1000_weight,
        outbound_capacity_msat,
        inbound_capacity_msat,
        confirmations_required,
        confirmations,
        is_outbound,
        is_channel_ready,
        is_usable,
        is_announced,
        counterparty_unspendable_punishment_reserve,
        counterparty_outbound_htlc_minimum_msat,
        counterparty_outbound_htlc_maximum_msat,
        counterparty_forwarding_info_fee_base_msat,
        counterparty_forwarding_info_fee_proportional_millionths,
        counterparty_forwarding_info_cltv_expiry_delta,
        next_outbound_htlc_limit_msat,
        next_outbound_htlc_minimum_msat,
        force_close_spend_delay,
        config,
    } = details;
    types::Channel {
        channel_id: channel_id.to_string(),
        counterparty_node_id: counterparty_node_id.to_string(),
        funding_txo: funding_txo.map(out_point),
        user_channel_id: user_channel_id.0.to_string(),
        unspendable_punishment_reserve,
        channel_value_sats,
        feerate_sat_per_1000_weight,
        outbound_capacity_msat,
        inbound_capacity_msat,
        confirmations_required,
        confirmations,
        is_outbound,
        is_channel_ready,
        is_usable,
        is_announced,
        channel_config: Some(channel_config(config)),
        next_outbound_htlc_limit_msat,
        next_outbound_htlc_minimum_msat,
        force_close_spend_delay: force_close_spend_delay.map(Into::into),
        counterparty_outbound_htlc_minimum_msat,
        counterparty_outbound_htlc_maximum_msat,
        counterparty_unspendable_punishment_reserve,
        counterparty_forwarding_info_fee_base_msat,
        counterparty_forwarding_info_fee_proportional_millionths,
        counterparty_forwarding_info_cltv_expiry_delta:
            counterparty_forwarding_info_cltv_expiry_delta.map(Into::into),
    }
}

fn out_point(outpoint: bitcoin::OutPoint) -> types::OutPoint {
    let bitcoin::OutPoint { txid, vout } = outpoint;
    types::OutPoint { txid: txid.to_string(), vout }
}

fn channel_config(config: ChannelConfig) -> types::ChannelConfig {
    let ChannelConfig {
        forwarding_fee_proportional_millionths,
        forwarding_fee_base_msat,
        cltv_expiry_delta,
        max_dust_htlc_exposure,
        force_close_avoidance_max_fee_satoshis,
        accept_underpaying_htlcs,
    } = config;
    types::ChannelConfig {
        forwarding_fee_proportional_millionths: Some(forwarding_fee_proportional_millionths),
        forwarding_fee_base_msat: Some(forwarding_fee_base_msat),
        cltv_expiry_delta: Some(cltv_expiry_delta.into()),
        force_close_avoidance_max_fee_satoshis: Some(force_close_avoidance_max_fee_satoshis),
        accept_underpaying_htlcs: Some(accept_underpaying_htlcs),
        max_dust_htlc_exposure: Some(match max_dust_htlc_exposure {
            MaxDustHTLCExposure::FixedLimit { limit_msat } => {
                MaxDustHtlcExposure::FixedLimitMsat(limit_msat)
            },
            MaxDustHTLCExposure::FeeRateMultiplier { multiplier } => {
                MaxDustHtlcExposure::FeeRateMultiplier(multiplier)
            },
        }),
    }
}
