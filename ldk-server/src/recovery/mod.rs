//! Channels whose state is in quarantine because it is too old. Their peers close them; then the
//! library gets the monitors back, to claim our balance.
//!
//! While the library does not know a channel, its answers make the peer close the channel with the
//! peer's latest transaction. The old monitor must not be active meanwhile: at a timeout it would
//! publish a state that may have been revoked. Once the funding output is spent it cannot.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::bitcoin::BlockHash;
use ldk_node::lightning::chain::channelmonitor::ChannelMonitor;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::msgs::DecodeError;
use ldk_node::lightning::sign::{InMemorySigner, KeysManager};
use ldk_node::lightning::util::persist::MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL;
use ldk_node::lightning::util::ser::ReadableArgs as _;
use tokio::task::{JoinError, spawn_blocking};

use crate::chain::outputs::{self, Output};
use crate::config::Config;
use crate::store::{QuarantinedMonitor, Store};

/// From one check of the chain to the next.
const INTERVAL: Duration = Duration::from_secs(10);

/// The channels that their peers have not closed yet.
pub struct Recovery {
    config: Arc<Config>,
    waiting: Vec<PendingClose>,
}

/// Why the channels in recovery cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The database cannot be read or written.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// A monitor in quarantine cannot be decoded.
    #[error("cannot read the monitor {0}: {1}")]
    Monitor(String, DecodeError),
    /// A task panicked.
    #[error(transparent)]
    Task(#[from] JoinError),
}

/// A channel that its peer has not closed yet.
struct PendingClose {
    monitor: String,
    funding: Output,
}

impl Recovery {
    /// Restores the monitors of closed channels, before the library reads them. Keeps track of the
    /// others.
    pub async fn begin(config: Arc<Config>, store: &Arc<Store>) -> Result<Self, RecoveryError> {
        let reading = Arc::clone(store);
        let aside = spawn_blocking(move || reading.monitors_in_quarantine());
        let aside = aside.await.map_err(RecoveryError::Task)??;
        let mut waiting = Vec::new();
        for monitor in aside {
            let funding = funding(&monitor)?;
            if is_spent(&config, &funding).await {
                let outpoint = funding.outpoint;
                tracing::info!(%outpoint, "a channel in recovery is closed; claiming our balance");
                let store = Arc::clone(store);
                let putting = spawn_blocking(move || store.restore_monitor(monitor.name));
                putting.await.map_err(RecoveryError::Task)??;
            } else {
                waiting.push(PendingClose { monitor: monitor.name, funding });
            }
        }
        if !waiting.is_empty() {
            tracing::warn!(
                channels = waiting.len(),
                "in recovery: waiting for the peers to close channels; keep the server running"
            );
        }
        Ok(Self { config, waiting })
    }

    /// Waits until the monitor of one more channel can be restored, which takes another start;
    /// forever if no channel is in recovery.
    pub async fn progress(&self) {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            for PendingClose { monitor, funding } in &self.waiting {
                if is_spent(&self.config, funding).await {
                    tracing::info!(monitor, "the peer has closed a channel in recovery");
                    return;
                }
            }
        }
    }
}

/// Whether a confirmed transaction spends this output; false if the chain source does not answer.
async fn is_spent(config: &Config, output: &Output) -> bool {
    outputs::is_spent(&config.chain_source, output).await.unwrap_or_else(|error| {
        let outpoint = output.outpoint;
        tracing::warn!(%outpoint, %error, "in recovery: cannot check whether the funding output is spent");
        false
    })
}

/// The funding output of the channel of a monitor.
fn funding(monitor: &QuarantinedMonitor) -> Result<Output, RecoveryError> {
    // These are not the keys of the node: nothing is signed with them.
    let keys = KeysManager::new(&[0; 32], 0, 0, true);
    let bytes = monitor.bytes.as_slice();
    let mut bytes =
        bytes.strip_prefix(MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL).unwrap_or(bytes);
    let read = <(BlockHash, ChannelMonitor<InMemorySigner>)>::read(&mut bytes, (&keys, &keys));
    let (_, state) = read.map_err(|error| RecoveryError::Monitor(monitor.name.clone(), error))?;
    let outpoint = state.get_funding_txo().into_bitcoin_outpoint();
    Ok(Output { outpoint, script: state.get_funding_script() })
}
