//! What is done with channels.

use anyhow::{Result, bail};
use ldk_server_client::Error;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::api::splice_in_request::Amount as SpliceAmount;
use ldk_server_client::api::{
    CloseChannelRequest, ForceCloseChannelRequest, OpenChannelRequest, SpliceInRequest,
    SpliceOutRequest,
};
use ldk_server_client::types::Channel;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::node::Node;

pub(super) const CHANNEL_SATS: u64 = 1_000_000;
/// What the opener of a channel gives the other.
pub(super) const PUSHED_SATS: u64 = 400_000;
/// More than all fees of a round.
const SPLICE_SATS: u64 = 100_000;
/// What a node must be able to send before it splices something out.
const ENOUGH_SATS: u64 = 2 * SPLICE_SATS;
/// So many channels there are at most.
const MOST_CHANNELS: usize = 4;

/// What a node is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    Close,
    ForceClose,
    SpliceIn,
    SpliceOut,
}

impl Operation {
    /// Something that can be done with one of these channels, which is the second.
    pub(super) fn choose(channels: &[Channel], rng: &mut StdRng) -> (Self, Option<Channel>) {
        let all = [Self::Open, Self::Close, Self::ForceClose, Self::SpliceIn, Self::SpliceOut];
        let chosen = all.choose(rng).copied().unwrap_or(Self::Open);
        let channel = channels.choose(rng).cloned();
        match (chosen, channel) {
            // One has to stand, so that it can be seen that it does.
            (Self::Close | Self::ForceClose, _) if channels.len() < 2 => (Self::Open, None),
            (Self::Open, channel) if channels.len() == MOST_CHANNELS => (Self::SpliceIn, channel),
            (Self::Open, _) | (_, None) => (Self::Open, None),
            (Self::SpliceOut, Some(channel)) if !has_enough(&channel) => {
                (Self::SpliceIn, Some(channel))
            },
            (chosen, channel) => (chosen, channel),
        }
    }

    /// What it is called in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::ForceClose => "force-close",
            Self::SpliceIn => "splice-in",
            Self::SpliceOut => "splice-out",
        }
    }

    /// Asks for it.
    pub(super) async fn call(
        self,
        node: &Node,
        peer: &Node,
        channel: Option<&Channel>,
    ) -> Result<()> {
        match (self, channel) {
            (Self::Open, _) => open(node, peer).await?,
            (Self::Close, Some(channel)) => close(node, channel).await?,
            (Self::ForceClose, Some(channel)) => force_close(node, channel).await?,
            (Self::SpliceIn, Some(channel)) => splice_in(node, channel).await?,
            (Self::SpliceOut, Some(channel)) => splice_out(node, channel).await?,
            (_, None) => bail!("there is no channel"),
        }
        Ok(())
    }
}

fn has_enough(channel: &Channel) -> bool {
    channel.outbound_capacity_msat >= ENOUGH_SATS * 1_000
}

async fn open(node: &Node, peer: &Node) -> Result<(), Error> {
    let request = OpenChannelRequest {
        node_pubkey: peer.id().to_owned(),
        address: peer.address(),
        amount: Some(Amount::ChannelAmountSats(CHANNEL_SATS)),
        push_to_counterparty_msat: Some(PUSHED_SATS * 1_000),
        ..Default::default()
    };
    node.client().open_channel(request).await.map(drop)
}

async fn close(node: &Node, channel: &Channel) -> Result<(), Error> {
    let request = CloseChannelRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
    };
    node.client().close_channel(request).await.map(drop)
}

async fn force_close(node: &Node, channel: &Channel) -> Result<(), Error> {
    let request = ForceCloseChannelRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        ..Default::default()
    };
    node.client().force_close_channel(request).await.map(drop)
}

async fn splice_in(node: &Node, channel: &Channel) -> Result<(), Error> {
    let request = SpliceInRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        amount: Some(SpliceAmount::SpliceAmountSats(SPLICE_SATS)),
        ..Default::default()
    };
    node.client().splice_in(request).await.map(drop)
}

async fn splice_out(node: &Node, channel: &Channel) -> Result<(), Error> {
    let request = SpliceOutRequest {
        user_channel_id: channel.user_channel_id.clone(),
        counterparty_node_id: channel.counterparty_node_id.clone(),
        splice_amount_sats: SPLICE_SATS,
        ..Default::default()
    };
    node.client().splice_out(request).await.map(drop)
}
