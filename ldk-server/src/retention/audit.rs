//! The task that removes entries of the audit which need not be kept any longer.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::clock::{Ticks, unix_secs};

/// From one look at the entries to the next.
const INTERVAL: Duration = Duration::from_secs(60);

const SECS_PER_DAY: u64 = 86_400;

/// Looks at once and then at intervals, until `stop` is cancelled. Entries are kept for `keep_days`, or for
/// ever if that is 0.
pub(crate) async fn run(audit: Arc<Audit>, keep_days: u64, stop: CancellationToken) {
    let mut ticks = Ticks::after(Duration::ZERO, INTERVAL, stop.clone());
    while ticks.next().await {
        let (audit, stop) = (Arc::clone(&audit), stop.clone());
        match spawn_blocking(move || look(&audit, keep_days, &stop)).await {
            Ok(Ok(0)) => {},
            Ok(Ok(removed)) => tracing::info!("removed {removed} old entries of the audit"),
            Ok(Err(error)) => tracing::error!("cannot remove old entries of the audit: {error}"),
            Err(error) => tracing::error!("cannot remove old entries of the audit: {error}"),
        }
    }
}

/// Returns how many were removed.
fn look(audit: &Audit, keep_days: u64, stop: &CancellationToken) -> io::Result<u64> {
    audit.record_counted();
    let mut removed = 0;
    if keep_days == 0 {
        return Ok(removed);
    }
    let recorded_before = unix_secs().saturating_sub(keep_days.saturating_mul(SECS_PER_DAY));
    while !stop.is_cancelled() {
        // Some at a time: others write between.
        match audit.remove_old(recorded_before)? {
            0 => break,
            some => removed += some,
        }
    }
    Ok(removed)
}
