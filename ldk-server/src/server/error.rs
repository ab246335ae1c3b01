//! Why the daemon does not start.

use std::net::SocketAddr;

use ldk_node::lightning::io;
use tokio::task::JoinError;

use super::upstream::UpstreamDataError;
use crate::config::ConfigError;
use crate::gate::GateError;
use crate::hold::HoldError;
use crate::lnurl::ServicesError;
use crate::local_socket::LocalSocketError;
use crate::node::NodeStartError;
use crate::secrets::SecretError;
use crate::storage::StorageError;
use crate::webhooks::WebhooksError;

/// Why the daemon could not start. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key, mnemonic or certificate cannot be created or used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The directory of the state cannot be created or locked.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The directory belongs to an LDK Server.
    #[error(transparent)]
    Upstream(#[from] UpstreamDataError),
    /// A partial backup cannot be removed.
    #[error("cannot remove a partial backup: {0}")]
    PartialBackup(#[source] std::io::Error),
    /// A gRPC service cannot listen.
    #[error("cannot listen on {key} {address}: {source}")]
    Listen {
        /// The key of the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The Unix socket cannot be bound.
    #[error(transparent)]
    LocalSocket(#[from] LocalSocketError),
    /// The reflection service cannot be created.
    #[error(transparent)]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The gate for peers cannot be created.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The node cannot be started.
    #[error(transparent)]
    Node(#[from] NodeStartError),
    /// The database cannot be read.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// A metric cannot be created.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The state of held payments cannot be read.
    #[error(transparent)]
    Holds(#[from] HoldError),
    /// LNURL services cannot be asked.
    #[error("cannot use LNURL: {0}")]
    Lnurl(#[from] ServicesError),
    /// The webhooks cannot be read.
    #[error("cannot start the webhooks: {0}")]
    Webhooks(#[from] WebhooksError),
    /// A task of the start panicked.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// A signal interrupted the start.
    #[error("stopped while starting")]
    Interrupted,
}
