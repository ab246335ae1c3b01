//! Channels between the nodes of a network: opening them, and waiting until they can be used.

use anyhow::{Result, ensure};
use ldk_server_client::api::OpenChannelRequest;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::types::Channel;

use crate::network::{Network, SYNC_PATIENCE};
use crate::node::Node;
use crate::wait::until;

/// The confirmations that make a channel ready.
const BLOCKS_TO_READY: u32 = 6;
/// What an anchor output holds.
const ANCHOR_SATS: u64 = 330;

impl Network {
    /// Opens a channel, gives `push_sats` of it to the other side, and waits until both can use it.
    pub async fn open_channel(
        &self,
        opener: &Node,
        accepter: &Node,
        channel_sats: u64,
        push_sats: u64,
    ) -> Result<()> {
        self.open(opener, accepter, channel_sats, push_sats, false).await
    }

    /// As [`open_channel`](Self::open_channel), and for others to pay through: they hear of it from
    /// their peers some time later.
    pub async fn open_announced_channel(
        &self,
        opener: &Node,
        accepter: &Node,
        channel_sats: u64,
        push_sats: u64,
    ) -> Result<()> {
        self.open(opener, accepter, channel_sats, push_sats, true).await
    }

    async fn open(
        &self,
        opener: &Node,
        accepter: &Node,
        channel_sats: u64,
        push_sats: u64,
        announce_channel: bool,
    ) -> Result<()> {
        let request = OpenChannelRequest {
            node_pubkey: accepter.id().to_owned(),
            address: accepter.address(),
            amount: Some(Amount::ChannelAmountSats(channel_sats)),
            push_to_counterparty_msat: Some(push_sats * 1_000),
            announce_channel,
            ..Default::default()
        };
        opener.client().open_channel(request).await?;
        self.confirm_funding(opener).await?;
        self.usable(opener, accepter).await
    }

    /// Waits until the funding transaction of a channel that this node opens waits for a block, and
    /// mines what makes the channel ready.
    pub async fn confirm_funding(&self, opener: &Node) -> Result<()> {
        until("the funding transaction is broadcast", SYNC_PATIENCE, async || {
            let mempool = self.bitcoind().mempool().await?;
            let channels = opener.channels().await?;
            let mut funding = channels.iter().filter_map(|channel| channel.funding_txo.as_ref());
            let seen = || format!("{} has {channels:?}, the mempool {mempool:?}", opener.alias());
            ensure!(funding.any(|outpoint| mempool.contains(&outpoint.txid)), seen());
            Ok(())
        })
        .await?;
        self.mine(BLOCKS_TO_READY).await
    }

    /// Waits until both can use every channel they have with each other.
    pub async fn usable(&self, one: &Node, other: &Node) -> Result<()> {
        for (node, peer) in [(one, other), (other, one)] {
            let what = format!("{} can use its channels with {}", node.alias(), peer.alias());
            until(&what, SYNC_PATIENCE, async || {
                let mut channels = node.channels().await?;
                channels.retain(|channel| channel.counterparty_node_id == peer.id());
                let usable = !channels.is_empty() && channels.iter().all(|each| each.is_usable);
                ensure!(usable, "{} has {channels:?}", node.alias());
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until no payment is on its way between the two, and returns what each can send then, in
    /// millisatoshis: a payment succeeds a moment before both sides have it out of their books.
    pub async fn at_rest(one: &Node, other: &Node) -> Result<[u64; 2]> {
        until("nothing is on its way in the channel", SYNC_PATIENCE, async || {
            Self::spendable_at_rest(one, other).await
        })
        .await
    }

    /// As [`at_rest`](Self::at_rest), and fails if something is on its way now.
    pub async fn spendable_at_rest(one: &Node, other: &Node) -> Result<[u64; 2]> {
        let [ours, theirs] = [one.usable_channel(other).await?, other.usable_channel(one).await?];
        let spendable = [ours.outbound_capacity_msat, theirs.outbound_capacity_msat];
        let mirrored = [theirs.inbound_capacity_msat, ours.inbound_capacity_msat];
        let whole = spendable.iter().sum::<u64>() == spendable_in_all_msat(&ours);
        ensure!(whole && spendable == mirrored, "{ours:?} and {theirs:?}");
        Ok(spendable)
    }
}

/// What the two sides of a channel can send together when nothing is on its way: all that is in it,
/// but for what each must keep and the two outputs that let either side raise the fee of a closure.
fn spendable_in_all_msat(channel: &Channel) -> u64 {
    let kept_sats = channel.unspendable_punishment_reserve.unwrap_or_default()
        + channel.counterparty_unspendable_punishment_reserve
        + 2 * ANCHOR_SATS;
    (channel.channel_value_sats - kept_sats) * 1_000
}
