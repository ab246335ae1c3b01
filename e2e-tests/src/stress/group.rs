//! Some nodes on a chain of their own, which are killed and started again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures_util::future::try_join_all;
use ldk_server_client::api::DisconnectPeerRequest;
use tokio::time::sleep;

use super::follow::Follower;
use super::ledger::Ledger;
use super::summary::Summary;
use super::{Ending, Plan, counters};
use crate::mirror::Mirror;
use crate::network::Network;
use crate::node::Node;
use crate::process::Group as ProcessGroup;
use crate::strace::Strace;
use crate::wait::until;

/// How often to look whether a node has ended by itself.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// The nodes, and who follows their events.
pub(super) struct Group {
    pub(super) network: Network,
    pub(super) nodes: Vec<Arc<Node>>,
    followers: Vec<Follower>,
    mirrors: Vec<Mirror>,
    ending: Ending,
}

impl Group {
    /// Starts nodes with these names.
    pub(super) async fn start(
        plan: &Plan,
        dir: &Path,
        aliases: &[&str],
        ledger: &Arc<Ledger>,
    ) -> Result<Self> {
        let nodes: Vec<_> = aliases.iter().map(|alias| (*alias, String::new())).collect();
        Self::start_with(plan, dir, &nodes, ledger).await
    }

    /// Starts nodes with these names, and with these sections of TOML as well in their
    /// configurations.
    pub(super) async fn start_with(
        plan: &Plan,
        dir: &Path,
        nodes: &[(&str, String)],
        ledger: &Arc<Ledger>,
    ) -> Result<Self> {
        let network = Network::start_in(dir, ProcessGroup::Shared).await?.without_tails();
        let mut mirrors = Vec::new();
        if plan.has_mirrors {
            for (alias, _) in nodes {
                mirrors.push(Mirror::new(&network, alias)?);
            }
        }
        let mirror_of = |number| mirrors.get(number);
        let starting = nodes.iter().enumerate();
        let starting =
            starting.map(|(number, node)| start_node(&network, plan, node, mirror_of(number)));
        let nodes = try_join_all(starting).await?;
        let followers = nodes.iter().map(|_| Follower::new(ledger)).collect();
        let mut group = Self { network, nodes, followers, mirrors, ending: plan.ending };
        for number in 0..group.nodes.len() {
            group.followers[number].follow(&group.nodes[number]).await?;
        }
        Ok(group)
    }

    /// Ends these nodes, as nearly at once as can be. Their metrics are read a moment before.
    pub(super) async fn kill(&self, victims: &[usize], summary: &mut Summary) -> Result<()> {
        let victims: Vec<_> = victims.iter().map(|victim| &self.nodes[*victim]).collect();
        for counted in try_join_all(victims.iter().map(|node| counters::read(node))).await? {
            summary.count_all(counted);
        }
        try_join_all(victims.iter().map(async |node| match self.ending {
            Ending::Killed | Ending::Disturbed => node.kill().await,
            Ending::Stopped => node.stop().await,
        }))
        .await?;
        Ok(())
    }

    pub(super) async fn start_again(&mut self, victims: &[usize]) -> Result<()> {
        let starting = victims.iter().map(|victim| self.nodes[*victim].start_again());
        try_join_all(starting).await?;
        for victim in victims {
            self.followers[*victim].follow(&self.nodes[*victim]).await?;
        }
        Ok(())
    }

    /// Another daemon has taken the place of this node, or the node was started again.
    pub(super) async fn replace(&mut self, number: usize, node: &Arc<Node>) -> Result<()> {
        self.nodes[number] = Arc::clone(node);
        self.followers[number].follow(node).await
    }

    /// Does what needs all nodes, and fails when one of them ends by itself meanwhile.
    pub(super) async fn with_all_up<T>(&self, act: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = act => outcome,
            crashed = self.crashed() => Err(crashed),
        }
    }

    async fn crashed(&self) -> anyhow::Error {
        loop {
            for node in &self.nodes {
                if let Err(ended) = node.ensure_not_crashed().await {
                    return anyhow!("{} ended by itself: {ended:#}", node.alias());
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Connects each node with the next. When both connect to each other at the same time, it may be
    /// that neither keeps the connection.
    pub(super) async fn reconnect(&self) -> Result<()> {
        until("the nodes are connected", CONNECT_PATIENCE, async || {
            try_join_all(self.nodes.windows(2).map(|pair| pair[0].connect_to(&pair[1]))).await
        })
        .await?;
        Ok(())
    }

    /// As [`reconnect`](Self::reconnect), and what is connected is disconnected before.
    pub(super) async fn connect_anew(&self) -> Result<()> {
        for pair in self.nodes.windows(2) {
            let request = DisconnectPeerRequest { node_pubkey: pair[1].id().to_owned() };
            pair[0].client().disconnect_peer(request).await?;
        }
        self.reconnect().await
    }

    /// Waits until all events are taken, and notes what has been wrong with them.
    pub(super) async fn check_events(&self, summary: &mut Summary) -> Result<()> {
        for (follower, node) in self.followers.iter().zip(&self.nodes) {
            summary.violations.extend(follower.violations(node).await?);
        }
        Ok(())
    }

    /// Kills all nodes at rest, gives each its mirror in the place of its database, and starts them
    /// again. Without mirrors nothing is done.
    pub(super) async fn go_on_from_mirrors(&mut self) -> Result<()> {
        if self.mirrors.is_empty() {
            return Ok(());
        }
        for mirror in &self.mirrors {
            mirror.until_level().await?;
        }
        try_join_all(self.nodes.iter().map(|node| node.kill())).await?;
        for mirror in &self.mirrors {
            mirror.take_the_place()?;
        }
        let all: Vec<_> = (0..self.nodes.len()).collect();
        self.start_again(&all).await.context("starting from the mirrors")
    }

    /// Why channels were closed, for each channel as the one says who closed it.
    pub(super) fn closures(&self) -> BTreeMap<String, String> {
        let mut told: Vec<_> = self.followers.iter().flat_map(Follower::closures).collect();
        told.sort_by_key(|closure| closure.is_own);
        told.into_iter().map(|closure| (closure.channel_id, closure.reason)).collect()
    }

    /// The transactions of splices that a node was told of as agreed on.
    pub(super) fn pending_splices(&self) -> Vec<String> {
        self.followers.iter().flat_map(Follower::pending_splices).collect()
    }

    /// Who follows the events of this node.
    pub(super) fn follower(&self, number: usize) -> &Follower {
        &self.followers[number]
    }

    /// How many events were taken.
    pub(super) fn events(&self) -> u64 {
        self.followers.iter().map(Follower::count).sum()
    }

    /// Where to read of it.
    pub(super) fn logs(&self) -> String {
        let logs: Vec<_> = self
            .nodes
            .iter()
            .map(|node| node.config().storage_dir.join("output.log").display().to_string())
            .collect();
        logs.join(", ")
    }
}

async fn start_node(
    network: &Network,
    plan: &Plan,
    (alias, sections): &(&str, String),
    mirror: Option<&Mirror>,
) -> Result<Arc<Node>> {
    let mut config = network.config(alias)?;
    config.sections = format!("[metrics]\nenabled = true\n{sections}");
    if let Some(mirror) = mirror {
        config.sections += &mirror.section();
    }
    if let Some(delay) = plan.sync_delay {
        Strace::get().await?.delay_syncs(&mut config, delay);
    }
    network.node_of(config).await
}
