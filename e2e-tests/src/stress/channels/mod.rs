//! Two nodes that open, close and splice channels, and are killed amid it.

mod agreement;
mod money;
mod operation;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_client::types::Channel;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::money::Money;
use self::operation::{CHANNEL_SATS, Operation, PUSHED_SATS};
use super::group::Group;
use super::ledger::Ledger;
use super::summary::Summary;
use super::victims::victims;
use super::violation::{Kind, Violation};
use super::{Plan, Subject, close, settle};
use crate::wait::until;

const FUNDS_SATS: u64 = 30_000_000;
/// So often the nodes of one group are killed.
const MOST_KILLS: u32 = 50;
/// Nodes are killed so long after the call, at most; or so long after a block, which they see within
/// 2 s.
const LONGEST_CALL: Duration = Duration::from_millis(600);
const LONGEST_BLOCK: Duration = Duration::from_millis(2_500);
/// How long the call may take to bring a transaction about.
const TRANSACTION_PATIENCE: Duration = Duration::from_secs(5);
const BLOCKS_TO_READY: u32 = 6;
/// After so many looks, with blocks between them, a transaction that is not there will not come.
const LOOKS_FOR_TRANSACTION: u32 = 4;
/// How long both may take to agree, with all the blocks that have to be mined for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two nodes, and what they have together.
pub(super) struct Channels {
    group: Group,
    rng: StdRng,
    round: u32,
    is_closed: bool,
    waits_for_ever: bool,
    /// The channels of the first node after the last round.
    channels: Vec<Channel>,
    money: Money,
}

/// How it ends.
enum Agreement {
    /// Both have these channels.
    On(Vec<Channel>),
    /// They wait for a transaction that nobody has.
    Lost,
    /// One has given up a channel that it was opening, before there was a funding transaction. The
    /// library shows it to the other for ever, as one that is being closed.
    Abandoned,
}

/// Something that is asked for, and when the nodes are killed.
struct Attempt {
    operation: Operation,
    actor: usize,
    channel: Option<Channel>,
    call: JoinHandle<Result<()>>,
}

impl Channels {
    pub(super) async fn start(plan: &Plan, dir: &Path, seed: u64) -> Result<Self> {
        let group = Group::start(plan, dir, &["alice", "bob"], &Arc::<Ledger>::default()).await?;
        let Group { network, nodes, .. } = &group;
        network.fund(&[&nodes[0], &nodes[1]], FUNDS_SATS).await?;
        let mut money = Money::count(network, nodes).await?;
        for [opener, accepter] in [[0, 1], [1, 0]] {
            let (opener, accepter) = (&nodes[opener], &nodes[accepter]);
            network.open_channel(opener, accepter, CHANNEL_SATS, PUSHED_SATS).await?;
        }
        // Each has given the other as much.
        let channels = nodes[0].channels().await?;
        money.check(network, nodes, &channels, None).await?;
        let rng = StdRng::seed_from_u64(seed);
        Ok(Self { group, rng, round: 0, is_closed: false, waits_for_ever: false, channels, money })
    }

    /// One of the two asks for something.
    fn begin(&mut self) -> Attempt {
        let (operation, channel) = Operation::choose(&self.channels, &mut self.rng);
        let actor = self.rng.random_range(0..2);
        let [node, peer] = [actor, 1 - actor].map(|number| Arc::clone(&self.group.nodes[number]));
        let asked = channel.clone();
        let call = tokio::spawn(async move {
            // Each side has an id of its own for it.
            let channel = match asked {
                Some(asked) => node
                    .channels()
                    .await?
                    .into_iter()
                    .find(|channel| channel.channel_id == asked.channel_id),
                None => None,
            };
            operation.call(&node, &peer, channel.as_ref()).await
        });
        Attempt { operation, actor, channel, call }
    }

    /// Waits for a moment in the middle of the call, or of the blocks that confirm what it brought
    /// about.
    async fn wait_for_moment(&mut self) -> Result<()> {
        if self.rng.random_range(0..3) > 0 {
            sleep(self.rng.random_range(Duration::ZERO..LONGEST_CALL)).await;
            return Ok(());
        }
        let bitcoind = self.group.network.bitcoind();
        let has_transaction = until("a transaction", TRANSACTION_PATIENCE, async || {
            ensure!(!bitcoind.mempool().await?.is_empty(), "there is none");
            Ok(())
        });
        if has_transaction.await.is_ok() {
            bitcoind.mine(self.rng.random_range(1..=BLOCKS_TO_READY)).await?;
            sleep(self.rng.random_range(Duration::ZERO..LONGEST_BLOCK)).await;
        }
        Ok(())
    }

