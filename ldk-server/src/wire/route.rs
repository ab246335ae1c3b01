//! Routes, and what channels can send.

use ldk_node::ChannelDetails;
use ldk_node::lightning::routing::router::{Path, Route};
use ldk_server_grpc::types::{RouteHop, RoutePath, SendableAmount};

/// Millionths of a probability between 0 and 1.
pub fn ppm(probability: f64) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds")]
    let ppm = (probability.clamp(0.0, 1.0) * 1e6).round() as u32;
    ppm
}

/// A path as the API shows it.
pub fn path(path: &Path) -> RoutePath {
    let (amount_msat, fee_msat) = (path.final_value_msat(), path.fee_msat());
    let whole_msat = amount_msat.saturating_add(fee_msat);
    let (mut arrives_msat, mut locked_for) = (whole_msat, blocks(path));
    let mut hops = Vec::with_capacity(path.hops.len());
    for (index, hop) in path.hops.iter().enumerate() {
        let is_payee = index + 1 == path.hops.len() && path.blinded_tail.is_none();
        let kept_msat = if is_payee { 0 } else { hop.fee_msat };
        hops.push(RouteHop {
            node_id: hop.pubkey.to_string(),
            short_channel_id: hop.short_channel_id,
            amount_msat: arrives_msat,
            fee_msat: kept_msat,
            total_cltv_expiry_delta: locked_for,
        });
        arrives_msat = arrives_msat.saturating_sub(kept_msat);
        locked_for = locked_for.saturating_sub(hop.cltv_expiry_delta);
    }
    RoutePath { hops, amount_msat, fee_msat, is_blinded: path.blinded_tail.is_some() }
}

/// The longest time for which a part of the payment can be locked, in blocks.
pub fn longest_lock(route: &Route) -> u32 {
    route.paths.iter().map(blocks).max().unwrap_or_default()
}

fn blocks(path: &Path) -> u32 {
    let tail = path.blinded_tail.as_ref().map_or(0, |tail| tail.excess_final_cltv_expiry_delta);
    path.hops.iter().map(|hop| hop.cltv_expiry_delta).fold(tail, u32::saturating_add)
}

/// What each channel that is ready can send.
pub fn sendable(channels: &[ChannelDetails]) -> Vec<SendableAmount> {
    let ready = channels.iter().filter(|channel| channel.is_channel_ready);
    ready
        .map(|channel| SendableAmount {
            user_channel_id: channel.user_channel_id.0.to_string(),
            counterparty_node_id: channel.counterparty_node_id.to_string(),
            is_usable: channel.is_usable,
            sendable_msat: channel.next_outbound_htlc_limit_msat,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::secp256k1::PublicKey;
    use ldk_node::lightning::routing::router::RouteHop as Hop;
    use ldk_node::lightning_types::features::{ChannelFeatures, NodeFeatures};

    use super::*;

    const KEY: &str = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";

    fn hop(short_channel_id: u64, fee_msat: u64, cltv_expiry_delta: u32) -> Hop {
        Hop {
            pubkey: KEY.parse::<PublicKey>().unwrap(),
            node_features: NodeFeatures::empty(),
            short_channel_id,
            channel_features: ChannelFeatures::empty(),
            fee_msat,
            cltv_expiry_delta,
            maybe_announced_channel: true,
        }
    }

    #[test]
    fn each_hop_tells_what_arrives_and_what_stays() {
        let hops = vec![hop(1, 30, 40), hop(2, 5, 50), hop(3, 1_000, 18)];
        let shown = path(&Path { hops, blinded_tail: None });
        assert_eq!((shown.amount_msat, shown.fee_msat, shown.is_blinded), (1_000, 35, false));
        let told = |hop: &RouteHop| {
            (hop.short_channel_id, hop.amount_msat, hop.fee_msat, hop.total_cltv_expiry_delta)
        };
        let told: Vec<_> = shown.hops.iter().map(told).collect();
        assert_eq!(told, [(1, 1_035, 30, 108), (2, 1_005, 5, 68), (3, 1_000, 0, 18)]);
    }

    #[test]
    fn probabilities_are_told_in_millionths() {
        assert_eq!([ppm(0.0), ppm(0.25), ppm(1.0), ppm(7.0)], [0, 250_000, 1_000_000, 1_000_000]);
    }
}
