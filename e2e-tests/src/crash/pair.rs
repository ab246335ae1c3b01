//! Two nodes with a channel, and what is done to them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_client::api::ConnectPeerRequest;
use ldk_server_client::types::PaymentStatus;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;

use super::books;
use super::follow::Follower;
use super::ledger::Ledger;
use super::load::Load;
use super::settle::{self, OnChain};
use super::summary::{Kind, Summary, Violation};
use crate::network::Network;
use crate::node::Node;
use crate::process::Group;
use crate::raw::now_secs;
use crate::wait::until;

const CHANNEL_SATS: u64 = 2_000_000;
/// What each has at the beginning: enough for the channel and the fees of many closures.
const FUNDS_SATS: u64 = 4_000_000;
/// With less than that nobody can open the channel.
const LEAST_FUNDS_SATS: u64 = CHANNEL_SATS + 200_000;
/// The node is killed so long after the payments began, at most.
const LONGEST_LOAD: Duration = Duration::from_millis(700);
/// One kill in so many is of nodes between which nothing is paid.
const IDLE_EVERY: u32 = 12;
/// One in so many of the others is of nodes of which only one pays.
const ONE_WAY_EVERY: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the two ends of a payment may tell different things of it when its channel is at rest.
const BOOKS_PATIENCE: Duration = Duration::from_secs(15);
/// How long a payment may be pending in a channel at rest before it counts as pending for ever.
const PENDING_PATIENCE: Duration = Duration::from_secs(2);

/// Two nodes on a chain of their own.
pub(super) struct Pair {
    network: Network,
    nodes: [Arc<Node>; 2],
    followers: [Follower; 2],
    ledger: Arc<Ledger>,
    rng: StdRng,
    round: u32,
    channel: Channel,
    began_secs: u64,
}

/// The channel that is in use.
struct Channel {
    before: OnChain,
    /// What each could send when it was last at rest.
    spendable_msat: [u64; 2],
    /// What the first has given to the second since `before`.
    moved_msat: i64,
}

/// How a channel is after a kill.
#[derive(PartialEq, Eq)]
enum Outcome {
    Open([u64; 2]),
    Closed,
}

impl Pair {
    pub(super) async fn start(dir: &Path, seed: u64) -> Result<Self> {
        let network = Network::start_in(dir, Group::Shared).await?;
        let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
        let nodes = [alice, bob];
        let ledger = Arc::<Ledger>::default();
        let mut followers = [Follower::new(&ledger), Follower::new(&ledger)];
        for (follower, node) in followers.iter_mut().zip(&nodes) {
            follower.follow(node).await?;
        }
        network.fund(&[&nodes[0], &nodes[1]], FUNDS_SATS).await?;
        let channel = open(&network, &nodes).await?;
        let rng = StdRng::seed_from_u64(seed);
        let began_secs = now_secs()?;
        Ok(Self { network, nodes, followers, ledger, rng, round: 0, channel, began_secs })
    }

    /// Kills a node amid payments, starts it again, and checks what must hold.
    pub(super) async fn round(&mut self) -> Result<Summary> {
        self.round += 1;
        let began_secs = now_secs()?;
        let mut summary = Summary::default();
        let victim = self.kill(&mut summary).await?;
        let node = &self.nodes[victim];
        node.start_again().await?;
        self.followers[victim].follow(node).await?;
        let is_closed_by_victim = node.channels().await?.is_empty();
        match self.come_to_rest().await? {
            Outcome::Open(spendable_msat) => {
                self.check_channel(spendable_msat, &mut summary).await?;
            },
            Outcome::Closed => {
                summary.closed_by_victim += u32::from(is_closed_by_victim);
                summary.closed_by_peer += u32::from(!is_closed_by_victim);
                self.settle(&mut summary).await?;
            },
        }
        self.check_payments(self.round, began_secs, &mut summary).await?;
        self.check_events(&mut summary).await?;
        Ok(summary)
    }

