//! Why the daemon does not start.

use std::net::SocketAddr;

use ldk_node::lightning::io;
use tokio::task::JoinError;

use super::upstream::OfLdkServer;
use crate::config::ConfigError;
use crate::gate::GateError;
use crate::hold::HoldError;
use crate::http::LocalSocketError;
use crate::node::NodeStartError;
use crate::secrets::SecretError;
use crate::storage::StorageError;

/// Why the daemon could not start. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key, mnemonic or certificate cannot be made or used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The directory of the state cannot be had.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state is that of another program.
    #[error(transparent)]
    Upstream(#[from] OfLdkServer),
    /// What is left of a backup is in the way.
    #[error("cannot remove a partial backup: {0}")]
    PartialBackup(#[source] std::io::Error),
    /// The gRPC service cannot listen.
    #[error("cannot listen on node.grpc_service_address {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Nor at the Unix socket.
    #[error(transparent)]
    LocalSocket(#[from] LocalSocketError),
    /// The service cannot be described.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Peers cannot be let in.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The node does not run.
    #[error(transparent)]
    Node(#[from] NodeStartError),
    /// The database cannot be read.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// Nothing can be counted.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// What is to become of held payments is not known.
    #[error(transparent)]
    Holds(#[from] HoldError),
    /// A task of the start was lost.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// A signal came before the start was complete.
    #[error("stopped while starting")]
    Interrupted,
}
