//! Why a start fails.

use ldk_node::lightning::io;
use ldk_node::{BuildError, NodeError};

use crate::config::ConfigError;
use crate::gate::GateError;
use crate::node::bitcoind::ProbeError;
use crate::secrets::SecretError;

/// Why the daemon could not start. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key, mnemonic or certificate cannot be made or used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A file or directory cannot be made or used.
    #[error("{0}")]
    Storage(String),
    /// The state is older than one that was seen of the same node.
    #[error("{0}")]
    TooOld(String),
    /// Another process runs on the same state.
    #[error("{0}")]
    AlreadyRunning(String),
    /// The gRPC service cannot listen.
    #[error("{0}")]
    Listen(String),
    /// Peers cannot be let in.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The chain source cannot be used.
    #[error(transparent)]
    ChainSource(#[from] ProbeError),
    /// The database cannot be opened or read.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// The node cannot be built from its state.
    #[error("cannot load the node: {0}")]
    Build(#[from] BuildError),
    /// The node does not start.
    #[error("cannot start the node: {0}")]
    Node(#[from] NodeError),
    /// A task of the start was lost.
    #[error("{0}")]
    Task(String),
    /// A signal came before the start was complete.
    #[error("stopped while starting")]
    Interrupted,
}

impl StartError {
    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self::Task(error.to_string())
    }
}
