//! Channels whose state was put aside because it is too old: their peers close them, and afterwards
//! the library gets the monitors back, to claim what is ours.
//!
//! While the library does not know a channel it answers the peer in a way that makes it close the
//! channel, with its own latest transaction. An old monitor must not watch meanwhile: at a timeout it
//! would publish a state that may have been revoked. Once the funding output is spent it cannot.

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

/// From one look at the chain to the next.
const INTERVAL: Duration = Duration::from_secs(10);

/// The channels that are still to be closed by their peers.
pub struct Recovery {
    config: Arc<Config>,
    waiting: Vec<PendingClose>,
}

/// Why the channels in recovery are not known.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The database cannot be read or written.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
    /// A monitor that was put aside is not as the library writes it.
    #[error("cannot read the monitor {0}: {1}")]
    Monitor(String, DecodeError),
    /// A task was lost.
    #[error(transparent)]
    Task(#[from] JoinError),
}

/// A channel that is to be closed by its peer.
struct PendingClose {
    monitor: String,
    funding: Output,
}

impl Recovery {
    /// Puts the monitors of channels that are closed back, before the library reads them, and
    /// remembers the others.
    pub async fn begin(config: Arc<Config>, store: &Arc<Store>) -> Result<Self, RecoveryError> {
        let reading = Arc::clone(store);
        let aside = spawn_blocking(move || reading.monitors_in_quarantine());
        let aside = aside.await.map_err(RecoveryError::Task)??;
        let mut waiting = Vec::new();
        for monitor in aside {
            let funding = funding(&monitor)?;
            if is_spent(&config, &funding).await {
                let outpoint = funding.outpoint;
                tracing::info!("the channel funded by {outpoint} is closed; claiming what is ours");
                let store = Arc::clone(store);
                let putting = spawn_blocking(move || store.restore_monitor(monitor.name));
                putting.await.map_err(RecoveryError::Task)??;
            } else {
                waiting.push(PendingClose { monitor: monitor.name, funding });
            }
        }
        if !waiting.is_empty() {
            tracing::warn!(
                "in recovery: {} channel(s) are still to be closed by the peers; let the server run",
                waiting.len()
            );
        }
        Ok(Self { config, waiting })
    }

    /// Waits until the monitor of one more channel can be put back, which takes another start;
    /// forever if no channel is in recovery.
    pub async fn progress(&self) {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            for PendingClose { monitor, funding } in &self.waiting {
                if is_spent(&self.config, funding).await {
                    tracing::info!("the peer has closed the channel of the monitor {monitor}");
                    return;
                }
            }
        }
    }
}

/// Whether a transaction in a block spends this output, as far as can be known.
async fn is_spent(config: &Config, output: &Output) -> bool {
    outputs::is_spent(&config.chain_source, output).await.unwrap_or_else(|error| {
        let outpoint = output.outpoint;
        tracing::warn!("in recovery: cannot tell whether {outpoint} is spent: {error}");
        false
    })
}

/// The output that the channel of a monitor is funded by.
fn funding(monitor: &QuarantinedMonitor) -> Result<Output, RecoveryError> {
    // The keys are not those of the node: they are for signing, and nothing is signed.
    let keys = KeysManager::new(&[0; 32], 0, 0, true);
    let bytes = monitor.bytes.as_slice();
    let mut bytes =
        bytes.strip_prefix(MONITOR_UPDATING_PERSISTER_PREPEND_SENTINEL).unwrap_or(bytes);
    let read = <(BlockHash, ChannelMonitor<InMemorySigner>)>::read(&mut bytes, (&keys, &keys));
    let (_, state) = read.map_err(|error| RecoveryError::Monitor(monitor.name.clone(), error))?;
    let outpoint = state.get_funding_txo().into_bitcoin_outpoint();
    Ok(Output { outpoint, script: state.get_funding_script() })
}
