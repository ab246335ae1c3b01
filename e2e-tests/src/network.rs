//! A chain and the nodes on it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use ldk_server_client::api::OpenChannelRequest;
use ldk_server_client::api::open_channel_request::Amount;
use ldk_server_client::types::Channel;
use tempfile::TempDir;

use crate::bitcoind::Bitcoind;
use crate::node::Node;
use crate::node_config::NodeConfig;
use crate::process::Group;
use crate::tools::Tools;
use crate::wait::until;

/// Nodes look for blocks and transactions every 2 s.
const SYNC_PATIENCE: Duration = Duration::from_secs(60);
/// The confirmations that make a channel ready.
const BLOCKS_TO_READY: u32 = 6;
/// What an anchor output holds.
const ANCHOR_SATS: u64 = 330;
/// What each node of a funded pair gets beyond the channel: on-chain fees, and the reserve without
/// which a node cannot open or accept a channel.
const RESERVE_SATS: u64 = 200_000;

/// A regtest chain and the nodes on it.
///
/// End it with [`stop`](Self::stop). One that is dropped instead kills all of its processes, prints
/// the tails of their logs, and leaves its directory to be looked at.
pub struct Network {
    bitcoind: Bitcoind,
    nodes: Mutex<Vec<Arc<Node>>>,
    tools: &'static Tools,
    dir: PathBuf,
    group: Group,
    stopped: bool,
    has_tails: bool,
    /// Removed with all that is in it, unless a test has failed.
    temporary: Option<TempDir>,
}

impl Network {
    /// Starts a chain in a temporary directory.
    pub async fn start() -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut network = Self::start_in(temporary.path(), Group::Shared).await?;
        network.temporary = Some(temporary);
        Ok(network)
    }

    /// Starts a chain in a directory, which is left in place.
    pub async fn start_in(dir: &Path, group: Group) -> Result<Self> {
        let tools = Tools::get(group).await?;
        let dir = std::path::absolute(dir)?;
        let bitcoind = Bitcoind::start(&tools.bitcoind, &dir.join("bitcoind"), group).await?;
        let nodes = Mutex::default();
        Ok(Self {
            bitcoind,
            nodes,
            tools,
            dir,
            group,
            stopped: false,
            has_tails: true,
            temporary: None,
        })
    }

    /// Prints nothing when it is dropped, for those who tell themselves where the logs are.
    pub(crate) fn without_tails(mut self) -> Self {
        self.has_tails = false;
        self
    }

    /// The chain.
    pub fn bitcoind(&self) -> &Bitcoind {
        &self.bitcoind
    }

    /// The executables that the network runs.
    pub fn tools(&self) -> &Tools {
        self.tools
    }

    /// Where bitcoind and the nodes keep their data, each in a directory with its name.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a node with this name is configured with. Its directory does not exist yet.
    pub fn config(&self, alias: &str) -> Result<NodeConfig> {
        NodeConfig::new(&self.dir.join(alias), alias, &self.bitcoind)
    }

    /// Starts a node. It has no money.
    pub async fn node(&self, alias: &str) -> Result<Arc<Node>> {
        self.node_with(alias, "").await
    }

    /// Starts a node with these sections of TOML as well in its configuration. It has no money.
    pub async fn node_with(&self, alias: &str, sections: impl Into<String>) -> Result<Arc<Node>> {
        let mut config = self.config(alias)?;
        config.sections = sections.into();
        self.node_of(config).await
    }

    /// Starts a node with this configuration. It has no money.
    pub async fn node_of(&self, config: NodeConfig) -> Result<Arc<Node>> {
        let node = Arc::new(Node::start(config, self.tools, self.group).await?);
        self.nodes().push(Arc::clone(&node));
        Ok(node)
    }

    /// Starts alice and bob, who share a channel of this capacity. Half of it belongs to each, so
    /// that both can pay; on chain each has more than enough to open another like it.
    pub async fn funded_pair(&self, channel_sats: u64) -> Result<[Arc<Node>; 2]> {
        let (alice, bob) = tokio::try_join!(self.node("alice"), self.node("bob"))?;
        self.fund(&[&alice, &bob], 2 * channel_sats + RESERVE_SATS).await?;
        self.open_channel(&alice, &bob, channel_sats, channel_sats / 2).await?;
        Ok([alice, bob])
    }

    /// Sends so much to each of the nodes on chain, and waits until they can spend it.
    pub async fn fund(&self, nodes: &[&Node], amount_sats: u64) -> Result<()> {
        let mut addresses = Vec::new();
        for node in nodes {
            addresses.push(node.new_address().await?);
        }
        self.bitcoind.send(&addresses, amount_sats).await?;
        self.mine(1).await?;
        for node in nodes {
            until(&format!("{} has its money", node.alias()), SYNC_PATIENCE, async || {
                let balances = node.balances().await?;
                ensure!(balances.spendable_onchain_balance_sats >= amount_sats, "{balances:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

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
            let mempool = self.bitcoind.mempool().await?;
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

    /// Mines so many blocks, and waits until every node that is up has seen the last of them.
    pub async fn mine(&self, blocks: u32) -> Result<()> {
        self.bitcoind.mine(blocks).await?;
        let tip = self.bitcoind.height().await?;
        let nodes = self.nodes().clone();
        for node in nodes {
            if node.is_up().await {
                until(&format!("{} is at block {tip}", node.alias()), SYNC_PATIENCE, async || {
                    let height = node.height().await?;
                    ensure!(height >= tip, "it is at {height}");
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Stops the nodes that are up, each of which must end with code 0, and then bitcoind.
    pub async fn stop(mut self) -> Result<()> {
        let nodes = self.nodes().clone();
        for node in nodes {
            if node.is_up().await {
                node.stop().await?;
            }
        }
        self.bitcoind.stop().await?;
        self.stopped = true;
        Ok(())
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Drop for Network {
    fn drop(&mut self) {
        if !self.stopped && self.has_tails {
            for node in self.nodes().iter() {
                eprintln!("{}", node.log().tail());
            }
            eprintln!("{}", self.bitcoind.log().tail());
            if let Some(temporary) = &mut self.temporary {
                temporary.disable_cleanup(true);
                eprintln!("all of it is left in {}", temporary.path().display());
            }
        }
    }
}
