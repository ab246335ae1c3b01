//! Two nodes with a channel, and what is done to them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_client::api::{CloseChannelRequest, ConnectPeerRequest, ForceCloseChannelRequest};
use ldk_server_client::types::PaymentStatus;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;

use super::Ending;
use super::books;
use super::follow::Follower;
use super::ledger::Ledger;
use super::load::Load;
use super::settle::{self, ANCHORS_SATS, OnChain};
use super::summary::{Kind, Summary, Violation};
use crate::network::Network;
use crate::node::Node;
use crate::process::Group;
use crate::raw::now_secs;
use crate::say::say;
use crate::wait::until;

const CHANNEL_SATS: u64 = 16_000_000;
/// What each side has to keep in the channel.
const RESERVE_SATS: u64 = CHANNEL_SATS / 100;
/// So many channels a pair has in its life. Sweeping takes many blocks, and each block the longer
/// the more channels were closed: the library tries for ever to claim what the other side has
/// claimed (rust-lightning issue 3859).
const CHANNELS: u64 = 4;
/// What each has at the beginning: enough for all these channels.
const FUNDS_SATS: u64 = (CHANNELS + 1) * CHANNEL_SATS;
/// What lightning 0.2.7 may say and panic when a node is started again that has closed channels with
/// payments in them: two threads number updates of one channel and apply them in the other order.
/// Each start gets further than the one before.
const LIBRARY_PANIC: &str = "Attempted to apply ChannelMonitorUpdates out of order";
/// How often a node may do so in its life.
const MOST_PANICS: usize = 40;
/// The node is killed so long after the payments began, at most.
const LONGEST_LOAD: Duration = Duration::from_millis(1_000);
/// One kill in so many is of nodes between which nothing is paid.
const IDLE_EVERY: u32 = 12;
/// One in so many of the others is of nodes of which only one pays.
const ONE_WAY_EVERY: u32 = 4;
/// How often to look whether a node has ended by itself.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
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
    ending: Ending,
    rng: StdRng,
    round: u32,
    /// How many channels were opened, and whether the last of them is closed.
    channels: u64,
    is_closed: bool,
    /// What each could send when the channel was last at rest.
    spendable_msat: [u64; 2],
    before: OnChain,
    /// What the first has given to the second since, as far as it is booked.
    moved_msat: i64,
    /// How often the library has ended each of the two.
    library_panics: [usize; 2],
    began_secs: u64,
}

/// How a channel is after a kill.
#[derive(PartialEq, Eq)]
enum Outcome {
    Open([u64; 2]),
    Closed,
}

impl Pair {
    pub(super) async fn start(dir: &Path, seed: u64, ending: Ending) -> Result<Self> {
        let network = Network::start_in(dir, Group::Shared).await?;
        let (alice, bob) = tokio::try_join!(network.node("alice"), network.node("bob"))?;
        let nodes = [alice, bob];
        let ledger = Arc::<Ledger>::default();
        let mut followers = [Follower::new(&ledger), Follower::new(&ledger)];
        for (follower, node) in followers.iter_mut().zip(&nodes) {
            follower.follow(node).await?;
        }
        network.fund(&[&nodes[0], &nodes[1]], FUNDS_SATS).await?;
        let began_secs = now_secs()?;
        let mut pair = Self {
            before: OnChain::now(&network, &nodes).await?,
            network,
            nodes,
            followers,
            ledger,
            ending,
            rng: StdRng::seed_from_u64(seed),
            round: 0,
            channels: 0,
            is_closed: false,
            spendable_msat: [0; 2],
            moved_msat: 0,
            library_panics: [0; 2],
            began_secs,
        };
        pair.open_channel().await?;
        Ok(pair)
    }

    /// Whether all of its channels were closed.
    pub(super) fn is_worn_out(&self) -> bool {
        self.is_closed && self.channels == CHANNELS
    }

