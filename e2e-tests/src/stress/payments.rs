//! Nodes in a row that pay each other, and are killed amid it.

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
use super::settle::{self, OnChain};
use super::summary::Summary;
use super::victims::{directions, is_repeated, victims};
use super::violation::{Kind, Violation};
use super::{Ending, Plan, Scenario, Subject, books, close};
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
/// How long the two ends of a payment may tell different things of it when its channel is at rest.
const BOOKS_PATIENCE: Duration = Duration::from_secs(15);
/// How long a payment may be pending in channels at rest before it counts as pending for ever.
const PENDING_PATIENCE: Duration = Duration::from_secs(2);

/// Two nodes with a channel, or three with two.
pub(super) struct Payments {
    group: Group,
    ledger: Arc<Ledger>,
    ending: Ending,
    rng: StdRng,
    round: u32,
    is_closed: bool,
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
        let nodes: Vec<_> = group.nodes.iter().map(Arc::as_ref).collect();
        group.network.fund(&nodes, FUNDS_SATS).await?;
        let before = OnChain::now(&group.network, &group.nodes).await?;
        let began_secs = now_secs()?;
        let channels = nodes.len() - 1;
        let mut payments = Self {
            group,
            ledger,
            ending: plan.ending,
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
        let last = self.group.nodes.len() - 1;
        for ends in [[0, last], [last, 0]] {
            until("a route is found", PATIENCE, async || {
                Load::once(&self.group.nodes, ends, &self.ledger, &mut self.rng).await
            })
            .await?;
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
            Ending::Killed => directions([0, last], richer, &mut self.rng),
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

    /// Checks that what the nodes can send has changed by what has arrived.
    async fn check_channels(
        &mut self,
        spendable_msat: Vec<[u64; 2]>,
        summary: &mut Summary,
    ) -> Result<()> {
        let adds_up = until("the channels have what has arrived", BOOKS_PATIENCE, async || {
            self.look().await?;
            let before = self.spendable_msat.iter();
            for (channel, (had, has)) in before.zip(&spendable_msat).enumerate() {
                let moved_msat = self.ledger.unbooked_msat(channel);
                let awaited =
                    [had[0].checked_add_signed(-moved_msat), had[1].checked_add_signed(moved_msat)];
                ensure!(
                    has.map(Some) == awaited,
                    "in channel {channel} {had:?} msat could be sent, then {moved_msat} msat \
                     arrived, and now it is {has:?}"
                );
            }
            Ok(())
        });
        summary.violations.extend(mismatch(adds_up.await));
        self.spendable_msat = spendable_msat;
        self.book();
        Ok(())
    }

    async fn check_payments(&self, from_secs: u64, summary: &mut Summary) -> Result<()> {
        let mut violations = Vec::new();
        let all_is_right = until("the books are right", BOOKS_PATIENCE, async || {
            self.look().await?;
            let mut open = self.ledger.open(self.round);
            violations = open.iter().flat_map(|(id, entry)| entry.violations(id)).collect();
            open.retain(|(_, entry)| entry.round == self.round);
            violations.extend(books::unlisted(&self.group.nodes, &open, from_secs).await?);
            ensure!(violations.is_empty(), "they are not");
            Ok(())
        });
        if let Err(error) = all_is_right.await {
            ensure!(!violations.is_empty(), "the books cannot be read: {error:#}");
            summary.violations.append(&mut violations);
        }
        Ok(())
    }

    /// Checks all payments once more, and that there was an event for each.
    async fn check_all(&self, summary: &mut Summary) -> Result<()> {
        let nodes = &self.group.nodes;
        books::look(nodes, &self.ledger, &self.ledger.all()).await?;
        let all = self.ledger.all();
        summary.violations.extend(all.iter().flat_map(|(id, entry)| entry.violations(id)));
        summary.violations.extend(books::unlisted(nodes, &all, self.began_secs).await?);
        self.group.check_events(summary).await?;
        for (id, entry) in &all {
            let payee_told = self.group.follower(entry.payee).has_received(id);
            let payer_told = self.group.follower(entry.payer).has_paid(id);
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
        Ok(())
    }

    /// Brings all that was in the channels back on chain, and counts it.
    async fn sweep(&mut self, summary: &mut Summary) -> Result<()> {
        let Group { network, nodes, .. } = &self.group;
        settle::claim(network, nodes).await?;
        settle::sweep(network, nodes).await?;
        let fees_sats = self.before.fees_sats_since(network).await?;
        let adds_up = until("what has arrived is on chain", BOOKS_PATIENCE, async || {
            self.look().await?;
            let moved = self.moved_msat.iter().enumerate();
            let moved: Vec<_> =
                moved.map(|(channel, msat)| msat + self.ledger.unbooked_msat(channel)).collect();
            self.before.check(&OnChain::now(network, nodes).await?, &moved, fees_sats)
        });
        summary.violations.extend(mismatch(adds_up.await));
        summary.fees_sats += fees_sats;
        self.book();
        Ok(())
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
        match self.group.with_all_up(rest(&self.group)).await? {
            Outcome::Open(spendable_msat) => {
                self.wait_for_pending().await;
                self.check_channels(spendable_msat, &mut summary).await?;
                self.check_payments(began_secs, &mut summary).await?;
                summary.most_survived = self.round;
            },
            Outcome::Closed => self.is_closed = true,
        }
        self.group.check_events(&mut summary).await?;
        if self.is_closed {
            summary.count_closures(self.group.closures().into_values());
        }
        Ok(summary)
    }

    fn is_over(&self) -> bool {
        self.is_closed || self.round == MOST_KILLS
    }

    async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary::default();
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

fn mismatch(adds_up: Result<()>) -> Option<Violation> {
    adds_up.err().map(|error| Violation::new(Kind::Balance, format!("{error:#}")))
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
