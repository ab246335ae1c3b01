//! A channel that was force-closed: all that was in it comes back on chain, and is counted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_client::api::GetBalancesResponse;
use ldk_server_client::types::lightning_balance::BalanceType as InChannel;
use ldk_server_client::types::pending_sweep_balance::BalanceType as Swept;
use serde_json::json;

use crate::network::Network;
use crate::node::Node;
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(120);
/// An output of one's own commitment can be spent after 144 blocks.
const BLOCKS_AT_A_TIME: u32 = 150;
/// What a commitment transaction holds beyond what belongs to the two: two anchors, which nobody
/// may have taken.
const ANCHORS_SATS: u64 = 660;

/// What each has on chain before a channel is opened, which is all it has.
pub(super) struct OnChain {
    height: u32,
    sats: [u64; 2],
}

impl OnChain {
    pub(super) async fn now(network: &Network, nodes: &[Arc<Node>; 2]) -> Result<Self> {
        let height = network.bitcoind().height().await?;
        let sats = [onchain_sats(&nodes[0]).await?, onchain_sats(&nodes[1]).await?];
        Ok(Self { height, sats })
    }

    pub(super) fn sats(&self, node: usize) -> u64 {
        self.sats[node]
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

    /// Checks what each has now, when so much has gone from the first to the second since.
    pub(super) fn check(&self, now: &Self, moved_msat: i64, fees_sats: u64) -> Result<()> {
        let moved_sats = moved_msat / 1_000;
        let awaited = [
            self.sats[0]
                .checked_add_signed(-moved_sats)
                .context("more was moved than was there")?,
            self.sats[1].checked_add_signed(moved_sats).context("more was moved than was there")?,
        ];
        let seen = || {
            format!(
                "on chain were {:?}, moved {moved_sats} sat, fees {fees_sats} sat, and now are {:?}",
                self.sats, now.sats
            )
        };
        for (has, most) in now.sats.iter().zip(awaited) {
            ensure!((most.saturating_sub(fees_sats + ANCHORS_SATS)..=most).contains(has), seen());
        }
        let lost_sats = awaited.iter().sum::<u64>() - now.sats.iter().sum::<u64>();
        ensure!((fees_sats..=fees_sats + ANCHORS_SATS).contains(&lost_sats), seen());
        Ok(())
    }
}

/// Mines until neither node has anything in a closed channel or on the way out of one.
pub(super) async fn sweep(network: &Network, nodes: &[Arc<Node>; 2]) -> Result<()> {
    until("the commitment transaction is in a block", PATIENCE, async || {
        let [one, other] = balances(nodes).await?;
        if is_confirmed(&one) && is_confirmed(&other) {
            return Ok(());
        }
        let mempool = network.bitcoind().mempool().await?;
        ensure!(!mempool.is_empty(), "nothing is broadcast");
        network.mine(1).await?;
        ensure!(false, "{one:?} and {other:?}");
        Ok(())
    })
    .await?;
    until("all is swept", PATIENCE, async || {
        let [one, other] = balances(nodes).await?;
        if is_swept(&one) && is_swept(&other) {
            return Ok(());
        }
        // A claim has to be in a block before the other side can take the money back.
        let is_contested = has_claims(&one) || has_claims(&other);
        network.mine(if is_contested { 1 } else { BLOCKS_AT_A_TIME }).await?;
        ensure!(false, "{one:?} and {other:?}");
        Ok(())
    })
    .await
}

async fn balances(nodes: &[Arc<Node>; 2]) -> Result<[GetBalancesResponse; 2]> {
    Ok([nodes[0].balances().await?, nodes[1].balances().await?])
}

async fn onchain_sats(node: &Node) -> Result<u64> {
    Ok(node.balances().await?.total_onchain_balance_sats)
}

/// Whether no channel is as if it were still open.
fn is_confirmed(balances: &GetBalancesResponse) -> bool {
    !in_channels(balances).any(|part| matches!(part, InChannel::ClaimableOnChannelClose(_)))
}

/// Whether there are payments to us that the peer could take back.
fn has_claims(balances: &GetBalancesResponse) -> bool {
    in_channels(balances).any(|part| matches!(part, InChannel::ContentiousClaimable(_)))
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
