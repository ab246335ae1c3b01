//! The task that forgets the outcomes of calls under keys.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, unix_secs};
use crate::store::Store;

/// From one removal to the next.
const INTERVAL: Duration = Duration::from_secs(600);
/// So long an outcome is kept. Whoever repeats a call does so within hours.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Forgets old outcomes at once and then at intervals, until `stop` is cancelled.
pub(crate) async fn run(store: Arc<Store>, stop: CancellationToken) {
    let mut ticks = Ticks::after(Duration::ZERO, INTERVAL, stop.clone());
    while ticks.next().await {
        let (store, stop) = (Arc::clone(&store), stop.clone());
        match spawn_blocking(move || forget(&store, &stop)).await {
            Ok(Ok(0)) => {},
            Ok(Ok(keys)) => tracing::info!(keys, "forgot old idempotency keys"),
            Ok(Err(error)) => tracing::error!(%error, "cannot forget old idempotency keys"),
            Err(error) => tracing::error!(%error, "cannot forget old idempotency keys"),
        }
    }
}

fn forget(store: &Store, stop: &CancellationToken) -> io::Result<u64> {
    let created_before = unix_secs().saturating_sub(KEPT.as_secs());
    let mut forgotten = 0;
    while !stop.is_cancelled() {
        // Some at a time: others write between.
        match store.remove_old_intents(created_before)? {
            0 => break,
            some => forgotten += some,
        }
    }
    Ok(forgotten)
}
