//! Channels that were closed: all that was in them comes back on chain, and is counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use ldk_server_client::api::GetBalancesResponse;
use ldk_server_client::types::BalanceSource;
use ldk_server_client::types::lightning_balance::BalanceType as InChannel;
use ldk_server_client::types::pending_sweep_balance::BalanceType as Swept;
use serde_json::json;

use super::group::Group;
use crate::network::Network;
use crate::node::Node;
use crate::wait::until;

/// A funding transaction has an output for the channel and one for change.
const MOST_OUTPUTS: u8 = 2;
const PATIENCE: Duration = Duration::from_secs(240);
/// After so many the library takes a claim, its own or that of the other side, for certain.
const BLOCKS_TO_CERTAINTY: u32 = 6;
/// What a commitment transaction holds beyond what belongs to the two: two anchors, which it may be
/// that nobody takes.
pub(super) const ANCHORS_SATS: u64 = 660;

/// What each has on chain when no channel is open, which is all it has.
pub(super) struct OnChain {
    height: u32,
    sats: Vec<u64>,
}

impl OnChain {
    pub(super) async fn now(network: &Network, nodes: &[Arc<Node>]) -> Result<Self> {
        let height = network.bitcoind().height().await?;
        let sats = try_join_all(nodes.iter().map(|node| onchain_sats(node))).await?;
        Ok(Self { height, sats })
    }

    /// What all have together.
    pub(super) fn sum_sats(&self) -> u64 {
        self.sats.iter().sum()
    }

    /// What has been paid to miners since, in satoshis. Nobody else pays anything on this chain.
    pub(super) async fn fees_sats_since(&self, network: &Network) -> Result<u64> {
        let mut fees_sats = 0;
        for height in self.height + 1..=network.bitcoind().height().await? {
            let params = [json!(height), json!(["totalfee"])];
            let stats = network.bitcoind().call("getblockstats", &params).await?;
            fees_sats += stats["totalfee"].as_u64().context("no totalfee")?;
        }
        Ok(fees_sats)
    }

    /// Checks what each has now, when so much has moved since in each channel, from the node with the
    /// lower number to the next.
    pub(super) fn check(&self, now: &Self, moved_msat: &[i64], fees_sats: u64) -> Result<()> {
        let anchors_sats = moved_msat.len() as u64 * ANCHORS_SATS;
        let given_up_sats = fees_sats + anchors_sats;
        let seen = || {
            format!(
                "on chain were {:?}, moved {moved_msat:?} msat, fees {fees_sats} sat, and now are \
                 {:?}",
                self.sats, now.sats
            )
        };
        for (node, (has, had)) in now.sats.iter().zip(&self.sats).enumerate() {
            let gained_msat = node.checked_sub(1).map_or(0, |channel| moved_msat[channel]);
            let lost_msat = moved_msat.get(node).copied().unwrap_or_default();
            let gained_sats = (gained_msat - lost_msat).div_euclid(1_000);
            let most = had.checked_add_signed(gained_sats).with_context(seen)?;
            // What is less than a satoshi is rounded in favour of one of the two.
            ensure!((most.saturating_sub(given_up_sats)..=most + 1).contains(has), seen());
        }
        let lost_sats = self.sum_sats().checked_sub(now.sum_sats());
        let lost_sats = lost_sats.with_context(seen)?;
        ensure!((fees_sats..=given_up_sats).contains(&lost_sats), seen());
        Ok(())
    }
}

/// Mines, one at a time, the blocks that decide who gets what: after that only time has to pass.
/// From then on the wallets of all know of the coins that they have spent for fees.
pub(super) async fn claim(network: &Network, nodes: &[Arc<Node>]) -> Result<()> {
    until("all claims are in blocks", PATIENCE, async || {
        let all = balances(nodes).await?;
        let is_contested = all.iter().flat_map(in_channels).any(is_contested);
        if !is_contested && network.bitcoind().mempool().await?.is_empty() {
            return Ok(());
        }
        network.mine(1).await?;
        bail!("there were {all:?}");
    })
    .await
}

