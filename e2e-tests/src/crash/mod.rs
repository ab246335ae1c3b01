//! Kills nodes amid payments, or stops them, again and again, and checks each time that no payment,
//! no record of one, no event and no money is lost.
//!
//! Several pairs of nodes, each on a chain of its own, are killed at the same time: a round is mostly
//! waiting, above all for nodes to see the next block.

mod books;
mod follow;
mod ledger;
mod load;
mod pair;
mod settle;
mod summary;

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;

pub use self::summary::{Kind, Summary, Violation};

use self::pair::Pair;
use crate::say::say;

const PROGRESS_EVERY: u32 = 10;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often a node is killed, in all.
    pub kills: u32,
    /// How many pairs of nodes there are.
    pub pairs: u32,
    /// What the random choices are made from: whom to kill when, and what to pay until then.
    pub seed: u64,
    /// How a node is ended.
    pub ending: Ending,
    /// Where data and logs are, in a directory for each pair. What is left are those of a pair with
    /// which something was wrong.
    pub dir: PathBuf,
}

/// How a node is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With SIGKILL, at any moment.
    Killed,
    /// With SIGTERM, while both nodes pay: it must end with code 0.
    Stopped,
}

/// Does it. The summary tells of what was violated; a line for each ten kills tells how far it is.
///
/// # Errors
///
/// When what is not needed any more cannot be removed.
pub async fn run(plan: &Plan) -> Result<Summary> {
    let begin = Instant::now();
    let total = Total { kills: plan.kills, begin, state: Mutex::default() };
    let pairs = (0..plan.pairs).map(|number| {
        let seed = plan.seed.wrapping_add(u64::from(number) << 32);
        keep_killing(plan, number, seed, &total)
    });
    try_join_all(pairs).await?;
    let mut summary = total.with(|state| state.summary.clone());
    summary.duration = begin.elapsed();
    Ok(summary)
}

/// Takes part until all kills are done, with one pair after the other. What is left of a pair that
/// was right in everything is removed.
async fn keep_killing(plan: &Plan, number: u32, seed: u64, total: &Total) -> Result<()> {
    for life in 0.. {
        if !total.begin_kill() {
            break;
        }
        let dir = plan.dir.join(format!("pair-{number}-{life}"));
        match Pair::start(&dir, seed.wrapping_add(life), plan.ending).await {
            Ok(pair) => {
                if live(pair, total).await {
                    fs::remove_dir_all(&dir)?;
                }
            },
            Err(error) => {
                total.end_kill(Err(error), &format!("{} did not start", dir.display()));
                break;
            },
        }
    }
    Ok(())
}

/// Its first kill has begun. Returns whether it was right in everything.
async fn live(mut pair: Pair, total: &Total) -> bool {
    let mut is_right = true;
    loop {
        let round = pair.round().await;
        let has_ended = round.is_err();
        is_right &= total.end_kill(round, &pair.place());
        if has_ended {
            return false;
        }
        if pair.is_worn_out() || !total.begin_kill() {
            break;
        }
    }
    let place = pair.place();
    total.end_kill(pair.end().await, &place) && is_right
}

/// What all pairs have done together.
struct Total {
    kills: u32,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: u32,
    told: u32,
    summary: Summary,
}

impl Total {
    /// False when all that are to be done have begun.
    fn begin_kill(&self) -> bool {
        self.with(|state| {
            let is_left = state.begun < self.kills;
            state.begun += u32::from(is_left);
            is_left
        })
    }

    /// Adds what came of it. False if something was violated.
    fn end_kill(&self, outcome: Result<Summary>, place: &str) -> bool {
        let mut summary = outcome.unwrap_or_else(|error| Summary {
            violations: vec![Violation::new(Kind::Stuck, format!("{error:#}"))],
            ..Default::default()
        });
        summary.violations =
            summary.violations.into_iter().map(|violation| violation.at(place)).collect();
        let is_right = summary.violations.is_empty();
        for violation in &summary.violations {
            say(&violation.to_string());
        }
        self.with(|state| {
            state.summary.add(summary);
            let done = state.summary.kills();
            if done >= state.told + PROGRESS_EVERY {
                state.told = done;
                say(&self.progress(&state.summary));
            }
        });
        is_right
    }

    fn progress(&self, summary: &Summary) -> String {
        format!(
            "{:5} s  {:3} of {} kills, {} force-closed, {} violations",
            self.begin.elapsed().as_secs(),
            summary.kills(),
            self.kills,
            summary.closures(),
            summary.violations.len()
        )
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
