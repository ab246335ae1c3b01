//! Streaming events.

use futures_util::StreamExt as _;
use futures_util::stream;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;

use super::dispatcher::Call;
use super::{Stream, consumers};
use crate::error::Error;
use crate::ops;
use crate::ops::events::Subscription;
use crate::store::EventBounds;

/// Streams every event after the position in the request, or new events. No event is skipped.
pub(super) async fn subscribe(
    call: Call,
    request: SubscribeEventsRequest,
) -> Result<Stream<Shared<EventEnvelope>>, Error> {
    let SubscribeEventsRequest { resume_after_index, consumer } = request;
    let consumer = match consumer.as_str() {
        "" => None,
        _ => Some(consumers::name(consumer)?),
    };
    let subscribed = ops::events::subscribe(&call.app()?, resume_after_index, consumer).await?;
    let Subscription { cursor, bounds } = subscribed;
    let messages = stream::unfold(Some(cursor), |cursor| async {
        let mut cursor = cursor?;
        match cursor.next().await {
            Ok(event) => Some((Ok(event), Some(cursor))),
            Err(end) => Some((Err(end), None)),
        }
    });
    let EventBounds { oldest_index, head_index } = bounds;
    let head = vec![("event-head-index", head_index), ("event-oldest-index", oldest_index)];
    Ok(Stream { head, messages: messages.boxed() })
}
