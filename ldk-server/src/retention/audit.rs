//! The task that removes entries of the audit which need not be kept any longer.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio_util::sync::CancellationToken;

use super::{SECS_PER_DAY, all, repeat, report_count};
use crate::audit::Audit;
use crate::clock::unix_secs;

/// From one look at the entries to the next.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks at once and then at intervals, until `stop` is cancelled. Entries are kept for `keep_days`, or for
/// ever if that is 0.
pub(crate) async fn run(audit: Arc<Audit>, keep_days: u64, stop: CancellationToken) {
    const ENTRIES: &str = "old entries of the audit";
    let remove = move |stop: &CancellationToken| look(&audit, keep_days, stop);
    repeat(INTERVAL, ENTRIES, stop, remove, report_count(ENTRIES)).await;
}

/// Returns how many were removed.
fn look(audit: &Audit, keep_days: u64, stop: &CancellationToken) -> io::Result<u64> {
    audit.record_counted();
    if keep_days == 0 {
        return Ok(0);
    }
    let recorded_before = unix_secs().saturating_sub(keep_days.saturating_mul(SECS_PER_DAY));
    all(|| audit.remove_old(recorded_before), stop)
}
