//! Tasks that remove old records.

use std::fmt::Display;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Ticks;

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod intents;
pub(crate) mod invoice_rows;
pub(crate) mod invoices;

const SECS_PER_DAY: u64 = 86_400;

/// Removes what is old at once and then at intervals, until `stop` is cancelled. `records` names it in the
/// log.
async fn repeat<R: Send + 'static>(
    interval: Duration,
    records: &'static str,
    stop: CancellationToken,
    remove: impl Fn(&CancellationToken) -> io::Result<R> + Clone + Send + 'static,
    report: impl Fn(R),
) {
    let failed = |error: &dyn Display| tracing::error!(%error, "cannot remove {records}");
    let mut ticks = Ticks::after(Duration::ZERO, interval, stop.clone());
    while ticks.next().await {
        let (remove, stop) = (remove.clone(), stop.clone());
        match spawn_blocking(move || remove(&stop)).await {
            Ok(Ok(removed)) => report(removed),
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }
}

/// Removes some at a time, as others write between, until there are none. Returns how many there were.
fn all(mut remove: impl FnMut() -> io::Result<u64>, stop: &CancellationToken) -> io::Result<u64> {
    let mut removed = 0;
    while !stop.is_cancelled() {
        match remove()? {
            0 => break,
            some => removed += some,
        }
    }
    Ok(removed)
}

/// Says how many were removed, if any.
fn report_count(records: &'static str) -> impl Fn(u64) {
    move |removed| {
        if removed > 0 {
            tracing::info!(removed, "removed {records}");
        }
    }
}
