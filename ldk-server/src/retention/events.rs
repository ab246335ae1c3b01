//! The task that removes events which need not be kept any longer.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::io;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, unix_secs};
use crate::config::EventsConfig;
use crate::store::{Removed, Store};

/// From one look at the events to the next.
const INTERVAL: Duration = Duration::from_secs(5);

/// Looks at once and then at intervals, until `stop` is cancelled.
pub(crate) async fn run(store: Arc<Store>, config: EventsConfig, stop: CancellationToken) {
    let mut ticks = Ticks::after(Duration::ZERO, INTERVAL, stop.clone());
    while ticks.next().await {
        let (store, stop) = (Arc::clone(&store), stop.clone());
        match spawn_blocking(move || remove(&store, config, &stop)).await {
            Ok(Ok(removed)) => report(&removed),
            Ok(Err(error)) => tracing::error!("cannot remove old events: {error}"),
            Err(error) => tracing::error!("cannot remove old events: {error}"),
        }
    }
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
        tracing::debug!("removed {events} old events");
    }
    for (consumer, events) in unacknowledged {
        tracing::warn!(
            "removed {events} events that the consumer {consumer} had not acknowledged; let it \
             acknowledge sooner, raise events.keep_secs or events.keep_count, or delete it"
        );
    }
}
