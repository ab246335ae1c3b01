//! Kills nodes amid what they do, or stops them, again and again, and checks each time that no
//! channel is closed by it and that no payment, no record of one, no event and no money is lost.
//!
//! Several groups of nodes, each on a chain of its own, are killed at the same time: a round is
//! mostly waiting, above all for nodes to start and to see the next block.

mod books;
mod channels;
mod close;
mod counters;
mod follow;
mod graph;
mod group;
mod ledger;
mod load;
mod payments;
mod settle;
mod standby;
mod summary;
mod total;
mod victims;
mod violation;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;

pub use self::summary::{Operations, Summary};
pub use self::violation::{Kind, Violation};

use self::channels::Channels;
use self::payments::Payments;
use self::standby::Standby;
use self::total::Total;

/// Of so many groups with which something was wrong, data and logs are left. A daemon that is wrong
/// at every kill would otherwise fill the disk.
const GROUPS_LEFT: u32 = 10;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the nodes are killed amid.
    pub scenario: Scenario,
    /// How a node is ended.
    pub ending: Ending,
    /// How often nodes are killed, in all; two that are killed at once count as one.
    pub kills: u32,
    /// For how long nodes are killed, whatever their number is.
    pub time: Option<Duration>,
    /// How many groups of nodes there are at the same time.
    pub groups: u32,
    /// What the random choices are made from: whom to kill when, and what to do until then.
    pub seed: u64,
    /// How much longer each fsync and fdatasync of a daemon takes.
    pub sync_delay: Option<Duration>,
    /// Whether each node has a mirror of its database, from which it has to go on at the end.
    pub has_mirrors: bool,
    /// Where data and logs are, in a directory for each group. What is left are those of groups with
    /// which something was wrong.
    pub dir: PathBuf,
}

/// What the nodes are killed amid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Two nodes pay each other.
    Pairs,
    /// Two nodes pay each other through a third.
    Forwards,
    /// Two nodes open, close and splice channels.
    Channels,
    /// Two nodes pay each other, of which one has its state in PostgreSQL and a standby. That one is
    /// killed.
    Standby,
}

impl Scenario {
    /// How many nodes a group has.
    pub fn nodes(self) -> u32 {
        match self {
            Self::Pairs | Self::Channels => 2,
            Self::Forwards | Self::Standby => 3,
        }
    }
}

/// How a node is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With SIGKILL, at any moment.
    Killed,
    /// With SIGTERM, while nodes pay: it must end with code 0.
    Stopped,
    /// In all ways that there are, and its database and its network are disturbed as well. For
    /// [`Scenario::Standby`].
    Disturbed,
}

/// Does it. The summary tells of what was wrong; a line for each ten kills tells how far it is.
///
/// # Errors
///
/// When what is not needed any more cannot be removed.
pub async fn run(plan: &Plan) -> Result<Summary> {
    let begin = Instant::now();
    let total = Total::new(plan.kills, plan.time, begin);
    let groups = (0..plan.groups).map(|number| keep_killing(plan, number, &total));
    try_join_all(groups).await?;
    let mut summary = total.summary();
    summary.duration = begin.elapsed();
    Ok(summary)
}

/// Takes part until all kills are done, with one group of nodes after the other.
async fn keep_killing(plan: &Plan, number: u32, total: &Total) -> Result<()> {
    for life in 0.. {
        if !total.begin_kill() {
            break;
        }
        let dir = plan.dir.join(format!("group-{number}-{life}"));
        let seed = plan.seed.wrapping_add(u64::from(number) << 32).wrapping_add(life);
        let is_right = match plan.scenario {
            Scenario::Pairs | Scenario::Forwards => {
                live(Payments::start(plan, &dir, seed).await, &dir, total).await
            },
            Scenario::Channels => live(Channels::start(plan, &dir, seed).await, &dir, total).await,
            Scenario::Standby => live(Standby::start(plan, &dir, seed).await, &dir, total).await,
        };
        if is_right || total.count_left() > GROUPS_LEFT {
            fs::remove_dir_all(&dir)?;
        }
    }
    Ok(())
}

/// A group of nodes that is killed in rounds.
trait Subject {
    /// Kills some of its nodes amid what they do, starts them again, and checks what must hold.
    fn round(&mut self) -> impl Future<Output = Result<Summary>>;

    /// Whether it cannot or need not be killed any more.
    fn is_over(&self) -> bool;

    /// Brings all money back on chain, checks all once more, and stops the nodes.
    fn end(self) -> impl Future<Output = Result<Summary>>;

    /// Which kill this is, and where to read of it.
    fn place(&self) -> String;
}

/// The first kill of the group has begun. Returns whether it was right in everything.
async fn live(subject: Result<impl Subject>, dir: &Path, total: &Total) -> bool {
    let mut subject = match subject {
        Ok(subject) => subject,
        Err(error) => {
            return total.end_kill(Err(error), &format!("{} did not start", dir.display()));
        },
    };
    let mut is_right = true;
    loop {
        let round = subject.round().await;
        let has_failed = round.is_err();
        is_right &= total.end_kill(round, &subject.place());
        if has_failed {
            return false;
        }
        if subject.is_over() || !total.begin_kill() {
            break;
        }
    }
    let place = subject.place();
    total.end_kill(subject.end().await, &place) && is_right
}
