//! Why the chain source cannot be used.

use tokio::task::JoinError;

use super::bitcoind::ProbeError;
use crate::config::ConfigError;

/// Why the chain source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The configuration of it is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It does not answer as it should.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// There is no way to it.
    #[error("cannot stand before {name}: {reason}")]
    Unreachable {
        /// What it is called.
        name: String,
        /// Why.
        reason: String,
    },
    /// Nothing can be counted.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// A task was lost.
    #[error(transparent)]
    Task(#[from] JoinError),
}
