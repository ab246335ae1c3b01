//! Channels that peers have opened. The library accepts all of them, and the wallet needs a reserve
//! for each.

use ldk_node::ChannelDetails;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::config::AnchorChannelsConfig;

use super::page::{Page, signed};

/// The channels that peers have opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenedByPeers {
    pub(super) number: usize,
    /// The reserve for closing them.
    pub(super) reserve_sats: u64,
}

impl OpenedByPeers {
    pub(super) fn of(channels: &[ChannelDetails], anchors: Option<AnchorChannelsConfig>) -> Self {
        let inbound = channels.iter().filter(|channel| !channel.is_outbound);
        let openers: Vec<_> = inbound.map(|channel| channel.counterparty_node_id).collect();
        Self::new(&openers, anchors)
    }

    /// `openers` has the peer of each channel.
    fn new(openers: &[PublicKey], anchors: Option<AnchorChannelsConfig>) -> Self {
        let number = openers.len();
        let Some(anchors) = anchors else { return Self { number, reserve_sats: 0 } };
        let is_trusted = |opener: &&PublicKey| anchors.trusted_peers_no_reserve.contains(opener);
        let reserved = openers.iter().filter(|opener| !is_trusted(opener)).count() as u64;
        Self { number, reserve_sats: reserved.saturating_mul(anchors.per_channel_reserve_sats) }
    }

    pub(super) fn add(self, page: &Page) -> prometheus::Result<()> {
        let Self { number, reserve_sats } = self;
        page.gauge(
            "ldk_server_inbound_channels_count",
            "Those of the channels that peers have opened.",
            signed(number),
        )?;
        page.gauge(
            "ldk_server_inbound_channels_reserve_sats",
            "What the on-chain wallet holds back to be able to close these, in satoshis.",
            signed(reserve_sats),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_held_back_for_channels_of_trusted_peers() {
        let [stranger, trusted] = [
            "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993",
            "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619",
        ]
        .map(|key| key.parse().unwrap());
        let openers = [stranger, trusted, stranger];
        let anchors = AnchorChannelsConfig {
            trusted_peers_no_reserve: vec![trusted],
            per_channel_reserve_sats: 25_000,
        };
        let expected = OpenedByPeers { number: 3, reserve_sats: 50_000 };
        assert_eq!(OpenedByPeers::new(&openers, Some(anchors)), expected);
        let without_anchors = OpenedByPeers { number: 3, reserve_sats: 0 };
        assert_eq!(OpenedByPeers::new(&openers, None), without_anchors);
    }
}