/// Whether a node waits for what is in a closed channel that was never funded.
pub(super) async fn is_abandoned(group: &Group) -> Result<bool> {
    let all = balances(&group.nodes).await?;
    let waiting = all.iter().flat_map(in_channels).filter(|part| is_contested(part));
    for id in waiting.map(channel_id) {
        if !was_funded(group, id).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the transaction with the first funding output of a channel is known. The channel's id is
/// made of that output (BOLT 2).
async fn was_funded(group: &Group, channel_id: &str) -> Result<bool> {
    let mut id: [u8; 32] = hex::decode(channel_id)?.try_into().ok().context("not 32 bytes")?;
    id.reverse();
    for index in 0..MOST_OUTPUTS {
        let mut txid = id;
        txid[0] ^= index;
        if group.network.bitcoind().transaction(&hex::encode(txid)).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The channels that were closed by force, of which something waits to be swept. All claims are in
/// blocks.
pub(super) async fn forced(nodes: &[Arc<Node>]) -> Result<BTreeSet<String>> {
    let all = balances(nodes).await?;
    let forced = all.iter().flat_map(in_channels).filter(|part| is_forced(part));
    Ok(forced.map(channel_id).cloned().collect())
}

fn is_forced(part: &InChannel) -> bool {
    match part {
        InChannel::ClaimableAwaitingConfirmations(part) => matches!(
            part.source(),
            BalanceSource::HolderForceClosed | BalanceSource::CounterpartyForceClosed
        ),
        _ => false,
    }
}

/// Mines until neither node has anything in a closed channel or on the way out of one. All claims
/// are in blocks.
pub(super) async fn sweep(network: &Network, nodes: &[Arc<Node>]) -> Result<()> {
    let (mut was_swept, mut was_claimed) = (false, false);
    until("all is swept", PATIENCE, async || {
        let all = balances(nodes).await?;
        let is_swept = all.iter().all(is_swept);
        // For a moment what is going to be swept is in neither list.
        if is_swept && was_swept {
            return Ok(());
        }
        was_swept = is_swept;
        let height = network.bitcoind().height().await?;
        // Never far beyond what can be claimed next: with each block without the claim the library
        // offers a quarter more for it.
        let next = all.iter().flat_map(in_channels).filter_map(awaited_height).min();
        let blocks = match next.unwrap_or(0).saturating_sub(height) {
            0 if was_claimed => BLOCKS_TO_CERTAINTY,
            0 => 1,
            blocks => blocks,
        };
        was_claimed = blocks == 1;
        network.mine(blocks).await?;
        bail!("at {height} there were {all:?}");
    })
    .await
}

/// What each has, but for what is in channels that it has open.
async fn balances(nodes: &[Arc<Node>]) -> Result<Vec<GetBalancesResponse>> {
    try_join_all(nodes.iter().map(async |node| {
        let open = node.channels().await?;
        let mut balances = node.balances().await?;
        balances.lightning_balances.retain(|balance| {
            let id = balance.balance_type.as_ref().map(channel_id);
            open.iter().all(|channel| Some(&channel.channel_id) != id)
        });
        Ok(balances)
    }))
    .await
}

async fn onchain_sats(node: &Node) -> Result<u64> {
    Ok(node.balances().await?.total_onchain_balance_sats)
}

/// Whether it has to be in a block before the other side can take it, or before anything else can
/// happen.
fn is_contested(part: &InChannel) -> bool {
    matches!(part, InChannel::ClaimableOnChannelClose(_) | InChannel::ContentiousClaimable(_))
}

/// The height of the chain at which it can be moved.
fn awaited_height(part: &InChannel) -> Option<u32> {
    match part {
        InChannel::ClaimableAwaitingConfirmations(part) => Some(part.confirmation_height),
        InChannel::MaybeTimeoutClaimableHtlc(part) => Some(part.claimable_height),
        InChannel::MaybePreimageClaimableHtlc(part) => Some(part.expiry_height),
        InChannel::ClaimableOnChannelClose(_)
        | InChannel::ContentiousClaimable(_)
        | InChannel::CounterpartyRevokedOutputClaimable(_) => None,
    }
}

fn channel_id(part: &InChannel) -> &String {
    match part {
        InChannel::ClaimableOnChannelClose(part) => &part.channel_id,
        InChannel::ClaimableAwaitingConfirmations(part) => &part.channel_id,
        InChannel::ContentiousClaimable(part) => &part.channel_id,
        InChannel::MaybeTimeoutClaimableHtlc(part) => &part.channel_id,
        InChannel::MaybePreimageClaimableHtlc(part) => &part.channel_id,
        InChannel::CounterpartyRevokedOutputClaimable(part) => &part.channel_id,
    }
}

/// What is swept and confirmed stays listed for thousands of blocks.
fn is_swept(balances: &GetBalancesResponse) -> bool {
    in_channels(balances).next().is_none()
        && balances
            .pending_balances_from_channel_closures
            .iter()
            .all(|part| matches!(part.balance_type, Some(Swept::AwaitingThresholdConfirmations(_))))
}

fn in_channels(balances: &GetBalancesResponse) -> impl Iterator<Item = &InChannel> {
    balances.lightning_balances.iter().filter_map(|balance| balance.balance_type.as_ref())
}
