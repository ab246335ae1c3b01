//! The task that removes old events.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio_util::sync::CancellationToken;

use super::repeat;
use crate::clock::unix_secs;
use crate::config::EventsConfig;
use crate::store::{Removed, Store};

/// From one removal to the next.
const INTERVAL: Duration = Duration::from_secs(5);

/// Removes old events at once and then at intervals, until `stop` is cancelled.
pub(crate) async fn run(store: Arc<Store>, config: EventsConfig, stop: CancellationToken) {
    let remove = move |stop: &CancellationToken| remove(&store, config, stop);
    repeat(INTERVAL, "old events", stop, remove, |removed| report(&removed)).await;
}

fn remove(
    store: &Store,
    EventsConfig { keep_secs, keep_count }: EventsConfig,
    stop: &CancellationToken,
) -> io::Result<Removed> {
    let recorded_before = unix_secs().saturating_sub(keep_secs);
    let mut removed = Removed::default();
    while !stop.is_cancelled() {
        let chunk = store.remove_old_events(recorded_before, keep_count)?;
        if chunk.events == 0 {
            break;
        }
        removed.events += chunk.events;
        for (consumer, events) in chunk.unacknowledged {
            *removed.unacknowledged.entry(consumer).or_default() += events;
        }
    }
    Ok(removed)
}

fn report(removed: &Removed) {
    let Removed { events, unacknowledged } = removed;
    if *events > 0 {
        tracing::debug!(events, "removed old events");
    }
    for (consumer, events) in unacknowledged {
        tracing::warn!(
            consumer,
            events,
            "removed events that a consumer had not acknowledged; let it acknowledge sooner, raise \
             events.keep_secs or events.keep_count, or delete the consumer"
        );
    }
}
