//! The stream of events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use ldk_server_grpc::events::EventEnvelope;
use tonic::metadata::MetadataMap;
use tonic::{Response, Streaming};

use crate::error::Error;

const HEAD_INDEX: &str = "event-head-index";
const OLDEST_INDEX: &str = "event-oldest-index";

/// The server's events, from [`Client::subscribe_events`](crate::Client::subscribe_events).
/// Nothing follows an error. Dropping the stream ends the subscription.
pub struct EventStream {
    head_index: Option<u64>,
    oldest_index: Option<u64>,
    events: Streaming<EventEnvelope>,
}

impl EventStream {
    pub(crate) fn new(accepted: Response<Streaming<EventEnvelope>>) -> Self {
        Self {
            head_index: index(accepted.metadata(), HEAD_INDEX),
            oldest_index: index(accepted.metadata(), OLDEST_INDEX),
            events: accepted.into_inner(),
        }
    }

    /// The `event_index` of the newest event when the stream began; 0 before the first event.
    /// `None` from a server that does not number its events.
    pub fn head_index(&self) -> Option<u64> {
        self.head_index
    }

    /// The `event_index` of the oldest event that the server kept when the stream began; one more
    /// than the head if it kept none. `None` from a server that does not number its events.
    pub fn oldest_index(&self) -> Option<u64> {
        self.oldest_index
    }
}

fn index(metadata: &MetadataMap, key: &str) -> Option<u64> {
    metadata.get(key)?.to_str().ok()?.parse().ok()
}

impl Stream for EventStream {
    type Item = Result<EventEnvelope, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context).map_err(Error::from)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EventStream")
            .field("head_index", &self.head_index)
            .field("oldest_index", &self.oldest_index)
            .finish_non_exhaustive()
    }
}
