//! Why the node cannot be started.

use ldk_node::lightning::io;
use ldk_node::{BuildError, NodeError};
use tokio::task::JoinError;

use crate::chain::{ChainError, ProbeError};
use crate::config::ConfigError;
use crate::gate::GateError;
use crate::recovery::RecoveryError;
use crate::rollback::TooOld;

/// Why the node cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum NodeStartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain source cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The gate for peers cannot be created.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The state is older than one that was seen of the same node.
    #[error(transparent)]
    TooOld(#[from] TooOld),
    /// The channels in recovery cannot be determined.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The database cannot be opened or read.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// The mirror of the database cannot be created.
    #[error("{0}")]
    Mirror(#[source] io::Error),
    /// The node cannot be built from its state.
    #[error("cannot load the node: {0}")]
    Build(#[from] BuildError),
    /// The node does not start.
    #[error("cannot start the node: {0}")]
    Node(#[from] NodeError),
    /// A task panicked.
    #[error(transparent)]
    Task(#[from] JoinError),
}

impl From<ProbeError> for NodeStartError {
    fn from(error: ProbeError) -> Self {
        Self::Chain(error.into())
    }
}
