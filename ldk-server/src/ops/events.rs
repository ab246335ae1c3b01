//! Subscriptions to events.

use std::sync::Arc;

use crate::app::App;
use crate::error::Error;
use crate::events::{EventCursor, out_of_range};
use crate::store::{EventBounds, MAX_EVENT_CONSUMERS, Store};

/// The events of one subscriber.
pub struct Subscription {
    /// Its position.
    pub cursor: EventCursor,
    /// The oldest and the newest event when it began.
    pub bounds: EventBounds,
}

/// Subscribes to the events after the given one, or else after the last that the consumer has
/// acknowledged, or else to new events.
pub async fn subscribe(
    app: &Arc<App>,
    resume_after_index: Option<u64>,
    consumer: Option<String>,
) -> Result<Subscription, Error> {
    // Before the place is looked up, so that what comes meanwhile is not missed.
    let live = app.store.live_events();
    let store = Arc::clone(&app.store);
    let place = move || place(&store, resume_after_index, consumer);
    let (after, bounds) = app.executor.run("subscribe_events", place).await?;
    let (store, executor, head) = (Arc::clone(&app.store), app.executor.clone(), bounds.head_index);
    let cursor = EventCursor::new(store, executor, app.replaying.clone(), live, after, head);
    Ok(Subscription { cursor, bounds })
}

/// The event after which a stream begins, and which events there are.
fn place(
    store: &Store,
    resume_after_index: Option<u64>,
    consumer: Option<String>,
) -> Result<(u64, EventBounds), Error> {
    let acknowledged = match &consumer {
        Some(consumer) => store.acknowledged_index(consumer).map_err(Error::internal)?,
        None => None,
    };
    // Afterwards, so that no consumer has acknowledged more than there is.
    let bounds = store.event_bounds().map_err(Error::internal)?;
    let after = resume_after_index.or(acknowledged).unwrap_or(bounds.head_index);
    check(after, bounds)?;
    match consumer {
        Some(consumer) if acknowledged.is_none() => {
            let acknowledged = add(store, consumer, after)?;
            Ok((resume_after_index.unwrap_or(acknowledged), bounds))
        },
        _ => Ok((after, bounds)),
    }
}

fn check(after: u64, bounds: EventBounds) -> Result<(), Error> {
    let EventBounds { oldest_index, head_index } = bounds;
    let why = if after > head_index {
        format!("resume_after_index: {after} is no event yet")
    } else if after.saturating_add(1) < oldest_index {
        format!("the events after {after} are no longer all kept")
    } else {
        return Ok(());
    };
    Err(out_of_range(&why, bounds))
}

fn add(store: &Store, consumer: String, after: u64) -> Result<u64, Error> {
    let acknowledged = store.add_event_consumer(consumer, after).map_err(Error::internal)?;
    acknowledged.ok_or_else(|| {
        Error::ResourceExhausted(format!(
            "there are {MAX_EVENT_CONSUMERS} consumers, and can be no more; delete one first"
        ))
    })
}
