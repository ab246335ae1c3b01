//! Nodes in a row that pay each other, and are killed amid it.

mod checks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use ldk_server_client::types::PaymentStatus;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::sleep;

use super::group::Group;
use super::ledger::Ledger;
use super::load::Load;
use super::settle::OnChain;
use super::summary::Summary;
use super::victims::{directions, is_repeated, victims};
use super::{Ending, Plan, Scenario, Subject, books, close, graph};
use crate::network::Network;
use crate::raw::now_secs;
use crate::wait::until;

const CHANNEL_SATS: u64 = 16_000_000;
/// Of which so much is given to the other side.
const PUSHED_SATS: u64 = CHANNEL_SATS / 2;
/// What each has at the beginning: enough for a channel, and for fees.
const FUNDS_SATS: u64 = CHANNEL_SATS + 1_000_000;
/// So often the nodes of one group are killed: their logs grow, and what they paid is asked for again
/// at the end.
const MOST_KILLS: u32 = 100;
/// Nodes are killed so long after the payments began, at most.
const LONGEST_LOAD: Duration = Duration::from_millis(1_000);
/// Nodes are killed once more so long after they were connected again, at most.
const LONGEST_RETURN: Duration = Duration::from_millis(400);
/// How long channels may take to be at rest.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a payment may be pending in channels at rest before it counts as pending for ever.
const PENDING_PATIENCE: Duration = Duration::from_secs(2);

/// Two nodes with a channel, or three with two.
pub(super) struct Payments {
    pub(super) group: Group,
    pub(super) ledger: Arc<Ledger>,
    ending: Ending,
    pub(super) rng: StdRng,
    pub(super) round: u32,
    pub(super) is_closed: bool,
    /// For each channel, what its two nodes could send when it was last at rest.
    spendable_msat: Vec<[u64; 2]>,
    /// For each channel, what the first has given to the second in it, as far as it is booked.
    moved_msat: Vec<i64>,
    before: OnChain,
    began_secs: u64,
}

/// How the channels are after a kill.
enum Outcome {
    /// All are open, and nothing is on its way.
    Open(Vec<[u64; 2]>),
    /// One is closed.
    Closed,
}

impl Payments {
    pub(super) async fn start(plan: &Plan, dir: &Path, seed: u64) -> Result<Self> {
        let aliases: &[&str] = match plan.scenario {
            Scenario::Forwards => &["alice", "bob", "carol"],
            _ => &["alice", "bob"],
        };
        let ledger = Arc::<Ledger>::default();
        let group = Group::start(plan, dir, aliases, &ledger).await?;
        Self::between(group, ledger, plan.ending, seed).await
    }

    /// Gives these nodes money, and channels in which the ends can pay each other.
    pub(super) async fn between(
        group: Group,
        ledger: Arc<Ledger>,
        ending: Ending,
        seed: u64,
    ) -> Result<Self> {
        let nodes: Vec<_> = group.nodes.iter().map(Arc::as_ref).collect();
        group.network.fund(&nodes, FUNDS_SATS).await?;
        let before = OnChain::now(&group.network, &group.nodes).await?;
        let began_secs = now_secs()?;
        let channels = nodes.len() - 1;
        let mut payments = Self {
            group,
            ledger,
            ending,
            rng: StdRng::seed_from_u64(seed),
            round: 0,
            is_closed: false,
            spendable_msat: Vec::new(),
            moved_msat: vec![(PUSHED_SATS * 1_000).cast_signed(); channels],
            before,
            began_secs,
        };
        payments.open_channels().await?;
        payments.find_routes().await?;
        Ok(payments)
    }

    /// Opens a channel from each node to the next, of which half belongs to each.
    async fn open_channels(&self) -> Result<()> {
        let Group { network, nodes, .. } = &self.group;
        for pair in nodes.windows(2) {
            let (opener, accepter) = (&pair[0], &pair[1]);
            // Nodes forward to channels that are announced, and to no others.
            network.open_announced_channel(opener, accepter, CHANNEL_SATS, PUSHED_SATS).await?;
        }
        Ok(())
    }

    /// Waits until the ends have heard of all channels and pay each other.
    async fn find_routes(&mut self) -> Result<()> {
        graph::until_known(&self.group).await?;
        let last = self.group.nodes.len() - 1;
        for ends in [[0, last], [last, 0]] {
            Load::once(&self.group.nodes, ends, &self.ledger, &mut self.rng).await?;
        }
        self.spendable_msat = spendable_at_rest(&self.group).await?;
        books::look(&self.group.nodes, &self.ledger, &self.ledger.all()).await?;
        self.book();
        Ok(())
    }

