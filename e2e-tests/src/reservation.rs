//! How many nodes are up at the same time in a process that runs tests side by side.

use anyhow::{Result, ensure};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The most nodes that are up at the same time.
///
/// For 2 cores. A node mostly waits: for the next look at the chain, for a peer, for the test. Eight
/// of them took less than half of two cores; those of the tests that kill take most of it.
pub const NODES_AT_ONCE: u32 = 10;

static NODES: Semaphore = Semaphore::const_new(NODES_AT_ONCE as usize);

/// Room for the nodes of one test, which is free again when this is dropped.
///
/// A test makes one reservation before it starts anything: two tests that each wait for a second one
/// would wait for each other.
#[derive(Debug)]
pub struct Reservation(SemaphorePermit<'static>);

impl Reservation {
    /// Waits until there is room for so many nodes. Who has asked first gets it first.
    pub async fn of(nodes: u32) -> Result<Self> {
        ensure!(nodes <= NODES_AT_ONCE, "at most {NODES_AT_ONCE} nodes can be up, not {nodes}");
        Ok(Self(NODES.acquire_many(nodes).await?))
    }

    /// Waits until nothing else runs, for a test that measures time.
    pub async fn of_the_machine() -> Result<Self> {
        Self::of(NODES_AT_ONCE).await
    }

    /// For so many nodes there is room.
    pub(crate) fn nodes(&self) -> usize {
        self.0.num_permits()
    }
}