    /// Kills a node amid payments, starts it again, and checks what must hold.
    pub(super) async fn round(&mut self) -> Result<Summary> {
        self.round += 1;
        let mut summary = Summary::default();
        if self.is_closed {
            self.open_channel().await?;
        }
        let began_secs = now_secs()?;
        let victim = self.kill(&mut summary).await?;
        let is_closed_by_victim = self.start_again(victim, &mut summary).await?;
        match self.come_to_rest(&mut summary).await? {
            Outcome::Open(spendable_msat) => {
                self.wait_for_pending().await;
                self.check_channel(spendable_msat, &mut summary).await?;
            },
            Outcome::Closed => {
                let has_stalled = summary.stalled > 0;
                summary.closed_by_victim += u32::from(!has_stalled && is_closed_by_victim);
                summary.closed_by_peer += u32::from(!has_stalled && !is_closed_by_victim);
                self.is_closed = true;
                self.claim().await?;
                self.look().await?;
                self.book();
            },
        }
        self.check_payments(began_secs, &mut summary).await?;
        self.check_events(&mut summary).await?;
        Ok(summary)
    }

    /// Brings all money back on chain, checks all payments once more, and stops the nodes.
    pub(super) async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary::default();
        if !self.is_closed {
            self.close_channel().await?;
            self.claim().await?;
        }
        self.sweep(&mut summary).await?;
        let all = self.ledger.all();
        books::look(&self.nodes, &self.ledger, &all).await?;
        let all = self.ledger.all();
        summary.violations.extend(all.iter().flat_map(|(id, entry)| entry.violations(id)));
        let unlisted = books::unlisted(&self.nodes, &all, self.began_secs).await?;
        summary.violations.extend(unlisted);
        self.check_events(&mut summary).await?;
        for (id, entry) in &all {
            let payee_told = self.followers[1 - entry.payer].has_received(id);
            let payer_told = self.followers[entry.payer].has_paid(id);
            let has_paid = entry.payer_says == Some(PaymentStatus::Succeeded);
            for (is_lost, what) in [
                (entry.has_arrived() && !payee_told, "arrived, and no event told so"),
                (has_paid && !payer_told, "succeeded, and no event told so"),
            ] {
                if is_lost {
                    let text = format!("payment {id} has {what}: {entry:?}");
                    summary.violations.push(Violation::new(Kind::Events, text));
                }
            }
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
            _ if self.ending == Ending::Stopped => &[0, 1],
            0 => &[],
            _ if self.rng.random_range(0..ONE_WAY_EVERY) == 0 => {
                // The one who has more, so that neither runs out of money.
                let [first, second] = self.spendable_msat;
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
        match self.ending {
            Ending::Killed => self.nodes[victim].kill().await?,
            Ending::Stopped => self.nodes[victim].stop().await?,
        }
        load.stop().await;
        Ok(victim)
    }

    /// Returns whether the node has closed the channel at its start.
    async fn start_again(&mut self, victim: usize, summary: &mut Summary) -> Result<bool> {
        let node = Arc::clone(&self.nodes[victim]);
        loop {
            let error = match self.begin_again(victim).await {
                Ok(is_closed) => return Ok(is_closed),
                Err(error) => error,
            };
            // It may be dead without having been forgotten.
            let _ = node.kill().await;
            self.excuse(victim, summary).context(error)?;
        }
    }

    async fn begin_again(&mut self, victim: usize) -> Result<bool> {
        let node = &self.nodes[victim];
        node.start_again().await?;
        self.followers[victim].follow(node).await?;
        Ok(node.channels().await?.is_empty())
    }

    /// Waits until nothing is on its way in the channel, or it is closed. A node that the library
    /// ends with a panic meanwhile is started again.
    async fn come_to_rest(&mut self, summary: &mut Summary) -> Result<Outcome> {
        loop {
            let nodes = self.nodes.clone();
            let crashed = tokio::select! {
                outcome = rest(&nodes) => match outcome {
                    Ok(outcome) => return Ok(outcome),
                    Err(stalled) if summary.stalled == 0 => {
                        say(&format!("a channel is closed because it has stalled: {stalled:#}"));
                        summary.stalled += 1;
                        force_close(&nodes).await?;
                        continue;
                    },
                    Err(still_open) => return Err(still_open),
                },
                crashed = crashed(&nodes) => crashed,
            };
            self.excuse(crashed, summary)?;
            // It is dead; what is left is to forget it.
            let _ = nodes[crashed].kill().await;
            self.start_again(crashed, summary).await?;
        }
    }

    /// Takes note that a node has ended by itself. Fails if that was not the one known panic, or was
    /// too often.
    fn excuse(&mut self, crashed: usize, summary: &mut Summary) -> Result<()> {
        let node = &self.nodes[crashed];
        self.library_panics[crashed] += 1;
        let known = node.log().text().matches(LIBRARY_PANIC).count();
        ensure!(known == self.library_panics[crashed], "{} ended by itself", node.alias());
        ensure!(known <= MOST_PANICS, "{} has panicked {known} times", node.alias());
        summary.library_panics += 1;
        Ok(())
    }

    /// Payments that are pending although nothing is on its way in the channel may be tried again,
    /// or stay so for ever, which is counted at the end.
    async fn wait_for_pending(&self) {
        let _ = until("nothing is pending", PENDING_PATIENCE, async || {
            self.look().await?;
            let open = self.ledger.open(self.round);
            let is_pending = open.iter().any(|(_, entry)| {
                entry.round == self.round && entry.payer_says == Some(PaymentStatus::Pending)
            });
            ensure!(!is_pending, "there are some");
            Ok(())
        })
        .await;
    }

    /// Checks that what the two can send has changed by what has arrived.
    async fn check_channel(
        &mut self,
        spendable_msat: [u64; 2],
        summary: &mut Summary,
    ) -> Result<()> {
        let had_msat = self.spendable_msat.map(u64::cast_signed);
        let has_msat = spendable_msat.map(u64::cast_signed);
        let adds_up = until("the channel has what has arrived", BOOKS_PATIENCE, async || {
            self.look().await?;
            let moved_msat = self.ledger.unbooked_msat();
            ensure!(
                has_msat == [had_msat[0] - moved_msat, had_msat[1] + moved_msat],
                "{had_msat:?} msat could be sent, then {moved_msat} msat arrived, and now it is \
                 {has_msat:?}"
            );
            Ok(())
        });
        summary.violations.extend(mismatch(adds_up.await));
        self.spendable_msat = spendable_msat;
        self.book();
        Ok(())
    }

    /// After a closure: both know of it, and all claims are in blocks.
    async fn claim(&self) -> Result<()> {
        let [one, other] = &self.nodes;
        until("both have given up the channel", PATIENCE, async || {
            // The one who does not know yet is told, or sees it on chain.
            let connected = reconnect(one, other).await;
            let channels = [one.channels().await?, other.channels().await?];
            ensure!(channels.iter().all(Vec::is_empty), "{channels:?}, {connected:?}");
            Ok(())
        })
        .await?;
        settle::claim(&self.network, &self.nodes).await
    }

    /// Opens a channel of which half belongs to each.
    async fn open_channel(&mut self) -> Result<()> {
        let opener = OnChain::now(&self.network, &self.nodes).await?.richer();
        let (one, other) = (&self.nodes[opener], &self.nodes[1 - opener]);
        self.network.open_channel(one, other, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
        // Not what it has now: payments of a channel before may have been tried again at once.
        self.spendable_msat = [(CHANNEL_SATS / 2 - RESERVE_SATS) * 1_000; 2];
        self.spendable_msat[opener] -= ANCHORS_SATS * 1_000;
        let pushed_msat = (CHANNEL_SATS / 2 * 1_000).cast_signed();
        self.moved_msat += if opener == 0 { pushed_msat } else { -pushed_msat };
        self.channels += 1;
        self.is_closed = false;
        Ok(())
    }

    /// Brings all that was in closed channels back on chain, and counts it.
    async fn sweep(&mut self, summary: &mut Summary) -> Result<()> {
        settle::sweep(&self.network, &self.nodes).await?;
        let fees_sats = self.before.fees_sats_since(&self.network).await?;
        let adds_up = until("what has arrived is on chain", BOOKS_PATIENCE, async || {
            self.look().await?;
            let moved_msat = self.moved_msat + self.ledger.unbooked_msat();
            let now = OnChain::now(&self.network, &self.nodes).await?;
            self.before.check(&now, moved_msat, fees_sats, self.channels)
        });
        summary.violations.extend(mismatch(adds_up.await));
        summary.fees_sats += fees_sats;
        self.book();
        Ok(())
    }

    async fn look(&self) -> Result<()> {
        books::look(&self.nodes, &self.ledger, &self.ledger.open(self.round)).await
    }

    fn book(&mut self) {
        self.moved_msat += self.ledger.unbooked_msat();
        self.ledger.book();
    }

    async fn check_payments(&self, from_secs: u64, summary: &mut Summary) -> Result<()> {
        let mut violations = Vec::new();
        let all_is_right = until("the books are right", BOOKS_PATIENCE, async || {
            self.look().await?;
            let mut open = self.ledger.open(self.round);
            violations = open.iter().flat_map(|(id, entry)| entry.violations(id)).collect();
            open.retain(|(_, entry)| entry.round == self.round);
            violations.extend(books::unlisted(&self.nodes, &open, from_secs).await?);
            ensure!(violations.is_empty(), "they are not");
            Ok(())
        });
        if let Err(error) = all_is_right.await {
            ensure!(!violations.is_empty(), "the books cannot be read: {error:#}");
            summary.violations.append(&mut violations);
        }
        Ok(())
    }

    /// By agreement, and with nothing on its way.
    async fn close_channel(&self) -> Result<()> {
        let [one, other] = &self.nodes;
        let channel = one.usable_channel(other).await?;
        let request = CloseChannelRequest {
            user_channel_id: channel.user_channel_id,
            counterparty_node_id: other.id().to_owned(),
        };
        one.client().close_channel(request).await?;
        until("the channel is closed", PATIENCE, async || {
            let channels = [one.channels().await?, other.channels().await?];
            ensure!(channels.iter().all(Vec::is_empty), "{channels:?}");
            Ok(())
        })
        .await
    }

    async fn check_events(&mut self, summary: &mut Summary) -> Result<()> {
        for (follower, node) in self.followers.iter().zip(&self.nodes) {
            summary.violations.extend(follower.violations(node).await?);
        }
        Ok(())
    }
}

fn mismatch(adds_up: Result<()>) -> Option<Violation> {
    adds_up.err().map(|error| Violation::new(Kind::Balance, format!("{error:#}")))
}

async fn rest(nodes: &[Arc<Node>; 2]) -> Result<Outcome> {
    let [one, other] = nodes;
    until("the channel is at rest or closed", PATIENCE, async || {
        if one.channels().await?.is_empty() || other.channels().await?.is_empty() {
            reconnect(one, other).await?;
            return Ok(Outcome::Closed);
        }
        reconnect(one, other).await?;
        Network::spendable_at_rest(one, other).await.map(Outcome::Open)
    })
    .await
}

/// Does what an operator has to do when the library gets no further with a channel.
async fn force_close([one, other]: &[Arc<Node>; 2]) -> Result<()> {
    let channel = one.usable_channel(other).await?;
    let request = ForceCloseChannelRequest {
        user_channel_id: channel.user_channel_id,
        counterparty_node_id: other.id().to_owned(),
        ..Default::default()
    };
    one.client().force_close_channel(request).await.map(drop).context("closing by force")
}

/// Waits until a node ends that nobody has killed, and tells which.
async fn crashed(nodes: &[Arc<Node>; 2]) -> usize {
    loop {
        for (index, node) in nodes.iter().enumerate() {
            if node.ensure_not_crashed().await.is_err() {
                return index;
            }
        }
        sleep(LOOK_INTERVAL).await;
    }
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
