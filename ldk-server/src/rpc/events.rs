//! Streaming events.

use std::sync::Arc;

use futures_util::stream;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::EventEnvelope;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Status};

use super::App;
use crate::deadline::Deadline;
use crate::error::Error;

/// The events of one subscriber.
pub(super) type Stream = BoxStream<EventEnvelope>;

struct Subscription {
    events: broadcast::Receiver<Arc<EventEnvelope>>,
    stopping: CancellationToken,
    deadline: Option<Deadline>,
}

/// Every event from now on. The stream ends with a status that says why; it never skips an event.
pub(super) fn subscribe(
    app: &App,
    request: Request<SubscribeEventsRequest>,
    stopping: CancellationToken,
) -> Result<Stream, Error> {
    if request.get_ref().resume_after_index.is_some() {
        return Err(Error::Unimplemented("resume_after_index: not yet; events are not stored"));
    }
    let subscription = Subscription {
        events: app.store.live_events(),
        stopping,
        deadline: request.extensions().get().copied(),
    };
    Ok(Box::pin(stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(event) => Some((Ok(event), Some(subscription))),
            Err(end) => Some((Err(end), None)),
        }
    })))
}

impl Subscription {
    async fn next(&mut self) -> Result<EventEnvelope, Status> {
        tokio::select! {
            biased;
            received = self.events.recv() => match received {
                Ok(event) => Ok(EventEnvelope::clone(&event)),
                Err(RecvError::Lagged(count)) => Err(Status::data_loss(format!(
                    "this subscriber fell behind; {count} events were not delivered"
                ))),
                Err(RecvError::Closed) => Err(Status::unavailable("the server is stopping")),
            },
            () = self.stopping.cancelled() => Err(Status::unavailable("the server is stopping")),
            () = Deadline::expired(self.deadline) => Err(Deadline::status()),
        }
    }
}