    /// Returns who was killed.
    async fn kill_amid_payments(&mut self, summary: &mut Summary) -> Result<Vec<usize>> {
        let last = self.group.nodes.len() - 1;
        let (first_msat, last_msat) = (self.spendable_msat[0][0], self.spendable_msat[last - 1][1]);
        let richer = if first_msat >= last_msat { 0 } else { last };
        let directions = match self.ending {
            Ending::Stopped => vec![[0, last], [last, 0]],
            Ending::Killed | Ending::Disturbed => directions([0, last], richer, &mut self.rng),
        };
        let victims = victims(self.group.nodes.len(), &mut self.rng);
        summary.kills += 1;
        summary.of_several += u32::from(victims.len() > 1);
        summary.of_idle += u32::from(directions.is_empty());
        let load =
            Load::start(&self.group.nodes, &directions, &self.ledger, self.round, &mut self.rng);
        sleep(self.rng.random_range(Duration::ZERO..LONGEST_LOAD)).await;
        self.group.kill(&victims, summary).await?;
        load.stop().await;
        Ok(victims)
    }

    /// Starts them again. Some are killed once more amid what they have to do then.
    async fn start_again(&mut self, victims: &[usize], summary: &mut Summary) -> Result<()> {
        self.group.start_again(victims).await?;
        if self.ending == Ending::Killed && is_repeated(&mut self.rng) {
            self.group.reconnect().await?;
            sleep(self.rng.random_range(Duration::ZERO..LONGEST_RETURN)).await;
            summary.again += 1;
            self.group.kill(victims, summary).await?;
            self.group.start_again(victims).await?;
        }
        Ok(())
    }

    /// Waits until nothing is on its way, and checks all that must hold then. No payments are begun any
    /// more, those of this round were from that time on. Returns whether all channels are open.
    pub(super) async fn check(&mut self, began_secs: u64, summary: &mut Summary) -> Result<bool> {
        match self.group.with_all_up(rest(&self.group)).await? {
            Outcome::Open(spendable_msat) => {
                self.wait_for_pending().await;
                self.check_channels(spendable_msat, summary).await?;
                self.check_payments(began_secs, summary).await?;
            },
            Outcome::Closed => self.is_closed = true,
        }
        self.group.check_events(summary).await?;
        if self.is_closed {
            summary.count_closures(self.group.closures().into_values());
        }
        Ok(!self.is_closed)
    }

    /// Payments that are pending although nothing is on its way in the channels may be tried again,
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

    async fn look(&self) -> Result<()> {
        books::look(&self.group.nodes, &self.ledger, &self.ledger.open(self.round)).await
    }

    fn book(&mut self) {
        for (channel, moved_msat) in self.moved_msat.iter_mut().enumerate() {
            *moved_msat += self.ledger.unbooked_msat(channel);
        }
        self.ledger.book();
    }
}

impl Subject for Payments {
    async fn round(&mut self) -> Result<Summary> {
        self.round += 1;
        let mut summary = Summary::default();
        let began_secs = now_secs()?;
        let victims = self.kill_amid_payments(&mut summary).await?;
        self.start_again(&victims, &mut summary).await?;
        if self.check(began_secs, &mut summary).await? {
            summary.most_survived = self.round;
        }
        Ok(summary)
    }

    fn is_over(&self) -> bool {
        self.is_closed || self.round == MOST_KILLS
    }

    async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary::default();
        if self.is_closed && self.moved_msat.len() > 1 {
            // What is on its way in the other channel can wait for that one for hundreds of blocks.
            return Ok(summary);
        }
        if !self.is_closed {
            self.group.go_on_from_mirrors().await?;
        }
        close::all(&self.group).await?;
        self.sweep(&mut summary).await?;
        self.check_all(&mut summary).await?;
        self.ledger.count(&mut summary);
        summary.events = self.group.events();
        self.group.network.stop().await?;
        Ok(summary)
    }

    fn place(&self) -> String {
        format!("kill {} of {}", self.round, self.group.logs())
    }
}

/// Waits until nothing is on its way in the channels, or one is closed.
async fn rest(group: &Group) -> Result<Outcome> {
    until("the channels are at rest or closed", PATIENCE, async || {
        let last = group.nodes.len() - 1;
        for (number, node) in group.nodes.iter().enumerate() {
            let neighbours = if (1..last).contains(&number) { 2 } else { 1 };
            if node.channels().await?.len() < neighbours {
                return Ok(Outcome::Closed);
            }
        }
        group.reconnect().await?;
        spendable_now(group).await.map(Outcome::Open)
    })
    .await
}

async fn spendable_at_rest(group: &Group) -> Result<Vec<[u64; 2]>> {
    until("nothing is on its way in the channels", PATIENCE, async || spendable_now(group).await)
        .await
}

async fn spendable_now(group: &Group) -> Result<Vec<[u64; 2]>> {
    let mut spendable_msat = Vec::new();
    for pair in group.nodes.windows(2) {
        spendable_msat.push(Network::spendable_at_rest(&pair[0], &pair[1]).await?);
    }
    Ok(spendable_msat)
}