    /// Waits until both nodes tell of the same channels and can use them, nothing waits for a block
    /// any more, and all money is there; or until it is clear that this will never be.
    async fn agreed(&mut self, attempt: Option<&Attempt>) -> Result<Agreement> {
        let opener = attempt.filter(|attempt| attempt.operation == Operation::Open);
        let opener = opener.map(|attempt| attempt.actor);
        let Self { group, money, channels: before, .. } = self;
        // A transaction may have some of its confirmations.
        group.network.mine(BLOCKS_TO_READY).await?;
        let mut looks = 0;
        until("both have the same channels, and all money", PATIENCE, async || {
            group.reconnect().await?;
            let settled = agreement::settled(group, money, before.len(), opener).await;
            if settled.is_err() {
                looks += 1;
                group.network.mine(BLOCKS_TO_READY).await?;
                if looks >= LOOKS_FOR_TRANSACTION && agreement::has_lost_one(group).await? {
                    return Ok(Agreement::Lost);
                }
                if looks >= LOOKS_FOR_TRANSACTION && settle::is_abandoned(group).await? {
                    return Ok(Agreement::Abandoned);
                }
            }
            settled.map(Agreement::On)
        })
        .await
    }

    /// Which channels are gone, but for the one that was to be closed.
    fn lost(&self, attempt: &Attempt, now: &[Channel]) -> Vec<String> {
        let is_asked = matches!(attempt.operation, Operation::Close | Operation::ForceClose);
        let asked = attempt.channel.as_ref().filter(|_| is_asked);
        let is_there = |id: &str| now.iter().any(|channel| channel.channel_id == id);
        let before = self.channels.iter().map(|channel| channel.channel_id.clone());
        before
            .filter(|id| asked.is_none_or(|asked| asked.channel_id != *id) && !is_there(id))
            .collect()
    }

    fn count(&self, attempt: &Attempt, is_begun: bool, now: &[Channel], summary: &mut Summary) {
        let before = attempt.channel.as_ref();
        let found = before
            .and_then(|before| now.iter().find(|channel| channel.channel_id == before.channel_id));
        let is_done = match attempt.operation {
            Operation::Open => now.len() > self.channels.len(),
            Operation::Close | Operation::ForceClose => found.is_none(),
            Operation::SpliceIn | Operation::SpliceOut => {
                found.map(|channel| channel.channel_value_sats)
                    != before.map(|channel| channel.channel_value_sats)
            },
        };
        let id = before.map(|before| before.channel_id.as_str());
        let is_forced = id.is_some_and(|id| self.money.is_forced(id));
        summary.forced += u32::from(attempt.operation == Operation::Close && is_forced);
        summary.count_operation(attempt.operation.name(), is_done, is_begun);
        if attempt.operation == Operation::ForceClose && is_begun && !is_done {
            let text = "a channel stands although its closing by force was answered";
            summary.violations.push(Violation::new(Kind::State, text.to_owned()));
        }
    }
}

impl Subject for Channels {
    async fn round(&mut self) -> Result<Summary> {
        self.round += 1;
        let mut summary = Summary { kills: 1, ..Default::default() };
        let mut attempt = self.begin();
        self.wait_for_moment().await?;
        let victims = victims(self.group.nodes.len(), &mut self.rng);
        summary.of_several += u32::from(victims.len() > 1);
        self.group.kill(&victims, &mut summary).await?;
        let is_begun = (&mut attempt.call).await?.is_ok();
        self.group.start_again(&victims).await?;
        let what = attempt.operation.name();
        let agreed = self.agreed(Some(&attempt)).await;
        let agreed = agreed.with_context(|| format!("after a kill amid {what}"));
        self.group.check_events(&mut summary).await?;
        let is_open = attempt.operation == Operation::Open;
        let channels = match agreed? {
            Agreement::On(channels) => channels,
            Agreement::Lost => {
                summary.unfunded += u32::from(is_open);
                summary.unspliced += u32::from(!is_open);
                self.waits_for_ever = true;
                return Ok(summary);
            },
            Agreement::Abandoned => {
                summary.abandoned += 1;
                self.waits_for_ever = true;
                return Ok(summary);
            },
        };
        let lost = self.lost(&attempt, &channels);
        if !lost.is_empty() {
            self.is_closed = true;
            let mut closures = self.group.closures();
            closures.retain(|id, _| lost.contains(id));
            summary.count_closures(closures.into_values());
        } else {
            summary.most_survived = self.round;
        }
        self.count(&attempt, is_begun, &channels, &mut summary);
        self.channels = channels;
        Ok(summary)
    }

    fn is_over(&self) -> bool {
        self.is_closed || self.waits_for_ever || self.round == MOST_KILLS
    }

    async fn end(mut self) -> Result<Summary> {
        let mut summary = Summary { events: self.group.events(), ..Default::default() };
        if self.waits_for_ever {
            return Ok(summary);
        }
        if !self.is_closed {
            self.group.go_on_from_mirrors().await?;
        }
        close::all(&self.group).await?;
        self.agreed(None).await?;
        self.group.check_events(&mut summary).await?;
        summary.events = self.group.events();
        summary.fees_sats = self.money.fees_sats();
        self.group.network.stop().await?;
        Ok(summary)
    }

    fn place(&self) -> String {
        format!("kill {} of {}", self.round, self.group.logs())
    }
}
