//! A running node, and how it stops.

use std::fs::File;
use std::sync::Arc;

use ldk_node::{Node, NodeError};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use super::StartError;
use super::tasks::TaskEnded;
use crate::chain::cookie::CookieWatch;
use crate::chain::gate::ChainGate;
use crate::gate::PeerGate;
use crate::node::startup::Started;
use crate::recovery::Recovery;
use crate::store::Store;

/// A running node with its gates and its store. Dropping this stops the node.
pub(super) struct RunningNode {
    pub(super) node: Arc<Node>,
    pub(super) store: Arc<Store>,
    pub(super) gate: Arc<PeerGate>,
    pub(super) chain_gate: Arc<ChainGate>,
    pub(super) cookie: CookieWatch,
    pub(super) recovery: Recovery,
    /// Locked as long as the node may write its state.
    lock: Arc<File>,
}

/// Why a node did not stop in good order. What was acknowledged is on disk anyway.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The library returned an error.
    #[error("cannot stop the node: {0}")]
    Node(#[from] NodeError),
    /// The task that stops the node panicked.
    #[error(transparent)]
    Lost(#[from] JoinError),
    /// A task of the server has failed.
    #[error(transparent)]
    Task(#[from] TaskEnded),
}

impl RunningNode {
    /// The node of a start. Its addresses are logged.
    pub(super) fn new(started: Started, lock: File) -> Self {
        let Started { node, store, gate, chain_gate, cookie, recovery } = started;
        let lock = Arc::new(lock);
        gate.warn_of_unreachable_addresses();
        for address in gate.announcement_addresses() {
            tracing::info!("NODE_URI: {}@{address}", node.node_id());
        }
        Self { node, store, gate, chain_gate, cookie, recovery, lock }
    }

    /// Stops the node because the start failed for this reason, which is returned.
    pub(super) async fn give_up(self, reason: StartError) -> StartError {
        if let Err(error) = self.stop().await {
            tracing::error!(%error, "cannot stop the node");
        }
        reason
    }

    /// Stops the node. No events must be taken from it any more.
    pub(super) async fn stop(self) -> Result<(), StopError> {
        // The library's queue of what to broadcast is lost with the node.
        self.gate.stop_reading();
        self.chain_gate.at_rest().await;
        // Stopping and dropping the node both block, and the second needs a runtime that is alive.
        let node = Arc::clone(&self.node);
        let stopped = spawn_blocking(move || node.stop().map(|()| drop(node))).await?;
        // Afterwards, so that the last messages of the node get through.
        self.chain_gate.close().await;
        // Nothing is written any more.
        let store = Arc::clone(&self.store);
        // A failed checkpoint is made up for at the next start.
        if let Err(error) = spawn_blocking(move || store.checkpoint()).await? {
            tracing::warn!(%error, "cannot checkpoint the database; its write-ahead log remains");
        }
        self.gate.close().await;
        let store = Arc::clone(&self.store);
        spawn_blocking(move || store.release()).await?;
        Ok(stopped?)
    }
}

/// Does nothing after [`stop`](Self::stop).
impl Drop for RunningNode {
    fn drop(&mut self) {
        let (node, lock) = (Arc::clone(&self.node), Arc::clone(&self.lock));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || {
                // This fails if the node has stopped already.
                let _ = node.stop();
                drop(lock);
            });
        }
    }
}
