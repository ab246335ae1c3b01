//! What the two nodes own together, to the satoshi.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, ensure};
use ldk_server_client::types::Channel;

use super::operation::PUSHED_SATS;
use crate::network::Network;
use crate::node::Node;
use crate::stress::settle::{ANCHORS_SATS, OnChain};

/// What a node may count less, or more, than before, beyond the fees of the round: the fee of the
/// commitment transaction and the anchors of each channel are its opener's, as long as it is open.
const SLACK_SATS: u64 = 20_000;

/// What was there at the beginning, and what has become of it.
pub(super) struct Money {
    began: OnChain,
    began_sats: u64,
    /// The channels that were closed by force, each of which may leave its anchors behind.
    forced: BTreeSet<String>,
    /// What each owned when it was last counted, and the fees until then.
    owned_sats: Vec<u64>,
    fees_sats: u64,
}

impl Money {
    /// Before there is any channel.
    pub(super) async fn count(network: &Network, nodes: &[Arc<Node>]) -> Result<Self> {
        let began = OnChain::now(network, nodes).await?;
        let owned_sats = owned_sats(nodes).await?;
        let began_sats = owned_sats.iter().sum();
        Ok(Self { began, began_sats, forced: BTreeSet::new(), owned_sats, fees_sats: 0 })
    }

    /// Takes note of channels that were closed by force.
    pub(super) fn add_forced(&mut self, channel_ids: BTreeSet<String>) {
        self.forced.extend(channel_ids);
    }

    /// Whether this channel was closed by force.
    pub(super) fn is_forced(&self, channel_id: &str) -> bool {
        self.forced.contains(channel_id)
    }

    /// All that the miners got.
    pub(super) fn fees_sats(&self) -> u64 {
        self.fees_sats
    }

    /// Checks that all of it is in the wallets and in these channels, which are all there are, and
    /// that what each node owns has not changed by more than fees. Nothing was paid, but what the
    /// opener of a new channel gave the other.
    pub(super) async fn check(
        &mut self,
        network: &Network,
        nodes: &[Arc<Node>],
        channels: &[Channel],
        opener: Option<usize>,
    ) -> Result<()> {
        let wallets_sats = OnChain::now(network, nodes).await?.sum_sats();
        let channels_sats: u64 = channels.iter().map(|channel| channel.channel_value_sats).sum();
        let fees_sats = self.began.fees_sats_since(network).await?;
        let there_sats = wallets_sats + channels_sats + fees_sats;
        let anchors_sats = self.forced.len() as u64 * ANCHORS_SATS;
        ensure!(
            (self.began_sats.saturating_sub(anchors_sats)..=self.began_sats).contains(&there_sats),
            "there were {} sat, and now are {wallets_sats} sat in wallets and {channels_sats} sat \
             in channels; fees were {fees_sats} sat",
            self.began_sats
        );
        let owned_sats = owned_sats(nodes).await?;
        let may_differ_sats = fees_sats - self.fees_sats + SLACK_SATS;
        let mut awaited_sats = self.owned_sats.clone();
        if let Some(opener) = opener {
            awaited_sats[opener] -= PUSHED_SATS;
            awaited_sats[1 - opener] += PUSHED_SATS;
        }
        let is_near = |(has, awaited): (&u64, &u64)| has.abs_diff(*awaited) <= may_differ_sats;
        ensure!(
            owned_sats.iter().zip(&awaited_sats).all(is_near),
            "the two should own about {awaited_sats:?} sat, and own {owned_sats:?} sat"
        );
        (self.owned_sats, self.fees_sats) = (owned_sats, fees_sats);
        Ok(())
    }
}

/// What each has on chain and in channels.
async fn owned_sats(nodes: &[Arc<Node>]) -> Result<Vec<u64>> {
    let mut owned_sats = Vec::new();
    for node in nodes {
        let balances = node.balances().await?;
        owned_sats
            .push(balances.total_onchain_balance_sats + balances.total_lightning_balance_sats);
    }
    Ok(owned_sats)
}