    /// Checks all payments once more, and stops the nodes.
    pub(super) async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary::default();
        let all = self.ledger.all();
        books::look(&self.nodes, &self.ledger, &all).await?;
        let all = self.ledger.all();
        for (id, entry) in &all {
            summary.violations.extend(entry.violations(id));
        }
        let unlisted = books::unlisted(&self.nodes, &all, self.began_secs).await?;
        summary.violations.extend(unlisted);
        self.check_events(&mut summary).await?;
        for (id, entry) in &all {
            let payee_told = self.followers[1 - entry.payer].has_received(id);
            let payer_told = self.followers[entry.payer].has_paid(id);
            let has_paid = entry.payer_says == Some(PaymentStatus::Succeeded);
            summary.without_event += u32::from(entry.has_arrived() && !payee_told);
            summary.without_event += u32::from(has_paid && !payer_told);
        }
        self.ledger.count(&mut summary);
        summary.events = self.followers.iter().map(Follower::count).sum();
        self.network.stop().await?;
        Ok(summary)
    }

    /// Which kill this is, and where to read of it.
    pub(super) fn place(&self) -> String {
        let logs = self.nodes.each_ref().map(|node| node.config().storage_dir.join("output.log"));
        format!("kill {} of {} and {}", self.round, logs[0].display(), logs[1].display())
    }

    /// Returns which one was killed.
    async fn kill(&mut self, summary: &mut Summary) -> Result<usize> {
        let payers: &[usize] = match self.rng.random_range(0..IDLE_EVERY) {
            0 => &[],
            _ if self.rng.random_range(0..ONE_WAY_EVERY) == 0 => {
                // The one who has more, so that neither runs out of money.
                let [first, second] = self.channel.spendable_msat;
                if first >= second { &[0] } else { &[1] }
            },
            _ => &[0, 1],
        };
        let victim = self.rng.random_range(0..2);
        match payers {
            [] => summary.idle_killed += 1,
            [_, _] => summary.both_killed += 1,
            [payer] if *payer == victim => summary.payers_killed += 1,
            _ => summary.payees_killed += 1,
        }
        let load = Load::start(&self.nodes, payers, &self.ledger, self.round, &mut self.rng);
        sleep(self.rng.random_range(Duration::ZERO..LONGEST_LOAD)).await;
        self.nodes[victim].kill().await?;
        load.stop().await;
        Ok(victim)
    }

    /// Waits until nothing is on its way in the channel, or it is closed.
    async fn come_to_rest(&self) -> Result<Outcome> {
        let [one, other] = &self.nodes;
        until("the channel is at rest or closed", PATIENCE, async || {
            if one.channels().await?.is_empty() || other.channels().await?.is_empty() {
                return Ok(Outcome::Closed);
            }
            reconnect(one, other).await?;
            Network::spendable_at_rest(one, other).await.map(Outcome::Open)
        })
        .await
    }

    /// Checks that what the two can send has changed by what has arrived.
    async fn check_channel(
        &mut self,
        spendable_msat: [u64; 2],
        summary: &mut Summary,
    ) -> Result<()> {
        let [first_msat, second_msat] = self.channel.spendable_msat.map(u64::cast_signed);
        let adds_up =
            until("the balances are those of what has arrived", BOOKS_PATIENCE, async || {
                books::look(&self.nodes, &self.ledger, &self.ledger.open(self.round)).await?;
                let moved_msat = self.ledger.unbooked_msat();
                let awaited = [first_msat - moved_msat, second_msat + moved_msat];
                ensure!(
                    spendable_msat.map(u64::cast_signed) == awaited,
                    "{spendable_msat:?} msat can be sent, not {awaited:?}"
                );
                Ok(())
            });
        if let Err(error) = adds_up.await {
            summary.violations.push(Violation::new(Kind::Balance, format!("{error:#}")));
        }
        self.channel.moved_msat += self.ledger.unbooked_msat();
        self.channel.spendable_msat = spendable_msat;
        self.ledger.book();
        Ok(())
    }

    /// Brings what was in a closed channel back on chain, counts it, and opens another.
    async fn settle(&mut self, summary: &mut Summary) -> Result<()> {
        // The other side is told, if it does not know yet. It would see it on chain as well.
        let _ = reconnect(&self.nodes[0], &self.nodes[1]).await;
        settle::sweep(&self.network, &self.nodes).await?;
        let before = &self.channel.before;
        let fees_sats = before.fees_sats_since(&self.network).await?;
        let adds_up =
            until("the balances are those of what has arrived", BOOKS_PATIENCE, async || {
                books::look(&self.nodes, &self.ledger, &self.ledger.open(self.round)).await?;
                let moved_msat = self.channel.moved_msat + self.ledger.unbooked_msat();
                let now = OnChain::now(&self.network, &self.nodes).await?;
                before.check(&now, moved_msat, fees_sats)
            });
        if let Err(error) = adds_up.await {
            summary.violations.push(Violation::new(Kind::Balance, format!("{error:#}")));
        }
        summary.fees_sats += fees_sats;
        self.ledger.book();
        self.channel = open(&self.network, &self.nodes).await?;
        Ok(())
    }

    async fn check_payments(
        &self,
        round: u32,
        from_secs: u64,
        summary: &mut Summary,
    ) -> Result<()> {
        // Those that stay pending are counted at the end.
        let _ = until("nothing is pending", PENDING_PATIENCE, async || {
            books::look(&self.nodes, &self.ledger, &self.ledger.open(round)).await?;
            let open = self.ledger.open(round);
            let is_pending = open.iter().any(|(_, entry)| {
                entry.round == round && entry.payer_says == Some(PaymentStatus::Pending)
            });
            ensure!(!is_pending, "pending");
            Ok(())
        })
        .await;
        let mut violations = Vec::new();
        let all_is_right = until("the books are right", BOOKS_PATIENCE, async || {
            books::look(&self.nodes, &self.ledger, &self.ledger.open(round)).await?;
            let mut open = self.ledger.open(round);
            violations = open.iter().flat_map(|(id, entry)| entry.violations(id)).collect();
            open.retain(|(_, entry)| entry.round == round);
            violations.extend(books::unlisted(&self.nodes, &open, from_secs).await?);
            ensure!(violations.is_empty(), "they are not");
            Ok(())
        });
        if all_is_right.await.is_err() {
            ensure!(!violations.is_empty(), "the books could not be read");
            summary.violations.append(&mut violations);
        }
        Ok(())
    }

    async fn check_events(&mut self, summary: &mut Summary) -> Result<()> {
        for (follower, node) in self.followers.iter().zip(&self.nodes) {
            summary.violations.extend(follower.violations(node).await?);
        }
        Ok(())
    }
}

