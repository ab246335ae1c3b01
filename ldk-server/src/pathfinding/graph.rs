//! A copy of the network graph. The library shows its graph channel by channel; the copy is built of
//! these as if they had been learned from a snapshot of gossip.

use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::constants::ChainHash;
use ldk_node::graph::NetworkGraph as LiveGraph;
use ldk_node::lightning::ln::msgs::{LightningError, UnsignedChannelUpdate};
use ldk_node::lightning::routing::gossip::{ChannelInfo, ChannelUpdateInfo, NetworkGraph};

use super::Silent;
use crate::clock::unix_secs;

/// The graph.
pub(super) type Graph = NetworkGraph<Silent>;

/// The bits of a channel update's flags (BOLT 7): from the second node to the first, and disabled.
const FROM_SECOND: u8 = 1;
const DISABLED: u8 = 2;

/// Copies the graph as it is now.
pub(super) fn copy(live: &LiveGraph, network: Network) -> Graph {
    let channels = live.list_channels();
    let known = channels.iter().filter_map(|&scid| Some((scid, live.channel(scid)?)));
    of_channels(known, network)
}

fn of_channels(channels: impl Iterator<Item = (u64, ChannelInfo)>, network: Network) -> Graph {
    let graph = Graph::new(network, Silent);
    let mut left_out = 0_usize;
    for (short_channel_id, channel) in channels {
        left_out += usize::from(add(&graph, network, short_channel_id, channel).is_err());
    }
    if left_out > 0 {
        tracing::debug!(left_out, "channels were left out of the copy of the network graph");
    }
    graph
}

fn add(
    graph: &Graph,
    network: Network,
    short_channel_id: u64,
    channel: ChannelInfo,
) -> Result<(), LightningError> {
    let ChannelInfo { features, node_one, node_two, capacity_sats, .. } = channel;
    let now = unix_secs();
    graph.add_channel_from_partial_announcement(
        short_channel_id,
        capacity_sats,
        now,
        features,
        node_one,
        node_two,
    )?;
    let directions = [(channel.one_to_two, 0), (channel.two_to_one, FROM_SECOND)];
    for (update, direction) in directions {
        let Some(update) = update else { continue };
        // One direction may be out of date, and the other not.
        let _ =
            graph.update_channel_unsigned(&message(network, short_channel_id, &update, direction));
    }
    Ok(())
}

fn message(
    network: Network,
    short_channel_id: u64,
    update: &ChannelUpdateInfo,
    direction: u8,
) -> UnsignedChannelUpdate {
    let disabled = if update.enabled { 0 } else { DISABLED };
    UnsignedChannelUpdate {
        chain_hash: ChainHash::using_genesis_block(network),
        short_channel_id,
        timestamp: update.last_update,
        // It names the largest amount, as it has to.
        message_flags: 1,
        channel_flags: direction | disabled,
        cltv_expiry_delta: update.cltv_expiry_delta,
        htlc_minimum_msat: update.htlc_minimum_msat,
        htlc_maximum_msat: update.htlc_maximum_msat,
        fee_base_msat: update.fees.base_msat,
        fee_proportional_millionths: update.fees.proportional_millionths,
        excess_data: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::secp256k1::PublicKey;
    use ldk_node::lightning::routing::gossip::{NodeId, RoutingFees};
    use ldk_node::lightning_types::features::ChannelFeatures;

    use super::*;

    const SCID: u64 = 1 << 40;

    fn node(key: &str) -> NodeId {
        NodeId::from_pubkey(&key.parse::<PublicKey>().unwrap())
    }

    fn update(enabled: bool, base_msat: u32) -> ChannelUpdateInfo {
        ChannelUpdateInfo {
            htlc_minimum_msat: 1,
            htlc_maximum_msat: 900_000,
            fees: RoutingFees { base_msat, proportional_millionths: 7 },
            last_update: u32::try_from(unix_secs()).unwrap(),
            cltv_expiry_delta: 42,
            enabled,
            last_update_message: None,
        }
    }

    /// A graph with one channel.
    fn original() -> Graph {
        let graph = Graph::new(Network::Regtest, Silent);
        let one = node("02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619");
        let two = node("0324653eac434488002cc06bbfb7f10fe18991e35f9fe4302dbea6d2353dc0ab1c");
        let (features, now) = (ChannelFeatures::empty(), unix_secs());
        graph
            .add_channel_from_partial_announcement(SCID, Some(1_000), now, features, one, two)
            .unwrap();
        for (direction, enabled, fee_msat) in [(0, true, 1_000), (FROM_SECOND, false, 2_000)] {
            let update = update(enabled, fee_msat);
            let message = message(Network::Regtest, SCID, &update, direction);
            graph.update_channel_unsigned(&message).unwrap();
        }
        graph
    }

    fn channel(graph: &Graph) -> ChannelInfo {
        graph.read_only().channels().get(&SCID).unwrap().clone()
    }

    #[test]
    fn a_copy_has_both_directions_of_a_channel_with_their_terms() {
        let original = channel(&original());
        let copy = of_channels([(SCID, original.clone())].into_iter(), Network::Regtest);
        let copy = channel(&copy);
        assert_eq!(copy, original);
        assert_eq!(copy.one_to_two.as_ref().map(|update| update.enabled), Some(true));
        assert_eq!(copy.two_to_one, Some(update(false, 2_000)));
    }

    #[test]
    fn what_is_out_of_date_is_left_out() {
        let mut original = channel(&original());
        original.one_to_two.as_mut().unwrap().last_update = 1_600_000_000;
        let copy = of_channels([(SCID, original)].into_iter(), Network::Regtest);
        assert_eq!(channel(&copy).one_to_two, None);
        assert!(channel(&copy).two_to_one.is_some());
    }
}
