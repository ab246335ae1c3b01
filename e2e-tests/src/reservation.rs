//! How many nodes are up at the same time in a process that runs tests side by side, and for how long.

use std::fs;
use std::process;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::print_uncaptured::print_uncaptured;

/// The most nodes that are up at the same time.
///
/// For 2 cores. A node mostly waits: for the next look at the chain, for a peer, for the test. Eight
/// of them took less than half of two cores; those of the tests that kill take most of it.
pub const NODES_AT_ONCE: u32 = 10;

/// Several times what the longest test takes.
const MOST_TIME: Duration = Duration::from_secs(20 * 60);
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

static NODES: Semaphore = Semaphore::const_new(NODES_AT_ONCE as usize);
/// Who has nodes, and since when.
static HOLDERS: Mutex<Vec<Holder>> = Mutex::new(Vec::new());

/// Room for the nodes of one test, which is free again when this is dropped.
///
/// A test makes one reservation before it starts anything: two tests that each wait for a second one
/// would wait for each other.
///
/// Tests wait for each other's nodes, so one that never ends would hold up all of them, and nobody would
/// be told which it is. It ends the process, with its name.
#[derive(Debug)]
pub struct Reservation {
    permit: SemaphorePermit<'static>,
    since: Instant,
}

/// A test that has nodes. No two have begun at the same moment.
#[derive(Debug)]
struct Holder {
    name: String,
    since: Instant,
}

impl Reservation {
    /// Waits until there is room for so many nodes. Who has asked first gets it first.
    pub async fn of(nodes: u32) -> Result<Self> {
        ensure!(nodes <= NODES_AT_ONCE, "at most {NODES_AT_ONCE} nodes can be up, not {nodes}");
        let permit = NODES.acquire_many(nodes).await?;
        watch();
        // The harness gives a test's thread its name.
        let name = thread::current().name().unwrap_or("a test").to_owned();
        let mut holders = holders();
        let since = Instant::now();
        holders.push(Holder { name, since });
        Ok(Self { permit, since })
    }

    /// Waits until nothing else runs, for a test that measures time.
    pub async fn of_the_machine() -> Result<Self> {
        Self::of(NODES_AT_ONCE).await
    }

    /// For so many nodes there is room.
    pub(crate) fn nodes(&self) -> usize {
        self.permit.num_permits()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        holders().retain(|holder| holder.since != self.since);
    }
}

fn holders() -> MutexGuard<'static, Vec<Holder>> {
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process, and what it has started, when a test has its nodes for too long.
fn watch() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        thread::spawn(|| {
            loop {
                thread::park_timeout(LOOK_INTERVAL);
                let overdue = overdue(&holders(), MOST_TIME);
                if !overdue.is_empty() {
                    let names = overdue.join(", ");
                    print_uncaptured(&format!(
                        "test {names} ... FAILED\nnot done in {MOST_TIME:?}"
                    ));
                    kill_children(process::id());
                    process::exit(1);
                }
            }
        });
    });
}

/// The names of those that have their nodes for this long.
fn overdue(holders: &[Holder], most: Duration) -> Vec<String> {
    let is_overdue = |holder: &&Holder| holder.since.elapsed() >= most;
    holders.iter().filter(is_overdue).map(|holder| holder.name.clone()).collect()
}

/// What is killed when its handle is dropped would outlive a process that ends at once.
fn kill_children(parent: u32) {
    for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::wait::until;

    #[tokio::test]
    async fn who_has_nodes_is_known_by_name_until_they_are_given_back() {
        let name = thread::current().name().unwrap_or_default().to_owned();
        let reservation = Reservation::of(1).await.unwrap();
        assert!(overdue(&holders(), Duration::ZERO).contains(&name));
        assert!(overdue(&holders(), MOST_TIME).is_empty());
        drop(reservation);
        assert!(!overdue(&holders(), Duration::ZERO).contains(&name));
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn what_was_started_is_killed() {
        let mut shell =
            process::Command::new("sh").args(["-c", "sleep 600 & wait $!"]).spawn().unwrap();
        let ended = until("its child is killed", Duration::from_secs(10), async || {
            kill_children(shell.id());
            shell.try_wait()?.context("it runs")
        });
        assert!(!ended.await.unwrap().success());
    }
}
