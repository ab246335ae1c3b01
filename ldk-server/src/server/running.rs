//! A node that runs, and how it is stopped.

use std::fs::File;
use std::sync::Arc;

use ldk_node::{Node, NodeError};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use super::StartError;
use super::tasks::TaskEnded;
use crate::chain::gate::ChainGate;
use crate::gate::PeerGate;
use crate::node::startup::Started;
use crate::store::Store;

/// A node that runs, with what stands around it. It is stopped when this is dropped.
pub(super) struct RunningNode {
    pub(super) node: Arc<Node>,
    pub(super) store: Arc<Store>,
    pub(super) gate: Arc<PeerGate>,
    pub(super) chain_gate: Arc<ChainGate>,
    /// Held as long as the node may write its state.
    lock: Arc<File>,
}

/// Why a node was not stopped as it should be. What was acknowledged is on disk all the same.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The library says so.
    #[error("cannot stop the node: {0}")]
    Node(#[from] NodeError),
    /// The task of it was lost.
    #[error(transparent)]
    Lost(#[from] JoinError),
    /// A task has failed before.
    #[error(transparent)]
    Task(#[from] TaskEnded),
}

impl RunningNode {
    /// That of a start, by reference.
    pub(super) fn of(started: &Started, lock: File) -> Self {
        let Started { node, store, gate, chain_gate, .. } = started;
        Self {
            node: Arc::clone(node),
            store: Arc::clone(store),
            gate: Arc::clone(gate),
            chain_gate: Arc::clone(chain_gate),
            lock: Arc::new(lock),
        }
    }

    /// Stops it because the start cannot go on, for this reason.
    pub(super) async fn give_up(self, reason: StartError) -> StartError {
        if let Err(error) = self.stop().await {
            tracing::error!("{error}");
        }
        reason
    }

    /// Stops it. No events must be taken from it any more.
    pub(super) async fn stop(self) -> Result<(), StopError> {
        // The library's queue of what to broadcast is lost with the node.
        self.gate.stop_reading();
        self.chain_gate.at_rest().await;
        // Stopping and dropping the node both block, and the second needs a runtime that is alive.
        let node = Arc::clone(&self.node);
        let stopped = spawn_blocking(move || node.stop().map(|()| drop(node))).await?;
        // Afterwards, so that the node's last words to its chain source and its peers get through.
        self.chain_gate.close().await;
        // Nothing more is written.
        let store = Arc::clone(&self.store);
        // What is not done is done at the next start.
        if let Err(error) = spawn_blocking(move || store.checkpoint()).await? {
            tracing::warn!("the log of the database stays beside it: {error}");
        }
        self.gate.close().await;
        Ok(stopped?)
    }
}

/// A second time it does nothing.
impl Drop for RunningNode {
    fn drop(&mut self) {
        let (node, lock) = (Arc::clone(&self.node), Arc::clone(&self.lock));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || {
                // It may have been stopped before.
                let _ = node.stop();
                drop(lock);
            });
        }
    }
}
