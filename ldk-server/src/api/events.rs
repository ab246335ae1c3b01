//! Streaming events.

use std::sync::Arc;

use futures_util::stream;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::EventEnvelope;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::feed::Feed;
use super::{App, Calls, consumers};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::store::{EventBounds, MAX_EVENT_CONSUMERS, Store};

/// The events of one subscriber.
pub(super) type Stream = BoxStream<EventEnvelope>;

struct Subscription {
    feed: Feed,
    stopping: CancellationToken,
    deadline: Option<Deadline>,
}

/// Every event after the place that the request names, or from now on. The stream ends with a status
/// that says why; it never skips an event.
pub(super) async fn subscribe(
    app: Arc<App>,
    calls: &Calls,
    request: Request<SubscribeEventsRequest>,
    stopping: CancellationToken,
) -> Result<Response<Stream>, Error> {
    let deadline = request.extensions().get().copied();
    let SubscribeEventsRequest { resume_after_index, consumer } = request.into_inner();
    let consumer = match consumer.as_str() {
        "" => None,
        _ => Some(consumers::name(consumer)?),
    };
    // Before the place is looked up, so that what comes meanwhile is not missed.
    let live = app.store.live_events();
    let store = Arc::clone(&app.store);
    let place = move || place(&store, resume_after_index, consumer);
    let (after, bounds) = calls.run("subscribe_events", place).await?;
    let feed = Feed::new(Arc::clone(&app.store), calls.clone(), live, after, bounds.head_index);
    let subscription = Subscription { feed, stopping, deadline };
    let events = stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(event) => Some((Ok(event), Some(subscription))),
            Err(end) => Some((Err(end), None)),
        }
    });
    let mut response = Response::new(Box::pin(events) as Stream);
    let metadata = response.metadata_mut();
    metadata.insert("event-head-index", bounds.head_index.into());
    metadata.insert("event-oldest-index", bounds.oldest_index.into());
    Ok(response)
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

/// What lies outside of the events that there are.
pub(super) fn out_of_range(why: &str, bounds: EventBounds) -> Error {
    let EventBounds { oldest_index, head_index } = bounds;
    Error::OutOfRange(format!("{why}; the oldest is {oldest_index}, the newest {head_index}"))
}

fn add(store: &Store, consumer: String, after: u64) -> Result<u64, Error> {
    let acknowledged = store.add_event_consumer(consumer, after).map_err(Error::internal)?;
    acknowledged.ok_or_else(|| {
        Error::ResourceExhausted(format!(
            "there are {MAX_EVENT_CONSUMERS} consumers, and can be no more; delete one first"
        ))
    })
}

impl Subscription {
    async fn next(&mut self) -> Result<EventEnvelope, Status> {
        tokio::select! {
            biased;
            event = self.feed.next() => Ok(event?),
            () = self.stopping.cancelled() => Err(Status::unavailable("the server is stopping")),
            () = Deadline::expired(self.deadline) => Err(Deadline::status()),
        }
    }
}
