//! A chain and the nodes on it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::bitcoind::Bitcoind;
use crate::node::Node;
use crate::node_config::NodeConfig;
use crate::process::Group;
use crate::reservation::Reservation;
use crate::tools::Tools;
use crate::wait::until;

/// Nodes look for blocks and transactions every 2 s.
pub(crate) const SYNC_PATIENCE: Duration = Duration::from_secs(60);
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
    /// How many nodes were started or are being started.
    started: AtomicUsize,
    tools: &'static Tools,
    dir: PathBuf,
    group: Group,
    stopped: bool,
    has_tails: bool,
    /// Removed with all that is in it, unless a test has failed.
    temporary: Option<TempDir>,
    /// Given back last, when the processes have ended.
    reservation: Option<Reservation>,
}

/// How many nodes a test has unless it says otherwise.
const PAIR: u32 = 2;

impl Network {
    /// Starts a chain in a temporary directory, for a test with at most two nodes.
    pub async fn start() -> Result<Self> {
        Self::start_for(PAIR).await
    }

    /// As [`start`](Self::start), for a test with at most so many nodes.
    pub async fn start_for(nodes: u32) -> Result<Self> {
        Self::start_with(Reservation::of(nodes).await?).await
    }

    /// As [`start`](Self::start), for a test that measures time: nothing else runs beside it, so that the others
    /// wait for it, and it for them.
    pub async fn start_measuring() -> Result<Self> {
        Self::start_with(Reservation::of_the_machine().await?).await
    }

    async fn start_with(reservation: Reservation) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut network = Self::start_in(temporary.path(), Group::Shared).await?;
        network.temporary = Some(temporary);
        network.reservation = Some(reservation);
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
            started: AtomicUsize::new(0),
            tools,
            dir,
            group,
            stopped: false,
            has_tails: true,
            temporary: None,
            reservation: None,
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
        self.take_place()?;
        let node = Arc::new(Node::start(config, self.tools, self.group).await?);
        self.nodes().push(Arc::clone(&node));
        Ok(node)
    }

    /// Starts a second daemon of this node with this configuration, as [`Node::start_standby`] does.
    pub fn standby_of(&self, node: &Node, config: NodeConfig) -> Result<Arc<Node>> {
        self.take_place()?;
        let standby = Arc::new(node.start_standby(config)?);
        self.nodes().push(Arc::clone(&standby));
        Ok(standby)
    }

    /// Counts a node that is to be started.
    fn take_place(&self) -> Result<()> {
        let started = self.started.fetch_add(1, Ordering::Relaxed);
        let places = self.reservation.as_ref().map_or(usize::MAX, Reservation::nodes);
        ensure!(started < places, "the network has room for {places} nodes: Network::start_for");
        Ok(())
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
