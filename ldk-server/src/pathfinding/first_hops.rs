//! The channels of this node as the router wants to have them.

use ldk_node::ChannelDetails;
use ldk_node::lightning::ln::channel_state::{
    ChannelCounterparty, ChannelDetails as FirstHop, CounterpartyForwardingInfo,
};
use ldk_node::lightning_types::features::InitFeatures;

/// The channels that can be paid through now.
pub(super) fn of(channels: &[ChannelDetails]) -> Vec<FirstHop> {
    channels.iter().filter(|channel| channel.is_usable).map(first_hop).collect()
}

fn first_hop(channel: &ChannelDetails) -> FirstHop {
    FirstHop {
        channel_id: channel.channel_id,
        counterparty: counterparty(channel),
        funding_txo: None,
        channel_type: None,
        short_channel_id: channel.short_channel_id,
        outbound_scid_alias: channel.outbound_scid_alias,
        inbound_scid_alias: channel.inbound_scid_alias,
        channel_value_satoshis: channel.channel_value_sats,
        unspendable_punishment_reserve: channel.unspendable_punishment_reserve,
        user_channel_id: channel.user_channel_id.0,
        feerate_sat_per_1000_weight: None,
        outbound_capacity_msat: channel.outbound_capacity_msat,
        next_outbound_htlc_limit_msat: channel.next_outbound_htlc_limit_msat,
        next_outbound_htlc_minimum_msat: channel.next_outbound_htlc_minimum_msat,
        inbound_capacity_msat: channel.inbound_capacity_msat,
        confirmations_required: channel.confirmations_required,
        confirmations: channel.confirmations,
        force_close_spend_delay: channel.force_close_spend_delay,
        is_outbound: channel.is_outbound,
        is_channel_ready: channel.is_channel_ready,
        channel_shutdown_state: None,
        is_usable: channel.is_usable,
        is_announced: channel.is_announced,
        inbound_htlc_minimum_msat: Some(channel.inbound_htlc_minimum_msat),
        inbound_htlc_maximum_msat: channel.inbound_htlc_maximum_msat,
        config: None,
        pending_inbound_htlcs: Vec::new(),
        pending_outbound_htlcs: Vec::new(),
        funding_redeem_script: None,
    }
}

fn counterparty(channel: &ChannelDetails) -> ChannelCounterparty {
    ChannelCounterparty {
        node_id: channel.counterparty_node_id,
        // The router takes what the payee can do from the payment request, and of others it need not
        // know.
        features: InitFeatures::empty(),
        unspendable_punishment_reserve: channel.counterparty_unspendable_punishment_reserve,
        forwarding_info: forwarding_info(channel),
        outbound_htlc_minimum_msat: channel.counterparty_outbound_htlc_minimum_msat,
        outbound_htlc_maximum_msat: channel.counterparty_outbound_htlc_maximum_msat,
    }
}

fn forwarding_info(channel: &ChannelDetails) -> Option<CounterpartyForwardingInfo> {
    Some(CounterpartyForwardingInfo {
        fee_base_msat: channel.counterparty_forwarding_info_fee_base_msat?,
        fee_proportional_millionths: channel
            .counterparty_forwarding_info_fee_proportional_millionths?,
        cltv_expiry_delta: channel.counterparty_forwarding_info_cltv_expiry_delta?,
    })
}