/// Opens a channel of which half belongs to each.
async fn open(network: &Network, nodes: &[Arc<Node>; 2]) -> Result<Channel> {
    let mut before = OnChain::now(network, nodes).await?;
    if before.sats(0).max(before.sats(1)) < LEAST_FUNDS_SATS {
        network.fund(&[&nodes[0], &nodes[1]], FUNDS_SATS).await?;
        before = OnChain::now(network, nodes).await?;
    }
    let opener = usize::from(before.sats(1) > before.sats(0));
    let (one, other) = (&nodes[opener], &nodes[1 - opener]);
    network.open_channel(one, other, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    let spendable_msat = Network::at_rest(&nodes[0], &nodes[1]).await?;
    let pushed_msat = (CHANNEL_SATS * 500).cast_signed();
    let moved_msat = if opener == 0 { pushed_msat } else { -pushed_msat };
    Ok(Channel { before, spendable_msat, moved_msat })
}

/// Nodes reconnect by themselves, but look for lost peers only once a minute.
async fn reconnect(one: &Node, other: &Node) -> Result<()> {
    let request = ConnectPeerRequest {
        node_pubkey: other.id().to_owned(),
        address: other.address(),
        persist: false,
    };
    one.client().connect_peer(request).await.context("reconnecting")?;
    Ok(())
}
