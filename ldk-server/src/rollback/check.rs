//! Refuses to start the node from a state that is older than one that was seen of it, such as that of
//! a disk image of last week.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::OLD_STATE_WORDS;
use super::record::RollbackRecord;
use super::seen::{newer, seen_by_mirror, seen_here, too_old};
use crate::clock::Ticks;
use crate::config::Config;
use crate::store::Store;

/// How often the epoch of the state is recorded.
const INTERVAL: Duration = Duration::from_secs(10);

/// Why the node does not start from a state.
#[derive(Debug, thiserror::Error)]
pub enum TooOld {
    /// The state is older than one that was seen of the same node. The text says what to do.
    #[error("{0}")]
    Refused(String),
    /// The rollback record cannot be read or written.
    #[error("{0}")]
    Record(#[from] std::io::Error),
    /// The epoch of the state cannot be read.
    #[error("cannot read the database: {0}")]
    Store(#[from] io::Error),
}

/// Refuses a state that is too old, and records the epoch of this one.
pub(crate) fn check(store: &Store, config: &Config) -> Result<(), TooOld> {
    let (lineage, epoch) = store.epoch()?;
    let here = seen_here(config, lineage)?;
    let there = seen_by_mirror(config, lineage).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot check whether the mirror has a newer state");
        None
    });
    let known = newer(here, there);
    if let Some(reason) = too_old(epoch, known.as_ref()) {
        return Err(TooOld::Refused(format!(
            "{reason} Restore the newest state; or run ldk-server recover, which has the peers close \
             the channels and is safe with a state of any age; or, if you know that this state is \
             the newest, move the database away and restore it with --accept-old-state \
             \"{OLD_STATE_WORDS}\""
        )));
    }
    record(store, config)?;
    Ok(())
}

/// Records the epoch of the state at intervals, and a last time when `stop` is cancelled.
pub(crate) async fn record_periodically(
    store: Arc<Store>,
    config: Arc<Config>,
    stop: CancellationToken,
) {
    let mut ticks = Ticks::after(INTERVAL, INTERVAL, stop);
    loop {
        let goes_on = ticks.next().await;
        let (store, config) = (Arc::clone(&store), Arc::clone(&config));
        match spawn_blocking(move || record(&store, &config)).await {
            Ok(Ok(())) => {},
            Ok(Err(error)) => tracing::error!(%error, "cannot record the epoch of the state"),
            Err(error) => tracing::error!(%error, "cannot record the epoch of the state"),
        }
        if !goes_on {
            return;
        }
    }
}

fn record(store: &Store, config: &Config) -> io::Result<()> {
    let (lineage, epoch) = store.epoch()?;
    let noted = RollbackRecord::new(&config.storage_dir, config.network).note(lineage, epoch);
    noted.map_err(|error| io::Error::new(io::ErrorKind::Other, error))
}
