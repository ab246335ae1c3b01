//! What two nodes must agree on.

use anyhow::{Result, ensure};
use ldk_server_client::types::Channel;

use super::money::Money;
use crate::stress::group::Group;
use crate::stress::settle;

/// The channels, if both have the same, can use them all, nothing waits for a block, and all money is
/// there. What was closed by force is brought back.
pub(super) async fn settled(
    group: &Group,
    money: &mut Money,
    channels_before: usize,
    opener: Option<usize>,
) -> Result<Vec<Channel>> {
    let Group { network, nodes, .. } = group;
    let channels = same_channels(group).await?;
    ensure!(network.bitcoind().mempool().await?.is_empty(), "a transaction waits for a block");
    ensure!(!settle::is_abandoned(group).await?, "a channel was given up before it was funded");
    settle::claim(network, nodes).await?;
    money.add_forced(settle::forced(nodes).await?);
    settle::sweep(network, nodes).await?;
    let pushed_by = opener.filter(|_| channels.len() > channels_before);
    money.check(network, nodes, &channels, pushed_by).await?;
    Ok(channels)
}

/// Whether they wait for a funding transaction, or for that of a splice, that is not known on the
/// chain.
pub(super) async fn has_lost_one(group: &Group) -> Result<bool> {
    let channels = group.nodes[0].channels().await?;
    let waiting = channels.into_iter().filter(|channel| !channel.is_usable);
    let funding = waiting.filter_map(|channel| channel.funding_txo.map(|funding| funding.txid));
    for txid in funding.chain(group.pending_splices()) {
        if group.network.bitcoind().transaction(&txid).await.is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The channels of the first node, if those of the second are the same and all can be used.
async fn same_channels(group: &Group) -> Result<Vec<Channel>> {
    let [ours, theirs] = [group.nodes[0].channels().await?, group.nodes[1].channels().await?];
    let is_usable = ours.iter().chain(&theirs).all(|channel| channel.is_usable);
    let shown = [shown(&ours), shown(&theirs)];
    ensure!(is_usable && shown[0] == shown[1], "the two have the channels {shown:#?}");
    Ok(ours)
}

/// What both sides show alike, in the same order.
fn shown(channels: &[Channel]) -> Vec<String> {
    let mut shown: Vec<_> = channels
        .iter()
        .map(|channel| {
            let Channel { channel_id, channel_value_sats, funding_txo, is_usable, .. } = channel;
            let funding = funding_txo.as_ref().map(|funding| funding.txid.as_str());
            let usable = if *is_usable { "usable" } else { "not usable" };
            format!("{channel_id} {channel_value_sats} sat, funding {funding:?}, {usable}")
        })
        .collect();
    shown.sort_unstable();
    shown
}
